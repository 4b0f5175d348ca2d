//! From inputs to plans: what is published as it is, what is packaged first, what is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nearcast_content::manifest::About;
use nearcast_content::{ObjectId, ObjectSize, WebUrl, tree};

use super::audio::{self, AudioError, Fit};
use super::ffmpeg::Ffmpeg;
use super::hls::elsewhere;
use super::input::{Input, Skipped};
use super::ledger::OpenLedger;
use super::package::{self, Ladder, PackageError, Packager, Work};
use super::plan::{Bytes, FileName, Picture, Plan, PlannedFile};
use super::site_dir::{SiteDir, Stamp};
use super::web::Web;
use super::{LOCK, Options, Progress, PublishError, film, hls, parallel};

/// What became of the inputs.
#[derive(Debug, Default)]
pub(super) struct Prospects {
    pub(super) plans: Vec<Plan>,
    /// To be packaged first.
    pub(super) raw: Vec<Raw>,
    /// Left out.
    pub(super) skipped: Vec<Skipped>,
    /// Published, with something to tell of it.
    pub(super) notes: Vec<Skipped>,
    /// Inputs that are left out or published as they are because there is no ffmpeg.
    pub(super) unpackaged: usize,
}

/// A file that is to be packaged.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) input: PathBuf,
    kind: Kind,
    /// What its tags say, where they could be read.
    known: Option<(About, Option<Picture>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Song,
    Film,
}

enum Prospect {
    Ready(Box<Plan>),
    /// As it is, for want of ffmpeg.
    AsItIs(Box<Plan>),
    Raw(Raw),
    /// And whether ffmpeg would have helped.
    Left(Skipped, bool),
}

/// Looks at every input.
pub(super) fn look(inputs: &BTreeSet<Input>, options: &Options, web: &Web) -> Prospects {
    let inputs: Vec<&Input> = inputs.iter().collect();
    let looked = parallel::for_each(parallel::cores(), &inputs, |input| {
        Ok::<_, std::convert::Infallible>(match input {
            Input::Audio(path) => song(path, options.ffmpeg.as_ref()),
            Input::Film(path) => a_film(path, options.ffmpeg.as_ref()),
            Input::Hls { main } => ready(main, hls::plan(main)),
            Input::Elsewhere(url) => ready(Path::new(url.as_str()), plan_elsewhere(url, options, web)),
        })
    });
    let mut found = Prospects::default();
    for prospect in looked.into_iter().flatten() {
        match prospect {
            Prospect::Ready(plan) => found.plans.push(*plan),
            Prospect::AsItIs(plan) => {
                found.unpackaged += 1;
                found.plans.push(*plan);
            }
            Prospect::Raw(raw) => found.raw.push(raw),
            Prospect::Left(skipped, ffmpeg) => {
                found.unpackaged += usize::from(ffmpeg);
                found.skipped.push(skipped);
            }
        }
    }
    found
}

fn ready<E: ToString>(path: &Path, plan: Result<Plan, E>) -> Prospect {
    match plan {
        Ok(plan) => Prospect::Ready(Box::new(plan)),
        Err(why) => Prospect::Left(Skipped { path: path.to_owned(), why: why.to_string() }, false),
    }
}

fn song(path: &Path, ffmpeg: Option<&Ffmpeg>) -> Prospect {
    let raw = |known| Prospect::Raw(Raw { input: path.to_owned(), kind: Kind::Song, known });
    match (audio::plan(path), ffmpeg) {
        (Ok((plan, Fit::AsItIs)), _) => Prospect::Ready(Box::new(plan)),
        (Ok((plan, Fit::Packaged)), None) => Prospect::AsItIs(Box::new(plan)),
        (Ok((plan, Fit::Packaged)), Some(_)) => raw(Some((plan.about, plan.art))),
        (Err(AudioError::Unplayable(_) | AudioError::Damaged(_) | AudioError::Silent), Some(_)) => {
            raw(audio::tags(path))
        }
        (Err(why), _) => {
            let helps = matches!(why, AudioError::Unplayable(_));
            Prospect::Left(Skipped { path: path.to_owned(), why: why.to_string() }, helps)
        }
    }
}

