//! Drives a [`Player`] with time and HTTP, one title after the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use reqwest::{Client, Url};
use tokio::time::sleep;

use super::super::hls::{self, Playlist};
use super::super::plan::{Play, Show};
use super::super::player::{Account, Fetched, Player, State, Want};
use super::super::report::{Now, Playing, Tally};
use super::super::track::{Chunk, Track};
use super::fetch::{self, Body, Kind, Trouble};

/// Most time between two looks at the playhead.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause before what failed is asked for again.
const RETRY: Duration = Duration::from_millis(250);
/// For how long a player goes on asking while nothing comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// A fetch of less says little about the rate.
const RATE_BYTES: u64 = 64 * 1024;

/// What shows titles, and tells where it is.
pub(super) struct Screen {
    http: Client,
    gateway: Url,
    epoch: Instant,
    now: Arc<Mutex<Now>>,
    /// Plays that are over.
    past: Tally,
    /// Bits per second of the last large fetch.
    rate: Option<u64>,
}

/// A fetch under way.
struct Fetch {
    body: Body,
    begun: Instant,
    got: u64,
    expected: Option<u64>,
}

/// What one play goes through.
struct Session<'a> {
    screen: &'a mut Screen,
    show: usize,
    player: Player,
    asked: Duration,
    seeks: VecDeque<(Duration, Duration)>,
    skip_at: Option<Duration>,
    fetch: Option<Fetch>,
    /// Since when nothing has come, and not to be asked again before.
    failing: Option<(Duration, Duration)>,
}

impl Screen {
    pub(super) fn new(gateway: Url, now: Arc<Mutex<Now>>) -> anyhow::Result<Self> {
        Ok(Self {
            http: fetch::client()?,
            gateway,
            epoch: Instant::now(),
            now,
            past: Tally::default(),
            rate: None,
        })
    }

    /// Plays a title until its end, or until the listener has enough of it.
    pub(super) async fn show(&mut self, show: &Show, play: &Play) -> anyhow::Result<()> {
        let asked = self.clock();
        let first = Playing {
            show: play.show,
            state: State::Starting,
            position: Duration::ZERO,
            buffered: Duration::ZERO,
            length: show.length,
        };
        self.tell(first, &Account::default());
        let track = self.load(show).await?;
        let session = Session {
            asked,
            show: play.show,
            player: Player::new(asked, self.clock(), track),
            seeks: play.seeks.iter().copied().collect(),
            skip_at: play.skip_after.map(|after| asked + after),
            fetch: None,
            failing: None,
            screen: self,
        };
        session.run().await
    }

    /// Nothing is played any more.
    pub(super) fn switch_off(&mut self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.play = None;
        now.done = true;
    }

