//! Every bound of the signed formats, each with its why.
//!
//! A document is measured before it is decoded, so that no list or text in it can cost more memory than a
//! small multiple of its limit.

/// The JSON of a manifest: it is fetched before a title can start, so it has to fit the first flight.
/// Sixteen renditions with playlists need 7.5 KiB.
pub const MANIFEST_JSON_BYTES: usize = 8 * 1024;
/// A signed manifest: the same in base64url with header and signature.
pub const MANIFEST_BYTES: usize = 11 * 1024;
/// A signed catalogue head: a few hundred pages, that is a hundred thousand titles.
pub const CATALOGUE_BYTES: usize = 64 * 1024;
/// A signed policy: 64 supernodes of 200 bytes and the envelope, in base64.
pub const POLICY_BYTES: usize = 24 * 1024;
/// One signed succession statement.
pub const SUCCESSION_BYTES: usize = 1024;
/// Key changes that a reader follows in one go: a provider changes its key a few times in its life.
pub const SUCCESSIONS: usize = 16;
/// A signed entry of a live log: one segment of every rendition.
pub const LIVE_ENTRY_BYTES: usize = 8 * 1024;
/// A credential: it travels in HELLO, announce and lookup.
pub const CREDENTIAL_BYTES: usize = 2 * 1024;
/// A header of exactly `alg`, `typ` and `kid` needs 120 bytes.
pub const JWS_HEADER_BYTES: usize = 256;

/// Titles on one catalogue page.
pub const PAGE_ENTRIES: usize = 256;
/// One catalogue page: 256 titles of 1 KiB.
pub const PAGE_BYTES: usize = 256 * 1024;
/// Pages that a catalogue head can list within [`CATALOGUE_BYTES`].
pub const CATALOGUE_PAGES: usize = 400;
/// Withdrawn titles that a catalogue head names.
pub const WITHDRAWN: usize = 512;

/// Renditions of a title: a set of them is a 16-bit mask on the wire.
pub const RENDITIONS: usize = 16;
/// Documents of a title: playlists, art, subtitles, chapters.
pub const DOCUMENTS: usize = 32;
/// Content keys that a protected title names.
pub const KEY_IDS: usize = 8;

/// Segments on one page of an index.
pub const INDEX_PAGE_ENTRIES: usize = 256;
/// One page of an index: 256 segments with a path each.
pub const INDEX_PAGE_BYTES: usize = 256 * 1024;
/// Pages of an index: 65,536 segments are four and a half days of 6 s.
pub const INDEX_PAGES: usize = 256;
/// The root of an index.
pub const INDEX_ROOT_BYTES: usize = 64 * 1024;

/// Supernodes in a policy.
pub const SUPERNODES: usize = 64;
/// Titles that a credential may be narrowed to.
pub const CREDENTIAL_TITLES: usize = 32;
/// Names in `crit`.
pub const CRITICAL_NAMES: usize = 16;

/// A text for people, in bytes.
pub const TEXT_BYTES: usize = 512;
/// A machine word: codecs, languages, rendition ids, roles.
pub const TOKEN_BYTES: usize = 128;
/// A path or URL.
pub const PATH_BYTES: usize = 512;
/// Folders in a path, the file included.
pub const PATH_DEPTH: usize = 8;

/// Largest number in a document: what every JSON reader, a browser's too, keeps exact (2^53 - 1).
pub const NUMBER: u64 = (1 << 53) - 1;
/// Longest title or segment: a year.
pub const DURATION_MS: u64 = 366 * 24 * 3600 * 1000;
/// Highest bandwidth of a rendition: 10 Gbit/s.
pub const BANDWIDTH: u64 = 10_000_000_000;
/// Longest side of a picture.
pub const PIXELS: u32 = 32_768;
/// Highest frame rate, in thousandths of a frame a second.
pub const FRAME_RATE_MILLI: u32 = 1_000_000;

/// How far a document's issue time may lie ahead of our clock.
pub const CLOCK_SKEW_SECS: u64 = 5 * 60;
