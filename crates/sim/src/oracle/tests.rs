//! Evenings small enough to be reckoned by hand.

use super::*;

/// Nodes that are online in given stretches; all on a line of their own, all can connect unless said otherwise.
struct Hand {
    scenario: Scenario,
    catalogue: Catalogue,
    audience: Audience,
    record: Record,
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

/// One title of 8 blocks.
fn hand(text: &str, online: &[(u64, u64)]) -> Hand {
    let title = "[catalogue]\ntitles = 2\nspread-percent = 0\nlength = '8s'\nrate = '131.072kbit'\n";
    let text = format!("[listeners]\ncount = {}\n{title}{text}", online.len());
    let scenario = Scenario::parse(&text).expect("a scenario");
    let catalogue = Catalogue::draw(&scenario, 1);
    let mut audience = Audience::draw(&scenario, &catalogue, 1);
    let mut record = Record::default();
    for ((from, to), node) in online.iter().zip(0..) {
        record.came(node, at(*from));
        record.went(node, at(*to));
        audience.listeners[node as usize].history.clear();
    }
    Hand { scenario, catalogue, audience, record }
}

impl Hand {
    fn holds(mut self, node: u32) -> Self {
        self.audience.listeners[node as usize].history = vec![0];
        let from = self.record.online(node)[0].0;
        self.record.told(node, 0, from);
        self
    }

    /// A node asks for the title and takes all of it at one moment.
    fn takes(mut self, node: u32, asks: u64, takes: u64) -> Self {
        let bytes = (0, self.catalogue.title(0).bytes);
        self.record.told(node, 0, at(asks));
        self.record.asked(Begun { node, title: 0, play: 0, at: at(asks) });
        self.record.took(Take { node, title: 0, play: 0, at: at(takes), bytes, origin: true });
        self
    }

    /// Blocks from the origin by node, and the starts in milliseconds.
    fn judged(&self, foresight: Foresight) -> Heard {
        let Self { scenario, audience, catalogue, record } = self;
        let reach = Reach::new(scenario, audience, 1);
        let mut heard = Heard::default();
        Evening { scenario, audience, catalogue, reach, record }.judge(foresight, &mut heard);
        heard
    }

    fn copies(&self, foresight: Foresight) -> u64 {
        self.judged(foresight).blocks.values().sum::<u64>() / 8
    }
}

#[derive(Debug, Default)]
struct Heard {
    blocks: BTreeMap<u32, u64>,
    from: BySource,
    starts: Vec<u64>,
}

impl Hears for Heard {
    fn took(&mut self, _take: &Take, from: BySource) {
        self.from.add_all(from);
    }

    fn origin_sent(&mut self, (node, ..): (u32, u32, u32), _at: Time, bytes: u64) {
        assert_eq!(bytes, BLOCK_SIZE);
        *self.blocks.entry(node).or_default() += 1;
    }

    fn could_begin(&mut self, _begun: &Begun, after: Span) {
        self.starts.push(after.millis());
    }
}

const FREE: &str = "[nat]\nfail-percent = 0";

#[test]
fn who_is_alone_takes_all_from_the_origin_and_who_follows_nothing() {
    let alone = hand(FREE, &[(0, 100), (200, 300)]).takes(0, 0, 10).takes(1, 200, 210);
    assert_eq!(alone.judged(Foresight::Clicks).blocks, BTreeMap::from([(0, 8), (1, 8)]), "they never meet");
    let follows = hand(FREE, &[(0, 100), (50, 300)]).takes(0, 0, 10).takes(1, 90, 95);
    let heard = follows.judged(Foresight::Told);
    assert_eq!(heard.blocks, BTreeMap::from([(0, 8)]));
    assert_eq!((heard.from.origin, heard.from.peers()), (8 * BLOCK_SIZE, 8 * BLOCK_SIZE));
}

#[test]
fn a_chain_of_meetings_carries_a_copy_in_the_order_of_time_only() {
    // The first and the last never meet; the one in between meets both.
    let chain = |asks: u64| {
        let evening = hand(FREE, &[(0, 100), (90, 210), (200, 300)]);
        evening.takes(0, 10, 20).takes(1, asks, asks + 5).takes(2, 205, 230)
    };
    assert_eq!(chain(95).copies(Foresight::Told), 1);
    assert_eq!(chain(150).copies(Foresight::Told), 2, "it asked when the first had gone");
    assert_eq!(chain(150).copies(Foresight::Clicks), 1, "it knew that it would ask");
    // The other way round in time: who has it last cannot give it to who was there first.
    let backwards =
        hand(FREE, &[(0, 100), (0, 300), (200, 300)]).holds(2).takes(0, 10, 20).takes(1, 210, 220);
    assert_eq!(backwards.judged(Foresight::Clicks).blocks, BTreeMap::from([(0, 8)]));
}

#[test]
fn an_earlier_evening_s_copy_costs_nothing() {
    let holder = hand(FREE, &[(0, 100), (50, 300)]).holds(0).takes(1, 60, 70);
    assert_eq!(holder.copies(Foresight::Told), 0);
    let late = hand(FREE, &[(0, 100), (50, 300)]).holds(0).takes(1, 101, 110);
    assert_eq!(late.copies(Foresight::Told), 1, "it has gone by then");
    assert_eq!(late.copies(Foresight::Clicks), 0, "foreseen while it was there");
}

#[test]
fn who_cannot_be_reached_or_does_not_serve_is_no_source() {
    let both = |text: &str| hand(text, &[(0, 300), (0, 300)]).takes(0, 0, 10).takes(1, 100, 110);
    assert_eq!(both(FREE).copies(Foresight::Clicks), 1);
    assert_eq!(both("[nat]\nfail-percent = 100").copies(Foresight::Clicks), 2);
    let mut nobody = both(FREE);
    nobody.audience.listeners.iter_mut().for_each(|l| {
        l.settings.serves = nearcast_engine::wire::Serves::Nobody;
    });
    assert_eq!(nobody.copies(Foresight::Clicks), 2);
}

#[test]
fn a_start_takes_a_round_trip_and_what_the_line_needs() {
    // 16 KiB a second of media, of which the player wants three.
    let text = "[nat]\nfail-percent = 0\n[player]\nstart-after = '3s'\n[[links]]\ndown = '2mbit'\nup = '1mbit'\ndelay = '10ms'\n\
                [origin]\ndelay = '30ms'\nrequest = '50ms'";
    let alone = hand(text, &[(0, 100)]).takes(0, 5, 10);
    // 80 ms there and back, 50 ms, and 48 KiB at 95.6 % of 250 kB/s: 205 ms.
    assert_eq!(alone.judged(Foresight::Told).starts, [335]);
    // A peer's block takes 139 ms over its uplink and 40 to 220 ms of round trip more.
    let with_peer = hand(text, &[(0, 100), (0, 100)]).holds(1).takes(0, 5, 10);
    let with_peer = with_peer.judged(Foresight::Told).starts[0];
    assert!((250..335).contains(&with_peer), "{with_peer}");
    let held = hand(text, &[(0, 100)]).holds(0).takes(0, 5, 10);
    assert_eq!(held.judged(Foresight::Told).starts, [0]);
    let mut announced = hand(text, &[(0, 100)]);
    announced.record.told(0, 0, at(4));
    assert_eq!(announced.takes(0, 5, 10).judged(Foresight::Told).starts, [0]);
}
