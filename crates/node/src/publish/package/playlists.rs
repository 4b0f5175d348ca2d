//! The playlists of a packaged title (RFC 8216).

use std::fmt::Write as _;

use super::cmaf::Packaged;
use super::probe::Chapter;

/// A rendition of a master playlist.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) playlist: String,
    pub(super) packaged: Packaged,
    pub(super) frame_rate_milli: Option<u32>,
}

/// Sound or subtitles that are chosen beside the pictures.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) playlist: String,
    pub(super) language: Option<String>,
    pub(super) label: String,
    pub(super) forced: bool,
    /// Of sound alone.
    pub(super) packaged: Option<Packaged>,
}

/// The playlist of `file`.
pub(super) fn media(file: &str, packaged: &Packaged) -> String {
    let target = packaged.longest_micros().div_ceil(1_000_000).max(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"{file}\",BYTERANGE=\"{}@0\"\n",
        packaged.init
    );
    for s in &packaged.segments {
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "#EXTINF:{},\n#EXT-X-BYTERANGE:{}@{}\n{file}", seconds(s.micros), s.len, s.start);
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// The playlist of one file of subtitles.
pub(super) fn subtitles(file: &str, duration_ms: u64) -> String {
    let target = duration_ms.div_ceil(1000).max(1);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{},\n{file}\n#EXT-X-ENDLIST\n",
        seconds(duration_ms.max(1) * 1000)
    )
}

/// The playlist of all. Players that do not measure yet begin with what comes first: the largest.
pub(super) fn master(variants: &[Variant], sounds: &[Choice], subtitles: &[Choice]) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    for (nth, sound) in sounds.iter().enumerate() {
        choice(&mut text, "AUDIO", "sound", sound, if nth == 0 { "YES" } else { "NO" });
    }
    for words in subtitles {
        choice(&mut text, "SUBTITLES", "words", words, "NO");
    }
    // The loudest demand of any sound that may be chosen.
    let bits = |choose: fn((u64, u64)) -> u64| {
        sounds.iter().filter_map(|s| s.packaged.as_ref()).map(|p| choose(p.bits())).max().unwrap_or_default()
    };
    for variant in variants {
        let (peak, mean) = variant.packaged.bits();
        let (peak, mean) = (peak + bits(|b| b.0), mean + bits(|b| b.1));
        let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean}");
        if let Some((width, height)) = variant.packaged.tracks.size {
            let _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(codecs) = codecs(&variant.packaged, sounds) {
            let _ = write!(text, ",CODECS=\"{codecs}\"");
        }
        if let Some(rate) = variant.frame_rate_milli {
            let _ = write!(text, ",FRAME-RATE={}.{:03}", rate / 1000, rate % 1000);
        }
        if !sounds.is_empty() {
            text.push_str(",AUDIO=\"sound\"");
        }
        if !subtitles.is_empty() {
            text.push_str(",SUBTITLES=\"words\"");
        }
        let _ = writeln!(text, "\n{}", variant.playlist);
    }
    text
}

fn choice(text: &mut String, kind: &str, group: &str, choice: &Choice, default: &str) {
    let name: String = choice.label.chars().filter(|c| !c.is_control() && *c != '"').collect();
    let _ = write!(text, "#EXT-X-MEDIA:TYPE={kind},GROUP-ID=\"{group}\",NAME=\"{name}\"");
    if let Some(language) = &choice.language {
        let _ = write!(text, ",LANGUAGE=\"{language}\"");
    }
    let _ = write!(text, ",DEFAULT={default},AUTOSELECT=YES");
    if choice.forced {
        text.push_str(",FORCED=YES");
    }
    let _ = writeln!(text, ",URI=\"{}\"", choice.playlist);
}

