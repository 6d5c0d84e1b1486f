//! llama.cpp's own `/completion`: reads the events of a stream, and the bodies of whole answers.
//!
//! ```text
//! {"index":0,"content":" the","tokens":[260],"stop":false,...,"tokens_predicted":2,"tokens_evaluated":4}
//! {"index":0,"content":"","tokens":[],"stop":true,...,"timings":{"prompt_ms":...,"predicted_ms":...}}
//! ```
//!
//! `"stop": true` is the end; there is no `[DONE]`. Progress events (`return_progress`) have an empty `content`.
//! There are two readers, as for `chat`: `fast` answers only if it is sure, `plain` builds the document.

mod fast;
mod plain;
mod reply;

pub(super) use reply::REPLY;

use super::body::{begin_body, write_bool, write_number, write_stream};
use super::facts::body_facts;
use super::{BodyFacts, EventFacts, Generation, Grammar, Malformed};

pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("prompt", |out| asked.content.write_prompt(out, asked.system));
    body.member("n_predict", |out| write_number(out, asked.max_tokens));
    write_stream(&mut body, asked.stream);
    body.member("cache_prompt", |out| write_bool(out, asked.cache_prompt));
    body.end();
}

/// The events of a stream.
pub enum LlamaCpp {}

impl Grammar for LlamaCpp {
    fn fast(_name: &[u8], data: &[u8]) -> Option<EventFacts> {
        fast::read(data)
    }

    fn plain(_name: &[u8], data: &[u8]) -> Result<EventFacts, Malformed> {
        plain::read(data)
    }
}

/// Reads the body of a non-streaming answer.
pub fn read_body(body: &[u8]) -> Result<BodyFacts, Malformed> {
    match fast::read(body) {
        Some(facts) => Ok(body_facts(facts)),
        None => read_body_plain(body),
    }
}

/// Reads with the plain reader alone.
pub fn read_body_plain(body: &[u8]) -> Result<BodyFacts, Malformed> {
    plain::read(body).map(body_facts)
}
