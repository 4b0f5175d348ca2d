//! The beginning: a site, a provider, the first listener, and the programme.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use nearcast_content::UnixTime;
use nearcast_content::policy::{Permille, Policy};
use nearcast_node::publish::{self, Options, ProviderKeyFile};
use reqwest::Url;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::super::cast::Listener;
use super::super::children::{Child, Event, Who};
use super::super::kernel::{TcpLedger, loopback_bytes};
use super::super::plan::{self, Exit, Show, Sort};
use super::super::samples;
use super::super::summary::How;
use super::super::table::Terminal;
use super::{Cue, START, Serving, Stage};

/// Pause between two looks for titles.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What a gateway's `/titles` says of one.
#[derive(Debug, Deserialize)]
struct Title {
    id: String,
    name: String,
    duration_ms: u64,
    kind: String,
    file: String,
}

impl Stage {
    /// Publishes, starts the provider and the first listener, and draws the programme of what it offers.
    pub(crate) async fn open(&mut self, terminal: &mut Terminal) -> anyhow::Result<()> {
        terminal.say("Publishing …");
        self.publish().await?;
        self.serve().await?;
        terminal.say("Starting …");
        self.loopback_before = loopback_bytes();
        self.join(0)?;
        let gateway = timeout(START, self.first_listener()).await;
        let gateway = gateway.with_context(|| self.late(Who::Listener(0)))??;
        let shows = timeout(START, self.titles(&gateway)).await;
        self.shows = shows.context("the first listener's node lists no titles that have a length")??;
        self.draw_programme();
        self.curtain_up = Instant::now();
        self.give_part(0).await
    }

    async fn publish(&mut self) -> anyhow::Result<()> {
        let mut args: Vec<OsString> = vec!["publish".into()];
        match &self.args.media {
            // Links, as media may be large; they are read only.
            Some(media) => args.extend([media.as_os_str().to_owned(), "--link".into()]),
            None => {
                let written = samples::write(&self.folder.path().join("samples"));
                args.extend(
                    written.context("cannot write the samples")?.into_iter().map(PathBuf::into_os_string),
                );
            }
        }
        args.extend(["--json".into(), "--name".into(), "The demo".into(), "--site".into()]);
        args.extend([
            self.path("site").into_os_string(),
            "--key".into(),
            self.path("provider.key").into_os_string(),
        ]);
        let publisher = self.publisher.insert(Child::start(Who::Publisher, &args, self.tell.clone())?);
        let mut said = None;
        loop {
            match self.events.recv().await.context("the publisher is gone")? {
                Event::Line(Who::Publisher, line) => said = Some(line),
                Event::Ended(Who::Publisher, status) => {
                    // Code 1 says that files were left out, which a folder of all sorts has.
                    let result: serde_json::Value = match &said {
                        Some(line) => serde_json::from_str(line).context("the publisher says no JSON")?,
                        None => bail!("publishing failed ({status}):\n{}", publisher.last_words()),
                    };
                    let titles = result["titles"].as_u64().unwrap_or(0);
                    ensure!(
                        titles > 0,
                        "there is nothing in it that can be published: {}",
                        result["skipped"]
                    );
                    return self.hold_nobody_out();
                }
                Event::Line(..) | Event::Ended(..) => {}
            }
        }
    }

    /// Nine plays tell nothing about a hold-out, and one held out would look like a peer that does not help.
    fn hold_nobody_out(&self) -> anyhow::Result<()> {
        let key = ProviderKeyFile::open(&self.path("provider.key"))?.key;
        let now = UnixTime(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let nobody = |policy: &mut Policy| policy.hold_out = Permille::NONE;
        publish::change_policy(&self.path("site"), &Options::new(key, now), nobody)?;
        Ok(())
    }

    async fn serve(&mut self) -> anyhow::Result<()> {
        let site = self.path("site").into_os_string();
        let bits = format!("{}bit", self.args.uplink.bytes_per_sec().saturating_mul(8));
        let args: Vec<OsString> = vec![
            "serve".into(),
            site,
            "--listen".into(),
            "127.0.0.1:0".into(),
            "--uplink".into(),
            bits.into(),
            "--json".into(),
        ];
        self.provider = Some(Child::start(Who::Provider, &args, self.tell.clone())?);
        let line = timeout(START, self.first_line(Who::Provider)).await;
        let line = line.with_context(|| self.late(Who::Provider))??;
        let serving: Serving = serde_json::from_str(&line).context("the provider says no JSON when ready")?;
        let port = serving.url.port_or_known_default().context("the provider has no port")?;
        self.ledger = TcpLedger::open(port);
        self.site = Some(serving);
        Ok(())
    }

    async fn first_line(&mut self, from: Who) -> anyhow::Result<String> {
        loop {
            match self.events.recv().await.context("all programs are gone")? {
                Event::Line(who, line) if who == from => return Ok(line),
                Event::Ended(who, status) if who != Who::Publisher => bail!("{}", self.died(who, status)),
                Event::Line(..) | Event::Ended(..) => {}
            }
        }
    }

    async fn first_listener(&mut self) -> anyhow::Result<Url> {
        loop {
            let event = self.events.recv().await.context("all programs are gone")?;
            self.note(event).await?;
            if let Some(gateway) = self.cast.first().and_then(Listener::gateway) {
                return Ok(gateway.clone());
            }
        }
    }

    /// What there is to play, as any player learns it: from a gateway.
    async fn titles(&self, gateway: &Url) -> anyhow::Result<Vec<Show>> {
        loop {
            let answer = self.http.get(gateway.join("titles")?).send().await?.error_for_status()?;
            let titles: Vec<Title> =
                serde_json::from_slice(&answer.bytes().await?).context("the gateway's list of titles")?;
            let shows = titles.into_iter().map(|title| Show {
                name: title.name,
                path: format!("t/{}/{}", title.id, title.file),
                length: Duration::from_millis(title.duration_ms),
                sort: if title.kind == "video" { Sort::Video } else { Sort::Audio },
            });
            let shows: Vec<Show> = shows.filter(|show| show.length > Duration::ZERO).collect();
            // A node reads the catalogue once it runs.
            if !shows.is_empty() {
                return Ok(shows);
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn draw_programme(&mut self) {
        self.parts = plan::draw(self.cast.len(), self.lasts(), &self.shows, self.args.seed);
        let mut cues: Vec<_> = Vec::new();
        for (n, part) in self.parts.iter().enumerate() {
            if n > 0 {
                cues.push((part.joins, Cue::Join(n)));
            }
            match part.exit {
                Exit::Stays => {}
                Exit::Leaves(at) => cues.push((at, Cue::Leave(n, How::Left))),
                Exit::Killed(at) => cues.push((at, Cue::Leave(n, How::Killed))),
            }
        }
        cues.sort_by_key(|(at, _)| *at);
        self.cues = cues.into();
    }
}
