//! The words that each API puts around its tokens, one file for each. The bytes that surround them (heads, chunks,
//! stamps) are those of `script`.

mod chat;
mod completions;
mod llamacpp;

use crate::api::Api;

/// A time in milliseconds is written over this many blanks, which JSON allows before a number.
pub const MS_WIDTH: usize = 20;
/// The same for a count of tokens.
pub const COUNT_WIDTH: usize = 10;
pub const PROMPT_KEY: &str = "\"prompt_ms\":";
pub const DECODE_KEY: &str = "\"predicted_ms\":";
pub const COUNT_KEY: &str = "\"tokens_predicted\":";

const PROMPT_TOKENS: u32 = 8;

/// What an answer says in one API. The client's row of it is in `api/table.rs`.
pub struct Dialect {
    /// The event before the first token, where there is one.
    pub opening: Option<fn() -> String>,
    /// A token event with further members.
    pub token: fn(&str) -> String,
    /// The event that ends a stream well, with its count of tokens.
    pub finish: fn(u32) -> String,
    /// What follows the last event, finish or not.
    pub done: Option<&'static str>,
    /// A whole answer of so many tokens; without its finish where that is false.
    pub body: fn(u32, bool) -> String,
}

impl Dialect {
    pub fn of(api: Api) -> &'static Dialect {
        match api {
            Api::Chat => &chat::DIALECT,
            Api::Completions => &completions::DIALECT,
            Api::LlamaCpp => &llamacpp::DIALECT,
        }
    }
}

/// What OpenAI's streams end with.
const DONE: &str = "data: [DONE]\n\n";

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// So many tokens of text.
fn text(tokens: u32) -> String {
    "tok ".repeat(tokens as usize)
}

/// OpenAI's count of tokens, a further member of an event or a body.
fn usage(tokens: u32) -> String {
    format!(
        r#","usage":{{"prompt_tokens":{PROMPT_TOKENS},"completion_tokens":{tokens},"total_tokens":{}}}"#,
        tokens + PROMPT_TOKENS
    )
}

/// Room for a number, itself a number until it is written over.
fn blank(width: usize) -> String {
    format!("{:>width$}", 0)
}
