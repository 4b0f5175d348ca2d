//! Keeping up with the provider: the catalogue and the policy, looked at again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearcast_content::{NodeKey, Policy};
use nearcast_engine::swarm::{Input, Settings};

use super::library::NodeLibrary;
use super::shelf::Memory;
use super::state::State;
use crate::wall::{Watched, unix_seconds};

/// A policy is obeyed within a minute: half of it is left for a slow origin.
pub(super) const EVERY: Duration = Duration::from_secs(30);
/// How soon a change that a supernode told of is looked at.
const TOLD: Duration = Duration::from_secs(1);

/// Follows the provider for as long as it is polled.
pub(super) async fn follow(
    library: NodeLibrary,
    (own, node): (Settings, NodeKey),
    state: Arc<State>,
    every: Duration,
) {
    let mut clock = Watched::new(unix_seconds(), Instant::now());
    reopen(&library).await;
    library.keep_remembered(Memory::Only).await;
    let mut in_force = own.clone();
    let mut held_out = None;
    loop {
        if clock.was_set(unix_seconds(), Instant::now()) {
            // What was refused as expired, or as of the future, may be in date.
            reopen(&library).await;
        }
        match library.refresh().await {
            Ok(policy) => {
                let share = hold_out(policy.as_ref());
                if held_out.replace(share) != Some(share) {
                    let (day, permille) = share;
                    library.say(Input::HoldOut { day, permille }).await;
                }
                let settings = own.under(policy.as_ref(), &node);
                if settings != in_force {
                    tracing::info!(?settings, "the provider's policy changed what this node does");
                    in_force = settings.clone();
                    library.say(Input::Settings(settings)).await;
                }
                state.policy_seen(policy.map_or(0, |p| p.validity.sequence));
            }
            Err(error) => tracing::warn!(%error, "the provider's catalogue was not refreshed"),
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = state.policy_news() => tokio::time::sleep(TOLD).await,
        }
    }
}

async fn reopen(library: &NodeLibrary) {
    if let Err(error) = library.reopen_remembered().await {
        tracing::warn!(%error, "remembered titles were not reopened");
    }
}

/// The day, and how many plays in a thousand are held out on it. Without a policy nobody asked for any.
fn hold_out(policy: Option<&Policy>) -> (u32, u16) {
    let day = u32::try_from(unix_seconds() / 86_400).unwrap_or(u32::MAX);
    (day, policy.map_or(0, |policy| policy.hold_out.thousandths()))
}
