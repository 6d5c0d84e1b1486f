//! The bytes of a request.

use super::dialogue::{AsMessages, AsText, Dialogue, Turn};
use super::prompts::push_words;
use super::types::{Call, Chat, Draw, Prompts, Target, Workload};
use crate::api::{Content, ContentKind, Generation, Prompt, write_string};
use crate::http1::Method;
use crate::http1::request::{self, Body};

pub(super) enum Text<'a> {
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

/// Returns the prompt of a request.
pub(super) fn prompt_of<'a>(chat: &'a Chat, draw: &Draw) -> Text<'a> {
    match &chat.prompts {
        Prompts::List(texts) => Text::Given(&texts[draw.prompt as usize]),
        Prompts::Made { prefix, .. } => Text::Made {
            prefix,
            key: draw.prompt,
            tokens: draw.prompt_tokens,
        },
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
    encode_turn(out, body, target, workload, (draw, None));
}

/// Does the same for a turn of a conversation, which also sends what was said before.
pub fn encode_turn(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    (draw, turn): (&Draw, Option<&Turn<'_>>),
) {
    body.clear();
    let (method, path) = match &workload.kinds[usize::from(draw.kind)].call {
        Call::Chat(chat) => {
            write_chat(body, target, workload, chat, (draw, turn));
            let path = match chat.stream && target.api.row().streams() {
                true => &target.stream_path,
                false => &target.api_path,
            };
            (Method::Post, path)
        }
        Call::Light => (Method::Get, &target.light_paths[draw.prompt as usize]),
        Call::Get { path } => (Method::Get, target.named_paths.get(*path)),
    };
    let body = (!body.is_empty()).then_some(Body {
        bytes: body,
        content_type: "application/json",
    });
    let kind = &workload.kinds[usize::from(draw.kind)];
    let affinity = turn.and_then(|turn| turn.affinity(workload));
    if kind.headers.is_empty() && affinity.is_none() {
        request::encode(out, method, path, &target.authority, &target.headers, body);
        return;
    }
    let mut headers = kind.headers_at(target);
    if let Some((name, value)) = affinity {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, value));
    }
    request::encode(out, method, path, &target.authority, &headers, body);
}

/// Appends the body of a request for text.
fn write_chat(
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    chat: &Chat,
    (draw, turn): (&Draw, Option<&Turn<'_>>),
) {
    let row = target.api.row();
    let asked = |content| Generation {
        model: &chat.models[draw.model as usize],
        content,
        documents: None,
        max_tokens: draw.max_tokens,
        stream: chat.stream && row.streams(),
        cache_prompt: chat.cache_prompt,
        wording: chat.wording.or(target.wording),
    };
    let (Some(turn), Some(conversation)) = (turn, chat.conversation.as_deref()) else {
        let prompt = prompt_of(chat, draw);
        return (row.write_body)(body, &asked(Content::Text(&prompt)));
    };
    let dialogue = Dialogue {
        workload,
        chat,
        conversation,
        turn: *turn,
        now: draw,
    };
    match row.carries.contains(&ContentKind::Messages) {
        true => (row.write_body)(body, &asked(Content::Messages(&AsMessages(dialogue)))),
        false => (row.write_body)(body, &asked(Content::Text(&AsText(dialogue)))),
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
