//! OpenAI-style chat completions: reads the events of a stream, and the bodies of whole answers.
//!
//! There are two readers of the same bytes: `fast` scans the shapes that servers send and answers "not sure" to all
//! others; `plain` builds the whole document and decides the rest. They never disagree.
//!
//! Text is never kept and its characters decide nothing. So bytes that are not UTF-8 do not fail a request; they are
//! decoded with replacement characters, as the event-stream standard says.

pub(super) mod fast;
pub(super) mod plain;
mod reply;

pub(super) use reply::REPLY;

use super::body::{begin_body, write_openai_end};
use super::facts::body_facts;
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed};

/// Members of a delta or a message that hold thoughts: DeepSeek's name, which most servers adopted, then those of
/// vLLM and OpenRouter, and those of gateways to other vendors' models. A server may send the same text under two of
/// them.
const THOUGHTS: [&str; 8] = [
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "reasoning_text",
    "thinking",
    "thinking_blocks",
    "thought",
    "thoughts",
];
/// Members of a list entry that hold its text. An entry with `data` instead is encrypted and not a token.
const TEXTS: [&str; 4] = ["text", "summary", "thinking", "content"];

/// The member of a choice that holds the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Delta,
    Message,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Part::Delta => "delta",
            Part::Message => "message",
        }
    }
}

/// Writes a body with its messages: of a text one, from the user.
pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("messages", |out| asked.content.write_messages(out, asked.system));
    write_openai_end(body, asked);
}

/// The events of chat completions and text completions.
pub enum Chat {}

impl Grammar for Chat {
    const TEXTS: &'static [&'static str] = &["content", "text", "reasoning_content", "reasoning"];

    fn fast(_name: &[u8], data: &[u8]) -> Option<EventFacts> {
        fast::read(data, Part::Delta)
    }

    fn plain(_name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        plain::read(data, Part::Delta)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    match fast::read(body, Part::Message) {
        Some(facts) => Ok(body_facts(facts)),
        None => read_body_plain(body),
    }
}

/// Reads with the plain reader alone.
pub fn read_body_plain(body: &[u8]) -> Result<BodyFacts, Malformed> {
    plain::read(body, Part::Message).map(body_facts)
}
