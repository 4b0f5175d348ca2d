//! What an init section of fragmented MP4 says of its tracks (ISO/IEC 14496-12), for playlists that do not.

/// What a file's tracks carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Tracks {
    pub(in super::super) sound: bool,
    pub(in super::super) picture: bool,
    /// RFC 6381 codecs of all tracks; nothing when one is not known here.
    pub(in super::super) codecs: Option<String>,
    /// Pixels of the picture, across and down.
    pub(in super::super) size: Option<(u32, u32)>,
}

/// Reads the tracks of an init section; nothing when it holds none.
pub(in super::super) fn tracks(init: &[u8]) -> Option<Tracks> {
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
            found.size = found.size.or_else(|| size(table.get(8..)?).filter(|_| handler == b"vide"));
        }
    }
    let all: Option<Vec<String>> = codecs.into_iter().collect();
    found.codecs = all.filter(|c| !c.is_empty()).map(|c| c.join(","));
    (found.sound || found.picture).then_some(found)
}

/// How long a film plays, as its head says.
pub(in super::super) fn duration_ms(bytes: &[u8]) -> Option<u64> {
    let head = child(child(bytes, *b"moov")?, *b"mvhd")?;
    let word = |at: usize| Some(u64::from(u32::from_be_bytes(*head.get(at..)?.first_chunk()?)));
    let (scale, ticks) = match head.first()? {
        0 => (word(12)?, word(16)?),
        _ => (word(20)?, u64::from_be_bytes(*head.get(24..)?.first_chunk()?)),
    };
    ticks.checked_mul(1000)?.checked_div(scale)
}

/// Across and down, from the first visual sample entry.
fn size(entries: &[u8]) -> Option<(u32, u32)> {
    let sides: &[u8; 4] = boxes(entries).next()?.body.get(24..)?.first_chunk()?;
    Some((
        u32::from(u16::from_be_bytes([sides[0], sides[1]])),
        u32::from(u16::from_be_bytes([sides[2], sides[3]])),
    ))
}

/// The codec of the first sample entry.
fn codec(entries: &[u8]) -> Option<String> {
    let entry = boxes(entries).next()?;
    // So many bytes of a visual or sound sample entry come before its boxes.
    let inside = |skip: usize, kind: [u8; 4]| child(entry.body.get(skip..)?, kind);
    match &entry.kind {
        b"avc1" | b"avc3" => {
            // avcC starts with version and profile.
            let config = inside(78, *b"avcC")?.get(1..4)?;
            let kind = String::from_utf8_lossy(&entry.kind).into_owned();
            Some(format!("{kind}.{:02x}{:02x}{:02x}", config[0], config[1], config[2]))
        }
        b"hvc1" | b"hev1" => hevc(&entry.kind, inside(78, *b"hvcC")?.first_chunk()?),
        b"vp09" => {
            let config: &[u8; 7] = inside(78, *b"vpcC")?.first_chunk()?;
            Some(format!("vp09.{:02}.{:02}.{:02}", config[4], config[5], config[6] >> 4))
        }
        b"av01" => {
            let config: &[u8; 3] = inside(78, *b"av1C")?.first_chunk()?;
            let tier = if config[2] & 0x80 == 0 { 'M' } else { 'H' };
            let depth = match (config[2] & 0x40, config[2] & 0x20) {
                (0, _) => 8,
                (_, 0) => 10,
                (_, _) => 12,
            };
            Some(format!("av01.{}.{:02}{tier}.{depth:02}", config[1] >> 5, config[1] & 0x1f))
        }
        b"mp4a" => Some(inside(28, *b"esds").and_then(aac).unwrap_or_else(|| "mp4a.40.2".to_owned())),
        b"Opus" => Some("opus".to_owned()),
        b"fLaC" => Some("flac".to_owned()),
        b"ac-3" => Some("ac-3".to_owned()),
        b"ec-3" => Some("ec-3".to_owned()),
        _ => None,
    }
}

/// ISO/IEC 14496-15, annex E.
fn hevc(kind: &[u8; 4], config: &[u8; 13]) -> Option<String> {
    let space = ["", "A", "B", "C"][usize::from(config[1] >> 6)];
    let compatible = u32::from_be_bytes(*config[2..].first_chunk()?).reverse_bits();
    let tier = if config[1] & 0x20 == 0 { 'L' } else { 'H' };
    let mut text = String::from_utf8_lossy(kind).into_owned();
    text.push_str(&format!(".{space}{}.{compatible:X}.{tier}{}", config[1] & 0x1f, config[12]));
    let constraints = &config[6..12];
    let used = constraints.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    constraints[..used].iter().for_each(|b| text.push_str(&format!(".{b:X}")));
    Some(text)
}

