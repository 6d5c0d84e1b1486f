//! Typed reading of the tree. Each getter reports a wrong value with its line and returns `None`, so that reading
//! continues and all mistakes of a document are found at once.

use crate::config::document::KEYS;
use crate::config::document::python_tool::{Answer, answer};
use crate::config::document::requests::request_keys;
use crate::error::{Mistake, Place, Reason, nearest, quoted};
use crate::units::Nanos;
use crate::units::{bare, parse_duration_up_to, within};
use crate::units::{check_bytes, check_duration};
use saphyr::{MarkedYaml, YamlData};
use std::fmt::Display;
use std::ops::RangeInclusive;

pub type Node<'t> = MarkedYaml<'t>;

pub struct Reader<'f> {
    file: &'f str,
    pub mistakes: Vec<Mistake>,
    /// What the document asks for and does not get, each with its line.
    notes: Vec<(usize, String)>,
}

/// A mapping. `path` is its name in errors (`requests[1].`), empty for the document itself. A key whose value is null
/// counts as absent.
pub struct Fields<'t> {
    pub path: String,
    pub line: usize,
    entries: Vec<Entry<'t>>,
    /// Known keys that an unknown one was probably meant to be.
    mistyped: Vec<String>,
}

struct Entry<'t> {
    key: &'t str,
    line: usize,
    value: &'t Node<'t>,
}

impl<'t> Fields<'t> {
    fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.filter(|entry| !is_empty(entry.value))
    }

    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Tells whether the key is there or mistyped, so that one mistake is not reported as two.
    pub fn meant(&self, key: &str) -> bool {
        self.has(key) || self.mistyped.iter().any(|mistyped| mistyped == key)
    }

    /// Returns the line of `key`, or of the mapping if it is absent.
    pub fn line_of(&self, key: &str) -> usize {
        self.entry(key).map_or(self.line, |entry| entry.line)
    }

    pub fn node(&self, key: &str) -> Option<&'t Node<'t>> {
        self.entry(key).map(|entry| entry.value)
    }

    pub fn keys(&self) -> impl Iterator<Item = &'t str> {
        let given = self.entries.iter().filter(|entry| !is_empty(entry.value));
        given.map(|entry| entry.key)
    }
}

pub fn line(node: &Node<'_>) -> usize {
    node.span.start.line()
}

pub fn scalar<'t>(node: &'t Node<'t>) -> Option<&'t str> {
    match &node.data {
        YamlData::Representation(text, ..) => Some(text),
        _ => None,
    }
}

/// Tells whether nothing or a null is written after the key (YAML 1.2, section 10.3.2).
pub fn is_empty(node: &Node<'_>) -> bool {
    use saphyr::ScalarStyle::Plain;
    match &node.data {
        YamlData::Representation(text, Plain, _) => {
            matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
        }
        YamlData::BadValue => true,
        _ => false,
    }
}

pub fn is_mapping(node: &Node<'_>) -> bool {
    matches!(node.data, YamlData::Mapping(_))
}

/// Returns the length of a list; 0 if there is none.
pub fn length(fields: &Fields<'_>, key: &str) -> usize {
    match fields.node(key).map(|node| &node.data) {
        Some(YamlData::Sequence(items)) => items.len(),
        _ => 0,
    }
}

/// Returns the text after `key` in a mapping that is not read in full.
pub fn member<'t>(node: &'t Node<'t>, key: &str) -> Option<&'t str> {
    let YamlData::Mapping(map) = &node.data else {
        return None;
    };
    let found = map.iter().find(|(name, _)| scalar(name) == Some(key));
    found.and_then(|(_, value)| scalar(value).filter(|_| !is_empty(value)))
}

/// Returns the items of the list after `key` in such a mapping; empty if there is none.
pub fn items<'t>(node: &'t Node<'t>, key: &str) -> &'t [Node<'t>] {
    let YamlData::Mapping(map) = &node.data else {
        return &[];
    };
    let found = map.iter().find(|(name, _)| scalar(name) == Some(key));
    match found.map(|(_, value)| &value.data) {
        Some(YamlData::Sequence(items)) => items,
        _ => &[],
    }
}

