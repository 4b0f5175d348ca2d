//! The provider's documents: catalogue, policy, and the titles that are opened.

use nearcast_content::index::{IndexPage, IndexPageRef, IndexRoot};
use nearcast_content::manifest::Layout;
use nearcast_content::site;
use nearcast_content::{
    Catalogue, ContentType, Document as _, Manifest, ObjectRef, Policy, TitleId, Trust, limits,
};
use nearcast_engine::swarm::{Input, Settings};
use nearcast_engine::wire::SwarmId;

use super::Tab;
use crate::fetches::Purpose;
use crate::limits::MAX_TITLES;
use crate::title::Opening;

impl Tab {
    /// The catalogue was read anew: titles that were withdrawn go, the policy is looked at again. One that is refused
    /// changes nothing.
    pub fn catalogue(&mut self, micros: u64, bytes: &[u8]) {
        self.at(micros);
        match Catalogue::open(bytes, &Trust::pinned(self.provider), self.unix_now()) {
            Ok(accepted) => self.learn(&accepted.document),
            Err(error) => self.note(error.to_string()),
        }
        self.settle();
    }

    pub(super) fn learn(&mut self, catalogue: &Catalogue) {
        self.withdrawn.clone_from(&catalogue.withdrawn);
        for title in &catalogue.withdrawn {
            self.forget_title(title);
            if let Some(gone) = self.titles.remove(title) {
                gone.files.keys().for_each(|url| drop(self.files.remove(url)));
                self.input(Input::Withdrawn { swarm: SwarmId::of(self.provider, title) });
            }
        }
        match catalogue.policy_floor {
            Some(_) => self.fetch_policy(),
            None => self.obey(None),
        }
    }

    /// The engine has forgotten a title: it is opened anew when it is played again.
    pub(super) fn close_title(&mut self, swarm: SwarmId) {
        let of = |title: &TitleId| SwarmId::of(self.provider, title) == swarm;
        let Some(title) = self.titles.keys().find(|title| of(title)).cloned() else { return };
        if let Some(gone) = self.titles.remove(&title) {
            gone.files.keys().for_each(|url| drop(self.files.remove(url)));
        }
    }

    pub(super) fn fetch_policy(&mut self) {
        if self.fetches.any(|purpose| matches!(purpose, Purpose::Policy)) {
            return;
        }
        let url = site::url_of(&self.site, site::POLICY);
        let (_, effect) = self.fetches.ask(Purpose::Policy, url, None, limits::POLICY_BYTES as u64);
        self.effects.push_back(effect);
    }

    pub(super) fn policy_came(&mut self, bytes: &[u8]) {
        let seen = self.policy.as_ref().map(|policy| policy.validity.sequence);
        let trust = Trust::pinned(self.provider).last_seen(seen);
        match Policy::open(bytes, &trust, self.unix_now()) {
            Ok(accepted) => self.obey(Some(accepted.document)),
            Err(error) => self.note(error.to_string()),
        }
    }

    fn obey(&mut self, policy: Option<Policy>) {
        let permille = policy.as_ref().map_or(0, |policy| policy.hold_out.thousandths());
        let day = u32::try_from(self.unix_now().0 / 86_400).unwrap_or(u32::MAX);
        self.policy = policy;
        self.input(Input::HoldOut { day, permille });
        self.settings_changed();
    }

    pub(super) fn settings_changed(&mut self) {
        let settings: Settings = self.own.under(self.policy.as_ref(), &self.key.node());
        self.input(Input::Settings(settings));
    }

    /// Opens a title; `Effect::Title` says when it is, or why not.
    pub fn open_title(&mut self, micros: u64, title: &TitleId) {
        self.at(micros);
        if self.titles.contains_key(title) {
            self.input(Input::Use { swarm: SwarmId::of(self.provider, title) });
            self.title_is(title.clone(), None);
        }
        self.ask_manifest(title);
        self.settle();
    }

    /// Fetches the manifest of a title that is not open.
    pub(super) fn ask_manifest(&mut self, title: &TitleId) {
        let known = self.titles.contains_key(title) || self.opening.contains_key(title);
        if known || self.asks_manifest(title) {
            return;
        }
        let url = site::url_of(&self.site, &site::manifest_path(title));
        let purpose = Purpose::Manifest(title.clone());
        let (_, effect) = self.fetches.ask(purpose, url, None, limits::MANIFEST_BYTES as u64);
        self.effects.push_back(effect);
    }

