//! From what a file holds to what ffmpeg is to make of it. Pure: the same file and wishes give the same recipe.
//!
//! What browsers play out of fragmented MP4 is copied: H.264, VP9 and AV1 pictures, AAC, Opus and FLAC sound.
//! The rest becomes H.264 and AAC for films, FLAC for lossless music and Opus for the other
//! (`docs/decisions/0003-packaging.md`).

use std::ffi::OsString;

use super::ladder::{Ladder, Rung, most_bits};
use super::probe::{Probe, Track, Video};

/// Changes with what is made of the same file, so that titles are packaged anew.
pub(super) const VERSION: u32 = 1;

/// Length of a segment. Short enough to start and to change rendition soon, long enough that a block is not
/// mostly headers.
const SEGMENT_SECONDS: u32 = 4;
/// Shortest segment, below [`SEGMENT_SECONDS`] by less than a frame: times are rounded differently in every
/// rendition, and all are to be cut at the same frames.
const SHORTEST_SEGMENT_US: u32 = 3_900_000;
/// Sound tracks of one title: with eight sizes and an original within the renditions that a manifest holds.
const MAX_SOUNDS: usize = 4;
/// Subtitles of one title, for the same reason.
pub(super) const MAX_SUBTITLES: usize = 3;

/// What is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) renditions: Vec<Rendition>,
    pub(super) subtitles: Vec<Subtitles>,
    /// What is left out, to be told to the provider.
    pub(super) notes: Vec<String>,
}

/// A rendition to be made in one run of ffmpeg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rendition {
    /// Stem of its files.
    pub(super) name: String,
    pub(super) carries: Carries,
    pub(super) frame_rate_milli: Option<u32>,
    pub(super) language: Option<String>,
    /// What people read in a menu.
    pub(super) label: Option<String>,
    /// Whether pictures are copied.
    pub(super) copies_pictures: bool,
    /// Options between the input and the file's name.
    pub(super) options: Vec<OsString>,
}

/// What a rendition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Both,
    Pictures,
    Sound,
}

/// Subtitles to be made from a stream of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subtitles {
    pub(super) stream: u32,
    pub(super) language: Option<String>,
    pub(super) label: Option<String>,
    pub(super) forced: bool,
}

impl Rendition {
    /// The name of its file of media.
    pub(super) fn file(&self) -> String {
        format!("{}.{}", self.name, if self.carries == Carries::Sound { "m4a" } else { "mp4" })
    }
}

/// Whether pictures may be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copying {
    /// Where browsers play them.
    WherePossible,
    /// Never: a copy has turned out to be of no use.
    Never,
}

/// What to make of a file; nothing when it has neither sound nor picture.
pub(super) fn recipe(probe: &Probe, ladder: &Ladder, copying: Copying) -> Option<Recipe> {
    let mut recipe = Recipe::default();
    let Some(video) = &probe.video else {
        recipe.renditions.push(song(probe)?);
        return Some(recipe);
    };
    let rungs = ladder.rungs(video.width, video.height);
    let plan = Film {
        probe,
        video,
        copied: copying == Copying::WherePossible && copies(video, ladder, &rungs),
        rungs: &rungs,
    };
    recipe.renditions.extend(rungs.iter().map(|rung| plan.rung(rung)));
    if probe.sounds.len() > 1 {
        recipe
            .renditions
            .extend(probe.sounds.iter().take(MAX_SOUNDS).enumerate().map(|(n, t)| plan.sound(n, t)));
    }
    if probe.sounds.len() > MAX_SOUNDS {
        recipe.notes.push(format!(
            "only the first {MAX_SOUNDS} of its {} sound tracks are published",
            probe.sounds.len()
        ));
    }
    let (words, pictures): (Vec<&Track>, Vec<&Track>) = probe.subtitles.iter().partition(|t| is_text(t));
    if !pictures.is_empty() {
        recipe.notes.push(format!("{} of its subtitles are pictures and are left out", pictures.len()));
    }
    if words.len() > MAX_SUBTITLES {
        recipe
            .notes
            .push(format!("only the first {MAX_SUBTITLES} of its {} subtitles are published", words.len()));
    }
    recipe.subtitles.extend(words.into_iter().take(MAX_SUBTITLES).map(|t| Subtitles {
        stream: t.stream,
        language: t.language.clone(),
        label: t.name.clone(),
        forced: t.forced,
    }));
    Some(recipe)
}

