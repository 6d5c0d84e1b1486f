//! The members of one JSON object of a dataset, read by their names and types.

use crate::error::{Reason, quoted};
use crate::units::{decimal, within};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;

/// The members of an object, in its order. A member that is null counts as absent.
pub struct Members<'a> {
    list: Vec<Member<'a>>,
    /// Numbers may be written as texts, as in CSV.
    is_loose: bool,
}

struct Member<'a> {
    key: Cow<'a, str>,
    value: &'a str,
    is_used: Cell<bool>,
}

/// A JSON string: as it was written, and what it says.
#[derive(Debug, PartialEq)]
pub struct Text<'a> {
    pub json: &'a str,
    pub plain: Cow<'a, str>,
}

impl<'a> Members<'a> {
    /// Reads an object. Its members' values are not looked at yet.
    pub fn read(json: &'a str) -> Result<Members<'a>, Reason> {
        if !json.trim_start().starts_with('{') {
            serde_json::from_str::<IgnoredAny>(json).map_err(|e| not_json(&e))?;
            return Err(Reason::new(format!("is {}, not an object", kind_of(json))));
        }
        let mut from = serde_json::Deserializer::from_str(json);
        let list = from
            .deserialize_map(MembersVisitor)
            .and_then(|list| from.end().map(|()| list));
        let list = list.map_err(|e| not_json(&e))?;
        for (i, member) in list.iter().enumerate() {
            if list[..i].iter().any(|before| before.key == member.key) {
                return Err(Reason::new(format!("has two members {}", quoted(&member.key))));
            }
        }
        Ok(Members {
            list,
            is_loose: false,
        })
    }

    /// Lets numbers be texts, and empty texts be absent, as in CSV.
    pub fn loose(self) -> Members<'a> {
        Members {
            is_loose: true,
            ..self
        }
    }

    /// Returns the value of a member, as it was written.
    pub fn json(&self, key: &str) -> Option<&'a str> {
        let member = self.list.iter().find(|member| member.key == key)?;
        member.is_used.set(true);
        let is_absent = member.value == "null" || self.is_loose && member.value == "\"\"";
        (!is_absent).then_some(member.value)
    }

    pub fn has(&self, key: &str) -> bool {
        self.json(key).is_some()
    }

    /// Returns the first of these keys that there is.
    pub fn first_of<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        keys.iter().copied().find(|key| self.has(key))
    }

    /// Marks members as known, though nothing is made of them.
    pub fn ignore(&self, keys: &[&str]) {
        for member in &self.list {
            if keys.contains(&&*member.key) {
                member.is_used.set(true);
            }
        }
    }

    /// Returns the names of the members that nobody asked for.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let unused = self
            .list
            .iter()
            .filter(|member| !member.is_used.get() && member.value != "null");
        unused.map(|member| &*member.key)
    }

    /// Returns the members that nobody asked for, each with its value as it was written.
    pub fn rest(&self) -> Vec<(&str, &'a str)> {
        let mut rest = Vec::new();
        for member in self.list.iter().filter(|member| !member.is_used.get()) {
            member.is_used.set(true);
            rest.push((&*member.key, member.value));
        }
        rest
    }

    /// Returns all members, each with its value as it was written.
    pub fn all(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.list.iter().map(|member| (&*member.key, member.value))
    }

    pub fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, Reason> {
        value.ok_or_else(|| {
            let names: Vec<&str> = self.list.iter().map(|member| &*member.key).take(12).collect();
            let hint = match names.is_empty() {
                true => "there are none".to_owned(),
                false => format!("there are {}", names.join(", ")),
            };
            Reason::new(format!("has no `{key}`")).hint(hint)
        })
    }

    /// Returns a JSON string that is not blank.
    pub fn text(&self, key: &str) -> Result<Option<Text<'a>>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        let plain = string(json).map_err(|what| Reason::new(format!("`{key}` {what}")))?;
        if plain.trim().is_empty() {
            return Err(Reason::new(format!("`{key}` is blank")));
        }
        Ok(Some(Text { json, plain }))
    }

    /// Returns a name: a string, or a number that stands for one.
    pub fn name(&self, key: &str) -> Result<Option<Cow<'a, str>>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        match json.as_bytes()[0] {
            b'"' => string(json)
                .map(Some)
                .map_err(|what| Reason::new(format!("`{key}` {what}"))),
            b'-' | b'0'..=b'9' => Ok(Some(Cow::Borrowed(json))),
            _ => Err(wrong_type(key, json, "a string")),
        }
    }

    /// Returns a whole number.
    pub fn count(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        let text = self.number_text(key, json)?;
        let place = |reason: Reason| reason.within(format!("`{key}`"));
        if let Some(number) = text.strip_prefix('-') {
            let is_zero = number.bytes().all(|b| matches!(b, b'0' | b'.'));
            if !is_zero {
                return Err(place(crate::units::below(&text, &range)));
            }
        }
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
            _ => &text,
        };
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        if whole.is_empty() || !whole.bytes().all(|b| b.is_ascii_digit()) {
            let what = format!("{} is not a whole number", quoted(&text));
            return Err(place(Reason::new(what)));
        }
        within(whole.parse().ok(), &text, &range).map(Some).map_err(place)
    }

    /// Returns a finite number of 0 or more.
    pub fn number(&self, key: &str, max: f64) -> Result<Option<f64>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        let text = self.number_text(key, json)?;
        let place = |reason: Reason| reason.within(format!("`{key}`"));
        match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) if (0.0..=max).contains(&number) => Ok(Some(number)),
            Some(_) => Err(place(Reason::new(format!(
                "{} is not between 0 and {}",
                quoted(&text),
                decimal(max)
            )))),
            None => Err(place(Reason::new(format!("{} is not a number", quoted(&text))))),
        }
    }

    /// Returns a time of 0 or more in nanoseconds, exactly as its decimal digits say. It is written in units of `unit`
    /// nanoseconds.
    pub fn time(&self, key: &str, unit: u64, max: f64) -> Result<Option<i64>, Reason> {
        let Some(number) = self.number(key, max)? else {
            return Ok(None);
        };
        let text = self.json(key).unwrap_or_default();
        let text = text.trim_matches('"').trim();
        // With an exponent it is rounded to what a float holds.
        let nanos = exact(text, unit).unwrap_or((number * unit as f64).round() as i64);
        Ok(Some(nanos))
    }

    fn number_text(&self, key: &str, json: &'a str) -> Result<Cow<'a, str>, Reason> {
        match json.as_bytes()[0] {
            b'-' | b'0'..=b'9' => Ok(Cow::Borrowed(json)),
            b'"' if self.is_loose => {
                let text = string(json).map_err(|what| Reason::new(format!("`{key}` {what}")))?;
                Ok(Cow::Owned(text.trim().to_owned()))
            }
            _ => Err(wrong_type(key, json, "a number")),
        }
    }

    /// Returns the members of a member that is an object.
    pub fn object(&self, key: &str) -> Result<Option<(&'a str, Members<'a>)>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        let members = Members::read(json).map_err(|reason| reason.about(format!("`{key}`")))?;
        Ok(Some((json, members)))
    }

    /// Returns the elements of a member that is an array, each as it was written.
    pub fn list(&self, key: &str) -> Result<Option<(&'a str, Vec<&'a str>)>, Reason> {
        let Some(json) = self.json(key) else {
            return Ok(None);
        };
        let list = elements(json).map_err(|what| Reason::new(format!("`{key}` {what}")))?;
        Ok(Some((json, list)))
    }
}

