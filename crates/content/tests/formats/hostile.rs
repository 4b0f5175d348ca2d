//! What is refused, and why: each table row changes one thing of a document that is otherwise good.

use crate::samples::{self, NOW, key, other_key, parsed};
use nearcast_content::manifest::{Manifest, Rendition, Role};
use nearcast_content::policy::Policy;
use nearcast_content::{
    Catalogue, Document, DocumentError, FormatError, SigningKey, Standing, Succession, Trust, UnixTime,
};

/// The document's JSON with `from` replaced by `to`, read again.
fn bend<T: Document>(document: &T, from: &str, to: &str) -> Result<T, FormatError> {
    let json = String::from_utf8(document.to_json()).expect("JSON is text");
    assert!(json.contains(from), "{from} is not in {json}");
    T::from_json(json.replacen(from, to, 1).as_bytes())
}

fn assert_refused<T: Document + std::fmt::Debug>(document: &T, table: &[(&str, &str, &str)]) {
    for (from, to, word) in table {
        let refusal = bend(document, from, to).expect_err(to);
        assert!(refusal.to_string().contains(word), "{to}: {refusal}");
    }
}

#[test]
fn manifests_that_break_a_rule_are_refused() {
    let hash_3 = "03".repeat(32);
    let hash_8 = "08".repeat(32);
    let long_name = format!("{:?}", "x".repeat(513));
    assert_refused(
        &samples::film(),
        &[
            // Versions and extensions.
            (r#""v":1"#, r#""v":2"#, "version 2"),
            (r#""v":1"#, r#""v":"1""#, "invalid type"),
            (r#""v":1"#, r#""v":1,"crit":["watermark"]"#, "watermark"),
            (r#""v":1"#, r#""v":1,"v":1"#, "duplicate field"),
            (r#""name":"#, r#""name":"x","name":"#, "duplicate field"),
            // Texts.
            ("Für Elise – live", r"a\u0000b", "U+0000"),
            ("Für Elise – live", r"a\u001b[2Jb", "U+001B"),
            ("Für Elise – live", r"a\u202eb", "U+202E"),
            ("Für Elise – live", r"a\u2028b", "U+2028"),
            (r#""Für Elise – live""#, &long_name, "longer than 512"),
            (r#""Für Elise – live""#, r#""""#, "empty"),
            ("English (CC)", r"a\u2067b", "U+2067"),
            // Paths.
            ("v0.mp4", "../v0.mp4", "stay inside"),
            ("v0.mp4", "/etc/passwd", "stay inside"),
            ("v0.mp4", r"a\\b", "misread"),
            ("v0.mp4", "a%2e%2e", "misread"),
            ("v0.mp4", "v0.mp4.obo", "hash trees"),
            ("https://cdn.example", "http://cdn.example", "https"),
            ("https://cdn.example", "https://me:pw@cdn.example", "password"),
            ("https://cdn.example/p.png", "https://cdn.example/%2e%2e/p.png", "must be escaped"),
            ("https://cdn.example", "file://cdn.example", "http://"),
            (r#""title":"a-film""#, r#""title":"../a""#, "title id"),
            // Numbers.
            (r#""size":90000000"#, r#""size":0"#, "between 1 and"),
            (r#""size":90000000"#, r#""size":1099511627777"#, "between 1 and"),
            (r#""size":90000000"#, r#""size":-1"#, "invalid value"),
            (r#""size":90000000"#, r#""size":9.5"#, "invalid type"),
            (r#""size":90000000"#, r#""size":1e300"#, "invalid type"),
            (r#""size":90000000"#, r#""size":99999999999999999999999"#, "invalid type"),
            (r#""bandwidth":2500000"#, r#""bandwidth":0"#, "bandwidth 0"),
            (
                r#""bandwidth":2500000"#,
                r#""bandwidth":18446744073709551615"#,
                "bandwidth 18446744073709551615",
            ),
            (r#""resolution":[1280,720]"#, r#""resolution":[1280,4294967297]"#, "picture size"),
            (r#""resolution":[1280,720]"#, r#""resolution":[1280]"#, "invalid length"),
            (r#""duration_ms":1800000"#, r#""duration_ms":9007199254740992"#, "duration"),
            (r#""count":300"#, r#""count":65537"#, "number of segments"),
            (r#""init":[0,1234]"#, r#""init":[0,90000001]"#, "outside its file"),
            (r#""init":[0,1234]"#, r#""init":[5,5]"#, "outside its file"),
            (r#""track":7"#, r#""track":0"#, "track number"),
            (r#""sequence":3"#, r#""sequence":9007199254740992"#, "sequence"),
            (r#""expires":1800086400"#, r#""expires":1800000000"#, "expiry"),
            // Contradictions and duplicates.
            (r#""id":"a0""#, r#""id":"v0""#, "rendition v0 twice"),
            (r#""id":"a0""#, r#""id":"A0""#, "rendition id"),
            ("v0.m3u8", "v0.mp4", "two different objects at one path"),
            (&hash_8, &hash_3, "two sizes for one object"),
            (&hash_8, "08", "object id"),
            ("22222222222222222222222222222222", "11111111111111111111111111111111", "twice"),
            ("22222222222222222222222222222222", "2222222222222222222222222222222G", "key id"),
            (r#""scheme":"cenc-ctr""#, r#""scheme":"rot13""#, "unknown variant"),
            (r#""kind":"vod""#, r#""kind":"live""#, "where its log is"),
            (r#""kind":"vod""#, r#""kind":"loop""#, "unknown variant"),
            (r#""size":900,"#, r#""size":65537,"#, "limit is 65536"),
        ],
    );
    assert_refused(&samples::live(), &[(r#""kind":"live""#, r#""kind":"vod""#, "a live title has logs")]);
    assert_refused(
        &samples::aes_film(),
        &[
            ("https://keys", "http://keys", "https"),
            ("https://keys", "data:text/plain,", "http://"),
            ("n=1", "n=\\\" onload", "escaped"),
        ],
    );
}

#[test]
fn lists_are_bounded() {
    let mut many = samples::song();
    let rendition = many.renditions[0].clone();
    many.renditions = (0..17)
        .map(|n| {
            let mut r = rendition.clone();
            r.id = samples::parsed(&format!("v{n}"));
            r
        })
        .collect();
    assert_eq!(many.sign(&key()), Err(FormatError::TooMany { what: "renditions", count: 17, limit: 16 }));
    let mut documents = samples::song();
    documents.documents = vec![documents.documents[0].clone(); 33];
    assert!(matches!(documents.sign(&key()), Err(FormatError::TooMany { what: "documents", .. })));
    let mut none = samples::film();
    none.renditions.clear();
    assert_eq!(none.sign(&key()), Err(FormatError::Empty("rendition")));
    let mut large = samples::film();
    large.documents[0].label = Some(samples::parsed(&"x".repeat(512)));
    large.documents = vec![large.documents[0].clone(); 32];
    assert!(matches!(large.sign(&key()), Err(FormatError::TooLarge { limit: 8192, .. })));

    let crit: Vec<String> = (0..17).map(|_| "\"name\"".to_owned()).collect();
    let crit = format!(r#""v":1,"crit":[{}]"#, crit.join(","));
    assert!(matches!(bend(&samples::song(), r#""v":1"#, &crit), Err(FormatError::TooMany { .. })));

    let mut policy = samples::policy();
    let node = policy.supernodes[0].clone();
    let numbered = |n| {
        let mut node = node.clone();
        node.url = samples::parsed(&format!("wss://sn{n}.example/"));
        node
    };
    policy.supernodes = (0..65).map(numbered).collect();
    assert!(matches!(policy.sign(&key()), Err(FormatError::TooMany { what: "supernodes", .. })));
    policy.supernodes.truncate(64);
    assert!(policy.sign(&key()).is_ok(), "64 supernodes fit the size limit");

    let mut catalogue = samples::catalogue();
    catalogue.withdrawn = (0..513).map(|n| samples::parsed(&format!("t{n}"))).collect();
    assert!(matches!(catalogue.sign(&key()), Err(FormatError::TooMany { what: "withdrawn titles", .. })));
}

#[test]
fn a_full_manifest_fits() {
    let mut full = samples::film();
    let rendition = full.renditions[0].clone();
    full.renditions = (0..16u8)
        .map(|n| {
            let mut r = rendition.clone();
            r.id = samples::parsed(&format!("v{n}"));
            r
        })
        .collect();
    full.protection = nearcast_content::manifest::Protection::None;
    full.documents.truncate(1);
    let text = full.sign(&key());
    assert!(text.is_ok(), "16 renditions with playlists fit 8 KiB: {text:?}");
}

#[test]
fn players_choose_among_pictures_and_among_sound_of_a_language() {
    let mut film = samples::film();
    let [video, sound] = [film.renditions[0].clone(), film.renditions[1].clone()];
    let muxed = Rendition { role: Role::Muxed, ..video.clone() };
    let english = Rendition { language: Some(parsed("en")), ..sound.clone() };
    let other = Rendition { role: Role::Other, ..video.clone() };
    film.renditions = vec![sound.clone(), video, english, muxed, sound, other.clone(), other];
    let sets: Vec<u8> = (0..8).map(|place| film.adaptation_set(place)).collect();
    assert_eq!(sets, [0, 1, 2, 1, 0, 5, 6, 7]);
}

#[test]
fn unknown_fields_words_and_types_are_let_be() {
    let film = samples::film();
    let same = |from: &str, to: &str| bend(&film, from, to).expect("ignored");
    assert_eq!(same(r#""v":1"#, r#""v":1,"loudness":{"lufs":[-14,null]},"crit":["title","kind"]"#), film);
    assert_eq!(same(r#""role":"video""#, r#""role":"smell""#).renditions.len(), 2);
    assert_eq!(
        same(r#""kind_of_media":"video""#, r#""kind_of_media":"game""#).about.media.to_string(),
        "other"
    );
    let active = same("application/json\"}]", "text/html\"}]");
    assert_eq!(active.documents[3].object.content_type.as_str(), "application/octet-stream");
}

#[test]
fn policies_and_catalogues_that_break_a_rule_are_refused() {
    assert_refused::<Policy>(
        &samples::policy(),
        &[
            (r#""participation_permille":750"#, r#""participation_permille":1001"#, "participation"),
            (r#""hold_out_permille":10"#, r#""hold_out_permille":70000"#, "hold-out"),
            (r#""sharing":"on""#, r#""sharing":"maybe""#, "unknown variant"),
            (r#""sharing":"on","#, "", "missing field"),
            ("wss://sn1.example/", "ws://sn1.example/", "over wss"),
            ("wss://sn1.example/", "https://sn1.example/", "wss://"),
            ("wss://sn1.example/", "wss://me:pw@sn1.example/", "password"),
            ("ws://127.0.0.1:8420/directory", "wss://sn1.example/", "twice"),
        ],
    );
    let page = samples::catalogue().pages[0].id.to_string();
    assert_refused::<Catalogue>(
        &samples::catalogue(),
        &[
            ("another", "an-old-song", "twice"),
            ("another", "../x", "title id"),
            (r#""count":2"#, r#""count":257"#, "number of titles"),
            (&page, "0", "object id"),
            ("Example Records", r"Example\u202eRecords", "U+202E"),
        ],
    );
    let mut page = samples::page();
    page.entries.swap(0, 1);
    assert!(page.encode().is_err(), "out of order");
    page.entries[0] = page.entries[1].clone();
    assert!(matches!(page.encode(), Err(FormatError::Duplicate { .. })));
    page.entries = vec![page.entries[0].clone(); 257];
    assert!(matches!(page.encode(), Err(FormatError::TooMany { .. })));
}

fn open(text: &str, trust: &Trust<'_>, now: UnixTime) -> Result<Standing, DocumentError> {
    Manifest::open(text.as_bytes(), trust, now).map(|a| a.standing)
}

#[test]
fn acceptance_follows_key_clock_and_sequence() {
    let text = samples::song().sign(&key()).expect("within bounds");
    let trust = Trust::pinned(key().provider());
    assert_eq!(open(&text, &trust, NOW), Ok(Standing::Pinned));
    assert_eq!(open(&text, &Trust::first_use(), NOW), Ok(Standing::FirstUse));
    // Dates, to the second.
    assert!(open(&text, &trust, NOW.plus(86_399)).is_ok());
    assert!(matches!(open(&text, &trust, NOW.plus(86_400)), Err(DocumentError::Expired { .. })));
    assert!(open(&text, &trust, UnixTime(NOW.0 - 300)).is_ok());
    let early = open(&text, &trust, UnixTime(NOW.0 - 301));
    assert!(matches!(early, Err(DocumentError::FromTheFuture { .. })));
    // Sequences.
    assert!(open(&text, &trust.last_seen(Some(3)), NOW).is_ok());
    let old = open(&text, &trust.last_seen(Some(4)), NOW);
    assert!(matches!(old, Err(DocumentError::RolledBack { found: 3, last_seen: 4, .. })));
    // Forms.
    let json = String::from_utf8(samples::song().to_json()).expect("text");
    assert!(matches!(open(&json, &trust, NOW), Err(DocumentError::Unsigned { .. })));
    let page = "<html><body>404 Not Found</body></html>";
    assert!(matches!(open(page, &trust, NOW), Err(DocumentError::NotADocument { .. })));
    assert!(matches!(open(&"x".repeat(11 * 1024 + 1), &trust, NOW), Err(DocumentError::Oversized { .. })));
    let policy = samples::policy().sign(&key()).expect("within bounds");
    assert!(matches!(open(&policy, &trust, NOW), Err(DocumentError::NotADocument { .. })));
    let other = Manifest::open_title(text.as_bytes(), &samples::parsed("other"), &trust, NOW);
    assert!(matches!(other, Err(DocumentError::OtherTitle { .. })));
}

#[test]
fn a_changed_key_needs_the_old_ones_word() {
    let third = SigningKey::from_secret(&[9; 32]);
    let text = samples::song().sign(&third).expect("within bounds");
    let pinned = Trust::pinned(key().provider());
    assert!(matches!(open(&text, &pinned, NOW), Err(DocumentError::ProviderKeyChanged { .. })));
    let step = |from: &SigningKey, to: &SigningKey| Succession::sign(from, to.provider(), NOW);
    let read = |text: String| Succession::open_all(text.as_bytes()).expect("good statements");
    // Two changes, the later one listed first.
    let chain = read(format!("{}\n{}\n", step(&other_key(), &third), step(&key(), &other_key())));
    let from = key().provider();
    assert_eq!(open(&text, &pinned.with_successions(&chain), NOW), Ok(Standing::Succeeded { from }));
    // The new key cannot vouch for itself, and a circle ends.
    let circle = read(format!("{}\n{}", step(&key(), &other_key()), step(&other_key(), &key())));
    let refused = open(&text, &pinned.with_successions(&circle), NOW);
    assert!(matches!(refused, Err(DocumentError::ProviderKeyChanged { .. })));
    let own = read(step(&third, &key()));
    assert!(open(&text, &pinned.with_successions(&own), NOW).is_err());
    assert!(Succession::open_all(step(&key(), &key()).as_bytes()).is_err());
    let many = vec![step(&key(), &third); 17].join("\n");
    assert!(Succession::open_all(many.as_bytes()).is_err());
}

#[test]
fn every_refusal_says_what_to_do() {
    let text = samples::song().sign(&key()).expect("within bounds");
    let trust = Trust::pinned(other_key().provider());
    let bent = text.replacen("ey", "ez", 1);
    let wrong_end = format!("{}AAAA", &text[..text.len() - 4]);
    let far = NOW.plus(1 << 40);
    for refusal in [
        open(&text, &trust, NOW),
        open(&text, &Trust::first_use(), far),
        open(&text, &Trust::first_use(), UnixTime(0)),
        open(&text, &Trust::first_use().last_seen(Some(9)), NOW),
        open(&bent, &trust, NOW),
        open(&wrong_end, &trust, NOW),
        open("{}", &trust, NOW),
    ] {
        let message = refusal.expect_err("refused").to_string();
        let told =
            ["Check", "Fetch", "Publish", "publish", "open its new link", "Set the clock", "try again"];
        assert!(message.starts_with("the manifest is refused: "), "{message}");
        assert!(told.iter().any(|w| message.contains(w)), "{message}");
    }
}
