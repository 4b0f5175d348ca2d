//! Titles kept for offline, and listeners whose provider and supernode are gone.

use serde_json::json;

use super::bench::{Listener, Origin, SONG, Setup, Site, Supernode, song, until};

const OTHER_BYTES: usize = 600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_title_comes_by_itself_and_plays_when_everybody_is_gone() {
    let site = Site::with_a_song(71);
    let (mut origin, mut supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let listener = Listener::start(&setup).await;
    let (status, answer) = listener.tell("control/keep", &json!({ "titles": [SONG] })).await;
    assert_eq!((status.as_u16(), &answer[0]["id"]), (200, &json!(SONG)), "{answer}");
    listener.all_kept().await;
    let state = listener.stop().await;
    origin.stop().await;
    supernode.stop().await;
    let offline = Listener::start_in(&setup, state).await.expect("starts without its provider");
    offline.all_kept().await;
    offline.play_all(&site).await;
    let said = offline.status().await;
    assert_eq!(said.delivered("cache"), site.song.len() as u64, "{said:?}");
    assert_eq!(said.number("/kept/titles"), 1, "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keep_that_was_cut_short_goes_on_in_the_next_life() {
    let site = Site::with_a_song(72);
    let (mut origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup { refresh: std::time::Duration::from_millis(200), ..Setup::new(&origin, &supernode) };
    let listener = Listener::start(&setup).await;
    // The manifest is here, the song is not: its origin goes away before it can be fetched.
    listener.get(&format!("t/{SONG}/nothing")).await;
    origin.stop().await;
    let (status, _) = listener.tell("control/keep", &json!({ "titles": [SONG] })).await;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(listener.kept().await[0]["complete"], false);
    let state = listener.stop().await;
    origin.start_again().await;
    let again = Listener::start_in(&setup, state).await.expect("starts");
    again.all_kept().await;
    assert_eq!(again.kept().await[0]["held_bytes"], json!(site.song.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_survives_a_small_cache_and_the_rest_does_not() {
    let site = Site::with_a_song(73);
    let others: Vec<(String, Vec<u8>)> =
        (0..4).map(|n| (format!("other-{n}"), song(80 + n, OTHER_BYTES))).collect();
    others.iter().for_each(|(name, bytes)| site.add(name, bytes));
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup { cache: 3_000_000, ..Setup::new(&origin, &supernode) };
    let listener = Listener::start(&setup).await;
    listener.tell("control/keep", &json!({ "titles": [SONG] })).await;
    listener.all_kept().await;
    let (status, why) = listener.tell("control/keep", &json!({ "titles": ["other-0", "other-1"] })).await;
    assert_eq!(status.as_u16(), 409, "{why}");
    assert!(why.as_str().is_some_and(|why| why.contains("other-1") && why.contains("--cache")), "{why}");
    listener.tell("control/unkeep", &json!({ "titles": ["other-0"] })).await;
    for (name, bytes) in &others {
        assert_eq!(&listener.range(name, 0, bytes.len()).await.bytes, bytes);
    }
    let held = listener.status().await.number("/cache_bytes");
    assert!(held <= 3_000_000, "{held}");
    assert_eq!(listener.kept().await[0]["complete"], true);
    // Thrown out is what is not kept.
    let (status, why) = listener.tell("control/cache/delete", &json!({ "titles": [SONG] })).await;
    assert_eq!(status.as_u16(), 409, "{why}");
    until("the players' reads are over", async || {
        let (status, freed) = listener.tell("control/cache/clear", &json!({})).await;
        assert_eq!(status.as_u16(), 200);
        freed["cache_bytes"].as_u64().is_some_and(|bytes| bytes < 2_100_000)
    })
    .await;
    assert_eq!(listener.kept().await[0]["complete"], true);
    listener.tell("control/unkeep", &json!({ "titles": [SONG] })).await;
    let (status, freed) = listener.tell("control/cache/delete", &json!({ "titles": [SONG] })).await;
    assert_eq!(status.as_u16(), 200, "{freed}");
    assert!(freed["freed_bytes"].as_u64().is_some_and(|bytes| bytes >= 1_900_000), "{freed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn friends_find_each_other_without_provider_and_supernode() {
    let site = Site::with_a_song(74);
    let other = song(174, OTHER_BYTES);
    site.add("other", &other);
    let (mut origin, mut supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let (one, two) = (Listener::start(&setup).await, Listener::start(&setup).await);
    assert_eq!(one.range("other", 0, other.len()).await.bytes, other);
    two.play_all(&site).await;
    supernode.titles(2).await;
    // They meet over a little of the song; its documents are remembered by both.
    one.play(&site, 0, 300_000).await;
    one.peers(1).await;
    let (one, two) = (one.stop().await, two.stop().await);
    origin.stop().await;
    supernode.stop().await;
    let two = Listener::start_in(&setup, two).await.expect("starts alone");
    let one = Listener::start_in(&setup, one).await.expect("starts alone");
    // How much it had read ahead before depends on how fast they met.
    one.tell("control/cache/clear", &json!({})).await;
    one.play_all(&site).await;
    let said = one.status().await;
    assert!(said.delivered("peers") > 1_000_000, "{said:?}");
    assert_eq!(said.delivered("origin"), 0, "{said:?}");
    drop(two);
}
