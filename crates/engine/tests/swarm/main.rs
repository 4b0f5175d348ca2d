//! The Swarm machine as a shell sees it: inputs in, outputs out, with a clock and proofs of the test's own.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the outputs it is about")]

mod advice;
mod again;
mod asleep;
mod crowd;
mod hold_out;
mod memory;
mod next;
mod pages;
mod paths;
mod start;
mod stay;

use nearcast_content::{BlockRange, BlockSet, ByteRange, NodeKey, ObjectId, ObjectSize, ProviderKey};
use nearcast_engine::swarm::*;
use nearcast_engine::wire::{Have, Hello, PeerMessage, RefuseReason, Serves, SwarmId, Versions, Want};
use nearcast_engine::{Nearness, PlaybackRate, Span, Swarm, Time, Verdict};

const BLOCK: u64 = nearcast_content::BLOCK_SIZE;
const ME: NodeKey = NodeKey([1; 32]);
const PROVIDER: ProviderKey = ProviderKey([9; 32]);
const OBJECT: ObjectId = ObjectId([7; 32]);
const RENDITION: RenditionId = RenditionId(1);
const SWARM: SwarmId = SwarmId([5; 16]);

struct Proof(BlockRange);

impl Verdict for Proof {
    fn blocks(&self) -> BlockRange {
        self.0
    }
}

fn size() -> ObjectSize {
    // 60 s at 1 Mbit/s or so.
    ObjectSize::new(512 * BLOCK).expect("in range")
}

fn settings() -> Settings {
    Settings {
        serves: Serves::Others,
        upload_limit: None,
        cache_budget: u64::MAX,
        origin: OriginUse::Fallback,
        peers: PeerUse::Share,
        runs_in: RunsIn::Program,
    }
}

