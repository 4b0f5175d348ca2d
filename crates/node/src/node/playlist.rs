//! Playlists of media that lie on other servers, as players at this node get them: with the names that the media
//! have here, so that what is played comes through the node.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A playlist in which every address that is a key of `names` is replaced by its name.
pub(super) fn localize(playlist: &Bytes, names: &BTreeMap<String, String>) -> Bytes {
    let Some(text) = std::str::from_utf8(playlist).ok().filter(|_| !names.is_empty()) else {
        return playlist.clone();
    };
    let name = |address: &str| names.get(address).cloned();
    let mut made = String::with_capacity(text.len());
    for line in text.lines() {
        let tag = line.starts_with('#');
        let attribute = line.split_once("URI=\"").filter(|_| tag);
        match attribute.and_then(|(before, rest)| Some((before, rest.split_once('"')?))) {
            Some((before, (address, after))) => {
                let name = name(address).unwrap_or_else(|| address.to_owned());
                made.push_str(&format!("{before}URI=\"{name}\"{after}"));
            }
            None if tag => made.push_str(line),
            None => made.push_str(&name(line).unwrap_or_else(|| line.to_owned())),
        }
        made.push('\n');
    }
    made.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_media_become_names_here_and_others_stay() {
        let names = BTreeMap::from([("https://cdn.example/v/a.m4s".to_owned(), "0a.m4s".to_owned())]);
        let text = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/1\"\n\
                    #EXT-X-MAP:URI=\"https://cdn.example/v/a.m4s\",BYTERANGE=\"9@0\"\n#EXTINF:4,\n\
                    https://cdn.example/v/a.m4s\n#EXTINF:4,\nother.m4s\n";
        let made = localize(&Bytes::from_static(text.as_bytes()), &names);
        let made = String::from_utf8_lossy(&made).into_owned();
        let want = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/1\"\n\
                    #EXT-X-MAP:URI=\"0a.m4s\",BYTERANGE=\"9@0\"\n#EXTINF:4,\n0a.m4s\n#EXTINF:4,\nother.m4s\n";
        assert_eq!(made, want);
        let bytes = Bytes::from_static(b"\xff\n");
        assert_eq!(localize(&bytes, &names), bytes, "what is no text is left alone");
    }
}
