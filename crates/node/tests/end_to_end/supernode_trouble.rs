//! The supernode is away: origin and known peers carry on.

use super::bench::{Listener, Origin, Setup, Site, Supernode};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_supernode_the_origin_serves_and_with_it_nodes_find_each_other() {
    let site = Site::with_a_song(51);
    let (origin, mut supernode) = (Origin::start(&site).await, Supernode::down(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let (one, two) = (Listener::start(&setup).await, Listener::start(&setup).await);
    one.play_all(&site).await;
    two.play(&site, 0, 300_000).await;
    assert_eq!(two.status().await.delivered("peers"), 0);
    supernode.start_again().await;
    two.peers(1).await;
    two.play(&site, 300_000, site.song.len()).await;
    let status = two.status().await;
    // How much the origin brought ahead of the player depends on how long the supernode took to be found again.
    assert!(status.delivered("peers") > 700_000, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_stay_connected_when_the_supernode_dies() {
    let site = Site::with_a_song(52);
    let (mut origin, mut supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let (one, two) = (Listener::start(&setup).await, Listener::start(&setup).await);
    one.play_all(&site).await;
    supernode.titles(1).await;
    two.play(&site, 0, 300_000).await;
    two.peers(1).await;
    supernode.stop().await;
    origin.stop().await;
    two.play(&site, 300_000, site.song.len()).await;
    assert!(two.status().await.delivered("peers") > 1_000_000);
    // A third one finds them through the supernode when both servers are back.
    origin.start_again().await;
    supernode.start_again().await;
    supernode.titles(1).await;
    let three = Listener::start(&setup).await;
    three.play_all(&site).await;
    let status = three.status().await;
    assert!(status.delivered("peers") > 1_000_000, "{status:?}");
}
