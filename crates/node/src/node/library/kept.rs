//! Titles that stay: kept for offline, let go, thrown out.

use std::collections::BTreeMap;
use std::sync::Arc;

use nearcast_content::manifest::Role;
use nearcast_content::{ObjectId, ObjectRef, TitleId};
use nearcast_engine::swarm::{Input, Part, RenditionId};
use serde::Serialize;

use super::super::shelf::Memory;
use super::super::state::StateError;
use super::super::titles::{File, Title};
use super::NodeLibrary;
use crate::gateway::LookupError;

/// A title that is kept, and how far it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Which.
    pub id: TitleId,
    /// Its name, once its documents are here.
    pub name: Option<String>,
    /// Bytes of it that are here.
    pub held_bytes: u64,
    /// Bytes of it in all; none until its documents are here.
    pub size_bytes: Option<u64>,
    /// Whether all of it is here.
    pub complete: bool,
}

/// Why a title cannot be kept or thrown out.
#[derive(Debug, thiserror::Error)]
pub enum TitleError {
    /// It is not there, or not to be had.
    #[error("{title}: {why}")]
    Lookup {
        /// Which.
        title: TitleId,
        /// Why.
        why: LookupError,
    },
    /// There is no room for it beside what is kept.
    #[error(
        "{title} has {size} bytes, and beside what is kept the cache has room for {left}; make it larger with \
         --cache, or let another title go with `nearcast keep --remove`"
    )]
    NoRoom {
        /// Which.
        title: TitleId,
        /// Its bytes.
        size: u64,
        /// Room there is.
        left: u64,
    },
    /// A kept title is not thrown out by the way.
    #[error("{0} is kept; let it go first with `nearcast keep --remove`")]
    IsKept(TitleId),
    /// The node's memory failed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What of a title is kept: of a ladder the best rung, and every language.
struct Choice<'t> {
    renditions: Vec<(RenditionId, &'t [Part])>,
    documents: Vec<&'t ObjectRef>,
}

/// One rendition of a ladder.
#[derive(Clone, Copy)]
struct Rung<'t> {
    bandwidth: u64,
    id: RenditionId,
    parts: &'t [Part],
}

impl<'t> Choice<'t> {
    fn of(title: &'t Title) -> Self {
        let described = title.renditions.iter().map(|r| (r.bit, r)).collect::<BTreeMap<_, _>>();
        let mut best: BTreeMap<(Role, Option<String>), Rung<'t>> = BTreeMap::new();
        for (bit, rendition) in (0u8..).zip(&title.manifest.renditions) {
            let Some(parts) = described.get(&bit) else { continue };
            let language = rendition.language.as_ref().map(|l| l.as_str().to_owned());
            let candidate = Rung { bandwidth: rendition.bandwidth, id: parts.id, parts: &parts.parts };
            let rung = best.entry((rendition.role, language)).or_insert(candidate);
            if candidate.bandwidth > rung.bandwidth {
                *rung = candidate;
            }
        }
        let documents = title.files.values().filter_map(|file| match file {
            File::Document(object) => Some(object),
            File::Media { .. } => None,
        });
        Self {
            renditions: best.into_values().map(|rung| (rung.id, rung.parts)).collect(),
            documents: documents.collect(),
        }
    }

    fn objects(&self) -> impl Iterator<Item = (ObjectId, nearcast_content::ObjectSize)> {
        let parts = self.renditions.iter().flat_map(|(_, parts)| parts.iter().map(|p| (p.object, p.size)));
        parts.chain(self.documents.iter().map(|document| (document.id, document.size)))
    }

    fn size(&self) -> u64 {
        self.objects().map(|(_, size)| size.bytes()).sum()
    }
}

impl NodeLibrary {
    fn site(&self) -> &str {
        self.0.shelf.site.as_str()
    }

    async fn opened_or_error(&self, title: &TitleId, memory: Memory) -> Result<Arc<Title>, TitleError> {
        let opened = self.open_title(title, memory).await;
        opened.map_err(|why| TitleError::Lookup { title: title.clone(), why })
    }

    /// Keeps a title: all of it is fetched in no hurry and never evicted, in later lives too.
    ///
    /// # Errors
    /// When there is no such title, or no room for it.
    pub async fn keep(&self, title: &TitleId) -> Result<(), TitleError> {
        let opened = self.opened_or_error(title, Memory::Refresh).await?;
        let size = Choice::of(&opened).size();
        let others: u64 = self.kept().iter().filter(|k| k.id != *title).filter_map(|k| k.size_bytes).sum();
        let left = self.0.household.cache_budget.saturating_sub(others);
        if size > left {
            return Err(TitleError::NoRoom { title: title.clone(), size, left });
        }
        self.0.household.state.keep(self.site(), title)?;
        self.hold_on_to(title, &opened).await;
        Ok(())
    }

