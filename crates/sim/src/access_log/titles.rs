//! What was asked for: which title a path belongs to, and whether it is media at all.

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'p> {
    /// A file that is a title by itself.
    Whole(&'p str, Medium),
    /// A part of the title in this folder.
    Part(&'p str, Medium),
    /// Pages, pictures, playlists, hashes: not what an audience can deliver.
    Else,
}

/// What kind of media, which tells the rate that is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Medium {
    Sound,
    Picture,
}

const SOUND: [&str; 9] = ["mp3", "m4a", "aac", "flac", "ogg", "oga", "opus", "wav", "weba"];
const PICTURE: [&str; 9] = ["mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "ogv"];
/// Segments, or the one file of a rendition.
const PARTS: [&str; 5] = ["ts", "m4s", "cmfv", "cmfa", "cmft"];

/// What the path of a request stands for.
pub(super) fn asked(path: &str) -> Asked<'_> {
    let path = path.split(['?', '#']).next().unwrap_or("");
    // An absolute address stands in the request line of a proxy.
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let Some((stem, extension)) = file.rsplit_once('.') else { return Asked::Else };
    let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(extension));
    if known(&PARTS) {
        let medium = if extension.eq_ignore_ascii_case("cmfa") { Medium::Sound } else { Medium::Picture };
        return Asked::Part(title_folder(folder), medium);
    }
    let medium = match (known(&SOUND), known(&PICTURE)) {
        (true, _) => Medium::Sound,
        (_, true) => Medium::Picture,
        _ => return Asked::Else,
    };
    // HLS in .aac or .mp4 segments: numbered files in one folder.
    if is_segment(stem) { Asked::Part(title_folder(folder), medium) } else { Asked::Whole(path, medium) }
}

/// `seg-00042`, `segment_12`, `chunk5`, `init`: what packagers call segments. A bare number is a track.
fn is_segment(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let rest = ["segment", "seg", "chunk", "frag", "init"].iter().find_map(|start| stem.strip_prefix(start));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'_'))
}

/// The folder of a title: that of its parts, or the one above when that is a rendition's (`720p`, `v0`, `audio`).
fn title_folder(folder: &str) -> &str {
    match folder.rsplit_once('/') {
        Some((above, last)) if !above.is_empty() && is_rendition(last) => above,
        Some(_) | None => folder,
    }
}

fn is_rendition(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    let has_digit = name.bytes().any(|b| b.is_ascii_digit());
    let of_words = ["audio", "video", "sound", "low", "mid", "medium", "high", "hd", "sd"].contains(&&*name);
    let of_numbers = has_digit && ["", "p", "k", "kbps", "v", "a", "stream", "x"].contains(&&*letters);
    of_words || of_numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_titles_and_segments_are_parts_of_one() {
        assert_eq!(asked("/m/a.MP3?t=1"), Asked::Whole("/m/a.MP3", Medium::Sound));
        assert_eq!(asked("http://h.example/m/f.mp4"), Asked::Whole("/m/f.mp4", Medium::Picture));
        assert_eq!(asked("/film/720p/seg1.ts"), Asked::Part("/film", Medium::Picture));
        assert_eq!(asked("/film/v0/init.mp4"), Asked::Part("/film", Medium::Picture));
        assert_eq!(asked("/media/t1/rendition.m4s"), Asked::Part("/media/t1", Medium::Picture));
        assert_eq!(asked("/album/07.mp3"), Asked::Whole("/album/07.mp3", Medium::Sound));
        for other in ["/", "/a.m3u8", "/m/a.mp3.obo", "/film/", "/x.css", "", "mp3", "http://h"] {
            assert_eq!(asked(other), Asked::Else, "{other}");
        }
    }
}
