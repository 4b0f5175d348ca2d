//! One run, and what later runs keep and change.

use std::fs;

use nearcast_content::manifest::{DocumentRole, Layout, MediaKind, Role};
use nearcast_content::policy::Sharing;
use nearcast_content::{ContentType, Document, SigningKey};

use super::super::{Copying, Options, PublishError, change_policy, publish, withdraw};
use super::{Bench, NOW, id, later, long_mp3, options};

const ALL: [&str; 8] =
    ["album", "four.ogg", "five.m4a", "pictured.m4a", "film", "clip", "ladder", "lossless.m4a"];

#[test]
fn sound_files_and_hls_folders_become_titles() {
    let bench = Bench::with(&ALL);
    let summary = bench.publish(&options());
    assert_eq!((summary.titles, summary.added.len(), summary.unchanged), (9, 9, 0));
    assert_eq!(summary.skipped.len(), 1);
    assert!(summary.skipped[0].path.ends_with("lossless.m4a"));
    assert!(summary.skipped[0].why.contains("Apple Lossless"));
    bench.assert_sound();

    let one = bench.manifest("a-band-one-tone");
    let about = &one.about;
    assert_eq!((about.name.as_str(), about.track, about.year), ("One Tone", Some(1), Some(2024)));
    assert_eq!(about.album.as_ref().map(|a| a.as_str()), Some("Tones"));
    assert_eq!(about.media, MediaKind::Music);
    assert!((900..1_200).contains(&one.timeline.duration_ms), "{:?}", one.timeline);
    let Layout::Single { object, .. } = &one.renditions[0].layout else { panic!("one file") };
    assert_eq!(object.content_type, ContentType::Mp3);
    // The folder's picture, stored once for the whole album.
    let art = |title: &str| bench.manifest(title).document(&DocumentRole::Art).map(|d| d.object.clone());
    let cover = art("a-band-one-tone").expect("folder art");
    assert_eq!(art("a-band-two-tones").as_ref(), Some(&cover));
    assert_eq!(art("three").as_ref(), Some(&cover));
    assert_eq!(art("pictured").expect("embedded art").content_type, ContentType::Jpeg);
    assert_eq!(art("four"), None);
    for (title, codec) in
        [("a-band-two-tones", "flac"), ("three", "opus"), ("four", "vorbis"), ("five", "mp4a.40.2")]
    {
        assert_eq!(bench.manifest(title).renditions[0].codecs.as_ref().map(|c| c.as_str()), Some(codec));
    }
}

#[test]
fn hls_trees_keep_their_files_and_say_what_they_hold() {
    let bench = Bench::with(&ALL);
    bench.publish(&options());
    // A file a segment, TS, no master: one is made.
    let film = bench.manifest("film");
    assert_eq!(film.about.media, MediaKind::Video);
    assert!(matches!(
        film.renditions[0].layout,
        Layout::Segments { count: 2, content_type: ContentType::TransportStream, .. }
    ));
    assert_eq!(film.timeline.duration_ms, 4_000);
    let files = bench.files();
    assert_eq!(files["media/film/seg 0.ts"], fs::read(bench.input().join("film/seg 0.ts")).expect("there"));
    let master = String::from_utf8_lossy(&files["media/film/master.m3u8"]).into_owned();
    assert!(master.ends_with("\nindex.m3u8\n"), "{master}");
    // One file, byte ranges.
    let clip = bench.manifest("clip");
    let Layout::Single { object, init, playlist } = &clip.renditions[0].layout else { panic!("one file") };
    assert_eq!(object.content_type, ContentType::VideoMp4);
    assert!(init.is_some() && playlist.is_some());
    let codecs = clip.renditions[0].codecs.as_ref().map(|c| c.as_str());
    assert_eq!(codecs, Some("avc1.64000a,mp4a.40.2"), "read from the init section");
    // Several renditions, sound apart.
    let ladder = bench.manifest("ladder");
    let named: Vec<_> = ladder.renditions.iter().map(|r| (r.id.as_str(), r.role)).collect();
    assert_eq!(named, [("v0", Role::Video), ("v1", Role::Video), ("a0", Role::Audio)]);
    let master = fs::read(bench.input().join("ladder/master.m3u8")).expect("there");
    assert_eq!(files["media/ladder/master.m3u8"], master, "what players open is what the provider made");
}

