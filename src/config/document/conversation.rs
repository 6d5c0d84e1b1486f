//! `conversation` of a request: its sessions of several turns.

use crate::config::document::reader::{Fields, Reader};
use crate::error::{Reason, quoted};
use crate::http1::request::check_header;
use crate::plan::PROMPT_TOKENS_MAX;
use crate::plan::THINK_TIME_MAX;
use crate::units::{Nanos, Span, check_duration, parse_count_span, parse_duration_span, within};
use crate::workload::{Conversation, HistoryMode, OnFailure, PROMPT_BYTES_MAX, TURNS_MAX, Tools};

pub const KEYS: [&str; 10] = [
    "turns",
    "history",
    "system",
    "system_tokens",
    "session_tokens",
    "think_time",
    "tool_time",
    "tool_share",
    "on_failure",
    "affinity_header",
];

/// Reads `conversation`. A wrong value is reported and replaced by the usual one.
pub fn read_conversation(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Conversation> {
    let node = fields.node("conversation")?;
    let path = format!("{}conversation", fields.path);
    let keys = reader.mapping(&format!("{path}."), &path, node, &KEYS)?;
    reader.required(
        &keys,
        "turns",
        "add how many turns a session has, for example `5` or `3-8`",
    );
    let turns = reader.parsed(&keys, "turns", "a whole number or a range", parse_turns);
    let history = reader.choice(&keys, "history", &HistoryMode::NAMES);
    let on_failure = reader.choice(&keys, "on_failure", &OnFailure::NAMES);
    Some(Conversation {
        turns: turns.unwrap_or(Span { min: 1, max: 1 }),
        history: history.and_then(HistoryMode::of_name).unwrap_or_default(),
        system: reader
            .string(&keys, "system", PROMPT_BYTES_MAX)
            .unwrap_or_default(),
        system_tokens: reader
            .count(&keys, "system_tokens", 0..=PROMPT_TOKENS_MAX)
            .unwrap_or(0),
        session_tokens: reader
            .parsed(&keys, "session_tokens", "a whole number or a range", tokens)
            .unwrap_or(Span { min: 0, max: 0 }),
        think: read_pause(reader, &keys, "think_time"),
        tools: read_tools(reader, &keys),
        on_failure: on_failure.and_then(OnFailure::of_name).unwrap_or_default(),
        affinity_header: reader.parsed(&keys, "affinity_header", "the name of a header", header_name),
    })
}

/// Reads how many turns a session has.
fn parse_turns(text: &str) -> Result<Span<u32>, Reason> {
    let span = parse_count_span(text)?;
    check_turns(span)?;
    Ok(span)
}

pub fn check_turns(span: Span<u32>) -> Result<(), Reason> {
    for count in [span.min, span.max] {
        within(Some(count), &count.to_string(), &(1..=TURNS_MAX))?;
    }
    Ok(())
}

fn tokens(text: &str) -> Result<Span<u32>, Reason> {
    let span = parse_count_span(text)?;
    within(Some(span.max), &span.max.to_string(), &(0..=PROMPT_TOKENS_MAX))?;
    Ok(span)
}

fn read_pause(reader: &mut Reader<'_>, keys: &Fields<'_>, key: &str) -> Option<Span<Nanos>> {
    reader.parsed(keys, key, "a duration or a range", |text| {
        let span = parse_duration_span(text)?;
        check_duration(span.max, &(0..=THINK_TIME_MAX))?;
        Ok(span)
    })
}

/// Reads which turns are results of tools. Without a share, all turns after the first are, unless there is a think time
/// as well: then nothing says which of the two a turn has.
fn read_tools(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<Tools> {
    let time = read_pause(reader, keys, "tool_time");
    let share = reader.parsed(
        keys,
        "tool_share",
        "a share, for example `0.3` or `30%`",
        share_millionths,
    );
    let alone = match (keys.meant("tool_time"), keys.meant("tool_share")) {
        (true, false) if keys.meant("think_time") => Some((
            "tool_time",
            "has no effect on its own beside `think_time`",
            "add `tool_share: 0.5`, the share of later turns that are results of tools",
        )),
        (false, true) => Some((
            "tool_share",
            "has no effect without `tool_time`",
            "add `tool_time: 200ms-2s`, the time that a tool takes",
        )),
        _ => None,
    };
    if let Some((key, what, hint)) = alone {
        let what = format!("key `{}{key}` {what}", keys.path);
        reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
    }
    Some(Tools {
        share: share.unwrap_or(1_000_000),
        time: time?,
    })
}

/// Parses a share into millionths, rounded.
fn share_millionths(text: &str) -> Result<u32, Reason> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim_end(), 10_000.0),
        None => (text, 1_000_000.0),
    };
    let number: Option<f64> = number.parse().ok();
    match number.map(|number| number * scale) {
        Some(millionths) if (0.0..=1_000_000.0).contains(&millionths) => Ok(millionths.round() as u32),
        Some(_) => {
            let what = format!("{} is not a share from 0 to 1", quoted(text));
            Err(Reason::new(what).hint("write a number from 0 to 1, or from 0% to 100%"))
        }
        None => {
            let what = format!("{} is not a number", quoted(text));
            Err(Reason::new(what).hint("write a share, for example `0.3` or `30%`"))
        }
    }
}

fn header_name(text: &str) -> Result<String, Reason> {
    check_header(text, "v-0").map_err(|e| {
        let what = format!("{} is not the name of a header: {e}", quoted(text));
        Reason::new(what).hint("write a name like `x-session-affinity`")
    })?;
    Ok(text.to_owned())
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