fn a_film(path: &Path, ffmpeg: Option<&Ffmpeg>) -> Prospect {
    if ffmpeg.is_some() {
        return Prospect::Raw(Raw { input: path.to_owned(), kind: Kind::Film, known: None });
    }
    match film::plan(path) {
        Ok(plan) => Prospect::AsItIs(Box::new(plan)),
        Err(why) => Prospect::Left(Skipped { path: path.to_owned(), why: why.to_string() }, true),
    }
}

fn plan_elsewhere(url: &WebUrl, options: &Options, web: &Web) -> Result<Plan, String> {
    if url.path().to_ascii_lowercase().ends_with(".m3u8") {
        return elsewhere::plan(url, web).map_err(|why| why.to_string());
    }
    let ffmpeg =
        options.ffmpeg.as_ref().ok_or("needs ffmpeg, to learn how long it plays; it is not on PATH")?;
    package::file_elsewhere(url, ffmpeg)
}

/// Makes packages of raw files, and the plans to publish them.
pub(super) struct Packaging<'a> {
    pub(super) dir: &'a SiteDir,
    pub(super) options: &'a Options,
    pub(super) progress: &'a dyn Progress,
    pub(super) ledger: &'a Mutex<OpenLedger>,
}

/// Where packages lie among the publisher's records.
pub(super) const PACKAGES: &str = "packages";

/// A raw file with what it is to become.
struct Pending {
    raw: Raw,
    work: Work,
}

type Outcome<T> = Result<T, Skipped>;

