//! For what rate a player with a choice of renditions should take its line.

use std::collections::VecDeque;
use std::ops::Range;

use nearcast_engine::Rate;

use super::*;

/// Beside the bench's rendition of 1.12 Mbit/s one of half and one of twice as much.
fn ladder() -> Bench {
    let mut bench = Bench::new(settings());
    for (n, blocks) in [(2, 256), (3, 1024)] {
        let size = ObjectSize::new(blocks * BLOCK).expect("in range");
        let parts = vec![Part { object: ObjectId([n; 32]), size, length: Span::from_secs(60) }];
        let (id, bit) = (RenditionId(n.into()), n);
        bench.input(Input::Describe(Rendition { id, swarm: SWARM, bit, set: 0, parts }));
    }
    bench
}

/// The first segments of the middle rendition are read one after the other. The last that was advised.
fn advised(bench: &mut Bench, tenths: u64) -> Advice {
    Reader::default().read(bench, tenths, 0..6, Span::ZERO).expect("it was advised")
}

/// A player of segments of 4 s, and what is on the way to it.
struct Reader {
    rendition: RenditionId,
    size: ObjectSize,
    /// Blocks of a segment.
    segment: u32,
    under_way: VecDeque<(RequestId, BlockRange)>,
    held: BlockSet,
}

impl Default for Reader {
    fn default() -> Self {
        let (under_way, held) = (VecDeque::new(), BlockSet::EMPTY);
        Self { rendition: RENDITION, size: size(), segment: 34, under_way, held }
    }
}

impl Reader {
    /// Of the rendition of half the rate.
    fn of_lower() -> Self {
        let size = ObjectSize::new(256 * BLOCK).expect("in range");
        Self { rendition: RenditionId(2), size, segment: 17, ..Self::default() }
    }

    /// Segments of its rendition are read, `pause` after each other, over a line of so many tenths of a Mbit/s with
    /// whatever is asked for behind each other in it. The last that was advised, if anything was.
    fn read(&mut self, bench: &mut Bench, tenths: u64, segments: Range<u32>, pause: Span) -> Option<Advice> {
        let (segment, step) = (self.segment, Span::from_millis(20));
        let brings = Rate::from_bits_per_sec(tenths * 100_000).bytes_in(step);
        let (mut may, mut last) = (0, None);
        for n in segments {
            let blocks = BlockRange::new(n * segment, (n + 1) * segment);
            let read = ReadId(u64::from(n) + 10);
            let (play, rendition, bytes) = (PlayId(1), self.rendition, self.size.bytes_of(blocks));
            let (taking, rate) = (Taking::Whole, Some(PlaybackRate::NORMAL));
            bench.input(Input::Read { read, play, rendition, part: 0, bytes, taking, rate });
            while !self.held.contains_all(blocks) {
                last = self.hears(bench).or(last);
                bench.wait(step);
                may += brings;
                while may >= BLOCK && self.brings_one(bench) {
                    may -= BLOCK;
                }
                may = may.min(BLOCK);
            }
            bench.input(Input::Progress { read, to: bytes.end });
            bench.input(Input::Closed { read });
            bench.wait(pause);
        }
        self.hears(bench).or(last)
    }

    fn hears(&mut self, bench: &mut Bench) -> Option<Advice> {
        let mut told = None;
        for output in bench.take() {
            match output {
                Output::AskOrigin { request, blocks, .. } | Output::AskPeer { request, blocks, .. } => {
                    self.under_way.push_back((request, blocks));
                }
                Output::Cancel { request } => self.under_way.retain(|(other, _)| *other != request),
                Output::Advise { advice, .. } => told = advice.or(told),
                _ => {}
            }
        }
        told
    }

    /// One block arrives, if any is under way.
    fn brings_one(&mut self, bench: &mut Bench) -> bool {
        let Some((request, blocks)) = self.under_way.pop_front() else { return false };
        let first = BlockRange::new(blocks.start, blocks.start + 1);
        self.held.insert(first);
        bench.arrive(request, first);
        match BlockRange::new(first.end, blocks.end) {
            rest if rest.is_empty() => bench.input(Input::Finished { request }),
            rest => self.under_way.push_front((request, rest)),
        }
        true
    }
}

/// In tenths of a Mbit/s.
fn tenths(rate: Rate) -> u64 {
    (rate.bytes_per_sec() * 8 + 50_000) / 100_000
}

#[test]
fn a_player_is_advised_the_best_rendition_that_can_be_brought() {
    let lines: Vec<(u64, bool)> = [8, 20, 50]
        .iter()
        .map(|line| {
            let advice = advised(&mut ladder(), *line);
            (tenths(advice.line), advice.pace.is_some())
        })
        .collect();
    assert_eq!(lines, [(10, true), (22, true), (45, false)]);
}

