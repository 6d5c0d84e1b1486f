//! The content of a request before an API puts it into its own words, and the JSON that all APIs share.

use std::io::Write;

use super::Members;
use super::members::Object;

/// Says why writes into a body cannot fail: `Vec<u8>` takes any bytes, and a string is always valid JSON text.
pub(in crate::api) const INFALLIBLE: &str = "writing JSON into memory does not fail";

/// The member of a body that limits how much OpenAI's older APIs generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimitKey {
    /// The member that every server knows, except hosted APIs for models that reason.
    MaxTokens,
    /// Its successor, which those models insist on.
    MaxCompletionTokens,
}

impl TokenLimitKey {
    pub const ALL: [TokenLimitKey; 2] = [TokenLimitKey::MaxTokens, TokenLimitKey::MaxCompletionTokens];

    /// Returns its name in a body, in a document and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TokenLimitKey::MaxTokens => "max_tokens",
            TokenLimitKey::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    pub fn from_name(name: &str) -> Option<TokenLimitKey> {
        TokenLimitKey::ALL.into_iter().find(|key| key.name() == name)
    }
}

impl serde::Serialize for TokenLimitKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// The members of a body in which servers of OpenAI's older APIs differ. `None` means that nothing was configured, so
/// that the body is what most servers accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    pub token_limit: Option<TokenLimitKey>,
    /// True asks a stream, by `stream_options`, to report its token counts at its end.
    pub stream_options: Option<bool>,
}

impl Wording {
    /// Fills values that are `None` from `other`.
    pub fn or(self, other: Wording) -> Wording {
        Wording {
            token_limit: self.token_limit.or(other.token_limit),
            stream_options: self.stream_options.or(other.stream_options),
        }
    }

    pub fn token_limit_key(self) -> TokenLimitKey {
        self.token_limit.unwrap_or(TokenLimitKey::MaxTokens)
    }

    /// Returns true if a stream is asked for its token counts.
    pub fn asks_usage(self) -> bool {
        self.stream_options.unwrap_or(true)
    }
}

/// A request for generated text.
#[derive(Clone, Copy)]
pub struct Generation<'a> {
    pub model: &'a str,
    pub content: Content<'a>,
    /// The texts that the content is compared with, where an API ranks or scores; they write a JSON array.
    pub documents: Option<&'a dyn Prompt>,
    pub max_tokens: u32,
    pub stream: bool,
    /// Allows the server to answer from its prompt cache. It is sent to llama.cpp's own API only, because other servers
    /// may refuse a member that they do not know.
    pub cache_prompt: bool,
    /// Wording for OpenAI's older APIs; the others have their own.
    pub wording: Wording,
    /// The system prompt. An API without a place for it gets it before the text, with a blank line between.
    pub system: Option<&'a str>,
    /// What the body has besides, in the words of its API.
    pub members: &'a Members,
}

/// What a request gives the model to read.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// A text, which writes itself as a JSON string.
    Text(&'a dyn Prompt),
    /// The ids of tokens, which write themselves as a JSON array of numbers.
    Tokens(&'a dyn Prompt),
    /// Messages of a conversation, which write themselves as a JSON array of objects with `role` and `content`.
    Messages(&'a dyn Prompt),
}

impl Content<'_> {
    /// Appends the content as an API writes it that has one prompt: a string, or a list of ids. A system prompt goes
    /// before a string.
    pub(in crate::api) fn write_prompt(&self, out: &mut Vec<u8>, system: Option<&str>) {
        match (self, system) {
            (Content::Text(prompt), Some(system)) => {
                write_string(out, system);
                // The text goes on before the closing quote. Its own opening quote becomes the `n` of a line end.
                out.pop();
                out.extend_from_slice(br"\n\");
                let joint = out.len();
                prompt.write_json(out);
                out[joint] = b'n';
            }
            (Content::Text(prompt) | Content::Tokens(prompt) | Content::Messages(prompt), _) => {
                prompt.write_json(out);
            }
        }
    }

    /// Appends the content as an API writes it that has a list of messages: a text is one message of the user. A system
    /// prompt is the first message.
    pub(in crate::api) fn write_messages(&self, out: &mut Vec<u8>, system: Option<&str>) {
        match (self, system) {
            (Content::Messages(messages), None) => messages.write_json(out),
            (Content::Messages(messages), Some(system)) => {
                out.push(b'[');
                write_message(out, "system", &system);
                let joint = out.len();
                messages.write_json(out);
                // The list goes on where its own would begin.
                match out[joint + 1..].trim_ascii_start() == b"]" {
                    true => drop(out.remove(joint)),
                    false => out[joint] = b',',
                }
            }
            (Content::Text(prompt) | Content::Tokens(prompt), system) => {
                out.push(b'[');
                if let Some(system) = system {
                    write_message(out, "system", &system);
                    out.push(b',');
                }
                write_message(out, "user", *prompt);
                out.push(b']');
            }
        }
    }
}

/// Appends a message of a conversation.
fn write_message(out: &mut Vec<u8>, role: &str, content: &dyn Prompt) {
    out.extend_from_slice(b"{\"role\":\"");
    out.extend_from_slice(role.as_bytes());
    out.extend_from_slice(b"\",\"content\":");
    content.write_json(out);
    out.push(b'}');
}

/// The kinds of content, for the table of APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    Text,
    Tokens,
    Messages,
}

impl ContentKind {
    /// Returns its name in an error.
    pub fn name(self) -> &'static str {
        match self {
            ContentKind::Text => "text",
            ContentKind::Tokens => "token ids",
            ContentKind::Messages => "messages",
        }
    }
}

/// A prompt that writes itself, so that APIs do not know where prompts come from and no copy is made of a long one.
pub trait Prompt {
    /// Appends the prompt as a JSON value.
    fn write_json(&self, out: &mut Vec<u8>);
}

impl Prompt for &str {
    fn write_json(&self, out: &mut Vec<u8>) {
        write_string(out, self);
    }
}

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect(INFALLIBLE);
}

/// Begins a body with its model.
pub(in crate::api) fn begin_body<'a>(out: &'a mut Vec<u8>, asked: &Generation<'a>) -> Object<'a> {
    let mut body = Object::begin(out, asked.members);
    body.member("model", |out| write_string(out, asked.model));
    body
}

/// Appends the token limit and the `stream` flag as OpenAI's older APIs write them, and the end of the body. A stream
/// is asked to report its token counts at its end, unless its wording says otherwise.
pub(in crate::api) fn write_openai_end(mut body: Object<'_>, asked: &Generation) {
    let key = asked.wording.token_limit_key();
    // A limit that is given under the other name replaces this one.
    let is_replaced = TokenLimitKey::ALL
        .iter()
        .any(|other| *other != key && asked.members.has(other.name()));
    if !is_replaced {
        body.member(key.name(), |out| write_number(out, asked.max_tokens));
    }
    write_stream(&mut body, asked.stream);
    if asked.stream && asked.wording.asks_usage() {
        body.object("stream_options", |options| {
            options.member("include_usage", |out| out.extend_from_slice(b"true"));
        });
    }
    body.end();
}

/// Appends the `stream` flag, which nothing else may set: an answer is read as what was asked for.
pub(in crate::api) fn write_stream(body: &mut Object<'_>, stream: bool) {
    body.fixed("stream", |out| write_bool(out, stream));
}

pub(in crate::api) fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(in crate::api) fn write_number(out: &mut Vec<u8>, number: u32) {
    write!(out, "{number}").expect(INFALLIBLE);
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