/// A swarm under test with its clock and what it wanted so far.
struct Bench {
    swarm: Swarm,
    now: Time,
    out: Vec<Output>,
    wake: Time,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self::tuned(settings, Tuning::default())
    }

    fn tuned(settings: Settings, tuning: Tuning) -> Self {
        let swarm = Swarm::with_tuning(1, ME, PROVIDER, settings, tuning);
        let mut bench =
            Self { swarm, now: Time::ZERO + Span::from_secs(1), out: Vec::new(), wake: Time::NEVER };
        let parts = vec![Part { object: OBJECT, size: size(), length: Span::from_secs(60) }];
        bench.input(Input::Describe(Rendition { id: RENDITION, swarm: SWARM, bit: 0, set: 0, parts }));
        bench
    }

    fn input(&mut self, input: Input<Proof>) {
        self.swarm.handle_input(self.now, input).expect("the test's inputs make sense");
        self.drain();
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            match self.swarm.poll_output() {
                Output::Timeout(at, _) => {
                    self.wake = at;
                    return;
                }
                output => self.out.push(output),
            }
        }
        panic!("the engine never stops putting out");
    }

    fn wait(&mut self, span: Span) {
        let end = self.now + span;
        while self.wake <= end {
            self.now = self.now.max(self.wake);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    fn play(&mut self, read: u64, from: u64) {
        self.reads(read, ByteRange::new(from, size().bytes()), Taking::Stream, None);
    }

    fn read(&mut self, read: u64, blocks: BlockRange, taking: Taking, rate: PlaybackRate) {
        self.reads(read, size().bytes_of(blocks), taking, Some(rate));
    }

    fn reads(&mut self, read: u64, bytes: ByteRange, taking: Taking, rate: Option<PlaybackRate>) {
        let (read, play) = (ReadId(read), PlayId(1));
        self.input(Input::Read { read, play, rendition: RENDITION, part: 0, bytes, taking, rate });
    }

    fn peer(&mut self, n: u8, nearness: Nearness) -> PeerId {
        self.peer_that(n, nearness, Serves::Others)
    }

    fn peer_that(&mut self, n: u8, nearness: Nearness, serves: Serves) -> PeerId {
        let (peer, node) = (PeerId(n.into()), NodeKey([n; 32]));
        let rtt = Span::from_millis(10);
        let (side, path) = (Side::Dialed, Path::Direct);
        self.input(Input::Connected { peer, node, side, path, rtt, nearness: Some(nearness) });
        let versions = Versions::OURS;
        let hello = Hello { versions, features: 0, provider: PROVIDER, serves, credential: None };
        self.message(peer, PeerMessage::Hello(hello));
        peer
    }

    fn message(&mut self, peer: PeerId, message: PeerMessage) {
        self.input(Input::Message { peer, message });
    }

    fn has(&mut self, peer: PeerId, blocks: BlockRange) {
        let have =
            Have { object: OBJECT, added: blocks.into(), removed: BlockSet::EMPTY, coming: BlockSet::EMPTY };
        self.message(peer, PeerMessage::Have(have));
    }

    /// Takes what was put out since the last look.
    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// The runs asked for since the last look: of whom (none for the origin), and which blocks.
    fn asked(&mut self) -> Vec<(RequestId, Option<PeerId>, BlockRange)> {
        let asked = |output| match output {
            Output::AskOrigin { request, blocks, .. } => Some((request, None, blocks)),
            Output::AskPeer { request, peer, blocks, .. } => Some((request, Some(peer), blocks)),
            _ => None,
        };
        self.take().into_iter().filter_map(asked).collect()
    }

    fn arrive(&mut self, request: RequestId, blocks: BlockRange) {
        self.input(Input::Arrived { request, verdict: Proof(blocks) });
    }

    fn finish(&mut self, request: RequestId, blocks: BlockRange) {
        self.arrive(request, blocks);
        self.input(Input::Finished { request });
    }
}

fn all() -> BlockRange {
    size().all()
}

#[test]
fn a_lone_start_costs_the_origin_64_kib_first_and_then_runs_of_256() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let asked = bench.asked();
    assert_eq!(asked[0].2, BlockRange::new(0, 4));
    assert!(asked.iter().all(|(_, peer, blocks)| peer.is_none() && blocks.len() <= 16), "{asked:?}");
}

#[test]
fn a_near_holder_is_asked_and_the_origin_is_left_alone() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Lan);
    bench.input(Input::Stored(Stored {
        object: OBJECT,
        size: size(),
        blocks: BlockRange::new(0, 64).into(),
        last_used: 1,
    }));
    bench.play(1, 0);
    bench.take();
    bench.has(peer, all());
    let asked = bench.asked();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|(_, from, _)| *from == Some(peer)), "{asked:?}");
}

#[test]
fn a_start_at_an_unproven_peer_is_raced_by_at_most_64_kib() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Lan);
    // Interest goes out with the first demand: end it again, so that the have is known when the play starts.
    bench.play(1, 400 * BLOCK);
    bench.has(peer, all());
    bench.take();
    bench.play(2, 0);
    let origin: u32 = bench.asked().iter().filter(|a| a.1.is_none()).map(|a| a.2.len()).sum();
    assert!(origin <= 4, "{origin} blocks raced");
}

#[test]
fn a_departed_peers_runs_are_asked_elsewhere_in_the_same_breath() {
    let mut bench = Bench::new(settings());
    let (one, two) = (bench.peer(2, Nearness::Isp), bench.peer(3, Nearness::Isp));
    bench.play(1, 0);
    bench.has(one, all());
    bench.take();
    bench.wait(Span::from_millis(100));
    let lost: Vec<BlockRange> = bench.asked().into_iter().filter(|a| a.1 == Some(one)).map(|a| a.2).collect();
    bench.has(two, all());
    bench.take();
    bench.input(Input::Disconnected { peer: one });
    let again = bench.asked();
    for blocks in lost {
        assert!(again.iter().any(|a| a.2.intersect(blocks) == blocks && a.1 != Some(one)), "{blocks:?}");
    }
}

