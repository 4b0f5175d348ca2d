//! Packaging: from any film or song that ffmpeg reads to what browsers play, single-file CMAF for each rendition
//! with its playlists.
//!
//! The result is an HLS folder beside the site, named by the hash of the input and of what was wished for. From
//! there it is published like any other HLS folder, by hard links, and stays as long as its title does: an input
//! that has not changed is not packaged again, wherever it has been moved to. A folder is worked on under another
//! name, rendition by rendition, so that a killed run goes on where it was.

mod cmaf;
mod ladder;
mod language;
mod playlists;
mod probe;
mod recipe;
mod sheet;
mod title;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nearcast_content::ObjectId;

use self::cmaf::{CmafError, Packaged};
pub use self::ladder::{Ladder, LadderError};
use self::playlists::{Choice, Variant};
use self::probe::Probe;
use self::recipe::{Carries, Copying, MAX_SUBTITLES, Recipe, Rendition};
use self::sheet::Sheet;
pub(super) use self::title::{file_elsewhere, plan};
use super::Progress;
use super::ffmpeg::{Ffmpeg, FfmpegError};
use super::hls::MASTER;

/// A copied film with longer segments is encoded after all: players hold whole segments, and a change of
/// rendition waits for the next.
const LONGEST_SEGMENT_US: u64 = 20_000_000;
/// Marks a package whose pictures turned out to be no good as a copy.
const ENCODE: &str = "encode";
/// What a killed run left is thrown away when nobody has come back to it for so long.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most bytes of a file of subtitles that lies beside a film.
const MAX_SUBTITLE_FILE: u64 = 8 * 1024 * 1024;

/// Why something was not packaged.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackageError {
    #[error("{0}")]
    Ffmpeg(#[from] FfmpegError),
    #[error("cannot be published: {0}")]
    Cmaf(#[from] CmafError),
    #[error("holds neither sound nor picture")]
    Empty,
    #[error("is damaged: only {got} s of {whole} s can be read")]
    Short { got: u64, whole: u64 },
    #[error("cannot be packaged in {}: {why}", folder.display())]
    Write { folder: PathBuf, why: io::Error },
}

/// A file to be packaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) input: PathBuf,
    /// The hash of its bytes.
    pub(super) id: ObjectId,
    /// In which sizes; a song has none.
    pub(super) ladder: Ladder,
    /// Files of subtitles beside it.
    pub(super) subtitles: Vec<Sidecar>,
}

/// A file of subtitles beside a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sidecar {
    path: PathBuf,
    language: Option<String>,
    forced: bool,
    hash: [u8; 32],
}

impl Work {
    /// The name of the folder it becomes: the same file and wishes, the same name.
    pub(super) fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id.0);
        hasher.update(format!("\n{} {}", recipe::VERSION, self.ladder).as_bytes());
        for s in &self.subtitles {
            hasher.update(format!("\n{:?} {}", s.language, s.forced).as_bytes()).update(&s.hash);
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// Files of subtitles beside the film at `input`: `film.srt`, `film.de.vtt`, `film.en.forced.srt`.
pub(super) fn sidecars(input: &Path) -> Vec<Sidecar> {
    let (Some(folder), Some(stem)) = (input.parent(), input.file_stem()) else { return Vec::new() };
    let stem = stem.to_string_lossy();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix(&*stem)?.strip_prefix('.')?.to_ascii_lowercase();
        let words = rest.strip_suffix("srt").or(rest.strip_suffix("vtt"))?;
        let mut words: Vec<&str> = words.split('.').filter(|w| !w.is_empty()).collect();
        let forced = words.iter().position(|w| *w == "forced").map(|at| words.remove(at)).is_some();
        let language = match words.as_slice() {
            [] => None,
            [one] => Some(language::tag(one)?),
            _ => return None,
        };
        if path.metadata().ok()?.len() > MAX_SUBTITLE_FILE {
            return None;
        }
        let hash = *blake3::hash(&fs::read(&path).ok()?).as_bytes();
        Some(Sidecar { path, language, forced, hash })
    };
    paths.into_iter().filter_map(read).take(MAX_SUBTITLES).collect()
}

/// Makes packages in a folder of its own.
pub(super) struct Packager<'a> {
    pub(super) ffmpeg: &'a Ffmpeg,
    /// Where packages lie.
    pub(super) folder: &'a Path,
    pub(super) progress: &'a dyn Progress,
}

