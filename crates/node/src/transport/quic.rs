//! What a connection between peers is allowed to hold, carry and take its time over.

use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{AckFrequencyConfig, IdleTimeout, MtuDiscoveryConfig, QuicTransportConfig, VarInt};
use nearcast_engine::limits::{MAX_RUN_BLOCKS, MAX_RUNS_PER_PEER};

use super::meter::Metering;

/// What both ends must agree on before anything else.
pub(super) const ALPN: &[u8] = b"nearcast/1";

/// Bytes of one stream that may wait to be read: the longest run (64 blocks and its hashes) in one piece, so
/// that no run ever waits for window updates.
///
/// Never more than 2 MB. noq-proto keeps what is unread of a stream in the pieces it came in, does not join
/// full ones, and ends the whole *connection* ("too many gaps in stream buffer") when there are more than
/// 1,024, or 2,048 at best. The smallest packets carry 1,150 bytes, so this window is 980 pieces.
pub(super) const STREAM_WINDOW: u32 = 1_100 * 1024;
const _: () = assert!(STREAM_WINDOW <= 2_000_000, "larger stream windows end connections, see STREAM_WINDOW");
const _: () = assert!(STREAM_WINDOW / 1_150 < 1_024, "an unread stream could end its connection");
const _: () = assert!(STREAM_WINDOW > MAX_RUN_BLOCKS * (16 * 1024 + 2 * 64) + 4096, "a run must fit");

/// Runs asked of one peer at once, as stream counts are counted.
const RUNS: u32 = {
    assert!(MAX_RUNS_PER_PEER < 1_000);
    #[expect(clippy::cast_possible_truncation, reason = "checked in the line before")]
    {
        MAX_RUNS_PER_PEER as u32
    }
};

/// Bytes of one connection that may wait to be read: every run that was asked for, and the control stream
/// beside them, so that unread runs cannot hold up a cancel.
pub(super) const CONNECTION_WINDOW: u32 = STREAM_WINDOW * RUNS + 512 * 1024;

/// Bytes of one connection that were written and not acknowledged: 100 Mbit/s at 80 ms, and a bound on what
/// sixty peers can make this node hold.
pub(super) const SEND_WINDOW: u32 = 1024 * 1024;

/// Run streams that a peer may have open towards us: twice what is asked of it, because a cancelled run
/// occupies its place until both sides know.
pub(super) const MAX_RUN_STREAMS: u32 = 2 * RUNS;

/// Packets that may come without an acknowledgement: one in ten instead of every other one. Acknowledgements take
/// room on the uplinks of those who hand on themselves, and processor time at both ends. No more than a first flight
/// (RFC 9002, section 7.2), so that a connection starts as fast.
const ACK_AFTER: u32 = 9;

/// Silence after which a connection counts as dead when nothing is expected of it. While a run is expected,
/// [`vigil`](super::vigil) notices much sooner. The first keep-alive after the last word restarts it once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A sign of life this often keeps NAT mappings open; most forget UDP after 30 s, some after 15 s.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Buffer for the datagrams of [`vigil`](super::vigil) and [`stamps`](super::stamps), a few bytes each.
const PROBE_BUFFER: usize = 1024;

/// Which end of a connection the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Opens the control stream, and grants the other end no two-way stream.
    Dialer,
    /// Grants exactly one two-way stream: the control stream.
    Acceptor,
}

/// The settings of one end of a connection.
pub(super) fn settings(end: End) -> QuicTransportConfig {
    let control_streams: u32 = match end {
        End::Dialer => 0,
        End::Acceptor => 1,
    };
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(ACK_AFTER.into());
    QuicTransportConfig::builder()
        .ack_frequency_config(Some(acks))
        .max_concurrent_bidi_streams(control_streams.into())
        .max_concurrent_uni_streams(MAX_RUN_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW.into())
        .send_fairness(true)
        .max_idle_timeout(Some(idle_timeout()))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .mtu_discovery_config(Some(MtuDiscoveryConfig::default()))
        .datagram_receive_buffer_size(Some(PROBE_BUFFER))
        .datagram_send_buffer_size(PROBE_BUFFER)
        // Cubic, the default, with an ear on it: the engine paces all paths together by what is heard.
        .congestion_controller_factory(Arc::new(Metering))
        .build()
}

fn idle_timeout() -> IdleTimeout {
    #[expect(clippy::cast_possible_truncation, reason = "20,000 fits")]
    const MILLIS: u32 = IDLE_TIMEOUT.as_millis() as u32;
    VarInt::from_u32(MILLIS).into()
}
