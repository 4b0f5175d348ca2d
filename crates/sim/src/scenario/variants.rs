//! The same scenario with one assumption changed: what a forecast hangs on.

use nearcast_engine::Rate;

use super::Scenario;

/// What an access log does not tell.
const AUDIENCE: &str = include_str!("../../scenarios/audience.toml");

impl Scenario {
    /// Homes, links and reach for an audience whose clicks are known, each an assumption with its source.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); a test reads it.
    pub fn audience() -> Result<Self, super::ScenarioError> {
        Self::parse(AUDIENCE)
    }

    /// The same with one assumption changed, each with words for it.
    pub fn variants(&self) -> Vec<(String, Self)> {
        let mut variants = Vec::new();
        let mut add = |words: String, change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            if other != *self {
                variants.push((words, other));
            }
        };
        let serve = self.listeners.serve_percent;
        add("every listener shares".to_owned(), &|s| s.listeners.serve_percent = 100);
        add(format!("{} % share, not {serve} %", serve / 2), &|s| s.listeners.serve_percent = serve / 2);
        add("homes upload half as fast".to_owned(), &|s| {
            for link in &mut s.links {
                link.up = Rate::from_bytes_per_sec((link.up.bytes_per_sec() / 2).max(1));
            }
        });
        let fail = self.nat.fail_percent;
        add(format!("60 % of pairs cannot connect, not {fail} %"), &|s| s.nat.fail_percent = 60);
        add("everyone can connect".to_owned(), &|s| s.nat.fail_percent = 0);
        add("caches are a tenth".to_owned(), &|s| s.listeners.cache /= 10);
        variants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_homes_behind_a_log_read() {
        assert_eq!(Scenario::audience().expect("reads").name, "audience");
    }

    #[test]
    fn a_variant_differs_in_one_thing_or_is_left_out() {
        let variants = Scenario::default().variants();
        assert!(variants.iter().all(|(_, other)| *other != Scenario::default()));
        assert!(variants.iter().any(|(words, other)| words == "50 % share, not 100 %" && other.listeners.serve_percent == 50));
        assert!(!variants.iter().any(|(words, _)| words == "every listener shares"), "it is so already");
    }
}
