//! What a player reads of a title, in the order of play: segments of a playlist, or stretches of one file.

use std::time::Duration;

use reqwest::Url;

/// Media that a request for a whole file asks for at once. Players that play files (AVFoundation, mpv with a
/// bounded cache) ask in bounded ranges too; an open-ended one would empty the file into socket buffers, and how
/// far the player is ahead could not be told.
const STRETCH: Duration = Duration::from_secs(10);

/// A rendition as the player reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    /// Initialization sections that pieces point at.
    pub(crate) inits: Vec<Chunk>,
    /// Without gaps along the timeline.
    pub(crate) pieces: Vec<Piece>,
}

/// Bytes to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) url: Url,
    /// First byte and the one behind the last; the whole resource without.
    pub(crate) bytes: Option<(u64, u64)>,
}

/// One stretch of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) chunk: Chunk,
    /// Which of the initialization sections it needs.
    pub(crate) init: Option<usize>,
    pub(crate) start: Duration,
    pub(crate) length: Duration,
    pub(crate) form: Form,
}

/// What part of a piece can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing until it is whole, as page players append segments.
    Segment,
    /// What has come, and it can be entered anywhere.
    Stream,
}

impl Track {
    /// A file of `size` bytes that plays for `length`. Bytes are taken to lie evenly along the timeline, which
    /// is off by some percent for variable rates; players guess alike until they have read an index.
    pub(crate) fn of_file(url: &Url, size: u64, length: Duration) -> Self {
        let mut pieces = Vec::new();
        let mut start = Duration::ZERO;
        while start < length {
            let end = (start + STRETCH).min(length);
            let bytes = Some((share(size, start, length), share(size, end, length)));
            let chunk = Chunk { url: url.clone(), bytes };
            pieces.push(Piece { chunk, init: None, start, length: end - start, form: Form::Stream });
            start = end;
        }
        Self { inits: Vec::new(), pieces }
    }

    /// How long it plays.
    pub(crate) fn length(&self) -> Duration {
        self.pieces.last().map_or(Duration::ZERO, Piece::end)
    }

    /// The piece that plays at `at`, unless that is the end.
    pub(crate) fn piece_at(&self, at: Duration) -> Option<usize> {
        let index = self.pieces.partition_point(|piece| piece.start <= at).checked_sub(1)?;
        (at < self.pieces.get(index)?.end()).then_some(index)
    }
}

impl Piece {
    pub(crate) fn end(&self) -> Duration {
        self.start + self.length
    }

    /// What to ask for when everything before `from` is there.
    pub(crate) fn rest(&self, from: Duration) -> Chunk {
        let mut chunk = self.chunk.clone();
        if let (Form::Stream, Some((first, end))) = (self.form, &mut chunk.bytes) {
            *first += share(*end - *first, from.saturating_sub(self.start), self.length);
        }
        chunk
    }
}

/// The bytes of `size` that play before `at`, when all play for `length`.
fn share(size: u64, at: Duration, length: Duration) -> u64 {
    let part = u128::from(size) * at.min(length).as_micros() / length.as_micros().max(1);
    u64::try_from(part).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn file() -> Track {
        Track::of_file(&"http://127.0.0.1:1/t/a/song.mp3".parse().expect("an address"), 1_000, secs(25))
    }

    #[test]
    fn a_file_is_cut_without_gaps_and_to_its_last_byte() {
        let track = file();
        let cuts: Vec<_> = track.pieces.iter().map(|p| (p.start, p.chunk.bytes)).collect();
        assert_eq!(
            cuts,
            [(secs(0), Some((0, 400))), (secs(10), Some((400, 800))), (secs(20), Some((800, 1_000)))]
        );
        assert_eq!(track.length(), secs(25));
    }

    #[test]
    fn a_stream_is_entered_anywhere_and_a_segment_at_its_start() {
        let mut piece = file().pieces[1].clone();
        assert_eq!(piece.rest(secs(15)).bytes, Some((600, 800)));
        assert_eq!(piece.rest(secs(3)).bytes, Some((400, 800)));
        piece.form = Form::Segment;
        assert_eq!(piece.rest(secs(15)).bytes, Some((400, 800)));
    }

    #[test]
    fn a_moment_belongs_to_one_piece_and_the_end_to_none() {
        let track = file();
        assert_eq!(track.piece_at(secs(0)), Some(0));
        assert_eq!(track.piece_at(secs(10)), Some(1));
        assert_eq!(track.piece_at(secs(24)), Some(2));
        assert_eq!(track.piece_at(secs(25)), None);
        assert_eq!(Track { inits: vec![], pieces: vec![] }.piece_at(secs(0)), None);
    }
}
