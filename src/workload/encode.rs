//! The bytes of a request.

use super::prompts::push_words;
use super::types::{Call, Chat, Draw, Prompts, Target, Workload};
use crate::api::{Content, Generation, Prompt, write_string};
use crate::http1::Method;
use crate::http1::request::{self, Body};

enum Text<'a> {
    Given(&'a str),
    /// `prefix`, then the words made from `key`.
    Made {
        prefix: &'a str,
        key: u64,
        tokens: u32,
    },
}

impl Prompt for Text<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match *self {
            Text::Given(given) => write_string(out, given),
            Text::Made { prefix, key, tokens } => {
                write_string(out, prefix);
                // The words go before the closing quote.
                out.pop();
                if !prefix.is_empty() && !prefix.ends_with(char::is_whitespace) {
                    out.push(b' ');
                }
                push_words(out, key, tokens);
                out.push(b'"');
            }
        }
    }
}

/// Appends the whole request, head and body. `body` is scratch space that the caller keeps, so that it grows once.
pub fn encode_request(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    draw: &Draw,
) {
    body.clear();
    let (method, path) = match &workload.kinds[usize::from(draw.kind)].call {
        Call::Chat(Chat {
            stream,
            models,
            prompts,
            cache_prompt,
            wording,
            max_tokens: _,
        }) => {
            let prompt = match prompts {
                Prompts::List(texts) => Text::Given(&texts[draw.prompt as usize]),
                Prompts::Made { prefix, .. } => Text::Made {
                    prefix,
                    key: draw.prompt,
                    tokens: draw.prompt_tokens,
                },
            };
            let asked = Generation {
                model: &models[draw.model as usize],
                content: Content::Text(&prompt),
                max_tokens: draw.max_tokens,
                stream: *stream,
                cache_prompt: *cache_prompt,
                wording: wording.or(target.wording),
            };
            (target.api.row().write_body)(body, &asked);
            (Method::Post, &target.api_path)
        }
        Call::Light => (Method::Get, &target.light_paths[draw.prompt as usize]),
        Call::Get { path } => (Method::Get, target.named_paths.get(*path)),
    };
    let body = (!body.is_empty()).then_some(Body {
        bytes: body,
        content_type: "application/json",
    });
    let kind = &workload.kinds[usize::from(draw.kind)];
    if kind.headers.is_empty() {
        request::encode(out, method, path, &target.authority, &target.headers, body);
        return;
    }
    let headers = kind.headers_at(target);
    request::encode(out, method, path, &target.authority, &headers, body);
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
