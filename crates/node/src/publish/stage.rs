//! Bringing a title's files into the site: copied and hashed beside their place, then put there all together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nearcast_content::source::{SitePath, Source};
use nearcast_content::{ObjectId, ObjectSize, TitleId, WebUrl, site, tree};

use super::ledger::{Ledger, OpenLedger, Written};
use super::plan::{Bytes, FileName, PlannedFile};
use super::site_dir::{SiteDir, Stamp, outboard_beside};
use super::web::{Found, Web, WebError};
use super::{Copying, Progress, PublishError};

/// A file that was hashed and waits to be put into its place.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) id: ObjectId,
    pub(super) size: ObjectSize,
    from: Waiting,
    /// The input and its stamp, to be remembered.
    source: Option<(PathBuf, Stamp)>,
}

#[derive(Debug)]
enum Waiting {
    /// At this path of the site already.
    InSite(String),
    /// Beside the site's files, with its outboard if it has one.
    Incoming { file: PathBuf, outboard: Option<PathBuf> },
    /// On another server; its outboard waits unless the site has it.
    Elsewhere { url: WebUrl, outboard: Option<PathBuf>, found: Found },
}

/// Why a file was not staged.
#[derive(Debug)]
pub(super) enum StageError {
    /// The input is at fault: the title is left out, others go on.
    Input(String),
    /// The site cannot be written: nothing goes on.
    Site(PublishError),
}

/// What staging needs.
pub(super) struct Stager<'a, P: ?Sized> {
    pub(super) site: &'a SiteDir,
    pub(super) ledger: &'a Ledger,
    pub(super) copying: Copying,
    pub(super) progress: &'a P,
    pub(super) web: &'a Web,
}