#[test]
fn the_same_input_gives_the_same_bytes_and_is_not_read_again() {
    let bench = Bench::with(&ALL);
    let first = bench.publish(&options());
    let files = bench.files();
    let second = bench.publish(&later(3_600));
    assert_eq!((second.unchanged, second.added.len(), second.changed.len()), (9, 0, 0));
    assert_eq!(second.sequence, first.sequence);
    assert_eq!(bench.files(), files);
    // Other bytes under the same size and time are not noticed, which shows that nothing was read.
    let path = bench.input().join("film/seg 0.ts");
    let modified = fs::metadata(&path).and_then(|m| m.modified()).expect("there");
    let mut bytes = fs::read(&path).expect("there");
    bytes[1_000] ^= 1;
    fs::write(&path, bytes).expect("written");
    fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(modified)).expect("ours");
    assert_eq!(bench.publish(&later(3_600)).unchanged, 9);
    assert_eq!(bench.files(), files);
}

#[test]
fn a_lost_ledger_costs_time_and_nothing_else() {
    let bench = Bench::with(&ALL);
    bench.publish(&options());
    let files = bench.files();
    fs::remove_dir_all(bench.folder.path().join(".site.nearcast")).expect("there");
    assert_eq!(bench.publish(&later(60)).unchanged, 9);
    assert_eq!(bench.files(), files);
}

#[test]
fn a_changed_file_changes_its_title_alone_and_the_old_bytes_stay_for_a_while() {
    let bench = Bench::with(&["album", "four.ogg"]);
    bench.publish(&options());
    let before = bench.files();
    let old = bench.manifest("a-band-one-tone");
    fs::write(bench.input().join("album/one.mp3"), long_mp3(100_000)).expect("written");
    let summary = bench.publish(&later(60));
    assert_eq!(summary.changed, [id("a-band-one-tone")]);
    assert_eq!(summary.unchanged, 3);
    bench.assert_sound();
    let new = bench.manifest("a-band-one-tone");
    assert!(new.validity.sequence > old.validity.sequence);
    let after = bench.files();
    let path = "media/a-band-one-tone/a-band-one-tone.mp3";
    assert_eq!(after[path], before[path], "a reader with the old manifest still finds its bytes");
    for title in ["a-band-two-tones", "three", "four"] {
        let path = format!("nearcast/titles/{title}.jws");
        assert_eq!(after[&path], before[&path]);
    }
    // Published again unchanged, it stays where it is; changed once more, the oldest bytes go.
    let again = bench.publish(&later(120));
    assert_eq!((again.unchanged, again.sequence), (4, summary.sequence));
    assert_eq!(bench.files(), after);
    fs::write(bench.input().join("album/one.mp3"), long_mp3(50_000)).expect("written");
    bench.publish(&later(180));
    let last = bench.files();
    assert_ne!(last.get(path), before.get(path));
    assert_eq!(last.keys().filter(|p| p.ends_with(".mp3")).count(), 2);
    bench.assert_sound();
}

#[test]
fn names_that_meet_get_numbers_that_stay() {
    let bench = Bench::with(&[]);
    for name in ["b/intro.ogg", "a/intro.ogg"] {
        super::copy(&super::media().join("four.ogg"), &bench.input().join(name));
    }
    bench.publish(&options());
    // Another one comes first in the order of paths, and a folder is renamed.
    super::copy(&super::media().join("five.m4a"), &bench.input().join("0/intro.m4a"));
    let summary = bench.publish(&later(60));
    assert_eq!(summary.added, [id("intro-3")]);
    assert_eq!(summary.unchanged, 2);
    fs::rename(bench.input().join("b"), bench.input().join("z")).expect("renamed");
    let moved = bench.publish(&later(120));
    assert_eq!((moved.titles, moved.unchanged), (3, 3), "{moved:?}");
}

#[test]
fn documents_are_renewed_when_half_of_their_life_is_over() {
    let bench = Bench::with(&["four.ogg"]);
    let life = options().life_secs;
    let first = bench.publish(&options());
    let files = bench.files();
    bench.publish(&later(life / 2 - 10));
    assert_eq!(bench.files(), files);
    let renewed = bench.publish(&later(life / 2 + 10));
    assert!(renewed.sequence > first.sequence);
    let manifest = bench.manifest("four");
    assert_eq!(manifest.validity.expires, NOW.plus(life / 2 + 10 + life));
    // An expired site of one's own is renewed too.
    bench.publish(&later(life * 3));
    assert_eq!(bench.manifest("four").validity.expires, NOW.plus(life * 4));
}

#[test]
fn a_withdrawn_title_goes_and_stays_away_until_it_is_restored() {
    let bench = Bench::with(&["album", "four.ogg"]);
    bench.publish(&options());
    let old = bench.manifest("four");
    withdraw(&id("four"), &bench.site(), &later(60)).expect("withdrawn");
    bench.assert_sound();
    assert!(bench.catalogue().is_withdrawn(&id("four")));
    assert!(bench.files().keys().all(|p| !p.contains("four")), "{:?}", bench.files().keys());
    let error = withdraw(&id("four"), &bench.site(), &later(60)).expect_err("gone");
    assert!(matches!(error, PublishError::NoTitle(_)));
    let again = bench.publish(&later(120));
    assert_eq!((again.titles, again.withdrawn), (3, vec![id("four")]));
    assert_eq!(again.skipped, []);
    let restored = bench.publish(&Options { restore: vec![id("four")], ..later(180) });
    assert_eq!(restored.added, [id("four")]);
    assert!(!bench.catalogue().is_withdrawn(&id("four")));
    assert!(bench.manifest("four").validity.sequence > old.validity.sequence, "no rollback for readers");
    bench.assert_sound();
}

