//! The titles of a world, with their objects and, in small worlds, their bytes.

use std::collections::BTreeMap;
use std::rc::Rc;

use nearcast_content::tree::Hasher;
use nearcast_content::{BLOCK_SIZE, BlockRange, ByteRange, ObjectId, ObjectSize};
use nearcast_engine::swarm::{Part, Rendition, RenditionId};
use nearcast_engine::wire::SwarmId;
use nearcast_engine::{Rate, Span};

use crate::access_log::PlayedTitle;
use crate::fixed;
use crate::random::{Random, Stream};
use crate::scenario::Scenario;
use crate::store::Store;

/// Index of an object in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectIx(pub(crate) u32);

/// All titles.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// Those of a title's renditions lie in a row, the best first, which stands for the title.
    pub(crate) titles: Vec<Title>,
    objects: Vec<Object>,
    by_id: BTreeMap<ObjectId, ObjectIx>,
    by_swarm: BTreeMap<SwarmId, u32>,
    popularity: Vec<u64>,
    /// Objects of each title.
    parts: u32,
    /// Renditions of each title.
    renditions: u32,
}

/// One title in one of its renditions.
#[derive(Debug)]
pub(crate) struct Title {
    pub(crate) rendition: Rendition,
    first_object: u32,
    /// Bytes of a second of it.
    pub(crate) rate: Rate,
    /// Bytes of all parts.
    pub(crate) bytes: u64,
    pub(crate) length: Span,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    pub(crate) size: ObjectSize,
    /// In small worlds, what was published.
    pub(crate) content: Option<Content>,
}

/// What was published of an object.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) blocks: Vec<Rc<[u8]>>,
    pub(crate) outboard: Rc<[u8]>,
}

impl Catalogue {
    /// The titles of `scenario`, drawn from `seed`.
    pub(crate) fn draw(scenario: &Scenario, seed: u64) -> Self {
        if let Some(logged) = &scenario.logged {
            return Self::of_log(&logged.titles, seed);
        }
        let spec = &scenario.catalogue;
        let mut catalogue = Self {
            titles: Vec::new(),
            objects: Vec::new(),
            by_id: BTreeMap::new(),
            by_swarm: BTreeMap::new(),
            popularity: fixed::zipf(spec.titles, spec.zipf.0, spec.zipf_shift),
            parts: spec.parts,
            renditions: 1 + u32::try_from(spec.lower.len()).unwrap_or(0),
        };
        for index in 0..spec.titles {
            let mut random = Random::stream(seed, Stream::Catalogue, index.into());
            let about = spec.length.micros();
            let spread = about * u64::from(spec.spread_percent) / 100;
            let length = random.between(about - spread, about + spread);
            let length = Span::from_micros(length);
            let rates = [spec.rate].into_iter().chain(spec.lower.iter().copied());
            let part_bytes: Vec<u64> =
                rates.map(|rate| rate.bytes_in(length.over(spec.parts.into()))).collect();
            catalogue.add(&mut random, (length, spec.parts), (&part_bytes, scenario.bytes));
        }
        catalogue
    }

    /// Titles of which sizes and lengths are known.
    fn of_log(titles: &[PlayedTitle], seed: u64) -> Self {
        let mut catalogue = Self {
            titles: Vec::new(),
            objects: Vec::new(),
            by_id: BTreeMap::new(),
            by_swarm: BTreeMap::new(),
            popularity: Vec::new(),
            parts: 1,
            renditions: 1,
        };
        let mut plays = 0;
        for (title, index) in titles.iter().zip(0_u64..) {
            let mut random = Random::stream(seed, Stream::Catalogue, index);
            catalogue.add(&mut random, (title.length, 1), (&[title.bytes], false));
            plays += u64::from(title.plays);
            catalogue.popularity.push(plays);
        }
        catalogue
    }

