//! The UDP sockets that all data channels of a transport share: one for each family of addresses.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use super::connection::Datagram;
use crate::transport::BindError;

/// Longest packet that is read: no path between browsers carries longer ones.
const MAX_PACKET: usize = 2_048;

#[derive(Debug)]
pub(super) struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

/// A packet that came.
pub(super) type Received = (SocketAddr, Vec<u8>);

impl Sockets {
    /// Binds a free port of `address`; of IPv6 too, where there is IPv6, when it stands for all.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let free = SocketAddr::new(address.ip(), 0);
        let wrong = |error: io::Error| BindError::Address { address: free, cause: error.to_string() };
        let one = UdpSocket::bind(free).await.map_err(wrong)?;
        Ok(match free {
            SocketAddr::V4(v4) if *v4.ip() == Ipv4Addr::UNSPECIFIED => {
                Self { v4: Some(one), v6: any_v6().ok() }
            }
            SocketAddr::V4(_) => Self { v4: Some(one), v6: None },
            SocketAddr::V6(_) => Self { v4: None, v6: Some(one) },
        })
    }

    /// The addresses that they are bound to.
    pub(super) fn bound(&self) -> Vec<SocketAddr> {
        let sockets = [&self.v4, &self.v6];
        sockets.into_iter().flatten().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Sends a packet, or loses it: whoever sent it sends it again.
    pub(super) fn send(&self, datagram: &Datagram) {
        let socket = if datagram.to.is_ipv4() { &self.v4 } else { &self.v6 };
        if let Some(Err(error)) =
            socket.as_ref().map(|socket| socket.try_send_to(&datagram.bytes, datagram.to))
        {
            tracing::trace!(%error, "a packet of a data channel was lost here");
        }
    }

    /// The next packet.
    pub(super) async fn receive(&self) -> Received {
        tokio::select! {
            packet = next(self.v4.as_ref()) => packet,
            packet = next(self.v6.as_ref()) => packet,
        }
    }

    /// A packet that has come, without waiting.
    pub(super) fn come(&self) -> Option<Received> {
        let mut buffer = [0; MAX_PACKET];
        let sockets = [&self.v4, &self.v6];
        let (len, from) =
            sockets.into_iter().flatten().find_map(|socket| socket.try_recv_from(&mut buffer).ok())?;
        Some((from, buffer[..len].to_vec()))
    }
}

async fn next(socket: Option<&UdpSocket>) -> Received {
    let Some(socket) = socket else { return std::future::pending().await };
    let mut buffer = [0; MAX_PACKET];
    loop {
        // Errors are of packets that were sent and came back: their senders find out by themselves.
        if let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            return (from, buffer[..len].to_vec());
        }
    }
}

fn any_v6() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.set_only_v6(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
    UdpSocket::from_std(socket.into())
}
