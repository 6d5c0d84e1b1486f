//! Anthropic's Messages API: reads the events of a stream, and the bodies of whole answers.
//!
//! ```text
//! event: content_block_delta
//! data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" the"}}
//!
//! event: message_delta
//! data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}
//! ```
//!
//! `message_start` states the tokens of the prompt, `message_delta` those of the answer and why it ended, and
//! `message_stop` says that nothing follows. There are two readers, as for `chat`: `fast` reads the events that carry
//! text, `plain` builds the document.

mod fast;
mod plain;

use super::body::{begin_body, write_number, write_stream, write_string};
use super::chat::plain::document;
use super::facts::{Piece, body_facts};
use super::reply::{self, OfEvent, Reply};
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed};

/// The version of the API that requests ask for, without which Anthropic refuses them.
pub(super) const HEADERS: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("max_tokens", |out| write_number(out, asked.max_tokens));
    if let Some(system) = asked.system {
        body.member("system", |out| write_string(out, system));
    }
    body.member("messages", |out| asked.content.write_messages(out, None));
    write_stream(&mut body, asked.stream);
    body.end();
}

/// Returns the member of a delta that holds its text, and what the text is. The signature of a thought is no text.
fn text_of(delta: &[u8]) -> Option<(&'static str, Piece)> {
    match delta {
        b"text_delta" => Some(("text", Piece::Answer)),
        b"thinking_delta" => Some(("thinking", Piece::Thought)),
        b"input_json_delta" => Some(("partial_json", Piece::Call)),
        _ => None,
    }
}

/// The text of a stream is in the deltas of its blocks, and that of a whole answer in its blocks.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::New(|data, out| {
        reply::read(data, out, fast::append_text, |event, out| {
            if event["delta"]["type"] == "text_delta" {
                reply::append(event["delta"]["text"].as_str().unwrap_or_default(), out);
            }
        });
    }),
    of_body: |data, out| {
        if let Ok(message) = document(data) {
            reply::append_parts(&message["content"], "text", out);
        }
    },
};

/// The events of a stream.
pub enum Messages {}

impl Grammar for Messages {
    const TEXTS: &'static [&'static str] = &["text", "thinking", "partial_json"];

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