#[test]
fn bad_bytes_drop_a_peer_for_this_life_and_the_second_time_for_good() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.play(1, 64 * BLOCK);
    let started = bench.asked();
    bench.has(peer, all());
    for (request, _, blocks) in started.into_iter().chain(bench.asked()).filter(|a| a.1.is_none()) {
        bench.finish(request, blocks);
    }
    let run = *bench.asked().iter().find(|a| a.1 == Some(peer)).expect("the peer is asked");
    bench.input(Input::Failed { request: run.0, fault: Fault::Corrupt });
    let out = bench.take();
    let node = NodeKey([2; 32]);
    assert!(out.contains(&Output::Strike { node, strikes: 1 }));
    assert!(out.iter().any(|o| matches!(
        o,
        Output::Disconnect { why: Parting::Misbehaved(Misbehaviour::CorruptBlock), .. }
    )));
    let mut again =
        out.iter().any(|o| matches!(o, Output::AskOrigin { blocks, .. } if blocks.contains(run.2.start)));
    for _ in 0..60 {
        bench.wait(Span::from_secs(1));
        for (request, from, blocks) in bench.asked() {
            again |= from.is_none() && blocks.contains(run.2.start);
            bench.finish(request, blocks);
        }
    }
    assert!(again, "the blocks are asked of somebody else");
    bench.peer(2, Nearness::Isp);
    assert!(bench.take().iter().any(|o| matches!(o, Output::Disconnect { why: Parting::Banned, .. })));

    let mut later = Bench::new(settings());
    later.input(Input::Struck { node, strikes: 1 });
    later.peer(2, Nearness::Isp);
    assert!(
        !later.take().iter().any(|o| matches!(o, Output::Disconnect { .. })),
        "once is forgiven in a new life"
    );
    let mut banned = Bench::new(settings());
    banned.input(Input::Struck { node, strikes: 2 });
    banned.peer(2, Nearness::Isp);
    assert!(banned.take().iter().any(|o| matches!(o, Output::Disconnect { why: Parting::Banned, .. })));
}

#[test]
fn a_seek_cancels_at_once_what_nobody_wants_any_more() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let before = bench.asked();
    bench.input(Input::Closed { read: ReadId(1) });
    bench.play(2, 400 * BLOCK);
    let out = bench.take();
    for (request, ..) in before {
        assert!(out.contains(&Output::Cancel { request }), "{request:?}");
    }
}

/// The shell had written it, and said so, before it was told to cancel: nobody else knows that it takes room.
#[test]
fn what_a_run_had_brought_when_it_was_cancelled_is_held() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let (request, _, blocks) = bench.asked()[0];
    bench.input(Input::Closed { read: ReadId(1) });
    bench.play(2, 400 * BLOCK);
    assert!(bench.take().contains(&Output::Cancel { request }));
    bench.arrive(request, BlockRange::new(blocks.start, blocks.start + 2));
    assert_eq!(bench.swarm.held_bytes(), 2 * BLOCK);
    bench.input(Input::Closed { read: ReadId(2) });
    bench.take();
    bench.play(3, 0);
    for (request, _, again) in bench.asked() {
        assert!(again.start >= blocks.start + 2, "{request:?} asks for {again:?} again");
    }
}

