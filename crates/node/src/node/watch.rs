//! Keeping up with the provider: the catalogue and the policy, looked at again and again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nearcast_content::policy::Sharing;
use nearcast_content::{NodeKey, Policy};
use nearcast_engine::Rate;
use nearcast_engine::swarm::{Input, PeerUse, Settings};

use super::library::NodeLibrary;
use super::shelf::Memory;
use super::state::State;

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
    if let Err(error) = library.reopen_remembered().await {
        tracing::warn!(%error, "remembered titles were not reopened");
    }
    library.keep_remembered(Memory::Only).await;
    let mut in_force = own.clone();
    let mut held_out = None;
    loop {
        match library.refresh().await {
            Ok(policy) => {
                let share = hold_out(policy.as_ref());
                if held_out.replace(share) != Some(share) {
                    let (day, permille) = share;
                    library.say(Input::HoldOut { day, permille }).await;
                }
                let settings = under(&own, policy.as_ref(), &node);
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

/// The day, and how many plays in a thousand are held out on it. Without a policy nobody asked for any.
fn hold_out(policy: Option<&Policy>) -> (u32, u16) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let day = u32::try_from(since_1970.as_secs() / 86_400).unwrap_or(u32::MAX);
    (day, policy.map_or(0, |policy| policy.hold_out.thousandths()))
}

/// What the node's own settings come to under a policy: the stricter of both.
fn under(own: &Settings, policy: Option<&Policy>, node: &NodeKey) -> Settings {
    let Some(policy) = policy else { return own.clone() };
    let ceiling = policy.upload_ceiling.map(Rate::from_bytes_per_sec);
    let upload_limit = own.upload_limit.into_iter().chain(ceiling).min();
    let peers = match policy.sharing {
        Sharing::On if policy.includes(node) => own.peers,
        Sharing::On | Sharing::Off => PeerUse::HoldOut,
    };
    Settings { upload_limit, peers, ..own.clone() }
}

#[cfg(test)]
mod tests {
    use nearcast_content::policy::Permille;
    use nearcast_content::{UnixTime, Validity};
    use nearcast_engine::swarm::OriginUse;
    use nearcast_engine::wire::Serves;

    use super::*;

    #[test]
    fn the_stricter_of_own_settings_and_policy_holds() {
        let own = Settings {
            serves: Serves::Others,
            upload_limit: Some(Rate::from_bytes_per_sec(1_000)),
            cache_budget: 1,
            origin: OriginUse::Fallback,
            peers: PeerUse::Share,
        };
        let validity = Validity { sequence: 1, issued: UnixTime(0), expires: UnixTime(9) };
        let mut policy = Policy::unrestricted(validity);
        let node = NodeKey([7; 32]);
        let under = |own: &Settings, policy: Option<&Policy>| super::under(own, policy, &node);
        assert_eq!(under(&own, Some(&policy)), own);
        policy.upload_ceiling = Some(10);
        assert_eq!(under(&own, Some(&policy)).upload_limit, Some(Rate::from_bytes_per_sec(10)));
        policy.upload_ceiling = Some(10_000);
        assert_eq!(under(&own, Some(&policy)).upload_limit, own.upload_limit);
        policy.participation = Permille::NONE;
        assert_eq!(under(&own, Some(&policy)).peers, PeerUse::HoldOut);
        policy.participation = Permille::ALL;
        policy.sharing = Sharing::Off;
        assert_eq!(under(&own, Some(&policy)).peers, PeerUse::HoldOut);
    }
}
