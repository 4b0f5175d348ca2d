//! Languages as files of media name them (ISO 639-2, three letters), and as the web does (BCP 47).

/// Three letters, both forms where there are two; two letters; the language's own name.
const LANGUAGES: [(&str, &str, &str, &str); 36] = [
    ("ara", "ara", "ar", "العربية"),
    ("bul", "bul", "bg", "Български"),
    ("ces", "cze", "cs", "Čeština"),
    ("cat", "cat", "ca", "Català"),
    ("dan", "dan", "da", "Dansk"),
    ("deu", "ger", "de", "Deutsch"),
    ("ell", "gre", "el", "Ελληνικά"),
    ("eng", "eng", "en", "English"),
    ("est", "est", "et", "Eesti"),
    ("fas", "per", "fa", "فارسی"),
    ("fin", "fin", "fi", "Suomi"),
    ("fra", "fre", "fr", "Français"),
    ("heb", "heb", "he", "עברית"),
    ("hin", "hin", "hi", "हिन्दी"),
    ("hrv", "hrv", "hr", "Hrvatski"),
    ("hun", "hun", "hu", "Magyar"),
    ("ind", "ind", "id", "Bahasa Indonesia"),
    ("isl", "ice", "is", "Íslenska"),
    ("ita", "ita", "it", "Italiano"),
    ("jpn", "jpn", "ja", "日本語"),
    ("kor", "kor", "ko", "한국어"),
    ("lit", "lit", "lt", "Lietuvių"),
    ("lav", "lav", "lv", "Latviešu"),
    ("nld", "dut", "nl", "Nederlands"),
    ("nor", "nob", "no", "Norsk"),
    ("pol", "pol", "pl", "Polski"),
    ("por", "por", "pt", "Português"),
    ("ron", "rum", "ro", "Română"),
    ("rus", "rus", "ru", "Русский"),
    ("slk", "slo", "sk", "Slovenčina"),
    ("slv", "slv", "sl", "Slovenščina"),
    ("spa", "spa", "es", "Español"),
    ("swe", "swe", "sv", "Svenska"),
    ("tur", "tur", "tr", "Türkçe"),
    ("ukr", "ukr", "uk", "Українська"),
    ("zho", "chi", "zh", "中文"),
];

/// The web's name of a language; nothing for what cannot be one.
pub(super) fn tag(name: &str) -> Option<String> {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    let (first, rest) = name.split_once('-').map_or((name.as_str(), None), |(f, r)| (f, Some(r)));
    let word = |w: &str| (2..=8).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_alphanumeric());
    if !(2..=3).contains(&first.len()) || !first.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let known = LANGUAGES.iter().find(|(a, b, ..)| *a == first || *b == first);
    let first = known.map_or(first, |(_, _, two, _)| two);
    match rest {
        Some(rest) => rest.split('-').all(word).then(|| format!("{first}-{rest}")),
        None => Some(first.to_owned()),
    }
}

/// What people call a language.
pub(super) fn own_name(tag: &str) -> Option<&'static str> {
    let first = tag.split('-').next()?;
    LANGUAGES.iter().find(|(_, _, two, _)| *two == first).map(|(.., name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_named_as_the_web_does() {
        for (given, want) in [("ger", "de"), ("deu", "de"), ("EN", "en"), ("pt_BR", "pt-br"), ("gsw", "gsw")]
        {
            assert_eq!(tag(given).as_deref(), Some(want));
        }
        for bad in ["", "x", "english", "12", "de\"", "en-", "de-\u{202e}x"] {
            assert_eq!(tag(bad), None, "{bad}");
        }
        assert_eq!((own_name("pt-br"), own_name("gsw")), (Some("Português"), None));
    }
}
