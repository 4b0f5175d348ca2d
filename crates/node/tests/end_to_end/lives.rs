//! A node that is killed and comes back.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io};

use nearcast_content::Link;
use nearcast_node::gateway::Gateway;
use nearcast_node::metrics;
use nearcast_node::node::Node;
use nearcast_node::store::{CheckProgress, check_cache};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::bench::{LOOPBACK, Listener, Origin, SONG, Setup, Site, Supernode, origin_client, until};
use super::player::Player;

const LINK: &str = "NEARCAST_TEST_LINK";
const SUPERNODE: &str = "NEARCAST_TEST_SUPERNODE";
const STATE: &str = "NEARCAST_TEST_STATE";
/// Before the address of the child's gateway.
const READY: &str = "gateway ";

/// The process that gets killed: a node and its gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by a_killed_node_serves_what_it_had_in_its_next_life"]
async fn child() {
    let told = |name| env::var(name).expect("started by the other test");
    let link: Link = told(LINK).parse().expect("a link");
    let setup = Setup { supernode: Some(told(SUPERNODE)), ..Setup::beside(link) };
    let mut registry = metrics::registry();
    let gateway = Gateway::bind(LOOPBACK, &mut registry).await.expect("a free port");
    let address = gateway.address();
    let options = setup.options(told(STATE).into());
    let node = Node::start(options, origin_client(), &mut registry).await.expect("the node starts");
    let _serving = node.serve_players(gateway, registry, CancellationToken::new());
    println!("{READY}{address}");
    std::future::pending::<()>().await;
}

/// Starts the child and reads where its gateway is.
async fn spawn(setup: &Setup, state: &std::path::Path) -> (Child, std::net::SocketAddr) {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["lives::child", "--exact", "--ignored", "--nocapture"])
        .env(LINK, setup.link.to_string())
        .env(SUPERNODE, setup.supernode.as_deref().expect("an address"))
        .env(STATE, state)
        .stdout(Stdio::piped())
        // Also when the test fails before it gets to that.
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    loop {
        let line = lines.next_line().await.expect("readable").expect("it says where its gateway is");
        // The test harness talks too, on the same line.
        if let Some(address) = line.split_once(READY).and_then(|(_, address)| address.parse().ok()) {
            return (child, address);
        }
    }
}

/// Bytes that a node finds in its cache when it is killed now: as a copy of it has them. A copy taken while the records are
/// written may have none.
fn left_by_a_kill(cache: &Path) -> u64 {
    let copy = tempfile::tempdir().expect("a folder");
    if copy_all(cache, copy.path()).is_err() {
        return 0;
    }
    let report = check_cache(copy.path(), &Unseen).ok().filter(|report| report.faults.is_empty());
    report.map_or(0, |report| report.bytes)
}

/// Copies a folder, the records before what they tell of.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.path().is_dir());
    for entry in entries {
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&there)?;
            copy_all(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}

/// Nobody watches the check.
struct Unseen;

impl CheckProgress for Unseen {
    fn planned(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_serves_what_it_had_in_its_next_life() {
    let site = Site::with_a_song(61);
    let (mut origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let (mut child, gateway) = spawn(&setup, state.path()).await;
    Player::at(gateway).play_all(&site).await;
    supernode.titles(1).await;
    // Claimed after a kill is what was durable before: that the records are being written says nothing yet.
    until("the cache is durable", async || left_by_a_kill(&state.path().join("cache")) > 1_000_000).await;
    child.kill().await.expect("it ran");
    supernode.sessions(0).await;

    let again = Listener::start_in(&setup, state).await.expect("starts on what was left");
    let held = again.status().await.number("/cache_bytes");
    assert!(held > 1_000_000, "{held} bytes survived");
    supernode.titles(1).await;
    // Remembered titles are served without a play of its own.
    let other = Listener::start(&setup).await;
    other.play_all(&site).await;
    let status = other.status().await;
    assert!(status.delivered("peers") > 500_000, "{status:?}");
    again.play_all(&site).await;
    let status = again.status().await;
    assert!(status.delivered("cache") > 1_000_000, "{status:?}");
    origin.stop().await;
    let state = again.stop().await;
    // Offline: the remembered documents and the cache do.
    let offline = Listener::start_in(&setup, state).await.expect("starts without its provider");
    assert_eq!(offline.range(SONG, 0, 1_000).await.bytes, site.song[..1_000]);
    offline.play_all(&site).await;
}

/// Longer than silence that counts as death while a run is expected.
const NAP: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_in_the_middle_of_a_play_goes_on() {
    let site = Site::with_a_song(62);
    let (origin, supernode) = (Origin::start(&site).await, Supernode::start(&site).await);
    let setup = Setup::new(&origin, &supernode);
    let holder = Listener::start(&setup).await;
    holder.play_all(&site).await;
    supernode.titles(1).await;
    let state = Arc::new(tempfile::tempdir().expect("a folder"));
    let (child, gateway) = spawn(&setup, state.path()).await;
    let player = Player::at(gateway);
    player.play(&site, 0, site.song.len() / 4).await;
    let signal = async |name: &str| {
        let pid = child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([name, &pid]).status().await.expect("kill runs");
        assert!(sent.success(), "kill {name}");
    };
    signal("-STOP").await;
    // How long it sleeps is what this is about.
    tokio::time::sleep(NAP).await;
    signal("-CONT").await;
    player.play_all(&site).await;
    holder.stop().await;
}