fn is_text(track: &Track) -> bool {
    ["subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"].contains(&track.codec.as_str())
}

/// A file of sound.
fn song(probe: &Probe) -> Option<Rendition> {
    let track = probe.sounds.iter().find(|t| t.default).or(probe.sounds.first())?;
    let mut options = words(&["-map", &format!("0:{}", track.stream)]);
    let lossless = track.codec.starts_with("pcm_")
        || ["alac", "ape", "wavpack", "tta", "mlp", "truehd", "shorten"].contains(&track.codec.as_str());
    if is_copied(track) {
        options.extend(words(&["-c:a", "copy"]));
    } else if lossless {
        // Beyond two channels browsers disagree on their order; FLAC's is fixed.
        options.extend(words(&["-c:a", "flac"]));
    } else {
        options.extend(opus(track));
    }
    options.extend(tags(probe));
    options.extend(container(Carries::Sound));
    Some(Rendition {
        name: "audio".to_owned(),
        carries: Carries::Sound,
        frame_rate_milli: None,
        language: track.language.clone(),
        label: None,
        copies_pictures: false,
        options,
    })
}

/// Whether browsers play it out of fragmented MP4. MP3 they do not.
fn is_copied(track: &Track) -> bool {
    ["aac", "opus", "flac"].contains(&track.codec.as_str())
}

fn opus(track: &Track) -> Vec<OsString> {
    // Opus is transparent to most at 128 kbit/s; a source with less has nothing to lose above its own rate.
    let rate = track.bit_rate.unwrap_or(128_000).clamp(64_000, 160_000).max(96_000);
    let channels = track.channels.clamp(1, 2).to_string();
    words(&["-c:a", "libopus", "-b:a", &rate.to_string(), "-vbr", "on", "-ac", &channels])
}

/// What whole-file players show. Other tags stay behind: telephones write where one has been.
fn tags(probe: &Probe) -> Vec<OsString> {
    let mut options = words(&["-map_metadata", "-1", "-map_chapters", "-1"]);
    for name in ["title", "artist", "album"] {
        if let Some(value) = probe.tags.get(name) {
            options.extend(words(&["-metadata", &format!("{name}={value}")]));
        }
    }
    options
}

/// Fragmented MP4 in one file, with an index of its segments at the front: a range of it is a segment, and the
/// whole of it plays and seeks in players that know no playlists.
fn container(carries: Carries) -> Vec<OsString> {
    let mut options = words(&["-fflags", "+bitexact", "-strict", "experimental", "-f", "mp4", "-movflags"]);
    let shortest = SHORTEST_SEGMENT_US.to_string();
    let long = (SEGMENT_SECONDS * 1_000_000).to_string();
    options.extend(match carries {
        // Cut at key frames.
        Carries::Both | Carries::Pictures => words(&[
            "+delay_moov+default_base_moof+frag_keyframe+global_sidx",
            "-min_frag_duration",
            &shortest,
        ]),
        Carries::Sound => words(&["+delay_moov+default_base_moof+global_sidx", "-frag_duration", &long]),
    });
    options
}

fn words(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

/// Whether browsers play these pictures as they are, and whether they fit the other sizes. Sizes between which
/// players change must be of one codec, and encoders for others than H.264 are too slow for a folder of films.
fn copies(video: &Video, ladder: &Ladder, rungs: &[Rung]) -> bool {
    let plain = ["yuv420p", "yuvj420p"].contains(&video.pixels.as_str());
    let plays = match video.codec.as_str() {
        "h264" => {
            plain && ["Constrained Baseline", "Baseline", "Main", "High"].contains(&video.profile.as_str())
        }
        "vp9" => plain,
        "av1" => plain || video.pixels == "yuv420p10le",
        _ => false,
    };
    let sane = match (ladder, rungs.first()) {
        (Ladder::Source, _) => true,
        // What a camera wrote is many times what a line carries.
        (_, Some(rung)) => {
            video.bit_rate.is_none_or(|b| b <= 2 * most_bits(rung.class, video.frame_rate_milli))
        }
        (_, None) => false,
    };
    let alone = rungs.len() == 1 || video.codec == "h264";
    plays && sane && alone && video.straight && !video.interlaced && rungs.iter().any(|r| r.own)
}

struct Film<'a> {
    probe: &'a Probe,
    video: &'a Video,
    rungs: &'a [Rung],
    /// Whether the film's own size is copied.
    copied: bool,
}

