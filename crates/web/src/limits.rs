//! Every bound of the browser shell, with its reason.

/// Bytes that wait in a channel before more is put into it: at 20 Mbit/s this is 50 ms, so that a cancel or a message
/// does not wait long behind what is sent already.
pub(crate) const MAX_QUEUED: u64 = 128 * 1024;
/// Playlists, init sections and lists of segments held, in bytes.
pub(crate) const MAX_DOCUMENTS: usize = 16 * 1024 * 1024;
/// Longest document that is fetched whole: as in the native node.
pub(crate) const MAX_DOCUMENT: u64 = 8 * 1024 * 1024;
/// Pieces of outboards held: 16 KiB proves 4 MiB of media, so this is enough for hours of film.
pub(crate) const MAX_OUTBOARDS: usize = 256;
/// Bytes handed to a player at once.
pub(crate) const MAX_TAKE: u64 = 256 * 1024;
/// Titles open at once; the least recently opened gives way.
pub(crate) const MAX_TITLES: usize = 128;
/// Blocks of an entry in the browser's storage: 1 MiB, so that a gigabyte is a thousand entries to list and what is
/// loaded for one block is read and checked within milliseconds.
pub(crate) const MAX_ENTRY: u32 = 64;
/// Entries that are looked at when a tab starts. What is listed behind them is forgotten.
pub(crate) const MAX_ENTRIES: usize = 32_768;
/// Entries on their way to the storage at once: each is held twice meanwhile.
pub(crate) const MAX_WRITES: usize = 2;
/// Titles kept from earlier that are opened again to be handed on; the latest played go first.
pub(crate) const MAX_REOPENED: usize = 32;
/// Pieces that the page fetched before there was a tab, and that wait for their proof: a playlist, an init section and
/// some segments of each of a few players.
pub(crate) const MAX_GIVEN: usize = 64;
/// Bytes of them.
pub(crate) const MAX_GIVEN_BYTES: u64 = 32 * 1024 * 1024;
