//! What a path tells of the lines it runs over: the round trips of its packets and what was acknowledged, read off
//! the congestion controller, which sees every acknowledgement.
//!
//! The controller itself is the one that QUIC has by default; nothing of it is changed. How fast this node sends in
//! all is decided by the engine, from what is read here.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, Controller, ControllerFactory, ControllerMetrics, RttEstimator};
use nearcast_engine::Span;
use noq_proto::congestion::CubicConfig;

/// Stands for no round trip.
const NONE: u64 = u64::MAX;

/// What was acknowledged on a path since it was last asked.
#[derive(Debug)]
pub(super) struct Meter {
    acked: AtomicU64,
    /// The shortest round trip, in microseconds.
    shortest: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { acked: AtomicU64::new(0), shortest: AtomicU64::new(NONE) }
    }
}

impl Meter {
    /// Notes a round trip, if there was one, and bytes.
    pub(super) fn add(&self, rtt: Option<Span>, acked: u64) {
        self.acked.fetch_add(acked, Ordering::Relaxed);
        self.shortest.fetch_min(rtt.map_or(NONE, Span::micros), Ordering::Relaxed);
    }

    /// What was noted since this was last called: the shortest round trip, and bytes.
    pub(super) fn take(&self) -> (Option<Span>, u64) {
        let shortest = self.shortest.swap(NONE, Ordering::Relaxed);
        let acked = self.acked.swap(0, Ordering::Relaxed);
        ((shortest != NONE).then(|| Span::from_micros(shortest)), acked)
    }
}

/// A congestion controller that notes what it is told.
#[derive(Debug)]
struct Metered {
    inner: Box<dyn Controller>,
    meter: Arc<Meter>,
}

/// Makes metered controllers.
#[derive(Debug)]
pub(super) struct Metering;

impl ControllerFactory for Metering {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = Arc::new(CubicConfig::default()).build(now, current_mtu);
        Box::new(Metered { inner, meter: Arc::default() })
    }
}

impl Controller for Metered {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.inner.on_sent(now, bytes, largest_pn);
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.inner.on_packet_sent(now, bytes, pn);
    }

    fn on_cwnd_limited(&mut self) {
        self.inner.on_cwnd_limited();
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        pn: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        let took = u64::try_from(now.saturating_duration_since(sent).as_micros()).unwrap_or(NONE);
        self.meter.add(Some(Span::from_micros(took)), bytes);
        self.inner.on_ack(now, sent, bytes, pn, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        is_ecn: bool,
        lost_bytes: u64,
        largest_lost_pn: u64,
    ) {
        self.inner.on_congestion_event(
            now,
            sent,
            is_persistent_congestion,
            is_ecn,
            lost_bytes,
            largest_lost_pn,
        );
    }

    fn on_packet_lost(&mut self, lost_bytes: u16, pn: u64, now: Instant) {
        self.inner.on_packet_lost(lost_bytes, pn, now);
    }

    fn on_spurious_congestion_event(&mut self) {
        self.inner.on_spurious_congestion_event();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn on_ack_frequency_update(&mut self, threshold: u64, delay: Duration) {
        self.inner.on_ack_frequency_update(threshold, delay);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    /// A copy of the controller notes on the same meter: it is asked through copies.
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), meter: Arc::clone(&self.meter) })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What was acknowledged on the path in use since this was last called: the shortest round trip, and bytes. None
/// when the connection is gone.
pub(super) fn take(conn: &Connection) -> Option<(Option<Span>, u64)> {
    let paths = conn.paths();
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
    let metered = conn.congestion_state(path.id())?.into_any().downcast::<Metered>().ok()?;
    Some(metered.meter.take())
}
