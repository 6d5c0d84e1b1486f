//! What the bytes of an answer mean. Pure: slices in, facts out, no text is kept.
//!
//! Two grammars. `chat` reads OpenAI's chat completions and its older text completions, which differ in a member
//! of a choice (`text` for `delta` or `message`) and in nothing that counts here. `llamacpp` reads llama.cpp's own
//! `/completion`. Both say what they found as the same facts, so streams have one state and one verdict.

pub mod chat;
mod facts;
pub mod llamacpp;
mod scan;
mod stamp;
mod stream;

pub use crate::workload::Api;
pub use facts::{BodyFacts, EventFacts, Malformed, ServerTimes, Usage};
pub use stamp::{STAMP_DIGITS, STAMP_KEY, find_stamp, write_stamp};
pub use stream::{StreamEnd, StreamState};

/// Reads one event of a stream: `name` is its `event` field, `data` its joined `data` lines.
#[inline]
pub fn read_event(api: Api, name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
    match api {
        Api::Chat | Api::Completions => chat::read_event(name, data),
        Api::LlamaCpp => llamacpp::read_event(name, data),
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(api: Api, body: &[u8]) -> Result<BodyFacts, Malformed> {
    match api {
        Api::Chat | Api::Completions => chat::read_body(body),
        Api::LlamaCpp => llamacpp::read_body(body),
    }
}

/// What an event says without being a document; `None`: it is to be read.
fn said_without_json(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    let said = data.trim_ascii();
    // Whatever an error carries: some servers send plain text here.
    let error = name == b"error";
    let done = !error && said == b"[DONE]";
    // Some gateways keep a stream alive with empty events.
    (error || done || said.is_empty()).then_some(EventFacts {
        error,
        done,
        ..EventFacts::default()
    })
}
