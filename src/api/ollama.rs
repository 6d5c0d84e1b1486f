//! Ollama's own APIs, `/api/generate` and `/api/chat`: reads the lines of a stream, and the bodies of whole answers.
//!
//! ```text
//! {"model":"m","created_at":"...","response":" the","done":false}
//! {"model":"m","created_at":"...","response":"","done":true,"done_reason":"stop","prompt_eval_count":26,
//!  "prompt_eval_duration":130079000,"eval_count":259,"eval_duration":4232710000}
//! ```
//!
//! A stream has one document per line; the last one says `"done": true`. A whole answer is that last line with all of
//! the text. `/api/chat` has a `message` in place of `response`, and differs in nothing else. Durations are
//! nanoseconds.

use serde_json::Value;

use super::body::{begin_body, write_number, write_stream, write_string};
use super::chat::plain::{count, document, holds_text, is_error};
use super::facts::{Piece, body_facts};
use super::members::Object;
use super::reply::{self, OfEvent, Reply};
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed, ServerTimes, Usage};
use crate::metrics::FinishWord;

pub(super) fn write_generate(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("prompt", |out| asked.content.write_prompt(out, None));
    if let Some(system) = asked.system {
        body.member("system", |out| write_string(out, system));
    }
    write_end(body, asked);
}

pub(super) fn write_chat(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("messages", |out| asked.content.write_messages(out, asked.system));
    write_end(body, asked);
}

/// Appends `stream`, which is true unless a request says otherwise, and the token limit, which is an option.
fn write_end(mut body: Object<'_>, asked: &Generation) {
    write_stream(&mut body, asked.stream);
    body.object("options", |options| {
        options.member("num_predict", |out| write_number(out, asked.max_tokens));
    });
    body.end();
}

/// A line and a whole answer have their text in the same member.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::New(append_text),
    of_body: append_text,
};

fn append_text(data: &[u8], out: &mut Vec<u8>) {
    reply::read_plain(data, out, |document| match &document["response"] {
        Value::Null => &document["message"]["content"],
        text => text,
    });
}

/// The lines of a stream.
pub enum Ollama {}

impl Grammar for Ollama {
    fn plain(_name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        read(data)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    read(body).map(body_facts)
}

fn read(data: &[u8]) -> Result<EventFacts, Malformed> {
    let document = document(data)?;
    let mut facts = EventFacts {
        error: is_error(&document),
        usage: usage(&document),
        times: ServerTimes {
            prompt: document["prompt_eval_duration"].as_u64(),
            decode: document["eval_duration"].as_u64(),
        },
        ..EventFacts::default()
    };
    let message = &document["message"];
    facts.add(
        Piece::Answer,
        holds_text(&document["response"]) || holds_text(&message["content"]),
    );
    facts.add(
        Piece::Thought,
        holds_text(&document["thinking"]) || holds_text(&message["thinking"]),
    );
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let is_named = |call: &Value| holds_text(&call["function"]["name"]);
    facts.add(Piece::Call, calls.into_iter().any(is_named));
    if document["done"] == true {
        let reason = document["done_reason"]
            .as_str()
            .filter(|reason| !reason.is_empty());
        facts.finish_with(reason.map_or(FinishWord::STOP, |reason| FinishWord::of(reason.as_bytes())));
    }
    Ok(facts)
}

/// Reads the counts of the last line. A prompt that was in the cache may have none.
fn usage(document: &Value) -> Option<Usage> {
    Some(Usage {
        completion_tokens: count(&document["eval_count"])?,
        prompt_tokens: count(&document["prompt_eval_count"]).unwrap_or(0),
        ..Usage::default()
    })
}
