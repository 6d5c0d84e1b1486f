//! Writes the JSON that each API puts around its tokens, with one file per API. `script` adds the surrounding bytes
//! (heads, chunks, stamps).

mod chat;
mod completions;
mod inputs;
mod llamacpp;
mod messages;
mod ollama;
mod responses;
mod sglang;
mod tgi;
mod triton;

use crate::api::Api;
use crate::sse::Framing;

/// Width of the placeholder for a time in milliseconds. It is filled with blanks, which JSON allows before a number.
pub const MS_WIDTH: usize = 20;
/// Width of the placeholder for a count of tokens.
pub const COUNT_WIDTH: usize = 10;
pub const PROMPT_KEY: &str = "\"prompt_ms\":";
pub const DECODE_KEY: &str = "\"predicted_ms\":";
pub const COUNT_KEY: &str = "\"tokens_predicted\":";
/// The same in Ollama's words, in nanoseconds, and in SGLang's.
pub const NS_WIDTH: usize = 20;
pub const PROMPT_NS_KEY: &str = "\"prompt_eval_duration\":";
pub const DECODE_NS_KEY: &str = "\"eval_duration\":";
pub const SGLANG_COUNT_KEY: &str = "\"completion_tokens\":";

/// Tokens of every prompt, where the mock does not count them.
const PROMPT_TOKENS: u32 = 8;

/// What an answer states of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub output: u32,
    pub prompt: u32,
    /// Of the prompt, tokens from the cache; `None` if the mock has none.
    pub cached: Option<u32>,
    /// Of the output, tokens that are thoughts; `None` if it says nothing of them.
    pub reasoning: Option<u32>,
    /// The texts of the request that get a result each.
    pub texts: u32,
}

impl Counted {
    /// Returns the counts of an answer of this many tokens, where prompts are not counted.
    pub fn plain(output: u32) -> Counted {
        Counted {
            output,
            prompt: PROMPT_TOKENS,
            cached: None,
            reasoning: None,
            texts: 1,
        }
    }

    fn cached_or_none(&self) -> u32 {
        self.cached.unwrap_or(0)
    }

    fn total(&self) -> u32 {
        self.prompt.saturating_add(self.output)
    }
}

/// The texts of an answer in one API. `api/table.rs` has the client's side of each API.
pub struct Dialect {
    /// The events before the first token, if there are any.
    pub opening: Option<fn(&Counted) -> String>,
    /// A token event with additional members.
    pub token: fn(&Counted, &str) -> String,
    /// The events that end a stream normally, with its counts of tokens.
    pub finish: fn(&Counted) -> String,
    /// The bytes after the last event, whether that was a finish or not.
    pub done: Option<&'static str>,
    /// A whole answer with these counts of tokens, with or without a finish.
    pub body: fn(&Counted, bool) -> String,
    /// A request streams unless it says otherwise.
    pub streams_unless_told: bool,
    /// A member that only requests of this API have, where another has the same path.
    pub known_by: Option<&'static str>,
}

impl Dialect {
    /// A dialect without anything that is optional, and without streams.
    const PLAIN: Dialect = Dialect {
        opening: None,
        token: |_, _| String::new(),
        finish: |_| String::new(),
        done: None,
        body: |_, _| String::new(),
        streams_unless_told: false,
        known_by: None,
    };

    pub fn for_api(api: Api) -> &'static Dialect {
        match api {
            Api::Chat => &chat::DIALECT,
            Api::Completions => &completions::DIALECT,
            Api::LlamaCpp => &llamacpp::DIALECT,
            Api::Responses => &responses::DIALECT,
            Api::Messages => &messages::DIALECT,
            Api::Ollama => &ollama::GENERATE,
            Api::OllamaChat => &ollama::CHAT,
            Api::Tgi => &tgi::DIALECT,
            Api::Sglang => &sglang::DIALECT,
            Api::Triton => &triton::DIALECT,
            Api::Embeddings => &inputs::EMBEDDINGS,
            Api::Rerank => &inputs::RERANK,
            Api::Score => &inputs::SCORE,
        }
    }
}

/// The end of OpenAI's streams.
const DONE: &str = "data: [DONE]\n\n";

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// Returns an event whose name is repeated as the `type` of its data. `rest` are its other members, each after a comma.
fn typed_event(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n")
}

/// Returns a line of a stream of lines.
fn line(data: &str) -> String {
    format!("{data}\n")
}

/// Returns an event of a stream of this framing.
pub fn framed(framing: Framing, data: &str) -> String {
    match framing {
        Framing::Events => event(data),
        Framing::Lines => line(data),
    }
}

/// Returns a text of this many tokens.
pub fn text(tokens: u32) -> String {
    "tok ".repeat(tokens as usize)
}

/// Returns OpenAI's counts of tokens, as an additional member of an event or a body.
fn usage(counted: &Counted) -> String {
    let part = |member: &str, key: &str, tokens: Option<u32>| match tokens {
        Some(tokens) => format!(",\"{member}\":{{\"{key}\":{tokens}}}"),
        None => String::new(),
    };
    let (prompt, output, total) = (counted.prompt, counted.output, counted.total());
    let cached = part("prompt_tokens_details", "cached_tokens", counted.cached);
    let thoughts = part("completion_tokens_details", "reasoning_tokens", counted.reasoning);
    format!(
        ",\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{output},\"total_tokens\":{total}{cached}{thoughts}}}"
    )
}

/// Returns a placeholder for a number, which is itself a number until it is overwritten.
fn placeholder(width: usize) -> String {
    format!("{:>width$}", 0)
}
