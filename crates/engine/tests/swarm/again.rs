//! What is asked of the origin again, since it does not come.

use super::*;

const TICK: Span = Span::from_millis(10);

/// A play of which one run of the origin brings a block every 100 ms, or nothing, while all others come at a block each
/// 10 ms, and from when it was asked for on each `beside`. Answers what that run was asked for, and what was asked for again of it while it was under way.
fn beside_a_stuck_run(trickles: bool, beside: Span) -> (BlockRange, Vec<BlockRange>) {
    let mut bench = Bench::new(settings());
    bench.play(1, 0);
    let mut under_way: Vec<(RequestId, BlockRange)> = Vec::new();
    let mut stuck: Option<(RequestId, BlockRange)> = None;
    let (mut first, mut again) = (None, Vec::new());
    for tick in 0..300_u64 {
        for output in bench.take() {
            match output {
                Output::AskOrigin { request, blocks, .. } => {
                    let of_it = |stuck: BlockRange| blocks.intersect(stuck);
                    again.extend(first.map(of_it).filter(|again| !again.is_empty()));
                    if first.is_none() && blocks.len() == 16 && tick > 0 {
                        (stuck, first) = (Some((request, blocks)), Some(blocks));
                    } else {
                        under_way.push((request, blocks));
                    }
                }
                Output::Cancel { request } => {
                    under_way.retain(|run| run.0 != request);
                    stuck = stuck.filter(|run| run.0 != request);
                }
                _ => {}
            }
        }
        let mut come = |run: &mut (RequestId, BlockRange)| {
            let (request, left) = *run;
            let next = BlockRange::new(left.start, left.start + 1);
            run.1 = BlockRange::new(next.end, left.end);
            match run.1.is_empty() {
                true => bench.finish(request, next),
                false => bench.arrive(request, next),
            }
        };
        let beside = if first.is_some() { beside } else { TICK };
        if TICK.times(tick).micros().is_multiple_of(beside.micros())
            && let Some(run) = under_way.first_mut()
        {
            come(run);
            under_way.retain(|run| !run.1.is_empty());
        }
        if let Some(run) = stuck.as_mut().filter(|_| trickles && tick % 10 == 0) {
            come(run);
            stuck = stuck.filter(|run| !run.1.is_empty());
        }
        bench.wait(TICK);
    }
    (first.expect("a long run is asked for"), again)
}

#[test]
fn a_run_that_trickles_while_others_come_is_asked_for_again() {
    let (run, again) = beside_a_stuck_run(true, TICK);
    let [rest] = again[..] else { panic!("once: {again:?}") };
    assert_eq!(rest.end, run.end, "all that is left of {run:?}");
    assert!(rest.start > run.start + 1 && rest.start < run.start + 12, "{rest:?} of {run:?}");
}

#[test]
fn of_a_run_that_has_not_begun_to_come_nothing_is_asked_for_again() {
    let (_, again) = beside_a_stuck_run(false, TICK);
    assert_eq!(again, []);
}

#[test]
fn of_an_origin_that_has_become_slow_nothing_is_asked_for_again() {
    let (_, again) = beside_a_stuck_run(true, TICK.times(9));
    assert_eq!(again, []);
}
