//! Repository chores. `cargo xtask tidy` checks the rules of style that no compiler knows.

mod repo;
mod source;
mod tidy;
#[cfg(test)]
mod walls;

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(&root()),
        Some("rules") => tidy::explain(),
        Some(_) | None => {
            eprintln!("cargo xtask tidy    check the workspace's rules of style");
            eprintln!("cargo xtask rules   say what they are");
            ExitCode::from(2)
        }
    }
}

/// The workspace's root: the folder above this crate.
fn root() -> std::path::PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