/// The object type of an elementary stream descriptor, and of AAC which one (ISO/IEC 14496-1, 14496-3).
fn aac(esds: &[u8]) -> Option<String> {
    let stream = descriptor(esds.get(4..)?, 3)?;
    let config = descriptor(stream.get(3..)?, 4)?;
    let object = *config.first()?;
    if object != 0x40 {
        return Some(format!("mp4a.{object:02x}"));
    }
    let kind = descriptor(config.get(13..)?, 5)?.first()? >> 3;
    (1..=30).contains(&kind).then(|| format!("mp4a.40.{kind}"))
}

/// The body of the descriptor at the start of `bytes`, if it has this tag.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (first, mut rest) = bytes.split_first().filter(|(first, _)| **first == tag)?;
    debug_assert_eq!(*first, tag);
    let mut length = 0usize;
    // Seven bits of the length in each byte, four bytes at most.
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        length = length << 7 | usize::from(byte & 0x7f);
        rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    rest.get(..length.min(rest.len()))
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
        let size = Some((0, 0));
        assert_eq!(tracks(&init), Some(Tracks { sound: true, picture: true, codecs, size }));
        let opus = wrap(b"moov", &track(b"soun", &wrap(b"Opus", &[0; 28])));
        let codecs = Some("opus".to_owned());
        assert_eq!(tracks(&opus), Some(Tracks { sound: true, picture: false, codecs, size: None }));
        let unknown = wrap(b"moov", &track(b"vide", &wrap(b"zzzz", &[0; 78])));
        assert_eq!(
            tracks(&unknown),
            Some(Tracks { sound: false, picture: true, codecs: None, size: Some((0, 0)) })
        );
    }

    #[test]
    fn codecs_are_named_as_browsers_ask_for_them() {
        let visual = |kind: &[u8; 4], config: &[u8; 4], body: &[u8]| {
            let mut entry = vec![0; 78];
            entry[24..28].copy_from_slice(&[0x05, 0, 0x02, 0xd0]);
            entry.extend(wrap(config, body));
            tracks(&wrap(b"moov", &track(b"vide", &wrap(kind, &entry)))).expect("a track")
        };
        let vp9 = visual(b"vp09", b"vpcC", &[1, 0, 0, 0, 0, 31, 0x82]);
        assert_eq!((vp9.codecs.as_deref(), vp9.size), (Some("vp09.00.31.08"), Some((1280, 720))));
        let av1 = visual(b"av01", b"av1C", &[0x81, 0x08, 0x0c, 0]);
        assert_eq!(av1.codecs.as_deref(), Some("av01.0.08M.08"));
        let deep = visual(b"av01", b"av1C", &[0x81, 0x08, 0x4c, 0]);
        assert_eq!(deep.codecs.as_deref(), Some("av01.0.08M.10"));
        let hevc = visual(b"hvc1", b"hvcC", &[1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93]);
        assert_eq!(hevc.codecs.as_deref(), Some("hvc1.1.6.L93.B0"));
        let sound = |object: u8, config: &[u8]| {
            let specific = [&[5, u8::try_from(config.len()).expect("short")][..], config].concat();
            let decoder = [&[object; 1][..], &[0; 12], &specific].concat();
            let decoder =
                [&[4, 0x80, 0x80, u8::try_from(decoder.len()).expect("short")][..], &decoder].concat();
            let stream =
                [&[3, u8::try_from(decoder.len() + 3).expect("short"), 0, 1, 0][..], &decoder].concat();
            let entry = [vec![0; 28], wrap(b"esds", &[&[0; 4][..], &stream].concat())].concat();
            tracks(&wrap(b"moov", &track(b"soun", &wrap(b"mp4a", &entry)))).expect("a track").codecs
        };
        assert_eq!(sound(0x40, &[0x12, 0x10]).as_deref(), Some("mp4a.40.2"));
        assert_eq!(sound(0x40, &[0x2b, 0x11]).as_deref(), Some("mp4a.40.5"));
        assert_eq!(sound(0x6b, &[]).as_deref(), Some("mp4a.6b"));
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
