//! Documents of fixed values and keys that the tests of the formats share.

use nearcast_content::catalogue::{Catalogue, Entry, Page, PageRef};
use nearcast_content::index::{IndexPage, IndexPageRef, IndexRoot, SegmentRef};
use nearcast_content::live::LiveEntry;
use nearcast_content::manifest::{
    About, DocumentRef, DocumentRole, Kind, Layout, LiveLog, Manifest, MediaKind, Protection, Rendition,
    Resolution, Role, Timeline,
};
use nearcast_content::policy::{Permille, Policy, Sharing, Supernode};
use nearcast_content::units::ObjectSize;
use nearcast_content::{
    ByteRange, ContentType, Document, ObjectId, ObjectRef, SigningKey, TitleId, UnixTime, Validity,
};

pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

pub(crate) fn key() -> SigningKey {
    SigningKey::from_secret(&[7; 32])
}

pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_secret(&[8; 32])
}

pub(crate) fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect(text)
}

pub(crate) fn validity(sequence: u64) -> Validity {
    Validity { sequence, issued: NOW, expires: NOW.plus(86_400) }
}

pub(crate) fn object(seed: u8, size: u64, content_type: ContentType, source: Option<&str>) -> ObjectRef {
    let size = ObjectSize::new(size).expect("in range");
    ObjectRef { id: ObjectId([seed; 32]), size, content_type, source: source.map(parsed) }
}

pub(crate) fn hash(bytes: &[u8]) -> ObjectId {
    ObjectId(*blake3::hash(bytes).as_bytes())
}

pub(crate) fn song() -> Manifest {
    let file = object(1, 3_456_789, ContentType::Mp3, Some("first-song.mp3"));
    Manifest {
        title: parsed("first-song"),
        validity: validity(3),
        about: About {
            name: parsed("Für Elise – live"),
            artist: Some(parsed("Дорога")),
            album: Some(parsed("夜に駆ける")),
            track: Some(7),
            disc: None,
            year: Some(2024),
            media: MediaKind::Music,
        },
        kind: Kind::Vod,
        protection: Protection::None,
        renditions: vec![Rendition {
            id: parsed("audio"),
            role: Role::Audio,
            codecs: Some(parsed("mp3")),
            bandwidth: 160_000,
            average_bandwidth: None,
            resolution: None,
            frame_rate_milli: None,
            language: None,
            layout: Layout::Single { object: file, init: None, playlist: None },
        }],
        documents: vec![DocumentRef {
            role: DocumentRole::Art,
            language: None,
            label: None,
            object: object(2, 40_000, ContentType::Jpeg, None),
        }],
        timeline: Timeline { duration_ms: 172_839, segment_ms: None },
    }
}

/// A film with everything that a manifest can carry.
pub(crate) fn film() -> Manifest {
    let single = Layout::Single {
        object: object(3, 90_000_000, ContentType::VideoMp4, Some("v0.mp4")),
        init: Some(ByteRange::new(0, 1_234)),
        playlist: Some(object(4, 9_000, ContentType::Hls, Some("v0.m3u8"))),
    };
    let segments = Layout::Segments {
        index: object(5, 900, ContentType::Json, None),
        count: 300,
        content_type: ContentType::Segment,
        init: Some(object(6, 1_300, ContentType::Segment, Some("a0/init.mp4"))),
        playlist: object(7, 8_000, ContentType::Hls, Some("a0/index.m3u8")),
    };
    let video = Rendition {
        id: parsed("v0"),
        role: Role::Video,
        codecs: Some(parsed("avc1.64001f")),
        bandwidth: 2_500_000,
        average_bandwidth: Some(2_150_000),
        resolution: Some(Resolution { width: 1280, height: 720 }),
        frame_rate_milli: Some(23_976),
        language: None,
        layout: single,
    };
    let audio = Rendition {
        id: parsed("a0"),
        role: Role::Audio,
        codecs: Some(parsed("mp4a.40.2")),
        bandwidth: 128_000,
        average_bandwidth: None,
        resolution: None,
        frame_rate_milli: None,
        language: Some(parsed("pt-BR")),
        layout: segments,
    };
    let document = |role, seed, content_type, source| DocumentRef {
        role,
        language: Some(parsed("en")),
        label: Some(parsed("English (CC)")),
        object: object(seed, 5_000, content_type, source),
    };
    Manifest {
        title: parsed("a-film"),
        protection: Protection::CencCtr { kids: vec![[0x11; 16], [0x22; 16]] },
        renditions: vec![video, audio],
        documents: vec![
            document(DocumentRole::Master, 8, ContentType::Hls, Some("master.m3u8")),
            document(DocumentRole::Subtitles, 9, ContentType::WebVtt, Some("subs/en.vtt")),
            document(DocumentRole::Art, 10, ContentType::Png, Some("https://cdn.example/p.png")),
            document(DocumentRole::Other(parsed("loudness")), 11, ContentType::Json, None),
        ],
        timeline: Timeline { duration_ms: 1_800_000, segment_ms: Some(6_000) },
        about: About { media: MediaKind::Video, ..song().about },
        ..song()
    }
}