    fn clock(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Also counts the play with what it was like so far: a listener may be killed at any moment.
    fn tell(&self, play: Playing, account: &Account) {
        let mut tally = self.past.clone();
        tally.add(account);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.play = Some(play);
        now.tally = tally;
    }

    /// Finds out what to read: from playlists, or from the length of a file.
    async fn load(&self, show: &Show) -> anyhow::Result<Track> {
        let mut url = self.gateway.clone();
        url.path_segments_mut().ok().context("the gateway's address")?.extend(show.path.split('/'));
        if let Kind::File(size) = self.insist(async || fetch::kind(&self.http, &url).await).await? {
            return Ok(Track::of_file(&url, size, show.length));
        }
        let text = self.insist(async || fetch::playlist(&self.http, &url).await).await?;
        let variants = match hls::parse(&text, &url)? {
            Playlist::Media(track) => return Ok(track),
            Playlist::Master(variants) => variants,
        };
        let chosen = hls::choose(&variants, self.rate).context("no rendition is offered")?;
        let text = self.insist(async || fetch::playlist(&self.http, &chosen.url).await).await?;
        match hls::parse(&text, &chosen.url)? {
            Playlist::Media(track) => Ok(track),
            Playlist::Master(_) => bail!("{} names renditions where segments belong", chosen.url.path()),
        }
    }

    /// Asks again while that may help.
    async fn insist<T>(&self, ask: impl AsyncFn() -> Result<T, Trouble>) -> anyhow::Result<T> {
        let begun = self.clock();
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(trouble) if trouble.passes() && self.clock() - begun < PATIENCE => sleep(RETRY).await,
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }
}

impl Session<'_> {
    async fn run(mut self) -> anyhow::Result<()> {
        let played = self.play().await;
        let account = self.player.account(self.screen.clock());
        self.screen.past.add(&account);
        played
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        loop {
            let now = self.screen.clock();
            self.player.advance(now);
            self.act(now);
            self.tell();
            if self.skip_at.is_some_and(|at| at <= now) {
                return Ok(());
            }
            let wait = match self.wants(now) {
                Want::Ended => return Ok(()),
                Want::Fetch(chunk) => {
                    self.begin(&chunk);
                    continue;
                }
                Want::Wait(until) => until.map_or(LOOK_EVERY, |at| at.saturating_sub(now).min(LOOK_EVERY)),
            };
            match &mut self.fetch {
                None => sleep(wait).await,
                Some(fetch) => tokio::select! {
                    item = fetch.body.next() => self.took(item)?,
                    () = sleep(wait) => {}
                },
            }
        }
    }

    /// What the player wants, unless it has to wait before it asks again.
    fn wants(&mut self, now: Duration) -> Want {
        match self.failing {
            Some((_, again)) if again > now && self.fetch.is_none() => Want::Wait(Some(again)),
            _ => self.player.wants(),
        }
    }

    /// Seeks that are due.
    fn act(&mut self, now: Duration) {
        while let Some((_, to)) = self.seeks.front().copied().filter(|(after, _)| self.asked + *after <= now)
        {
            self.seeks.pop_front();
            self.fetch = None;
            self.player.seek(to);
        }
    }

    fn begin(&mut self, chunk: &Chunk) {
        self.fetch = Some(Fetch {
            body: fetch::chunk(&self.screen.http, chunk),
            begun: Instant::now(),
            got: 0,
            expected: chunk.bytes.map(|(first, end)| end.saturating_sub(first)),
        });
    }

    fn took(&mut self, item: Option<Result<bytes::Bytes, Trouble>>) -> anyhow::Result<()> {
        let Some(fetch) = &mut self.fetch else { return Ok(()) };
        let now = self.screen.epoch.elapsed();
        self.player.advance(now);
        match item {
            Some(Ok(bytes)) => {
                let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                fetch.got += count;
                self.failing = None;
                self.player.took(count);
                return Ok(());
            }
            None if fetch.expected.is_none_or(|expected| expected == fetch.got) => {
                self.screen.rate = fetch.rate().or(self.screen.rate);
                self.player.ended(Fetched::Whole);
            }
            None => self.cut(now, Trouble::Broken("it ended early".to_owned()))?,
            Some(Err(trouble)) => self.cut(now, trouble)?,
        }
        self.fetch = None;
        Ok(())
    }

    fn cut(&mut self, now: Duration, trouble: Trouble) -> anyhow::Result<()> {
        self.player.ended(Fetched::Cut);
        let since = self.failing.map_or(now, |(since, _)| since);
        if !trouble.passes() || now - since >= PATIENCE {
            return Err(trouble).context("the gateway does not give what was asked for");
        }
        tracing::debug!(%trouble, "asking again");
        self.failing = Some((since, now + RETRY));
        Ok(())
    }

    fn tell(&self) {
        let at_present = Playing {
            show: self.show,
            state: self.player.state(),
            position: self.player.position(),
            buffered: self.player.buffered(),
            length: self.player.length(),
        };
        self.screen.tell(at_present, &self.player.account(self.screen.clock()));
    }
}

impl Fetch {
    fn rate(&self) -> Option<u64> {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        (self.got >= RATE_BYTES).then(|| self.got.saturating_mul(8_000_000) / micros)
    }
}
