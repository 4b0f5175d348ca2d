//! Reads HLS playlists (RFC 8216) as far as a player without a screen needs them.

use std::time::Duration;

use reqwest::Url;

use super::track::{Chunk, Form, Piece, Track};

/// Most segments of a playlist; a day of one-second segments is below.
const MAX_SEGMENTS: usize = 100_000;

/// A playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Playlist {
    /// Names renditions.
    Master(Vec<Variant>),
    /// Names segments.
    Media(Track),
}

/// A rendition that a master playlist offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) url: Url,
    /// Peak rate in bits per second.
    pub(crate) bandwidth: u64,
}

/// Why a playlist cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HlsError {
    /// Something else came.
    #[error("line 1 is not #EXTM3U")]
    NoPlaylist,
    /// A tag's value does not follow RFC 8216.
    #[error("line {0}: {1} is malformed")]
    Malformed(usize, &'static str),
    /// An address leads nowhere.
    #[error("line {0}: bad address: {1}")]
    Address(usize, String),
    /// The list goes on while it plays.
    #[error("no #EXT-X-ENDLIST: this player plays no live streams")]
    Live,
    /// Neither renditions nor segments.
    #[error("it lists nothing to play")]
    Empty,
    /// More than any title has.
    #[error("more than {MAX_SEGMENTS} segments")]
    TooLong,
}

/// Reads a playlist found at `base`.
///
/// # Errors
/// What is wrong with it, and in which line.
pub(crate) fn parse(text: &str, base: &Url) -> Result<Playlist, HlsError> {
    let mut reader = Reader::new(base);
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    if lines.next() != Some("#EXTM3U") {
        return Err(HlsError::NoPlaylist);
    }
    for (number, line) in (2..).zip(lines) {
        reader.line(number, line)?;
    }
    reader.finish()
}

/// The rendition to play: the best one that takes at most 70 % of `rate` (bits per second), or the one listed
/// first as long as no rate is known (RFC 8216bis: the first is the provider's choice to start with).
pub(crate) fn choose(variants: &[Variant], rate: Option<u64>) -> Option<&Variant> {
    let Some(rate) = rate else { return variants.first() };
    let within = variants.iter().filter(|v| v.bandwidth <= rate / 10 * 7);
    within.max_by_key(|v| v.bandwidth).or_else(|| variants.iter().min_by_key(|v| v.bandwidth))
}

struct Reader<'a> {
    base: &'a Url,
    variants: Vec<Variant>,
    track: Track,
    at: Duration,
    ended: bool,
    /// Rate of the rendition whose address comes next.
    variant: Option<u64>,
    /// Length of the segment whose address comes next.
    segment: Option<Duration>,
    /// Byte range of the segment whose address comes next: length, and where it begins if told.
    range: Option<(u64, Option<u64>)>,
    init: Option<usize>,
    /// Where the last range ended, and in which resource.
    last: Option<(Url, u64)>,
}

impl<'a> Reader<'a> {
    fn new(base: &'a Url) -> Self {
        let track = Track { inits: Vec::new(), pieces: Vec::new() };
        Self {
            base,
            variants: Vec::new(),
            track,
            at: Duration::ZERO,
            ended: false,
            variant: None,
            segment: None,
            range: None,
            init: None,
            last: None,
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), HlsError> {
        if let Some((tag, value)) = line.strip_prefix("#EXT").and_then(|rest| rest.split_once(':')) {
            self.tag(number, tag, value)
        } else if line == "#EXT-X-ENDLIST" {
            self.ended = true;
            Ok(())
        } else if line.is_empty() || line.starts_with('#') {
            Ok(())
        } else {
            let url = self.resolve(number, line)?;
            self.address(number, url)
        }
    }

    fn tag(&mut self, number: usize, tag: &str, value: &str) -> Result<(), HlsError> {
        let bad = |what| HlsError::Malformed(number, what);
        match tag {
            "-X-STREAM-INF" => {
                let bandwidth = attribute(value, "BANDWIDTH").and_then(|v| v.parse().ok());
                self.variant = Some(bandwidth.ok_or(bad("BANDWIDTH"))?);
            }
            "INF" => {
                let seconds = value.split(',').next().unwrap_or_default().trim().parse::<f64>();
                let length = seconds.ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                self.segment = Some(length.ok_or(bad("EXTINF"))?);
            }
            "-X-BYTERANGE" => self.range = Some(byte_range(value).ok_or(bad("BYTERANGE"))?),
            "-X-MAP" => {
                let url = self.resolve(number, attribute(value, "URI").ok_or(bad("MAP"))?)?;
                let bytes = match attribute(value, "BYTERANGE") {
                    Some(range) => {
                        let (length, first) = byte_range(range).ok_or(bad("MAP"))?;
                        Some(span(first.unwrap_or(0), length).ok_or(bad("MAP"))?)
                    }
                    None => None,
                };
                self.track.inits.push(Chunk { url, bytes });
                self.init = Some(self.track.inits.len() - 1);
            }
            _ => {}
        }
        Ok(())
    }

    fn address(&mut self, number: usize, url: Url) -> Result<(), HlsError> {
        if let Some(bandwidth) = self.variant.take() {
            self.variants.push(Variant { url, bandwidth });
            return Ok(());
        }
        let bad = |what| HlsError::Malformed(number, what);
        let length = self.segment.take().ok_or(bad("a segment without EXTINF"))?;
        let bytes = match self.range.take() {
            None => None,
            Some((length, first)) => {
                let follows = self.last.as_ref().filter(|(last, _)| *last == url).map(|(_, end)| *end);
                let first = first.or(follows).ok_or(bad("a BYTERANGE without a beginning"))?;
                Some(span(first, length).ok_or(bad("BYTERANGE"))?)
            }
        };
        self.last = bytes.map(|(_, end)| (url.clone(), end));
        if self.track.pieces.len() == MAX_SEGMENTS {
            return Err(HlsError::TooLong);
        }
        let chunk = Chunk { url, bytes };
        self.track.pieces.push(Piece { chunk, init: self.init, start: self.at, length, form: Form::Segment });
        self.at += length;
        Ok(())
    }

    fn resolve(&self, number: usize, address: &str) -> Result<Url, HlsError> {
        self.base.join(address).map_err(|error| HlsError::Address(number, error.to_string()))
    }

    fn finish(self) -> Result<Playlist, HlsError> {
        match (self.variants.is_empty(), self.track.pieces.is_empty()) {
            (false, _) => Ok(Playlist::Master(self.variants)),
            (true, true) => Err(HlsError::Empty),
            (true, false) if !self.ended => Err(HlsError::Live),
            (true, false) => Ok(Playlist::Media(self.track)),
        }
    }
}

/// `length[@first]`
fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, first) = match text.trim().split_once('@') {
        Some((length, first)) => (length, Some(first.parse().ok()?)),
        None => (text.trim(), None),
    };
    Some((length.parse().ok()?, first))
}

