//! Members that a body has beyond those of every request: what a user adds, replaces or removes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::write_string;

/// Changes to the members of a JSON object, in the order in which they were given: a merge patch (RFC 7396), whose
/// values keep the text that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(Vec<(String, Change)>);

/// What becomes of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// It is left out; a null says so.
    Remove,
    /// It has this value, the JSON text of anything but an object.
    Set(String),
    /// It is an object that these are merged into.
    Merge(Members),
}

impl Members {
    pub const NONE: Members = Members(Vec::new());

    /// Returns no changes at all.
    pub fn none() -> &'static Members {
        static NO_MEMBERS: Members = Members::NONE;
        &NO_MEMBERS
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether there is a change of the member, even its removal.
    pub fn has(&self, name: &str) -> bool {
        self.change(name).is_some()
    }

    /// Returns the JSON text that a member is given, unless it is an object.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.change(name)? {
            Change::Set(json) => Some(json),
            Change::Remove | Change::Merge(_) => None,
        }
    }

    fn change(&self, name: &str) -> Option<&Change> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, change)| change)
    }

    /// Reads a JSON object.
    pub fn parse(text: &str) -> Result<Members, NotMembers> {
        let value: Value = serde_json::from_str(text).map_err(|e| NotMembers::not_json(&e))?;
        match value {
            Value::Object(_) => Members::of_object(text),
            other => Err(NotMembers::Kind(kind_of(&other))),
        }
    }

    /// Reads a text that is known to be a JSON object.
    fn of_object(text: &str) -> Result<Members, NotMembers> {
        let Ok(Ordered(members)) = serde_json::from_str(text) else {
            return Err(NotMembers::Kind("nothing that can be read"));
        };
        let mut read = Members::NONE;
        for (name, value) in members {
            if read.has(&name) {
                return Err(NotMembers::Twice(name));
            }
            let change = match value.get() {
                "null" => Change::Remove,
                object if object.starts_with('{') => {
                    let inner = Members::of_object(object);
                    Change::Merge(inner.map_err(|e| e.within(&name))?)
                }
                other => Change::Set(compact(other)),
            };
            read.0.push((name, change));
        }
        Ok(read)
    }

    /// Gives the member at `path`, whose names are separated by dots, the value of this JSON text.
    pub fn set(&mut self, path: &str, json: &str) {
        let Some((name, rest)) = path.split_once('.') else {
            let change = Change::Set(compact(json));
            self.put(path, change);
            return;
        };
        if !matches!(self.change(name), Some(Change::Merge(_))) {
            self.put(name, Change::Merge(Members::NONE));
        }
        let found = self.0.iter_mut().find(|(known, _)| known == name);
        if let Some((_, Change::Merge(inner))) = found {
            inner.set(rest, json);
        }
    }

    /// Appends a whole body, a JSON object, with these changes made to it.
    pub fn write_over(&self, out: &mut Vec<u8>, body: &str) {
        // Without changes nobody needs to read the body.
        let own = (!self.is_empty()).then(|| Members::parse(body));
        match own {
            Some(Ok(own)) => Object::begin(out, &own.with(self)).end(),
            _ => out.extend_from_slice(body.as_bytes()),
        }
    }

    fn put(&mut self, name: &str, change: Change) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = change,
            None => self.0.push((name.to_owned(), change)),
        }
    }

    /// Returns these changes with `above` merged into them: where both change the same, `above` decides.
    pub fn with(&self, above: &Members) -> Members {
        let mut merged = self.clone();
        for (name, change) in &above.0 {
            let change = match (merged.change(name), change) {
                (Some(Change::Merge(below)), Change::Merge(above)) => Change::Merge(below.with(above)),
                (_, change) => change.clone(),
            };
            merged.put(name, change);
        }
        merged
    }
}

/// The reasons why a text is not the members of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMembers {
    /// It is not JSON. Line and column count from 1.
    Json {
        what: String,
        line: usize,
        column: usize,
    },
    /// It is JSON, but this and not an object.
    Kind(&'static str),
    /// It has this member twice.
    Twice(String),
}

