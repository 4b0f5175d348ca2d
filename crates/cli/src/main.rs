//! The nearcast command.

mod node;
mod publish;
mod serve;
mod shell;

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
    Serve(serve::ServeArgs),
    Node(node::NodeArgs),
    Titles(node::GatewayArgs),
    Status(node::GatewayArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Publish(args) => publish::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Node(args) => node::run(args),
        Command::Titles(args) => node::titles(args),
        Command::Status(args) => node::status(args),
    }
}
