//! Finds the options in what was given: JSON, an object with `options` in it, or a k6 script.

use crate::error::Reason;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value};

const HINT: &str =
    "give k6's options as JSON, or a script whose `export const options = {...}` is written out";
/// Objects within objects: k6's own go down to 5.
const DEPTH_MAX: usize = 32;

/// The options as an object.
pub fn options(text: &str) -> Result<Map<String, Value>, Reason> {
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(json) => match of_script(text) {
            Some(object) => literal(&object)?,
            None => return Err(Reason::new(format!("no k6 options: {json}")).hint(HINT)),
        },
    };
    let Value::Object(mut object) = value else {
        return Err(Reason::new("no k6 options: not an object").hint(HINT));
    };
    // The data that handleSummary gets has them under this key, beside `metrics`.
    match object.remove("options") {
        Some(Value::Object(inner)) if object.contains_key("metrics") && !names_load(&inner) => {
            Err(Reason::new("results, whose options do not say what the load was").hint(HINT))
        }
        Some(Value::Object(inner)) => Ok(inner),
        Some(_) => Err(Reason::new("no k6 options: `options` is no object").hint(HINT)),
        None if object.contains_key("metrics") => {
            Err(Reason::new("results, not options: they do not say what the load was").hint(HINT))
        }
        None => Ok(object),
    }
}

fn names_load(options: &Map<String, Value>) -> bool {
    ["stages", "duration", "iterations", "scenarios"]
        .iter()
        .any(|key| options.contains_key(*key))
}

/// The object behind `options =` in a script, comments blanked out.
fn of_script(text: &str) -> Option<String> {
    let bare = without_comments(text);
    let mut from = 0;
    while let Some(at) = bare[from..].find("options") {
        from += at + "options".len();
        let after = bare[from..].trim_start();
        if let Some(object) = after.strip_prefix('=').map(str::trim_start)
            && object.starts_with('{')
        {
            return braced(object).map(str::to_owned);
        }
    }
    None
}

/// Strings stay as they are; a line comment's end of line stays, too.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if matches!(first, '"' | '\'' | '`') {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            end
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[taken..];
    }
    out
}

/// Behind the closing quote of the string that `text` begins with, or the end of the text.
fn string_end(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, c)| c);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if Some(c) == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// From the opening brace to the one that closes it.
fn braced(text: &str) -> Option<&str> {
    let (mut at, mut depth) = (0, 0u32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' | '`' => {
                at += string_end(&text[at..]);
                continue;
            }
            '{' => depth += 1,
            '}' if depth == 1 => return Some(&text[..=at]),
            '}' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

/// On one line, with a blank behind each colon: only then a bare key is one in YAML, and no indentation counts.
fn spaced(object: &str) -> String {
    let mut out = String::with_capacity(object.len());
    let mut rest = object;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' | '`' => string_end(rest),
            _ => first.len_utf8(),
        };
        match first {
            ':' => out.push_str(": "),
            _ if first.is_whitespace() => out.push(' '),
            _ => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out
}

/// An object literal whose values are written out is a flow mapping of YAML.
fn literal(object: &str) -> Result<Value, Reason> {
    let one_line = spaced(object);
    let wrong = |what: String| Reason::new(format!("the script's options: {what}")).hint(HINT);
    let documents = Yaml::load_from_str(&one_line).map_err(|e| wrong(e.to_string()))?;
    let root = documents.first().ok_or_else(|| wrong("empty".into()))?;
    value(root, 0).ok_or_else(|| wrong("something in them is no plain value".into()))
}

fn value(node: &Yaml<'_>, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(truth)) => Value::Bool(*truth),
        Yaml::Value(Scalar::Integer(n)) => Value::from(*n),
        Yaml::Value(Scalar::FloatingPoint(x)) => Value::Number(Number::from_f64(x.into_inner())?),
        Yaml::Value(Scalar::String(text)) => Value::String(text.to_string()),
        Yaml::Sequence(items) => Value::Array(
            items
                .iter()
                .map(|item| value(item, depth + 1))
                .collect::<Option<_>>()?,
        ),
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, item) in pairs {
                map.insert(key.as_str()?.to_owned(), value(item, depth + 1)?);
            }
            Value::Object(map)
        }
        _ => return None,
    })
}