/// Returns the items of a list; empty if it is none.
pub fn sequence<'t>(node: &'t Node<'t>) -> &'t [Node<'t>] {
    match &node.data {
        YamlData::Sequence(items) => items,
        _ => &[],
    }
}

/// Returns where a key belongs that is not known at `path`, if the document has it at its other level.
fn level_of(path: &str, key: &str) -> Option<&'static str> {
    if path.is_empty() && request_keys().any(|known| known == key) {
        return Some("a request: write it in the items of `requests:`");
    }
    let of_document = path.starts_with("requests[") && path.ends_with("].") && KEYS.contains(&key);
    of_document.then_some("the document: write it at the top level, beside `requests:`")
}

/// Describes a value for an error.
fn described(node: &Node<'_>) -> String {
    match &node.data {
        _ if is_empty(node) => "nothing".into(),
        YamlData::Representation(text, ..) => quoted(text),
        YamlData::Sequence(_) => "a list".into(),
        _ => "a mapping".into(),
    }
}

impl<'f> Reader<'f> {
    pub fn new(file: &'f str) -> Reader<'f> {
        Reader {
            file,
            mistakes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Notes what a valid document asks for and does not get.
    pub fn note(&mut self, line: usize, text: &str) {
        self.notes.push((line, format!("{}:{line}: {text}", self.file)));
    }

    /// The notes in the order of the document.
    pub fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.sort_by_key(|(line, _)| *line);
        notes.into_iter().map(|(_, text)| text).collect()
    }

    pub fn place(&self, line: usize) -> Place {
        Place::file(self.file, line)
    }

    pub fn mistake(&mut self, line: usize, reason: Reason) {
        self.mistakes.push(reason.at(self.file, line));
    }

    fn wrong_type(&mut self, name: &str, line: usize, expected: &str, node: &Node<'_>) {
        let what = format!("`{name}` is {}, not {expected}", described(node));
        self.mistake(line, Reason::new(what));
    }

    /// Reads the document itself, whose keys have nothing before their names.
    pub fn document<'t>(&mut self, node: &'t Node<'t>, known: &[&str]) -> Option<Fields<'t>> {
        let fields = self.open("document", String::new(), node)?;
        Some(self.check_keys(fields, known))
    }

    /// Reads the mapping called `name`, such as `requests[1].prompts`. Keys that are not in `known` are reported with
    /// the nearest known one.
    pub fn mapping<'t>(&mut self, name: &str, node: &'t Node<'t>, known: &[&str]) -> Option<Fields<'t>> {
        let fields = self.open_mapping(name, node)?;
        Some(self.check_keys(fields, known))
    }

    /// Reads a mapping whose keys are checked elsewhere.
    pub fn open_mapping<'t>(&mut self, name: &str, node: &'t Node<'t>) -> Option<Fields<'t>> {
        self.open(name, format!("{name}."), node)
    }

    fn open<'t>(&mut self, name: &str, path: String, node: &'t Node<'t>) -> Option<Fields<'t>> {
        let YamlData::Mapping(map) = &node.data else {
            self.wrong_type(name, line(node), "a mapping of keys and values", node);
            return None;
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            match scalar(key) {
                Some(text) => entries.push(Entry {
                    key: text,
                    line: line(key),
                    value,
                }),
                None => self.wrong_type(&format!("{path}key"), line(key), "a word", key),
            }
        }
        Some(Fields {
            path,
            line: line(node),
            entries,
            mistyped: Vec::new(),
        })
    }

    fn check_keys<'t>(&mut self, mut fields: Fields<'t>, known: &[&str]) -> Fields<'t> {
        for entry in &fields.entries {
            if known.contains(&entry.key) {
                continue;
            }
            let name = format!("{}{}", fields.path, entry.key);
            match answer(&fields.path, entry.key, entry.value) {
                Some(Answer::Harmless) => {}
                Some(Answer::NotCarried(why)) => {
                    self.note(entry.line, &format!("`{name}` is not carried over: {why}"));
                }
                Some(Answer::Refused(reason)) => self.mistake(entry.line, reason),
                None => {
                    let hint = match (level_of(&fields.path, entry.key), nearest(entry.key, known)) {
                        (Some(level), _) => format!("`{}` is a key of {level}", entry.key),
                        (None, Some(name)) => {
                            fields.mistyped.push(name.to_owned());
                            format!("did you mean `{name}`?")
                        }
                        (None, None) => format!("the keys known here are {}", known.join(", ")),
                    };
                    let what = format!("unknown key {}", quoted(&name));
                    self.mistake(entry.line, Reason::new(what).hint(hint));
                }
            }
        }
        fields
    }

