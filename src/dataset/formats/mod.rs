//! The formats: what each record of a file means.

pub mod agents;
pub mod aiperf;
pub mod custom;
pub mod evalscope;
pub mod guidellm;
pub mod lengths;
pub mod openai;
pub mod raw;
pub mod sharegpt;

use super::members::{Members, elements, kind_of, write_members};
use super::read::OUTPUT_TOKENS_MAX;
use crate::error::Reason;
use crate::units::{MILLISECOND, SECOND};
use std::borrow::Cow;

/// The latest instant of a trace, and the longest delay: a year, in seconds.
const TIME_MAX: f64 = 366.0 * 86_400.0;

/// Returns how many tokens a record asks for, by the first of these members that there is.
fn output_tokens(record: &Members<'_>, keys: &[&str]) -> Result<Option<u32>, Reason> {
    match record.first_of(keys) {
        // The limit fits.
        Some(key) => Ok(record
            .count(key, 1..=OUTPUT_TOKENS_MAX)?
            .map(|count| count as u32)),
        None => Ok(None),
    }
}

/// Returns a time in milliseconds.
fn millis(record: &Members<'_>, key: &str) -> Result<Option<i64>, Reason> {
    record.time(key, MILLISECOND, TIME_MAX * 1e3)
}

/// Returns a time in seconds.
fn seconds(record: &Members<'_>, key: &str) -> Result<Option<i64>, Reason> {
    record.time(key, SECOND, TIME_MAX)
}

/// Returns a list of chat messages as it was written.
fn messages<'a>(record: &Members<'a>, key: &str) -> Result<Option<&'a str>, Reason> {
    let Some((json, list)) = record.list(key)? else {
        return Ok(None);
    };
    if list.is_empty() {
        return Err(Reason::new(format!("`{key}` is empty")));
    }
    for (i, message) in list.into_iter().enumerate() {
        let place = |reason: Reason| reason.about(format!("`{key}[{i}]`"));
        let message = Members::read(message).map_err(place)?;
        let role = message.text("role").map_err(place)?;
        message.required("role", role).map_err(place)?;
    }
    Ok(Some(json))
}

/// Tells whether a list of chat messages begins with one of the system, which some call the developer.
pub fn begins_with_system(json: &str) -> bool {
    let first = elements(json).ok().and_then(|list| list.first().copied());
    let members = first.and_then(|first| Members::read(first).ok());
    let role = members.and_then(|members| members.name("role").ok().flatten().map(Cow::into_owned));
    matches!(role.as_deref(), Some("system" | "developer"))
}

/// Returns a list of tools as it was written.
fn tools<'a>(record: &Members<'a>) -> Result<Option<&'a str>, Reason> {
    let Some((json, list)) = record.list("tools")? else {
        return Ok(None);
    };
    match list.into_iter().position(|tool| kind_of(tool) != "an object") {
        Some(i) => Err(Reason::new(format!("`tools[{i}]` is no object"))),
        None => Ok(Some(json)),
    }
}

/// Writes members as an object.
fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(key, value)| (Cow::Borrowed(*key), *value))
        .collect();
    let mut out = Vec::new();
    write_members(&mut out, &members);
    // Keys and values are text.
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the member of a body that limits how much is generated: the one that it has, or the usual one.
pub fn limit_of(body: &str) -> &'static str {
    let members = Members::read(body).ok();
    members
        .and_then(|members| members.first_of(&raw::LIMITS))
        .unwrap_or("max_tokens")
}

/// Returns the texts of a list of strings, each as it was written.
fn texts<'a>(json: &'a str, key: &str) -> Result<Vec<&'a str>, Reason> {
    let list = elements(json).map_err(|what| Reason::new(format!("`{key}` {what}")))?;
    match list.iter().position(|text| !text.starts_with('"')) {
        Some(i) => Err(Reason::new(format!(
            "`{key}[{i}]` is {}, not a string",
            kind_of(list[i])
        ))),
        None => Ok(list),
    }
}
