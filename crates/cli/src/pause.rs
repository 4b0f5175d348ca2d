//! `nearcast pause` and `nearcast resume`: sharing rests for a while.

use std::process::ExitCode;
use std::time::Duration;

use nearcast_node::settings::parse_duration;
use serde_json::{Value, json};

use crate::gateway::GatewayArgs;
use crate::shell;
use crate::status::sharing_in_words;

/// Let sharing rest: a running node hands nothing on until then, also after a restart.
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// For how long, like 30m, 2h or 1d; otherwise until `nearcast resume`.
    #[arg(value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Runs `pause`.
pub(crate) fn pause(args: PauseArgs) -> anyhow::Result<ExitCode> {
    let seconds = args.duration.map(|duration| duration.as_secs());
    tell(&args.gateway, "control/pause", &json!({ "seconds": seconds }))
}

/// Runs `resume`.
pub(crate) fn resume(args: GatewayArgs) -> anyhow::Result<ExitCode> {
    tell(&args, "control/resume", &json!({}))
}

fn tell(gateway: &GatewayArgs, path: &str, what: &Value) -> anyhow::Result<ExitCode> {
    let node = gateway.node()?;
    let answer = shell::run(async |_| node.post(path, what).await)?;
    if gateway.json {
        shell::say(&answer.to_string())?;
    } else {
        shell::say(&sharing_in_words(&answer["sharing"]))?;
    }
    Ok(ExitCode::SUCCESS)
}
