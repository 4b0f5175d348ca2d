//! Compares what the listeners counted with each other and with what the kernel counted.

use serde::Serialize;

use super::counts::{Counts, ProviderCounts};
use super::kernel::{KernelError, Sum};

/// How far two counts of the same bytes may lie apart.
const TOLERANCE: f64 = 0.05;
/// Below so many bytes a share says nothing: a few requests under way are more than the tolerance.
const TOO_LITTLE: u64 = 256 * 1024;

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// What the listeners counted.
    pub(crate) counted: u64,
    /// What it was held against.
    pub(crate) against: Option<u64>,
    /// How much larger `counted` is, as a share of `against`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) off: Option<f64>,
    /// In words.
    pub(crate) says: String,
}

/// How a comparison came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Passed,
    Failed,
    NotChecked,
}

/// What there is to compare.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// Over all listeners.
    pub(crate) listeners: Counts,
    pub(crate) provider: ProviderCounts,
    /// What the kernel saw leave the provider's port.
    pub(crate) provider_tcp: Result<Sum, KernelError>,
    /// What the loopback device carried during the demo.
    pub(crate) loopback: Result<u64, KernelError>,
}

/// All comparisons.
pub(crate) fn audit(evidence: &Evidence) -> Vec<Check> {
    let Evidence { listeners, provider, provider_tcp, loopback } = evidence;
    let origin = against_kernel(
        "origin_bytes_against_kernel",
        // What the listeners count are bodies; on the wire there are heads and the directory's messages too.
        listeners.fetched_from_origin + provider.sent.saturating_sub(provider.bodies),
        provider_tcp,
        "origin bytes counted by listeners, with heads and signalling",
    );
    let served = against_kernel(
        "provider_bytes_against_kernel",
        provider.sent,
        provider_tcp,
        "bytes that the provider counts as sent",
    );
    let (got, sent) = (listeners.received_from_peers, listeners.sent_to_peers);
    let peers =
        compare("peer_bytes_received_against_sent", got, sent, "bytes received from peers", "sent to peers");
    vec![origin, served, peers, through_loopback(listeners, loopback), nothing_rejected(listeners)]
}

