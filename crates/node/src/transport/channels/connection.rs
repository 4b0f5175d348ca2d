//! One WebRTC connection with its one data channel: a state machine of str0m and what waits for it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use nearcast_engine::limits::MAX_CANDIDATES;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

use super::super::nearby::is_dialable;
use super::{MAX_BACKLOG, MAX_QUEUED};

/// What every connection of a node starts from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) cert: DtlsCert,
    /// What str0m takes for this side's own addresses, one for each family that there is a socket for. The sockets
    /// take what comes at any address, and the system chooses whence a packet goes.
    pub(super) bases: Vec<SocketAddr>,
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("the session description cannot be read: {0}")]
    Description(#[from] str0m::error::SdpError),
    #[error("the session description is not of one data channel")]
    NotOneChannel,
    #[error("nothing was offered that this answers")]
    NotAsked,
    #[error("the other side ended it, or does not answer any more")]
    Ended,
    #[error("the other side speaks on another channel, or in text")]
    OtherChannel,
    #[error("the other side does not read")]
    NotRead,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Happened {
    /// Its channel stands.
    Opened,
    /// A packet came.
    Packet(Vec<u8>),
}

/// A packet to send by UDP.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Connection {
    rtc: Rtc,
    bases: Vec<SocketAddr>,
    channel: ChannelId,
    /// An offer that waits for its answer.
    offer: Option<SdpPendingOffer>,
    opened: bool,
    /// Packets that the channel has no room for.
    backlog: VecDeque<Vec<u8>>,
    backlog_bytes: usize,
    /// It is to be driven then.
    pub(super) wake: Instant,
    /// Where packets went last.
    pub(super) remote: Option<SocketAddr>,
}

