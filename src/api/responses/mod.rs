//! OpenAI's Responses API: reads the events of a stream, and the bodies of whole answers.
//!
//! ```text
//! event: response.output_text.delta
//! data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"delta":" the"}
//!
//! event: response.completed
//! data: {"type":"response.completed","response":{"status":"completed",...,"usage":{"input_tokens":34,...}}}
//! ```
//!
//! The `type` of an event tells what it is; servers repeat it as its name, or leave the name out. The response in the
//! last event ends the stream; there need not be a `[DONE]`. There are two readers, as for `chat`: `fast` reads the
//! events that carry text, `plain` builds the document.

mod fast;
mod plain;

use serde_json::Value;

use super::body::{begin_body, write_number, write_stream, write_string};
use super::chat::plain::document;
use super::facts::{Piece, body_facts};
use super::reply::{self, OfEvent, Reply};
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed, SideQuestion};

/// Validation asks a server of chat completions for this API as well.
pub(super) const SIDE_QUESTION: SideQuestion = SideQuestion {
    end: "/responses",
    write_body,
    read: read_side,
};

pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("input", |out| asked.content.write_prompt(out, None));
    if let Some(system) = asked.system {
        body.member("instructions", |out| write_string(out, system));
    }
    body.member("max_output_tokens", |out| write_number(out, asked.max_tokens));
    write_stream(&mut body, asked.stream);
    body.end();
}

/// Returns what the `delta` of an event of this type is a piece of.
fn piece_of(kind: &[u8]) -> Option<Piece> {
    let what = kind.strip_prefix(b"response.")?.strip_suffix(b".delta")?;
    match what {
        b"output_text" | b"refusal" | b"output_audio_transcript" | b"audio.transcript" => Some(Piece::Answer),
        b"function_call_arguments"
        | b"custom_tool_call_input"
        | b"mcp_call_arguments"
        | b"code_interpreter_call_code" => Some(Piece::Call),
        // `reasoning_text`, `reasoning_summary_text` and older names.
        _ => what.starts_with(b"reasoning").then_some(Piece::Thought),
    }
}

/// The text of a stream is in the pieces of its output, and that of a whole answer in its messages.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::New(|data, out| {
        reply::read(data, out, fast::append_text, |event, out| {
            if event["type"] == "response.output_text.delta" {
                reply::append(event["delta"].as_str().unwrap_or_default(), out);
            }
        });
    }),
    of_body: |data, out| {
        if let Ok(response) = document(data) {
            for item in response["output"].as_array().into_iter().flatten() {
                reply::append_parts(&item["content"], "output_text", out);
            }
        }
    },
};

/// The events of a stream.
pub enum Responses {}

impl Grammar for Responses {
    fn fast(_name: &[u8], data: &[u8]) -> Option<EventFacts> {
        fast::read(data)
    }

    fn plain(name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        plain::read_event(name, data)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    plain::read_body(body).map(body_facts)
}

fn read_side(body: &[u8]) -> Result<String, &'static str> {
    let response: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    if response.get("error").is_some_and(|error| !error.is_null()) {
        return Err("an error object instead of an answer");
    }
    match response.get("status").and_then(Value::as_str) {
        // "incomplete" is fine: the answer reached the few tokens that were asked for.
        Some(status @ ("completed" | "incomplete")) if response["output"].is_array() => Ok(status.to_owned()),
        _ => Err("not a completed response"),
    }
}
