//! Films and songs that are packaged, on media that ffmpeg makes for the test.

use std::fs;
use std::path::Path;
use std::process::Command;

use nearcast_content::manifest::{DocumentRole, Layout, MediaKind, Role};
use nearcast_content::{ContentType, Manifest, UnixTime};

use super::super::{Ffmpeg, Options, PublishError, Summary, publish};
use super::{Bench, id, later, options};

/// The programs. A machine without them skips these tests and says so; where everything is to be tested, that is
/// a failure.
fn ffmpeg() -> Option<Ffmpeg> {
    let found = Ffmpeg::on_path();
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "ffmpeg is not on PATH");
    if found.is_none() {
        eprintln!("not tested: ffmpeg is not on PATH");
    }
    found
}

fn with(ffmpeg: &Ffmpeg, ladder: &str) -> Options {
    Options { ffmpeg: Some(ffmpeg.clone()), ladder: ladder.parse().expect(ladder), ..options() }
}

/// Makes a file of media.
fn make(folder: &Path, line: &str) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-nostdin"]).args(line.split(' ')).current_dir(folder);
    let done = ffmpeg.output().expect("ffmpeg runs");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

const PICTURE: &str = "-f lavfi -i testsrc2=size=320x240:rate=12:duration=9";
const SOUND: &str = "-f lavfi -i sine=duration=9";
const H264: &str = "-c:v libx264 -preset ultrafast -g 24";

/// A film with subtitles, chapters and tags.
fn film(bench: &Bench) {
    let input = bench.input();
    fs::write(input.join("words.srt"), "1\n00:00:01,000 --> 00:00:03,000\nGrüße <i>you</i>\n")
        .expect("written");
    let chapters = ";FFMETADATA1\ntitle=A Film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=Begin\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=9000\ntitle=End\n";
    fs::write(input.join("chapters.txt"), chapters).expect("written");
    make(
        &input,
        &format!(
            "{PICTURE} {SOUND} -i words.srt -i chapters.txt -map 0 -map 1 -map 2 -map_metadata 3 -map_chapters 3 \
             {H264} -pix_fmt yuv420p -c:a aac -c:s srt -metadata:s:s:0 language=ger film.mkv"
        ),
    );
    fs::remove_file(input.join("chapters.txt")).expect("there");
    fs::rename(input.join("words.srt"), input.join("film.en.srt")).expect("there");
}

/// Lengths of segments in a playlist.
fn lengths(playlist: &str) -> Vec<String> {
    let lines = playlist.lines().filter_map(|l| l.strip_prefix("#EXTINF:"));
    lines.map(|l| l.trim_end_matches(',')[..5].to_owned()).collect()
}

fn codecs(manifest: &Manifest) -> Vec<&str> {
    manifest.renditions.iter().filter_map(|r| r.codecs.as_ref()).map(|c| c.as_str()).collect()
}

#[test]
fn a_film_becomes_a_ladder_with_subtitles_chapters_and_a_picture() {
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&[]);
    film(&bench);
    let summary = bench.publish(&with(&ffmpeg, "1080p,240p,144p"));
    assert_eq!(
        (&summary.added[..], &summary.skipped[..], &summary.notes[..]),
        (&[id("a-film")][..], &[][..], &[][..])
    );
    bench.assert_sound();
    let manifest = bench.manifest("a-film");
    let named: Vec<_> =
        manifest.renditions.iter().map(|r| (r.id.as_str(), r.role, r.resolution.map(|r| r.height))).collect();
    assert_eq!(
        named,
        [
            ("v0", Role::Muxed, Some(240)),
            ("v1", Role::Muxed, Some(144)),
            ("s0", Role::Subtitles, None),
            ("s1", Role::Subtitles, None)
        ]
    );
    assert!(codecs(&manifest).iter().all(|c| c.starts_with("avc1.") && c.ends_with(",mp4a.40.2")));
    assert_eq!((manifest.about.name.as_str(), manifest.about.media), ("A Film", MediaKind::Video));
    assert!((8_900..9_200).contains(&manifest.timeline.duration_ms));
    let files = bench.files();
    let text = |name: &str| String::from_utf8_lossy(&files[&format!("media/a-film/{name}")]).into_owned();
    let master = text("master.m3u8");
    assert_eq!(master.matches("CODECS=\"avc1.").count(), 2, "{master}");
    assert!(master.contains("RESOLUTION=320x240") && master.contains("FRAME-RATE=12.000"), "{master}");
    assert!(
        master.contains("NAME=\"English\",LANGUAGE=\"en\"") && master.contains("LANGUAGE=\"de\""),
        "{master}"
    );
    assert_eq!(lengths(&text("240p.m3u8")), ["4.000", "4.000", "1.000"]);
    assert_eq!(lengths(&text("240p.m3u8")), lengths(&text("144p.m3u8")), "cut at the same frames");
    // AAC begins a little before the pictures, by which all times are moved.
    let words = text("words2.vtt");
    assert!(words.contains(" --> 00:03.0") && words.contains("\nGrüße <i>you</i>"), "{words}");
    assert!(text("chapters.vtt").contains("00:00:04.000 --> 00:00:09.000\nEnd\n"));
    assert!(manifest.document(&DocumentRole::Chapters).is_some());
    let art = manifest.document(&DocumentRole::Art).expect("a picture");
    assert_eq!(art.object.content_type, ContentType::Jpeg);
    let Layout::Single { object, init, playlist } = &manifest.renditions[0].layout else {
        panic!("one file")
    };
    assert!(object.content_type == ContentType::VideoMp4 && init.is_some() && playlist.is_some());
}

