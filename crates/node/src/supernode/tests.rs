//! The supernode against nodes that lie, shout, or do not listen.

use axum::http::StatusCode;
use nearcast_content::{Credential, SigningKey, UnixTime};
use nearcast_engine::Span;
use nearcast_engine::limits::{MAX_MESSAGE, MAX_SIGNAL};
use nearcast_engine::wire::directory::{ClientHello, Holding, RefusedReason};
use nearcast_engine::wire::{ClientMessage, PlayReport, ServerMessage, Serves, Versions, Ways};
use tokio_tungstenite::tungstenite::Message;

use super::testing::{Bare, PROVIDER, Running, hello, hello_for, key, swarm};
use super::*;

/// Answers the challenge with what `change` makes of a good hello, and returns the reply.
async fn greeted(supernode: &Running, change: impl FnOnce(&mut ClientHello)) -> Option<ServerMessage> {
    let mut bare = Bare::connect(supernode).await;
    let nonce = bare.challenged().await;
    let mut hello = hello(&key(1), &nonce);
    change(&mut hello);
    bare.send(&ClientMessage::Hello(hello)).await;
    let reply = bare.read().await;
    if matches!(reply, Some(ServerMessage::Refused { .. })) {
        assert_eq!(bare.read().await, None, "a refusal is the last word");
    }
    reply
}

fn refused(reason: RefusedReason) -> Option<ServerMessage> {
    Some(ServerMessage::Refused { reason })
}

#[tokio::test]
async fn who_does_not_prove_its_key_is_refused() {
    let supernode = Running::plain().await;
    let proof = refused(RefusedReason::Proof);
    assert_eq!(greeted(&supernode, |hello| hello.signature[5] ^= 1).await, proof);
    assert_eq!(greeted(&supernode, |hello| hello.node = key(2).node()).await, proof);
    assert_eq!(greeted(&supernode, |hello| hello.signature.truncate(63)).await, proof);
    assert_eq!(greeted(&supernode, |hello| hello.node.0 = [0xff; 32]).await, proof);
    let another_nonce = super::testing::hello(&key(1), &[0; 32]).signature;
    assert_eq!(greeted(&supernode, |hello| hello.signature = another_nonce).await, proof);
    assert_eq!(supernode.handle.status().await.sessions, 0);
    let welcome = greeted(&supernode, |_| {}).await;
    assert!(matches!(welcome, Some(ServerMessage::Welcome { .. })), "{welcome:?}");
}

#[tokio::test]
async fn other_versions_providers_and_too_many_addresses_are_refused() {
    let supernode = Running::plain().await;
    let reply = greeted(&supernode, |hello| hello.versions = Versions { oldest: 8, newest: 9 }).await;
    assert_eq!(reply, refused(RefusedReason::Version));
    let reply = greeted(&supernode, |hello| hello.provider.0[0] ^= 1).await;
    assert_eq!(reply, refused(RefusedReason::Provider));
    let reply = greeted(&supernode, |hello| hello.local = vec!["10.0.0.1:1".into(); 7]).await;
    assert_eq!(reply, refused(RefusedReason::Misbehaved));
}

#[tokio::test]
async fn a_credential_is_needed_where_the_provider_says_so() {
    let signer = SigningKey::from_secret(&[3; 32]);
    let provider = signer.provider();
    let config =
        SupernodeConfig { credentials: credential_required(), ..SupernodeConfig::new(vec![provider]) };
    let supernode = Running::start(config).await;
    let device = key(1);
    let credential = |node, expires| {
        let text = Credential::sign(&signer, node, UnixTime(1_700_000_000), UnixTime(expires), None);
        Some(text.expect("a short credential"))
    };
    let late = 4_000_000_000;
    for (credential, good) in [
        (None, false),
        (Some("not a credential".to_owned()), false),
        (credential(device.node(), 1_700_000_001), false),
        (credential(key(2).node(), late), false),
        (credential(device.node(), late), true),
    ] {
        let mut bare = Bare::connect(&supernode).await;
        let nonce = bare.challenged().await;
        let hello = ClientHello { credential, ..hello_for(provider, &device, &nonce) };
        bare.send(&ClientMessage::Hello(hello)).await;
        let reply = bare.read().await;
        if good {
            assert!(matches!(reply, Some(ServerMessage::Welcome { .. })), "{reply:?}");
        } else {
            assert_eq!(reply, refused(RefusedReason::Credential));
        }
    }
}

