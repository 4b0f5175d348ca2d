//! Runs end to end: any size, any range, any damage.

use std::io;

use proptest::prelude::*;

use super::super::check::{Corrupt, Decoded, Need, OriginCheck, OriginNeed, Parts, RunDecoder, check_block};
use super::super::run::{RunPlan, Step, run_len};
use super::super::shape::Tree;
use super::super::{Hasher, hash};
use super::{block_of, bytes, hash_with, pieces};
use crate::ids::ObjectId;
use crate::ranges::{BlockRange, ByteRange};
use crate::units::{BLOCK_SIZE, MAX_OBJECT_SIZE, ObjectSize};

/// Plays a run into a decoder and a blank copy of the object; what comes out must be what went in.
fn decode(
    object: ObjectId,
    tree: Tree,
    blocks: BlockRange,
    encoded: &[u8],
) -> Result<Vec<u32>, (usize, Corrupt)> {
    let mut decoder = RunDecoder::of(object, tree, blocks);
    let (mut at, mut got) = (0, Vec::new());
    while let Some(need) = decoder.needs() {
        let piece = &encoded[at..at + need.len()];
        match (decoder.feed(piece).map_err(|why| (at, why))?, need) {
            (Decoded::Parent { offset, pair }, Need::Parent { offset: asked }) => {
                assert_eq!((offset, &pair[..]), (asked, piece));
            }
            (Decoded::Block(range), Need::Block { block, .. }) => {
                assert_eq!(*range.get(), BlockRange::new(block, block + 1));
                got.push(block);
            }
            other => panic!("asked for one thing, gave another: {other:?}"),
        }
        at += piece.len();
    }
    assert!(decoder.is_complete() && at == encoded.len());
    Ok(got)
}

fn trees() -> impl Strategy<Value = Tree> {
    (1u64..60_000, 0u8..3, 1u8..5).prop_map(|(len, log, page)| Tree::with_constants(len, log, page))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_sent_is_what_arrives(tree in trees(), a in 0u32..70, b in 0u32..70) {
        let input = bytes(usize::try_from(tree.bytes()).expect("small"));
        let (id, outboard) = hash_with(tree, &input);
        let blocks = BlockRange::new(a.min(b), a.max(b));
        let encoded = pieces(tree, &outboard, &input, blocks).concat();
        let got = decode(id, tree, blocks, &encoded).expect("undamaged");
        prop_assert_eq!(got, blocks.intersect(tree.blocks()).iter().collect::<Vec<_>>());
    }

    /// A flipped bit anywhere is refused in the piece it is in, and everything before it is kept.
    #[test]
    fn damage_is_refused_where_it_is(tree in trees(), a in 0u32..70, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let input = bytes(usize::try_from(tree.bytes()).expect("small"));
        let (id, outboard) = hash_with(tree, &input);
        let start = a % tree.blocks().len();
        let blocks = BlockRange::new(start, start + 9);
        let pieces = pieces(tree, &outboard, &input, blocks);
        let mut encoded = pieces.concat();
        let at = at.index(encoded.len());
        encoded[at] ^= 1 << bit;
        let (piece_start, why) = decode(id, tree, blocks, &encoded).expect_err("damaged");
        let mut end = 0;
        let steps: Vec<Step> = RunPlan::of(tree, blocks).collect();
        let n = pieces.iter().position(|p| { end += p.len(); at < end }).expect("inside");
        prop_assert_eq!(piece_start, end - pieces[n].len());
        prop_assert_eq!(why, match steps[n] {
            Step::Parent(offset) => Corrupt::Parent { offset },
            Step::Block(block) => Corrupt::Block { block },
        });
    }

    /// However the bytes are cut, the hasher comes to the same.
    #[test]
    fn hashing_does_not_depend_on_the_cuts(tree in trees(), cuts in prop::collection::vec(1usize..5_000, 1..8)) {
        let input = bytes(usize::try_from(tree.bytes()).expect("small"));
        let mut hasher = Hasher::with_constants(tree);
        let (mut rest, mut cuts) = (&input[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().expect("endless")).min(rest.len()));
            hasher.update(piece);
            rest = tail;
        }
        prop_assert_eq!(hasher.bytes(), tree.bytes());
        prop_assert_eq!(hasher.finish(), hash_with(tree, &input));
    }
}

const MIB: u64 = 1 << 20;

/// An object of more than two pages with the constants of production.
fn big() -> (ObjectSize, Vec<u8>, ObjectId, Vec<u8>) {
    let size = ObjectSize::new(9 * MIB + 5).expect("a size");
    let input = bytes(usize::try_from(size.bytes()).expect("small"));
    let (id, outboard) = hash(&input[..], size).expect("in memory");
    (size, input, id, outboard)
}

#[test]
fn an_origins_bytes_are_checked_with_head_and_page_alone() {
    let (size, input, id, outboard) = big();
    let tree = Tree::new(size);
    let cut = |r: ByteRange| {
        &outboard[usize::try_from(r.start).expect("small")..usize::try_from(r.end).expect("small")]
    };
    for blocks in [BlockRange::new(0, 1), BlockRange::new(250, 262), BlockRange::new(570, 577), size.all()] {
        let mut parts = Parts::new().with(tree.head().start, cut(tree.head()));
        for page in tree.pages_of(blocks) {
            parts = parts.with(tree.page(page).start, cut(tree.page(page)));
        }
        let mut check = OriginCheck::new(id, size, blocks, parts);
        let mut decoder = RunDecoder::new(id, size, blocks);
        while let Some(next) = check.next().expect("undamaged") {
            let (ours, run) = match next {
                OriginNeed::Write(parent @ Decoded::Parent { pair, .. }) => (parent, decoder.feed(&pair)),
                OriginNeed::Block { block, .. } => {
                    let bytes = block_of(tree, &input, block);
                    (check.feed(bytes).expect("undamaged"), decoder.feed(bytes))
                }
                OriginNeed::Write(Decoded::Block(_)) => panic!("a block that nobody fed"),
            };
            assert_eq!(run, Ok(ours));
        }
        assert!(check.is_complete() && decoder.is_complete());
    }
}

