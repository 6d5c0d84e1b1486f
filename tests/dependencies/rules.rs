//! `deny.toml`, as far as these tests need it: tables, `key = value`, and lists with one entry a line.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Rules {
    /// Table and key, and the value or the lines of the list.
    values: BTreeMap<(String, String), Vec<String>>,
}

/// The text between the quotes behind `key =` of an inline table.
fn member<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = entry.split_once(&format!("{key} = "))?;
    rest.trim_start_matches('[').split('"').nth(1)
}

impl Rules {
    /// Reads the file. What it cannot read is an error, so that no rule is lost.
    pub fn read(text: &str) -> Rules {
        let mut rules = Rules::default();
        let mut table = String::new();
        let mut list: Option<(String, Vec<String>)> = None;
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some((key, mut entries)) = list.take() {
                if line == "]" {
                    rules.values.insert((table.clone(), key), entries);
                } else {
                    entries.push(line.trim_end_matches(',').to_owned());
                    list = Some((key, entries));
                }
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut table);
            } else if let Some(key) = line.strip_suffix(" = [") {
                list = Some((key.to_owned(), Vec::new()));
            } else {
                let (key, value) = line
                    .split_once(" = ")
                    .unwrap_or_else(|| panic!("deny.toml: {line}"));
                assert!(!value.starts_with('['), "deny.toml: one entry a line: {line}");
                let value = vec![value.trim_matches('"').to_owned()];
                rules.values.insert((table.clone(), key.to_owned()), value);
            }
        }
        assert!(list.is_none(), "deny.toml: a list does not end");
        rules
    }

    fn entries(&self, table: &str, key: &str) -> &[String] {
        let at = (table.to_owned(), key.to_owned());
        self.values.get(&at).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn value(&self, table: &str, key: &str) -> Option<&str> {
        self.entries(table, key).first().map(String::as_str)
    }

    pub fn list(&self, table: &str, key: &str) -> Vec<&str> {
        let entries = self.entries(table, key).iter();
        entries.map(|entry| entry.trim_matches('"')).collect()
    }

    /// The crates of a list, and the reason of each.
    pub fn crates(&self, table: &str, key: &str) -> BTreeMap<String, String> {
        let entries = self.entries(table, key).iter();
        let entries = entries.map(|entry| {
            let name = member(entry, "crate").unwrap_or_else(|| panic!("deny.toml: {entry}"));
            (
                name.to_owned(),
                member(entry, "reason").unwrap_or_default().to_owned(),
            )
        });
        entries.collect()
    }

    /// The licences that are allowed for one crate.
    pub fn exceptions(&self) -> BTreeMap<String, Vec<String>> {
        let entries = self.entries("licenses", "exceptions").iter();
        let entries = entries.map(|entry| {
            let name = member(entry, "crate").unwrap_or_else(|| panic!("deny.toml: {entry}"));
            let licence = member(entry, "allow").unwrap_or_else(|| panic!("deny.toml: {entry}"));
            (name.to_owned(), vec![licence.to_owned()])
        });
        entries.collect()
    }
}
