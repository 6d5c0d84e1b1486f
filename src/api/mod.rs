//! The APIs that servers speak: the body of a request for text in each, and the meaning of the answer's bytes. The
//! room is pure: slices come in, facts go out, and no text is kept (`reply` appends one to the caller's buffer).
//!
//! `table` has a row for each API. `chat` reads OpenAI's chat completions and its older text completions, which differ
//! in one member of a choice (`text` instead of `delta` or `message`) as far as it matters here; every other grammar
//! has a module of its own. All return the same facts, so streams have one state and one verdict.

mod body;
pub mod chat;
mod completions;
mod facts;
pub mod inputs;
pub mod llamacpp;
mod members;
pub mod messages;
pub mod ollama;
mod reply;
pub mod responses;
mod scan;
mod settings;
pub mod sglang;
mod stamp;
mod stream;
mod table;
pub mod tgi;
pub mod triton;

pub use body::{Content, ContentKind, Generation, Prompt, TokenLimitKey, Wording, write_string};
pub use facts::{BodyFacts, EventFacts, Malformed, ServerTimes, Usage};
pub use members::{Members, NotMembers};
pub use reply::{ReadReply, Reply};
pub use settings::{BodySettings, Setting, SystemPrompt, Words};
pub use stamp::{ARRIVAL_KEY, STAMP_DIGITS, STAMP_KEY, Stamps, find_stamps, write_stamp};
pub use stream::{StreamEnd, StreamState};
pub use table::{Api, ENDS_WITHOUT_ROW, ReadBody, ReadEvent, ReadSide, Row, SideQuestion, Texts, WriteBody};

/// Names of events that keep a stream alive, whatever their data is.
const SIGNS_OF_LIFE: [&[u8]; 4] = [b"ping", b"keepalive", b"keep-alive", b"heartbeat"];

/// Returns the facts of an event whose data need not be read as JSON; `None` if they must be.
fn facts_without_json(name: &[u8], data: &[u8]) -> Option<EventFacts> {
    let said = data.trim_ascii();
    // Some servers send an error as plain text, so the data of one is not read.
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
