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

/// Whether six reports of a path that begins to queue set a pace at once, when `begin` was done with the peer before.
fn paced(nearness: Nearness, begin: impl Fn(&mut Bench, PeerId)) -> bool {
    let mut bench = Bench::new(settings());
    let peer = bench.peer(2, nearness);
    hold_all(&mut bench);
    begin(&mut bench, peer);
    [20, 20, 20, 20, 70, 90].into_iter().any(|millis| {
        bench.wait(UPLINK_TICK);
        bench.take();
        let rtt = Some(Span::from_millis(millis));
        bench.input(Input::Uplink(vec![PathReport { peer, rtt, one_way: None, acked: 40_000 }]));
        bench.take().into_iter().any(|output| matches!(output, Output::Pace(Some(_))))
    })
}

#[test]
fn far_paths_that_queue_set_a_pace_and_near_ones_do_not() {
    let serve = |bench: &mut Bench, peer| assert!(want(bench, peer, 1).is_some());
    assert!(paced(Nearness::Isp, serve));
    assert!(!paced(Nearness::Lan, serve));
}

#[test]
fn a_path_is_under_load_until_all_that_was_handed_over_is_acknowledged() {
    let hand_all = |bench: &mut Bench, peer| {
        let upload = want(bench, peer, 1).expect("served");
        hand_over(bench, upload);
    };
    assert!(paced(Nearness::Isp, hand_all), "256 KiB, of which 200,000 bytes were acknowledged");
    assert!(!paced(Nearness::Isp, |_, _| ()), "nothing of ours filled it");
}