    async fn hold_on_to(&self, id: &TitleId, title: &Arc<Title>) {
        let choice = Choice::of(title);
        for (rendition, _) in &choice.renditions {
            self.say(Input::Keep(*rendition)).await;
        }
        for document in &choice.documents {
            // Playlists and pictures come whole; one that is not to be had comes with the first play.
            match self.0.shelf.whole(id, document, &self.0.store).await {
                Ok(_) => {
                    self.document_kept(document).await;
                    self.say(Input::Pin(document.id)).await;
                }
                Err(error) => tracing::warn!(title = %id, %error, "a document of a kept title is not here"),
            }
        }
    }

    /// Lets a title go: it stays in the cache until room is needed.
    ///
    /// # Errors
    /// When the node's memory fails.
    pub async fn unkeep(&self, title: &TitleId) -> Result<(), TitleError> {
        self.0.household.state.unkeep(self.site(), title)?;
        self.release(title).await;
        Ok(())
    }

    /// The engine need not keep what is open of a title.
    pub(super) async fn release(&self, title: &TitleId) {
        let Some(opened) = self.opened(title) else { return };
        let choice = Choice::of(&opened);
        for (rendition, _) in &choice.renditions {
            self.say(Input::Unkeep(*rendition)).await;
        }
        for document in &choice.documents {
            self.say(Input::Unpin(document.id)).await;
        }
    }

    /// Titles that were withdrawn are not kept any more.
    pub(super) fn forget_kept(&self, withdrawn: &[TitleId]) {
        let (state, site) = (&self.0.household.state, self.site());
        let forgotten = state.kept(site).and_then(|kept| {
            kept.iter()
                .filter(|title| withdrawn.contains(title))
                .try_for_each(|title| state.unkeep(site, title))
        });
        if let Err(error) = forgotten {
            tracing::warn!(%error, "withdrawn titles are still remembered to be kept");
        }
    }

    /// Goes on with what earlier lives were told to keep, by the documents they saw or by fresh ones.
    pub(in super::super) async fn keep_remembered(&self, memory: Memory) {
        let kept = match self.0.household.state.kept(self.site()) {
            Ok(kept) => kept,
            Err(error) => return tracing::warn!(%error, "what is kept was not read"),
        };
        for title in kept {
            match self.open_title(&title, memory).await {
                Ok(opened) => self.hold_on_to(&title, &opened).await,
                Err(error) => tracing::warn!(%title, %error, "a kept title was not opened"),
            }
        }
    }

    /// What is kept, and how far it is here.
    pub fn kept(&self) -> Vec<Kept> {
        let kept = self.0.household.state.kept(self.site()).unwrap_or_else(|error| {
            tracing::warn!(%error, "what is kept was not read");
            Vec::new()
        });
        kept.into_iter().map(|id| self.progress_of(id)).collect()
    }

    fn progress_of(&self, id: TitleId) -> Kept {
        let Some(opened) = self.opened(&id) else {
            return Kept { id, name: None, held_bytes: 0, size_bytes: None, complete: false };
        };
        let choice = Choice::of(&opened);
        let held: u64 = choice.objects().map(|(object, size)| self.held_of(object, size)).sum();
        let size = choice.size();
        let name = Some(opened.manifest.about.name.as_str().to_owned());
        Kept { id, name, held_bytes: held, size_bytes: Some(size), complete: held >= size }
    }

    /// Throws titles out of the cache.
    ///
    /// # Errors
    /// When one is not there, or is kept. Nothing is thrown out then.
    pub async fn throw_out(&self, titles: &[TitleId]) -> Result<(), TitleError> {
        let kept = self.0.household.state.kept(self.site())?;
        if let Some(title) = titles.iter().find(|title| kept.contains(title)) {
            return Err(TitleError::IsKept(title.clone()));
        }
        let mut objects = Vec::new();
        for title in titles {
            let opened = self.opened_or_error(title, Memory::Only).await?;
            objects.extend(opened.renditions.iter().flat_map(|r| r.parts.iter().map(|part| part.object)));
            objects.extend(opened.files.values().map(|file| file.object().id));
        }
        self.say(Input::Discard(objects)).await;
        Ok(())
    }

    /// Throws everything out of the cache that is neither kept nor being played.
    pub async fn clear_cache(&self) {
        self.say(Input::DiscardAll).await;
    }
}
