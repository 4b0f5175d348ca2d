//! What an init section of fragmented MP4 says of its tracks (ISO/IEC 14496-12), for playlists that do not.

/// What a file's tracks carry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tracks {
    pub(super) sound: bool,
    pub(super) picture: bool,
    /// RFC 6381 codecs of all tracks; nothing when one is not known here.
    pub(super) codecs: Option<String>,
}

/// Reads the tracks of an init section; nothing when it holds none.
pub(super) fn tracks(init: &[u8]) -> Option<Tracks> {
    let mut found = Tracks::default();
    let mut codecs = Vec::new();
    for track in boxes(child(init, *b"moov")?).filter(|b| b.kind == *b"trak") {
        let media = child(track.body, *b"mdia")?;
        let handler = child(media, *b"hdlr")?.get(8..12)?;
        found.sound |= handler == b"soun";
        found.picture |= handler == b"vide";
        if handler == b"soun" || handler == b"vide" {
            let table = child(child(child(media, *b"minf")?, *b"stbl")?, *b"stsd")?;
            codecs.push(codec(table.get(8..)?));
        }
    }
    let all: Option<Vec<String>> = codecs.into_iter().collect();
    found.codecs = all.filter(|c| !c.is_empty()).map(|c| c.join(","));
    (found.sound || found.picture).then_some(found)
}

/// The codec of the first sample entry.
fn codec(entries: &[u8]) -> Option<String> {
    let entry = boxes(entries).next()?;
    match &entry.kind {
        b"avc1" | b"avc3" => {
            // 78 bytes of visual sample entry come before its boxes; avcC starts with version and profile.
            let config = child(entry.body.get(78..)?, *b"avcC")?.get(1..4)?;
            let kind = String::from_utf8_lossy(&entry.kind).into_owned();
            Some(format!("{kind}.{:02x}{:02x}{:02x}", config[0], config[1], config[2]))
        }
        b"mp4a" => Some("mp4a.40.2".to_owned()),
        b"Opus" => Some("opus".to_owned()),
        b"fLaC" => Some("flac".to_owned()),
        _ => None,
    }
}

struct Box<'a> {
    kind: [u8; 4],
    body: &'a [u8],
}

fn child(bytes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    boxes(bytes).find(|b| b.kind == kind).map(|b| b.body)
}

/// The boxes in `bytes`, until one does not fit.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = Box<'_>> {
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
        let kind = *bytes.get(4..8)?.first_chunk()?;
        // Sizes 0 (to the end) and 1 (64 bits) do not occur in the small boxes that are read here.
        let body = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some(Box { kind, body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).expect("small");
        [&size.to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn track(handler: &[u8; 4], entry: &[u8]) -> Vec<u8> {
        let hdlr = wrap(b"hdlr", &[&[0; 8], handler.as_slice(), &[0; 12]].concat());
        let stsd = wrap(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry].concat());
        let minf = wrap(b"minf", &wrap(b"stbl", &stsd));
        wrap(b"trak", &wrap(b"mdia", &[hdlr, minf].concat()))
    }

    #[test]
    fn sound_and_picture_are_told_with_their_codecs() {
        let avc = wrap(b"avc1", &[vec![0; 78], wrap(b"avcC", &[1, 0x64, 0, 0x1f, 0xff])].concat());
        let both = [track(b"vide", &avc), track(b"soun", &wrap(b"mp4a", &[0; 28]))].concat();
        let init = [wrap(b"ftyp", b"iso5"), wrap(b"moov", &both)].concat();
        let codecs = Some("avc1.64001f,mp4a.40.2".to_owned());
        assert_eq!(tracks(&init), Some(Tracks { sound: true, picture: true, codecs }));
        let opus = wrap(b"moov", &track(b"soun", &wrap(b"Opus", &[0; 28])));
        let codecs = Some("opus".to_owned());
        assert_eq!(tracks(&opus), Some(Tracks { sound: true, picture: false, codecs }));
        let unknown = wrap(b"moov", &track(b"vide", &wrap(b"zzzz", &[0; 78])));
        assert_eq!(tracks(&unknown), Some(Tracks { sound: false, picture: true, codecs: None }));
    }

    #[test]
    fn every_cut_and_bent_byte_is_survived() {
        let avc = wrap(b"avc1", &[vec![0; 78], wrap(b"avcC", &[1, 0x64, 0, 0x1f])].concat());
        let init = wrap(b"moov", &track(b"vide", &avc));
        for at in 0..init.len() {
            tracks(&init[..at]);
            for value in [0, 1, 0x7f, 0xff] {
                let mut bent = init.clone();
                bent[at] = value;
                tracks(&bent);
            }
        }
    }
}
