//! A player at a node's gateway: reads ranges, checks every byte, looks at what the node says of itself.

use std::net::SocketAddr;

use nearcast_content::ObjectId;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use super::bench::{SONG, Site, until};

/// A player of one gateway.
#[derive(Debug)]
pub(crate) struct Player {
    gateway: SocketAddr,
    client: reqwest::Client,
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) bytes: Vec<u8>,
    /// Whether all came that was promised.
    pub(crate) whole: bool,
}

impl Player {
    pub(crate) fn at(gateway: SocketAddr) -> Self {
        // A second test in the same process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().user_agent("player").build().expect("a client");
        Self { gateway, client }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.gateway)
    }

    /// Asks for bytes `from..to` of a title, and takes what comes.
    pub(crate) async fn range(&self, title: &str, from: usize, to: usize) -> Got {
        let url = self.url(&format!("t/{title}/play"));
        let range = format!("bytes={from}-{}", to - 1);
        let request = self.client.request(Method::GET, url).header(header::RANGE, range);
        let mut response = request.send().await.expect("the gateway answers");
        let mut got = Got { status: response.status(), bytes: Vec::new(), whole: false };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got.bytes.extend_from_slice(&chunk),
                Ok(None) => break got.whole = true,
                Err(_) => break,
            }
        }
        got
    }

    /// Plays `from..to` of the song as a player does, a range after the other, and checks every byte.
    pub(crate) async fn play(&self, site: &Site, from: usize, to: usize) {
        const AT_ONCE: usize = 300_000;
        for start in (from..to).step_by(AT_ONCE) {
            let end = to.min(start + AT_ONCE);
            let got = self.range(SONG, start, end).await;
            let said = String::from_utf8_lossy(&got.bytes[..got.bytes.len().min(200)]).into_owned();
            assert_eq!(got.status, StatusCode::PARTIAL_CONTENT, "{said}");
            assert!(got.whole && got.bytes.len() == end - start, "{start}..{end} broke off");
            assert_eq!(hash(&got.bytes), hash(&site.song[start..end]), "{start}..{end} has other bytes");
        }
    }

    /// Plays all of the song.
    pub(crate) async fn play_all(&self, site: &Site) {
        self.play(site, 0, site.song.len()).await;
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.expect("the gateway answers")
    }

    /// Tells the node something at its gateway. Answers the status, and what it says.
    pub(crate) async fn tell(&self, path: &str, what: &Value) -> (StatusCode, Value) {
        let request = self.client.post(self.url(path)).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(what.to_string()).send().await.expect("the gateway answers");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Tells the node to do something as another page or a form would.
    pub(crate) async fn forged(&self, path: &str, kind: &str, origin: Option<&str>) -> StatusCode {
        let mut request = self.client.post(self.url(path)).header(header::CONTENT_TYPE, kind).body("{}");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        request.send().await.expect("the gateway answers").status()
    }

    /// What is kept.
    pub(crate) async fn kept(&self) -> Vec<Value> {
        let text = self.get("kept").await.text().await.expect("a text");
        serde_json::from_str(&text).expect("a list")
    }

    /// Waits until everything that is kept is here.
    pub(crate) async fn all_kept(&self) {
        until("everything kept is here", async || {
            self.kept().await.iter().all(|title| title["complete"] == true)
        })
        .await;
    }

    pub(crate) async fn status(&self) -> Status {
        let text = self.get("status").await.text().await.expect("a text");
        Status(serde_json::from_str(&text).expect("JSON"))
    }

    /// A counter of `/metrics`.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        let page = self.get("metrics").await.text().await.expect("a text");
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
    }

    /// Waits until it is connected to that many peers.
    pub(crate) async fn peers(&self, wanted: u64) {
        until("the peers of a node", async || self.status().await.number("/peers") == wanted).await;
    }
}

/// What a node says of itself.
#[derive(Debug)]
pub(crate) struct Status(Value);

impl Status {
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        self.0.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
    }

    /// Bytes handed to the player that had come from `source`.
    pub(crate) fn delivered(&self, source: &str) -> u64 {
        self.number(&format!("/delivered_bytes/{source}"))
    }
}

pub(crate) fn hash(bytes: &[u8]) -> ObjectId {
    ObjectId(*blake3::hash(bytes).as_bytes())
}
