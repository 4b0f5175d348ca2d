//! Origins that know nothing of Nearcast: any web server with the site's folder.

use std::path::PathBuf;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use nearcast_content::Link;
use tokio::net::TcpListener;

use super::bench::{LOOPBACK, Listener, Origin, Setup, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_web_server_is_an_origin() {
    let site = Site::with_a_song(81);
    let origin = Origin::start(&site).await;
    let listener = Listener::start(&Setup::beside(origin.link())).await;
    listener.play_all(&site).await;
    let status = listener.status().await;
    assert_eq!((status.number("/peers"), status.delivered("peers")), (0, 0), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_without_ranges_is_an_origin() {
    let site = Site::with_a_song(82);
    let root = site.root();
    let router = Router::new().fallback(async move |uri: Uri| whole(root.clone(), uri));
    let socket = TcpListener::bind(LOOPBACK).await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    let server = tokio::spawn(async move { axum::serve(socket, router).await });
    let site_url = format!("http://{address}/").parse().expect("an address");
    let link = Link { site: site_url, provider: Some(site.provider()), title: None };
    let listener = Listener::start(&Setup::beside(link)).await;
    listener.play_all(&site).await;
    server.abort();
}

/// The whole file, whatever range was asked for.
fn whole(root: PathBuf, uri: Uri) -> Result<Bytes, StatusCode> {
    let path = root.join(uri.path().trim_start_matches('/'));
    std::fs::read(path).map(Bytes::from).map_err(|_| StatusCode::NOT_FOUND)
}
