//! Bytes from web servers: runs with their outboards, and documents.

use std::rc::Rc;

use nearcast_content::tree::{Corrupt, Decoded, verify_whole};
use nearcast_content::{BlockRange, ByteRange, ObjectId, ObjectRef, Verified};
use nearcast_engine::swarm::{Fault, Input, RequestId};

use super::Tab;
use crate::effect::{Effect, FetchId};
use crate::fetches::{Answer, Pending, Purpose, Trouble};
use crate::limits::MAX_DOCUMENTS;
use crate::origin::{OriginRun, Target};

impl Tab {
    /// A web server began to answer.
    pub fn answered(&mut self, micros: u64, id: FetchId, answer: Answer) {
        self.at(micros);
        if let Err(trouble) = self.fetches.answered(id, answer) {
            self.effects.push_back(Effect::StopFetch(id));
            self.fetch_failed(id, trouble);
        }
        self.settle();
    }

    /// Bytes of an answer came.
    pub fn chunk(&mut self, micros: u64, id: FetchId, bytes: &[u8]) {
        self.at(micros);
        match self.fetches.chunk(id, bytes) {
            Ok(None) => return,
            Ok(Some(request)) => {
                if let Some(run) = self.runs.get_mut(&request) {
                    run.take(bytes);
                    self.advance_run(request);
                }
            }
            Err(trouble) => {
                self.effects.push_back(Effect::StopFetch(id));
                self.fetch_failed(id, trouble);
            }
        }
        self.settle();
    }

    /// An answer came to its end.
    pub fn ended(&mut self, micros: u64, id: FetchId) {
        self.at(micros);
        if let Some(pending) = self.fetches.end(id) {
            self.fetched(pending);
        }
        self.settle();
    }

    /// A request came to nothing.
    pub fn failed(&mut self, micros: u64, id: FetchId) {
        self.at(micros);
        self.fetch_failed(id, Trouble(Fault::Unavailable));
        self.settle();
    }

    fn fetched(&mut self, pending: Pending) {
        let Pending { purpose, bytes, .. } = pending;
        match purpose {
            Purpose::Policy => self.policy_came(&bytes),
            Purpose::Manifest(title) => self.manifest_came(title, &bytes),
            Purpose::Index { title, rendition, root, count } => {
                self.index_came(title, rendition, &root, count, &bytes);
            }
            Purpose::IndexPage { title, rendition, page, number } => {
                self.index_page_came(title, rendition, &page, number, &bytes);
            }
            Purpose::Document(object) => self.document_came(&object, &bytes),
            Purpose::Outboard { object, start } => {
                self.outboards.put(object, start, &bytes);
                for request in self.runs_of(object) {
                    self.advance_run(request);
                }
                self.outboard_settled(object);
            }
            Purpose::Run(request) => {
                if let Some(run) = self.runs.get_mut(&request) {
                    run.ended = true;
                    self.advance_run(request);
                }
            }
        }
    }

    fn fetch_failed(&mut self, id: FetchId, Trouble(fault): Trouble) {
        let Some(pending) = self.fetches.end(id) else { return };
        let why = || format!("the site does not deliver it ({fault:?})");
        match pending.purpose {
            Purpose::Policy => self.note("the policy was not refreshed".to_owned()),
            Purpose::Manifest(title) | Purpose::Index { title, .. } | Purpose::IndexPage { title, .. } => {
                self.opening_failed(title, why());
            }
            Purpose::Document(object) => self.reads.document(object.id, None),
            Purpose::Outboard { object, .. } => {
                for request in self.runs_of(object) {
                    let waits = self.runs.get(&request).is_some_and(|run| !run.has_proof());
                    if waits {
                        self.end_run(request, Err(fault));
                    }
                }
                self.outboard_settled(object);
            }
            Purpose::Run(request) => self.end_run(request, Err(fault)),
        }
    }

    fn runs_of(&self, object: ObjectId) -> Vec<RequestId> {
        let of = self.runs.iter().filter(|(_, run)| run.target.object == object);
        of.map(|(request, _)| *request).collect()
    }

    /// Fetches a run, and beside it what is missing of the outboard.
    pub(super) fn ask_origin(&mut self, request: RequestId, target: Target) {
        let Some(place) = self.places.get(&target.object).cloned() else {
            return self.run_failed(request, Fault::Gone);
        };
        self.ask_outboards(&target);
        let bytes = target.bytes();
        let (id, effect) = self.fetches.ask(Purpose::Run(request), place.url, Some(bytes), bytes.len());
        self.effects.push_back(effect);
        self.runs.insert(request, OriginRun::new(target, id));
    }