#[tokio::test]
async fn hostile_frames_end_their_session_and_no_other() {
    let supernode = Running::plain().await;
    let mut witness = Bare::session(&supernode, 1).await;
    let long_signal = ClientMessage::Signal { to: key(1).node(), payload: vec![0; MAX_SIGNAL + 1] };
    let too_many = (0..300_u16).map(|n| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        Holding { swarm: nearcast_engine::wire::SwarmId(id), renditions: 1, coverage: 1 }
    });
    let long_announce = ClientMessage::Announce { added: too_many.collect(), removed: vec![] };
    let binary = |bytes: Vec<u8>| Message::Binary(bytes.into());
    let encoded = |message: &ClientMessage| binary(nearcast_engine::wire::encode(message));
    let frames = [
        binary(vec![0; MAX_MESSAGE + 1]),
        binary(vec![0xff; 100]),
        binary(vec![]),
        // An array that claims four billion elements.
        binary(vec![0x9a, 0xff, 0xff, 0xff, 0xff]),
        Message::Text("hello".into()),
        encoded(&long_signal),
        encoded(&long_announce),
        encoded(&ClientMessage::Hello(hello(&key(2), &[0; 32]))),
    ];
    for frame in frames {
        let shown = format!("{frame:?}").chars().take(60).collect::<String>();
        let mut bare = Bare::session(&supernode, 2).await;
        bare.send_frame(frame).await;
        assert_eq!(bare.read().await, refused(RefusedReason::Misbehaved), "{shown}");
        assert_eq!(bare.read().await, None);
        supernode.sessions(1).await;
    }
    // Before the hello, too.
    let mut bare = Bare::connect(&supernode).await;
    bare.challenged().await;
    bare.send(&ClientMessage::Renew).await;
    assert_eq!(bare.read().await, refused(RefusedReason::Misbehaved));

    witness.send(&ClientMessage::Lookup { query: 4, swarm: swarm(1), renditions: 0 }).await;
    assert!(matches!(witness.read().await, Some(ServerMessage::Holders { query: 4, .. })));
}

#[tokio::test]
async fn a_session_that_opens_again_replaces_the_older() {
    let supernode = Running::plain().await;
    let mut older = Bare::session(&supernode, 1).await;
    let _newer = Bare::session(&supernode, 1).await;
    assert_eq!(older.read().await, refused(RefusedReason::Replaced));
    assert_eq!(older.read().await, None);
    supernode.sessions(1).await;
}

#[tokio::test]
async fn a_connection_cut_without_a_word_takes_its_holdings_with_it() {
    let supernode = Running::plain().await;
    let mut asker = Bare::session(&supernode, 1).await;
    let mut holder = Bare::session(&supernode, 2).await;
    let added = vec![Holding { swarm: swarm(1), renditions: 1, coverage: u64::MAX }];
    holder.send(&ClientMessage::Announce { added, removed: vec![] }).await;
    // Messages of one session are taken in their order.
    holder.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    assert!(matches!(holder.read().await, Some(ServerMessage::Holders { .. })));

    let lookup = ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 };
    asker.send(&lookup).await;
    let Some(ServerMessage::Holders { holders, .. }) = asker.read().await else { panic!("no answer") };
    assert_eq!(holders.iter().map(|holder| holder.node).collect::<Vec<_>>(), [key(2).node()]);
    assert_eq!(holders[0].addresses, ["127.0.0.1:4433"]);

    drop(holder);
    supernode.sessions(1).await;
    asker.send(&lookup).await;
    assert!(matches!(asker.read().await, Some(ServerMessage::Holders { holders, .. }) if holders.is_empty()));
}

