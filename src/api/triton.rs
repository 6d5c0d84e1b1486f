//! Triton's generate extension, `/v2/models/MODEL/generate_stream` and `…/generate`: reads the events of a stream, and
//! the bodies of whole answers.
//!
//! ```text
//! data: {"model_name":"ensemble","model_version":"1","sequence_end":false,"text_output":" the"}
//! ```
//!
//! Nothing in an answer says that it is complete, and nothing counts its tokens: a stream is over when HTTP says so.
//! So each document with a `text_output` counts as an end, and only a connection that breaks makes an answer truncated.

use super::body::{write_number, write_stream};
use super::chat::plain::{document, holds_text, is_error};
use super::facts::{Piece, body_facts};
use super::members::Object;
use super::reply::{self, OfEvent, Reply};
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed};
use crate::metrics::FinishWord;

/// Writes a body in the words of the TensorRT-LLM backend. The vLLM backend takes what is not an input of its model as
/// a parameter. The path names the model.
pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = Object::begin(out, asked.members);
    body.member("text_input", |out| asked.content.write_prompt(out, asked.system));
    body.member("max_tokens", |out| write_number(out, asked.max_tokens));
    write_stream(&mut body, asked.stream);
    body.end();
}

/// An event and a whole answer have their text in the same member.
pub(super) const REPLY: Reply = Reply {
    of_event: OfEvent::New(append_text),
    of_body: append_text,
};

fn append_text(data: &[u8], out: &mut Vec<u8>) {
    reply::read_plain(data, out, |document| &document["text_output"]);
}

/// The events of a stream.
pub enum Triton {}

impl Grammar for Triton {
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
    let text = &document["text_output"];
    let mut facts = EventFacts {
        error: is_error(&document),
        finish: (text.is_string() || text.is_array()).then_some(FinishWord::STOP),
        ..EventFacts::default()
    };
    facts.add(Piece::Answer, holds_text(text));
    Ok(facts)
}
