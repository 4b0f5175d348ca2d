//! Content types by file name, for every kind of file a site holds.

use nearcast_content::site;

use super::BodyKind;

/// The `Content-Type` and the kind, for counting, of the file called `name`.
///
/// Media types are those that mpv, VLC and browsers expect; what is not known is `application/octet-stream`,
/// which nothing executes.
pub fn of_name(name: &str) -> (&'static str, BodyKind) {
    let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    match extension.as_str() {
        "m3u8" | "m3u" => ("application/vnd.apple.mpegurl", BodyKind::Playlist),
        "mpd" => ("application/dash+xml", BodyKind::Playlist),
        "m4s" => ("video/iso.segment", BodyKind::Media),
        "mp4" | "m4v" | "cmfv" => ("video/mp4", BodyKind::Media),
        "m4a" | "cmfa" => ("audio/mp4", BodyKind::Media),
        "ts" => ("video/mp2t", BodyKind::Media),
        "webm" => ("video/webm", BodyKind::Media),
        "mkv" => ("video/x-matroska", BodyKind::Media),
        "mp3" => ("audio/mpeg", BodyKind::Media),
        "aac" => ("audio/aac", BodyKind::Media),
        "flac" => ("audio/flac", BodyKind::Media),
        "opus" | "ogg" | "oga" => ("audio/ogg", BodyKind::Media),
        "wav" | "wave" => ("audio/wav", BodyKind::Media),
        "jws" => ("application/jose", BodyKind::Document),
        "json" => ("application/json", BodyKind::Document),
        site::OUTBOARD => ("application/octet-stream", BodyKind::Outboard),
        "jpg" | "jpeg" => ("image/jpeg", BodyKind::Art),
        "png" => ("image/png", BodyKind::Art),
        "webp" => ("image/webp", BodyKind::Art),
        "vtt" => ("text/vtt; charset=utf-8", BodyKind::Subtitles),
        "html" | "htm" => ("text/html; charset=utf-8", BodyKind::Page),
        "css" => ("text/css; charset=utf-8", BodyKind::Page),
        "js" | "mjs" => ("text/javascript; charset=utf-8", BodyKind::Page),
        "wasm" => ("application/wasm", BodyKind::Page),
        "svg" => ("image/svg+xml", BodyKind::Page),
        "txt" => ("text/plain; charset=utf-8", BodyKind::Other),
        _ => ("application/octet-stream", BodyKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_types_players_expect() {
        for (name, want) in [
            ("master.m3u8", "application/vnd.apple.mpegurl"),
            ("a.b.M4S", "video/iso.segment"),
            ("track.opus", "audio/ogg"),
            ("catalogue.jws", "application/jose"),
            ("cover.JPEG", "image/jpeg"),
            ("noending", "application/octet-stream"),
            ("x.exe", "application/octet-stream"),
        ] {
            assert_eq!(of_name(name).0, want, "{name}");
        }
    }
}