    fn asks_manifest(&self, title: &TitleId) -> bool {
        self.fetches.any(|purpose| matches!(purpose, Purpose::Manifest(other) if other == title))
    }

    pub(super) fn manifest_came(&mut self, title: TitleId, bytes: &[u8]) {
        let opened = Manifest::open_title(bytes, &title, &Trust::pinned(self.provider), self.unix_now());
        let manifest = match opened {
            Ok(accepted) => accepted.document,
            Err(error) => return self.title_is(title, Some(error.to_string())),
        };
        let mut roots = Vec::new();
        for (number, rendition) in manifest.renditions.iter().enumerate() {
            if let Layout::Segments { index, count, .. } = &rendition.layout {
                roots.push((number, index.clone(), *count));
            }
        }
        let opening = Opening { manifest, lists: Default::default(), roots: roots.len() };
        self.opening.insert(title.clone(), opening);
        for (rendition, root, count) in roots {
            let purpose = Purpose::Index { title: title.clone(), rendition, root: root.clone(), count };
            self.fetch_list(&title, purpose, &root, limits::INDEX_ROOT_BYTES);
        }
        self.finish_opening(title);
    }

    fn fetch_list(&mut self, title: &TitleId, purpose: Purpose, object: &ObjectRef, limit: usize) {
        match site::object_url(&self.site, title, object) {
            Ok(url) => {
                let (_, effect) = self.fetches.ask(purpose, url, None, limit as u64);
                self.effects.push_back(effect);
            }
            Err(error) => self.opening_failed(title.clone(), error.to_string()),
        }
    }

    pub(super) fn index_came(
        &mut self,
        title: TitleId,
        rendition: usize,
        root: &ObjectRef,
        count: u32,
        bytes: &[u8],
    ) {
        let pages = match IndexRoot::open(bytes, root.id, count) {
            Ok(root) => root.pages,
            Err(error) => return self.opening_failed(title, error.to_string()),
        };
        let Some(opening) = self.opening.get_mut(&title) else { return };
        opening.roots = opening.roots.saturating_sub(1);
        opening.lists.insert(rendition, vec![None; pages.len()]);
        for (number, page) in pages.into_iter().enumerate() {
            let object =
                ObjectRef { id: page.id, size: page.size, content_type: ContentType::Json, source: None };
            let purpose = Purpose::IndexPage { title: title.clone(), rendition, page, number };
            self.fetch_list(&title, purpose, &object, limits::INDEX_PAGE_BYTES);
        }
    }

    pub(super) fn index_page_came(
        &mut self,
        title: TitleId,
        rendition: usize,
        page: &IndexPageRef,
        number: usize,
        bytes: &[u8],
    ) {
        let segments = match IndexPage::open(bytes, page) {
            Ok(page) => page.segments,
            Err(error) => return self.opening_failed(title, error.to_string()),
        };
        let list = self.opening.get_mut(&title).and_then(|opening| opening.lists.get_mut(&rendition));
        if let Some(place) = list.and_then(|list| list.get_mut(number)) {
            *place = Some(segments);
        }
        self.finish_opening(title);
    }

    pub(super) fn opening_failed(&mut self, title: TitleId, why: String) {
        self.opening.remove(&title);
        self.title_is(title, Some(why));
    }

    fn finish_opening(&mut self, title: TitleId) {
        if !self.opening.get(&title).is_some_and(Opening::complete) {
            return;
        }
        let Some(opening) = self.opening.remove(&title) else { return };
        let (provider, site) = (self.provider, self.site.clone());
        let built = match opening.finish(provider, &site, || self.next_rendition()) {
            Ok(built) => built,
            Err(error) => return self.title_is(title, Some(error.to_string())),
        };
        while self.titles.len() >= MAX_TITLES {
            if let Some((_, gone)) = self.titles.pop_first() {
                gone.files.keys().for_each(|url| drop(self.files.remove(url)));
            }
        }
        for rendition in &built.renditions {
            self.input(Input::Describe(rendition.clone()));
        }
        let places = built.places.iter().map(|(object, place)| (object.id, place.clone()));
        self.places.extend(places);
        self.files.extend(built.files.iter().map(|(url, file)| (url.clone(), file.clone())));
        self.titles.insert(title.clone(), built);
        self.title_is(title, None);
    }
}
