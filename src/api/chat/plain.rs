//! The plain reading: the whole document through `serde_json`, then look. Of equal keys the last counts.

use serde_json::Value;

use super::Part;
use crate::api::{EventFacts, Malformed, ServerTimes, Usage};

pub(super) fn read(data: &[u8], part: Part) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let mut facts = EventFacts {
        error: is_error(&document),
        usage: usage(&document["usage"]).or_else(|| timings(&document["timings"])),
        times: times(&document["timings"]),
        ..EventFacts::default()
    };
    for choice in document["choices"].as_array().into_iter().flatten() {
        facts.finish |= is_set(&choice["finish_reason"]);
        // The older text completions have no delta.
        answer(&choice["text"], &mut facts);
        piece(&choice[part.key()], &mut facts);
    }
    Ok(facts)
}

pub(in crate::api) fn document(data: &[u8]) -> Result<Value, Malformed> {
    let text = String::from_utf8_lossy(data);
    let document: Value = serde_json::from_str(&text).map_err(|error| Malformed::Json {
        line: error.line(),
        column: error.column(),
    })?;
    if document.is_object() {
        Ok(document)
    } else {
        Err(Malformed::NotAnObject)
    }
}

/// `object` as vLLM, `type` as the newer APIs and the gateways before them.
pub(in crate::api) fn is_error(document: &Value) -> bool {
    is_set(&document["error"]) || document["object"] == "error" || document["type"] == "error"
}

/// Null, false and "" all stand for "none" in one dialect or another.
fn is_set(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value != ""
}

pub(in crate::api) fn count(value: &Value) -> Option<u32> {
    value.as_u64().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

fn usage(value: &Value) -> Option<Usage> {
    Some(Usage {
        completion_tokens: count(&value["completion_tokens"])?,
        prompt_tokens: count(&value["prompt_tokens"]).unwrap_or(0),
    })
}

/// llama.cpp: tokens taken from its prompt cache are prompt tokens too.
pub(in crate::api) fn timings(value: &Value) -> Option<Usage> {
    let read = count(&value["prompt_n"]).unwrap_or(0);
    let cached = count(&value["cache_n"]).unwrap_or(0);
    Some(Usage {
        completion_tokens: count(&value["predicted_n"])?,
        prompt_tokens: read.saturating_add(cached),
    })
}

/// Of llama.cpp's `timings`.
pub(in crate::api) fn times(value: &Value) -> ServerTimes {
    let nanos = |key| ServerTimes::nanos(value[key].as_f64()?);
    ServerTimes {
        prompt: nanos("prompt_ms"),
        decode: nanos("predicted_ms"),
    }
}

/// A delta or a message.
fn piece(value: &Value, facts: &mut EventFacts) {
    answer(&value["content"], facts);
    answer(&value["refusal"], facts);
    let calls = value["tool_calls"].as_array().into_iter().flatten();
    facts.token |= holds_text(&value["reasoning_content"])
        || holds_text(&value["reasoning"])
        || is_call(&value["function_call"])
        || calls
            .into_iter()
            .any(|call| is_call(&call["function"]) || is_call(&call["custom"]));
}

fn is_call(value: &Value) -> bool {
    holds_text(&value["name"]) || holds_text(&value["arguments"]) || holds_text(&value["input"])
}

/// Content is a string, or a list of parts of which some are thoughts.
fn answer(value: &Value, facts: &mut EventFacts) {
    match value {
        Value::String(text) if !text.is_empty() => {
            facts.token = true;
            facts.answer = true;
        }
        Value::Array(parts) => {
            for part in parts {
                answer(&part["text"], facts);
                facts.token |= holds_text(&part["thinking"]);
            }
        }
        _ => {}
    }
}

fn holds_text(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => parts.iter().any(holds_text),
        Value::Object(_) => holds_text(&value["text"]),
        _ => false,
    }
}
