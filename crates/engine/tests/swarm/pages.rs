//! Peers that run in pages of browsers: told apart in what is counted.

use nearcast_content::FeatureSet;

use super::*;

fn meet(bench: &mut Bench, features: FeatureSet) -> PeerId {
    let (peer, node) = (PeerId(2), NodeKey([2; 32]));
    let rtt = Span::from_millis(10);
    let (side, path, nearness) = (Side::Dialed, Path::Direct, Some(Nearness::Isp));
    bench.input(Input::Connected { peer, node, side, path, rtt, nearness });
    let (versions, features) = (Versions::OURS, features.0);
    let hello = Hello { versions, features, provider: PROVIDER, serves: Serves::Others, credential: None };
    bench.message(peer, PeerMessage::Hello(hello));
    peer
}

/// Where delivered bytes came from.
fn sources(features: FeatureSet) -> Vec<Source> {
    let mut bench = Bench::new(Settings { origin: OriginUse::Never, ..settings() });
    let peer = meet(&mut bench, features);
    bench.play(1, 0);
    bench.has(peer, all());
    for (request, _, blocks) in bench.asked() {
        bench.finish(request, blocks);
    }
    bench.input(Input::Progress { read: ReadId(1), to: 4 * BLOCK });
    let of = |o: Output| match o {
        Output::Note(Note::Delivered { source, .. }) => Some(source),
        _ => None,
    };
    bench.take().into_iter().filter_map(of).collect()
}

#[test]
fn what_pages_give_is_told_apart_from_what_programs_give() {
    assert_eq!(sources(FeatureSet::PAGE), [Source::Peer(Nearness::Isp, RunsIn::Page)]);
    assert_eq!(sources(FeatureSet::OURS), [Source::Peer(Nearness::Isp, RunsIn::Program)]);
}

#[test]
fn a_hello_says_what_its_node_runs_in() {
    let said = |runs_in| {
        let mut bench = Bench::new(Settings { runs_in, ..settings() });
        meet(&mut bench, FeatureSet::NONE);
        let of = |o: Output| match o {
            Output::Send { message: PeerMessage::Hello(hello), .. } => Some(FeatureSet(hello.features)),
            _ => None,
        };
        bench.take().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(said(RunsIn::Page), [FeatureSet::PAGE]);
    assert_eq!(said(RunsIn::Program), [FeatureSet::NONE], "as older ones say it");
}
