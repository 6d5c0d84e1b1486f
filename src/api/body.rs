//! The content of a request before an API puts it into its own words, and the JSON that all APIs share.

use std::io::Write;

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
    /// Appends the content as an API writes it that has one prompt: a string, or a list of ids.
    pub(in crate::api) fn write_prompt(&self, out: &mut Vec<u8>) {
        match self {
            Content::Text(prompt) | Content::Tokens(prompt) | Content::Messages(prompt) => {
                prompt.write_json(out)
            }
        }
    }

    /// Appends the content as an API writes it that has a list of messages: a text is one message of the user.
    pub(in crate::api) fn write_messages(&self, out: &mut Vec<u8>) {
        match self {
            Content::Messages(messages) => messages.write_json(out),
            Content::Text(prompt) | Content::Tokens(prompt) => {
                out.extend_from_slice(b"[{\"role\":\"user\",\"content\":");
                prompt.write_json(out);
                out.extend_from_slice(b"}]");
            }
        }
    }
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

/// Appends the beginning of a body, up to its model.
pub(in crate::api) fn write_model(out: &mut Vec<u8>, model: &str) {
    out.extend_from_slice(b"{\"model\":");
    write_string(out, model);
}

/// Appends the token limit and the `stream` flag as OpenAI's older APIs write them, and the end of the body. A stream
/// is asked to report its token counts at its end, unless its wording says otherwise.
pub(in crate::api) fn write_openai_end(out: &mut Vec<u8>, asked: &Generation) {
    let (max_tokens, stream) = (asked.max_tokens, asked.stream);
    let key = asked.wording.token_limit_key().name();
    write!(out, ",\"{key}\":{max_tokens},\"stream\":{stream}").expect(INFALLIBLE);
    if stream && asked.wording.asks_usage() {
        out.extend_from_slice(b",\"stream_options\":{\"include_usage\":true}");
    }
    out.push(b'}');
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
