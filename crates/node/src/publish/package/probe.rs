//! What ffprobe says of a file, as far as packaging asks.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file of media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) duration_ms: u64,
    /// Of the whole file, by their name in lower case.
    pub(super) tags: BTreeMap<String, String>,
    /// The first moving picture.
    pub(super) video: Option<Video>,
    pub(super) sounds: Vec<Track>,
    pub(super) subtitles: Vec<Track>,
    /// Number of the stream that is a picture to show the title by.
    pub(super) cover: Option<u32>,
    pub(super) chapters: Vec<Chapter>,
}

/// A moving picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Video {
    pub(super) stream: u32,
    pub(super) codec: String,
    pub(super) profile: String,
    pub(super) pixels: String,
    /// As shown: turned upright, with square pixels.
    pub(super) width: u32,
    /// As shown.
    pub(super) height: u32,
    /// Whether it is shown as it is stored: upright and with square pixels.
    pub(super) straight: bool,
    pub(super) interlaced: bool,
    pub(super) frame_rate_milli: Option<u32>,
    /// Bits a second, where the file says.
    pub(super) bit_rate: Option<u64>,
}

/// A track of sound or subtitles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) stream: u32,
    pub(super) codec: String,
    pub(super) channels: u32,
    pub(super) bit_rate: Option<u64>,
    pub(super) language: Option<String>,
    pub(super) name: Option<String>,
    pub(super) default: bool,
    pub(super) forced: bool,
}

/// A chapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chapter {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    chapters: Vec<Part>,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Part {
    start_time: Option<String>,
    end_time: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Stream {
    index: u32,
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    pix_fmt: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    sample_aspect_ratio: Option<String>,
    field_order: Option<String>,
    avg_frame_rate: Option<String>,
    bit_rate: Option<String>,
    #[serde(default)]
    channels: u32,
    duration: Option<String>,
    #[serde(default)]
    disposition: BTreeMap<String, i64>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    rotation: Option<f64>,
}

/// Reads an answer of ffprobe.
pub(super) fn read(json: &[u8]) -> Result<Probe, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(json)?;
    let mut probe = Probe { tags: lower(answer.format.tags), ..Probe::default() };
    let lengths = answer.streams.iter().filter_map(|s| millis(s.duration.as_deref()?));
    let longest = lengths.max().unwrap_or_default();
    probe.duration_ms = answer.format.duration.as_deref().and_then(millis).unwrap_or(longest);
    for stream in answer.streams {
        let is = |flag: &str| stream.disposition.get(flag).is_some_and(|v| *v != 0);
        match stream.codec_type.as_str() {
            "video" if is("attached_pic") || is("timed_thumbnails") => {
                probe.cover = probe.cover.or(Some(stream.index));
            }
            "video" if probe.video.is_none() => probe.video = video(&stream),
            "audio" => {
                // Tags of a song in Ogg are those of its only stream.
                for (name, value) in lower(stream.tags.clone()) {
                    probe.tags.entry(name).or_insert(value);
                }
                probe.sounds.push(track(stream));
            }
            "subtitle" => probe.subtitles.push(track(stream)),
            _ => {}
        }
    }
    probe.chapters = answer.chapters.into_iter().filter_map(chapter).collect();
    Ok(probe)
}

