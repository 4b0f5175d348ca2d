//! The origin goes away, peers go away, and what a player notices of it.

use reqwest::StatusCode;

use super::bench::{Listener, Origin, SONG, Setup, Site, Supernode, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_finish_a_play_whose_origin_stops() {
    let site = Site::with_a_song(21);
    let (mut origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let holder = Listener::start(&setup).await;
    holder.play_all(&site).await;
    supernode.titles(1).await;
    let listener = Listener::start(&setup).await;
    listener.play(&site, 0, 300_000).await;
    listener.peers(1).await;
    origin.stop().await;
    listener.play(&site, 300_000, site.song.len()).await;
    let status = listener.status().await;
    assert!(status.delivered("peers") > 1_000_000, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_finishes_a_play_whose_peers_leave() {
    let site = Site::with_a_song(22);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let holder = Listener::start(&setup).await;
    holder.play_all(&site).await;
    supernode.titles(1).await;
    let listener = Listener::start(&setup).await;
    listener.play(&site, 0, 300_000).await;
    listener.peers(1).await;
    holder.stop().await;
    listener.play(&site, 300_000, site.song.len()).await;
    let status = listener.status().await;
    assert!(status.delivered("origin") > 300_000, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_play_without_any_source_is_told_so_and_goes_on_when_the_origin_is_back() {
    let site = Site::with_a_song(23);
    let (mut origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let listener = Listener::start(&Setup::new(&origin, &supernode)).await;
    listener.play(&site, 0, 300_000).await;
    origin.stop().await;
    let all = site.song.len();
    // Far ahead of anything that was fetched so far.
    let got = listener.range(SONG, all - 200_000, all).await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    let said = String::from_utf8(got.bytes).expect("words");
    assert!(said.contains("neither the provider nor any peer"), "{said}");
    origin.start_again().await;
    // A player that was told so tries again.
    until("the end of the song comes", async || {
        let got = listener.range(SONG, all - 200_000, all).await;
        got.whole && got.bytes == site.song[all - 200_000..]
    })
    .await;
    listener.play(&site, 300_000, all).await;
}
