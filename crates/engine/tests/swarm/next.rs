//! What is fetched ahead of a likely play.

use super::*;

#[test]
fn the_origin_gives_the_head_of_the_next_title_alone_and_only_to_a_listener_who_stays() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    let titles = [(RenditionId(2), ObjectId([8; 32])), (RenditionId(3), ObjectId([9; 32]))];
    for (nth, (id, object)) in (6..).zip(titles) {
        let parts = vec![Part { object, size: size(), length: Span::from_secs(60) }];
        bench.input(Input::Describe(Rendition { id, swarm: SwarmId([nth; 16]), bit: 0, set: 0, parts }));
    }
    bench.play(1, 0);
    bench.input(Input::Upcoming(titles.map(|(id, _)| id).to_vec()));
    bench.input(Input::Progress { read: ReadId(1), to: size().bytes() / 4 });
    bench.take();
    let mut came = Vec::new();
    for second in 1..=20 {
        bench.wait(Span::from_secs(1));
        for output in bench.take() {
            if let Output::AskOrigin { request, object, blocks, .. } = output {
                came.push((second, object, blocks));
                bench.finish(request, blocks);
            }
        }
    }
    assert!(came.iter().all(|(second, object, _)| *second >= 10 && *object == titles[0].1), "{came:?}");
    assert_eq!(came.iter().map(|(_, _, blocks)| blocks.len()).sum::<u32>(), 16, "{came:?}");
}

#[test]
fn the_next_title_comes_in_the_last_half_minute_of_the_one_that_plays() {
    let mut bench = Bench::new(settings());
    hold_all(&mut bench);
    let (next, object) = (RenditionId(2), ObjectId([8; 32]));
    let parts = vec![Part { object, size: size(), length: Span::from_secs(60) }];
    bench.input(Input::Describe(Rendition { id: next, swarm: SwarmId([6; 16]), bit: 0, set: 0, parts }));
    bench.input(Input::Upcoming(vec![next]));
    bench.play(1, 0);
    bench.take();
    // A player that reads all of it at once and hangs up: it plays for a minute from its own memory.
    bench.input(Input::Progress { read: ReadId(1), to: size().bytes() });
    bench.input(Input::Closed { read: ReadId(1) });
    let mut came = 0;
    let mut at = Vec::new();
    for second in 1..=60 {
        bench.wait(Span::from_secs(1));
        if second == 15 {
            bench.input(Input::Stopped { play: PlayId(1) });
        }
        let mut asked = bench.asked();
        while let Some((request, from, blocks)) = asked.pop() {
            assert_eq!(from, None, "there is only the origin");
            bench.finish(request, blocks);
            asked.extend(bench.asked());
            came += blocks.len();
            at.push(second);
        }
    }
    let head = 16;
    let early = at.iter().filter(|second| **second < 29).count();
    assert!(early <= 1, "only the head comes before its time: {at:?}");
    assert!(came > head + 100 && came < all().len(), "half a minute of it: {came} blocks");
}
