//! HLS playlists (RFC 8216), read as far as publishing needs: what belongs to a title, and how it plays.
//!
//! Our own reader rather than `m3u8-rs`: publishing copies playlists as they are and only asks which files they
//! name, and it has to name the line when it refuses one. Tags that are not known here are let be; those that
//! would change which files belong to a title (`EXT-X-DEFINE`, parts of live playlists) are refused.

use std::collections::BTreeMap;

use nearcast_content::limits;

/// A playlist.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Playlist {
    /// Lists renditions.
    Master(Master),
    /// Lists segments.
    Media(Media),
}

/// A playlist of renditions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Master {
    pub(super) variants: Vec<Variant>,
    pub(super) alternatives: Vec<Alternative>,
    /// Playlists of still pictures.
    pub(super) iframes: Vec<String>,
    /// Files named by session tags.
    pub(super) files: Vec<String>,
    pub(super) title: Option<String>,
    pub(super) keys: Vec<Key>,
}

/// One `EXT-X-STREAM-INF`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) uri: String,
    pub(super) bandwidth: u64,
    pub(super) average: Option<u64>,
    pub(super) codecs: Option<String>,
    pub(super) resolution: Option<(u32, u32)>,
    pub(super) frame_rate_milli: Option<u32>,
    /// Whether its sound comes in renditions of its own.
    pub(super) sound_apart: bool,
}

/// One `EXT-X-MEDIA` with a playlist of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) kind: AlternativeKind,
    pub(super) uri: String,
    pub(super) language: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlternativeKind {
    Audio,
    Video,
    Subtitles,
}

/// A playlist of segments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) segments: Vec<Segment>,
    pub(super) inits: Vec<Piece>,
    pub(super) keys: Vec<Key>,
}

/// A file, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) uri: String,
    /// Start and end.
    pub(super) range: Option<(u64, u64)>,
}

/// A piece that plays for some time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) piece: Piece,
    pub(super) duration_ms: u64,
}

/// How segments are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// AES-128-CBC over whole segments, key at this address.
    Aes128(String),
    /// Common encryption with the key of this id.
    CencCtr([u8; 16]),
}

/// Why a playlist is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(crate) struct PlaylistError {
    line: usize,
    why: Refusal,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the first line must be #EXTM3U")]
    Start,
    #[error("{0} is not of the form RFC 8216 gives it")]
    Form(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} is not supported in a published title")]
    Unsupported(String),
    #[error("the playlist has no #EXT-X-ENDLIST, so it is still growing; publish it when it has ended")]
    Growing,
    #[error("more than {MAX_SEGMENTS} segments")]
    TooLong,
}

/// As many as an index of a manifest can list.
const MAX_SEGMENTS: usize = 65_536;

/// Whether a text is an HLS playlist, rather than a list of files for a music player.
pub(super) fn is_hls(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').starts_with("#EXTM3U")
        && text.lines().any(|l| l.starts_with("#EXT-X-TARGETDURATION") || l.starts_with("#EXT-X-STREAM-INF"))
}

/// Reads a playlist.
pub(super) fn parse(text: &str) -> Result<Playlist, PlaylistError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().enumerate().map(|(n, l)| (n + 1, l.trim_end()));
    if lines.next().is_none_or(|(_, first)| first != "#EXTM3U") {
        return Err(PlaylistError { line: 1, why: Refusal::Start });
    }
    let lines = lines.filter(|(_, l)| !l.is_empty());
    if text.contains("#EXT-X-STREAM-INF") {
        parse_master(lines).map(Playlist::Master)
    } else {
        parse_media(lines).map(Playlist::Media)
    }
}

fn at<T>(line: usize, result: Result<T, Refusal>) -> Result<T, PlaylistError> {
    result.map_err(|why| PlaylistError { line, why })
}

fn parse_master<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Result<Master, PlaylistError> {
    let mut master = Master::default();
    let mut pending: Option<Attributes<'a>> = None;
    for (line, text) in lines {
        if !text.starts_with('#') {
            let attributes = pending.take().ok_or(Refusal::Missing("#EXT-X-STREAM-INF"));
            let variant = attributes.and_then(|a| variant(&a, text));
            master.variants.push(at(line, variant)?);
            continue;
        }
        let (tag, value) = text.split_once(':').unwrap_or((text, ""));
        let attributes = Attributes::of(value);
        match tag {
            "#EXT-X-STREAM-INF" => pending = Some(at(line, attributes)?),
            "#EXT-X-MEDIA" => master.alternatives.extend(at(line, attributes.and_then(|a| alternative(&a)))?),
            "#EXT-X-I-FRAME-STREAM-INF" => {
                let uri = attributes.and_then(|a| a.required("URI").map(str::to_owned));
                master.iframes.push(at(line, uri)?);
            }
            "#EXT-X-SESSION-DATA" => at(line, attributes.map(|a| session(&a, &mut master)))?,
            "#EXT-X-SESSION-KEY" => master.keys.extend(at(line, attributes.and_then(|a| key(&a)))?),
            _ => at(line, refuse_unsupported(tag))?,
        }
    }
    if master.variants.is_empty() {
        return Err(PlaylistError { line: 1, why: Refusal::Missing("a rendition") });
    }
    Ok(master)
}