impl NotMembers {
    /// Says what is wrong with a text that is not JSON.
    pub fn not_json(e: &serde_json::Error) -> NotMembers {
        // `serde_json` puts the position behind it.
        let told = e.to_string();
        NotMembers::Json {
            what: told.split(" at line ").next().unwrap_or_default().to_owned(),
            line: e.line(),
            column: e.column(),
        }
    }

    fn within(self, name: &str) -> NotMembers {
        match self {
            NotMembers::Twice(inner) => NotMembers::Twice(format!("{name}.{inner}")),
            other => other,
        }
    }
}

impl fmt::Display for NotMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMembers::Json { what, line, column } => {
                write!(f, "not JSON at line {line} column {column}: {what}")
            }
            NotMembers::Kind(kind) => write!(f, "{kind}, not a JSON object"),
            NotMembers::Twice(name) => write!(f, "the member `{name}` is there twice"),
        }
    }
}

impl std::error::Error for NotMembers {}

/// Returns a JSON text without the blanks between its tokens, which a server would only have to skip.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for c in json.chars() {
        if !is_text && c.is_ascii_whitespace() {
            continue;
        }
        is_text ^= c == '"' && !is_escaped;
        is_escaped = is_text && c == '\\' && !is_escaped;
        out.push(c);
    }
    out
}

/// Returns a value's kind for an error.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The members of an object in their order.
struct Ordered(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ordered, D::Error> {
        from.deserialize_map(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Ordered(members))
    }
}

/// Serialises the changes as the JSON object that they were read from, each value with its own text.
impl Serialize for Members {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, change) in &self.0 {
            match change {
                Change::Remove => map.serialize_entry(name, &())?,
                Change::Merge(inner) => map.serialize_entry(name, inner)?,
                Change::Set(json) => {
                    let value: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
                    map.serialize_entry(name, value)?;
                }
            }
        }
        map.end()
    }
}

/// The most members that a body of ours has in one object.
const NAMED_MAX: usize = 16;

/// Writes a JSON object member by member, each as the changes say; whatever they add comes last. It allocates nothing.
pub(in crate::api) struct Object<'a> {
    out: &'a mut Vec<u8>,
    changes: &'a Members,
    /// The members that have been written, or left out.
    named: [&'static str; NAMED_MAX],
    count: usize,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub fn begin(out: &'a mut Vec<u8>, changes: &'a Members) -> Object<'a> {
        out.push(b'{');
        Object {
            out,
            changes,
            named: [""; NAMED_MAX],
            count: 0,
            is_empty: true,
        }
    }

    /// Writes a member that has a value of its own, unless the changes give it another one or remove it.
    pub fn member(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        match self.change(name) {
            None => {
                self.key(name);
                write(self.out);
            }
            Some(change) => self.changed(name, change),
        }
    }

    /// Writes a member that no change touches, because measuring depends on it.
    pub fn fixed(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.change(name);
        self.key(name);
        write(self.out);
    }

    /// Writes a member that is an object, into which changes are merged.
    pub fn object(&mut self, name: &'static str, write: impl FnOnce(&mut Object<'_>)) {
        let changes = match self.change(name) {
            None => Members::none(),
            Some(Change::Merge(inner)) => inner,
            Some(change) => return self.changed(name, change),
        };
        self.key(name);
        let mut inner = Object::begin(self.out, changes);
        write(&mut inner);
        inner.end();
    }

    /// Writes what the changes add, and the end of the object.
    pub fn end(mut self) {
        let changes = self.changes;
        for (name, change) in &changes.0 {
            if !self.named[..self.count].contains(&name.as_str()) {
                self.changed(name, change);
            }
        }
        self.out.push(b'}');
    }

    /// Returns the change of one of our members, and remembers that it has been dealt with.
    fn change(&mut self, name: &'static str) -> Option<&'a Change> {
        debug_assert!(self.count < NAMED_MAX, "a body has at most {NAMED_MAX} members");
        self.named[self.count] = name;
        self.count += 1;
        self.changes.change(name)
    }

    fn changed(&mut self, name: &str, change: &Change) {
        match change {
            Change::Remove => {}
            Change::Set(json) => {
                self.key(name);
                self.out.extend_from_slice(json.as_bytes());
            }
            Change::Merge(inner) => {
                self.key(name);
                Object::begin(self.out, inner).end();
            }
        }
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_string(self.out, name);
        self.out.push(b':');
    }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
