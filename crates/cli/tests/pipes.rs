//! Output whose reader goes away, as `head` does.

use std::process::{Command, Stdio};

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for how in [["--trace", "0"].as_slice(), &["--json"], &[]] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_nearcast"))
            .args(["sim", "--scenario", "small", "--policy", "origin-only", "--seed", "1"])
            .args(how)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        drop(process.stdout.take());
        let ended = process.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && !said.contains("panicked"), "{how:?}: {said}");
    }
}
