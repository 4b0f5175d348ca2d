//! The nearcast command.

mod audience;
mod autostart;
mod completions;
mod config;
mod demo;
mod gateway;
mod keep;
mod node;
mod pause;
mod play;
mod policy;
mod progress;
mod publish;
mod serve;
mod shell;
mod sim;
mod status;
mod verify;

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
    Demo(demo::DemoArgs),
    Publish(publish::PublishArgs),
    Serve(serve::ServeArgs),
    Node(node::NodeArgs),
    Play(play::PlayArgs),
    Keep(keep::KeepArgs),
    Cache(keep::CacheArgs),
    Pause(pause::PauseArgs),
    /// Let a paused node share again.
    Resume(gateway::GatewayArgs),
    /// List the titles of a running node.
    Titles(gateway::GatewayArgs),
    /// Say how a running node is doing.
    Status(gateway::GatewayArgs),
    Policy(policy::PolicyArgs),
    Verify(verify::VerifyArgs),
    Sim(sim::SimArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
}

fn main() -> ExitCode {
    let outcome = match demo::Backstage::called() {
        Some(program) => program.run(),
        None => run(Cli::parse().command),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if shell::reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", shell::explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Publish(args) => publish::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Node(args) => node::run(args),
        Command::Play(args) => play::run(args),
        Command::Keep(args) => keep::keep(args),
        Command::Cache(args) => keep::cache(args),
        Command::Pause(args) => pause::pause(args),
        Command::Resume(args) => pause::resume(args),
        Command::Titles(args) => status::titles(args),
        Command::Status(args) => status::status(args),
        Command::Policy(args) => policy::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
    }
}
