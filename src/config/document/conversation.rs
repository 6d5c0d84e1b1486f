//! `conversation` of a request: its sessions of several turns.

use crate::config::document::lengths::read_lengths;
use crate::config::document::reader::{Fields, Reader, is_mapping, scalar};
use crate::error::{Reason, ValueError, quoted};
use crate::http1::request::check_header;
use crate::lengths::{Lengths, read_counts_file};
use crate::plan::{PROMPT_TOKENS_MAX, THINK_TIME_MAX, TIME_SCALE, parse_share};
use crate::workload::{
    ALL_TURNS, Conversation, HistoryMode, OnCancel, OnFailure, PROMPT_BYTES_MAX, Pauses, Share, TURNS_MAX,
    Tools,
};

pub const KEYS: [&str; 12] = [
    "turns",
    "history",
    "system",
    "system_tokens",
    "session_tokens",
    "think_time",
    "delay_scale",
    "tool_time",
    "tool_share",
    "on_failure",
    "on_cancel",
    "affinity_header",
];

/// Reads `conversation`. A wrong value is reported and replaced by the usual one.
pub fn read_conversation(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Conversation> {
    let node = fields.node("conversation")?;
    let path = format!("{}conversation", fields.path);
    let keys = reader.mapping(&path, node, &KEYS)?;
    let is_all = keys.node("turns").and_then(scalar) == Some(ALL_TURNS);
    let turns = match is_all {
        true => None,
        false => read_lengths(reader, &keys, "turns", &(1..=TURNS_MAX)),
    };
    let history = reader.choice(&keys, "history", &HistoryMode::NAMES);
    let on_failure = reader.choice(&keys, "on_failure", &OnFailure::NAMES);
    let on_cancel = reader.choice(&keys, "on_cancel", &OnCancel::NAMES);
    Some(Conversation {
        turns,
        history: history.and_then(HistoryMode::of_name).unwrap_or_default(),
        system: reader
            .string(&keys, "system", PROMPT_BYTES_MAX)
            .unwrap_or_default(),
        system_tokens: reader
            .count(&keys, "system_tokens", 0..=PROMPT_TOKENS_MAX)
            .unwrap_or(0),
        session_tokens: read_lengths(reader, &keys, "session_tokens", &(0..=PROMPT_TOKENS_MAX))
            .unwrap_or(Lengths::fixed(0)),
        think: read_pauses(reader, &keys, "think_time"),
        delay_scale: reader.decimal(&keys, "delay_scale", 0.0..=*TIME_SCALE.end()),
        tools: read_tools(reader, &keys),
        on_failure: on_failure.and_then(OnFailure::of_name).unwrap_or_default(),
        on_cancel: on_cancel.and_then(OnCancel::of_name).unwrap_or_default(),
        affinity_header: reader.parsed(&keys, "affinity_header", "the name of a header", header_name),
    })
}

/// Reads pauses: a time, a range or a distribution, as a text or as a mapping of its settings.
fn read_pauses(reader: &mut Reader<'_>, keys: &Fields<'_>, key: &str) -> Option<Pauses> {
    let node = keys.node(key)?;
    if !is_mapping(node) {
        return reader.parsed(keys, key, "a time, a range or a distribution", pauses);
    }
    let name = format!("{}{key}", keys.path);
    let settings = reader.open_mapping(&name, node)?;
    reader.required(
        &settings,
        "distribution",
        "add the kind of distribution, for example lognormal",
    );
    let form = reader.parsed(&settings, "distribution", "the name of a distribution", |text| {
        Ok(text.to_owned())
    })?;
    let mut text = Vec::new();
    for setting in settings.keys().filter(|setting| *setting != "distribution") {
        let value = reader.parsed(&settings, setting, "a time or a number", |text| {
            Ok(text.to_owned())
        })?;
        text.push(format!("{setting}={value}"));
    }
    match pauses(&format!("{form}({})", text.join(","))) {
        Ok(pauses) => Some(pauses),
        Err(reason) => {
            reader.mistake(keys.line_of(key), reason.within(format!("`{name}`")));
            None
        }
    }
}

fn pauses(text: &str) -> Result<Pauses, Reason> {
    Pauses::parse(text, THINK_TIME_MAX, &read_counts_file).map_err(ValueError::into_reason)
}

/// Reads which turns are results of tools. Without a share, all turns after the first are, unless there is a think time
/// as well: then nothing says which of the two a turn has.
fn read_tools(reader: &mut Reader<'_>, keys: &Fields<'_>) -> Option<Tools> {
    let time = read_pauses(reader, keys, "tool_time");
    let share = reader.parsed(
        keys,
        "tool_share",
        "a share, for example `0.3` or `30%`",
        |text| parse_share(text).map_err(ValueError::into_reason),
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
        share: share.unwrap_or(Share::WHOLE),
        time: time?,
    })
}

pub(super) fn header_name(text: &str) -> Result<String, Reason> {
    check_header(text, "v-0").map_err(|e| {
        let what = format!("{} is not the name of a header: {e}", quoted(text));
        Reason::new(what).hint("write a name like `x-session-affinity`")
    })?;
    Ok(text.to_owned())
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