impl Film<'_> {
    fn rung(&self, rung: &Rung) -> Rendition {
        let copies_pictures = self.copied && rung.own;
        let mut options = words(&["-map", &format!("0:{}", self.video.stream)]);
        let carries = match self.probe.sounds.as_slice() {
            [one] => {
                options.extend(words(&["-map", &format!("0:{}", one.stream)]));
                options.extend(sound_of_film(one));
                Carries::Both
            }
            // Several: each is a rendition of its own, for every size.
            [] | [_, _, ..] => Carries::Pictures,
        };
        if copies_pictures {
            options.extend(words(&["-c:v", "copy"]))
        } else {
            options.extend(self.encode(rung))
        }
        options.extend(tags(self.probe));
        options.extend(container(carries));
        Rendition {
            name: format!("{}p", rung.class),
            carries,
            frame_rate_milli: self.video.frame_rate_milli,
            language: None,
            label: None,
            copies_pictures,
            options,
        }
    }

    fn encode(&self, rung: &Rung) -> Vec<OsString> {
        let most = most_bits(rung.class, self.video.frame_rate_milli);
        // Not more than the source has for as many pixels.
        let most = self.video.bit_rate.filter(|_| rung.own).map_or(most, |b| most.min(b.max(100_000)));
        let deinterlace = if self.video.interlaced { "bwdif=mode=send_frame," } else { "" };
        let filter = format!("{deinterlace}scale={}:{},setsar=1,format=yuv420p", rung.width, rung.height);
        // Key frames where the copy has them, so that every size is cut at the same frames.
        let copy_beside = self.copied && self.rungs.len() > 1;
        let keys =
            if copy_beside { "source".to_owned() } else { format!("expr:gte(t,n_forced*{SEGMENT_SECONDS})") };
        words(&[
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-profile:v",
            "high",
            "-crf",
            "21",
            "-maxrate",
            &most.to_string(),
            "-bufsize",
            &(2 * most).to_string(),
            "-vf",
            &filter,
            "-sc_threshold",
            "0",
            "-g",
            "9000",
            "-force_key_frames",
            &keys,
        ])
    }

    fn sound(&self, nth: usize, track: &Track) -> Rendition {
        let mut options = words(&["-map", &format!("0:{}", track.stream)]);
        options.extend(sound_of_film(track));
        options.extend(tags(self.probe));
        options.extend(container(Carries::Sound));
        Rendition {
            name: format!("audio{}", nth + 1),
            carries: Carries::Sound,
            frame_rate_milli: None,
            language: track.language.clone(),
            label: track.name.clone(),
            copies_pictures: false,
            options,
        }
    }
}

