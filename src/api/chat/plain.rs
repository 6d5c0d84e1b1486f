//! The plain reader parses the whole document with `serde_json` and looks into it. Of equal keys the last counts.

use serde_json::Value;

use std::borrow::Cow;

use super::{Part, TEXTS, THOUGHTS};
use crate::api::facts::Piece;
use crate::api::{EventFacts, Malformed, ServerTimes, Usage};
use crate::metrics::FinishWord;

pub(super) fn read(data: &[u8], part: Part) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let mut facts = EventFacts {
        error: is_error(&document),
        times: times(&document["timings"]),
        ..EventFacts::default()
    };
    let choices = document["choices"].as_array().map_or(&[][..], Vec::as_slice);
    // Usage is at the top, in a choice (Moonshot), or in a member of the provider's own (Groq).
    facts.usage = usage(&document["usage"])
        .or_else(|| choices.iter().find_map(|choice| usage(&choice["usage"])))
        .or_else(|| usage(&document["x_groq"]["usage"]));
    facts.usage = with_timings(facts.usage, timings(&document["timings"]));
    for (place, choice) in choices.iter().enumerate() {
        let word = finish(&choice["finish_reason"]);
        let number = choice["index"].as_u64().unwrap_or(place as u64);
        facts.choices.add(number, word.is_some());
        if let Some(word) = word {
            facts.finish_with(word);
        }
        // The older text completions have no delta.
        answer(&choice["text"], &mut facts);
        piece(&choice[part.key()], &mut facts);
    }
    Ok(facts)
}

pub(in crate::api) fn document(data: &[u8]) -> Result<Value, Malformed> {
    let document = any_document(data)?;
    if document.is_object() {
        Ok(document)
    } else {
        Err(Malformed::NotAnObject)
    }
}

/// Parses a document that need not be an object.
pub(in crate::api) fn any_document(data: &[u8]) -> Result<Value, Malformed> {
    let text = String::from_utf8_lossy(data);
    let text = without_half_pairs(&text);
    serde_json::from_str(&text).map_err(|error| match is_run_together(&text) {
        true => Malformed::RunTogether,
        false => Malformed::Json {
            line: error.line(),
            column: error.column(),
        },
    })
}

