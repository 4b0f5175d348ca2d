//! `nearcast completions`: what a shell needs to complete commands and options.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap_complete::Shell;

/// Print completions for a shell, to be loaded by it.
///
/// bash: `nearcast completions bash > ~/.local/share/bash-completion/completions/nearcast`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints completions of `command` to standard output.
pub(crate) fn run(args: CompletionsArgs, command: clap::Command) -> anyhow::Result<ExitCode> {
    let script = script(args.shell, command);
    io::stdout().write_all(&script).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The script that completes `command` in `shell`.
fn script(shell: Shell, mut command: clap::Command) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_commands_and_options() {
        let command = || {
            let sing = clap::Command::new("sing").arg(clap::Arg::new("loud").long("loud"));
            clap::Command::new("choir").subcommand(sing)
        };
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = String::from_utf8(script(shell, command())).expect("text");
            for word in ["choir", "sing", "loud"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