/// A file that was looked at and is to be packaged.
pub(super) struct Looked {
    probe: Probe,
}

impl Looked {
    /// Milliseconds of media that packaging has to go through, all renditions together.
    pub(super) fn effort_ms(&self, work: &Work) -> u64 {
        let renditions = recipe::recipe(&self.probe, &work.ladder, Copying::WherePossible)
            .map_or(0, |r| r.renditions.len());
        self.probe.duration_ms.saturating_mul(renditions as u64)
    }
}

impl Packager<'_> {
    /// The folder of a package that is there already.
    pub(super) fn ready(&self, key: &str) -> Option<PathBuf> {
        let folder = self.folder.join(key);
        Sheet::read(&folder).map(|_| folder)
    }

    /// Asks what a file holds.
    pub(super) fn look(&self, work: &Work) -> Result<Looked, PackageError> {
        let json = self.ffmpeg.probe(&work.input)?;
        let probe = probe::read(&json).map_err(|why| FfmpegError::Answer(why.to_string()))?;
        Ok(Looked { probe })
    }

    /// Makes the package of a file.
    pub(super) fn package(&self, work: &Work, looked: &Looked) -> Result<PathBuf, PackageError> {
        let key = work.key();
        let (part, folder) = (self.folder.join(format!("{key}.part")), self.folder.join(&key));
        let fail = |why| PackageError::Write { folder: part.clone(), why };
        fs::create_dir_all(&part).map_err(fail)?;
        let making = Making { packager: self, work, probe: &looked.probe, folder: &part };
        let encode = part.join(ENCODE);
        // Known from a run that was stopped: what it made is not cut where a copy would be.
        let known = if encode.exists() { Copying::Never } else { Copying::WherePossible };
        let mut made = making.all(known);
        if matches!(made, Err(Unfit::Copy)) {
            fs::write(&encode, "").map_err(fail)?;
            made = making.all(Copying::Never);
        }
        made.map_err(|unfit| match unfit {
            Unfit::Copy => PackageError::Cmaf(CmafError::Without("key frames")),
            Unfit::Package(why) => why,
        })?;
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(fail)?;
        }
        fs::rename(&part, &folder).map_err(fail)?;
        Ok(folder)
    }

    /// Throws away packages whose titles are gone.
    pub(super) fn tidy(folder: &Path, needed: &std::collections::BTreeSet<&str>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let age =
                entry.metadata().and_then(|m| m.modified()).map(|m| SystemTime::now().duration_since(m));
            let abandoned = !matches!(age, Ok(Ok(age)) if age < ABANDONED);
            if !needed.contains(name.as_str()) && (!name.ends_with(".part") || abandoned) {
                // What cannot be removed costs room, and the next run tries again.
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }
}

/// Why a package is not made in this way.
enum Unfit {
    /// Its pictures cannot be copied.
    Copy,
    Package(PackageError),
}

impl From<PackageError> for Unfit {
    fn from(why: PackageError) -> Self {
        Self::Package(why)
    }
}

impl From<CmafError> for Unfit {
    fn from(why: CmafError) -> Self {
        Self::Package(why.into())
    }
}

struct Making<'a> {
    packager: &'a Packager<'a>,
    work: &'a Work,
    probe: &'a Probe,
    folder: &'a Path,
}

