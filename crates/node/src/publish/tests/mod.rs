//! Publishing as a whole, on small real media (`media/`).

mod inputs;
mod killed;
mod packaged;
mod runs;
mod verified;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nearcast_content::{Catalogue, Document, Manifest, SigningKey, TitleId, UnixTime, site};

use super::existing::Existing;
use super::site_dir::SiteDir;
use super::{Options, Summary, publish};

pub(super) use killed::step;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn key() -> SigningKey {
    SigningKey::from_secret(&[5; 32])
}

fn options() -> Options {
    Options::new(key(), NOW)
}

fn later(secs: u64) -> Options {
    Options { now: NOW.plus(secs), ..options() }
}

fn media() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/publish/tests/media")
}

fn id(text: &str) -> TitleId {
    text.parse().expect(text)
}

/// A folder with an input and a site.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With copies of these files or folders of `media`.
    fn with(names: &[&str]) -> Self {
        let bench = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(bench.input()).expect("made");
        for name in names {
            copy(&media().join(name), &bench.input().join(name));
        }
        bench
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("input")
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn publish(&self, options: &Options) -> Summary {
        publish(&[self.input()], &self.site(), options, &()).expect("published")
    }

    /// Every file of the site with its bytes.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        read_tree(&self.site(), "", &mut files);
        files
    }

    fn existing(&self) -> Existing {
        let dir = SiteDir::open(&self.site()).expect("a site");
        Existing::load(&dir, key().provider()).expect("signed here")
    }

    fn manifest(&self, title: &str) -> Manifest {
        let bytes = fs::read(self.site().join(site::manifest_path(&id(title)))).expect(title);
        Manifest::reopen(&bytes, key().provider()).expect("signed here")
    }

    fn catalogue(&self) -> Catalogue {
        let bytes = fs::read(self.site().join(site::CATALOGUE)).expect("a catalogue");
        Catalogue::reopen(&bytes, key().provider()).expect("signed here")
    }

    fn assert_sound(&self) {
        let report = super::verify_site(&self.site(), Some(key().provider()), NOW, &());
        assert_eq!(report.faults, [], "after {report:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("made");
        for entry in fs::read_dir(from).expect("a folder") {
            let name = entry.expect("an entry").file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::copy(from, to).expect("copied");
    }
}

fn read_tree(folder: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{name}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            read_tree(&path, &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(&path).expect("readable"));
        }
    }
}

/// An MP3 of about `bytes`: the same second of sound over and over.
fn long_mp3(bytes: usize) -> Vec<u8> {
    let second = fs::read(media().join("album/one.mp3")).expect("a fixture");
    // Behind the ID3v2 tag, whose length lies in four bytes of seven bits.
    let tag = second[6..10].iter().fold(0, |length, byte| length << 7 | usize::from(*byte)) + 10;
    let mut long = second.clone();
    while long.len() < bytes {
        long.extend_from_slice(&second[tag..]);
    }
    long
}