    /// Adds a title with a rendition for each size of a part.
    fn add(&mut self, random: &mut Random, (length, parts): (Span, u32), (sizes, bytes): (&[u64], bool)) {
        let index = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let (first, part_length) = (index(self.titles.len()), length.over(parts.into()));
        let mut swarm = None;
        for (bit, size) in (0u8..).zip(sizes) {
            let first_object = index(self.objects.len());
            let size = ObjectSize::new((*size).max(1)).expect("the scenario bounds sizes");
            let mut rendition_parts = Vec::new();
            for part in 0..parts {
                let object = object(random, size, bytes);
                rendition_parts.push(Part { object: object.id, size, length: part_length });
                self.by_id.insert(object.id, ObjectIx(first_object + part));
                self.objects.push(object);
            }
            let swarm = *swarm.get_or_insert_with(|| {
                let mut id = [0; 16];
                id.copy_from_slice(&random.bytes32()[..16]);
                SwarmId(id)
            });
            let id = RenditionId(first + u32::from(bit));
            let rendition = Rendition { id, swarm, bit, set: 0, parts: rendition_parts };
            let (bytes, length) = (size.bytes() * u64::from(parts), part_length.times(parts.into()));
            let rate = Rate::mean(bytes, length);
            self.titles.push(Title { rendition, first_object, rate, bytes, length });
            self.by_swarm.entry(swarm).or_insert(first);
        }
    }

    /// A title, drawn by popularity.
    pub(crate) fn pick(&self, random: &mut Random) -> u32 {
        u32::try_from(fixed::draw(random, &self.popularity)).unwrap_or(0) * self.renditions
    }

    /// The place of a title among those drawn by popularity, the most popular first.
    pub(crate) fn rank(&self, title: u32) -> u32 {
        title / self.renditions
    }

    /// Whether players choose among renditions.
    pub(crate) fn has_choice(&self) -> bool {
        self.renditions > 1
    }

    /// The title in each of its renditions, the best first, and where the first of them is.
    pub(crate) fn ladder(&self, title: u32) -> (u32, &[Title]) {
        let first = title - title % self.renditions;
        (first, &self.titles[first as usize..(first + self.renditions) as usize])
    }

    /// Puts the published bytes of an object into a store that has the object, in a world with bytes.
    pub(crate) fn published_to(&self, object: ObjectIx, store: &mut Store) {
        let of = self.object(object);
        let Some(content) = &of.content else { return };
        store.keep_whole_content(object, of.size, &content.blocks);
    }

    /// How many titles are in each of ten groups that draw a tenth of the plays each, the most popular first.
    pub(crate) fn popularity_groups(&self) -> Vec<u32> {
        let sum = u128::from(self.popularity.last().copied().unwrap_or(0));
        let mut groups = vec![0; 10];
        let mut below = 0;
        for upto in &self.popularity {
            // A title that reaches over a border belongs where its middle is.
            let middle = (u128::from(below) + u128::from(*upto)) / 2;
            let group = usize::try_from(middle * 10 / sum.max(1)).unwrap_or(9).min(9);
            groups[group] += 1;
            below = *upto;
        }
        groups
    }

    /// The title that an object is the first part of.
    pub(crate) fn title_begun_by(&self, object: ObjectIx) -> Option<u32> {
        let title = object.0 / self.parts;
        object.0.is_multiple_of(self.parts).then_some(title)
    }

    /// The title that an object belongs to.
    pub(crate) fn title_of(&self, object: ObjectIx) -> u32 {
        object.0 / self.parts
    }

    /// The title that a swarm is about.
    pub(crate) fn title_of_swarm(&self, swarm: SwarmId) -> Option<u32> {
        self.by_swarm.get(&swarm).copied()
    }

    /// The object with this id, which nobody can name unless it was published.
    pub(crate) fn find(&self, id: ObjectId) -> Option<ObjectIx> {
        self.by_id.get(&id).copied()
    }

    /// An object.
    pub(crate) fn object(&self, ix: ObjectIx) -> &Object {
        &self.objects[ix.0 as usize]
    }

