//! The APIs that servers speak: what a request for text says in each, and what the bytes of its answer mean. Pure:
//! slices in, facts out, no text is kept.
//!
//! `table` has a row for each API. There are two grammars of answers. `chat` reads OpenAI's chat completions and its
//! older text completions, which differ in a member of a choice (`text` for `delta` or `message`) and in nothing that
//! counts here. `llamacpp` reads llama.cpp's own `/completion`. Both say what they found as the same facts, so streams
//! have one state and one verdict.

mod body;
pub mod chat;
mod completions;
mod facts;
pub mod llamacpp;
mod scan;
mod stamp;
mod stream;
mod table;

pub use body::{Generation, Prompt, TokenLimitKey, Wording, write_string};
pub use facts::{BodyFacts, EventFacts, Malformed, ServerTimes, Usage};
pub use stamp::{STAMP_DIGITS, STAMP_KEY, find_stamp, write_stamp};
pub use stream::{StreamEnd, StreamState};
pub use table::{Api, ENDS_WITHOUT_ROW, ReadBody, ReadEvent, ReadSide, Row, SideQuestion, WriteBody};

/// Names of events that keep a stream alive, whatever their data is.
const SIGNS_OF_LIFE: [&[u8]; 4] = [b"ping", b"keepalive", b"keep-alive", b"heartbeat"];

/// What an event says without being a document; `None`: it is to be read.
fn said_without_json(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    let said = data.trim_ascii();
    // Whatever an error carries: some servers send plain text here.
    let error = name == b"error";
    let done = !error && said == b"[DONE]";
    // Some gateways keep a stream alive with empty events, or with a comment in a data line (`data: : keepalive`).
    let alive = said.is_empty() || said[0] == b':' || SIGNS_OF_LIFE.contains(&name);
    (error || done || alive).then_some(EventFacts {
        error,
        done,
        ..EventFacts::default()
    })
}
