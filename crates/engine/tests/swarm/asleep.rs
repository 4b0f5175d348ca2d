//! A shell that was stopped, or whose machine slept while its clock went on.

use super::*;

const HOUR: Span = Span::from_secs(3_600);

/// A play that has begun, and what it asked the origin for when the shell was stopped for an hour.
fn stopped_for_an_hour() -> (Bench, Vec<(RequestId, Option<PeerId>, BlockRange)>) {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let mut at = 0;
    // Long enough to know how fast it is, and not until all of it is here.
    for _ in 0..4 {
        for (request, _, blocks) in bench.asked() {
            bench.wait(Span::from_millis(50));
            bench.finish(request, blocks);
            at = at.max(u64::from(blocks.end) * BLOCK);
        }
        bench.input(Input::Progress { read: ReadId(1), to: at });
    }
    let asked = bench.asked();
    assert!(!asked.is_empty() && at < size().bytes(), "{asked:?} at {at}");
    bench.now += HOUR;
    bench.input(Input::Timeout);
    (bench, asked)
}

#[test]
fn an_hour_that_nobody_saw_is_no_stall() {
    let (mut bench, asked) = stopped_for_an_hour();
    bench.wait(Span::from_millis(500));
    for (request, _, blocks) in asked.into_iter().chain(bench.asked()) {
        bench.finish(request, blocks);
    }
    bench.input(Input::Progress { read: ReadId(1), to: size().bytes() });
    let stalls = bench.take().into_iter().filter_map(|output| match output {
        Output::Note(Note::Stalled { lasted, .. }) => Some(lasted),
        _ => None,
    });
    let longest = stalls.max().unwrap_or(Span::ZERO);
    assert!(longest < Span::from_secs(5), "{longest:?}");
}

#[test]
fn an_hour_that_nobody_saw_does_not_make_the_origin_slow() {
    let (mut bench, asked) = stopped_for_an_hour();
    // Its answer was there all the time.
    for (request, _, blocks) in asked {
        bench.finish(request, blocks);
    }
    bench.take();
    // A jump: the origin is asked for runs as long as ever, and one that stays away is asked again within seconds.
    bench.input(Input::Closed { read: ReadId(1) });
    bench.play(2, 400 * BLOCK);
    let first = bench.asked();
    assert!(first.iter().any(|(_, peer, _)| peer.is_none()), "{first:?}");
    for (request, _, blocks) in first {
        bench.wait(Span::from_millis(50));
        bench.finish(request, blocks);
    }
    let next = bench.take();
    let asks_long = |o: &Output| matches!(o, Output::AskOrigin { blocks, .. } if blocks.len() == 16);
    assert!(next.iter().any(asks_long), "{next:?}");
    let soon = bench.now + Span::from_secs(5);
    let in_time = |o: &Output| !matches!(o, Output::Note(Note::Asked { expected, .. }) if *expected > soon);
    assert!(next.iter().all(in_time), "{next:?}");
}