    /// A title.
    pub(crate) fn title(&self, index: u32) -> &Title {
        &self.titles[index as usize]
    }
}

fn object(random: &mut Random, size: ObjectSize, bytes: bool) -> Object {
    if !bytes {
        return Object { id: ObjectId(random.bytes32()), size, content: None };
    }
    let mut hasher = Hasher::new();
    let blocks: Vec<Rc<[u8]>> = size
        .all()
        .iter()
        .map(|block| {
            let len = size.bytes_of(BlockRange::new(block, block + 1)).len();
            let bytes: Rc<[u8]> =
                (0..len.div_ceil(32)).flat_map(|_| random.bytes32()).take(cast(len)).collect();
            hasher.update(&bytes);
            bytes
        })
        .collect();
    let (id, outboard) = hasher.finish();
    Object { id, size, content: Some(Content { blocks, outboard: outboard.into() }) }
}

fn cast(len: u64) -> usize {
    usize::try_from(len).unwrap_or(0)
}

impl Title {
    /// The part that has byte `at` of the title, and the range of that part from there to `end` at most.
    pub(crate) fn locate(&self, at: u64, end: u64) -> (u32, ByteRange) {
        let size = self.rendition.parts[0].size.bytes();
        let part = at / size;
        let start = at - part * size;
        let stop = end.min(self.bytes).saturating_sub(part * size).min(size);
        (u32::try_from(part).unwrap_or(0), ByteRange::new(start, stop))
    }

    /// Where part `part` starts in the title, in bytes.
    pub(crate) fn offset_of(&self, part: u32) -> u64 {
        self.rendition.parts[0].size.bytes() * u64::from(part)
    }

    /// The object of a part.
    pub(crate) fn object_of(&self, part: u32) -> ObjectIx {
        ObjectIx(self.first_object + part)
    }

    /// Which part an object of the title is.
    pub(crate) fn part_of(&self, object: ObjectIx) -> u32 {
        object.0 - self.first_object
    }

    /// How much media the first `bytes` are.
    pub(crate) fn media(&self, bytes: u64) -> Span {
        Span::from_micros(fixed::scale(bytes, self.length.micros(), self.bytes))
    }

    /// How many bytes the first `media` needs, rounded up.
    pub(crate) fn bytes_at(&self, media: Span) -> u64 {
        let wide = u128::from(media.micros()) * u128::from(self.bytes);
        let bytes = wide.div_ceil(u128::from(self.length.micros().max(1)));
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.bytes)
    }
}

/// Bytes that `blocks` of an object of `size` cover.
pub(crate) fn len_of(size: ObjectSize, blocks: BlockRange) -> u64 {
    debug_assert!(u64::from(blocks.end) * BLOCK_SIZE < size.bytes() + BLOCK_SIZE);
    size.bytes_of(blocks).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_in_parts_is_read_like_one() {
        let text = "bytes = true\n[catalogue]\nparts = 3\nlength = '9s'\nrate = '640kbit'";
        let catalogue = Catalogue::draw(&Scenario::parse(text).expect("valid"), 7);
        let title = catalogue.title(0);
        let part = title.rendition.parts[0].size.bytes();
        assert_eq!(title.locate(0, u64::MAX), (0, ByteRange::new(0, part)));
        assert_eq!(title.locate(part + 5, part + 10), (1, ByteRange::new(5, 10)));
        assert_eq!(title.media(title.bytes_at(Span::from_secs(2))).millis() / 10, 200);
        assert_eq!(title.bytes_at(title.length), title.bytes);
        let object = catalogue.object(title.object_of(2));
        let content = object.content.as_ref().expect("a world with bytes");
        assert_eq!(content.blocks.iter().map(|b| b.len() as u64).sum::<u64>(), part);
        assert_eq!(catalogue.find(object.id), Some(title.object_of(2)));
    }
}
