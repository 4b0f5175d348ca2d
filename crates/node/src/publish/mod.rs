//! Publishing: from sound, films and HLS folders to a site, a folder of static files that any web server serves
//! (`docs/decisions/0002-site-layout.md`).
//!
//! A run reads what the site holds, packages what browsers do not play (`package`), plans every input, copies and
//! hashes what changed, signs the manifests of those titles, and at last the catalogue. Every file comes into the site whole, by a rename, and a file that
//! a published manifest names is never overwritten with other bytes; so a run that is killed leaves the old
//! site, and the next one goes on where it stopped.

mod audio;
mod build;
mod documents;
mod existing;
mod ffmpeg;
mod film;
mod finish;
mod hls;
mod input;
mod key;
mod ledger;
mod package;
mod parallel;
mod plan;
mod prospects;
mod site_dir;
mod stage;
#[cfg(test)]
mod tests;
mod titles;
mod verify;
mod web;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nearcast_content::policy::Policy;
use nearcast_content::{FormatError, ProviderKey, SigningKey, Text, TitleId, UnixTime, WebUrl, site};

use self::build::{BuildError, Builder};
use self::documents::{Settled, Signer};
use self::existing::{Existing, Published};
pub use self::ffmpeg::Ffmpeg;
use self::finish::Finish;
use self::input::Found;
pub use self::input::Skipped;
pub use self::key::{KeyError, KeyOrigin, ProviderKeyFile, default_key_path};
use self::ledger::{Ledger, OpenLedger, TitleRecord};
use self::package::Packager;
pub use self::package::{Ladder, LadderError};
use self::plan::{Bytes, Plan, PlannedFile};
use self::prospects::{PACKAGES, Packaging, Prospects};
use self::site_dir::{SiteDir, id_of};
use self::stage::{Placed, StageError, Staged, Stager};
pub use self::verify::{Fault, SiteReport, describe as describe_blocks, verify_site};
use self::web::Web;

/// How long signed documents hold unless the provider says otherwise: a year, so that a static site does not
/// die because nobody published for a while.
pub const DEFAULT_LIFE_SECS: u64 = 366 * 24 * 3600;

/// How to publish.
#[derive(Clone, Debug)]
pub struct Options {
    /// Signs everything.
    pub key: SigningKey,
    /// What people read; without one, what the site has, else the name of its folder.
    pub provider: Option<Text>,
    /// How media get into the site.
    pub copying: Copying,
    /// The time.
    pub now: UnixTime,
    /// How long signed documents hold.
    pub life_secs: u64,
    /// Titles that were withdrawn and may come back.
    pub restore: Vec<TitleId>,
    /// Files and HLS trees on other servers that are published too, and stay there.
    pub elsewhere: Vec<WebUrl>,
    /// What packages media that browsers do not play; without it they are left out.
    pub ffmpeg: Option<Ffmpeg>,
    /// In which sizes films are published.
    pub ladder: Ladder,
    /// Whether files that are packaged are published as they are, too.
    pub keep_originals: bool,
    /// The title that the only input becomes, in place of what it was.
    pub title: Option<TitleId>,
}

impl Options {
    /// Copies media and packages none; documents hold for [`DEFAULT_LIFE_SECS`].
    pub fn new(key: SigningKey, now: UnixTime) -> Self {
        Self {
            key,
            provider: None,
            copying: Copying::Copy,
            now,
            life_secs: DEFAULT_LIFE_SECS,
            restore: Vec::new(),
            elsewhere: Vec::new(),
            ffmpeg: None,
            ladder: Ladder::Source,
            keep_originals: false,
            title: None,
        }
    }

    fn signer(&self) -> Signer {
        Signer { key: self.key.clone(), now: self.now, life_secs: self.life_secs }
    }
}

/// How media get into the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// As copies, which share their blocks with the input where the file system can.
    Copy,
    /// As hard links, or as copies where links are impossible. An input must then never be edited in place.
    Link,
}