#[tokio::test]
async fn who_does_not_take_its_messages_is_dropped() {
    let supernode = Running::plain().await;
    let mut deaf = Bare::connect_from(&supernode, [127, 0, 0, 1].into(), 4_096).await;
    deaf.open(1).await;
    let mut loud = Vec::new();
    for n in 2..6 {
        loud.push(Bare::session(&supernode, n).await);
    }
    let signal = ClientMessage::Signal { to: key(1).node(), payload: vec![7; MAX_SIGNAL] };
    for bare in &mut loud {
        for _ in 0..120 {
            bare.send(&signal).await;
        }
    }
    supernode.sessions(4).await;
    drop(deaf);
}

#[tokio::test]
async fn a_full_directory_tells_newcomers_when_to_come_back() {
    let mut config = SupernodeConfig::new(vec![PROVIDER]);
    config.directory.sessions = 1;
    config.connections.per_network = 2;
    let supernode = Running::start(config).await;
    let mut first = Bare::session(&supernode, 1).await;

    let mut second = Bare::connect(&supernode).await;
    let nonce = second.challenged().await;
    // There is no third place either, and the HTTP answer says when to come back.
    let url = format!("http://{}{DIRECTORY_PATH}", supernode.address);
    let upgrade = crate::http::testing::client()
        .get(url)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = upgrade.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 503);
    let after: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((10..=30).contains(&after));

    second.send(&ClientMessage::Hello(hello(&key(2), &nonce))).await;
    let reply = second.read().await;
    let Some(ServerMessage::RetryAfter { millis }) = reply else { panic!("not turned away: {reply:?}") };
    assert!((10_000..=30_000).contains(&millis));
    assert_eq!(second.read().await, None);

    first.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    assert!(matches!(first.read().await, Some(ServerMessage::Holders { .. })), "who is inside stays");
}

#[tokio::test]
async fn pages_of_other_origins_may_not_connect() {
    let origins = AllowedOrigins::Only(vec!["https://media.example.org".into()]);
    let supernode = Running::start(SupernodeConfig { origins, ..SupernodeConfig::new(vec![PROVIDER]) }).await;
    for (origin, status) in [("https://media.example.org", 101), ("https://evil.example", 403)] {
        let url = format!("http://{}{DIRECTORY_PATH}", supernode.address);
        let request = crate::http::testing::client()
            .get(url)
            .header("origin", origin)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), status, "{origin}");
    }
    let plain = crate::http::testing::client().get(format!("http://{}{DIRECTORY_PATH}", supernode.address));
    let status = plain.send().await.expect("an answer").status();
    assert!(status.is_client_error() && status != StatusCode::NOT_FOUND, "no upgrade: {status}");
}