/// The one channel, of which both sides know.
fn channel() -> ChannelConfig {
    ChannelConfig {
        label: "nearcast".to_owned(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated: Some(0),
        protocol: String::new(),
    }
}

fn rtc(origin: &Origin, now: Instant) -> Rtc {
    let mut config = RtcConfig::new()
        .clear_codecs()
        .set_crypto_provider(Arc::clone(&origin.crypto))
        .set_dtls_cert(origin.cert.clone())
        .set_sctp_max_buffered_amount(MAX_QUEUED);
    // A path is dead after five questions without an answer, and fifteen seconds without one from there. By default it
    // would be nine.
    config.set_max_stun_retransmits(5);
    config.build(now)
}

impl Connection {
    /// A connection to call with, and the offer.
    pub(super) fn call(origin: &Origin, now: Instant) -> Result<(Self, String), Broken> {
        let mut rtc = rtc(origin, now);
        let mut change = rtc.sdp_api();
        let channel = change.add_channel_with_config(channel());
        let (offer, pending) = change.apply().ok_or(Broken::NotOneChannel)?;
        let connection = Self::with(rtc, origin, channel, Some(pending), now)?;
        Ok((connection, offer.to_sdp_string()))
    }

    /// A connection that answers an offer, and the answer.
    pub(super) fn answer(origin: &Origin, now: Instant, offer: &str) -> Result<(Self, String), Broken> {
        let (offer, candidates) = without_candidates(offer)?;
        let mut rtc = rtc(origin, now);
        let answer = rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer)?)?;
        let mut change = rtc.sdp_api();
        let channel = change.add_channel_with_config(channel());
        // The offer has made room for channels: none needs to be asked for.
        if change.apply().is_some() {
            return Err(Broken::NotOneChannel);
        }
        let mut connection = Self::with(rtc, origin, channel, None, now)?;
        for candidate in candidates {
            connection.reach(&candidate);
        }
        Ok((connection, answer.to_sdp_string()))
    }

    fn with(
        mut rtc: Rtc,
        origin: &Origin,
        channel: ChannelId,
        offer: Option<SdpPendingOffer>,
        now: Instant,
    ) -> Result<Self, Broken> {
        for base in &origin.bases {
            rtc.add_local_candidate(Candidate::host(*base, "udp").map_err(RtcError::Ice)?);
        }
        let bases = origin.bases.clone();
        let (backlog, backlog_bytes) = (VecDeque::new(), 0);
        Ok(Self {
            rtc,
            bases,
            channel,
            offer,
            opened: false,
            backlog,
            backlog_bytes,
            wake: now,
            remote: None,
        })
    }

    /// Takes the answer to the offer.
    pub(super) fn accepted(&mut self, answer: &str) -> Result<(), Broken> {
        let offer = self.offer.take().ok_or(Broken::NotAsked)?;
        let (answer, candidates) = without_candidates(answer)?;
        self.rtc.sdp_api().accept_answer(offer, SdpAnswer::from_sdp_string(&answer)?)?;
        for candidate in candidates {
            self.reach(&candidate);
        }
        Ok(())
    }

    /// The other side may be reached there. What cannot be read is one place less: browsers hide addresses behind
    /// names that only their own network resolves.
    pub(super) fn reach(&mut self, candidate: &str) {
        let Ok(candidate) = Candidate::from_sdp_string(candidate) else { return };
        if candidate.proto() == Protocol::Udp && is_dialable(&candidate.addr()) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// Whether a packet is meant for this connection.
    pub(super) fn accepts(&self, now: Instant, source: SocketAddr, packet: &[u8]) -> bool {
        self.receive(source, packet).is_some_and(|receive| self.rtc.accepts(&Input::Receive(now, receive)))
    }

    /// A packet came by UDP.
    pub(super) fn received(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Result<(), Broken> {
        match self.receive(source, packet) {
            Some(receive) => Ok(self.rtc.handle_input(Input::Receive(now, receive))?),
            None => Ok(()),
        }
    }

    fn receive<'a>(&self, source: SocketAddr, packet: &'a [u8]) -> Option<Receive<'a>> {
        let destination = *self.bases.iter().find(|base| base.is_ipv4() == source.is_ipv4())?;
        let contents = DatagramRecv::try_from(packet).ok()?;
        Some(Receive { proto: Protocol::Udp, source, destination, contents })
    }

    /// Time has passed.
    pub(super) fn elapsed(&mut self, now: Instant) -> Result<(), Broken> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// Sends a packet over the channel, as soon as it has room.
    pub(super) fn send(&mut self, packet: Vec<u8>) -> Result<(), Broken> {
        self.backlog_bytes += packet.len();
        self.backlog.push_back(packet);
        if self.backlog_bytes > MAX_BACKLOG { Err(Broken::NotRead) } else { Ok(()) }
    }

    /// Bytes that were sent and not acknowledged, or that wait for room.
    pub(super) fn waiting(&mut self) -> u64 {
        let buffered = self.rtc.channel(self.channel).map_or(0, |mut channel| channel.buffered_amount());
        (self.backlog_bytes + buffered) as u64
    }

    /// Moves on after anything that was done: what is to be sent by UDP, and what happened.
    pub(super) fn drive(
        &mut self,
        datagrams: &mut Vec<Datagram>,
        happened: &mut Vec<Happened>,
    ) -> Result<(), Broken> {
        loop {
            self.drain(datagrams, happened)?;
            let (Some(mut channel), Some(packet)) = (self.rtc.channel(self.channel), self.backlog.front())
            else {
                return Ok(());
            };
            if !self.opened || !channel.write(true, packet)? {
                return Ok(());
            }
            self.backlog_bytes -= packet.len();
            self.backlog.pop_front();
        }
    }

    fn drain(&mut self, datagrams: &mut Vec<Datagram>, happened: &mut Vec<Happened>) -> Result<(), Broken> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.wake = at;
                    return if self.rtc.is_alive() { Ok(()) } else { Err(Broken::Ended) };
                }
                Output::Transmit(packet) => {
                    self.remote = Some(packet.destination);
                    datagrams.push(Datagram { to: packet.destination, bytes: packet.contents.into() });
                }
                Output::Event(event) => happened.extend(self.event(event)?),
            }
        }
    }

    /// Of media there are no events, and the others need no answer.
    fn event(&mut self, event: Event) -> Result<Option<Happened>, Broken> {
        let gone = IceConnectionState::Disconnected;
        if matches!(event, Event::ChannelClose(_) | Event::Closed)
            || event == Event::IceConnectionStateChange(gone)
        {
            return Err(Broken::Ended);
        }
        if let Event::ChannelOpen(channel, _) = event {
            self.opened = channel == self.channel;
            return if self.opened { Ok(Some(Happened::Opened)) } else { Err(Broken::OtherChannel) };
        }
        let Event::ChannelData(data) = event else { return Ok(None) };
        let ours = data.id == self.channel && data.binary;
        if ours { Ok(Some(Happened::Packet(data.data))) } else { Err(Broken::OtherChannel) }
    }

    /// Says goodbye to the other side's browser.
    pub(super) fn close(mut self) -> Vec<Datagram> {
        let (mut datagrams, mut happened) = (Vec::new(), Vec::new());
        // A connection that cannot even be closed is gone without a word.
        let _ =
            self.rtc.close().map_err(Broken::from).and_then(|()| self.drain(&mut datagrams, &mut happened));
        datagrams
    }
}

/// A description without the candidates in it, and these: they are looked at like those that come later.
fn without_candidates(description: &str) -> Result<(String, Vec<String>), Broken> {
    let (mut rest, mut candidates, mut sections) = (String::new(), Vec::new(), 0);
    for line in description.lines() {
        if let Some(candidate) = line.strip_prefix("a=").filter(|line| line.starts_with("candidate:")) {
            candidates.push(candidate.to_owned());
            continue;
        }
        if let Some(section) = line.strip_prefix("m=") {
            sections += 1;
            if !section.starts_with("application ") {
                return Err(Broken::NotOneChannel);
            }
        }
        rest.push_str(line);
        rest.push_str("\r\n");
    }
    candidates.truncate(MAX_CANDIDATES);
    if sections == 1 { Ok((rest, candidates)) } else { Err(Broken::NotOneChannel) }
}

/// Which media section candidates of a description are of.
pub(super) fn section(description: &str) -> &str {
    description.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap_or("0")
}