fn against_kernel(name: &'static str, counted: u64, kernel: &Result<Sum, KernelError>, what: &str) -> Check {
    match kernel {
        Ok(kernel) => {
            let check = compare(name, counted, kernel.bytes(), what, "TCP bytes counted by the kernel");
            let above = check.verdict == Verdict::Failed && counted > kernel.bytes();
            // What the kernel did not tell may be what is missing in its sum.
            if above && matches!(kernel, Sum::AtLeast(_)) {
                let says =
                    format!("{}; not checked, the kernel dropped notices of closed connections", check.says);
                return not_checked(name, counted, check.against, says);
            }
            check
        }
        Err(error) => not_checked(name, counted, None, format!("{what}: not checked, {error}")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people; exact up to 2^53 bytes")]
fn compare(name: &'static str, counted: u64, against: u64, what: &str, other: &str) -> Check {
    if counted.max(against) < TOO_LITTLE {
        let says = format!("{what}: too few to compare ({counted}, and {against} {other})");
        return not_checked(name, counted, Some(against), says);
    }
    let off = (counted as f64 - against as f64) / against.max(1) as f64;
    let verdict = if off.abs() <= TOLERANCE { Verdict::Passed } else { Verdict::Failed };
    let says = format!("{what}: {counted}, and {against} {other}: {:+.2} %", off * 100.0);
    Check { name, verdict, counted, against: Some(against), off: Some(off), says }
}

/// Everything went through the loopback device, so it must have carried at least as much. Other programs of this
/// machine use it too, so more says nothing.
fn through_loopback(listeners: &Counts, loopback: &Result<u64, KernelError>) -> Check {
    let name = "all_bytes_within_loopback";
    let counted = listeners.fetched_from_origin + listeners.received_from_peers + listeners.handed();
    match loopback {
        Err(error) => {
            not_checked(name, counted, None, format!("bytes on the loopback device: not checked, {error}"))
        }
        Ok(carried) => {
            let verdict = if counted <= *carried { Verdict::Passed } else { Verdict::Failed };
            let says = format!(
                "bytes from peers, from the provider and to players: {counted}, the loopback device carried {carried}"
            );
            Check { name, verdict, counted, against: Some(*carried), off: None, says }
        }
    }
}

fn nothing_rejected(listeners: &Counts) -> Check {
    let counted = listeners.rejected_blocks;
    let verdict = if counted == 0 { Verdict::Passed } else { Verdict::Failed };
    let says = format!("blocks that did not match their hash: {counted}");
    Check { name: "no_block_rejected", verdict, counted, against: Some(0), off: None, says }
}

fn not_checked(name: &'static str, counted: u64, against: Option<u64>, says: String) -> Check {
    Check { name, verdict: Verdict::NotChecked, counted, against, off: None, says }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn evidence() -> Evidence {
        Evidence {
            listeners: Counts {
                cache: 4 * MB,
                peers: 10 * MB,
                origin: 3 * MB,
                fetched_from_origin: 4 * MB,
                received_from_peers: 12 * MB,
                sent_to_peers: 12 * MB + MB / 10,
                ..Counts::default()
            },
            provider: ProviderCounts { sent: 4 * MB + 50_000, bodies: 4 * MB },
            provider_tcp: Ok(Sum::Exact(4 * MB + 60_000)),
            loopback: Ok(50 * MB),
        }
    }

    fn verdict(evidence: &Evidence, name: &str) -> Verdict {
        audit(evidence).into_iter().find(|check| check.name == name).expect("there").verdict
    }

    #[test]
    fn honest_counts_pass() {
        assert!(audit(&evidence()).iter().all(|check| check.verdict == Verdict::Passed));
    }

    #[test]
    fn each_lie_is_noticed() {
        let mut low = evidence();
        low.listeners.fetched_from_origin = 3 * MB;
        assert_eq!(verdict(&low, "origin_bytes_against_kernel"), Verdict::Failed);
        let mut high = evidence();
        high.listeners.fetched_from_origin = 5 * MB;
        assert_eq!(verdict(&high, "origin_bytes_against_kernel"), Verdict::Failed);
        let mut served = evidence();
        served.provider.sent = 5 * MB;
        assert_eq!(verdict(&served, "provider_bytes_against_kernel"), Verdict::Failed);
        let mut peers = evidence();
        peers.listeners.sent_to_peers = 10 * MB;
        assert_eq!(verdict(&peers, "peer_bytes_received_against_sent"), Verdict::Failed);
        let mut device = evidence();
        device.loopback = Ok(30 * MB);
        assert_eq!(verdict(&device, "all_bytes_within_loopback"), Verdict::Failed);
        let mut corrupt = evidence();
        corrupt.listeners.rejected_blocks = 1;
        assert_eq!(verdict(&corrupt, "no_block_rejected"), Verdict::Failed);
    }

    #[test]
    fn five_percent_is_the_bound() {
        let off = |counted| compare("x", counted, 100 * MB, "a", "b").verdict;
        assert_eq!(off(105 * MB), Verdict::Passed);
        assert_eq!(off(95 * MB), Verdict::Passed);
        assert_eq!(off(105 * MB + 1), Verdict::Failed);
        assert_eq!(off(95 * MB - 1), Verdict::Failed);
        assert_eq!(compare("x", MB, 0, "a", "b").verdict, Verdict::Failed);
    }

    #[test]
    fn a_sum_of_the_kernel_that_lacks_something_proves_only_too_low_a_count_wrong() {
        let with =
            |sum| verdict(&Evidence { provider_tcp: Ok(sum), ..evidence() }, "provider_bytes_against_kernel");
        assert_eq!(with(Sum::AtLeast(4 * MB)), Verdict::Passed);
        assert_eq!(with(Sum::AtLeast(3 * MB)), Verdict::NotChecked);
        assert_eq!(with(Sum::Exact(3 * MB)), Verdict::Failed);
        assert_eq!(with(Sum::AtLeast(5 * MB)), Verdict::Failed);
    }

    #[test]
    fn what_cannot_be_checked_is_said_so_and_does_not_fail() {
        let mut blind = evidence();
        blind.provider_tcp = Err(KernelError::Hidden("the counters"));
        blind.loopback = Err(KernelError::Hidden("the device"));
        let checks = audit(&blind);
        let not: Vec<_> =
            checks.iter().filter(|c| c.verdict == Verdict::NotChecked).map(|c| c.name).collect();
        let expected =
            ["origin_bytes_against_kernel", "provider_bytes_against_kernel", "all_bytes_within_loopback"];
        assert_eq!(not, expected);
        assert!(checks[0].says.ends_with("not checked, this system does not show the counters"));
        let mut idle = evidence();
        idle.listeners.received_from_peers = 1_000;
        idle.listeners.sent_to_peers = 0;
        assert_eq!(verdict(&idle, "peer_bytes_received_against_sent"), Verdict::NotChecked);
    }
}
