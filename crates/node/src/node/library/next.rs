//! What is likely to play next: the queue that a page tells, else the order of the album.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nearcast_content::catalogue::Entry;
use nearcast_content::manifest::{Layout, Role};
use nearcast_content::{ObjectRef, TitleId};
use nearcast_engine::swarm::{Input, PlayId, RenditionId};

use super::super::shelf::Memory;
use super::super::titles::{File, Title};
use super::NodeLibrary;

/// Titles looked ahead to.
const AHEAD: usize = 3;
/// A catalogue of no more titles than this is made ready as a whole: the small files that players read first.
const FEW: usize = 8;
/// Titles of a page's queue that are remembered: more than a day of music.
const MAX_QUEUE: usize = 1_000;

/// What is known of what comes next.
#[derive(Debug, Default)]
pub(super) struct Next {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The play that was last looked ahead from.
    play: Option<PlayId>,
    /// What a page said comes next; empty when the album's order holds.
    queue: VecDeque<TitleId>,
    /// How often what comes next was asked about: slow answers must not overtake.
    turn: u64,
}

impl Next {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What follows `title`, by the queue, if that has anything to say.
    fn queued_after(&mut self, title: &TitleId) -> Vec<TitleId> {
        if let Some(at) = self.queue.iter().position(|queued| queued == title) {
            self.queue.drain(..=at);
        }
        self.queue.iter().take(AHEAD).cloned().collect()
    }
}

/// What follows a title in its album. After a title of no album nothing is likelier than anything else.
fn following(entries: &[Entry], title: &TitleId) -> Vec<TitleId> {
    let Some(here) = entries.iter().find(|e| e.title == *title && e.album.is_some()) else {
        return Vec::new();
    };
    let mut of_album: Vec<&Entry> =
        entries.iter().filter(|e| e.album == here.album && e.artist == here.artist).collect();
    // Tracks without a number keep the order of the catalogue, behind those with one.
    of_album.sort_by_key(|entry| (entry.disc.unwrap_or(1), entry.track.unwrap_or(u32::MAX)));
    let behind = of_album.into_iter().skip_while(|entry| entry.title != *title).skip(1);
    behind.take(AHEAD).map(|entry| entry.title.clone()).collect()
}

/// The renditions that a player opens first, of a title that comes next: one of each kind.
fn first_of_each_kind(title: &Title) -> Vec<RenditionId> {
    let mut kinds: Vec<Role> = Vec::new();
    let mut first = Vec::new();
    for (bit, rendition) in (0u8..).zip(&title.manifest.renditions) {
        let plays = matches!(rendition.role, Role::Audio | Role::Video | Role::Muxed);
        let described = title.renditions.iter().find(|r| r.bit == bit);
        if let Some(described) = described.filter(|_| plays && !kinds.contains(&rendition.role)) {
            kinds.push(rendition.role);
            first.push(described.id);
        }
    }
    first
}

/// The playlist that names the renditions, and those of what a player opens first.
fn first_playlists(title: &Title) -> Vec<ObjectRef> {
    let mut playlists = Vec::new();
    if let Some(File::Document(entry)) = title.entry().and_then(|name| title.files.get(name)) {
        playlists.push(entry.clone());
    }
    let first = first_of_each_kind(title);
    for described in title.renditions.iter().filter(|r| first.contains(&r.id)) {
        let rendition = title.manifest.renditions.get(usize::from(described.bit));
        let playlist = match rendition.map(|rendition| &rendition.layout) {
            Some(Layout::Single { playlist, .. }) => playlist.as_ref(),
            Some(Layout::Segments { playlist, .. }) => Some(playlist),
            Some(Layout::Log) | None => None,
        };
        playlists.extend(playlist.filter(|p| !playlists.contains(p)).cloned());
    }
    playlists
}

impl NodeLibrary {
    /// A page says what it plays next, likeliest first; nothing for the order of the album.
    pub(super) fn set_queue(&self, titles: Vec<TitleId>) {
        let (ahead, turn) = {
            let mut inner = self.0.next.lock();
            inner.queue = titles.into_iter().take(MAX_QUEUE).collect();
            inner.turn += 1;
            (inner.queue.iter().take(AHEAD).cloned().collect(), inner.turn)
        };
        let library = self.clone();
        tokio::spawn(async move { library.foresee(ahead, turn).await });
    }