fn variant(a: &Attributes<'_>, uri: &str) -> Result<Variant, Refusal> {
    Ok(Variant {
        uri: uri.to_owned(),
        bandwidth: whole(a.required("BANDWIDTH")?).ok_or(Refusal::Form("BANDWIDTH"))?,
        average: a.get("AVERAGE-BANDWIDTH").and_then(whole),
        codecs: a.get("CODECS").map(str::to_owned),
        resolution: match a.get("RESOLUTION") {
            Some(text) => Some(resolution(text).ok_or(Refusal::Form("RESOLUTION"))?),
            None => None,
        },
        frame_rate_milli: a.get("FRAME-RATE").and_then(thousandths).and_then(|n| u32::try_from(n).ok()),
        sound_apart: a.get("AUDIO").is_some(),
    })
}

fn alternative(a: &Attributes<'_>) -> Result<Option<Alternative>, Refusal> {
    let kind = match a.required("TYPE")? {
        "AUDIO" => AlternativeKind::Audio,
        "VIDEO" => AlternativeKind::Video,
        "SUBTITLES" => AlternativeKind::Subtitles,
        // Captions lie inside the video; they have no playlist.
        "CLOSED-CAPTIONS" => return Ok(None),
        _ => return Err(Refusal::Form("TYPE")),
    };
    // Without an address the rendition is the one inside the variant.
    let Some(uri) = a.get("URI") else { return Ok(None) };
    Ok(Some(Alternative { kind, uri: uri.to_owned(), language: a.get("LANGUAGE").map(str::to_owned) }))
}

fn session(a: &Attributes<'_>, master: &mut Master) {
    master.files.extend(a.get("URI").map(str::to_owned));
    if a.get("DATA-ID") == Some("com.apple.hls.title") {
        master.title = a.get("VALUE").map(str::to_owned);
    }
}

#[derive(Default)]
struct MediaReader {
    media: Media,
    duration_ms: Option<u64>,
    range: Option<(u64, Option<u64>)>,
    /// Where the last range of each file ended, for ranges without a start.
    ends: BTreeMap<String, u64>,
    ended: bool,
}

fn parse_media<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Result<Media, PlaylistError> {
    let mut reader = MediaReader::default();
    for (line, text) in lines {
        at(line, reader.line(text))?;
    }
    if !reader.ended {
        return Err(PlaylistError { line: 1, why: Refusal::Growing });
    }
    if reader.media.segments.is_empty() {
        return Err(PlaylistError { line: 1, why: Refusal::Missing("a segment") });
    }
    Ok(reader.media)
}

