//! The APIs that servers speak: the body of a request for text in each, and the meaning of the answer's bytes. The
//! room is pure: slices come in, facts go out, and no text is kept (`reply` appends one to the caller's buffer).
//!
//! `table` has a row for each API. `chat` reads OpenAI's chat completions and its older text completions, which differ
//! in one member of a choice (`text` instead of `delta` or `message`) as far as it matters here; every other grammar
//! has a module of its own. All return the same facts, so streams have one state and one verdict.

mod alike;
mod body;
pub mod chat;
mod completions;
mod facts;
mod grammar;
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

pub use alike::Alike;
pub use body::{Content, ContentKind, Generation, Prompt, TokenLimitKey, Wording, write_string};
pub use facts::{BodyFacts, Choices, EventFacts, Malformed, ServerTimes, Usage};
pub use grammar::{Grammar, read_event, read_event_among, read_event_fast, read_event_plain};
pub use members::{Members, NotMembers};
pub use reply::{Reply, ReplyText};
pub use settings::{BodySettings, Setting, SystemPrompt, Words};
pub use stamp::{ARRIVAL_KEY, STAMP_DIGITS, STAMP_KEY, Stamps, find_stamps, write_stamp};
pub use stream::{StreamEnd, StreamState};
pub use table::{Api, ENDS_WITHOUT_ROW, ReadBody, ReadEvent, ReadSide, Row, SideQuestion, Texts, WriteBody};