#[test]
fn the_policy_is_switched_and_the_catalogue_says_from_which_on() {
    let bench = Bench::with(&["four.ogg"]);
    bench.publish(&options());
    let floor = bench.catalogue().policy_floor;
    let policy = change_policy(&bench.site(), &later(60), |p| p.sharing = Sharing::Off).expect("signed");
    assert_eq!(policy.sharing, Sharing::Off);
    assert!(bench.catalogue().policy_floor > floor);
    bench.publish(&later(120));
    assert_eq!(bench.existing().policy.map(|p| p.sharing), Some(Sharing::Off));
    bench.assert_sound();
}

#[test]
fn another_key_or_publisher_is_kept_out() {
    let bench = Bench::with(&["four.ogg"]);
    bench.publish(&options());
    let files = bench.files();
    let other = Options { key: SigningKey::from_secret(&[6; 32]), ..options() };
    let refused = publish(&[bench.input()], &bench.site(), &other, &());
    assert!(matches!(refused, Err(PublishError::OtherProvider { .. })), "{refused:?}");
    let held = super::SiteDir::open(&bench.site()).expect("free");
    let refused = publish(&[bench.input()], &bench.site(), &options(), &());
    assert!(matches!(refused, Err(PublishError::Busy { .. })), "{refused:?}");
    drop(held);
    assert_eq!(bench.files(), files);
}

#[test]
fn nothing_to_publish_leaves_no_site() {
    let bench = Bench::with(&["lossless.m4a"]);
    let error = publish(&[bench.input()], &bench.site(), &options(), &()).expect_err("nothing");
    let PublishError::Nothing { skipped } = &error else { panic!("{error}") };
    assert_eq!(skipped.len(), 1);
    assert!(error.to_string().contains("lossless.m4a: holds Apple Lossless"), "{error}");
    assert!(bench.files().is_empty());
}

#[cfg(unix)]
#[test]
fn media_are_linked_on_request_and_inputs_are_never_touched() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let bench = Bench::with(&["four.ogg", "five.m4a"]);
    let input = bench.input().join("four.ogg");
    fs::set_permissions(&input, fs::Permissions::from_mode(0o400)).expect("ours");
    let before = (fs::read(&input).expect("there"), fs::metadata(&input).expect("there"));
    bench.publish(&options());
    let copied = fs::metadata(bench.site().join("media/four/four.ogg")).expect("there");
    assert_ne!(copied.ino(), before.1.ino());
    assert_eq!(copied.permissions().mode() & 0o777, 0o644, "a web server can read it");
    let linked = Bench::with(&["four.ogg"]);
    linked.publish(&Options { copying: Copying::Link, ..options() });
    let inode = |path| fs::metadata(path).expect("there").ino();
    assert_eq!(inode(linked.site().join("media/four/four.ogg")), inode(linked.input().join("four.ogg")));
    let after = (fs::read(&input).expect("there"), fs::metadata(&input).expect("there"));
    assert_eq!((after.0, after.1.mode(), after.1.mtime()), (before.0, before.1.mode(), before.1.mtime()));
}

#[test]
fn a_library_of_several_pages_is_listed_whole_and_in_order() {
    let bench = Bench::with(&[]);
    let ogg = fs::read(super::media().join("four.ogg")).expect("there");
    for n in 0..300 {
        fs::write(bench.input().join(format!("track {n}.ogg")), &ogg).expect("written");
    }
    let summary = bench.publish(&options());
    assert_eq!(summary.titles, 300);
    let counts: Vec<u32> = bench.catalogue().pages.iter().map(|p| p.count).collect();
    assert_eq!(counts, [256, 44]);
    bench.assert_sound();
    let bytes = fs::read(bench.site().join("nearcast/titles/track-299.jws")).expect("there");
    assert!(nearcast_content::Manifest::reopen(&bytes, super::key().provider()).is_ok());
}

#[test]
fn a_mistyped_path_leaves_no_folder_behind() {
    let bench = Bench::with(&["lossless.m4a"]);
    let error = publish(&[bench.input().join("no-such.ogg")], &bench.site(), &options(), &());
    assert!(matches!(error, Err(PublishError::Nothing { .. })), "{error:?}");
    assert!(!bench.site().exists());
}