impl MediaReader {
    fn line(&mut self, text: &str) -> Result<(), Refusal> {
        if !text.starts_with('#') {
            return self.segment(text);
        }
        let (tag, value) = text.split_once(':').unwrap_or((text, ""));
        match tag {
            "#EXTINF" => {
                let seconds = value.split(',').next().unwrap_or_default();
                // Bounded as in a manifest, so that sums of them cannot overflow.
                let length = thousandths(seconds.trim()).filter(|ms| *ms <= limits::DURATION_MS);
                self.duration_ms = Some(length.ok_or(Refusal::Form("#EXTINF"))?);
            }
            "#EXT-X-BYTERANGE" => {
                self.range = Some(byte_range(value).ok_or(Refusal::Form("#EXT-X-BYTERANGE"))?);
            }
            "#EXT-X-MAP" => {
                let a = Attributes::of(value)?;
                let uri = a.required("URI")?.to_owned();
                let range = match a.get("BYTERANGE").map(byte_range) {
                    Some(Some((len, start))) => Some(range_of(start.unwrap_or(0), len)?),
                    Some(None) => return Err(Refusal::Form("#EXT-X-MAP")),
                    None => None,
                };
                let piece = Piece { uri, range };
                if !self.media.inits.contains(&piece) {
                    self.media.inits.push(piece);
                }
            }
            "#EXT-X-KEY" => {
                let key = key(&Attributes::of(value)?)?;
                self.media.keys.extend(key.filter(|k| !self.media.keys.contains(k)));
            }
            "#EXT-X-ENDLIST" => self.ended = true,
            _ => refuse_unsupported(tag)?,
        }
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<(), Refusal> {
        let duration_ms = self.duration_ms.take().ok_or(Refusal::Missing("#EXTINF"))?;
        let range = match self.range.take() {
            Some((len, start)) => {
                let start = start.or_else(|| self.ends.get(uri).copied());
                Some(range_of(start.ok_or(Refusal::Form("#EXT-X-BYTERANGE"))?, len)?)
            }
            None => None,
        };
        if let Some((_, end)) = range {
            self.ends.insert(uri.to_owned(), end);
        }
        if self.media.segments.len() == MAX_SEGMENTS {
            return Err(Refusal::TooLong);
        }
        self.media.segments.push(Segment { piece: Piece { uri: uri.to_owned(), range }, duration_ms });
        Ok(())
    }
}

fn range_of(start: u64, len: u64) -> Result<(u64, u64), Refusal> {
    let end = start.checked_add(len).filter(|_| len > 0);
    end.map(|end| (start, end)).ok_or(Refusal::Form("the byte range"))
}

/// Tags that name files in ways that are not followed here, or that only live playlists have.
fn refuse_unsupported(tag: &str) -> Result<(), Refusal> {
    const REFUSED: [&str; 6] = [
        "#EXT-X-DEFINE",
        "#EXT-X-PART",
        "#EXT-X-PRELOAD-HINT",
        "#EXT-X-SKIP",
        "#EXT-X-RENDITION-REPORT",
        "#EXT-X-CONTENT-STEERING",
    ];
    if REFUSED.contains(&tag) { Err(Refusal::Unsupported(tag.to_owned())) } else { Ok(()) }
}

fn key(a: &Attributes<'_>) -> Result<Option<Key>, Refusal> {
    match a.required("METHOD")? {
        "NONE" => Ok(None),
        "AES-128" => Ok(Some(Key::Aes128(a.required("URI")?.to_owned()))),
        "SAMPLE-AES-CTR" => {
            let digits = a.required("KEYID")?.trim_start_matches("0x").trim_start_matches("0X");
            let kid = (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok()).flatten();
            Ok(Some(Key::CencCtr(kid.ok_or(Refusal::Form("KEYID"))?.to_be_bytes())))
        }
        other => Err(Refusal::Unsupported(format!("encryption by {other}"))),
    }
}

fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A decimal number in thousandths, rounded to the nearest.
fn thousandths(text: &str) -> Option<u64> {
    let (units, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("0000".chars()).take(4).collect();
    let tenths_of_thousandths: u64 = digits.parse().ok()?;
    whole(units)?.checked_mul(1000)?.checked_add((tenths_of_thousandths + 5) / 10)
}

fn resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X'])?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// `LENGTH[@START]`.
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.trim().split_once('@') {
        Some((len, start)) => Some((whole(len)?, Some(whole(start)?))),
        None => Some((whole(text.trim())?, None)),
    }
}

/// An attribute list.
struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    fn of(mut text: &'a str) -> Result<Self, Refusal> {
        let mut list = Vec::new();
        while !text.is_empty() {
            let (name, rest) = text.split_once('=').ok_or(Refusal::Form("the attribute list"))?;
            let (value, rest) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (value, rest) = quoted.split_once('"').ok_or(Refusal::Form("the attribute list"))?;
                    (value, rest.strip_prefix(',').unwrap_or(rest))
                }
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            list.push((name.trim(), value));
            text = rest.trim_start();
        }
        Ok(Self(list))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    fn required(&self, name: &'static str) -> Result<&'a str, Refusal> {
        self.get(name).ok_or(Refusal::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n\
        #EXT-X-MAP:URI=\"v.m4s\",BYTERANGE=\"800@0\"\n#EXTINF:4.0004,\n#EXT-X-BYTERANGE:1000@800\nv.m4s\n\
        #EXTINF:3,title, with comma\n#EXT-X-BYTERANGE:500\nv.m4s\n#EXT-X-ENDLIST\n";

    fn media(text: &str) -> Result<Media, String> {
        match parse(text) {
            Ok(Playlist::Media(media)) => Ok(media),
            Ok(Playlist::Master(_)) => Err("a master".to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn segments_inits_and_open_ranges_are_read() {
        let read = media(MEDIA).expect("a good playlist");
        assert_eq!(read.inits, [Piece { uri: "v.m4s".into(), range: Some((0, 800)) }]);
        let ranges: Vec<_> = read.segments.iter().map(|s| (s.piece.range, s.duration_ms)).collect();
        assert_eq!(ranges, [(Some((800, 1800)), 4000), (Some((1800, 2300)), 3000)]);
        assert_eq!(media(&MEDIA.replace('\n', "\r\n")).expect("line ends of Windows").segments.len(), 2);
    }

    #[test]
    fn a_master_lists_what_belongs_to_a_title() {
        let text = "#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.title\",VALUE=\"A film, cut\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",URI=\"a/en.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"inside\"\n\
            #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"cc\",INSTREAM-ID=\"CC1\"\n\
            #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=23.976,AUDIO=\"a\"\n\
            v0.m3u8\n";
        let Ok(Playlist::Master(master)) = parse(text) else { panic!("a good master") };
        assert_eq!(master.title.as_deref(), Some("A film, cut"));
        assert_eq!((master.alternatives.len(), master.iframes.len()), (1, 1));
        let v = &master.variants[0];
        assert_eq!((v.bandwidth, v.average, v.resolution), (1_280_000, Some(1_000_000), Some((640, 360))));
        assert_eq!((v.frame_rate_milli, v.sound_apart), (Some(23_976), true));
        assert_eq!(v.codecs.as_deref(), Some("avc1.4d401e,mp4a.40.2"));
    }

    #[test]
    fn keys_are_told_apart() {
        let with = |tag: &str| media(&MEDIA.replace("#EXT-X-MAP", &format!("{tag}\n#EXT-X-MAP")));
        let aes = with("#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/1\"").expect("good");
        assert_eq!(aes.keys, [Key::Aes128("https://k.example/1".into())]);
        let kid = "0x000102030405060708090A0B0C0D0E0F";
        let cenc =
            with(&format!("#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,KEYID={kid},URI=\"skd://x\"")).expect("good");
        assert_eq!(cenc.keys, [Key::CencCtr([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])]);
        assert_eq!(with("#EXT-X-KEY:METHOD=NONE").expect("good").keys, []);
        assert!(with("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"").is_err());
    }

    #[test]
    fn bad_playlists_name_the_line() {
        for (from, to, want) in [
            ("#EXTM3U", "EXTM3U", "line 1: the first line"),
            ("#EXT-X-ENDLIST", "", "line 1: the playlist has no #EXT-X-ENDLIST"),
            ("4.0004", "-4", "line 5: #EXTINF"),
            ("4.0004", "nan", "line 5: #EXTINF"),
            ("4.0004", "99999999999999999999", "line 5: #EXTINF"),
            ("4.0004", "9999999999999999", "line 5: #EXTINF"),
            ("1000@800", "0@800", "line 7: the byte range"),
            ("1000@800", "18446744073709551615@800", "line 7: the byte range"),
            ("1000@800", "1000@x", "line 6: #EXT-X-BYTERANGE"),
            ("1000@800", "1000", "line 7: #EXT-X-BYTERANGE"),
            ("#EXTINF:3,title, with comma", "#EXT-X-PART:URI=\"x\"", "line 8: #EXT-X-PART"),
            ("#EXTINF:3,title, with comma", "#EXT-X-DEFINE:NAME=\"x\"", "line 8: #EXT-X-DEFINE"),
            ("#EXTINF:3,title, with comma", "", "line 10: #EXTINF is missing"),
            ("URI=\"v.m4s\"", "URI=\"v.m4s", "line 4: "),
        ] {
            let bent = MEDIA.replacen(from, to, 1);
            assert_ne!(bent, MEDIA);
            let why = media(&bent).expect_err(to);
            assert!(why.starts_with(want), "{to}: {why}");
        }
    }

    proptest::proptest! {
        /// Whatever is put into a good playlist, it is read or refused, and never more than its length says.
        #[test]
        fn mangled_playlists_are_survived(at in 0..MEDIA.len(), cut in 0usize..40, put in "[ -~\n]{0,20}") {
            let end = (at + cut).min(MEDIA.len());
            let mangled = format!("{}{put}{}", &MEDIA[..at], &MEDIA[end..]);
            if let Ok(read) = media(&mangled) {
                proptest::prop_assert!(!read.segments.is_empty());
                proptest::prop_assert!(read.segments.len() <= mangled.lines().count());
            }
        }
    }

    #[test]
    fn lists_of_files_are_not_hls() {
        assert!(is_hls(MEDIA));
        assert!(!is_hls("#EXTM3U\n#EXTINF:123,Artist - Song\nsong.mp3\n"));
        assert!(!is_hls("song.mp3\n"));
    }
}
