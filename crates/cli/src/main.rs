//! The nearcast command.

mod publish;

use std::process::ExitCode;

use clap::Parser as _;

/// An audience is its own delivery network.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Publish(publish::PublishArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Publish(args) => publish::run(args),
    }
}