pub(crate) fn aes_film() -> Manifest {
    let keys = vec![parsed("https://keys.example/k?title=a-film&n=1")];
    Manifest { protection: Protection::HlsAes128 { keys }, ..film() }
}

pub(crate) fn live() -> Manifest {
    let log = LiveLog { head: parsed("live/head.jws"), entry_ms: 2_000 };
    let mut live = Manifest {
        kind: Kind::Live(log),
        documents: Vec::new(),
        timeline: Timeline { duration_ms: 0, segment_ms: None },
        ..song()
    };
    live.renditions[0].layout = Layout::Log;
    live
}

pub(crate) fn live_entries() -> [LiveEntry; 2] {
    let segment =
        |seed, path: &str| vec![(parsed("audio"), object(seed, 40_000, ContentType::Segment, Some(path)))];
    let first = LiveEntry {
        validity: validity(0),
        title: parsed("first-song"),
        previous: None,
        start_ms: 0,
        duration_ms: 2_000,
        segments: segment(20, "live/0.m4s"),
    };
    let text = first.sign(&key()).expect("within bounds");
    let second = LiveEntry {
        validity: validity(1),
        previous: Some(hash(text.as_bytes())),
        start_ms: 2_000,
        segments: segment(21, "live/1.m4s"),
        ..first.clone()
    };
    [first, second]
}

pub(crate) fn page() -> Page {
    let entry = |title: &str, seed, art| Entry {
        title: parsed(title),
        manifest: ObjectId([seed; 32]),
        sequence: u64::from(seed),
        name: parsed("A name"),
        artist: Some(parsed("An artist")),
        album: None,
        track: Some(2),
        disc: Some(1),
        duration_ms: 172_839,
        art,
        media: MediaKind::Music,
    };
    let art = object(2, 40_000, ContentType::Jpeg, None);
    Page { entries: vec![entry("a-song", 30, Some(art)), entry("b-song", 31, None)] }
}

pub(crate) fn catalogue() -> Catalogue {
    let bytes = page().encode().expect("within bounds");
    let size = ObjectSize::new(bytes.len() as u64).expect("in range");
    Catalogue {
        validity: validity(12),
        provider: parsed("Example Records"),
        pages: vec![PageRef { id: hash(&bytes), size, count: 2 }],
        withdrawn: vec![parsed("an-old-song"), parsed("another")],
        policy_floor: Some(4),
    }
}

pub(crate) fn policy() -> Policy {
    let supernode = |url: &str| Supernode { url: parsed(url), key: other_key().provider() };
    Policy {
        validity: validity(4),
        sharing: Sharing::On,
        participation: Permille::new(750).expect("in range"),
        upload_ceiling: Some(500_000),
        hold_out: Permille::HOLD_OUT,
        supernodes: vec![supernode("wss://sn1.example/"), supernode("ws://127.0.0.1:8420/directory")],
    }
}

pub(crate) fn index_page() -> IndexPage {
    let segment = |n: u8| SegmentRef {
        id: ObjectId([n; 32]),
        size: ObjectSize::new(100_000 + u64::from(n)).expect("in range"),
        duration_ms: 6_000,
        source: Some(parsed(&format!("a0/seg{n}.m4s"))),
    };
    IndexPage { segments: (40..43).map(segment).collect() }
}

pub(crate) fn index_root() -> IndexRoot {
    let bytes = index_page().encode().expect("within bounds");
    let size = ObjectSize::new(bytes.len() as u64).expect("in range");
    IndexRoot { pages: vec![IndexPageRef { id: hash(&bytes), size, count: 3, duration_ms: 18_000 }] }
}

/// The first entry's title, for tests that need any.
pub(crate) fn title() -> TitleId {
    parsed("first-song")
}
