//! Players that choose among renditions, and what agents advise them.

use nearcast_engine::Rate;
use nearcast_engine::swarm::{Advice, PlayId};

use super::World;
use crate::node::Who;

impl World<'_> {
    /// A player takes the rendition that it thinks the best before it asks for the next segment.
    pub(super) fn choose_rendition(&mut self, who: Who) {
        let (catalogue, segment) = (self.catalogue.clone(), self.scenario.player.reads);
        let Some(player) = self.node(who).and_then(|node| node.player.as_mut()) else { return };
        let Some(choice) = &player.choice else { return };
        let (first, ladder) = catalogue.ladder(player.title);
        let rates: Vec<Rate> = ladder.iter().map(|title| title.rate).collect();
        let (title, played) = (catalogue.title(player.title), (player.title - first) as usize);
        let ahead = player.rate().lasts(player.buffered(title));
        let next = choice.next(&rates, played, ahead, segment);
        if next != played {
            let index = first + u32::try_from(next).unwrap_or(0);
            player.turn_to(index, title, catalogue.title(index));
            self.observe(who, &|| format!("the player takes rendition {next} of {}", rates.len()));
        }
    }

    /// A page tells its player what the agent says of the line.
    pub(super) fn take_advice(&mut self, who: Who, play: PlayId, advice: Option<Advice>) {
        let Some(player) = self.node(who).and_then(|node| node.player.as_mut()) else { return };
        let choice = player.choice.as_mut().filter(|_| player.play == play);
        if let Some(choice) = choice {
            choice.told(advice.map(|advice| advice.line));
        }
    }
}