    /// Whether pieces of the outboard that prove this are on their way.
    pub(super) fn asks_outboards(&self, target: &Target) -> bool {
        let of = |purpose: &Purpose| matches!(purpose, Purpose::Outboard { object, .. } if *object == target.object);
        self.fetches.any(of)
    }

    pub(super) fn ask_outboards(&mut self, target: &Target) {
        let Some(url) = self.places.get(&target.object).map(|place| place.outboard.clone()) else { return };
        for piece in target.pieces() {
            let start = piece.start;
            let asked = |purpose: &Purpose| matches!(purpose, Purpose::Outboard { object, start: at } if *object == target.object && *at == start);
            if self.outboards.has(target.object, start) || self.fetches.any(asked) {
                continue;
            }
            let purpose = Purpose::Outboard { object: target.object, start };
            let (_, effect) = self.fetches.ask(purpose, url.clone(), Some(piece), piece.len());
            self.effects.push_back(effect);
        }
    }

    /// Checks what came of a run, keeps it, and tells the engine.
    fn advance_run(&mut self, request: RequestId) {
        let Some(mut run) = self.runs.remove(&request) else { return };
        let object = run.target.object;
        let outcome = loop {
            match run.next(&self.outboards) {
                Ok(Some((piece, bytes))) => {
                    if let Some(verdict) = self.hold(&run.target, piece, &bytes) {
                        self.input(Input::Arrived { request, verdict });
                    }
                }
                Ok(None) if run.is_complete() => break Some(Ok(())),
                Ok(None) if run.ended && run.has_proof() => break Some(Err(Fault::Lost)),
                Ok(None) => break None,
                Err(Corrupt::Absent { .. } | Corrupt::Parent { .. }) => {
                    self.outboards.drop_object(object);
                    break Some(Err(Fault::Corrupt));
                }
                Err(Corrupt::Block { .. } | Corrupt::Whole { .. } | Corrupt::Surplus) => {
                    break Some(Err(Fault::Corrupt));
                }
            }
        };
        let (target, fetch, ended) = (run.target, run.fetch, run.ended);
        match outcome {
            None => {
                // A piece of the outboard may have been let go meanwhile.
                self.runs.insert(request, run);
                self.ask_outboards(&target);
            }
            Some(result) => {
                if !ended && self.fetches.end(fetch).is_some() {
                    self.effects.push_back(Effect::StopFetch(fetch));
                }
                self.say_run_ended(request, result);
            }
        }
    }

    /// Holds a piece that was checked. Answers with the verdict about a block.
    pub(super) fn hold(
        &mut self,
        target: &Target,
        piece: Decoded,
        bytes: &[u8],
    ) -> Option<Verified<BlockRange>> {
        self.store.put(self.now, (target.object, target.size), &piece, bytes);
        match piece {
            Decoded::Parent { .. } => None,
            Decoded::Block(verdict) => Some(verdict),
        }
    }

    fn end_run(&mut self, request: RequestId, result: Result<(), Fault>) {
        if let Some(run) = self.runs.remove(&request) {
            if self.fetches.end(run.fetch).is_some() {
                self.effects.push_back(Effect::StopFetch(run.fetch));
            }
            self.say_run_ended(request, result);
        }
    }

    pub(super) fn say_run_ended(&mut self, request: RequestId, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.input(Input::Finished { request }),
            Err(fault) => self.run_failed(request, fault),
        }
    }

    /// A run of the origin is not wanted any more.
    pub(super) fn cancel_origin(&mut self, request: RequestId) {
        if let Some(run) = self.runs.remove(&request)
            && self.fetches.end(run.fetch).is_some()
        {
            self.effects.push_back(Effect::StopFetch(run.fetch));
        }
    }

    pub(super) fn fetch_document(&mut self, object: &ObjectRef, url: String) {
        let id = object.id;
        if self.fetches.any(|purpose| matches!(purpose, Purpose::Document(other) if other.id == id)) {
            return;
        }
        let whole: Option<ByteRange> = None;
        let (_, effect) =
            self.fetches.ask(Purpose::Document(object.clone()), url, whole, object.size.bytes());
        self.effects.push_back(effect);
    }

    pub(super) fn document_came(&mut self, object: &ObjectRef, bytes: &[u8]) {
        if verify_whole(object.id, bytes).is_err() {
            self.note(format!("a document is not what was published: {}", object.id));
            return self.reads.document(object.id, None);
        }
        let held: usize = self.documents.values().map(|document| document.len()).sum();
        if held + bytes.len() > MAX_DOCUMENTS {
            self.documents.clear();
        }
        let document: Rc<[u8]> = bytes.into();
        self.reads.document(object.id, Some(&document));
        self.documents.insert(object.id, document);
    }
}