fn span(first: u64, length: u64) -> Option<(u64, u64)> {
    Some((first, first.checked_add(length)?))
}

/// The value of `name` in an attribute list, where quoted values may hold commas.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim() == name {
            return Some(value);
        }
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        "http://127.0.0.1:1/t/film/master.m3u8".parse().expect("an address")
    }

    fn at(name: &str) -> Url {
        base().join(name).expect("an address")
    }

    #[test]
    fn the_sample_film_is_read() {
        let master = include_str!("../../../../samples/film/master.m3u8");
        let Ok(Playlist::Master(variants)) = parse(master, &base()) else { panic!("a master playlist") };
        assert_eq!(variants[0], Variant { url: at("360p.m3u8"), bandwidth: 396_354 });
        assert_eq!(variants.len(), 2);
        let media = include_str!("../../../../samples/film/360p.m3u8");
        let Ok(Playlist::Media(track)) = parse(media, &base()) else { panic!("a media playlist") };
        assert_eq!(track.inits, [Chunk { url: at("360p.m4s"), bytes: Some((0, 1303)) }]);
        assert_eq!(track.pieces.len(), 22);
        assert_eq!(track.pieces[1].chunk.bytes, Some((101_815, 187_807)));
        assert_eq!(track.pieces[1].init, Some(0));
        assert_eq!(track.length(), Duration::from_secs(88));
        let file = include_bytes!("../../../../samples/film/360p.m4s").len() as u64;
        assert_eq!(track.pieces[21].chunk.bytes.map(|(_, end)| end), Some(file));
    }

    #[test]
    fn ranges_continue_where_the_last_ended() {
        let text = "#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:10@5\na.ts\n#EXTINF:2.5,name, with comma\n\
                    #EXT-X-BYTERANGE:7\na.ts\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n";
        let Ok(Playlist::Media(track)) = parse(text, &base()) else { panic!("a media playlist") };
        let ranges: Vec<_> = track.pieces.iter().map(|p| p.chunk.bytes).collect();
        assert_eq!(ranges, [Some((5, 15)), Some((15, 22)), None]);
        assert_eq!(track.pieces[2].start, Duration::from_millis(4_500));
        assert_eq!(track.pieces[2].init, None);
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_its_line() {
        let wrong = |text: &str| parse(text, &base()).expect_err("refused").to_string();
        assert_eq!(wrong("<html>"), "line 1 is not #EXTM3U");
        assert_eq!(wrong("#EXTM3U\n"), "it lists nothing to play");
        assert_eq!(wrong("#EXTM3U\n#EXTINF:nan,\na.ts\n"), "line 2: EXTINF is malformed");
        assert_eq!(wrong("#EXTM3U\n#EXTINF:-1,\na.ts\n"), "line 2: EXTINF is malformed");
        assert_eq!(wrong("#EXTM3U\na.ts\n"), "line 2: a segment without EXTINF is malformed");
        let huge = "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:18446744073709551615@1\na.ts\n";
        assert_eq!(wrong(huge), "line 4: BYTERANGE is malformed");
        assert!(wrong("#EXTM3U\n#EXTINF:1,\na.ts\n").contains("live"));
        assert!(wrong("#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"a,b\"\na.m3u8\n").contains("BANDWIDTH"));
    }

    #[test]
    fn quoted_attributes_may_hold_commas_and_names() {
        let list = r#"CODECS="avc1,BANDWIDTH=5",BANDWIDTH=7,NAME="x""#;
        assert_eq!(attribute(list, "BANDWIDTH"), Some("7"));
        assert_eq!(attribute(list, "NAME"), Some("x"));
        assert_eq!(attribute(list, "AUDIO"), None);
        assert_eq!(attribute("URI=\"open", "URI"), None);
    }

    #[test]
    fn the_best_rendition_that_fits_is_chosen() {
        let variant = |bandwidth| Variant { url: base(), bandwidth };
        let offered = [variant(400), variant(100), variant(900)];
        let chosen = |rate| choose(&offered, rate).map(|v| v.bandwidth);
        assert_eq!(chosen(None), Some(400));
        assert_eq!(chosen(Some(10_000)), Some(900));
        assert_eq!(chosen(Some(1_000)), Some(400));
        assert_eq!(chosen(Some(50)), Some(100), "the least of all when none fits");
        assert_eq!(choose(&[], None), None);
    }
}
