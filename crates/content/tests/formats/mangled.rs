//! Mangled documents are refused or read into something that reads back the same; nothing panics.

use nearcast_content::catalogue::Page;
use nearcast_content::index::{IndexPage, IndexRoot};
use nearcast_content::live::LiveEntry;
use nearcast_content::{Catalogue, Credential, Document, Link, Manifest, NodeKey, Policy, Succession, Trust};
use proptest::prelude::*;

use crate::samples::{self, NOW, hash, key};

/// `text` with one stretch of it replaced.
fn mangle(text: &[u8], at: prop::sample::Index, cut: usize, put: &[u8]) -> Vec<u8> {
    let at = at.index(text.len());
    let end = (at + cut).min(text.len());
    [&text[..at], put, &text[end..]].concat()
}

fn reads_back<T: Document + PartialEq + std::fmt::Debug>(json: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(document) = T::from_json(json) {
        prop_assert_eq!(T::from_json(&document.to_json()), Ok(document));
    }
    Ok(())
}

/// What is put into documents: bytes, or words that mean something to a parser.
fn stuffing() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "null",
        "-1",
        "1e999",
        "18446744073709551616",
        "9007199254740993",
        "\"\"",
        "[]",
        "{}",
        "[[[[",
        "\\u202e",
        "\\ud800",
        "\"v\":1,",
        "\"crit\":[\"x\"],",
        "../",
        "https://",
        "0",
        "9",
        ",",
        "\"",
    ]);
    prop_oneof![words.prop_map(|w| w.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..12)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn signed_json(at in any::<prop::sample::Index>(), cut in 0usize..12, put in stuffing()) {
        let bend = |json: Vec<u8>| mangle(&json, at, cut, &put);
        for manifest in [samples::film(), samples::song(), samples::live(), samples::aes_film()] {
            reads_back::<Manifest>(&bend(manifest.to_json()))?;
        }
        reads_back::<Catalogue>(&bend(samples::catalogue().to_json()))?;
        reads_back::<Policy>(&bend(samples::policy().to_json()))?;
        reads_back::<LiveEntry>(&bend(samples::live_entries()[1].to_json()))?;
    }

    #[test]
    fn hashed_json(at in any::<prop::sample::Index>(), cut in 0usize..12, put in stuffing()) {
        let page = mangle(&samples::page().encode().expect("good"), at, cut, &put);
        let mut page_ref = samples::catalogue().pages[0];
        page_ref.id = hash(&page);
        if let Ok(read) = Page::open(&page, &page_ref) {
            prop_assert!(read.encode().is_ok());
        }
        let segments = mangle(&samples::index_page().encode().expect("good"), at, cut, &put);
        let mut segments_ref = samples::index_root().pages[0];
        segments_ref.id = hash(&segments);
        if let Ok(read) = IndexPage::open(&segments, &segments_ref) {
            prop_assert!(read.encode().is_ok());
        }
        let root = mangle(&samples::index_root().encode().expect("good"), at, cut, &put);
        if let Ok(read) = IndexRoot::open(&root, hash(&root), 3) {
            prop_assert!(read.encode().is_ok());
        }
    }

    /// Whatever is done to a signed text, what is accepted is what was signed.
    #[test]
    fn signed_texts(at in any::<prop::sample::Index>(), cut in 0usize..12, put in stuffing()) {
        let song = samples::song();
        let text = song.sign(&key()).expect("within bounds");
        let bent = mangle(text.as_bytes(), at, cut, &put);
        if let Ok(accepted) = Manifest::open(&bent, &Trust::pinned(key().provider()), NOW) {
            prop_assert_eq!(accepted.document, song);
        }
        let node = NodeKey([9; 32]);
        let text = Credential::sign(&key(), node, NOW, NOW.plus(60), None).expect("within bounds");
        let bent = mangle(text.as_bytes(), at, cut, &put);
        if let Ok(read) = Credential::open(&bent, key().provider(), node, NOW) {
            prop_assert_eq!(read.expires, NOW.plus(60));
        }
        let text = Succession::sign(&key(), samples::other_key().provider(), NOW);
        let bent = mangle(text.as_bytes(), at, cut, &put);
        for read in Succession::open_all(&bent).into_iter().flatten() {
            prop_assert_eq!(read.new_key(), samples::other_key().provider());
        }
    }

    #[test]
    fn links(at in any::<prop::sample::Index>(), cut in 0usize..12, put in "[ -~ä\u{202e}]{0,8}") {
        let text = format!("https://example.org:8443/a%20b/#nearcast={}/first-song", key().provider());
        let bent = mangle(text.as_bytes(), at, cut, put.as_bytes());
        if let Some(Ok(link)) = std::str::from_utf8(&bent).ok().map(str::parse::<Link>) {
            prop_assert_eq!(link.to_string().parse::<Link>(), Ok(link));
        }
    }
}