/// Told how far publishing is. Called from several threads.
pub trait Progress: Sync {
    /// This many files are to be packaged, for which ffmpeg goes through so many milliseconds of media.
    fn packaging(&self, _files: usize, _ms: u64) {}
    /// So many more milliseconds are packaged.
    fn packaged(&self, _ms: u64) {}
    /// This many titles with this many bytes are to be published.
    fn planned(&self, _titles: usize, _bytes: u64) {}
    /// There are this many more bytes than were planned.
    fn grown(&self, _bytes: u64) {}
    /// This many more bytes are done.
    fn bytes(&self, _count: u64) {}
    /// A title's media are in the site.
    fn title(&self, _title: &TitleId) {}
    /// Something is left out.
    fn skipped(&self, _skipped: &Skipped) {}
}

/// Says nothing.
impl Progress for () {}

/// What came of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Who signed.
    pub provider: ProviderKey,
    /// Titles of the site.
    pub titles: usize,
    /// Titles that were not there before.
    pub added: Vec<TitleId>,
    /// Titles that were there otherwise.
    pub changed: Vec<TitleId>,
    /// Titles that were there just so.
    pub unchanged: usize,
    /// Inputs of titles that stay withdrawn.
    pub withdrawn: Vec<TitleId>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
    /// What was published, with something left out of it.
    pub notes: Vec<Skipped>,
    /// Files that were left out, or published as they are, because there is no ffmpeg.
    pub unpackaged: usize,
    /// Bytes of media of the titles that were given.
    pub bytes: u64,
    /// Sequence of the catalogue.
    pub sequence: u64,
}

/// Why publishing stopped. The site is as it was, or better.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The site or the records beside it cannot be read or written.
    #[error("cannot work in the site: {}: {why}. The site holds what it held; mend this and publish again", path.display())]
    Site {
        /// Which file or folder.
        path: PathBuf,
        /// What failed.
        why: io::Error,
    },
    /// Another publisher is at work.
    #[error("{} is being published into by another nearcast. Wait until it is done", site.display())]
    Busy {
        /// Which site.
        site: PathBuf,
    },
    /// The site is another provider's.
    #[error("{} was published with the key {theirs}, not with {ours}. Name the right key with --key, or another folder with --site", site.display())]
    OtherProvider {
        /// Which site.
        site: PathBuf,
        /// The key in use.
        ours: ProviderKey,
        /// The key that signed the site.
        theirs: ProviderKey,
    },
    /// A file of the site is damaged.
    #[error("{} is damaged: {why}. Restore the site from a copy, or move it away and publish everything anew", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What was to be signed breaks a rule of the format.
    #[error("the {what} cannot be signed: {why}")]
    Format {
        /// What was to be signed.
        what: &'static str,
        /// The rule.
        why: FormatError,
    },
    /// Nothing was found, and the site is empty.
    #[error(
        "nothing was published: no sound, no film and no HLS folder that can be was found{}",
        list(skipped)
    )]
    Nothing {
        /// What was left out.
        skipped: Vec<Skipped>,
    },
    /// A title was named for several inputs.
    #[error("{0} titles were found, and one of them can be called {1}. Name one file")]
    OneTitle(usize, TitleId),
    /// There is no such title.
    #[error("the site has no title {0}. `nearcast titles` lists them")]
    NoTitle(TitleId),
}

fn list(skipped: &[Skipped]) -> String {
    skipped.iter().map(|s| format!("\n  {}: {}", s.path.display(), s.why)).collect()
}