/// Replaces each unpaired half of a surrogate pair with U+FFFD. Servers that write a character of two tokens piece by
/// piece send its halves in two events. The length does not change, so places in errors stay right.
fn without_half_pairs(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut fixed = text.to_owned();
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match (unit(text, at), unit(text, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                fixed.replace_range(at..at + 6, "\\ufffd");
                6
            }
            // Skip any other escape, which may be a backslash, without ending inside a character of several bytes.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    Cow::Owned(fixed)
}

/// Returns the UTF-16 code unit of an escape at `at`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Returns true if the document is followed by something that begins like another event.
fn is_run_together(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("[DONE]") {
        return is_next(rest);
    }
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let is_first = documents
        .next()
        .is_some_and(|first| first.is_ok_and(|first| first.is_object()));
    is_first && is_next(&text[documents.byte_offset()..])
}

fn is_next(rest: &str) -> bool {
    let rest = rest.trim_start();
    ["{", "[DONE]", "data:", "event:"]
        .iter()
        .any(|begin| rest.starts_with(begin))
}

/// Reads the finish reason: a word, the `type` of SGLang's objects, or any other value that is set, as it is written.
pub(in crate::api) fn finish(value: &Value) -> Option<FinishWord> {
    if !is_set(value) {
        return None;
    }
    let kind = value["type"].as_str().filter(|kind| !kind.is_empty());
    Some(match value.as_str().or(kind) {
        Some(word) => FinishWord::of(word.as_bytes()),
        None => FinishWord::of(value.to_string().as_bytes()),
    })
}

/// Returns true if the document says that it is an error: in `object`, as vLLM does, or in `type`, as the newer APIs
/// and gateways do.
pub(in crate::api) fn is_error(document: &Value) -> bool {
    is_set(&document["error"]) || document["object"] == "error" || document["type"] == "error"
}

/// Returns true if the value is set. Null, false and "" all mean "none" in one dialect or another.
pub(in crate::api) fn is_set(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value != ""
}

/// Reads a whole number, also as `30.0`, `"30"` and `"30.0"`, as gateways in languages with a single number type write
/// it.
pub(in crate::api) fn count(value: &Value) -> Option<u32> {
    if let Some(n) = value.as_u64() {
        return Some(u32::try_from(n).unwrap_or(u32::MAX));
    }
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    let is_count = number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0;
    is_count.then_some(number as u32)
}

fn usage(value: &Value) -> Option<Usage> {
    // DeepSeek, Moonshot and SGLang have names of their own for what others put into details.
    let cached = &value["prompt_tokens_details"]["cached_tokens"];
    let reasoning = &value["completion_tokens_details"]["reasoning_tokens"];
    Some(Usage {
        completion_tokens: count(&value["completion_tokens"])?,
        prompt_tokens: count(&value["prompt_tokens"]).unwrap_or(0),
        cached_tokens: count(cached)
            .or_else(|| count(&value["cached_tokens"]))
            .or_else(|| count(&value["prompt_cache_hit_tokens"])),
        reasoning_tokens: count(reasoning).or_else(|| count(&value["reasoning_tokens"])),
    })
}

/// Returns the counts of `usage`, and those of llama.cpp's `timings` where it says nothing.
pub(in crate::api) fn with_timings(usage: Option<Usage>, timed: Option<Usage>) -> Option<Usage> {
    let Some(usage) = usage else { return timed };
    Some(Usage {
        cached_tokens: usage
            .cached_tokens
            .or(timed.and_then(|timed| timed.cached_tokens)),
        ..usage
    })
}

/// Reads llama.cpp's token counts. Tokens taken from its prompt cache are prompt tokens as well.
pub(in crate::api) fn timings(value: &Value) -> Option<Usage> {
    let read = count(&value["prompt_n"]).unwrap_or(0);
    let cached = count(&value["cache_n"]);
    Some(Usage {
        completion_tokens: count(&value["predicted_n"])?,
        prompt_tokens: read.saturating_add(cached.unwrap_or(0)),
        cached_tokens: cached,
        reasoning_tokens: None,
    })
}

/// Reads the times in llama.cpp's `timings`.
pub(in crate::api) fn times(value: &Value) -> ServerTimes {
    let nanos = |key| ServerTimes::nanos(value[key].as_f64()?);
    ServerTimes {
        prompt: nanos("prompt_ms"),
        decode: nanos("predicted_ms"),
    }
}

/// Reads a delta or a message.
fn piece(value: &Value, facts: &mut EventFacts) {
    answer(&value["content"], facts);
    answer(&value["refusal"], facts);
    let calls = value["tool_calls"].as_array().into_iter().flatten();
    let thought = THOUGHTS.iter().any(|name| holds_text(&value[*name]));
    facts.add(Piece::Thought, thought);
    let is_any = calls
        .into_iter()
        .any(|call| is_call(&call["function"]) || is_call(&call["custom"]));
    facts.add(Piece::Call, is_any || is_call(&value["function_call"]));
}

fn is_call(value: &Value) -> bool {
    holds_text(&value["name"]) || holds_text(&value["arguments"]) || holds_text(&value["input"])
}

/// Reads the content, which is a string, or a list of parts of which some are thoughts.
fn answer(value: &Value, facts: &mut EventFacts) {
    match value {
        Value::String(text) if !text.is_empty() => facts.add(Piece::Answer, true),
        Value::Array(parts) => {
            for part in parts {
                let is_thought = is_thought(part);
                let thought = holds_text(&part["thinking"]) || is_thought && holds_text(part);
                facts.add(Piece::Thought, thought);
                if !is_thought {
                    answer(&part["text"], facts);
                }
            }
        }
        _ => {}
    }
}

/// Tells whether a part of a content is a thought, by its type.
pub(super) fn is_thought(part: &Value) -> bool {
    let kind = part["type"].as_str().unwrap_or_default();
    kind.starts_with("reasoning") || kind.starts_with("thinking")
}

/// Returns true for a string that is not empty.
pub(in crate::api) fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Returns true if there is text in a string, in a list, or in the members of an object that hold it.
pub(in crate::api) fn holds_text(value: &Value) -> bool {
    match value {
        Value::Array(parts) => parts.iter().any(holds_text),
        Value::Object(_) => TEXTS.iter().any(|name| holds_text(&value[*name])),
        other => is_text(other),
    }
}