fn lower(tags: BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn video(stream: &Stream) -> Option<Video> {
    let turned = stream.side_data_list.iter().find_map(|s| s.rotation).unwrap_or_default();
    let sideways = (turned.abs() % 180.0 - 90.0).abs() < 45.0;
    let (across, down) = ratio(stream.sample_aspect_ratio.as_deref().unwrap_or("1:1"), ':').unwrap_or((1, 1));
    let stretched = u64::from(stream.width).saturating_mul(across).checked_div(down)?;
    let stretched = u32::try_from(stretched).ok()?;
    let (width, height) = if sideways { (stream.height, stretched) } else { (stretched, stream.height) };
    let rate = ratio(stream.avg_frame_rate.as_deref().unwrap_or_default(), '/');
    let rate = rate.and_then(|(n, d)| u32::try_from(n.checked_mul(1000)?.checked_div(d)?).ok());
    (width > 0 && height > 0).then(|| Video {
        stream: stream.index,
        codec: stream.codec_name.clone(),
        profile: stream.profile.clone(),
        pixels: stream.pix_fmt.clone(),
        width,
        height,
        straight: turned.abs() < 1.0 && across == down,
        interlaced: !matches!(stream.field_order.as_deref(), None | Some("progressive" | "unknown")),
        frame_rate_milli: rate.filter(|r| *r > 0),
        bit_rate: stream.bit_rate.as_deref().and_then(|b| b.parse().ok()),
    })
}

fn track(stream: Stream) -> Track {
    let is = |flag: &str| stream.disposition.get(flag).is_some_and(|v| *v != 0);
    let (default, forced) = (is("default"), is("forced"));
    let tags = lower(stream.tags);
    let tag = |name: &str| tags.get(name).filter(|t| !t.trim().is_empty()).cloned();
    Track {
        stream: stream.index,
        codec: stream.codec_name,
        channels: stream.channels,
        bit_rate: stream.bit_rate.and_then(|b| b.parse().ok()),
        language: tag("language").filter(|l| l != "und"),
        name: tag("title"),
        default,
        forced,
    }
}

fn chapter(part: Part) -> Option<Chapter> {
    let (start_ms, end_ms) = (millis(part.start_time.as_deref()?)?, millis(part.end_time.as_deref()?)?);
    let name = lower(part.tags).remove("title").filter(|t| !t.trim().is_empty());
    (start_ms < end_ms).then_some(Chapter { start_ms, end_ms, name })
}

/// Seconds with a fraction, in milliseconds.
fn millis(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

/// Two numbers above zero.
fn ratio(text: &str, between: char) -> Option<(u64, u64)> {
    let (a, b) = text.split_once(between)?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    (a > 0 && b > 0).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_is_read_with_its_tracks() {
        let json = br#"{"streams":[
            {"index":0,"codec_type":"video","codec_name":"h264","profile":"High","pix_fmt":"yuv420p","width":720,"height":576,
             "sample_aspect_ratio":"64:45","field_order":"tt","avg_frame_rate":"25/1","bit_rate":"4000000","duration":"60.04"},
            {"index":1,"codec_type":"audio","codec_name":"ac3","channels":6,"disposition":{"default":1},"tags":{"language":"ger","title":"Kino"}},
            {"index":2,"codec_type":"subtitle","codec_name":"subrip","disposition":{"forced":1},"tags":{"LANGUAGE":"und"}},
            {"index":3,"codec_type":"video","codec_name":"mjpeg","width":9,"height":9,"disposition":{"attached_pic":1}},
            {"index":4,"codec_type":"data"}],
            "chapters":[{"start_time":"0.000000","end_time":"30.5","tags":{"title":"One"}},{"start_time":"9","end_time":"9"}],
            "format":{"duration":"60.040000","tags":{"TITLE":"A film"}}}"#;
        let probe = read(json).expect("good JSON");
        let video = probe.video.expect("a picture");
        assert_eq!((video.width, video.height, video.straight, video.interlaced), (1024, 576, false, true));
        assert_eq!((video.frame_rate_milli, video.bit_rate), (Some(25_000), Some(4_000_000)));
        assert_eq!(
            (probe.duration_ms, probe.cover, probe.tags["title"].as_str()),
            (60_040, Some(3), "A film")
        );
        assert_eq!((probe.sounds[0].language.as_deref(), probe.sounds[0].channels), (Some("ger"), 6));
        assert!(probe.subtitles[0].forced && probe.subtitles[0].language.is_none());
        let one = Chapter { start_ms: 0, end_ms: 30_500, name: Some("One".to_owned()) };
        assert_eq!(probe.chapters, [one]);
    }

    #[test]
    fn a_telephone_held_upright_films_upright() {
        let json = br#"{"streams":[{"index":0,"codec_type":"video","width":1920,"height":1080,
            "side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]}]}"#;
        let video = read(json).expect("good JSON").video.expect("a picture");
        assert_eq!((video.width, video.height, video.straight), (1080, 1920, false));
    }
}