/// A pair of programs that cannot be run: whoever runs them fails.
fn broken(bench: &Bench) -> Ffmpeg {
    let folder = bench.folder.path().join("programs");
    fs::create_dir_all(&folder).expect("made");
    for name in ["ffmpeg", "ffprobe"] {
        script(&folder.join(name), "#!/bin/sh\nexit 1\n");
    }
    Ffmpeg::within(folder.as_os_str()).expect("both")
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
}

#[test]
fn what_has_not_changed_is_not_packaged_again_wherever_it_lies() {
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&["four.ogg"]);
    make(&bench.input(), &format!("{SOUND} -t 5 second.wav"));
    let first = bench.publish(&with(&ffmpeg, "source"));
    assert_eq!((first.added.len(), first.skipped.len()), (2, 0), "{first:?}");
    bench.assert_sound();
    let files = bench.files();
    assert_eq!(codecs(&bench.manifest("four")), ["opus"]);
    assert_eq!(codecs(&bench.manifest("second")), ["flac"]);
    let manifest = bench.manifest("second");
    let Layout::Single { object, playlist, .. } = &manifest.renditions[0].layout else { panic!("one file") };
    assert!(object.content_type == ContentType::AudioMp4 && playlist.is_some());
    assert_eq!(manifest.document(&DocumentRole::Master), None, "a song starts without one");

    let again = Options { ffmpeg: Some(broken(&bench)), now: UnixTime(options().now.0 + 60), ..options() };
    let second = bench.publish(&again);
    assert_eq!((second.unchanged, second.skipped.len()), (2, 0), "{second:?}");
    assert_eq!(bench.files(), files);
    fs::create_dir(bench.input().join("moved")).expect("made");
    fs::rename(bench.input().join("second.wav"), bench.input().join("moved/second.wav")).expect("moved");
    let third = bench.publish(&again);
    assert_eq!((third.unchanged, third.skipped.len()), (2, 0), "{third:?}");
    assert_eq!(bench.files(), files);
}

#[test]
fn bad_media_are_named_and_a_cut_film_is_not_taken_for_a_whole_one() {
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&["four.ogg"]);
    film(&bench);
    let input = bench.input();
    let whole = fs::read(input.join("film.mkv")).expect("there");
    fs::write(input.join("cut.mkv"), &whole[..whole.len() / 2]).expect("written");
    fs::write(input.join("noise.webm"), [0x5a; 5_000]).expect("written");
    // What only calls itself a film must not make ffmpeg read other files.
    let path = input.join("film.mkv");
    fs::write(input.join("list.mp4"), format!("ffconcat version 1.0\nfile '{}'\n", path.display()))
        .expect("written");
    fs::write(
        input.join("hls.mp4"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfilm.mkv\n#EXT-X-ENDLIST\n",
    )
    .expect("written");
    let summary = bench.publish(&with(&ffmpeg, "source"));
    assert_eq!(summary.added, [id("a-film"), id("four")]);
    let names: Vec<_> =
        summary.skipped.iter().map(|s| s.path.file_name().expect("a name").to_string_lossy()).collect();
    assert_eq!(names, ["cut.mkv", "hls.mp4", "list.mp4", "noise.webm"]);
    assert!(summary.skipped[0].why.contains("is damaged: only"), "{summary:?}");
    bench.assert_sound();
}

