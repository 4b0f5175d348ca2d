//! `nearcast play`: opens a title in a player that is installed, with a node for it when none runs.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::{env, ffi};

use anyhow::{Context as _, bail, ensure};
use nearcast_content::Link;
use nearcast_node::settings::Settings;
use tokio_util::sync::CancellationToken;

use crate::gateway::{RunningNode, Title};
use crate::node::{self, Running};
use crate::shell;

/// Players that are looked for, the best first, what makes each end with the title, and what it is given of a film.
const PLAYERS: [(&str, &[&str], Opens); 4] = [
    ("mpv", &[], Opens::File),
    ("vlc", &["--play-and-exit"], Opens::Playlist),
    ("ffplay", &["-autoexit", "-loglevel", "warning"], Opens::File),
    ("cvlc", &["--play-and-exit"], Opens::Playlist),
];

/// What a player opens of a title that has a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    /// The playlist: it chooses among sizes.
    Playlist,
    /// The file of one size: players built on ffmpeg 5 do not seek in playlists of films.
    File,
}

/// Play a title in an installed player.
///
/// A running node delivers it; when none runs, one runs for as long as the player does.
#[derive(Debug, clap::Args)]
pub(crate) struct PlayArgs {
    /// The provider's link. With a running node it can be left out; a link to one title names that too.
    #[arg(value_name = "LINK|TITLE")]
    first: String,
    /// The title, by id, name, or a part of a name that only one has.
    #[arg(value_name = "TITLE")]
    second: Option<String>,
    /// The player, by name or path; otherwise mpv, vlc or ffplay, whichever is there.
    #[arg(long, value_name = "PROGRAM")]
    player: Option<PathBuf>,
    /// Where the node's players find it; otherwise as in the settings.
    #[arg(long, value_name = "ADDRESS", value_parser = shell::address)]
    gateway: Option<std::net::SocketAddr>,
    /// Folder of the memory and cache of a node that is started for this.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What the player is given besides, after `--`.
    #[arg(last = true, value_name = "PLAYER OPTIONS")]
    options: Vec<ffi::OsString>,
}

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    link: Option<Link>,
    title: String,
}

impl Wish {
    fn read(first: &str, second: Option<&str>) -> anyhow::Result<Self> {
        let is_link = first.contains("://");
        match second {
            Some(title) if is_link => Ok(Self { link: Some(first.parse()?), title: title.to_owned() }),
            None if is_link => {
                let link: Link = first.parse()?;
                let title =
                    link.title.as_ref().context("say which title: nearcast play LINK \"title\"")?.to_string();
                Ok(Self { link: Some(link), title })
            }
            None => Ok(Self { link: None, title: first.to_owned() }),
            Some(_) => bail!("say a link and a title: nearcast play LINK \"title\""),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: PlayArgs) -> anyhow::Result<ExitCode> {
    shell::start_logs();
    let wish = Wish::read(&args.first, args.second.as_deref())?;
    let player = Player::find(args.player.as_deref())?;
    shell::run(async |stop| {
        let (node, own) = node_for(&args, &wish).await?;
        let played = async {
            let titles = node.find(std::slice::from_ref(&wish.title)).await?;
            let title = titles.first().context("no title was found")?;
            player.play(&player.url(&node, title).await?, title, &args.options, &stop).await
        }
        .await;
        if let Some(own) = own {
            own.end().await?;
        }
        played
    })
}

/// The running node, or one that is started for this.
async fn node_for(args: &PlayArgs, wish: &Wish) -> anyhow::Result<(RunningNode, Option<Running>)> {
    let mut settings = Settings::load(None)?;
    settings.gateway.listen = args.gateway.unwrap_or(settings.gateway.listen);
    settings.cache.dir = args.state.clone().or(settings.cache.dir);
    let node = RunningNode::at(settings.gateway.listen)?;
    if node.runs().await {
        check_provider(&node, wish).await?;
        return Ok((node, None));
    }
    let Some(link) = &wish.link else {
        bail!(
            "no node answers at {}; say the provider's link too: nearcast play LINK \"{}\"",
            node.address,
            wish.title
        )
    };
    let own = node::start_with(link.clone(), &settings).await?;
    Ok((RunningNode::at(own.address)?, Some(own)))
}

/// A node plays one provider's titles.
async fn check_provider(node: &RunningNode, wish: &Wish) -> anyhow::Result<()> {
    let Some(link) = &wish.link else { return Ok(()) };
    let status = node.get("status").await?;
    let site = status["provider"]["site"].as_str().unwrap_or_default();
    ensure!(
        site == link.site.as_str(),
        "the node at {} plays titles of {site}; stop it, or give another node's --gateway and --state",
        node.address
    );
    Ok(())
}

/// An installed player.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Player {
    program: PathBuf,
    options: &'static [&'static str],
    opens: Opens,
}