#[test]
fn a_run_that_stays_away_is_asked_elsewhere_before_its_deadline() {
    let mut bench = Bench::new(settings());
    let (mute, good) = (bench.peer(2, Nearness::Lan), bench.peer(3, Nearness::Far));
    bench.play(1, 0);
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    bench.input(Input::Progress { read: ReadId(1), to: 4 * BLOCK });
    bench.has(mute, all());
    bench.has(good, all());
    let mut owed = BlockSet::EMPTY;
    let mut asked_of_mute = 0;
    for _ in 0..40 {
        for (request, from, blocks) in bench.asked() {
            if from == Some(mute) {
                asked_of_mute += 1;
                owed.insert(blocks);
            } else {
                owed.remove(blocks);
                bench.finish(request, blocks);
            }
        }
        bench.wait(Span::from_millis(100));
    }
    assert!(asked_of_mute > 0, "the near one is asked first");
    assert!(asked_of_mute < 9, "it was asked {asked_of_mute} times without a word");
    // What comes into the window at the end may be on trial with it: it plays in more than ten seconds.
    let soon = BlockRange::new(0, 14 * 512 / 60);
    assert_eq!(owed.present(soon).next(), None, "{owed:?} was not asked elsewhere");
}

#[test]
fn wants_are_served_when_held_and_refused_by_name_when_not() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    let held = BlockRange::new(3, 6);
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks: held.into(), last_used: 1 }));
    bench.take();
    let want = |request, blocks| PeerMessage::Want(Want { request, object: OBJECT, blocks, due_millis: 100 });
    bench.message(peer, want(1, held));
    assert!(bench.take().iter().any(|o| matches!(o, Output::Serve { blocks, .. } if *blocks == held)));
    bench.message(peer, want(2, BlockRange::new(3, 7)));
    let refuse = PeerMessage::Refuse { request: 2, reason: RefuseReason::NotHeld };
    assert!(bench.take().contains(&Output::Send { peer, message: refuse }));
    bench.message(peer, want(3, BlockRange::new(5, 5)));
    let gone = bench.take();
    assert!(
        gone.iter()
            .any(|o| matches!(o, Output::Disconnect { why: Parting::Misbehaved(Misbehaviour::BadWant), .. }))
    );
}

#[test]
fn sharing_off_stops_uploads_and_says_so() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks: all().into(), last_used: 1 }));
    let want = Want { request: 1, object: OBJECT, blocks: BlockRange::new(0, 4), due_millis: 100 };
    bench.message(peer, PeerMessage::Want(want));
    bench.take();
    bench.input(Input::Settings(Settings { peers: PeerUse::HoldOut, ..settings() }));
    let out = bench.take();
    assert!(out.iter().any(|o| matches!(o, Output::StopServing { .. })));
    assert!(out.iter().any(|o| matches!(o, Output::Disconnect { .. })));
    bench.peer(3, Nearness::Isp);
    assert!(bench.take().iter().any(|o| matches!(o, Output::Disconnect { why: Parting::SharingOff, .. })));
}

#[test]
fn an_interest_in_an_object_not_known_here_is_answered_at_once_and_again_when_it_is() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    let later = ObjectId([8; 32]);
    bench.take();
    bench.message(peer, PeerMessage::Interest { object: later });
    let none = BlockSet::EMPTY;
    let nothing = Have { object: later, added: none.clone(), removed: none.clone(), coming: none };
    assert!(bench.take().contains(&Output::Send { peer, message: PeerMessage::Have(nothing) }));
    let parts = vec![Part { object: later, size: size(), length: Span::from_secs(60) }];
    bench.input(Input::Stored(Stored { object: later, size: size(), blocks: all().into(), last_used: 1 }));
    bench.input(Input::Describe(Rendition { id: RenditionId(2), swarm: SWARM, bit: 1, set: 0, parts }));
    let told = bench.take().into_iter().any(|o| {
        matches!(o, Output::Send { message: PeerMessage::Have(have), .. }
            if have.object == later && have.added == BlockSet::from(all()))
    });
    assert!(told);
}

#[test]
fn a_player_that_reads_ahead_waits_for_a_silent_peer_only_until_it_is_settled() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let mut fetched = 0;
    for _ in 0..1_000 {
        for (request, _, blocks) in bench.asked() {
            // Half a minute ahead of the playhead.
            if fetched < 256 && blocks.end >= 256 {
                bench.peer(2, Nearness::Isp);
            }
            bench.finish(request, blocks);
            fetched = fetched.max(blocks.end);
        }
        bench.input(Input::Progress { read: ReadId(1), to: u64::from(fetched) * BLOCK });
    }
    assert!(fetched < size().blocks(), "nothing holds the origin back: the test is about nothing");
    bench.wait(Span::from_millis(1_600));
    assert_ne!(bench.asked(), [], "the player was left waiting at block {fetched}");
}