#[tokio::test]
async fn the_status_counts_and_names_nobody() {
    let supernode = Running::plain().await;
    let mut node = Bare::session(&supernode, 1).await;
    let added = vec![Holding { swarm: swarm(1), renditions: 1, coverage: 1 }];
    node.send(&ClientMessage::Announce { added, removed: vec![] }).await;
    node.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    node.read().await;
    let url = format!("http://{}{STATUS_PATH}", supernode.address);
    let text =
        crate::http::testing::client().get(url).send().await.expect("an answer").text().await.expect("text");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let object = status.as_object().expect("an object");
    assert_eq!(
        (&object["sessions"], &object["titles"], &object["lookups_answered"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(object["version"], env!("CARGO_PKG_VERSION"));
    assert!(!text.contains("127.0.0.1") && !text.contains(&key(1).node().to_string()));
    assert!(object.values().all(|value| value.is_u64() || value.is_string() || value.is_array()));
}

#[tokio::test]
async fn a_page_is_told_whether_a_title_is_held_by_whom_it_can_meet() {
    let supernode = Running::plain().await;
    let told = async |title: &str| {
        let url = format!("http://{}{}", supernode.address, HELD_PATH.replace("{title}", title));
        let answer = crate::http::testing::client().get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let (held, not_held) = ((200, "true".to_owned()), (200, "false".to_owned()));
    assert_eq!(told("a-film").await, not_held);
    let swarm = SwarmId::of(PROVIDER, &"a-film".parse().expect("an id"));
    for (n, ways, expected) in [(1, Ways::QUIC, &not_held), (2, Ways::DATA_CHANNELS, &held)] {
        let mut node = Bare::connect(&supernode).await;
        let nonce = node.challenged().await;
        let hello = ClientHello { ways, ..hello(&key(n), &nonce) };
        node.send(&ClientMessage::Hello(hello)).await;
        assert!(matches!(node.read().await, Some(ServerMessage::Welcome { .. })));
        let added = vec![Holding { swarm, renditions: 1, coverage: 1 }];
        node.send(&ClientMessage::Announce { added, removed: vec![] }).await;
        // Messages of one session are taken in their order.
        node.send(&ClientMessage::Lookup { query: 1, swarm, renditions: 0 }).await;
        assert!(matches!(node.read().await, Some(ServerMessage::Holders { .. })));
        assert_eq!(&told("a-film").await, expected);
    }
    assert_eq!(told("another").await, not_held);
    assert_eq!(told("no%20title").await.0, 404);
}

#[tokio::test]
async fn who_serves_nobody_is_never_handed_out() {
    let supernode = Running::plain().await;
    let mut asker = Bare::session(&supernode, 1).await;
    let mut leaf = Bare::connect(&supernode).await;
    let nonce = leaf.challenged().await;
    let mut leaf_hello = hello(&key(2), &nonce);
    leaf_hello.serves = Serves::Nobody;
    leaf.send(&ClientMessage::Hello(leaf_hello)).await;
    leaf.read().await;
    let added = vec![Holding { swarm: swarm(1), renditions: 1, coverage: 1 }];
    leaf.send(&ClientMessage::Announce { added, removed: vec![] }).await;
    leaf.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    leaf.read().await;
    asker.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    assert!(matches!(asker.read().await, Some(ServerMessage::Holders { holders, .. }) if holders.is_empty()));
}

#[tokio::test]
async fn reports_add_up_and_one_against_the_rules_ends_its_session() {
    let supernode = Running::plain().await;
    let mut report = PlayReport::default();
    report.shared.started(Span::from_millis(80));
    report.held_out.started(Span::from_millis(90));
    let mut nodes = Vec::new();
    for n in 1..4 {
        let mut bare = Bare::session(&supernode, n).await;
        bare.send(&ClientMessage::Report(report.clone())).await;
        // An answer to what follows shows that the report was heard.
        bare.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
        assert!(matches!(bare.read().await, Some(ServerMessage::Holders { .. })));
        nodes.push(bare);
    }
    let mut page = Bare::connect(&supernode).await;
    let nonce = page.challenged().await;
    let hello = ClientHello { ways: Ways::DATA_CHANNELS, ..hello(&key(4), &nonce) };
    page.send(&ClientMessage::Hello(hello)).await;
    assert!(matches!(page.read().await, Some(ServerMessage::Welcome { .. })));
    page.send(&ClientMessage::Report(report.clone())).await;
    page.send(&ClientMessage::Lookup { query: 1, swarm: swarm(1), renditions: 0 }).await;
    assert!(matches!(page.read().await, Some(ServerMessage::Holders { .. })));
    nodes[0].send(&ClientMessage::Report(report.clone())).await;
    assert_eq!(nodes[0].read().await, refused(RefusedReason::Misbehaved), "twice in a breath");
    let mut liar = Bare::session(&supernode, 9).await;
    let mut lie = report.clone();
    lie.shared.plays = u64::MAX;
    liar.send(&ClientMessage::Report(lie)).await;
    assert_eq!(liar.read().await, refused(RefusedReason::Misbehaved));
    let reported = supernode.handle.audience(PROVIDER);
    let sums = reported.all();
    assert_eq!((sums.shared.plays, sums.held_out.plays, reported.reports), (4, 4, 4));
    assert_eq!((reported.programs.shared.plays, reported.pages.shared.plays), (3, 1));
}
