//! Plays that go without peers, to compare with.

use super::*;

#[test]
fn a_held_out_title_is_played_without_peers_up_or_down() {
    let mut bench = Bench::new(settings());
    bench.input(Input::HoldOut { day: 1, permille: 1_000 });
    let peer = bench.peer(2, Nearness::Lan);
    let blocks = BlockRange::new(0, 64).into();
    bench.input(Input::Stored(Stored { object: OBJECT, size: size(), blocks, last_used: 1 }));
    bench.take();
    bench.play(1, 60 * BLOCK);
    let noted = |out: &[Output], note: Note| out.iter().any(|o| *o == Output::Note(note.clone()));
    assert!(noted(&bench.out, Note::HeldOut { play: PlayId(1) }));
    bench.has(peer, all());
    let asked = bench.asked();
    assert!(!asked.is_empty() && asked.iter().all(|(_, from, _)| from.is_none()), "{asked:?}");
    let serves = |bench: &mut Bench, request| {
        let want = Want { request, object: OBJECT, blocks: BlockRange::new(0, 16), due_millis: 0 };
        bench.message(peer, PeerMessage::Want(want));
        bench.take().iter().any(|output| matches!(output, Output::Serve { .. }))
    };
    assert!(!serves(&mut bench, 1));
    bench.input(Input::HoldOut { day: 1, permille: 0 });
    assert!(serves(&mut bench, 2), "it was the hold-out that kept it from serving");
    bench.input(Input::Stopped { play: PlayId(1) });
    assert!(noted(&bench.out, Note::Ended { play: PlayId(1), media: Span::ZERO }));
}
