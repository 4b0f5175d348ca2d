//! The nearcast command.
fn main() {}