#[test]
fn languages_are_chosen_beside_the_pictures_and_the_original_may_stay() {
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&[]);
    make(
        &bench.input(),
        &format!(
            "{PICTURE} {SOUND} {SOUND} -map 0 -map 1 -map 2 {H264} -pix_fmt yuv420p -c:a:0 ac3 -c:a:1 aac \
             -metadata:s:a:0 language=eng -metadata:s:a:1 language=fre -t 5 two.mkv"
        ),
    );
    let kept = Options { keep_originals: true, ..with(&ffmpeg, "source") };
    assert_eq!(bench.publish(&kept).skipped, []);
    bench.assert_sound();
    let manifest = bench.manifest("two");
    let roles: Vec<_> = manifest.renditions.iter().map(|r| (r.id.as_str(), r.role)).collect();
    assert_eq!(
        roles,
        [("v0", Role::Video), ("a0", Role::Audio), ("a1", Role::Audio), ("original", Role::Other)]
    );
    let languages: Vec<_> =
        manifest.renditions.iter().filter_map(|r| r.language.as_ref()).map(|l| l.as_str()).collect();
    assert_eq!(languages, ["en", "fr"]);
    let files = bench.files();
    let original = fs::read(bench.input().join("two.mkv")).expect("there");
    assert_eq!(files["media/two/original/two.mkv"], original);
    assert!(String::from_utf8_lossy(&files["media/two/master.m3u8"]).contains(",AUDIO=\"sound\""));
}

/// Publishes with programs of which the second rendition fails.
fn interrupted(bench: &Bench, ffmpeg: &Ffmpeg) -> Result<Summary, PublishError> {
    let folder = bench.folder.path().join("programs");
    fs::create_dir_all(&folder).expect("made");
    let pass = "case \"$*\" in *144p.mp4*) exit 1;; esac\nexec";
    script(&folder.join("ffmpeg"), &format!("#!/bin/sh\n{pass} ffmpeg \"$@\"\n"));
    script(&folder.join("ffprobe"), "#!/bin/sh\nexec ffprobe \"$@\"\n");
    let programs = Ffmpeg::within(folder.as_os_str()).expect("both");
    assert_ne!(&programs, ffmpeg);
    publish(&[bench.input()], &bench.site(), &with(&programs, "240p,144p"), &())
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_goes_on_with_the_next_rendition() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&[]);
    film(&bench);
    assert!(matches!(interrupted(&bench, &ffmpeg), Err(PublishError::Nothing { .. })));
    let packages = bench.folder.path().join(".site.nearcast/packages");
    let part = fs::read_dir(&packages).expect("there").flatten().next().expect("one").path();
    let made = fs::metadata(part.join("240p.mp4")).expect("the first is whole");
    assert!(!part.join("144p.mp4").exists());
    assert_eq!(bench.publish(&with(&ffmpeg, "240p,144p")).added, [id("a-film")]);
    let served = fs::metadata(bench.site().join("media/a-film/240p.mp4")).expect("there");
    assert_eq!((served.ino(), served.nlink()), (made.ino(), 2), "what was made is linked, not made again");
    // Nobody needs the package of a title that is gone.
    super::super::withdraw(&id("a-film"), &bench.site(), &later(60)).expect("withdrawn");
    assert_eq!(fs::read_dir(&packages).expect("there").count(), 0);
}

#[test]
fn a_title_can_be_replaced_by_name() {
    let Some(ffmpeg) = ffmpeg() else { return };
    let bench = Bench::with(&["four.ogg"]);
    bench.publish(&with(&ffmpeg, "source"));
    make(&bench.input(), &format!("{SOUND} -t 2 other.wav"));
    let named = Options { title: Some(id("four")), ..with(&ffmpeg, "source") };
    let refused = publish(&[bench.input()], &bench.site(), &named, &());
    assert!(matches!(refused, Err(PublishError::OneTitle(2, _))), "{refused:?}");
    let other = bench.input().join("other.wav");
    let summary = publish(&[other], &bench.site(), &named, &()).expect("published");
    assert_eq!((summary.titles, summary.changed), (1, vec![id("four")]));
    assert_eq!(codecs(&bench.manifest("four")), ["flac"]);
    bench.assert_sound();
}
