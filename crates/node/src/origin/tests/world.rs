//! A provider's web server that does as it is told, an object on it, and a sink that keeps what it is given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use nearcast_content::tree::{self, Decoded};
use nearcast_content::{BlockRange, ByteRange, ObjectId, ObjectSize};
use prometheus_client::registry::Registry;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::super::*;

/// An object with its hashes, as published.
pub(crate) struct Published {
    pub(crate) bytes: Vec<u8>,
    pub(crate) outboard: Vec<u8>,
    pub(crate) object: ObjectId,
    pub(crate) size: ObjectSize,
}

impl Published {
    pub(crate) fn of_len(len: usize) -> Self {
        // No two blocks alike.
        let bytes: Vec<u8> = (0..len).map(|i| u8::try_from((i ^ (i >> 14)) % 251).expect("small")).collect();
        let size = ObjectSize::new(u64::try_from(len).expect("small")).expect("not empty");
        let (object, outboard) = tree::hash(bytes.as_slice(), size).expect("in memory");
        Self { bytes, outboard, object, size }
    }

    pub(crate) fn source(&self, origin: SocketAddr) -> ObjectSource {
        let url = |path: &str| -> Url { format!("http://{origin}{path}").parse().expect("an address") };
        ObjectSource {
            object: self.object,
            size: self.size,
            url: url("/data"),
            outboard: url("/data.obo"),
            held: None,
        }
    }
}

/// Answers a range request for `bytes` as it should be.
pub(crate) fn serve(request: &Request, bytes: &[u8]) -> Response<Body> {
    let range = asked(request);
    let part = range.map_or(bytes, |r| &bytes[index(r.start)..index(r.end).min(bytes.len())]);
    let mut response = Response::new(Body::from(part.to_vec()));
    if let Some(r) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = r.start + u64::try_from(part.len()).expect("small") - 1;
        let line = format!("bytes {}-{last}/{}", r.start, bytes.len());
        response.headers_mut().insert(header::CONTENT_RANGE, line.parse().expect("plain"));
    }
    response
}

/// The range of a request.
pub(crate) fn asked(request: &Request) -> Option<ByteRange> {
    let line = request.headers().get(header::RANGE)?.to_str().expect("plain");
    let (first, last) = line.strip_prefix("bytes=")?.split_once('-')?;
    Some(ByteRange::new(first.parse().expect("a number"), last.parse::<u64>().expect("a number") + 1))
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("small")
}

pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// The paths that were asked for, in order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// Starts a server that answers as `behave` says.
pub(crate) async fn origin<F>(behave: F) -> (SocketAddr, Log)
where
    F: Fn(Request) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let log = Log::default();
    let noted = log.clone();
    let router = Router::new().fallback(async move |request: Request| {
        noted.lock().expect("no panic").push(request.uri().path().to_owned());
        behave(request)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, log)
}

/// Starts an honest server for `published`, except that `/data` is answered by `behave`.
pub(crate) async fn origin_of<F>(published: &Arc<Published>, behave: F) -> (SocketAddr, Log)
where
    F: Fn(&Published, &Request) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let published = published.clone();
    origin(move |request| match request.uri().path() {
        "/data.obo" => serve(&request, &published.outboard),
        _ => behave(&published, &request),
    })
    .await
}

/// What a scripted server does with a request.
pub(crate) enum Reply {
    Send(Vec<u8>),
    SendAndClose(Vec<u8>),
    /// The second part is sent when it is told so.
    SendInTwo(Vec<u8>, Arc<Notify>, Vec<u8>),
    Close,
}

/// A scripted answer with all of `body`, and how long its head is.
pub(crate) fn raw_answer(body: &[u8]) -> (Vec<u8>, usize) {
    let (len, last) = (body.len(), body.len() - 1);
    let range = format!("Content-Range: bytes 0-{last}/{len}");
    let head = format!("HTTP/1.1 206 x\r\nContent-Length: {len}\r\n{range}\r\n\r\n");
    ([head.as_bytes(), body].concat(), head.len())
}

/// Starts a server that is told what to do with the n-th request of the m-th connection.
pub(crate) async fn raw_origin<F>(script: F) -> SocketAddr
where
    F: Fn(usize, usize, &str) -> Reply + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            let script = script.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                for request in 0.. {
                    head.clear();
                    while !head.ends_with(b"\r\n\r\n") {
                        match socket.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let text = String::from_utf8_lossy(&head).into_owned();
                    let (bytes, goes_on) = match script(connection, request, &text) {
                        Reply::Send(bytes) => (bytes, true),
                        Reply::SendInTwo(first, go_on, second) => {
                            if socket.write_all(&first).await.is_err() {
                                return;
                            }
                            go_on.notified().await;
                            (second, true)
                        }
                        Reply::SendAndClose(bytes) => (bytes, false),
                        Reply::Close => return,
                    };
                    if socket.write_all(&bytes).await.is_err() || !goes_on {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Fetches `blocks` in a task of its own. Says which have come.
pub(crate) fn fetching(
    client: &OriginClient,
    source: &ObjectSource,
    blocks: BlockRange,
) -> (JoinHandle<Result<Kept, OriginError>>, mpsc::UnboundedReceiver<u32>) {
    let (seen, come) = mpsc::unbounded_channel();
    let (client, source) = (client.clone(), source.clone());
    let fetch = tokio::spawn(async move {
        let mut kept = Kept { seen: Some(seen), ..Kept::default() };
        client.fetch(&source, blocks, &mut kept).await.map(|()| kept)
    });
    (fetch, come)
}

/// Keeps what it is given.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) parents: usize,
    pub(crate) blocks: Vec<(u32, Bytes)>,
    pub(crate) seen: Option<tokio::sync::mpsc::UnboundedSender<u32>>,
}

impl Sink for Kept {
    async fn take(&mut self, piece: Decoded, bytes: Bytes) -> Result<(), NoRoom> {
        match piece {
            Decoded::Parent { .. } => self.parents += 1,
            Decoded::Block(verdict) => {
                let block = verdict.get().start;
                if let Some(seen) = &self.seen {
                    seen.send(block).map_err(|_| NoRoom("the test is over".to_owned()))?;
                }
                self.blocks.push((block, bytes));
            }
        }
        Ok(())
    }
}

impl Kept {
    /// Which blocks came. Fails if any of them holds other bytes than were published.
    pub(crate) fn good_blocks(&self, published: &Published) -> Vec<u32> {
        let check = |(block, bytes): &(u32, Bytes)| {
            let range = published.size.bytes_of(nearcast_content::BlockRange::new(*block, block + 1));
            assert_eq!(bytes[..], published.bytes[index(range.start)..index(range.end)], "block {block}");
            *block
        };
        self.blocks.iter().map(check).collect()
    }
}

/// A client that loses patience soon.
pub(crate) fn client() -> OriginClient {
    client_with(OriginSettings::default())
}

pub(crate) fn client_with(settings: OriginSettings) -> OriginClient {
    OriginClient::new(settings, OriginMetrics::register(&mut Registry::default())).expect("TLS")
}
