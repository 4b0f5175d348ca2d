//! Golden files of the signed formats: what version 1 looks like for good.
//!
//! A change here is a change of format (disk, wire). `NEARCAST_BLESS=1 cargo test -p nearcast-content`
//! writes the files anew.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use crate::samples::{self, NOW, hash, key, other_key};
use nearcast_content::index::{IndexPage, IndexRoot};
use nearcast_content::{Accepted, Credential, Document, NodeKey, Standing, Succession, Trust};

/// The file's bytes, after writing it when asked to.
#[expect(clippy::disallowed_methods, reason = "golden files are files")]
fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("NEARCAST_BLESS").is_some() {
        fs::write(&path, made).expect("the folder is there");
    }
    fs::read(&path).expect("NEARCAST_BLESS=1 writes it")
}

/// The document encodes to the golden JSON, signs to the golden text, and both read back as it.
fn check<T: Document + Debug + PartialEq>(name: &str, document: T) {
    let json = document.to_json();
    let file = golden(&format!("{name}.json"), &json);
    assert_eq!(String::from_utf8_lossy(&json), String::from_utf8_lossy(&file), "{name}");
    let read = T::from_json(&file).expect("the golden JSON is good");
    assert_eq!(read, document, "{name}");
    let text = document.sign(&key()).expect("within bounds");
    let file = golden(&format!("{name}.jws"), text.as_bytes());
    assert_eq!(text.as_bytes(), file, "{name}");
    let accepted = T::open(&file, &Trust::pinned(key().provider()), NOW).expect("signed and in date");
    assert_eq!(accepted, Accepted { document, signer: key().provider(), standing: Standing::Pinned });
}

#[test]
fn signed_documents() {
    check("song", samples::song());
    check("film", samples::film());
    check("aes-film", samples::aes_film());
    check("live", samples::live());
    let [first, second] = samples::live_entries();
    let text = first.sign(&key()).expect("within bounds");
    assert!(second.follows(&first, text.as_bytes()));
    assert!(!second.follows(&first, b"another text"));
    assert!(!first.follows(&first, text.as_bytes()));
    check("live-entry-0", first);
    check("live-entry-1", second);
    check("catalogue", samples::catalogue());
    check("policy", samples::policy());
}

#[test]
fn pages_and_indices() {
    let made = samples::page().encode().expect("within bounds");
    let file = golden("page.json", &made);
    assert_eq!(made, file);
    let head = samples::catalogue();
    let read = nearcast_content::catalogue::Page::open(&file, &head.pages[0]);
    assert_eq!(read, Ok(samples::page()));

    let made = samples::index_page().encode().expect("within bounds");
    let file = golden("index-page.json", &made);
    assert_eq!(made, file);
    assert_eq!(IndexPage::open(&file, &samples::index_root().pages[0]), Ok(samples::index_page()));

    let made = samples::index_root().encode().expect("within bounds");
    let file = golden("index-root.json", &made);
    assert_eq!(made, file);
    assert_eq!(IndexRoot::open(&file, hash(&file), 3), Ok(samples::index_root()));
}

#[test]
fn credentials_and_successions() {
    let node = NodeKey([9; 32]);
    let text = Credential::sign(&key(), node, NOW, NOW.plus(3_600), Some(vec![samples::title()]));
    let text = text.expect("within bounds");
    let file = golden("credential.jws", text.as_bytes());
    assert_eq!(text.as_bytes(), file);
    let read = Credential::open(&file, key().provider(), node, NOW).expect("good");
    assert!(read.covers(&samples::title()));

    let text = Succession::sign(&key(), other_key().provider(), NOW);
    let file = golden("succession.jws", text.as_bytes());
    assert_eq!(text.as_bytes(), file);
    let read = Succession::open_all(&file).expect("good");
    assert_eq!((read[0].old(), read[0].new_key()), (key().provider(), other_key().provider()));
}