impl<P: Progress + ?Sized> Stager<'_, P> {
    /// Copies and hashes one file of `title`, unless it is known to be there unchanged.
    pub(super) fn stage(&self, title: &TitleId, file: &PlannedFile) -> Result<Staged, StageError> {
        match &file.from {
            Bytes::Made(bytes) => self.stage_bytes(bytes),
            Bytes::File(path) => self.stage_file(title, path, self.copying),
            Bytes::Ours(path) => self.stage_file(title, path, Copying::Link),
            Bytes::Elsewhere(url) => self.stage_elsewhere(url),
        }
    }

    fn stage_file(&self, title: &TitleId, path: &Path, copying: Copying) -> Result<Staged, StageError> {
        let unreadable =
            |why: io::Error| StageError::Input(format!("{} cannot be read: {why}", path.display()));
        let stamp = Stamp::of(path).map_err(unreadable)?;
        let size = ObjectSize::new(stamp.size)
            .ok_or_else(|| StageError::Input(format!("{} is empty or too large", path.display())))?;
        if let Some(id) = self.ledger.hash_of(path, stamp)
            && let Some(copy) = self.ledger.copy_of(self.site, title, id)
        {
            self.progress.bytes(stamp.size);
            return Ok(Staged {
                id,
                size,
                from: Waiting::InSite(copy),
                source: Some((path.to_owned(), stamp)),
            });
        }
        // Opened first, so that an input that cannot be read is not taken for a site that cannot be written.
        fs::File::open(path).map_err(unreadable)?;
        let staged = self.site.incoming();
        self.copy(path, &staged, copying)?;
        // What is hashed is the copy: the bytes that are served.
        let reader = fs::File::open(&staged).map_err(|why| self.fault(why))?;
        let reader = Counted { reader, progress: self.progress };
        let (id, outboard) = tree::hash(reader, size).map_err(|why| {
            StageError::Input(format!("{} changed while it was read: {why}", path.display()))
        })?;
        if Stamp::of(path).map_err(unreadable)? != stamp {
            return Err(StageError::Input(format!(
                "{} changed while it was published; publish again when it is finished",
                path.display()
            )));
        }
        let source = Some((path.to_owned(), stamp));
        Ok(Staged { id, size, from: self.waiting(staged, &outboard)?, source })
    }

    /// Hashes a file that stays on its server, unless the server says that it is the one known.
    fn stage_elsewhere(&self, url: &WebUrl) -> Result<Staged, StageError> {
        let fault = |why: WebError| StageError::Input(why.to_string());
        let found = self.web.look(url).map_err(fault)?;
        let size = found.size().ok_or_else(|| StageError::Input(format!("{url} is empty")))?;
        let known = self.ledger.elsewhere(url, &found).filter(|id| self.site.has_outboard_of(*id, size));
        self.progress.grown(size.bytes());
        if let Some(id) = known {
            self.progress.bytes(size.bytes());
            let from = Waiting::Elsewhere { url: url.clone(), outboard: None, found };
            return Ok(Staged { id, size, from, source: None });
        }
        let (id, outboard) =
            self.web.hash(url, &found, &|bytes| self.progress.bytes(bytes)).map_err(fault)?;
        let outboard = if outboard.is_empty() { None } else { Some(self.incoming_with(&outboard)?) };
        let from = Waiting::Elsewhere { url: url.clone(), outboard, found };
        Ok(Staged { id, size, from, source: None })
    }

    fn incoming_with(&self, bytes: &[u8]) -> Result<PathBuf, StageError> {
        let path = self.site.incoming();
        fs::write(&path, bytes).map_err(|why| self.fault(why))?;
        Ok(path)
    }

    fn stage_bytes(&self, bytes: &[u8]) -> Result<Staged, StageError> {
        let size = ObjectSize::new(bytes.len() as u64)
            .ok_or_else(|| StageError::Input("a file of it would be empty".to_owned()))?;
        let (id, outboard) =
            tree::hash(bytes, size).map_err(|why| StageError::Input(format!("cannot be hashed: {why}")))?;
        let staged = self.site.incoming();
        fs::write(&staged, bytes).map_err(|why| self.fault(why))?;
        Ok(Staged { id, size, from: self.waiting(staged, &outboard)?, source: None })
    }

    fn waiting(&self, file: PathBuf, outboard: &[u8]) -> Result<Waiting, StageError> {
        if outboard.is_empty() {
            return Ok(Waiting::Incoming { file, outboard: None });
        }
        Ok(Waiting::Incoming { file, outboard: Some(self.incoming_with(outboard)?) })
    }

    fn copy(&self, from: &Path, to: &Path, copying: Copying) -> Result<(), StageError> {
        if copying == Copying::Link && fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        fs::copy(from, to).map_err(|why| self.fault(why))?;
        // The input may be readable by its owner alone; a site is for a web server to read.
        #[cfg(unix)]
        fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .map_err(|why| self.fault(why))?;
        Ok(())
    }

    fn fault(&self, why: io::Error) -> StageError {
        StageError::Site(PublishError::Site { path: self.site.root().to_owned(), why })
    }
}

struct Counted<'a, P: ?Sized> {
    reader: fs::File,
    progress: &'a P,
}

impl<P: Progress + ?Sized> io::Read for Counted<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.progress.bytes(read as u64);
        Ok(read)
    }
}

/// Where a title's files were put.
#[derive(Debug)]
pub(super) struct Placed {
    /// In the order of the plan.
    pub(super) sources: Vec<Source>,
}

/// Puts the staged files of `title` into their places.
///
/// A file that a published manifest names is never overwritten with other bytes: a title whose files changed
/// goes into a folder of its own, so that the old manifest holds until the new one takes its place.
pub(super) fn place(
    dir: &SiteDir,
    ledger: &mut OpenLedger,
    referenced: &BTreeMap<String, ObjectId>,
    title: &TitleId,
    files: &[(PlannedFile, Staged)],
) -> Result<Placed, StageError> {
    let before = folder_in_use(referenced, title, files);
    let mut all = blake3::Hasher::new();
    for (_, staged) in files {
        all.update(&staged.id.0);
    }
    let own = format!("r{}", &all.finalize().to_hex()[..8]);
    let media = site::media_folder(title);
    for folder in [before, None, Some(own)] {
        let paths = files.iter().map(|(file, _)| path_of(title, file, folder.as_deref()));
        let paths = paths.collect::<Result<Vec<_>, _>>().map_err(StageError::Input)?;
        let taken = |(path, (_, staged)): (&SitePath, &(PlannedFile, Staged))| {
            referenced.get(&format!("{media}{path}")).is_some_and(|id| *id != staged.id)
        };
        if paths.iter().zip(files).any(taken) {
            continue;
        }
        let mut sources = Vec::new();
        for (path, (_, staged)) in paths.into_iter().zip(files) {
            let place = format!("{media}{path}");
            sources.push(put_or_leave(dir, ledger, &place, path, staged).map_err(StageError::Site)?);
        }
        return Ok(Placed { sources });
    }
    Err(StageError::Input("its files were changed in the site; run `nearcast verify` on it".to_owned()))
}