fn sound_of_film(track: &Track) -> Vec<OsString> {
    if is_copied(track) {
        return words(&["-c:a", "copy"]);
    }
    let (rate, channels) = if track.channels == 1 { ("96k", "1") } else { ("160k", "2") };
    words(&["-c:a", "aac", "-b:a", rate, "-ac", channels])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(codec: &str, profile: &str) -> Probe {
        let video = Video {
            codec: codec.to_owned(),
            profile: profile.to_owned(),
            pixels: "yuv420p".to_owned(),
            width: 1920,
            height: 1080,
            straight: true,
            frame_rate_milli: Some(24_000),
            bit_rate: Some(5_000_000),
            ..Video::default()
        };
        Probe { video: Some(video), sounds: vec![sound(1, "aac")], ..Probe::default() }
    }

    fn sound(stream: u32, codec: &str) -> Track {
        Track { stream, codec: codec.to_owned(), channels: 2, ..Track::default() }
    }

    fn made(probe: &Probe, ladder: &str) -> Vec<(String, String)> {
        let ladder = ladder.parse().expect(ladder);
        let recipe = recipe(probe, &ladder, Copying::WherePossible).expect("something to make");
        let line = |r: &Rendition| {
            r.options.iter().map(|o| o.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        recipe.renditions.iter().map(|r| (r.file(), line(r))).collect()
    }

    #[test]
    fn what_browsers_play_is_copied() {
        for (codec, profile) in
            [("h264", "High"), ("h264", "Constrained Baseline"), ("vp9", "Profile 0"), ("av1", "Main")]
        {
            let made = made(&film(codec, profile), "source");
            assert_eq!(made.len(), 1);
            assert!(
                made[0].0 == "1080p.mp4"
                    && made[0].1.contains("-c:v copy")
                    && made[0].1.contains("-c:a copy"),
                "{made:?}"
            );
        }
        for (codec, profile) in [("hevc", "Main"), ("h264", "High 10"), ("mpeg2video", "Main")] {
            assert!(made(&film(codec, profile), "source")[0].1.contains("libx264"), "{codec} {profile}");
        }
        let mut odd = film("h264", "High");
        odd.video.as_mut().expect("a picture").interlaced = true;
        assert!(made(&odd, "source")[0].1.contains("-vf bwdif=mode=send_frame,scale=1920:1080"));
        odd.sounds = vec![sound(1, "dts")];
        assert!(made(&odd, "source")[0].1.contains("-c:a aac -b:a 160k -ac 2"));
    }

    #[test]
    fn a_ladder_is_of_one_codec_and_cut_at_the_same_frames() {
        let copied = made(&film("h264", "High"), "1080p,720p");
        assert!(copied[0].1.contains("-c:v copy"));
        assert!(
            copied[1].1.contains("scale=1280:720") && copied[1].1.contains("-force_key_frames source"),
            "{copied:?}"
        );
        assert!(copied[1].1.contains("-maxrate 3200000 -bufsize 6400000"));
        let encoded = made(&film("vp9", "Profile 0"), "1080p,720p");
        assert!(
            encoded
                .iter()
                .all(|(_, line)| line.contains("libx264") && line.contains("expr:gte(t,n_forced*4)"))
        );
        // A camera's own file is too much for most lines.
        let mut camera = film("h264", "High");
        camera.video.as_mut().expect("a picture").bit_rate = Some(50_000_000);
        assert!(made(&camera, "source")[0].1.contains("-c:v copy"));
        assert!(made(&camera, "auto")[0].1.contains("libx264"));
    }

    #[test]
    fn several_languages_are_renditions_of_their_own() {
        let mut two = film("h264", "High");
        two.sounds.push(Track { language: Some("deu".to_owned()), ..sound(2, "ac3") });
        two.subtitles = vec![sound(3, "subrip"), sound(4, "hdmv_pgs_subtitle")];
        let recipe = recipe(&two, &Ladder::Source, Copying::WherePossible).expect("something to make");
        let all: Vec<_> = recipe.renditions.iter().map(|r| (r.file(), r.carries)).collect();
        let file = |name: &str, carries| (name.to_owned(), carries);
        assert_eq!(
            all,
            [
                file("1080p.mp4", Carries::Pictures),
                file("audio1.m4a", Carries::Sound),
                file("audio2.m4a", Carries::Sound)
            ]
        );
        assert_eq!((recipe.subtitles.len(), recipe.notes.len()), (1, 1));
    }

    #[test]
    fn songs_stay_lossless_or_become_opus() {
        for (codec, want) in [
            ("opus", "-c:a copy"),
            ("aac", "-c:a copy"),
            ("flac", "-c:a copy"),
            ("alac", "-c:a flac"),
            ("pcm_s16le", "-c:a flac"),
            ("vorbis", "-c:a libopus"),
            ("wmav2", "-c:a libopus"),
            ("mp3", "-c:a libopus"),
        ] {
            let probe = Probe { sounds: vec![sound(0, codec)], ..Probe::default() };
            let made = made(&probe, "auto");
            assert!(made[0].0 == "audio.m4a" && made[0].1.contains(want), "{codec}: {made:?}");
        }
        assert_eq!(recipe(&Probe::default(), &Ladder::Auto, Copying::WherePossible), None);
    }
}