/// Returns a decimal number of units in nanoseconds. `None` if it has an exponent, or does not fit.
fn exact(text: &str, unit: u64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 18 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10i128.pow(fraction.len() as u32);
    let number = format!("{whole}{fraction}").parse::<i128>().ok()?;
    let nanos = number.checked_mul(i128::from(unit))?;
    i64::try_from((nanos + scale / 2) / scale).ok()
}

/// Returns the elements of an array, each as it was written.
pub fn elements(json: &str) -> Result<Vec<&str>, String> {
    if !json.starts_with('[') {
        return Err(format!("is {}, not a list", kind_of(json)));
    }
    let list: Vec<&RawValue> = serde_json::from_str(json).map_err(|e| not_json(&e).what)?;
    Ok(list.into_iter().map(RawValue::get).collect())
}

/// Returns the members of an object in their order, each with its value as it was written.
///
/// # Errors
/// Fails if it is no object, or has two members of one name.
pub fn members_of(json: &str) -> Result<MemberList<'_>, Reason> {
    let members = Members::read(json)?;
    Ok(members
        .list
        .into_iter()
        .map(|member| (member.key, member.value))
        .collect())
}

/// The members of an object, each with its value as it was written.
pub type MemberList<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Appends members as an object.
pub fn write_members(out: &mut Vec<u8>, members: &[(Cow<'_, str>, &str)]) {
    out.push(b'{');
    for (i, (key, value)) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
}

/// Appends a text as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing JSON into memory does not fail");
}

/// Returns a text as a JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns what a JSON string says.
pub fn string(json: &str) -> Result<Cow<'_, str>, String> {
    if !json.starts_with('"') {
        return Err(format!("is {}, not a string", kind_of(json)));
    }
    let plain = &json[1..json.len().max(2) - 1];
    if !plain.contains('\\') {
        return Ok(Cow::Borrowed(plain));
    }
    let text: String = serde_json::from_str(json).map_err(|e| not_json(&e).what)?;
    Ok(Cow::Owned(text))
}

fn wrong_type(key: &str, json: &str, expected: &str) -> Reason {
    Reason::new(format!("`{key}` is {}, not {expected}", kind_of(json)))
}

/// Describes a value by its first byte.
pub fn kind_of(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "no JSON",
    }
}

/// Says that a text is not JSON, and where.
pub fn not_json(e: &serde_json::Error) -> Reason {
    let what = match e.is_eof() {
        true => "ends within a JSON value".to_owned(),
        false => {
            let text = e.to_string();
            let why = text.split(" at line ").next().unwrap_or(&text);
            format!("is not JSON at column {}: {why}", e.column())
        }
    };
    Reason::new(what)
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Member<'de>>, A::Error> {
        let mut list = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            list.push(Member {
                key,
                value: value.get(),
                is_used: Cell::new(false),
            });
        }
        Ok(list)
    }
}

/// A key that is copied only if it has escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key<'de>, D::Error> {
        from.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}
