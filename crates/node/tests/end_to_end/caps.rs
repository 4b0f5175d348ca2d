//! What a node hands on, and what it does not: paused, capped, in later lives too.

use nearcast_engine::Rate;
use serde_json::json;

use super::bench::{Listener, Origin, Setup, Site, Supernode, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_node_hands_nothing_on_until_it_is_resumed() {
    let site = Site::with_a_song(81);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let holder = Listener::start(&setup).await;
    holder.play_all(&site).await;
    supernode.titles(1).await;
    let (status, said) = holder.tell("control/pause", &json!({ "seconds": null })).await;
    assert_eq!((status.as_u16(), &said["sharing"]["why"]), (200, &json!("paused")), "{said}");
    supernode.titles(0).await;
    // It is remembered.
    let holder = Listener::start_in(&setup, holder.stop().await).await.expect("starts");
    assert_eq!(holder.status().await.text("/sharing/state"), "off");
    let other = Listener::start(&setup).await;
    other.play_all(&site).await;
    assert_eq!(other.status().await.delivered("peers"), 0);
    assert_eq!(holder.status().await.number("/sent_bytes"), 0);
    let (_, said) = holder.tell("control/resume", &json!({})).await;
    assert_eq!(said["sharing"]["state"], "on", "{said}");
    let third = Listener::start(&setup).await;
    until("both are found", async || supernode.handle().status().await.sessions == 3).await;
    third.play_all(&site).await;
    let said = third.status().await;
    assert!(said.delivered("peers") > 1_000_000, "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_pages_and_forms_tell_a_node_nothing() {
    let site = Site::with_a_song(82);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let listener = Listener::start(&Setup::new(&origin, &supernode)).await;
    let foreign = listener.forged("control/pause", "application/json", Some("http://evil.example")).await;
    assert_eq!(foreign.as_u16(), 403);
    let form = listener.forged("control/pause", "text/plain", None).await;
    assert_eq!(form.as_u16(), 415);
    assert_eq!(listener.status().await.text("/sharing/state"), "on");
    let (status, _) = listener.tell("control/pause", &json!({ "seconds": "long" })).await;
    assert_eq!(status.as_u16(), 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_caps_there_are_is_said() {
    let site = Site::with_a_song(83);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup {
        monthly_limit: Some(5_000_000),
        upload_limit: Some(Rate::from_bits_per_sec(8_000_000)),
        ..Setup::new(&origin, &supernode)
    };
    let listener = Listener::start(&setup).await;
    let said = listener.status().await;
    assert_eq!(said.number("/month/limit_bytes"), 5_000_000);
    assert_eq!(said.number("/month/handed_bytes"), 0);
    assert_eq!(said.number("/upload_limit_bits"), 8_000_000);
    assert_eq!(said.text("/sharing/state"), "on");
}
