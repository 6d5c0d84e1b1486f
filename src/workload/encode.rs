//! The bytes of a request.

use std::io::Write;

use super::prompts::push_words;
use super::types::{Api, Call, Draw, Prompts, Target, Workload};
use crate::http1::Method;
use crate::http1::request::{self, Body};

/// Why writes here cannot fail: `Vec<u8>` takes any bytes, and a string is always valid JSON text.
const INFALLIBLE: &str = "writing JSON into memory does not fail";

/// Appends the JSON body of a request for text in an API's words; of chat completions with one user message.
/// A stream is asked to report its token counts in the end.
pub fn encode_question(
    out: &mut Vec<u8>,
    api: Api,
    model: &str,
    prompt: &str,
    max_tokens: u32,
    stream: bool,
) {
    let body = Generate {
        model,
        prompt: Text::Given(prompt),
        max_tokens,
        stream,
        cache_prompt: false,
    };
    encode_body(out, api, &body);
}

/// A request for generated text, before it is put into an API's words.
struct Generate<'a> {
    model: &'a str,
    prompt: Text<'a>,
    max_tokens: u32,
    stream: bool,
    cache_prompt: bool,
}

enum Text<'a> {
    Given(&'a str),
    /// `prefix`, then the words of `key`.
    Made {
        prefix: &'a str,
        key: u64,
        min_tokens: u32,
    },
}

/// `cache_prompt` goes to llama.cpp's own API only: others may refuse a key that they do not know.
fn encode_body(out: &mut Vec<u8>, api: Api, body: &Generate) {
    out.extend_from_slice(b"{\"model\":");
    string(out, body.model);
    match api {
        Api::Chat => out.extend_from_slice(b",\"messages\":[{\"role\":\"user\",\"content\":"),
        Api::Completions | Api::LlamaCpp => out.extend_from_slice(b",\"prompt\":"),
    }
    text(out, &body.prompt);
    let limit = match api {
        Api::Chat => "}],\"max_tokens\"",
        Api::Completions => ",\"max_tokens\"",
        Api::LlamaCpp => ",\"n_predict\"",
    };
    let (max_tokens, stream) = (body.max_tokens, body.stream);
    write!(out, "{limit}:{max_tokens},\"stream\":{stream}").expect(INFALLIBLE);
    match api {
        Api::LlamaCpp => write!(out, ",\"cache_prompt\":{}", body.cache_prompt).expect(INFALLIBLE),
        Api::Chat | Api::Completions if stream => {
            out.extend_from_slice(b",\"stream_options\":{\"include_usage\":true}");
        }
        Api::Chat | Api::Completions => {}
    }
    out.push(b'}');
}

fn text(out: &mut Vec<u8>, prompt: &Text) {
    match *prompt {
        Text::Given(given) => string(out, given),
        Text::Made {
            prefix,
            key,
            min_tokens,
        } => {
            string(out, prefix);
            // The words come before the closing quote.
            out.pop();
            if !prefix.is_empty() && !prefix.ends_with(char::is_whitespace) {
                out.push(b' ');
            }
            push_words(out, key, min_tokens);
            out.push(b'"');
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect(INFALLIBLE);
}

/// Appends the whole request, head and body. `body` is scratch space, kept by the caller so that it grows once.
pub fn encode_request(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    draw: &Draw,
) {
    body.clear();
    let (method, path) = match &workload.kinds[usize::from(draw.kind)].call {
        Call::Chat {
            stream,
            models,
            prompts,
            cache_prompt,
            max_tokens: _,
        } => {
            let prompt = match prompts {
                Prompts::List(texts) => Text::Given(&texts[draw.prompt as usize]),
                Prompts::Made { prefix, min_tokens } => Text::Made {
                    prefix,
                    key: draw.prompt,
                    min_tokens: *min_tokens,
                },
            };
            let generate = Generate {
                model: &models[draw.model as usize],
                prompt,
                max_tokens: draw.max_tokens,
                stream: *stream,
                cache_prompt: *cache_prompt,
            };
            encode_body(body, target.api, &generate);
            (Method::Post, &target.chat_path)
        }
        Call::Light => (Method::Get, &target.light_paths[draw.prompt as usize]),
        Call::Get { path } => (Method::Get, target.named_paths.of(*path)),
    };
    let body = (!body.is_empty()).then_some(Body {
        bytes: body,
        content_type: "application/json",
    });
    request::encode(out, method, path, &target.authority, &target.headers, body);
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