#[test]
fn what_an_old_read_has_ahead_is_not_urgent_after_a_jump() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.play(1, 0);
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    bench.input(Input::Progress { read: ReadId(1), to: 4 * BLOCK });
    bench.take();
    // Players look at the end of a file, and close the first read only after that.
    bench.play(2, 500 * BLOCK);
    bench.has(peer, all());
    let mut asked: Vec<(u32, Time)> = Vec::new();
    // What the look begins with is a start, to which others give way.
    while asked.is_empty() {
        let mut starts = Vec::new();
        for output in bench.take() {
            match output {
                Output::Note(Note::Asked { request, blocks, .. }) if blocks.start >= 500 => {
                    starts.push((request, blocks));
                }
                Output::Note(Note::Asked { blocks, due, .. }) => asked.push((blocks.start, due)),
                _ => {}
            }
        }
        assert!(!starts.is_empty() || !asked.is_empty(), "what the old read has ahead is never fetched");
        for (request, blocks) in starts {
            bench.finish(request, blocks);
        }
    }
    for (start, due) in asked {
        // 512 blocks play for a minute; a reader is given half of that.
        let ahead = Span::from_millis(u64::from(start - 4) * 60_000 / 512 / 2);
        assert!(due >= bench.now + ahead, "block {start} was wanted at once");
    }
}

/// Reads that were said to be stuck since the last look.
fn stuck(bench: &mut Bench) -> Vec<ReadId> {
    let out = bench.take().into_iter();
    out.filter_map(|o| if let Output::Note(Note::Stuck { read }) = o { Some(read) } else { None }).collect()
}

/// Fails what is asked of the origin, as one that does not have the object.
fn gone(bench: &mut Bench) -> usize {
    let asked = bench.asked();
    for (request, from, _) in &asked {
        assert_eq!(*from, None);
        bench.input(Input::Failed { request: *request, fault: Fault::Gone });
    }
    asked.len()
}

#[test]
fn a_read_that_nobody_can_serve_is_said_to_be_stuck_once() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    assert!(gone(&mut bench) > 0);
    bench.wait(Span::from_secs(5));
    assert_eq!(stuck(&mut bench), [ReadId(1)]);
    bench.wait(Span::from_secs(20));
    assert_eq!(bench.asked(), [], "the origin is left in peace");
    bench.wait(Span::from_secs(10));
    assert!(gone(&mut bench) > 0, "a site may have been mended");
}

#[test]
fn a_read_is_not_stuck_while_a_peer_may_hold_what_the_origin_does_not_have() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.play(1, 0);
    gone(&mut bench);
    assert_eq!(stuck(&mut bench), []);
    bench.has(peer, all());
    assert!(bench.asked().iter().any(|(_, from, _)| *from == Some(peer)));
    bench.wait(Span::from_millis(300));
    assert_eq!(stuck(&mut bench), []);
}

#[test]
fn a_read_is_stuck_when_the_last_peer_says_that_it_holds_nothing() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.play(1, 0);
    gone(&mut bench);
    bench.has(peer, BlockRange::new(0, 0));
    assert_eq!(stuck(&mut bench), [ReadId(1)]);
}

