//! What a provider signs: its key, its catalogue, titles it takes back.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nearcast_content::site::CATALOGUE;
use nearcast_engine::Rate;
use nearcast_node::http::Uplink;
use nearcast_node::publish;
use reqwest::StatusCode;
use serde_json::Value;

use super::bench::{Listener, Origin, SONG, Setup, Site, Supernode, song, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_at_the_same_address_is_refused_with_words() {
    let (site, other) = (Site::with_a_song(71), Site::with_a_song(72));
    let (mut origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let trusting = Setup { link: origin.bare_link(), ..Setup::new(&origin, &supernode) };
    let listener = Listener::start(&trusting).await;
    listener.play(&site, 0, 100_000).await;
    let state = listener.stop().await;
    origin.become_another(&other).await;
    let refused = Listener::start_in(&trusting, Arc::clone(&state)).await.err().expect("refused").to_string();
    for key in [site.provider(), other.provider()] {
        assert!(refused.contains(&key.to_string()), "{refused} does not name {key}");
    }
    // The right one at the right place is trusted as before.
    origin.become_another(&site).await;
    let listener = Listener::start_in(&trusting, state).await.expect("starts");
    listener.play_all(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_catalogue_does_not_take_titles_away() {
    let site = Site::with_a_song(73);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let path = site.root().join(CATALOGUE);
    let older = fs::read(&path).expect("a catalogue");
    site.add("second", &song(173, 100_000));
    let setup = Setup { refresh: Duration::from_millis(200), ..Setup::new(&origin, &supernode) };
    let listener = Listener::start(&setup).await;
    assert_eq!(titles(&listener).await.len(), 2, "asked as soon as it is there");
    fs::write(&path, older).expect("written");
    let state = listener.stop().await;
    let again = Listener::start_in(&setup, state).await.expect("the remembered one does");
    assert_eq!(titles(&again).await.len(), 2, "the newer one is remembered");
    again.play(&site, 0, 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn titles_are_listed_once_the_catalogue_is_here() {
    let site = Site::with_a_song(75);
    let supernode = Supernode::start(&site).await;
    // The catalogue takes a while.
    let origin = Origin::start_with(&site, Uplink::new(Rate::from_bytes_per_sec(4_000)), Router::new()).await;
    let listener = Listener::start(&Setup::new(&origin, &supernode)).await;
    assert_eq!(titles(&listener).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_title_is_gone_for_players_and_peers() {
    let site = Site::with_a_song(74);
    // A catalogue with nothing in it is another matter.
    site.add("second", &song(174, 100_000));
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let keen = Setup { refresh: Duration::from_millis(200), ..Setup::new(&origin, &supernode) };
    let holder = Listener::start(&keen).await;
    holder.play_all(&site).await;
    supernode.titles(1).await;
    // This one will not look at the catalogue again, and goes on asking.
    let ignorant = Listener::start(&Setup::new(&origin, &supernode)).await;
    ignorant.play(&site, 0, 100_000).await;
    ignorant.peers(1).await;
    let song = SONG.parse().expect("a title");
    publish::withdraw(&song, &site.root(), &site.options()).expect("withdrawn");
    until("the title is gone", async || holder.range(SONG, 0, 1_000).await.status == StatusCode::GONE).await;
    until("the cache is empty of it", async || holder.status().await.number("/cache_bytes") == 0).await;
    let sent = holder.status().await.number("/sent_bytes");
    let all = site.song.len();
    let got = ignorant.range(SONG, all - 100_000, all).await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "neither peers nor the site have it");
    assert_eq!(holder.status().await.number("/sent_bytes"), sent, "nothing more was handed on");
}

async fn titles(listener: &Listener) -> Vec<Value> {
    let text = listener.get("titles").await.text().await.expect("a text");
    serde_json::from_str(&text).expect("a list")
}