/// Publishes `inputs` into the site in the folder `site`. Titles of earlier runs stay.
pub fn publish(
    inputs: &[PathBuf],
    site: &Path,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, PublishError> {
    let Found { inputs, mut skipped } = input::find(inputs, &options.elsewhere, site);
    if inputs.is_empty() && !site.exists() {
        return Err(PublishError::Nothing { skipped });
    }
    let dir = SiteDir::open(site)?;
    let existing = Existing::load(&dir, options.key.provider())?;
    let ledger = Mutex::new(OpenLedger::new(Ledger::load(&dir), &dir)?);
    let kept_back: BTreeSet<TitleId> =
        existing.withdrawn().into_iter().filter(|t| !options.restore.contains(t)).collect();
    let web = Web::default();
    let mut found = prospects::look(&inputs, options, &web);
    let mut withdrawn = leave_withdrawn(&mut found, &ledger, &kept_back);
    Packaging { dir: &dir, options, progress, ledger: &ledger }.run(&mut found)?;
    let Prospects { mut plans, skipped: left, mut notes, unpackaged, .. } = found;
    plans.sort_by(|a, b| a.input.cmp(&b.input));
    skipped.extend(left);
    skipped.iter().for_each(|s| progress.skipped(s));
    let ids = match &options.title {
        Some(title) if plans.len() == 1 => vec![title.clone()],
        Some(title) => return Err(PublishError::OneTitle(plans.len(), title.clone())),
        None => {
            let published = existing.titles.keys().cloned().chain(existing.withdrawn()).collect();
            titles::assign(&plans, &ledger.lock().expect(LOCK).ledger, &published)
        }
    };
    let (jobs, more): (Vec<Job>, Vec<Job>) = plans
        .into_iter()
        .zip(ids)
        .map(|(plan, title)| Job::new(title, plan))
        .partition(|job| !kept_back.contains(&job.title));
    withdrawn.extend(more.into_iter().map(|job| job.title));
    if jobs.is_empty() && existing.catalogue.is_none() {
        return Err(PublishError::Nothing { skipped });
    }
    progress.planned(jobs.len(), jobs.iter().map(Job::bytes).sum());
    let run = Run { dir: &dir, existing: &existing, options, progress, web: &web };
    run.bring_in(&jobs, &ledger)?;
    let mut ledger = ledger.into_inner().expect(LOCK).ledger;
    let outcome = run.finish(jobs, &mut ledger, &mut skipped)?;
    ledger.save(&dir)?;
    tidy_packages(&dir, &ledger);
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    notes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Summary { withdrawn, skipped, notes, unpackaged, ..outcome })
}

/// Takes out the raw files of titles that stay withdrawn: packaging them would be for nothing.
fn leave_withdrawn(
    found: &mut Prospects,
    ledger: &Mutex<OpenLedger>,
    kept_back: &BTreeSet<TitleId>,
) -> Vec<TitleId> {
    let ledger = &ledger.lock().expect(LOCK).ledger;
    let of_input = |input: &Path| {
        let mut titles = ledger.titles.iter().filter(|(title, _)| kept_back.contains(title));
        titles.find(|(_, record)| Path::new(&record.input) == input).map(|(title, _)| title.clone())
    };
    let mut withdrawn = Vec::new();
    found.raw.retain(|raw| match of_input(&raw.input) {
        Some(title) => {
            withdrawn.push(title);
            false
        }
        None => true,
    });
    withdrawn
}

/// Throws away packages that no title is made of any more.
fn tidy_packages(dir: &SiteDir, ledger: &Ledger) {
    let needed = ledger.titles.values().filter_map(|record| record.package.as_deref()).collect();
    Packager::tidy(&dir.record(PACKAGES), &needed);
}

/// Takes a title out of the site: the catalogue names it as withdrawn, so that peers stop serving it, and its
/// files go.
pub fn withdraw(title: &TitleId, site: &Path, options: &Options) -> Result<u64, PublishError> {
    let dir = SiteDir::open(site)?;
    let mut existing = Existing::load(&dir, options.key.provider())?;
    let mut ledger = Ledger::load(&dir);
    let gone = existing.titles.remove(title).ok_or_else(|| PublishError::NoTitle(title.clone()))?;
    let mut withdrawn = existing.withdrawn();
    withdrawn.insert(title.clone());
    let finish = Finish { dir: &dir, signer: options.signer(), provider: options.provider.clone() };
    let sequence = finish.run(&existing, existing.titles.clone(), withdrawn, &mut ledger)?;
    // The catalogue says so first: a reader that has it asks for none of these any more.
    dir.remove(&site::manifest_path(title))?;
    let folder = site::media_folder(title);
    for path in gone.files.keys().filter(|path| path.starts_with(&folder)) {
        dir.remove(path)?;
        dir.remove(&site_dir::outboard_beside(path))?;
        ledger.written.remove(path);
    }
    if let Some(record) = ledger.titles.get_mut(title) {
        record.package = None;
    }
    ledger.save(&dir)?;
    tidy_packages(&dir, &ledger);
    Ok(sequence)
}