impl Packaging<'_> {
    /// Packages what has not been packaged yet.
    pub(super) fn run(&self, found: &mut Prospects) -> Result<(), PublishError> {
        let (raw, Some(ffmpeg)) = (std::mem::take(&mut found.raw), &self.options.ffmpeg) else {
            return Ok(());
        };
        let folder = self.dir.record(PACKAGES);
        let packager = Packager { ffmpeg, folder: &folder, progress: self.progress };
        let hashed = parallel::for_each(parallel::cores(), &raw, |raw| self.work(raw))?;
        let mut pending: BTreeMap<String, Vec<Pending>> = BTreeMap::new();
        for (raw, work) in raw.into_iter().zip(hashed) {
            match work {
                Ok(work) => pending.entry(work.key()).or_default().push(Pending { raw, work }),
                Err(skipped) => found.skipped.push(skipped),
            }
        }
        let made = self.make(&packager, &pending);
        for (key, same) in pending {
            let Some(made) = made.get(&key) else { continue };
            for Pending { raw, work } in same {
                match made {
                    Ok(folder) => self.plan(folder, raw, found),
                    Err(why) => found.skipped.push(Skipped { path: work.input, why: why.clone() }),
                }
            }
        }
        Ok(())
    }

    /// What a raw file is to become. Its bytes are hashed unless they are known.
    fn work(&self, raw: &Raw) -> Result<Outcome<Work>, PublishError> {
        let (id, stamp) = match self.hash(&raw.input) {
            Ok(hashed) => hashed,
            Err(why) => {
                return Ok(Err(Skipped { path: raw.input.clone(), why: format!("cannot be read: {why}") }));
            }
        };
        let mut ledger = self.ledger.lock().expect(LOCK);
        if ledger.ledger.hash_of(&raw.input, stamp) != Some(id) {
            ledger.read(self.dir, &raw.input, stamp, id)?;
        }
        let (ladder, subtitles) = match raw.kind {
            Kind::Song => (Ladder::Source, Vec::new()),
            Kind::Film => (self.options.ladder.clone(), package::sidecars(&raw.input)),
        };
        Ok(Ok(Work { input: raw.input.clone(), id, ladder, subtitles }))
    }

    fn hash(&self, input: &Path) -> std::io::Result<(ObjectId, Stamp)> {
        let stamp = Stamp::of(input)?;
        if let Some(id) = self.ledger.lock().expect(LOCK).ledger.hash_of(input, stamp) {
            return Ok((id, stamp));
        }
        let invalid = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
        let size = ObjectSize::new(stamp.size).ok_or_else(|| invalid("it is empty or too large"))?;
        let (id, _) = tree::hash(File::open(input)?, size)?;
        if Stamp::of(input)? == stamp {
            Ok((id, stamp))
        } else {
            Err(invalid("it changed while it was read"))
        }
    }

    /// The folder of each package, or why there is none.
    fn make(
        &self,
        packager: &Packager<'_>,
        pending: &BTreeMap<String, Vec<Pending>>,
    ) -> BTreeMap<String, Result<PathBuf, String>> {
        let mut made = BTreeMap::new();
        let mut missing = Vec::new();
        for (key, same) in pending {
            match packager.ready(key) {
                Some(folder) => drop(made.insert(key.clone(), Ok(folder))),
                None => missing.extend(same.first()),
            }
        }
        let looked = each(parallel::cores(), &missing, |p| packager.look(&p.work));
        let mut jobs = Vec::new();
        for (pending, looked) in missing.iter().zip(looked) {
            match looked {
                Ok(looked) => jobs.push((*pending, looked)),
                Err(why) => drop(made.insert(pending.work.key(), Err(why.to_string()))),
            }
        }
        let effort = jobs.iter().map(|(p, looked)| looked.effort_ms(&p.work)).sum();
        if !jobs.is_empty() {
            self.progress.packaging(jobs.len(), effort);
        }
        let (songs, films): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(p, _)| p.raw.kind == Kind::Song);
        // An encoder of films uses several cores itself.
        let few = NonZeroUsize::new(parallel::cores().get() / 4).unwrap_or(NonZeroUsize::MIN);
        for (threads, jobs) in [(parallel::cores(), songs), (few, films)] {
            let outcomes = each(threads, &jobs, |(p, looked)| packager.package(&p.work, looked));
            let keyed = jobs.iter().map(|(p, _)| p.work.key()).zip(outcomes);
            made.extend(keyed.map(|(key, outcome)| (key, outcome.map_err(|why| why.to_string()))));
        }
        made
    }

    fn plan(&self, folder: &Path, raw: Raw, found: &mut Prospects) {
        let Raw { input, known, .. } = raw;
        match package::plan(folder, &input, known) {
            Ok((mut plan, notes)) => {
                if self.options.keep_originals {
                    keep_original(&mut plan);
                }
                found.notes.extend(notes.into_iter().map(|why| Skipped { path: input.clone(), why }));
                found.plans.push(plan);
            }
            Err(why) => found.skipped.push(Skipped { path: input, why: why.to_string() }),
        }
    }
}

/// [`parallel::for_each`] for work whose failures stop nothing else.
fn each<T: Sync, R: Send>(
    threads: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, PackageError> + Sync,
) -> Vec<Result<R, PackageError>> {
    let done = parallel::for_each(threads, items, |item| Ok::<_, std::convert::Infallible>(work(item)));
    done.into_iter().flatten().collect()
}

/// Publishes the file itself too, by its own name where that can be one.
fn keep_original(plan: &mut Plan) {
    let name = plan.input.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = plan.input.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = || "original/original".parse().expect("a plain name");
    let to = FileName::Fixed(format!("original/{name}").parse().unwrap_or_else(|_| plain()));
    let content_type = nearcast_content::ContentType::of_extension(&ending);
    plan.original = Some(plan.files.len());
    plan.files.push(PlannedFile {
        from: Bytes::File(plan.input.clone()),
        to,
        content_type: content_type.unwrap_or(nearcast_content::ContentType::Bytes),
    });
}