#[test]
fn haves_go_out_at_most_four_times_a_second_to_a_peer() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.message(peer, PeerMessage::Interest { object: OBJECT });
    bench.play(1, 0);
    let mut haves = 0;
    for _ in 0..1_000 {
        for output in bench.take() {
            match output {
                Output::AskOrigin { request, blocks, .. } => {
                    for block in blocks.iter() {
                        bench.arrive(request, BlockRange::new(block, block + 1));
                        bench.now += Span::from_millis(5);
                    }
                    bench.input(Input::Finished { request });
                }
                Output::Send { message: PeerMessage::Have(_), .. } => haves += 1,
                _ => {}
            }
        }
        bench.wait(Span::from_millis(20));
    }
    let seconds = bench.now.since(Time::ZERO).millis() / 1000;
    assert!(haves > 4 && haves <= 4 * seconds + 2, "{haves} haves in {seconds} s");
}

#[test]
fn the_least_recently_used_object_goes_when_the_budget_is_passed() {
    let mut bench = Bench::new(Settings { cache_budget: 600 * BLOCK, ..settings() });
    for (n, last_used) in [(20, 5), (21, 3), (22, 4)] {
        let blocks = BlockRange::new(0, 200).into();
        bench.input(Input::Stored(Stored { object: ObjectId([n; 32]), size: size(), blocks, last_used }));
    }
    assert!(!bench.take().iter().any(|o| matches!(o, Output::Evict { .. })));
    bench.input(Input::Stored(Stored {
        object: ObjectId([23; 32]),
        size: size(),
        blocks: BlockRange::new(0, 1).into(),
        last_used: 9,
    }));
    let evicted: Vec<ObjectId> = bench
        .take()
        .iter()
        .filter_map(|o| if let Output::Evict { object, .. } = o { Some(*object) } else { None })
        .collect();
    assert_eq!(evicted, [ObjectId([21; 32])]);
}

#[test]
fn an_origin_that_fails_is_left_in_peace_for_growing_times_and_found_again() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let mut tries = 0;
    for _ in 0..600 {
        for (request, ..) in bench.asked() {
            tries += 1;
            bench.input(Input::Failed { request, fault: Fault::Unavailable });
        }
        bench.wait(Span::from_millis(100));
    }
    assert!((3..=30).contains(&tries), "{tries} tries in a minute");
    bench.wait(Span::from_secs(31));
    let asked = bench.asked();
    assert!(!asked.is_empty(), "it is tried again");
    bench.finish(asked[0].0, asked[0].2);
    assert!(!bench.asked().is_empty(), "and used again once it answers");
}

#[test]
fn a_withdrawn_title_is_dropped_and_served_no_more() {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, Nearness::Isp);
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks: all().into(), last_used: 1 }));
    bench.input(Input::Withdrawn { swarm: SWARM });
    assert!(bench.take().contains(&Output::Evict { object: OBJECT, blocks: all() }));
    let want = Want { request: 1, object: OBJECT, blocks: BlockRange::new(0, 4), due_millis: 100 };
    bench.message(peer, PeerMessage::Want(want));
    let refuse = PeerMessage::Refuse { request: 1, reason: RefuseReason::NotHeld };
    assert!(bench.take().contains(&Output::Send { peer, message: refuse }));
}

#[test]
fn delivered_bytes_count_once_for_their_source_and_then_as_cache() {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    let delivered = |bench: &mut Bench, wanted: Source| -> u64 {
        let of = |o: Output| match o {
            Output::Note(Note::Delivered { source, bytes, .. }) if source == wanted => Some(bytes),
            _ => None,
        };
        bench.take().into_iter().filter_map(of).sum()
    };
    bench.input(Input::Progress { read: ReadId(1), to: 4 * BLOCK });
    assert_eq!(delivered(&mut bench, Source::Origin), 4 * BLOCK);
    // A reader may see a block in the store before the engine hears of it.
    bench.input(Input::Progress { read: ReadId(1), to: 20 * BLOCK });
    assert_eq!(delivered(&mut bench, Source::Cache), 0);
    bench.input(Input::Closed { read: ReadId(1) });
    bench.play(2, 0);
    bench.input(Input::Progress { read: ReadId(2), to: 4 * BLOCK });
    assert_eq!(delivered(&mut bench, Source::Cache), 4 * BLOCK);
}

