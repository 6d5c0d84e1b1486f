//! The plain reader parses the whole document with `serde_json` and looks into it. Of equal keys the last counts.

use serde_json::Value;

use super::piece_of;
use crate::api::chat::plain::{
    count, document, holds_text, is_error, is_set, is_text, times, timings, with_timings,
};
use crate::api::facts::Piece;
use crate::api::{EventFacts, Malformed, Usage};
use crate::metrics::FinishWord;

/// Reads an event. Its type is in the data; a server that leaves it out has it as the event's name.
pub(super) fn read_event(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let kind = document["type"].as_str().map_or(name, str::as_bytes);
    let mut facts = stated(&document, &document["response"]);
    if let Some(piece) = piece_of(kind) {
        facts.add(piece, is_text(&document["delta"]));
    }
    // A tool call begins with its name, which comes before any argument.
    if kind == b"response.output_item.added" {
        facts.add(Piece::Call, is_named_call(&document["item"]));
    }
    match kind {
        b"response.failed" => facts.error = true,
        // A server may leave the response out, or its status.
        b"response.completed" | b"response.incomplete" if facts.finish.is_none() && !facts.error => {
            facts.finish_with(FinishWord::of(&kind[b"response.".len()..]));
        }
        _ => {}
    }
    Ok(facts)
}

/// Reads a whole answer, which is the response alone.
pub(super) fn read_body(body: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(body)?;
    let mut facts = stated(&document, &document);
    for item in document["output"].as_array().into_iter().flatten() {
        match item["type"].as_str().unwrap_or_default() {
            "reasoning" => {
                let thought = holds_text(&item["content"]) || holds_text(&item["summary"]);
                facts.add(Piece::Thought, thought);
            }
            kind if kind.ends_with("_call") => facts.add(Piece::Call, is_named_call(item)),
            _ => {
                let parts = item["content"].as_array().into_iter().flatten();
                let is_text = |part: &Value| holds_text(&part["text"]) || holds_text(&part["refusal"]);
                facts.add(Piece::Answer, parts.into_iter().any(is_text));
            }
        }
    }
    Ok(facts)
}

fn is_named_call(item: &Value) -> bool {
    let kind = item["type"].as_str().unwrap_or_default();
    kind.ends_with("_call") && holds_text(&item["name"])
}

/// Reads what a document, and the response in it, say about its end, its tokens and its times.
fn stated(document: &Value, response: &Value) -> EventFacts {
    let timed = &document["timings"];
    let mut facts = EventFacts {
        error: is_error(document) || is_set(&response["error"]),
        usage: with_timings(usage(&response["usage"]), timings(timed)),
        times: times(timed),
        ..EventFacts::default()
    };
    match response["status"].as_str() {
        Some("failed") => facts.error = true,
        // The reason says more: `max_output_tokens`, `content_filter`.
        Some("incomplete") => {
            let reason = response["incomplete_details"]["reason"].as_str();
            facts.finish_with(FinishWord::of(reason.unwrap_or("incomplete").as_bytes()));
        }
        Some(status @ ("completed" | "cancelled")) => facts.finish_with(FinishWord::of(status.as_bytes())),
        _ => {}
    }
    facts
}

fn usage(value: &Value) -> Option<Usage> {
    Some(Usage {
        completion_tokens: count(&value["output_tokens"])?,
        prompt_tokens: count(&value["input_tokens"]).unwrap_or(0),
        cached_tokens: count(&value["input_tokens_details"]["cached_tokens"]),
        reasoning_tokens: count(&value["output_tokens_details"]["reasoning_tokens"]),
    })
}
