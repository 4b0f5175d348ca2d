//! What is refused of hostile, broken and odd inputs, and with which words.

use std::fs;

use nearcast_content::manifest::Protection;

use super::super::publish;
use super::{Bench, id, options};

/// Publishes the clip after `change` of its playlist; gives the reason for which it was left out.
fn refusal(change: impl Fn(String) -> String) -> String {
    let bench = Bench::with(&["clip", "four.ogg"]);
    let path = bench.input().join("clip/stream.m3u8");
    let text = fs::read_to_string(&path).expect("there");
    let changed = change(text.clone());
    assert_ne!(changed, text);
    fs::write(&path, changed).expect("written");
    let summary = bench.publish(&options());
    assert_eq!(summary.added, [id("four")], "the others are published");
    assert_eq!(summary.skipped.len(), 1, "{summary:?}");
    assert!(bench.files().keys().all(|p| !p.contains("clip")));
    bench.assert_sound();
    summary.skipped[0].why.clone()
}

#[test]
fn playlists_that_lead_elsewhere_are_refused_with_the_reason() {
    for (uri, want) in [
        ("../../secret.mp4", "leads out of the folder"),
        ("/etc/passwd", "starts at the root"),
        ("https://other.example/x.m4s", "another server"),
        ("file:///etc/passwd", "another server"),
        ("..%2f..%2fx.m4s", "escapes are broken"),
        ("missing.m4s", "missing"),
        ("stream.m4s?token=1", "query"),
        (".hidden.m4s", "must not start with"),
    ] {
        let why = refusal(|text| text.replace("\nstream.m4s", &format!("\n{uri}")));
        assert!(why.contains(want) && why.contains(uri), "{uri}: {why}");
    }
}

#[test]
fn playlists_that_cannot_be_whole_are_refused() {
    let cases: [(&str, &str, &str); 5] = [
        ("#EXT-X-ENDLIST", "", "still growing"),
        ("#EXT-X-BYTERANGE:", "#EXT-X-BYTERANGE:9", "which has 7163"),
        ("#EXTINF:2.000000", "#EXTINF:soon", "#EXTINF is not of the form"),
        ("#EXTM3U", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"key.bin\"", "would be published beside"),
        ("#EXTM3U", "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"", "SAMPLE-AES is not supported"),
    ];
    for (from, to, want) in cases {
        let why = refusal(|text| text.replacen(from, to, 1));
        assert!(why.contains(want), "{to}: {why}");
    }
}

#[test]
fn keys_are_named_by_address_and_never_published() {
    let bench = Bench::with(&["clip"]);
    let path = bench.input().join("clip/stream.m3u8");
    let text = fs::read_to_string(&path).expect("there");
    let key = "https://keys.example/k?title=clip";
    let tag = format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"{key}\"");
    fs::write(&path, text.replacen("#EXTM3U", &tag, 1)).expect("written");
    bench.publish(&options());
    let Protection::HlsAes128 { keys } = bench.manifest("clip").protection else { panic!("protected") };
    assert_eq!(keys.iter().map(|k| k.as_str()).collect::<Vec<_>>(), [key]);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_refused() {
    let bench = Bench::with(&["clip", "four.ogg"]);
    let media = bench.input().join("clip/stream.m4s");
    let outside = bench.folder.path().join("outside.m4s");
    fs::rename(&media, &outside).expect("moved");
    std::os::unix::fs::symlink(&outside, &media).expect("linked");
    let summary = bench.publish(&options());
    assert!(summary.skipped[0].why.contains("leads out of the folder"), "{summary:?}");
}

#[test]
fn bad_files_are_named_and_do_not_stop_the_others() {
    let bench = Bench::with(&["four.ogg"]);
    let write = |name: &str, bytes: &[u8]| fs::write(bench.input().join(name), bytes).expect("written");
    write("empty.mp3", b"");
    write("noise.mp3", &[0x5a; 4_000]);
    write("page.flac", b"<html>not a song</html>");
    write("cut.m4a", &fs::read(super::media().join("five.m4a")).expect("there")[..200]);
    write("film.mkv", b"any");
    write("notes.txt", b"not media");
    write("list.m3u8", b"#EXTM3U\n#EXTINF:1,x\nfour.ogg\n");
    write("latin.m3u8", b"#EXTM3U\n#EXTINF:1,\xe4\nfour.ogg\n");
    let summary = bench.publish(&options());
    assert_eq!(summary.added, [id("four")]);
    let names: Vec<_> =
        summary.skipped.iter().map(|s| s.path.file_name().expect("a name").to_string_lossy()).collect();
    assert_eq!(names, ["cut.m4a", "empty.mp3", "film.mkv", "noise.mp3", "page.flac"]);
    let missing = bench.folder.path().join("nowhere");
    let summary = publish(&[bench.input().join("notes.txt"), missing], &bench.site(), &options(), &());
    let skipped = summary.expect("the site has a title").skipped;
    assert!(skipped[0].why.contains("neither sound nor film"), "{skipped:?}");
    assert!(skipped[1].why.contains("cannot be read"), "{skipped:?}");
}

#[test]
fn hostile_names_are_made_harmless() {
    let bench = Bench::with(&[]);
    let name = "evil\u{202e}gpj <script>\u{7}.ogg";
    super::copy(&super::media().join("four.ogg"), &bench.input().join(name));
    super::copy(&super::media().join("five.m4a"), &bench.input().join("夜.m4a"));
    bench.publish(&options());
    let about = bench.manifest("evil-gpj-script").about;
    assert_eq!(about.name.as_str(), "evil gpj <script>");
    assert_eq!(bench.manifest("title").about.name.as_str(), "夜");
    bench.assert_sound();
}

#[test]
fn a_site_among_its_inputs_is_not_published_into_itself() {
    let bench = Bench::with(&["four.ogg"]);
    let site = bench.input().join("site");
    let run = || publish(&[bench.input()], &site, &options(), &()).expect("published");
    assert_eq!(run().titles, 1);
    assert_eq!((run().titles, run().unchanged), (1, 1));
    let inside = publish(&[site.join("media")], &site, &options(), &()).expect("nothing new");
    assert!(inside.skipped[0].why.contains("in the site itself"), "{inside:?}");
}

#[test]
fn several_playlists_need_a_master_or_a_choice() {
    let bench = Bench::with(&["clip"]);
    let clip = bench.input().join("clip");
    fs::copy(clip.join("stream.m3u8"), clip.join("other.m3u8")).expect("copied");
    let named = publish(&[clip.join("other.m3u8")], &bench.site(), &options(), &()).expect("chosen");
    assert_eq!(named.titles, 1);
    let found = bench.publish(&options());
    assert!(found.skipped[0].why.contains("other.m3u8, stream.m3u8"), "{found:?}");
}
