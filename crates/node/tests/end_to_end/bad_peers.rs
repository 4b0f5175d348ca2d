//! Peers that lie, say nothing, or stop in the middle.

use std::net::SocketAddr;

use super::bench::{Listener, Origin, Setup, Site, Supernode, until};
use super::liar::{Liar, Manner};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_peer_is_dropped_for_this_life_and_banned_the_second_time() {
    let site = Site::with_a_song(31);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let liar = Liar::start(77, Manner::Lies, &site, &supernode).await;
    let setup = Setup::new(&origin, &supernode);
    let mut state = None;
    for _life in 1..=2 {
        let before = liar.connections();
        // Nothing of the first life's cache, so that there is something to lie about again.
        let listener = match state.take() {
            None => Listener::start(&setup).await,
            Some(state) => Listener::start_without_cache(&setup, state).await,
        };
        listener.play_all(&site).await;
        let strikes = async || listener.counter("nearcast_strikes_total").await;
        until("a strike", async || strikes().await == 1).await;
        assert!(listener.counter("nearcast_rejected_blocks_total").await >= 1);
        assert_eq!(liar.connections(), before + 1, "dropped for the rest of this life");
        liar.alone().await;
        listener.dial_from(&liar);
        until("the door is shut", async || liar.connections() == before + 2).await;
        liar.alone().await;
        assert_eq!(strikes().await, 1, "nothing more was asked of it");
        state = Some(listener.stop().await);
    }
    let (connections, wants) = (liar.connections(), liar.wants());
    let listener = Listener::start_without_cache(&setup, state.expect("a second life")).await;
    listener.play_all(&site).await;
    assert_eq!((liar.connections(), liar.wants()), (connections, wants), "banned, and not connected to");
    assert_eq!(listener.counter("nearcast_rejected_blocks_total").await, 0);
    drop(origin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_offers_everything_and_delivers_nothing_holds_nobody_up() {
    plays_beside(41, Manner::IsSilent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_in_the_middle_of_a_run_holds_nobody_up() {
    plays_beside(42, Manner::Stalls).await;
}

/// Plays all of a song whose only peer does not deliver.
async fn plays_beside(seed: u8, manner: Manner) {
    let site = Site::with_a_song(seed);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let liar = Liar::start(seed, manner, &site, &supernode).await;
    let listener = Listener::start(&Setup::new(&origin, &supernode)).await;
    listener.play_all(&site).await;
    assert!(liar.wants() > 0, "it was believed");
    let status = listener.status().await;
    assert_eq!(status.number("/stalls"), 0, "{status:?}");
    assert_eq!(listener.counter("nearcast_strikes_total").await, 0, "being slow is no crime");
}

impl Listener {
    /// Lets a hostile node connect to this one.
    fn dial_from(&self, liar: &Liar) {
        let port = self.node().address().port().expect("a port");
        liar.dial(self.node().key(), vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    }
}
