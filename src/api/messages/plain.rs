//! The plain reader parses the whole document with `serde_json` and looks into it. Of equal keys the last counts.

use serde_json::Value;

use super::text_of;
use crate::api::chat::plain::{count, document, finish, holds_text, is_error, is_text};
use crate::api::facts::Piece;
use crate::api::{EventFacts, Malformed, Usage};

/// Reads an event. Its type is in the data; a server that leaves it out has it as the event's name.
pub(super) fn read_event(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let mut facts = EventFacts {
        error: is_error(&document),
        ..EventFacts::default()
    };
    match document["type"].as_str().map_or(name, str::as_bytes) {
        // The tokens of the answer are a placeholder there.
        b"message_start" => {
            facts.usage = usage(&document["message"]["usage"]).map(|usage| Usage {
                completion_tokens: 0,
                ..usage
            });
        }
        b"content_block_start" => block(&document["content_block"], &mut facts),
        b"content_block_delta" => {
            let delta = &document["delta"];
            let kind = delta["type"].as_str().unwrap_or_default();
            if let Some((member, piece)) = text_of(kind.as_bytes()) {
                facts.add(piece, is_text(&delta[member]));
            }
        }
        b"message_delta" => {
            facts.finish = finish(&document["delta"]["stop_reason"]);
            facts.usage = usage(&document["usage"]);
        }
        b"message_stop" => facts.done = true,
        _ => {}
    }
    Ok(facts)
}

/// Reads a whole answer, which is the message alone.
pub(super) fn read_body(body: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(body)?;
    let mut facts = EventFacts {
        error: is_error(&document),
        finish: finish(&document["stop_reason"]),
        usage: usage(&document["usage"]),
        ..EventFacts::default()
    };
    for part in document["content"].as_array().into_iter().flatten() {
        block(part, &mut facts);
    }
    Ok(facts)
}

/// Reads a block of content. One that begins in a stream has no text yet, but a tool call has its name.
fn block(block: &Value, facts: &mut EventFacts) {
    facts.add(Piece::Answer, holds_text(&block["text"]));
    facts.add(Piece::Thought, holds_text(&block["thinking"]));
    let kind = block["type"].as_str().unwrap_or_default();
    facts.add(
        Piece::Call,
        kind.ends_with("tool_use") && holds_text(&block["name"]),
    );
}

/// Reads the token counts, in which what came from the cache, or went into it, is not among the input.
fn usage(value: &Value) -> Option<Usage> {
    let cached = count(&value["cache_read_input_tokens"]);
    let written = count(&value["cache_creation_input_tokens"]).unwrap_or(0);
    let (input, output) = (count(&value["input_tokens"]), count(&value["output_tokens"]));
    input.or(output)?;
    let all = |input: u32| input.saturating_add(cached.unwrap_or(0)).saturating_add(written);
    Some(Usage {
        completion_tokens: output.unwrap_or(0),
        prompt_tokens: input.map_or(0, all),
        cached_tokens: cached,
        reasoning_tokens: None,
    })
}
