//! SGLang's own `/generate`: reads the events of a stream, and the bodies of whole answers.
//!
//! ```text
//! data: {"text":" the quick","meta_info":{"finish_reason":null,"prompt_tokens":5,"completion_tokens":2,
//!        "cached_tokens":4}}
//! data: [DONE]
//! ```
//!
//! Each event has all text so far, so that an event has new text only if it counts more tokens than the one before.
//! With the server's `--incremental-streaming-output` it has the new text alone, and counts in the same way. The last
//! event has a finish reason, which is an object with a `type`. A whole answer looks like the last event.

use super::body::{write_number, write_stream};
use super::chat::plain::{count, document, finish, holds_text, is_error};
use super::facts::{Piece, body_facts};
use super::members::Object;
use super::reply::{self, Holds, OfEvent, Reply};
use super::{BodyFacts, Content, EventFacts, Generation, Grammar, Malformed, Usage};

/// Writes a body. The model that is loaded answers, so none is named.
pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = Object::begin(out, asked.members);
    let name = match asked.content {
        Content::Tokens(_) => "input_ids",
        Content::Text(_) | Content::Messages(_) => "text",
    };
    body.member(name, |out| asked.content.write_prompt(out, asked.system));
    body.object("sampling_params", |params| {
        params.member("max_new_tokens", |out| write_number(out, asked.max_tokens));
    });
    write_stream(&mut body, asked.stream);
    body.end();
}

/// An event says what it holds by its ids: as many as the tokens so far, or fewer. The first one may be either.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::NewOrAll(|data, out| {
        let document = document(data).ok()?;
        reply::append(document["text"].as_str()?, out);
        let ids = document["output_ids"].as_array()?.len() as u64;
        let tokens = u64::from(count(&document["meta_info"]["completion_tokens"])?);
        Some(if ids < tokens { Holds::New } else { Holds::All })
    }),
    of_body: |data, out| reply::read_plain(data, out, |document| &document["text"]),
};

/// The events of a stream.
pub enum Sglang {}

impl Grammar for Sglang {
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
    let meta = &document["meta_info"];
    let usage = count(&meta["completion_tokens"]).map(|completion_tokens| Usage {
        completion_tokens,
        prompt_tokens: count(&meta["prompt_tokens"]).unwrap_or(0),
        cached_tokens: count(&meta["cached_tokens"]),
        reasoning_tokens: count(&meta["reasoning_tokens"]),
    });
    let mut facts = EventFacts {
        cumulative: true,
        error: is_error(&document),
        finish: finish(&meta["finish_reason"]),
        usage,
        ..EventFacts::default()
    };
    // A server that was started without a tokenizer answers in ids.
    let has_ids = document["output_ids"]
        .as_array()
        .is_some_and(|ids| !ids.is_empty());
    facts.add(
        Piece::Answer,
        holds_text(&document["text"]) || has_ids && document["text"].is_null(),
    );
    Ok(facts)
}
