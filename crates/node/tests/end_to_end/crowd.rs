//! Listeners of the same song.

use nearcast_engine::wire::Serves;

use super::bench::{Listener, Origin, Setup, Site, Supernode, song};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_in_turn_the_third_gets_most_from_the_others() {
    let site = Site::with_a_song(11);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let (one, two, three) =
        (Listener::start(&setup).await, Listener::start(&setup).await, Listener::start(&setup).await);
    for listener in [&one, &two, &three] {
        listener.play_all(&site).await;
        supernode.titles(1).await;
    }
    let (first, third) = (one.status().await, three.status().await);
    let all = site.song.len() as u64;
    assert_eq!(first.delivered("peers"), 0, "{first:?}");
    assert!(third.delivered("peers") > all * 3 / 4, "{third:?}");
    let sources = ["cache", "peers", "origin"].map(|source| third.delivered(source));
    assert_eq!(sources.iter().sum::<u64>(), all, "{third:?}");
    let sent = one.status().await.number("/sent_bytes") + two.status().await.number("/sent_bytes");
    assert!(sent >= third.delivered("peers"), "{sent} bytes sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_share_sends_nothing_to_a_peer_that_wants_it() {
    let site = Site::with_a_song(12);
    let second = song(112, 600_000);
    site.add("second", &second);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let alone = Setup { serves: Serves::Nobody, ..Setup::new(&origin, &supernode) };
    let (leaf, other) = (Listener::start(&alone).await, Listener::start(&setup).await);
    assert_eq!(leaf.range("second", 0, second.len()).await.bytes, second);
    other.play_all(&site).await;
    supernode.titles(1).await;
    // It takes from the other, so they are connected; then the other wants what it alone holds.
    leaf.play_all(&site).await;
    let taken = leaf.status().await;
    assert!(taken.delivered("peers") > 1_000_000, "{taken:?}");
    other.peers(1).await;
    let before = other.status().await.delivered("peers");
    assert_eq!(other.range("second", 0, second.len()).await.bytes, second);
    assert_eq!(other.status().await.delivered("peers"), before, "the origin brought it");
    assert_eq!(other.status().await.number("/peers"), 1, "they stayed connected");
    let (sent, counted) =
        (leaf.status().await.number("/sent_bytes"), leaf.counter("nearcast_sent_bytes_total").await);
    assert_eq!((sent, counted), (0, 0));
}
