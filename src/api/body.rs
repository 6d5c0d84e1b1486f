//! What a request asks for, before an API puts it into its own words, and the JSON that all of them share.

use std::io::Write;

/// Why writes into a body cannot fail: `Vec<u8>` takes any bytes, and a string is always valid JSON text.
pub(in crate::api) const INFALLIBLE: &str = "writing JSON into memory does not fail";

/// A request for generated text.
#[derive(Clone, Copy)]
pub struct Generation<'a> {
    pub model: &'a str,
    pub prompt: &'a dyn Prompt,
    pub max_tokens: u32,
    pub stream: bool,
    /// The server may answer from its prompt cache. Only llama.cpp's own API is told: the others may refuse a member
    /// that they do not know.
    pub cache_prompt: bool,
}

/// A prompt that writes itself, so that APIs do not know where prompts come from and no copy is made of a long one.
pub trait Prompt {
    /// Appends the JSON value that stands for it.
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

/// Appends how much OpenAI's older APIs are to generate and whether they are to stream, and the end of the body. A
/// stream is asked to report its token counts at its end.
pub(in crate::api) fn write_openai_end(out: &mut Vec<u8>, asked: &Generation) {
    let (max_tokens, stream) = (asked.max_tokens, asked.stream);
    write!(out, ",\"max_tokens\":{max_tokens},\"stream\":{stream}").expect(INFALLIBLE);
    if stream {
        out.extend_from_slice(b",\"stream_options\":{\"include_usage\":true}");
    }
    out.push(b'}');
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
