//! docs/RESULT.md and the types have the same keys: every key of the one is in the other.

use crate::result::{Detail, SCHEMA, sample};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../docs/RESULT.md");
/// The placeholder that the page uses for a name that a run decides.
const NAME: &str = "NAME";
/// The member whose keys are those of a profile, which another page documents.
const OPAQUE: &str = "config";

/// The keys of the page's tables, by the path of the object that has them. The path of the document itself is empty.
type Tables = BTreeMap<String, BTreeSet<String>>;

/// Returns every word in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the list of paths at the beginning of a paragraph. It ends at the first full stop or colon.
fn paths_of(paragraph: &str) -> &str {
    let ends = [". ", ": "].iter().filter_map(|end| paragraph.find(end));
    &paragraph[..ends.min().unwrap_or(paragraph.len())]
}

/// Reads the tables. A table belongs to the paths that the paragraph before it begins with, or to the document itself
/// if there are none.
fn tables(page: &str) -> Tables {
    let mut tables = Tables::new();
    let paragraphs: Vec<&str> = page.split("\n\n").collect();
    for pair in paragraphs.windows(2) {
        let (before, table) = (pair[0], pair[1]);
        let Some(rows) = table.strip_prefix("| key | unit | meaning |\n| --- | --- | --- |\n") else {
            continue;
        };
        let paths = match before.starts_with("## ") {
            true => vec![String::new()],
            false => quoted(paths_of(&before.replace('\n', " ")))
                .into_iter()
                .map(str::to_owned)
                .collect(),
        };
        assert!(!paths.is_empty(), "{before}");
        let keys: BTreeSet<String> = rows
            .lines()
            .map(|row| {
                assert_eq!(
                    row.matches(" | ").count(),
                    2,
                    "a row is a key, a unit and a meaning: {row}"
                );
                quoted(row)[0].to_owned()
            })
            .collect();
        for path in paths {
            let known = tables.insert(path.clone(), keys.clone());
            assert!(known.is_none(), "`{path}` has two tables");
        }
    }
    tables
}

/// Walks a document along the tables, and notes which of their keys it has found.
struct Walk<'a> {
    tables: &'a Tables,
    met: BTreeSet<String>,
    mistakes: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, path: &str, value: &Value) {
        match value {
            _ if path == OPAQUE => {}
            Value::Object(members) => self.object(path, members),
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| self.value(&format!("{path}[]"), element)),
            _ => {}
        }
    }

    fn object(&mut self, path: &str, members: &Map<String, Value>) {
        let Some(keys) = self.tables.get(path) else {
            self.mistakes.push(format!("`{path}` has no table in the page"));
            return;
        };
        for (key, value) in members {
            let key = if keys.contains(NAME) { NAME } else { key };
            let under = match path.is_empty() {
                true => key.to_owned(),
                false => format!("{path}.{key}"),
            };
            if !keys.contains(key) {
                self.mistakes
                    .push(format!("`{under}` is in the document and not in the page"));
            }
            self.met.insert(under.clone());
            self.value(&under, value);
        }
    }
}

/// Returns the keys that are only in `document`, and those that are only in the page.
fn mistakes(document: &Value, page: &str) -> Vec<String> {
    let tables = tables(page);
    let mut walk = Walk {
        tables: &tables,
        met: BTreeSet::new(),
        mistakes: Vec::new(),
    };
    walk.value("", document);
    let Walk {
        met, mut mistakes, ..
    } = walk;
    for (path, keys) in &tables {
        for key in keys {
            let under = match path.is_empty() {
                true => key.clone(),
                false => format!("{path}.{key}"),
            };
            if !met.contains(&under) {
                mistakes.push(format!("`{under}` is in the page and not in the document"));
            }
        }
    }
    mistakes.sort();
    mistakes.dedup();
    mistakes
}

/// Returns a document with every key, including its details.
fn whole() -> Value {
    let mut document = serde_json::to_value(sample::full()).unwrap();
    let detail = Detail {
        x_request_id: Some("5f0c21a97be4-v12-3".to_owned()),
        request_id: "v0-0.1".to_owned(),
        pair: Some("v0-0".to_owned()),
        session: Some("v0-0".to_owned()),
        turn: Some(1),
        endpoint: "llama".to_owned(),
        start_ts: 1.0,
        end_ts: 2.0,
        status: Some(200),
        sent: Some(0.01),
        connecting: Some(0.005),
        first_byte: Some(0.25),
        ttft: Some(0.5),
        ttfa: Some(0.75),
        last_token: Some(0.9),
        gaps: Some(vec![0.25, 0.15]),
        latency: 1.0,
        asked_prompt_tokens: Some(9),
        prompt_tokens: Some(9),
        cached_tokens: Some(4),
        asked_output_tokens: Some(12),
        reasoning_tokens: Some(2),
        output_tokens: 2,
        tps: 2.0,
        error: Some("truncated".to_owned()),
        good: Some(true),
        cause: Some("no_finish".to_owned()),
    };
    document["details"] = serde_json::to_value([detail]).unwrap();
    document
}

#[test]
fn the_page_lists_exactly_the_keys_of_the_document() {
    assert_eq!(mistakes(&whole(), PAGE), [""; 0]);
    assert!(PAGE.contains(&format!("| `schema` | text | `{SCHEMA}` |")));
}

#[test]
fn a_key_that_is_missing_on_either_side_is_found() {
    let mut document = whole();
    document["totals"]["new_count"] = 1.into();
    document["kinds"]["vllm"]["metrics"]["ttft"]["p75"] = 1.into();
    document["run"].as_object_mut().unwrap().remove("layout");
    let reads = "| `reads` | count | |";
    let page = PAGE.replace(reads, &format!("{reads}\n| `writes` | count | |"));
    assert_eq!(
        mistakes(&document, &page),
        [
            "`client.cores[].writes` is in the page and not in the document",
            "`kinds.NAME.metrics.NAME.p75` is in the document and not in the page",
            "`parts[].client.cores[].writes` is in the page and not in the document",
            "`run.layout` is in the page and not in the document",
            "`totals.new_count` is in the document and not in the page",
        ]
    );
}

/// Returns the names of the fields of a value's types from its debug text, which includes fields that are `None`.
fn fields(debug: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let (mut word, mut in_text, mut escaped) = (String::new(), false, false);
    for c in debug.chars() {
        match c {
            _ if in_text => {
                in_text = escaped || c != '"';
                escaped = c == '\\' && !escaped;
            }
            '"' => in_text = true,
            c if c.is_alphanumeric() || c == '_' => word.push(c),
            ':' if !word.is_empty() => drop(fields.insert(std::mem::take(&mut word))),
            _ => word.clear(),
        }
    }
    fields
}

#[test]
fn the_sample_has_a_value_for_every_field() {
    let document = whole();
    let mut keys = BTreeSet::new();
    collect(&document, &mut keys);
    let mut fields = fields(&format!("{:?}", sample::full()));
    // A row's time, whose key has its unit.
    assert!(fields.remove("elapsed") && keys.contains("elapsed_seconds"));
    assert!(
        fields.len() > 120 && fields.contains("not_recomputed"),
        "{fields:?}"
    );
    let missing: Vec<&String> = fields.iter().filter(|field| !keys.contains(*field)).collect();
    assert_eq!(
        missing, [""; 0],
        "give `sample::full` a value for these, and the page a row"
    );
}

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            keys.insert(key.clone());
            collect(value, keys);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, keys)),
        _ => {}
    }
}