/// Changes the site's policy, which running nodes obey within a minute. Answers with what holds from here on.
pub fn change_policy(
    site: &Path,
    options: &Options,
    change: impl Fn(&mut Policy),
) -> Result<Policy, PublishError> {
    let dir = SiteDir::open(site)?;
    let mut existing = Existing::load(&dir, options.key.provider())?;
    let mut ledger = Ledger::load(&dir);
    let finish = Finish { dir: &dir, signer: options.signer(), provider: options.provider.clone() };
    existing.policy = Some(finish.policy(existing.policy.as_ref(), change)?);
    let (titles, withdrawn) = (existing.titles.clone(), existing.withdrawn());
    if existing.catalogue.is_some() {
        finish.run(&existing, titles, withdrawn, &mut ledger)?;
        ledger.save(&dir)?;
    }
    existing.policy.ok_or(PublishError::Nothing { skipped: Vec::new() })
}

/// One title on its way into the site.
struct Job {
    title: TitleId,
    plan: Plan,
    /// What became of each file so far; the thread that adds the last one puts the title into its place.
    staged: Mutex<Vec<Option<Staged>>>,
    outcome: Mutex<Outcome>,
}

enum Outcome {
    Waiting,
    Placed(Vec<Staged>, Placed),
    Failed(String),
}

impl Job {
    fn new(title: TitleId, plan: Plan) -> Self {
        let staged = Mutex::new(plan.files.iter().map(|_| None).collect());
        Self { title, plan, staged, outcome: Mutex::new(Outcome::Waiting) }
    }

    fn bytes(&self) -> u64 {
        let size = |file: &PlannedFile| match &file.from {
            Bytes::File(path) | Bytes::Ours(path) => std::fs::metadata(path).map_or(0, |m| m.len()),
            Bytes::Made(bytes) => bytes.len() as u64,
            // Not known before it is looked at.
            Bytes::Elsewhere(_) => 0,
        };
        self.plan.files.iter().map(size).sum()
    }
}

const LOCK: &str = "no thread panics while it holds the lock";

struct Run<'a> {
    dir: &'a SiteDir,
    existing: &'a Existing,
    options: &'a Options,
    progress: &'a dyn Progress,
    web: &'a Web,
}