/// Codecs of a variant with the sounds that go with it; nothing when one is not known.
fn codecs(packaged: &Packaged, sounds: &[Choice]) -> Option<String> {
    let mut list = vec![packaged.tracks.codecs.clone()?];
    for sound in sounds.iter().filter_map(|s| s.packaged.as_ref()) {
        let codec = sound.tracks.codecs.clone()?;
        if !list.contains(&codec) {
            list.push(codec);
        }
    }
    Some(list.join(","))
}

/// Chapters as WebVTT; nothing when there are none.
pub(super) fn chapters(chapters: &[Chapter]) -> Option<String> {
    let mut text = "WEBVTT\n".to_owned();
    for (nth, chapter) in (1..).zip(chapters) {
        let name = chapter.name.as_deref().map(|n| n.replace(['\r', '\n'], " ").replace("-->", "→"));
        let name = name.unwrap_or_else(|| format!("Chapter {nth}"));
        let _ = write!(
            text,
            "\n{} --> {}\n{}\n",
            clock(chapter.start_ms),
            clock(chapter.end_ms),
            escape(name.trim())
        );
    }
    (!chapters.is_empty()).then_some(text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn clock(ms: u64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::super::super::hls::mp4::Tracks;
    use super::super::cmaf::Segment;
    use super::*;

    fn packaged(codec: &str, size: Option<(u32, u32)>) -> Packaged {
        let tracks = Tracks { codecs: Some(codec.to_owned()), size, ..Tracks::default() };
        let segment = |start, micros| Segment { start, len: 500_000, micros };
        Packaged { init: 800, tracks, segments: vec![segment(900, 4_000_000), segment(500_900, 3_999_999)] }
    }

    #[test]
    fn a_master_says_what_each_rendition_needs() {
        let variant = Variant {
            playlist: "720p.m3u8".to_owned(),
            packaged: packaged("avc1.64001f", Some((1280, 720))),
            frame_rate_milli: Some(23_976),
        };
        let sound = Choice {
            playlist: "audio1.m3u8".to_owned(),
            language: Some("de".to_owned()),
            label: "Deut\"sch\n".to_owned(),
            forced: false,
            packaged: Some(packaged("mp4a.40.2", None)),
        };
        let words = Choice { playlist: "s.m3u8".to_owned(), packaged: None, forced: true, ..sound.clone() };
        let text = master(&[variant], &[sound], &[words]);
        assert!(text.contains(
            "TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio1.m3u8\"\n"
        ), "{text}");
        assert!(text.contains("TYPE=SUBTITLES") && text.contains("FORCED=YES,URI=\"s.m3u8\"\n"), "{text}");
        assert!(text.ends_with(
            "#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=2000000,RESOLUTION=1280x720,\
             CODECS=\"avc1.64001f,mp4a.40.2\",FRAME-RATE=23.976,AUDIO=\"sound\",SUBTITLES=\"words\"\n720p.m3u8\n"
        ), "{text}");
    }

    #[test]
    fn segments_are_ranges_of_the_file() {
        let text = media("audio.m4a", &packaged("opus", None));
        assert!(text.contains("#EXT-X-TARGETDURATION:4\n"));
        assert!(text.contains("#EXT-X-MAP:URI=\"audio.m4a\",BYTERANGE=\"800@0\"\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:500000@900\naudio.m4a\n"));
        assert!(
            text.ends_with("#EXTINF:3.999999,\n#EXT-X-BYTERANGE:500000@500900\naudio.m4a\n#EXT-X-ENDLIST\n")
        );
    }

    #[test]
    fn chapters_are_cues_whatever_they_are_called() {
        let one = Chapter { start_ms: 0, end_ms: 3_661_001, name: Some("A --> B\n<i>".to_owned()) };
        let two = Chapter { start_ms: 3_661_001, end_ms: 3_700_000, name: None };
        let text = chapters(&[one, two]).expect("two");
        assert!(text.contains("\n00:00:00.000 --> 01:01:01.001\nA → B &lt;i>\n"), "{text}");
        assert!(text.ends_with("\nChapter 2\n"));
        assert_eq!(chapters(&[]), None);
    }
}
