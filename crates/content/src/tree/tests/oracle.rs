//! Agreement with two other implementations: bao-tree at our block size, bao at blocks of one chunk.

use std::io::Read;

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::{BlockSize, ChunkNum, ChunkRanges};
use proptest::prelude::*;

use super::super::run::{RunPlan, run_len_of};
use super::super::shape::Tree;
use super::super::{Parents, Step};
use super::{bytes, hash_with, pieces};
use crate::ids::ObjectId;
use crate::ranges::BlockRange;

/// The parents in plain pre-order, as both others keep them.
fn pre_order(tree: Tree, outboard: &[u8]) -> Vec<u8> {
    let parents = RunPlan::of(tree, tree.blocks()).filter_map(|step| match step {
        Step::Parent(offset) => Some(outboard.parent(offset).expect("in the outboard")),
        Step::Block(_) => None,
    });
    parents.flatten().collect()
}

fn sizes() -> impl Strategy<Value = (usize, u8)> {
    // Up to 40 blocks of 1 KiB to 16 KiB, often at the edge of a block.
    (0u8..=4, 1usize..40, -1i8..=1).prop_map(|(log, blocks, off)| {
        let len = (blocks * (1024 << log)).saturating_add_signed(isize::from(off));
        (len.max(1), log)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_bao_tree((len, log) in sizes(), page_log in 1u8..5, a in 0u32..42, b in 0u32..42) {
        let (input, tree) = (bytes(len), Tree::with_constants(len as u64, log, page_log));
        let (id, outboard) = hash_with(tree, &input);
        let theirs = PreOrderMemOutboard::create(&input, BlockSize::from_chunk_log(log));
        prop_assert_eq!(id, ObjectId(*theirs.root.as_bytes()));
        prop_assert_eq!(outboard.len() as u64, tree.outboard_len());
        prop_assert_eq!(pre_order(tree, &outboard), &theirs.data[..]);

        let blocks = BlockRange::new(a.min(b), a.max(b)).intersect(tree.blocks());
        let ours = pieces(tree, &outboard, &input, blocks).concat();
        prop_assert_eq!(ours.len() as u64, run_len_of(tree, blocks));
        let chunk = |block: u32| ChunkNum(u64::from(block) << log);
        let mut encoded = Vec::new();
        if !blocks.is_empty() {
            let ranges = ChunkRanges::from(chunk(blocks.start)..chunk(blocks.end));
            bao_tree::io::sync::encode_ranges(&input[..], &theirs, &ranges, &mut encoded).expect("in memory");
        }
        prop_assert_eq!(ours, encoded);
    }

    #[test]
    fn agrees_with_bao(len in 1usize..40_000, a in 0u32..40, b in 0u32..40) {
        let (input, tree) = (bytes(len), Tree::with_constants(len as u64, 0, 8));
        let (id, outboard) = hash_with(tree, &input);
        let (theirs, root) = bao::encode::outboard(&input);
        prop_assert_eq!(id, ObjectId(*root.as_bytes()));
        prop_assert_eq!(&outboard[..], &theirs[8..]);

        let blocks = BlockRange::new(a.min(b), a.max(b)).intersect(tree.blocks());
        prop_assume!(!blocks.is_empty());
        let ours = pieces(tree, &outboard, &input, blocks).concat();
        let (start, len) = (u64::from(blocks.start) * 1024, u64::from(blocks.len()) * 1024);
        let cursors = (std::io::Cursor::new(&input), std::io::Cursor::new(&theirs));
        let mut slice = Vec::new();
        bao::encode::SliceExtractor::new_outboard(cursors.0, cursors.1, start, len)
            .read_to_end(&mut slice)
            .expect("in memory");
        prop_assert_eq!(&ours[..], &slice[8..]);
    }
}