/// The folder that the published version of `title` keeps its files in, if it was replaced before.
fn folder_in_use(
    referenced: &BTreeMap<String, ObjectId>,
    title: &TitleId,
    files: &[(PlannedFile, Staged)],
) -> Option<String> {
    let media = site::media_folder(title);
    let name = path_of(title, &files.first()?.0, None).ok()?;
    let published = referenced.range(media.clone()..).map_while(|(path, _)| path.strip_prefix(&media));
    let mut folders = published.filter_map(|path| path.strip_suffix(name.as_str())?.strip_suffix('/'));
    folders.find(|folder| is_own_folder(folder)).map(str::to_owned)
}

/// Whether a folder's name is one that [`place`] gives.
fn is_own_folder(name: &str) -> bool {
    name.strip_prefix('r').is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn path_of(title: &TitleId, file: &PlannedFile, folder: Option<&str>) -> Result<SitePath, String> {
    let name = match &file.to {
        FileName::OfTitle => format!("{title}.{}", file.content_type.extension()),
        FileName::Fixed(path) => path.as_str().to_owned(),
    };
    let path = match folder {
        Some(folder) => format!("{folder}/{name}"),
        None => name,
    };
    path.parse().map_err(|why| format!("cannot be called {path}: {why}"))
}

/// Puts a file into the site, or notes where it stays.
fn put_or_leave(
    dir: &SiteDir,
    ledger: &mut OpenLedger,
    place: &str,
    path: SitePath,
    staged: &Staged,
) -> Result<Source, PublishError> {
    let Waiting::Elsewhere { url, outboard, found } = &staged.from else {
        put(dir, ledger, place, staged)?;
        return Ok(Source::Media(path));
    };
    if let Some(outboard) = outboard {
        dir.move_in(outboard, &site::object_outboard_path(staged.id))?;
    }
    ledger.elsewhere(dir, url, found, staged.id)?;
    Ok(Source::Elsewhere(url.clone()))
}

fn put(dir: &SiteDir, ledger: &mut OpenLedger, path: &str, staged: &Staged) -> Result<(), PublishError> {
    let there = ledger.ledger.written.get(path).filter(|w| w.id == staged.id);
    let intact = there.copied().filter(|w| dir.is_intact(path, w.stamp()));
    let written = match intact {
        Some(written) => written,
        None => {
            ledger.begin(dir, path)?;
            put_anew(dir, path, staged)?;
            let stamp = Stamp::of(&dir.at(path)).map_err(|why| dir.fail(path, why))?;
            Written::new(staged.id, stamp)
        }
    };
    ledger.done(dir, path, written, staged.source.as_ref())
}

fn put_anew(dir: &SiteDir, path: &str, staged: &Staged) -> Result<(), PublishError> {
    match &staged.from {
        Waiting::InSite(copy) if copy == path => Ok(()),
        Waiting::InSite(copy) => {
            if site::has_outboard(staged.size) {
                dir.duplicate(&outboard_beside(copy), &outboard_beside(path))?;
            }
            dir.duplicate(copy, path)
        }
        Waiting::Incoming { file, outboard } => {
            if let Some(outboard) = outboard {
                dir.move_in(outboard, &outboard_beside(path))?;
            }
            dir.move_in(file, path)
        }
        // It stays where it is.
        Waiting::Elsewhere { .. } => Ok(()),
    }
}