impl Making<'_> {
    fn all(&self, copying: Copying) -> Result<(), Unfit> {
        let recipe = recipe::recipe(self.probe, &self.work.ladder, copying).ok_or(PackageError::Empty)?;
        let mut sheet = Sheet { notes: recipe.notes.clone(), ..Sheet::of(self.probe) };
        let made: Result<Vec<_>, Unfit> =
            recipe.renditions.iter().map(|r| Ok((r, self.rendition(r)?))).collect();
        let made = made?;
        if self.probe.duration_ms == 0 {
            sheet.duration_ms = made.iter().map(|(_, p)| p.micros() / 1_000).max().unwrap_or_default();
        }
        let subtitles = self.subtitles(&recipe, sheet.duration_ms, &mut sheet.notes)?;
        self.playlists(&made, &subtitles)?;
        self.pictures(&mut sheet);
        if let Some(text) = playlists::chapters(&self.probe.chapters) {
            self.write("chapters.vtt", &text)?;
            sheet.chapters = Some("chapters.vtt".to_owned());
        }
        let written = sheet.write(self.folder);
        written.map_err(|why| PackageError::Write { folder: self.folder.to_owned(), why })?;
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PackageError> {
        let fail = |why| PackageError::Write { folder: self.folder.to_owned(), why };
        fs::write(self.folder.join(name), text).map_err(fail)
    }

    /// Makes a file under another name, and gives it its own when it is whole.
    fn convert(
        &self,
        input: &Path,
        before: &[OsString],
        options: &[OsString],
        name: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PackageError> {
        let making = format!("making-{name}");
        let mut options = options.to_vec();
        options.push(format!("file:{making}").into());
        self.packager.ffmpeg.convert(input, before, &options, self.folder, progress)?;
        let renamed = fs::rename(self.folder.join(&making), self.folder.join(name));
        renamed.map_err(|why| PackageError::Write { folder: self.folder.to_owned(), why })
    }

    fn rendition(&self, rendition: &Rendition) -> Result<Packaged, Unfit> {
        let (file, whole) = (rendition.file(), self.probe.duration_ms);
        let path = self.folder.join(&file);
        let mut told = 0;
        if !path.exists() {
            let before = ["-fflags", "+genpts"].map(OsString::from);
            self.convert(&self.work.input, &before, &rendition.options, &file, &mut |ms| {
                let ms = ms.min(whole);
                self.packager.progress.packaged(ms.saturating_sub(told));
                told = told.max(ms);
            })?;
        }
        self.packager.progress.packaged(whole.saturating_sub(told));
        let packaged = Packaged::read(&path)?;
        if rendition.copies_pictures && packaged.longest_micros() > LONGEST_SEGMENT_US {
            fs::remove_file(&path)
                .map_err(|why| PackageError::Write { folder: self.folder.to_owned(), why })?;
            return Err(Unfit::Copy);
        }
        let (got, whole) = (packaged.micros() / 1_000_000, whole / 1_000);
        // Sound may end a little before the pictures, and a container's own word is rounded.
        if rendition.carries != Carries::Sound && got + 2 < whole - whole / 20 {
            fs::remove_file(&path)
                .map_err(|why| PackageError::Write { folder: self.folder.to_owned(), why })?;
            return Err(PackageError::Short { got, whole }.into());
        }
        self.write(&format!("{}.m3u8", rendition.name), &playlists::media(&file, &packaged))?;
        Ok(packaged)
    }

    fn subtitles(
        &self,
        recipe: &Recipe,
        duration_ms: u64,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Choice>, PackageError> {
        let mut choices = Vec::new();
        for (nth, sidecar) in self.work.subtitles.iter().enumerate() {
            let choice = Choice {
                playlist: format!("words{}.m3u8", nth + 1),
                language: sidecar.language.clone(),
                label: label(None, sidecar.language.as_deref(), "Subtitles", nth),
                forced: sidecar.forced,
                packaged: None,
            };
            self.words(&sidecar.path, &choice, "0:s:0", duration_ms, notes)?
                .into_iter()
                .for_each(|c| choices.push(c));
        }
        let room = MAX_SUBTITLES.saturating_sub(choices.len());
        for words in recipe.subtitles.iter().take(room) {
            let (nth, language) = (choices.len(), words.language.as_deref().and_then(language::tag));
            let choice = Choice {
                playlist: format!("words{}.m3u8", nth + 1),
                label: label(words.label.as_deref(), language.as_deref(), "Subtitles", nth),
                language,
                forced: words.forced,
                packaged: None,
            };
            let stream = format!("0:{}", words.stream);
            choices.extend(self.words(&self.work.input, &choice, &stream, duration_ms, notes)?);
        }
        Ok(choices)
    }

    /// Makes one file of subtitles with its playlist. Without words a film still plays: it is noted.
    fn words(
        &self,
        input: &Path,
        choice: &Choice,
        stream: &str,
        duration_ms: u64,
        notes: &mut Vec<String>,
    ) -> Result<Option<Choice>, PackageError> {
        let file = choice.playlist.replace(".m3u8", ".vtt");
        let options = ["-map", stream, "-c:s", "webvtt", "-f", "webvtt"].map(OsString::from);
        let text = std::fs::read(input).ok().filter(|_| input != self.work.input);
        // Files that are not Unicode are of Western Europe, or of nobody knows where.
        let foreign = text.is_some_and(|t| std::str::from_utf8(&t).is_err());
        let before =
            if foreign { ["-sub_charenc", "CP1252"].map(OsString::from).to_vec() } else { Vec::new() };
        match self.convert(input, &before, &options, &file, &mut |_| {}) {
            Ok(()) => {}
            Err(PackageError::Ffmpeg(why)) => {
                notes.push(format!("its subtitles {} are left out: {why}", choice.label));
                return Ok(None);
            }
            Err(why) => return Err(why),
        }
        // A file without a cue is of no use, and may be empty.
        let cues = fs::read_to_string(self.folder.join(&file)).is_ok_and(|t| t.contains("-->"));
        if !cues {
            notes.push(format!("its subtitles {} are empty", choice.label));
            return Ok(None);
        }
        self.write(&choice.playlist, &playlists::subtitles(&file, duration_ms))?;
        Ok(Some(choice.clone()))
    }

    fn playlists(&self, made: &[(&Rendition, Packaged)], subtitles: &[Choice]) -> Result<(), PackageError> {
        if let [(only, packaged)] = made
            && only.carries == Carries::Sound
        {
            // A song needs no list of renditions, which would cost it a round trip more.
            return self.write(MASTER, &playlists::media(&only.file(), packaged));
        }
        let (sounds, variants): (Vec<_>, Vec<_>) =
            made.iter().partition(|(r, _)| r.carries == Carries::Sound);
        let variants: Vec<Variant> = variants
            .into_iter()
            .map(|(r, packaged)| Variant {
                playlist: format!("{}.m3u8", r.name),
                packaged: packaged.clone(),
                frame_rate_milli: r.frame_rate_milli,
            })
            .collect();
        let sounds = sounds.into_iter().enumerate().map(|(nth, (r, packaged))| {
            let language = r.language.as_deref().and_then(language::tag);
            Choice {
                playlist: format!("{}.m3u8", r.name),
                label: label(r.label.as_deref(), language.as_deref(), "Sound", nth),
                language,
                forced: false,
                packaged: Some(packaged.clone()),
            }
        });
        let sounds: Vec<Choice> = unlike(sounds.collect());
        self.write(MASTER, &playlists::master(&variants, &sounds, &unlike(subtitles.to_vec())))
    }

    /// A picture to show the title by: its own, and one out of the film. It does without when there is none.
    fn pictures(&self, sheet: &mut Sheet) {
        let one = ["-frames:v", "1", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2", "-update", "1"]
            .map(OsString::from);
        let small = ["-vf", "scale='min(1280,iw)':-2,format=yuvj420p"].map(OsString::from);
        let picture = |stream: u32, before: &[OsString], name: &str| {
            let map = ["-map".to_owned(), format!("0:{stream}")].map(OsString::from);
            let options = [&map[..], &small[..], &one[..]].concat();
            let made = self.convert(&self.work.input, before, &options, name, &mut |_| {});
            made.is_ok().then(|| name.to_owned())
        };
        sheet.cover = self.probe.cover.and_then(|stream| picture(stream, &[], "cover.jpg"));
        if let Some(video) = &self.probe.video {
            // Past the titles, where films begin to look like themselves.
            let at = self.probe.duration_ms / 10;
            let seek = ["-ss".to_owned(), format!("{}.{:03}", at / 1000, at % 1000)].map(OsString::from);
            sheet.still = picture(video.stream, &seek, "still.jpg");
        }
    }
}

/// What people read in a menu.
fn label(own: Option<&str>, language: Option<&str>, what: &str, nth: usize) -> String {
    let own = own.map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned);
    let named = || language.map(|l| language::own_name(l).unwrap_or(l).to_owned());
    own.or_else(named).unwrap_or_else(|| format!("{what} {}", nth + 1))
}

/// Gives choices of one name numbers: players tell them apart by it (RFC 8216, 4.3.4.1).
fn unlike(mut choices: Vec<Choice>) -> Vec<Choice> {
    for at in 1..choices.len() {
        let (before, rest) = choices.split_at_mut(at);
        let taken = |label: &str| before.iter().any(|c| c.label == label);
        let label = rest[0].label.clone();
        let numbered = (2..).map(|n: usize| format!("{label} {n}"));
        rest[0].label =
            std::iter::once(label.clone()).chain(numbered).find(|l| !taken(l)).unwrap_or(label.clone());
    }
    choices
}