impl Player {
    fn find(wanted: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(program) = wanted {
            let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let known = PLAYERS.iter().find(|(player, ..)| *player == name);
            let (options, opens) = known.map_or((&[][..], Opens::Playlist), |(_, o, opens)| (*o, *opens));
            return Ok(Self { program: program.to_owned(), options, opens });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let there =
            |name: &str| env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
        let found = PLAYERS.iter().find_map(|(name, o, opens)| Some((there(name)?, *o, *opens)));
        let (program, options, opens) =
            found.context("no player is installed: install mpv, VLC or ffmpeg, or name one with --player")?;
        Ok(Self { program, options, opens })
    }

    /// What it is given of a title.
    async fn url(&self, node: &RunningNode, title: &Title) -> anyhow::Result<String> {
        let about = match self.opens {
            Opens::Playlist => return Ok(node.url(title)),
            Opens::File => node.get(&format!("titles/{}", title.id)).await?,
        };
        Ok(about["whole"].as_str().map_or_else(|| node.url(title), |file| node.url_of(title, file)))
    }

    /// Plays `url` until the player ends, or is told to.
    async fn play(
        &self,
        url: &str,
        title: &Title,
        more: &[ffi::OsString],
        stop: &CancellationToken,
    ) -> anyhow::Result<ExitCode> {
        let name = self.program.display();
        shell::say(&format!("Playing {} in {name}.", shell::printable(&title.name)))?;
        let mut command = tokio::process::Command::new(&self.program);
        command.args(self.options).args(more).arg(url).stdin(Stdio::inherit()).kill_on_drop(true);
        let mut player = command.spawn().with_context(|| format!("{name} does not start"))?;
        match stop.run_until_cancelled(player.wait()).await {
            Some(ended) => {
                let ended = ended.with_context(|| format!("{name} was lost"))?;
                ensure!(ended.success(), "{name} could not play it ({ended})");
            }
            None => player.kill().await.with_context(|| format!("{name} does not stop"))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(what: &[&str]) -> anyhow::Result<Wish> {
        Wish::read(what[0], what.get(1).copied())
    }

    #[test]
    fn a_wish_is_a_title_or_a_link_and_a_title() {
        let link: Link = "http://127.0.0.1:8400/".parse().expect("a link");
        let both = wish(&["http://127.0.0.1:8400/", "Night Train"]).expect("a wish");
        assert_eq!(both, Wish { link: Some(link), title: "Night Train".to_owned() });
        assert_eq!(wish(&["night"]).expect("a wish").link, None);
        let key = nearcast_content::ProviderKey([7; 32]);
        let named = wish(&[&format!("http://127.0.0.1:8400/#nearcast={key}/night")]).expect("a wish");
        assert_eq!((named.title.as_str(), named.link.is_some()), ("night", true));
        for bad in [&["http://127.0.0.1:8400/"][..], &["a", "b"], &["http://x y/", "b"]] {
            assert!(wish(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_named_player_keeps_the_options_that_end_it() {
        let player = Player::find(Some(Path::new("/opt/bin/ffplay"))).expect("named");
        assert_eq!(player.options, ["-autoexit", "-loglevel", "warning"]);
        assert_eq!(player.opens, Opens::File);
        let other = Player::find(Some(Path::new("foobar"))).expect("named");
        assert_eq!((other.options, other.opens), (&[][..], Opens::Playlist));
    }
}