impl Run<'_> {
    /// Copies and hashes the files of all jobs, and puts each title into its place when it is whole.
    fn bring_in(&self, jobs: &[Job], shared: &Mutex<OpenLedger>) -> Result<(), PublishError> {
        let before = shared.lock().expect(LOCK).ledger.clone();
        let stager = Stager {
            site: self.dir,
            ledger: &before,
            copying: self.options.copying,
            progress: self.progress,
            web: self.web,
        };
        let referenced = self.existing.referenced();
        let files: Vec<(&Job, usize)> =
            jobs.iter().flat_map(|job| (0..job.plan.files.len()).map(move |at| (job, at))).collect();
        parallel::for_each(parallel::cores(), &files, |(job, at)| {
            if matches!(*job.outcome.lock().expect(LOCK), Outcome::Failed(_)) {
                return Ok(());
            }
            let staged = match stager.stage(&job.title, &job.plan.files[*at]) {
                Ok(staged) => staged,
                Err(why) => return fail(job, why),
            };
            let Some(staged) = job.add(*at, staged) else { return Ok(()) };
            let files: Vec<_> = job.plan.files.iter().cloned().zip(staged).collect();
            let mut ledger = shared.lock().expect(LOCK);
            match stage::place(self.dir, &mut ledger, &referenced, &job.title, &files) {
                Ok(placed) => {
                    let staged = files.into_iter().map(|(_, staged)| staged).collect();
                    *job.outcome.lock().expect(LOCK) = Outcome::Placed(staged, placed);
                    self.progress.title(&job.title);
                    Ok(())
                }
                Err(why) => fail(job, why),
            }
        })?;
        Ok(())
    }

    /// Signs what changed. The catalogue comes last.
    fn finish(
        &self,
        jobs: Vec<Job>,
        ledger: &mut Ledger,
        skipped: &mut Vec<Skipped>,
    ) -> Result<Summary, PublishError> {
        let mut titles = self.existing.titles.clone();
        let (mut added, mut changed, mut unchanged, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        for job in jobs {
            let Job { title, plan, outcome, .. } = job;
            let made = match outcome.into_inner().expect(LOCK) {
                Outcome::Placed(staged, placed) => {
                    bytes += staged.iter().map(|s| s.size.bytes()).sum::<u64>();
                    self.sign(&title, &plan, &staged, &placed, ledger)
                }
                Outcome::Failed(why) => Ok(Err(why)),
                Outcome::Waiting => Ok(Err("was not reached".to_owned())),
            };
            match made? {
                Ok(Signed::Kept) => unchanged += 1,
                Ok(Signed::Anew(published)) => {
                    let known = titles.insert(title.clone(), *published).is_some();
                    if known { changed.push(title) } else { added.push(title) }
                }
                Err(why) => {
                    let left_out = Skipped { path: plan.input, why };
                    self.progress.skipped(&left_out);
                    skipped.push(left_out);
                }
            }
        }
        if titles.is_empty() && self.existing.catalogue.is_none() {
            return Err(PublishError::Nothing { skipped: std::mem::take(skipped) });
        }
        let mut withdrawn = self.existing.withdrawn();
        withdrawn.retain(|t| !titles.contains_key(t));
        let finish =
            Finish { dir: self.dir, signer: self.options.signer(), provider: self.options.provider.clone() };
        let count = titles.len();
        let sequence = finish.run(self.existing, titles, withdrawn, ledger)?;
        Ok(Summary {
            provider: self.options.key.provider(),
            titles: count,
            added,
            changed,
            unchanged,
            withdrawn: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
            unpackaged: 0,
            bytes,
            sequence,
        })
    }

    /// Makes and signs the manifest of a title whose media are in their place.
    fn sign(
        &self,
        title: &TitleId,
        plan: &Plan,
        staged: &[Staged],
        placed: &Placed,
        ledger: &mut Ledger,
    ) -> Result<Result<Signed, String>, PublishError> {
        let builder = Builder { dir: self.dir, title, plan, staged, placed };
        let old = self.existing.titles.get(title).map(|p| &p.manifest);
        let settled = self.options.signer().settle(old, |validity| builder.manifest(validity));
        let settled = match settled {
            Ok(settled) => settled,
            Err(BuildError::Format(why)) => return Ok(Err(format!("does not fit the format: {why}"))),
            Err(BuildError::Site(why)) => return Err(why),
        };
        if let Some(input) = plan.input.to_str() {
            let record = TitleRecord { input: input.to_owned(), package: plan.package.clone() };
            ledger.titles.insert(title.clone(), record);
        }
        let Settled::Signed { document, text } = settled else { return Ok(Ok(Signed::Kept)) };
        let files = existing::files_of(self.dir, &document)?;
        self.dir.put(&site::manifest_path(title), text.as_bytes())?;
        let hash = id_of(text.as_bytes());
        Ok(Ok(Signed::Anew(Box::new(Published { manifest: document, hash, files }))))
    }
}

enum Signed {
    Kept,
    Anew(Box<Published>),
}

impl Job {
    /// Adds a staged file; gives all of them when it was the last.
    fn add(&self, at: usize, staged: Staged) -> Option<Vec<Staged>> {
        let mut all = self.staged.lock().expect(LOCK);
        all[at] = Some(staged);
        all.iter().all(Option::is_some).then(|| all.drain(..).flatten().collect())
    }
}

/// An input at fault takes its title out; a site that cannot be written ends the run.
fn fail(job: &Job, why: StageError) -> Result<(), PublishError> {
    match why {
        StageError::Input(why) => {
            *job.outcome.lock().expect(LOCK) = Outcome::Failed(why);
            Ok(())
        }
        StageError::Site(why) => Err(why),
    }
}