    pub fn required(&mut self, fields: &Fields<'_>, key: &str, hint: &str) {
        if !fields.meant(key) {
            let what = format!("missing key `{}{key}`", fields.path);
            // A null counts as absent, but shows that the key was meant.
            let null = fields.entries.iter().find(|entry| entry.key == key);
            let line = null.map_or(fields.line, |entry| entry.line);
            self.mistake(line, Reason::new(what).hint(hint));
        }
    }

    /// Returns the text after `key`. `expected` names what should be there.
    fn text<'t>(&mut self, fields: &Fields<'t>, key: &str, expected: &str) -> Option<&'t str> {
        let entry = fields.entry(key)?;
        let text = scalar(entry.value).filter(|_| !is_empty(entry.value));
        if text.is_none() {
            self.wrong_type(
                &format!("{}{key}", fields.path),
                entry.line,
                expected,
                entry.value,
            );
        }
        text
    }

    /// Returns the text after `key`, parsed by `parse`.
    pub fn parsed<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<T> {
        let text = self.text(fields, key, expected)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let reason = reason.within(format!("`{}{key}`", fields.path));
                self.mistake(fields.line_of(key), reason);
                None
            }
        }
    }

    pub fn string(&mut self, fields: &Fields<'_>, key: &str, bytes_max: usize) -> Option<String> {
        self.parsed(fields, key, "a string", |text| check_text(text, bytes_max))
    }

    pub fn boolean(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        self.parsed(fields, key, "true or false", |text| {
            truth(text).ok_or_else(|| Reason::new(format!("{} is neither true nor false", quoted(text))))
        })
    }

    pub fn count<T>(&mut self, fields: &Fields<'_>, key: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: std::str::FromStr + PartialOrd + Display,
    {
        self.parsed(fields, key, "a whole number", |text| {
            // `20.0` is whole too.
            let text = match text.split_once('.') {
                Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
                _ => text,
            };
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<T>().ok().filter(|_| digits);
            // A number of digits that does not fit into T is larger than any limit.
            let number = match number {
                None if !digits => {
                    return Err(Reason::new(format!("{} is not a whole number", quoted(text))));
                }
                number => number,
            };
            within(number, text, &range)
        })
    }

    pub fn decimal(&mut self, fields: &Fields<'_>, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        self.parsed(fields, key, "a number", |text| {
            match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
                Some(number) => within(Some(number), text, &range),
                None => Err(Reason::new(format!("{} is not a number", quoted(text)))),
            }
        })
    }

    pub fn duration(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: RangeInclusive<Nanos>,
    ) -> Option<Nanos> {
        self.parsed(fields, key, "a duration", |text| {
            let nanos = parse_duration_up_to(text, bare_max(&fields.path, key))?;
            check_duration(nanos, &range)?;
            Ok(nanos)
        })
    }

    pub fn choice(&mut self, fields: &Fields<'_>, key: &str, names: &[&'static str]) -> Option<&'static str> {
        let expected = format!("one of {}", names.join(", "));
        self.parsed(fields, key, &expected, |text| {
            names.iter().copied().find(|name| *name == text).ok_or_else(|| {
                let hint = match nearest(text, names) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => expected.clone(),
                };
                Reason::new(format!("unknown value {}", quoted(text))).hint(hint)
            })
        })
    }

    /// Returns the items of a list, of which there must be 1 to `count_max`.
    pub fn list<'t>(&mut self, fields: &Fields<'t>, key: &str, count_max: usize) -> Option<&'t [Node<'t>]> {
        let entry = fields.entry(key)?;
        let name = format!("{}{key}", fields.path);
        let YamlData::Sequence(items) = &entry.value.data else {
            self.wrong_type(&name, entry.line, "a list", entry.value);
            return None;
        };
        if items.is_empty() || items.len() > count_max {
            let what = format!(
                "`{name}` has {} items, not between 1 and {count_max}",
                items.len()
            );
            self.mistake(entry.line, Reason::new(what));
            return None;
        }
        Some(items)
    }

    /// Returns a list of texts. Other items are reported and left out.
    pub fn strings(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        count_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<String>> {
        let items = self.list(fields, key, count_max)?;
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let name = format!("{}{key}[{i}]", fields.path);
            match scalar(item).filter(|_| !is_empty(item)) {
                None => self.wrong_type(&name, line(item), "a string", item),
                Some(text) => match check_text(text, bytes_max) {
                    Ok(text) => out.push(text),
                    Err(reason) => self.mistake(line(item), reason.within(format!("`{name}`"))),
                },
            }
        }
        Some(out)
    }

    /// Returns the text of a list's item that errors call `name`.
    pub fn item_text<'t>(&mut self, name: &str, item: &'t Node<'t>) -> Option<&'t str> {
        let text = scalar(item).filter(|_| !is_empty(item));
        if text.is_none() {
            self.wrong_type(name, line(item), "a string", item);
        }
        text
    }

    /// Returns the items of one text or a list of texts, each with its line.
    pub fn one_or_more(&mut self, fields: &Fields<'_>, key: &str, count_max: usize) -> Vec<(String, usize)> {
        let Some(entry) = fields.entry(key) else {
            return Vec::new();
        };
        if let Some(text) = scalar(entry.value).filter(|_| !is_empty(entry.value)) {
            return vec![(text.to_owned(), entry.line)];
        }
        let Some(items) = self.list(fields, key, count_max) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, item) in items.iter().enumerate() {
            match scalar(item) {
                Some(text) => out.push((text.to_owned(), line(item))),
                None => {
                    let name = format!("{}{key}[{i}]", fields.path);
                    self.wrong_type(&name, line(item), "a string", item);
                }
            }
        }
        out
    }
}

/// Returns how large a time without a unit may be at `key` of the mapping at `path`.
fn bare_max(path: &str, key: &str) -> Nanos {
    match (path, key) {
        // The Python tool's keys are seconds, whether or not their names say so.
        ("client.", _) => bare::SECONDS,
        _ if key.ends_with("_seconds") => bare::SECONDS,
        ("analysis.", _) => bare::PART,
        (_, "timeout") => bare::REQUEST,
        (_, "connect_timeout" | "first_token_timeout" | "idle_timeout") => bare::PART,
        (_, "graceful_stop" | "graceful_ramp_down" | "delayAbortEval" | "trace_spread") => bare::PART,
        _ => bare::LOAD,
    }
}

/// Checks that a text is not blank and not longer than the limit.
pub fn check_text(text: &str, bytes_max: usize) -> Result<String, Reason> {
    if text.trim().is_empty() {
        return Err(Reason::new("the text is blank"));
    }
    check_bytes("the text has", text, bytes_max)?;
    Ok(text.to_owned())
}

/// Returns what a word says where one of two is meant. YAML 1.1 has more words for these than 1.2, and documents for
/// PyYAML use them.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}
