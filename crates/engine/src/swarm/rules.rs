//! What a node's own settings come to under the rules of its provider.

use nearcast_content::policy::Sharing;
use nearcast_content::{NodeKey, Policy};

use super::api::{PeerUse, Settings};
use crate::units::Rate;

impl Settings {
    /// The stricter of these and of a policy, for the node with this key.
    #[must_use]
    pub fn under(&self, policy: Option<&Policy>, node: &NodeKey) -> Self {
        let Some(policy) = policy else { return self.clone() };
        let ceiling = policy.upload_ceiling.map(Rate::from_bytes_per_sec);
        let upload_limit = self.upload_limit.into_iter().chain(ceiling).min();
        let peers = match policy.sharing {
            Sharing::On if policy.includes(node) => self.peers,
            Sharing::On | Sharing::Off => PeerUse::HoldOut,
        };
        Self { upload_limit, peers, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_content::policy::Permille;
    use nearcast_content::{UnixTime, Validity};

    use super::super::api::{OriginUse, RunsIn};
    use super::*;
    use crate::wire::Serves;

    #[test]
    fn the_stricter_of_own_settings_and_policy_holds() {
        let own = Settings {
            serves: Serves::Others,
            upload_limit: Some(Rate::from_bytes_per_sec(1_000)),
            cache_budget: 1,
            origin: OriginUse::Fallback,
            peers: PeerUse::Share,
            runs_in: RunsIn::Program,
        };
        let validity = Validity { sequence: 1, issued: UnixTime(0), expires: UnixTime(9) };
        let mut policy = Policy::unrestricted(validity);
        let node = NodeKey([7; 32]);
        assert_eq!(own.under(Some(&policy), &node), own);
        policy.upload_ceiling = Some(10);
        assert_eq!(own.under(Some(&policy), &node).upload_limit, Some(Rate::from_bytes_per_sec(10)));
        policy.upload_ceiling = Some(10_000);
        assert_eq!(own.under(Some(&policy), &node).upload_limit, own.upload_limit);
        policy.participation = Permille::NONE;
        assert_eq!(own.under(Some(&policy), &node).peers, PeerUse::HoldOut);
        policy.participation = Permille::ALL;
        policy.sharing = Sharing::Off;
        assert_eq!(own.under(Some(&policy), &node).peers, PeerUse::HoldOut);
    }
}
