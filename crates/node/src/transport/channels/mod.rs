//! Data channels with browsers, side by side with QUIC: to the outside one more kind of connection.
//!
//! One task owns the sockets and all connections. Each is a state machine of str0m; who is called, who may speak and
//! when it is too late is decided by [`nearcast_engine::channels`], as in a tab.

mod connection;
mod crypto;
mod reflection;
mod run;
mod sockets;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nearcast_content::NodeKey;
use nearcast_content::ProviderKey;
use nearcast_content::keys::DeliveryKey;
use nearcast_engine::channels::{Channels as Links, LinkId};
use nearcast_engine::swarm::{PathReport, PeerId};
use nearcast_engine::wire::PeerMessage;
use std::net::SocketAddr;
use tokio::sync::{Semaphore, mpsc, watch};

use super::PeerNumbers;
use super::event::{BindError, SendError, TransportEvent};
use super::meter::Meter;
use super::nearby::Networks;
use super::run::RunSendError;
use connection::Origin;
use sockets::Sockets;
use task::Task;

pub(super) use run::{Receiving, Sending};

/// Bytes of runs that are in a channel until the other side has them: at 40 Mbit/s and a round trip of 50 ms this is
/// what is under way.
const MAX_QUEUED: usize = 256 * 1024;
/// Bytes that wait for room in a channel. Runs wait outside; an engine's messages alone do not come to this unless the
/// other side has stopped reading.
const MAX_BACKLOG: usize = MAX_QUEUED + 512 * 1024;
/// Orders that may wait for the task, over all links.
const ORDERS: usize = 1_024;

/// Who is at this end of all channels.
#[derive(Clone, Debug)]
pub struct ChannelsConfig {
    /// Whose titles they are for.
    pub provider: ProviderKey,
    /// The key that is proven on each.
    pub key: DeliveryKey,
}

/// What the task is to do.
#[derive(Debug)]
pub(super) enum Order {
    Call(NodeKey),
    Signalled {
        from: NodeKey,
        payload: Vec<u8>,
    },
    Say {
        link: LinkId,
        message: PeerMessage,
    },
    Piece {
        link: LinkId,
        request: u32,
        bytes: Bytes,
    },
    End {
        link: LinkId,
        request: u32,
    },
    GiveUp {
        link: LinkId,
        request: u32,
    },
    /// A run that comes is not wanted any more.
    Cancel {
        link: LinkId,
        request: u32,
    },
    Ping(LinkId),
    /// Addresses of a STUN server, of either family.
    Stun(Vec<SocketAddr>),
    Leave(LinkId),
    Close,
}

/// The outside's grip on a link.
#[derive(Clone, Debug)]
struct Grip {
    link: LinkId,
    meter: Arc<Meter>,
    room: Arc<Semaphore>,
}

type Grips = Arc<Mutex<BTreeMap<PeerId, Grip>>>;

fn held(grips: &Grips) -> MutexGuard<'_, BTreeMap<PeerId, Grip>> {
    grips.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All data channels of one transport.
#[derive(Debug)]
pub(super) struct Channels {
    orders: mpsc::Sender<Order>,
    grips: Grips,
}

/// What the channels share with the rest of a transport.
pub(super) struct Shared {
    pub(super) events: mpsc::Sender<TransportEvent>,
    pub(super) numbers: PeerNumbers,
    pub(super) networks: watch::Receiver<Networks>,
}

impl Channels {
    /// Starts to listen on a free UDP port of `bind`.
    pub(super) async fn start(
        config: ChannelsConfig,
        bind: SocketAddr,
        shared: Shared,
    ) -> Result<Self, BindError> {
        let sockets = Sockets::bind(bind).await?;
        let failed = |error: rcgen::Error| BindError::Certificate(error.to_string());
        let origin = Origin {
            crypto: Arc::new(crypto::provider()),
            cert: crypto::certificate().map_err(failed)?,
            bases: sockets.bound().into_iter().map(placed).collect(),
        };
        let (orders, inbox) = mpsc::channel(ORDERS);
        let grips = Grips::default();
        let links = Links::new(config.key, config.provider);
        let task = Task::new(links, sockets, origin, shared, orders.clone(), Arc::clone(&grips));
        tokio::spawn(task.run(inbox));
        Ok(Self { orders, grips })
    }

    /// Calls a node. Ends in `Connected` or `ConnectFailed`.
    pub(super) fn call(&self, node: NodeKey) {
        let orders = self.orders.clone();
        tokio::spawn(async move { orders.send(Order::Call(node)).await });
    }

    pub(super) fn use_stun(&self, server: Option<String>) {
        let orders = self.orders.clone();
        tokio::spawn(async move {
            let found = match server {
                Some(server) => {
                    tokio::net::lookup_host(server).await.map(Iterator::collect).unwrap_or_default()
                }
                None => Vec::new(),
            };
            orders.send(Order::Stun(found)).await
        });
    }

    /// Another node signals. What comes faster than it is taken is lost, as it may be on its way here.
    pub(super) fn signalled(&self, from: NodeKey, payload: Vec<u8>) {
        if self.orders.try_send(Order::Signalled { from, payload }).is_err() {
            tracing::debug!(%from, "a signal was lost");
        }
    }

    fn grip(&self, peer: PeerId) -> Option<Grip> {
        held(&self.grips).get(&peer).cloned()
    }

    /// Whether a peer is at the other end of a channel.
    pub(super) fn has(&self, peer: PeerId) -> bool {
        held(&self.grips).contains_key(&peer)
    }

    pub(super) fn send(&self, peer: PeerId, message: PeerMessage) -> Result<(), SendError> {
        let grip = self.grip(peer).ok_or(SendError::Gone(peer))?;
        self.orders.try_send(Order::Say { link: grip.link, message }).map_err(|_| {
            self.disconnect(peer);
            SendError::Overflow(peer)
        })
    }

    /// What a path did since it was last asked about; it is measured anew for the next time.
    pub(super) fn report(&self, peer: PeerId) -> Option<PathReport> {
        let grip = self.grip(peer)?;
        let (rtt, acked) = grip.meter.take();
        // Without it the next report has no round trip.
        let _ = self.orders.try_send(Order::Ping(grip.link));
        Some(PathReport { peer, rtt, one_way: None, acked })
    }

    pub(super) fn disconnect(&self, peer: PeerId) {
        // Removed at once, so that nothing more is told of it but its end.
        let Some(grip) = held(&self.grips).remove(&peer) else { return };
        let orders = self.orders.clone();
        tokio::spawn(async move { orders.send(Order::Leave(grip.link)).await });
    }

    pub(super) fn sending(&self, peer: PeerId, request: u32) -> Result<Sending, RunSendError> {
        let grip = self.grip(peer).ok_or(RunSendError::Lost)?;
        Ok(Sending {
            link: grip.link,
            request,
            orders: self.orders.clone(),
            room: grip.room,
            finished: false,
        })
    }

    /// Ends all links, and stops listening.
    pub(super) async fn close(&self) {
        // An error says that it has ended already.
        let _ = self.orders.send(Order::Close).await;
    }
}

/// An address that str0m takes for one of this machine: it knows no sockets that listen on all of them.
fn placed(bound: SocketAddr) -> SocketAddr {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match bound {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => bound,
    }
}
