//! The nearcast command.

mod completions;
mod config;
mod node;
mod publish;
mod serve;
mod shell;
mod sim;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

/// An audience is its own delivery network.
#[derive(Debug, clap::Parser)]
#[command(name = "nearcast", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Publish(publish::PublishArgs),
    Serve(serve::ServeArgs),
    Node(node::NodeArgs),
    /// List the titles of a running node.
    Titles(node::GatewayArgs),
    /// Say how a running node is doing.
    Status(node::GatewayArgs),
    Sim(sim::SimArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Publish(args) => publish::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Node(args) => node::run(args),
        Command::Titles(args) => node::titles(args),
        Command::Status(args) => node::status(args),
        Command::Sim(args) => sim::run(args),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
    }
}
