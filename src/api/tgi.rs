//! Text Generation Inference: reads the events of `/generate_stream`, and the bodies of `/generate`.
//!
//! ```text
//! data:{"index":2,"token":{"id":260,"text":" the","special":false},"generated_text":null,"details":null}
//! data:{"index":3,"token":{...},"generated_text":"...","details":{"finish_reason":"length","generated_tokens":3}}
//! ```
//!
//! The last event has its `details`, which end the stream; there is no `[DONE]`. An end-of-sequence token is special
//! and carries no text.

use super::body::{write_bool, write_number};
use super::chat::plain::{count, document, finish, holds_text, is_error};
use super::facts::{Piece, body_facts};
use super::members::Object;
use super::reply::{self, OfEvent, Reply};
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed, Usage};

/// Writes a body. The model that is loaded answers, and the path says whether the answer is a stream. Without
/// `details` a whole answer would not say why it ended.
pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = Object::begin(out, asked.members);
    body.member("inputs", |out| asked.content.write_prompt(out, asked.system));
    body.object("parameters", |parameters| {
        parameters.member("max_new_tokens", |out| write_number(out, asked.max_tokens));
        parameters.member("details", |out| write_bool(out, true));
    });
    body.end();
}

/// A stream has its text in its tokens, of which special ones have none.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::New(|data, out| {
        reply::read_plain(data, out, |event| match event["token"]["special"] == true {
            true => &serde_json::Value::Null,
            false => &event["token"]["text"],
        });
    }),
    of_body: |data, out| reply::read_plain(data, out, |answer| &answer["generated_text"]),
};

/// The events of a stream.
pub enum Tgi {}

impl Grammar for Tgi {
    fn plain(_name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        let document = document(data)?;
        let mut facts = ended(&document);
        let token = &document["token"];
        facts.add(
            Piece::Answer,
            holds_text(&token["text"]) && token["special"] != true,
        );
        Ok(facts)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    let document = document(body)?;
    let mut facts = ended(&document);
    facts.add(Piece::Answer, holds_text(&document["generated_text"]));
    Ok(body_facts(facts))
}

/// Returns what a document says about the end and the tokens.
fn ended(document: &serde_json::Value) -> EventFacts {
    let details = &document["details"];
    let prefill = details["prefill"].as_array().map(|tokens| tokens.len() as u32);
    EventFacts {
        error: is_error(document),
        finish: finish(&details["finish_reason"]),
        usage: count(&details["generated_tokens"]).map(|completion_tokens| Usage {
            completion_tokens,
            // Only newer servers state the length of the input; with `decoder_input_details` it is listed.
            prompt_tokens: count(&details["input_length"]).or(prefill).unwrap_or(0),
            ..Usage::default()
        }),
        ..EventFacts::default()
    }
}
