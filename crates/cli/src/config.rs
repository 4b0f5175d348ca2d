//! `nearcast config`: the settings in force, with what each one does.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use nearcast_node::settings::Settings;

use crate::shell;

/// Print the settings in force, with what each one does.
///
/// The output is a settings file: keep it, and take the # away from what you change.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// File of settings to read instead of the usual one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print only where settings are read from.
    #[arg(long, conflicts_with = "json")]
    path: bool,
    /// Print one JSON object instead of TOML.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    let path = args.config.clone().or_else(Settings::default_path);
    let path = path.context("no home folder was found; name a file with --config")?;
    if args.path {
        shell::say(&path.display().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::load(args.config.as_deref())?;
    if args.json {
        shell::say(&serde_json::to_string(&settings)?)?;
    } else {
        let place = path.display();
        let head = if path.exists() {
            format!("# Settings of `nearcast node`, read from {place}")
        } else {
            format!(
                "# Settings of `nearcast node`, all at their defaults. To change some, keep this as\n# {place}"
            )
        };
        shell::say(&format!("{head}\n"))?;
        shell::say(settings.to_commented_toml().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