    /// A play began: what is likely to follow it is found out in the background, once for each play.
    pub(super) fn look_ahead(&self, play: PlayId, rendition: RenditionId) {
        let Some(title) = self.title_with(rendition) else { return };
        let (ahead, turn) = {
            let mut inner = self.0.next.lock();
            if inner.play >= Some(play) {
                return;
            }
            let queued = inner.queued_after(&title);
            inner.play = Some(play);
            inner.turn += 1;
            (queued, inner.turn)
        };
        let library = self.clone();
        tokio::spawn(async move {
            let ahead = if ahead.is_empty() {
                let shown = library.0.shown.read().unwrap_or_else(PoisonError::into_inner).entries.clone();
                following(&shown, &title)
            } else {
                ahead
            };
            library.foresee(ahead, turn).await;
        });
    }

    fn title_with(&self, rendition: RenditionId) -> Option<TitleId> {
        let titles = self.0.titles.read().unwrap_or_else(PoisonError::into_inner);
        let has = |title: &Title| title.renditions.iter().any(|r| r.id == rendition);
        titles.iter().find(|(_, title)| has(title)).map(|(id, _)| id.clone())
    }

    /// Opens what comes next, with the small files that players read first, and tells the engine.
    async fn foresee(&self, titles: Vec<TitleId>, turn: u64) {
        let mut renditions = Vec::new();
        for id in titles {
            match self.open_title(&id, Memory::Only).await {
                Ok(title) => {
                    self.fetch_playlists(&id, &title).await;
                    renditions.extend(first_of_each_kind(&title));
                }
                Err(error) => tracing::debug!(title = %id, %error, "a next title was not opened"),
            }
        }
        // Whoever was asked later knows better.
        if self.0.next.lock().turn == turn {
            self.say(Input::Upcoming(renditions)).await;
        }
    }

    /// Where there are few titles, opens them all, so that pressing play asks for media at once. Over a line that
    /// others fill each small file takes as long as a second of music.
    pub(in super::super) fn make_ready(&self) {
        let titles: Vec<TitleId> = {
            let shown = self.0.shown.read().unwrap_or_else(PoisonError::into_inner);
            shown.entries.iter().take(FEW + 1).map(|entry| entry.title.clone()).collect()
        };
        if titles.len() > FEW {
            return;
        }
        let library = self.clone();
        tokio::spawn(async move {
            for id in titles {
                match library.open_title(&id, Memory::Only).await {
                    Ok(title) => library.fetch_playlists(&id, &title).await,
                    Err(error) => tracing::debug!(title = %id, %error, "a title was not made ready"),
                }
            }
        });
    }

    /// The playlists that a player opens first.
    async fn fetch_playlists(&self, id: &TitleId, title: &Title) {
        for document in first_playlists(title) {
            match self.0.shelf.whole(id, &document, &self.0.store).await {
                Ok(_) => self.document_kept(&document).await,
                Err(error) => tracing::debug!(title = %id, %error, "a title's playlist did not come ahead"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_content::manifest::MediaKind;

    use super::*;

    fn title(id: &str) -> TitleId {
        id.parse().expect("a title")
    }

    fn entry(id: &str, album: Option<&str>, track: Option<u32>) -> Entry {
        Entry {
            title: title(id),
            manifest: nearcast_content::ObjectId([0; 32]),
            sequence: 1,
            name: id.parse().expect("a name"),
            artist: None,
            album: album.map(|a| a.parse().expect("a name")),
            track,
            disc: None,
            duration_ms: 1_000,
            art: None,
            media: MediaKind::Music,
        }
    }

    #[test]
    fn an_album_goes_on_in_its_order_and_ends() {
        let entries = [
            entry("a-two", Some("A"), Some(2)),
            entry("single", None, None),
            entry("a-three", Some("A"), Some(3)),
            entry("b-one", Some("B"), Some(1)),
            entry("a-one", Some("A"), Some(1)),
            entry("other", None, None),
        ];
        let after = |id: &str| following(&entries, &title(id));
        assert_eq!(after("a-one"), [title("a-two"), title("a-three")]);
        assert_eq!(after("a-three"), []);
        assert_eq!(after("single"), [], "titles of no album do not follow each other");
        assert_eq!(after("absent"), []);
    }

    #[test]
    fn a_queue_goes_before_the_album_and_moves_on_with_what_plays() {
        let mut inner = Inner { queue: ["a", "b", "c"].map(title).into(), ..Inner::default() };
        assert_eq!(inner.queued_after(&title("x")), [title("a"), title("b"), title("c")]);
        assert_eq!(inner.queued_after(&title("b")), [title("c")]);
        assert_eq!(inner.queued_after(&title("c")), []);
    }
}
