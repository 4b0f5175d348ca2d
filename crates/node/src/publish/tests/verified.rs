//! Checking a site finds every kind of damage, and names it.

use std::fs;

use nearcast_content::{SigningKey, site};

use super::super::{Fault, verify_site};
use super::{Bench, NOW, id, key, later, long_mp3, options};

/// Faults of a site after `damage`.
fn faults(bench: &Bench) -> Vec<Fault> {
    verify_site(&bench.site(), Some(key().provider()), NOW, &()).faults
}

fn bench() -> Bench {
    let bench = Bench::with(&["film", "four.ogg"]);
    fs::write(bench.input().join("long.mp3"), long_mp3(5_000_000)).expect("written");
    bench.publish(&options());
    bench
}

fn flip(bench: &Bench, path: &str, at: usize) {
    let path = bench.site().join(path);
    let mut bytes = fs::read(&path).expect("there");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn every_bad_block_is_named() {
    let bench = bench();
    assert_eq!(faults(&bench), []);
    let long = "media/a-band-one-tone/a-band-one-tone.mp3";
    for at in [0, 16_384 * 3 + 5, 16_384 * 4, 16_384 * 300] {
        flip(&bench, long, at);
    }
    let found = faults(&bench);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, long);
    assert_eq!(found[0].what, "is damaged in 4 of its blocks of 16 KiB: 0, 3-4, 300");
}

#[test]
fn damaged_hashes_documents_and_missing_files_are_named() {
    let long = "media/a-band-one-tone/a-band-one-tone.mp3";
    let page = |bench: &Bench| site::page_path(bench.catalogue().pages[0].id);
    let manifest = site::manifest_path(&id("film"));
    let index = |bench: &Bench| {
        let film = bench.manifest("film");
        film.objects()
            .find_map(|o| site::file_of(&id("film"), o).filter(|p| p.ends_with(".json")))
            .expect("one")
    };
    type PathOf<'a> = &'a dyn Fn(&Bench) -> String;
    let cases: [(PathOf<'_>, &str); 7] = [
        (&|_| format!("{long}.obo"), "does not match the file"),
        (&|b| page(b), "do not match their hash"),
        (&|_| manifest.clone(), "refused"),
        (&index, "do not match their hash"),
        (&|_| "media/film/seg 1.ts".to_owned(), "is damaged in 1 of its blocks"),
        (&|_| site::POLICY.to_owned(), "refused"),
        (&|_| site::CATALOGUE.to_owned(), "refused"),
    ];
    for (path, want) in cases {
        let bench = bench();
        let path = path(&bench);
        flip(&bench, &path, 90);
        let found = faults(&bench);
        assert!(found.iter().any(|f| f.path == path && f.what.contains(want)), "{path}: {found:?}");
        fs::remove_file(bench.site().join(&path)).expect("there");
        let found = faults(&bench);
        assert!(found.iter().any(|f| f.path == path && f.what.contains("No such file")), "{path}: {found:?}");
    }
}

#[test]
fn truncated_media_wrong_keys_and_dates_are_named() {
    let bench = bench();
    let path = bench.site().join("media/film/seg 0.ts");
    fs::File::options().write(true).open(path).and_then(|f| f.set_len(5_000)).expect("ours");
    let found = faults(&bench);
    assert!(found[0].what.contains("5000 bytes instead of 5452"), "{found:?}");
    let other = SigningKey::from_secret(&[6; 32]).provider();
    let found = verify_site(&bench.site(), Some(other), NOW, &()).faults;
    assert!(found[0].what.contains("key changed"), "{found:?}");
    let report = verify_site(&bench.site(), None, later(0).now.plus(options().life_secs), &());
    assert_eq!(report.provider, Some(key().provider()));
    let expired = report.faults.iter().filter(|f| f.what.contains("expired")).count();
    assert_eq!(expired, 5, "catalogue, policy, three manifests: {:?}", report.faults);
    assert_eq!(report.titles, 3, "and it goes on to the media");
}

#[test]
fn an_old_manifest_put_back_is_noticed() {
    let bench = bench();
    let path = bench.site().join(site::manifest_path(&id("four")));
    let old = fs::read(&path).expect("there");
    fs::copy(super::media().join("album/three.opus"), bench.input().join("four.ogg")).expect("copied");
    bench.publish(&later(60));
    fs::write(&path, old).expect("written");
    let found = verify_site(&bench.site(), None, later(60).now, &()).faults;
    assert!(found.iter().any(|f| f.what.contains("is older than")), "{found:?}");
}