#[test]
fn a_holder_that_never_delivers_keeps_no_reader_from_the_origin() {
    let mut bench = Bench::new(settings());
    let mute = bench.peer(2, Nearness::Lan);
    bench.play(1, 0);
    bench.has(mute, all());
    let (mut held, mut of_mute) = (BlockSet::EMPTY, 0);
    let begun = bench.now;
    while !held.contains_all(all()) {
        assert!(bench.now.since(begun) < Span::from_secs(12), "{held:?} after 12 s");
        for (request, from, blocks) in bench.asked() {
            if from == Some(mute) {
                of_mute += 1;
                continue;
            }
            bench.finish(request, blocks);
            held.insert(blocks);
        }
        // The player takes what there is as fast as it comes.
        let to = u64::from(held.run_at(0).end) * BLOCK;
        bench.input(Input::Progress { read: ReadId(1), to });
        bench.wait(Span::from_millis(50));
    }
    assert!((1..=6).contains(&of_mute), "it was asked {of_mute} times");
}

#[test]
fn a_full_disk_shrinks_the_cache_and_only_what_plays_next_is_fetched() {
    let mut bench = Bench::new(settings());
    let other = ObjectId([8; 32]);
    let blocks = BlockSet::from(all());
    let old = Rendition {
        id: RenditionId(2),
        swarm: SwarmId([6; 16]),
        bit: 0,
        set: 0,
        parts: vec![Part { object: other, size: size(), length: Span::from_secs(60) }],
    };
    bench.input(Input::Describe(old));
    bench.input(Input::Stored(Stored { object: other, size: size(), blocks, last_used: 1 }));
    let peer = bench.peer(2, Nearness::Lan);
    bench.play(1, 0);
    bench.take();
    bench.input(Input::NoRoom);
    let evicted = |o: &Output| matches!(o, Output::Evict { object, .. } if *object == other);
    assert!(bench.take().iter().any(evicted), "what nobody plays gives way");
    bench.has(peer, all());
    // Runs end one after the other: nothing is asked for that plays more than ten seconds from here.
    let ten_seconds = all().end / 6 + 16;
    for _ in 0..200 {
        bench.wait(Span::from_millis(10));
        bench.input(Input::NoRoom);
        for (request, _, blocks) in bench.asked() {
            assert!(blocks.start <= ten_seconds, "{blocks:?} is far ahead");
            bench.finish(request, blocks);
        }
    }
    assert!(bench.swarm.held_bytes() > 0);
}

/// 2026-11-25 21:30:00 UTC.
const EVENING: WallClock = WallClock { unix: 1_795_642_200, ahead: 0 };

fn hold_all(bench: &mut Bench) {
    let blocks = all().into();
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks, last_used: 1 }));
}

fn want(bench: &mut Bench, peer: PeerId, request: u32) -> Option<UploadId> {
    let blocks = BlockRange::new(0, 16);
    let want = Want { request, object: OBJECT, blocks, due_millis: 0 };
    bench.message(peer, PeerMessage::Want(want));
    bench.take().into_iter().find_map(|output| match output {
        Output::Serve { upload, .. } => Some(upload),
        _ => None,
    })
}

fn hand_over(bench: &mut Bench, upload: UploadId) {
    bench.input(Input::Sent { upload, bytes: 16 * BLOCK });
    bench.input(Input::SentAll { upload });
}

