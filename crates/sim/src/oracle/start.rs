//! How soon a play can begin at best.
//!
//! Nothing of it is here and nobody knew of it before it was told of. What the player wants comes in whole blocks, since
//! half a block cannot be verified. The origin's first byte is here after a round trip and the time that the server takes
//! to find the track; a peer's after a round trip. All sources send at once, each as fast as its own line goes, and all
//! that comes from outside the household goes through its downlink. Everybody who could have something of the title by
//! then is a source that does nothing else, is connected already and holds whatever is wanted.
//!
//! Windows are taken as wide open: a connection may have been in use the moment before, for the track that was skipped. A
//! cold one takes longer.

use nearcast_engine::{Nearness, Rate, Span, Time};

use super::record::{Begun, meet};
use super::spread::Member;
use super::{Evening, blocks_of, len_of_block};
use crate::catalogue::Title;
use crate::network::Transport;

/// What a start takes.
struct Wanted {
    blocks: u64,
    bytes: u64,
    shortest: u64,
}

/// A peer has brought another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Brought {
    after: Span,
    lan: bool,
}

impl Evening<'_> {
    /// When a play can begin at the earliest, from when it was asked for.
    pub(super) fn could_begin(&self, members: &[Member], begun: &Begun) -> Span {
        let Ok(at) = members.binary_search_by_key(&begun.node, |member| member.node) else {
            return Span::ZERO;
        };
        let own = members[at];
        if own.holds {
            return Span::ZERO;
        }
        (own.from + self.fetched_after(members, own, begun.title)).since(begun.at)
    }

    /// How long it takes at best to fetch what the player wants before it begins.
    fn fetched_after(&self, members: &[Member], own: Member, title: u32) -> Span {
        let wanted = self.wanted(self.catalogue.title(title));
        let link = &self.link(own.node);
        let origin = &self.scenario.origin;
        let down = Transport::Tcp.carried(link.down);
        let origin_first = (link.delay + origin.delay).times(2) + origin.request;
        let origin_rate = down.min(Transport::Tcp.carried(origin.up));
        let alone = origin_first + origin_rate.span_for(wanted.bytes);
        let (mut first, mut brought) = (origin_first, Vec::new());
        for peer in members.iter().filter(|peer| own.shares && self.could_give(peer, &own, own.from + alone))
        {
            let (near, delay) = self.reach.delay(peer.node, own.node);
            let lan = near == Nearness::Lan;
            let up = if lan { self.scenario.places.lan } else { self.link(peer.node).up };
            let block = Transport::Quic.carried(up).span_for(wanted.shortest);
            let of_it =
                (1..=wanted.blocks).map(|nth| Brought { after: delay.times(2) + block.times(nth), lan });
            let before = brought.len();
            brought.extend(of_it.take_while(|brought| brought.after < alone));
            if brought.len() > before && !lan {
                first = first.min(delay.times(2));
            }
        }
        brought.sort_unstable();
        let with = Race { wanted: &wanted, origin_first, origin_rate, first, down };
        // Every chunk's time on a line is rounded down to microseconds.
        with.won(&brought).min(alone).less(Span::from_micros(wanted.blocks))
    }

    /// Whether a member may have something to give before `by`, to one who asks from its own `from` on.
    fn could_give(&self, peer: &Member, own: &Member, by: Time) -> bool {
        let there =
            meet(self.record.online(peer.node), self.record.online(own.node), own.from.max(peer.from));
        peer.gives
            && peer.shares
            && peer.node != own.node
            && there.is_some_and(|at| at <= by)
            && self.reach.connects(peer.node, own.node)
    }

    fn link(&self, node: u32) -> &crate::scenario::Link {
        let household = self.audience.listeners[node as usize].household;
        &self.audience.households[household as usize].link
    }

    /// The blocks that a player wants before it begins, from the beginning of a title.
    fn wanted(&self, title: &Title) -> Wanted {
        let spec = &self.scenario.player;
        let enough = title.length.min(spec.start_after);
        let mut end = title.bytes_at(enough);
        if spec.whole {
            // Nothing of a range is shown before all of it is here.
            end = 0;
            while end < title.bytes && title.media(end) < enough {
                let to = title.bytes_at(title.media(end) + spec.reads).max(end + 1);
                let (part, bytes) = title.locate(end, to);
                end = title.offset_of(part) + bytes.end;
            }
        }
        let blocks = blocks_of(title, (0, end));
        let lens: Vec<u64> = blocks.iter().map(|block| len_of_block(title, block)).collect();
        Wanted {
            blocks: blocks.len().into(),
            bytes: lens.iter().sum(),
            shortest: lens.iter().copied().min().unwrap_or(0),
        }
    }
}

/// All sources together.
struct Race<'r> {
    wanted: &'r Wanted,
    /// When the origin's first byte is here.
    origin_first: Span,
    origin_rate: Rate,
    /// When the first byte from outside the household can be here.
    first: Span,
    down: Rate,
}

impl Race<'_> {
    /// When all that is wanted can be here at the earliest, given when peers have brought blocks.
    fn won(&self, brought: &[Brought]) -> Span {
        let (mut peers, mut lan) = (0, 0);
        let mut since = Span::ZERO;
        for next in brought.iter().map(Some).chain([None]) {
            let at = since.max(self.here_with(peers, lan));
            if next.is_none_or(|next| at < next.after) {
                return at;
            }
            if let Some(next) = next {
                (peers, since) = (peers + 1, next.after);
                lan += u64::from(next.lan);
            }
        }
        since
    }

    /// When all is here at the earliest, when peers bring so many blocks, and so many of them the household.
    fn here_with(&self, peers: u64, lan: u64) -> Span {
        let without = |blocks: u64| self.wanted.bytes.saturating_sub(blocks * nearcast_content::BLOCK_SIZE);
        let origin = match without(peers) {
            0 => Span::ZERO,
            bytes => self.origin_first + self.origin_rate.span_for(bytes),
        };
        let down = match without(lan) {
            0 => Span::ZERO,
            bytes => self.first + self.down.span_for(bytes),
        };
        origin.max(down)
    }
}
