//! Which supernode is home to a title: both sides compute it alike, so supernodes share nothing.

use crate::random::rank;
use crate::wire::SwarmId;

/// The order in which `supernodes` are asked for a title, as indices: the first is its home, the next one
/// stands in while the first cannot be reached. Losing one of n supernodes moves one n-th of the titles
/// (rendezvous hashing, Thaler and Ravishankar 1998).
pub fn rendezvous(supernodes: &[[u8; 32]], swarm: SwarmId) -> Vec<usize> {
    let salt = swarm_salt(swarm);
    let mut order: Vec<usize> = (0..supernodes.len()).collect();
    order
        .sort_by_cached_key(|index| (std::cmp::Reverse(rank(&supernodes[*index], salt)), supernodes[*index]));
    order
}

/// Swarm ids are hashes, so half of one is as good as the whole for spreading.
fn swarm_salt(swarm: SwarmId) -> u64 {
    let (half, _) = swarm.0.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swarm(n: u64) -> SwarmId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&crate::random::mix(n + 1).to_le_bytes());
        SwarmId(id)
    }

    #[test]
    fn titles_spread_evenly_and_the_order_of_the_list_does_not_matter() {
        let keys: Vec<[u8; 32]> = (1..=10).map(|n| [n; 32]).collect();
        let backwards: Vec<[u8; 32]> = keys.iter().rev().copied().collect();
        let mut homes = [0; 10];
        for n in 0..5_000 {
            let home = rendezvous(&keys, swarm(n))[0];
            homes[home] += 1;
            assert_eq!(backwards[rendezvous(&backwards, swarm(n))[0]], keys[home]);
        }
        assert!(homes.iter().all(|titles| (400..600).contains(titles)), "{homes:?}");
    }

    #[test]
    fn losing_a_supernode_moves_only_its_titles() {
        let keys: Vec<[u8; 32]> = (1..=10).map(|n| [n; 32]).collect();
        for n in 0..1_000 {
            let order = rendezvous(&keys, swarm(n));
            let home = rendezvous(&keys[..9], swarm(n))[0];
            let expected = if order[0] == 9 { order[1] } else { order[0] };
            assert_eq!(home, expected);
        }
    }

    #[test]
    fn no_supernode_is_no_home() {
        assert_eq!(rendezvous(&[], swarm(1)), Vec::<usize>::new());
    }
}
