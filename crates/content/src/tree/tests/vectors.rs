//! Official vectors: the lengths of BLAKE3's and all of bao's.

use serde::Deserialize;

use super::super::check::{Corrupt, RunDecoder};
use super::super::shape::Tree;
use super::{block_of, hash_with, pieces};
use crate::ids::ObjectId;
use crate::ranges::BlockRange;
use crate::units::ObjectSize;

#[derive(Deserialize)]
struct Blake3 {
    cases: Vec<(usize, ObjectId)>,
}

#[test]
fn blake3_vectors() {
    let vectors: Blake3 =
        serde_json::from_str(include_str!("../../../golden/blake3.json")).expect("golden file");
    assert_eq!(vectors.cases.len(), 35);
    for (len, want) in vectors.cases {
        let input: Vec<u8> = (0..=250).cycle().take(len).collect();
        // Blocks of 1 KiB to 64 KiB: the id does not depend on them.
        for chunk_log in 0..=6 {
            let tree = Tree::with_constants(len as u64, chunk_log, 3);
            assert_eq!(hash_with(tree, &input).0, want, "{len} bytes, chunk log {chunk_log}");
        }
        if let Some(size) = ObjectSize::new(len as u64) {
            assert_eq!(super::super::hash(&input[..], size).expect("in memory").0, want);
            assert_eq!(super::super::verify_whole(want, &input).map(|v| *v.get()), Ok(&input[..]));
        }
    }
}

#[derive(Deserialize)]
struct Bao {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    input_len: usize,
    bao_hash: ObjectId,
    encoded_len: usize,
    encoded_blake3: ObjectId,
    corruptions: Vec<usize>,
    outboard_len: usize,
    outboard_blake3: ObjectId,
    outboard_corruptions: Vec<usize>,
    input_corruptions: Vec<usize>,
    slices: Vec<Slice>,
}

#[derive(Deserialize)]
struct Slice {
    start: usize,
    len: usize,
    output_len: usize,
    output_blake3: ObjectId,
    corruptions: Vec<usize>,
}

/// Bao writes the length first; a run does not carry it, since the receiver knows it from the manifest.
const HEADER: usize = 8;

fn with_header(len: usize, rest: &[u8]) -> Vec<u8> {
    [&(len as u64).to_le_bytes()[..], rest].concat()
}

/// The input of bao's vectors: a counter of four little-endian bytes from 1.
fn bao_input(len: usize) -> Vec<u8> {
    (1u32..).flat_map(u32::to_le_bytes).take(len).collect()
}

/// Blocks of a bao slice: an empty one counts as one byte, one past the end as the last byte.
fn slice_blocks(tree: Tree, start: usize, len: usize) -> BlockRange {
    let last = usize::try_from(tree.bytes()).expect("small").saturating_sub(1);
    let start = start.min(last);
    let end = (start + len.max(1)).div_ceil(1024);
    BlockRange::new(u32::try_from(start / 1024).expect("small"), u32::try_from(end).expect("small"))
}

/// Feeds `pieces`, one of them damaged at byte `at` of their concatenation, and returns what was refused.
fn refused(
    object: ObjectId,
    tree: Tree,
    blocks: BlockRange,
    pieces: &[Vec<u8>],
    at: usize,
) -> (usize, Corrupt) {
    let mut decoder = RunDecoder::of(object, tree, blocks);
    let mut start = 0;
    for (n, piece) in pieces.iter().enumerate() {
        let mut piece = piece.clone();
        if let Some(byte) = at.checked_sub(start).and_then(|i| piece.get_mut(i)) {
            *byte ^= 1;
        }
        start += piece.len();
        if let Err(why) = decoder.feed(&piece) {
            assert_eq!((decoder.needs(), decoder.is_complete()), (None, false));
            return (n, why);
        }
    }
    panic!("damage at byte {at} was not seen");
}

/// The piece that byte `at` lies in.
fn piece_of(pieces: &[Vec<u8>], at: usize) -> usize {
    let ends = pieces.iter().scan(0, |end, p| {
        *end += p.len();
        Some(*end)
    });
    ends.take_while(|end| *end <= at).count()
}

fn check_run(case: &Case, tree: Tree, blocks: BlockRange, want: (usize, ObjectId), corruptions: &[usize]) {
    let input = bao_input(case.input_len);
    let (_, outboard) = hash_with(tree, &input);
    let pieces = pieces(tree, &outboard, &input, blocks);
    let encoded = with_header(case.input_len, &pieces.concat());
    assert_eq!((encoded.len(), ObjectId(*blake3::hash(&encoded).as_bytes())), want);
    let mut decoder = RunDecoder::of(case.bao_hash, tree, blocks);
    for piece in &pieces {
        decoder.feed(piece).expect("as encoded");
    }
    assert!(decoder.is_complete());
    for at in corruptions.iter().filter_map(|at| at.checked_sub(HEADER)) {
        assert_eq!(refused(case.bao_hash, tree, blocks, &pieces, at).0, piece_of(&pieces, at));
    }
    let mut other = case.bao_hash;
    other.0[0] ^= 1;
    assert!(RunDecoder::of(other, tree, blocks).feed(&pieces[0]).is_err());
}

#[test]
fn bao_vectors() {
    let vectors: Bao = serde_json::from_str(include_str!("../../../golden/bao.json")).expect("golden file");
    assert_eq!(vectors.cases.len(), 13);
    for case in &vectors.cases {
        let input = bao_input(case.input_len);
        let tree = Tree::with_constants(case.input_len as u64, 0, 8);
        let (id, outboard) = hash_with(tree, &input);
        assert_eq!(id, case.bao_hash);
        let whole = with_header(case.input_len, &outboard);
        assert_eq!(whole.len(), case.outboard_len);
        assert_eq!(ObjectId(*blake3::hash(&whole).as_bytes()), case.outboard_blake3);
        check_run(case, tree, tree.blocks(), (case.encoded_len, case.encoded_blake3), &case.corruptions);
        for slice in &case.slices {
            let blocks = slice_blocks(tree, slice.start, slice.len);
            check_run(case, tree, blocks, (slice.output_len, slice.output_blake3), &slice.corruptions);
        }
    }
}

#[test]
fn bao_outboard_corruptions() {
    let vectors: Bao = serde_json::from_str(include_str!("../../../golden/bao.json")).expect("golden file");
    for case in &vectors.cases {
        let input = bao_input(case.input_len);
        let tree = Tree::with_constants(case.input_len as u64, 0, 8);
        let (_, outboard) = hash_with(tree, &input);
        let decode = |outboard: &[u8], input: &[u8]| {
            let mut decoder = RunDecoder::of(case.bao_hash, tree, tree.blocks());
            pieces(tree, outboard, input, tree.blocks()).iter().try_for_each(|p| decoder.feed(p).map(drop))
        };
        assert_eq!(decode(&outboard, &input), Ok(()));
        for at in case.outboard_corruptions.iter().filter_map(|at| at.checked_sub(HEADER)) {
            let mut bad = outboard.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad, &input), Err(Corrupt::Parent { offset: at as u64 / 64 * 64 }));
        }
        for at in &case.input_corruptions {
            let mut bad = input.clone();
            bad[*at] ^= 1;
            let block = u32::try_from(at / 1024).expect("small");
            assert_ne!(block_of(tree, &bad, block), block_of(tree, &input, block));
            assert_eq!(decode(&outboard, &bad), Err(Corrupt::Block { block }));
        }
    }
}
