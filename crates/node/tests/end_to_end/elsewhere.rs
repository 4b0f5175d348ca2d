//! A video on demand that stays on the server where it has always been: only its manifest and hash trees are
//! published, and nodes fetch it from there.

use std::fs;
use std::path::{Path, PathBuf};

use nearcast_content::WebUrl;
use nearcast_node::publish::{self, Ffmpeg, Options, PublishError, Summary};
use tempfile::TempDir;

use super::bench::{Listener, Origin, Setup, Site};

/// A folder of HLS as an encoder left it, on a web server of its own.
struct Vod {
    folder: TempDir,
    server: Origin,
}

impl Vod {
    async fn start(site: &Site) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/publish/tests/media");
        for name in ["ladder", "clip"] {
            copy(&media.join(name), &folder.path().join(name));
        }
        let server = Origin::of_folder(folder.path(), site).await;
        Self { folder, server }
    }

    fn url(&self, path: &str) -> WebUrl {
        format!("http://{}/{path}", self.server.address).parse().expect("an address")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).expect("copied");
        return;
    }
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Publishes what lies elsewhere, as a program without a runtime does.
async fn publish(site: &Site, elsewhere: Vec<WebUrl>) -> Result<Summary, PublishError> {
    let (root, options) = (site.root(), Options { elsewhere, ..site.options() });
    tokio::task::spawn_blocking(move || publish::publish(&[], &root, &options, &())).await.expect("no panic")
}

/// The addresses that a playlist names, with those in attributes.
fn names(playlist: &str) -> Vec<String> {
    let lines = playlist.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned);
    let attributes =
        playlist.lines().filter_map(|l| Some(l.split_once("URI=\"")?.1.split_once('"')?.0.to_owned()));
    attributes.chain(lines).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vod_on_another_server_is_played_through_the_node() {
    let site = Site::with_a_song(91);
    let vod = Vod::start(&site).await;
    let both = vec![vod.url("ladder/master.m3u8"), vod.url("clip/stream.m3u8")];
    let summary = publish(&site, both.clone()).await.expect("published");
    assert_eq!((summary.added.len(), &summary.skipped[..]), (2, &[][..]));
    let media = site.root().join("media/ladder");
    let published = fs::read_to_string(media.join("0.m3u8")).expect("there");
    assert!(
        published.contains(vod.url("ladder/0/seg0.m4s").as_str()),
        "a plain player finds it: {published}"
    );
    assert!(!media.join("elsewhere").exists() && !media.join("0").exists(), "no media in the site");

    let origin = Origin::start(&site).await;
    let listener = Listener::start(&Setup::beside(origin.link())).await;
    let text = async |path: &str| listener.get(path).await.text().await.expect("a text");
    let master = text("t/ladder/master.m3u8").await;
    let mut played = 0;
    for playlist in names(&master) {
        let folder = format!("ladder/{}", playlist.trim_end_matches(".m3u8"));
        for (name, file) in
            names(&text(&format!("t/ladder/{playlist}")).await).iter().zip(files(&vod, &folder))
        {
            assert!(!name.contains('/'), "through the node: {name}");
            let got = listener.get(&format!("t/ladder/{name}")).await.bytes().await.expect("bytes");
            assert_eq!(got, fs::read(vod.file(&file)).expect("there"), "{file}");
            played += 1;
        }
    }
    assert_eq!(played, 14, "ten files, the sound twice: as a rendition and beside the pictures");
    let clip = text("t/clip/master.m3u8").await;
    let name = &names(&clip)[0];
    let got = listener.get(&format!("t/clip/{name}")).await.bytes().await.expect("bytes");
    assert_eq!(got, fs::read(vod.file("clip/stream.m4s")).expect("there"));

    let again = publish(&site, both).await.expect("published");
    assert_eq!((again.unchanged, again.sequence), (2, summary.sequence));
}

