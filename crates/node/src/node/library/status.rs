//! What a node says of itself at `/status`.

use std::collections::BTreeMap;

use nearcast_engine::swarm::{Leaf, Pause, Rest, Sharing};
use serde_json::{Value, json};

use super::super::board::DiskTrouble;
use super::super::state::StateError;
use super::{NodeLibrary, SupernodeState};

impl NodeLibrary {
    /// Whether this node hands on, as `/status` tells it.
    pub async fn told_sharing(&self) -> Value {
        self.state().await.sharing.map_or(Value::Null, sharing)
    }

    /// Pauses sharing or resumes it, in later lives too.
    pub(in super::super) async fn pause(&self, pause: Pause) -> Result<(), StateError> {
        self.0.household.caps.pause(pause).await
    }

    /// The answer to `/status`.
    pub(super) async fn told_status(&self) -> Value {
        let state = self.state().await;
        let inner = &self.0;
        let kept = self.kept();
        let caps = inner.household.caps.in_force();
        json!({
            "provider": {
                "key": inner.shelf.key,
                "name": self.provider_name(),
                "site": inner.shelf.site.as_str(),
                "answers": inner.shelf.answers(),
            },
            "supernode": match state.supernode {
                SupernodeState::Connected => "connected",
                SupernodeState::Away => "away",
            },
            "sharing": state.sharing.map_or(Value::Null, sharing),
            "month": {
                "handed_bytes": state.handed.map(|handed| handed.bytes),
                "limit_bytes": caps.monthly,
            },
            "upload_limit_bits": inner.household.upload_limit.map(|rate| rate.bytes_per_sec() * 8),
            "hours": caps.hours.map(|hours| json!({ "from": clock(hours.from), "to": clock(hours.to) })),
            "peers": state.peers,
            "peers_near": state.near,
            "cache_bytes": state.held_bytes,
            "cache_budget_bytes": inner.household.cache_budget,
            "kept": {
                "titles": kept.len(),
                "complete": kept.iter().filter(|title| title.complete).count(),
                "bytes": kept.iter().map(|title| title.held_bytes).sum::<u64>(),
            },
            "delivered_bytes": {
                "cache": state.from_cache, "peers": state.from_peers, "origin": state.from_origin,
            },
            // Of those from peers, the bytes that never left this network.
            "delivered_lan_bytes": inner.counts.delivered_near(),
            "sent_bytes": state.sent,
            "plays": state.plays,
            "stalls": state.stalls,
            "remembered": state.footprint.counts().into_iter().collect::<BTreeMap<_, _>>(),
            "disk": match inner.board.disk_trouble() {
                None => "has room",
                Some(DiskTrouble::Full) => "full",
                Some(DiskTrouble::Failing) => "failing",
            },
        })
    }
}

/// Whether the node hands on, as a program reads it: `state` is `on`, `near` or `off`; `why` and `until` (seconds
/// since 1970) say more of the latter two.
fn sharing(sharing: Sharing) -> Value {
    let (state, rest) = match sharing {
        Sharing::On => return json!({ "state": "on" }),
        Sharing::LanOnly(rest) => ("near", rest),
        Sharing::Off(rest) => ("off", rest),
    };
    let (why, until) = match rest {
        Rest::SwitchedOff => ("switched off", None),
        Rest::ByProvider => ("provider", None),
        Rest::Leaf(Leaf::Mobile) => ("mobile", None),
        Rest::Leaf(Leaf::Battery) => ("battery", None),
        Rest::Leaf(Leaf::Metered) => ("metered", None),
        Rest::Paused { until } => ("paused", until),
        Rest::Hours { until } => ("hours", until),
        Rest::MonthUsed { until } => ("month used", Some(until)),
    };
    json!({ "state": state, "why": why, "until": until })
}

/// Minutes of the day as people write them.
fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
