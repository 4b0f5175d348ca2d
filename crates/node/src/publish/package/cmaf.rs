//! A file of fragmented MP4 as ffmpeg makes it, read back: its init section, and where its segments lie
//! (ISO/IEC 14496-12, `sidx`).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::super::hls::mp4::{self, Tracks};

/// A packaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packaged {
    /// Bytes of the init section, at the front.
    pub(super) init: u64,
    pub(super) tracks: Tracks,
    pub(super) segments: Vec<Segment>,
}

/// A segment: a range of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) micros: u64,
}

/// Why a file is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum CmafError {
    #[error("cannot be read back: {0}")]
    Read(#[from] std::io::Error),
    #[error("ffmpeg made a file without {0}")]
    Without(&'static str),
}

/// Largest init section with index: a day in segments of 4 s needs 260 KB of index.
const MAX_HEAD: u64 = 8 * 1024 * 1024;

impl Packaged {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, CmafError> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut at = 0;
        let (mut init, mut tracks) = (0, None);
        while let Some((kind, len)) = header(&mut file, at)? {
            match &kind {
                b"moov" => {
                    init = at + len;
                    tracks = mp4::tracks(&bytes(&mut file, 0, init)?);
                }
                b"sidx" => {
                    let index = bytes(&mut file, at + 8, len.saturating_sub(8))?;
                    let segments = segments(&index, at + len).ok_or(CmafError::Without("a good index"))?;
                    // The first index is that of the pictures, by which segments are cut.
                    return Self { init, tracks: tracks.ok_or(CmafError::Without("tracks"))?, segments }
                        .checked(size);
                }
                _ => {}
            }
            at = at.saturating_add(len);
        }
        Err(CmafError::Without("an index of its segments"))
    }

    fn checked(self, size: u64) -> Result<Self, CmafError> {
        let within = self.segments.last().is_some_and(|s| s.start.saturating_add(s.len) <= size);
        if within { Ok(self) } else { Err(CmafError::Without("its last segment")) }
    }

    pub(super) fn micros(&self) -> u64 {
        self.segments.iter().map(|s| s.micros).sum()
    }

    /// Length of its longest segment.
    pub(super) fn longest_micros(&self) -> u64 {
        self.segments.iter().map(|s| s.micros).max().unwrap_or_default()
    }

    /// Bits a second: of the segment that needs most, and on average.
    pub(super) fn bits(&self) -> (u64, u64) {
        let rate =
            |bytes: u64, micros: u64| bytes.saturating_mul(8_000_000).checked_div(micros).unwrap_or_default();
        // A last segment of a few frames says nothing of what a line must carry.
        let ordinary = self.segments.iter().filter(|s| s.micros * 2 >= self.longest_micros());
        let peak = ordinary.map(|s| rate(s.len, s.micros)).max().unwrap_or_default();
        let mean = rate(self.segments.iter().map(|s| s.len).sum(), self.micros());
        (peak.max(mean).max(1), mean.max(1))
    }
}

/// Kind and length of the box at `at`; nothing at the end of the file.
fn header(file: &mut File, at: u64) -> Result<Option<([u8; 4], u64)>, CmafError> {
    let mut head = [0; 16];
    file.seek(SeekFrom::Start(at))?;
    let mut got = 0;
    while got < head.len() {
        match file.read(&mut head[got..])? {
            0 => break,
            n => got += n,
        }
    }
    if got < 8 {
        return Ok(None);
    }
    let kind = [head[4], head[5], head[6], head[7]];
    let len = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
        1 => {
            u64::from_be_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]])
        }
        len => u64::from(len),
    };
    if len < 8 { Err(CmafError::Without("good boxes")) } else { Ok(Some((kind, len))) }
}

fn bytes(file: &mut File, at: u64, len: u64) -> Result<Vec<u8>, CmafError> {
    if len > MAX_HEAD {
        return Err(CmafError::Without("a head of moderate size"));
    }
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The segments of an index whose box ends at `end`.
fn segments(index: &[u8], end: u64) -> Option<Vec<Segment>> {
    let word = |at: usize| Some(u32::from_be_bytes(*index.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_be_bytes(*index.get(at..)?.first_chunk()?));
    let scale = u64::from(word(8)?);
    let (first, at) = if *index.first()? == 0 { (u64::from(word(16)?), 20) } else { (long(20)?, 28) };
    let count = u16::from_be_bytes(*index.get(at + 2..)?.first_chunk()?);
    let mut start = end.checked_add(first)?;
    let (mut segments, mut ticks) = (Vec::new(), 0u64);
    for n in 0..usize::from(count) {
        let at = at + 4 + n * 12;
        // The first bit tells an index of indices.
        let len = u64::from(word(at)? & 0x7fff_ffff);
        let before = ticks;
        ticks += u64::from(word(at + 4)?);
        let micros = |ticks: u64| ticks.checked_mul(1_000_000)?.checked_div(scale);
        segments.push(Segment { start, len, micros: micros(ticks)? - micros(before)? });
        start += len;
    }
    (!segments.is_empty()).then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index in version 0 of two segments.
    fn index() -> Vec<u8> {
        let words = [0u32, 1, 48_000, 0, 10, 2, 1000, 192_000, 0x9000_0000, 500, 96_001, 0x9000_0000];
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    #[test]
    fn an_index_tells_where_segments_lie() {
        let read = segments(&index(), 100).expect("good");
        assert_eq!(read[0], Segment { start: 110, len: 1000, micros: 4_000_000 });
        assert_eq!(read[1], Segment { start: 1110, len: 500, micros: 2_000_020 });
        let all = Packaged { init: 90, tracks: Tracks::default(), segments: read };
        assert_eq!((all.micros(), all.bits()), (6_000_020, (2_000, 1_999)));
    }

    #[test]
    fn bent_indices_are_survived() {
        let good = index();
        for at in 0..good.len() {
            segments(&good[..at], u64::MAX);
            for value in [0, 1, 0x80, 0xff] {
                let mut bent = good.clone();
                bent[at] = value;
                segments(&bent, 100);
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.mp4");
        for text in ["", "no film at all, but words", "\0\0\0\0moov"] {
            std::fs::write(&path, text).expect("written");
            assert!(Packaged::read(&path).is_err(), "{text}");
        }
    }
}
