//! Paths that the shell tells of, and the pace that follows from them.

use super::*;

#[test]
fn paths_are_watched_from_a_run_on_until_nothing_leaves_over_them() {
    let mut bench = Bench::new(settings());
    let (far, near) = (bench.peer(2, Nearness::Isp), bench.peer(3, Nearness::Lan));
    hold_all(&mut bench);
    assert!(bench.swarm.watched().is_empty());
    for peer in [far, near] {
        let upload = want(&mut bench, peer, 1).expect("served");
        hand_over(&mut bench, upload);
    }
    // What a shell calls sent may still be on its way.
    for (acked, watched) in [(50_000, true), (1_500, true), (300, false)] {
        assert!(bench.swarm.watched().into_iter().eq([far]), "before {acked} bytes");
        assert!(bench.swarm.watches(far) && !bench.swarm.watches(near), "before {acked} bytes");
        let report = PathReport { peer: far, rtt: Some(Span::from_millis(20)), one_way: None, acked };
        bench.input(Input::Uplink(vec![report]));
        assert_eq!(!bench.swarm.watched().is_empty(), watched, "after {acked} bytes");
        assert_eq!(bench.swarm.watches(far), watched, "after {acked} bytes");
    }
}

#[test]
fn far_paths_that_queue_set_a_pace_and_near_ones_do_not() {
    let mut bench = Bench::new(settings());
    let (far, near) = (bench.peer(2, Nearness::Isp), bench.peer(3, Nearness::Lan));
    bench.take();
    let report = |peer, millis| PathReport {
        peer,
        rtt: Some(Span::from_millis(millis)),
        one_way: None,
        acked: 500_000,
    };
    for (peer, paced) in [(near, false), (far, true)] {
        let mut pace = false;
        for millis in [20, 20, 20, 20, 70, 90] {
            bench.wait(UPLINK_TICK);
            bench.take();
            bench.input(Input::Uplink(vec![report(peer, millis)]));
            pace |= bench.take().into_iter().any(|output| matches!(output, Output::Pace(Some(_))));
        }
        assert_eq!(pace, paced, "a report says it at once");
    }
}