#[test]
fn a_line_that_was_slow_once_is_not_taken_for_a_slow_one_for_good() {
    let (mut bench, mut reader) = (ladder(), Reader::default());
    let slow = reader.read(&mut bench, 3, 0..3, Span::ZERO).expect("it is told");
    // What comes now is too quick for the line to be measured by it.
    let quick = reader.read(&mut bench, 500, 3..15, Span::from_secs(4)).expect("it is told anew");
    assert_eq!([slow, quick].map(|advice| tenths(advice.line)), [10, 45]);
}

#[test]
fn a_rendition_that_was_left_is_not_advised_again_at_once() {
    let (mut bench, mut middle, mut lower) = (ladder(), Reader::default(), Reader::of_lower());
    let plays = middle.read(&mut bench, 20, 0..3, Span::ZERO).expect("it is told");
    let leaves = middle.read(&mut bench, 8, 3..5, Span::ZERO).expect("it is told to leave it");
    let soon = lower.read(&mut bench, 60, 5..12, Span::ZERO);
    let later = lower.read(&mut bench, 60, 12..15, Span::from_secs(12)).expect("it is told anew");
    assert_eq!([plays, leaves, later].map(|advice| tenths(advice.line)), [22, 10, 45]);
    assert!(soon.is_none_or(|advice| tenths(advice.line) < 15), "{soon:?}");
}

#[test]
fn an_origin_that_was_slow_once_is_tried_again_by_who_has_enough_ahead() {
    let (mut bench, mut reader) = (ladder(), Reader::default());
    let slow = reader.read(&mut bench, 9, 0..2, Span::ZERO).expect("it is told");
    // All the rest is here: nothing is asked of the origin any more, and so nothing learned of it.
    let rest = BlockRange::new(2 * 34, 512);
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks: rest.into(), last_used: 1 }));
    reader.held.insert(rest);
    let soon = reader.read(&mut bench, 9, 2..6, Span::ZERO).expect("it is told anew");
    let later = reader.read(&mut bench, 9, 6..14, Span::from_secs(4)).expect("and again");
    assert_eq!([slow, soon, later].map(|advice| tenths(advice.line)), [10, 22, 45]);
}

#[test]
fn however_many_have_it_no_better_one_is_advised_than_the_line_brings() {
    let mut bench = ladder();
    let peers: Vec<PeerId> = (2..8).map(|n| bench.peer(n, Nearness::Isp)).collect();
    // They are asked about all renditions.
    bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    for peer in peers {
        for (object, blocks) in [(OBJECT, 512), (ObjectId([3; 32]), 1024)] {
            let added = BlockRange::new(0, blocks).into();
            let have = Have { object, added, removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
            bench.message(peer, PeerMessage::Have(have));
        }
    }
    assert_eq!(tenths(advised(&mut bench, 20).line), 22);
}

#[test]
fn peers_are_asked_what_they_have_of_all_that_a_player_may_choose() {
    let asked = |taking: fn(&mut Bench)| {
        let mut bench = ladder();
        bench.peer(2, Nearness::Isp);
        bench.take();
        taking(&mut bench);
        let interest = |output: Output| match output {
            Output::Send { message: PeerMessage::Interest { object }, .. } => Some(object.0[0]),
            _ => None,
        };
        bench.take().into_iter().filter_map(interest).collect::<Vec<u8>>()
    };
    let segment = |bench: &mut Bench| {
        bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    };
    assert_eq!(asked(segment), [7, 2, 3]);
    assert_eq!(asked(|bench| bench.play(1, 0)), [7], "it reads all of the film in one go");
}

/// As [`ladder`], with sound in a file of its own, of a quarter of the bench's rate.
fn with_sound(mut bench: Bench) -> Bench {
    let size = ObjectSize::new(128 * BLOCK).expect("in range");
    let parts = vec![Part { object: ObjectId([4; 32]), size, length: Span::from_secs(60) }];
    bench.input(Input::Describe(Rendition { id: RenditionId(4), swarm: SWARM, bit: 4, set: 4, parts }));
    bench
}

#[test]
fn sound_in_a_file_of_its_own_is_no_rendition_to_choose() {
    let line = |bench: Bench| tenths(advised(&mut { bench }, 3).line);
    assert_eq!(
        [line(ladder()), line(with_sound(ladder()))],
        [10, 10],
        "too slow for any: the lowest pictures"
    );

    let mut bench = with_sound(Bench::new(settings()));
    bench.peer(2, Nearness::Isp);
    bench.read(1, BlockRange::new(0, 34), Taking::Whole, PlaybackRate::NORMAL);
    let (mut asked, mut advised) = (Vec::new(), 0);
    for output in bench.take() {
        match output {
            Output::Send { message: PeerMessage::Interest { object }, .. } => asked.push(object.0[0]),
            Output::Advise { .. } => advised += 1,
            _ => {}
        }
    }
    assert_eq!((asked, advised), (vec![7], 0), "pictures of one rendition: there is no choice");
}