#[test]
fn a_months_limit_holds_for_the_line_and_spares_the_own_network() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    bench.input(Input::Clock(EVENING));
    bench.input(Input::Caps(Caps { monthly: Some(1_200_000), ..Caps::default() }));
    let (far, near) = (bench.peer(2, Nearness::Isp), bench.peer(3, Nearness::Lan));
    bench.take();
    for request in 0..4 {
        let upload = want(&mut bench, far, request).expect("fits into the month");
        hand_over(&mut bench, upload);
    }
    let told = bench.take().iter().any(|o| matches!(o, Output::Remember(h) if h.bytes > 1_000_000));
    assert!(told, "the month is remembered");
    assert_eq!(want(&mut bench, far, 9), None, "the fifth does not fit");
    assert!(matches!(bench.swarm.sharing(), Sharing::LanOnly(Rest::MonthUsed { .. })));
    let upload = want(&mut bench, near, 1).expect("the own network is exempt");
    hand_over(&mut bench, upload);
    assert_eq!(bench.swarm.peer_count(), 1, "the far one was told by parting");
    // The next month begins in the course of time alone.
    bench.wait(Span::from_secs(6 * 86_400));
    assert_eq!(bench.swarm.sharing(), Sharing::On);
}

#[test]
fn a_pause_stops_what_is_under_way_and_ends_by_itself() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    bench.input(Input::Clock(EVENING));
    let peer = bench.peer(2, Nearness::Lan);
    let upload = want(&mut bench, peer, 1).expect("served");
    let pause = Pause::Until(EVENING.unix + 60);
    bench.input(Input::Caps(Caps { pause, ..Caps::default() }));
    let out = bench.take();
    assert!(out.contains(&Output::StopServing { upload }), "{out:?}");
    assert!(out.contains(&Output::Disconnect { peer, why: Parting::SharingOff }), "{out:?}");
    let peer = bench.peer(3, Nearness::Lan);
    let out = bench.take();
    let hello = |serves| move |o: &Output| matches!(o, Output::Send { message: PeerMessage::Hello(h), .. } if h.serves == serves);
    assert!(out.iter().any(hello(Serves::Nobody)), "{out:?}");
    assert_eq!(want(&mut bench, peer, 1), None);
    bench.wait(Span::from_secs(61));
    bench.take();
    let peer = bench.peer(4, Nearness::Lan);
    assert!(bench.take().iter().any(hello(Serves::Others)));
    assert!(want(&mut bench, peer, 1).is_some());
}

#[test]
fn a_pause_takes_back_what_was_announced() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    bench.input(Input::DirectoryUp);
    bench.wait(Span::from_secs(3));
    let announced = |out: Vec<Output>| {
        let of = |output| match output {
            Output::Announce { renditions, .. } => Some(renditions),
            _ => None,
        };
        out.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(announced(bench.take()), [1]);
    bench.input(Input::Caps(Caps { pause: Pause::UntilResumed, ..Caps::default() }));
    assert_eq!(announced(bench.take()), [0]);
    bench.input(Input::Caps(Caps::default()));
    bench.wait(Span::from_secs(3));
    assert_eq!(announced(bench.take()), [1]);
}

#[test]
fn what_is_pinned_or_kept_stays_when_the_cache_is_cleared() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    let other = ObjectId([8; 32]);
    let store = |object| {
        let blocks = BlockRange::new(0, 1).into();
        Input::Stored(Stored {
            object,
            size: ObjectSize::new(BLOCK).expect("in range"),
            blocks,
            last_used: 2,
        })
    };
    bench.input(store(other));
    bench.input(store(ObjectId([9; 32])));
    bench.input(Input::Pin(other));
    bench.input(Input::Keep(RENDITION));
    bench.take();
    bench.input(Input::DiscardAll);
    let gone: Vec<ObjectId> = bench.take().into_iter().filter_map(evicted).collect();
    assert_eq!(gone, [ObjectId([9; 32])]);
    bench.input(Input::Unpin(other));
    bench.input(Input::Discard(vec![other]));
    let gone: Vec<ObjectId> = bench.take().into_iter().filter_map(evicted).collect();
    assert_eq!(gone, [other]);
}

fn evicted(output: Output) -> Option<ObjectId> {
    match output {
        Output::Evict { object, .. } => Some(object),
        _ => None,
    }
}