/// The files that a media playlist of the ladder names, in the order in which it does.
fn files(vod: &Vod, folder: &str) -> Vec<String> {
    let playlist = fs::read_to_string(vod.file(&format!("{folder}/index.m3u8"))).expect("there");
    names(&playlist).into_iter().map(|name| format!("{folder}/{name}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_elsewhere_is_refused_until_it_is_published_again() {
    let site = Site::with_a_song(92);
    let vod = Vod::start(&site).await;
    let clip = vec![vod.url("clip/stream.m3u8")];
    publish(&site, clip.clone()).await.expect("published");
    let mut bytes = fs::read(vod.file("clip/stream.m4s")).expect("there");
    bytes[5_000] ^= 1;
    fs::write(vod.file("clip/stream.m4s"), &bytes).expect("written");

    let origin = Origin::start(&site).await;
    let setup = Setup::beside(origin.link());
    let listener = Listener::start(&setup).await;
    let clip_of = async |listener: &Listener| {
        let playlist = listener.get("t/clip/master.m3u8").await.text().await.expect("a text");
        listener.get(&format!("t/clip/{}", names(&playlist)[0])).await
    };
    let refused = clip_of(&listener).await;
    assert!(!refused.status().is_success(), "{refused:?}");

    let summary = publish(&site, clip).await.expect("published");
    assert_eq!((summary.changed.len(), summary.unchanged), (1, 0), "{summary:?}");
    let listener = Listener::start(&setup).await;
    let got = clip_of(&listener).await.bytes().await.expect("bytes");
    assert_eq!(got, bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_published_from_elsewhere_is_named() {
    let site = Site::with_a_song(93);
    let vod = Vod::start(&site).await;
    let signed = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg.ts?token=1\n#EXT-X-ENDLIST\n";
    fs::write(vod.file("signed.m3u8"), signed).expect("written");
    fs::write(vod.file("words.m3u8"), "no playlist").expect("written");
    let names = ["signed.m3u8", "words.m3u8", "absent.m3u8", "clip/stream.m4s"];
    let summary =
        publish(&site, names.iter().map(|n| vod.url(n)).collect()).await.expect("the site has a title");
    let why: Vec<_> = summary.skipped.iter().map(|s| s.why.as_str()).collect();
    let of = |name: &str| {
        let path = vod.url(name);
        why[summary.skipped.iter().position(|s| s.path == Path::new(path.as_str())).expect(name)]
    };
    assert!(of("signed.m3u8").contains("query"), "{why:?}");
    assert!(of("words.m3u8").contains("#EXTM3U"), "{why:?}");
    assert!(of("absent.m3u8").contains("404"), "{why:?}");
    assert!(of("clip/stream.m4s").contains("ffmpeg"), "{why:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_hash_tree_of_what_lies_elsewhere_is_found() {
    let site = Site::with_a_song(94);
    let vod = Vod::start(&site).await;
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nbig.ts\n#EXT-X-ENDLIST\n";
    fs::write(vod.file("big.m3u8"), playlist).expect("written");
    fs::write(vod.file("big.ts"), super::bench::song(94, 200_000)).expect("written");
    publish(&site, vec![vod.url("big.m3u8")]).await.expect("published");
    let verify = || publish::verify_site(&site.root(), None, super::bench::now(), &());
    let report = verify();
    assert_eq!((report.elsewhere, &report.faults[..]), (1, &[][..]));
    let objects = site.root().join("nearcast/objects");
    let files =
        fs::read_dir(objects).expect("there").flatten().flat_map(|d| fs::read_dir(d.path()).expect("there"));
    let mut outboards =
        files.flatten().map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "obo"));
    let outboard = outboards.next().expect("one");
    let mut bytes = fs::read(&outboard).expect("there");
    bytes[100] ^= 1;
    fs::write(&outboard, bytes).expect("written");
    let faults = verify().faults;
    assert!(faults.len() == 1 && faults[0].what.contains("does not lead to the object"), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_on_another_server_is_played_through_the_node() {
    let Some(ffmpeg) = Ffmpeg::on_path() else {
        assert!(std::env::var_os("CI").is_none(), "ffmpeg is not on PATH");
        eprintln!("not tested: ffmpeg is not on PATH");
        return;
    };
    let site = Site::with_a_song(95);
    let vod = Vod::start(&site).await;
    let song = super::bench::song(95, 400_000);
    fs::write(vod.file("far away.mp3"), &song).expect("written");
    let elsewhere = vec![vod.url("far%20away.mp3")];
    let (root, options) = (site.root(), Options { elsewhere, ffmpeg: Some(ffmpeg), ..site.options() });
    let run = move || publish::publish(&[], &root, &options, &());
    let summary = tokio::task::spawn_blocking(run).await.expect("no panic").expect("published");
    assert_eq!((summary.added.len(), &summary.skipped[..]), (1, &[][..]));
    let origin = Origin::start(&site).await;
    let listener = Listener::start(&Setup::beside(origin.link())).await;
    let got = listener.range(summary.added[0].as_str(), 0, song.len()).await;
    assert!(got.whole && got.bytes == song, "{} bytes", got.bytes.len());
    assert_eq!(summary.added[0].as_str(), "far-away");
}
