//! The settings as a file that explains itself: every key with what it does, those at their default commented out.

use super::Settings;

/// Every key at its default, in order, with what it does. What is missing here fails a test.
const EXPLAINED: &str = include_str!("explained.toml");

/// `settings` as TOML. A key at its default stands there as `#key = value`, so that a file made of this follows
/// later versions in what it does not change.
pub(super) fn print(settings: &Settings) -> String {
    let (shown, default) = (table(settings), table(&Settings::default()));
    let mut section = "";
    let mut text = String::new();
    for line in EXPLAINED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let value = |table: &toml::Table, key: &str| table.get(section)?.get(key).cloned();
        match line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            Some((key, _)) => {
                let (is, was) = (value(&shown, key), value(&default, key));
                let mark = if is == was { "#" } else { "" };
                let is = is.map(|is| is.to_string()).unwrap_or_default();
                text.push_str(&format!("{mark}{key} = {is}\n"));
            }
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// As a table. Settings are texts, numbers and switches in sections, which TOML always takes.
fn table(settings: &Settings) -> toml::Table {
    toml::Table::try_from(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &toml::Table) -> Vec<String> {
        let mut keys = Vec::new();
        for (section, values) in table {
            let values = values.as_table().expect("settings lie in sections");
            keys.extend(values.keys().map(|key| format!("{section}.{key}")));
        }
        keys.sort();
        keys
    }

    #[test]
    fn every_setting_is_explained_and_at_its_default() {
        let explained: toml::Table = EXPLAINED.parse().expect("TOML");
        assert_eq!(keys(&explained), keys(&table(&Settings::default())));
        assert_eq!(Settings::parse(EXPLAINED).expect("settings"), Settings::default());
        let mut before = "";
        for line in EXPLAINED.lines() {
            if line.contains(" = ") && !line.starts_with('#') {
                assert!(before.starts_with("# ") && before.ends_with('.'), "{line} is not explained");
            }
            before = line;
        }
    }

    #[test]
    fn defaults_are_printed_commented_out_and_changes_are_not() {
        let printed = print(&Settings::default());
        assert!(
            printed.contains("#budget = \"auto\"\n") && printed.contains("#enabled = true\n"),
            "{printed}"
        );
        assert_eq!(Settings::parse(&printed).expect("settings"), Settings::default());
        let changed =
            Settings::parse("[cache]\nbudget = \"2000MB\"\n[sharing]\nenabled = false\n").expect("settings");
        let printed = print(&changed);
        assert!(
            printed.contains("\nbudget = \"2GB\"\n") && printed.contains("\nenabled = false\n"),
            "{printed}"
        );
        assert_eq!(Settings::parse(&printed).expect("settings"), changed);
    }

    #[test]
    fn what_is_commented_out_can_be_taken_as_it_stands() {
        let printed = print(&Settings::default());
        let taken: String = printed
            .lines()
            .map(|line| {
                format!("{}\n", line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            })
            .collect();
        assert_eq!(taken, EXPLAINED);
    }
}