#[test]
fn an_outboard_that_lies_or_ends_is_named() {
    let (size, input, id, mut outboard) = big();
    let tree = Tree::new(size);
    let head = &outboard[..usize::try_from(tree.head().end).expect("small")];
    let last = OriginCheck::new(id, size, BlockRange::new(576, 577), head).next_error();
    assert_eq!(last, Some(Corrupt::Absent { offset: tree.page(2).start }));
    let mut check = OriginCheck::new(id, size, BlockRange::new(3, 4), &outboard[..]);
    assert_eq!(check.feed(&input[..16_384]), Err(Corrupt::Surplus), "no block was asked for");
    outboard[70] ^= 1;
    let bad = OriginCheck::new(id, size, BlockRange::new(0, 1), &outboard[..]).next_error();
    assert_eq!(bad, Some(Corrupt::Parent { offset: 64 }));
}

impl<P: super::super::Parents> OriginCheck<P> {
    /// Takes parents until one fails or a block is asked for.
    fn next_error(&mut self) -> Option<Corrupt> {
        loop {
            match self.next() {
                Ok(Some(OriginNeed::Write(_))) => {}
                Ok(_) => return None,
                Err(why) => return Some(why),
            }
        }
    }
}

#[test]
fn a_failed_or_finished_decoder_gives_nothing_more() {
    let input = bytes(40_000);
    let size = ObjectSize::new(40_000).expect("a size");
    let (id, outboard) = hash(&input[..], size).expect("in memory");
    let blocks = BlockRange::new(0, 1);
    let mut decoder = RunDecoder::new(id, size, blocks);
    let pieces = pieces(Tree::new(size), &outboard, &input, blocks);
    for piece in &pieces {
        decoder.feed(piece).expect("undamaged");
    }
    assert_eq!(decoder.feed(&pieces[0]), Err(Corrupt::Surplus));
    assert!(!decoder.is_complete(), "what came after the end makes the run suspect");

    let mut decoder = RunDecoder::new(id, size, blocks);
    let short = Err(Corrupt::Parent { offset: 0 });
    assert_eq!(decoder.feed(&pieces[0][..63]), short);
    assert_eq!(decoder.feed(&pieces[0]), short, "not even the right bytes");
    let past = RunDecoder::new(id, size, BlockRange::new(3, 9));
    assert!(past.needs().is_none() && past.is_complete());
}

#[test]
fn lengths_of_runs() {
    let one = ObjectSize::new(1).expect("a size");
    assert_eq!(run_len(one, one.all()), 1);
    let largest = ObjectSize::new(MAX_OBJECT_SIZE).expect("a size");
    let blocks = 1u64 << 26;
    assert_eq!(run_len(largest, largest.all()), MAX_OBJECT_SIZE + 64 * (blocks - 1));
    assert_eq!(run_len(largest, BlockRange::new(5, 6)), BLOCK_SIZE + 64 * 26);
    assert_eq!(run_len(largest, BlockRange::new(7, 7)), 0);
}

#[test]
fn a_stored_block_is_checked_against_its_parent() {
    for len in [1, 16_384, 16_385, 40_000, 9 * MIB + 5] {
        let size = ObjectSize::new(len).expect("a size");
        let input = bytes(usize::try_from(len).expect("small"));
        let (id, outboard) = hash(&input[..], size).expect("in memory");
        let check = |block, bytes: &[u8]| check_block(id, size, block, &&outboard[..], bytes);
        for block in size.all().iter() {
            let mut copy = block_of(Tree::new(size), &input, block).to_vec();
            assert_eq!(check(block, &copy), Ok(()));
            assert_eq!(check(block, &copy[1..]), Err(Corrupt::Block { block }));
            copy[0] ^= 1;
            assert_eq!(check(block, &copy), Err(Corrupt::Block { block }));
        }
        assert!(check(size.blocks(), &[]).is_err());
        if size.blocks() > 1 {
            let none = check_block(id, size, 0, &&outboard[..0], &input[..16_384]);
            assert!(matches!(none, Err(Corrupt::Absent { .. })));
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let size = ObjectSize::new(20_000).expect("a size");
    let kind = |len: usize| hash(&bytes(len)[..], size).map_err(|e| e.kind()).map(drop);
    assert_eq!(kind(20_000), Ok(()));
    assert_eq!(kind(19_999), Err(io::ErrorKind::UnexpectedEof));
    assert_eq!(kind(20_001), Err(io::ErrorKind::InvalidData));
}

#[test]
fn a_whole_document_is_its_object_or_refused() {
    let object = ObjectId(*blake3::hash(b"#EXTM3U").as_bytes());
    assert_eq!(super::super::verify_whole(object, b"#EXTM3U").map(|v| v.into_inner()), Ok(&b"#EXTM3U"[..]));
    assert_eq!(super::super::verify_whole(object, b"#EXTM3V").map(drop), Err(Corrupt::Whole { object }));
    let nothing = ObjectId(*blake3::hash(b"").as_bytes());
    assert!(super::super::verify_whole(nothing, b"").is_err(), "no object is empty");
}
