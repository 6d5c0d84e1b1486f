//! The bytes of a request.

use super::content::Spelled;
use super::dialogue::{AsMessages, AsText, Dialogue, Turn};
use super::rows::{Rows, write_row};
use super::types::{Call, Chat, Draw, Prompts, Target, Workload};
use crate::api::{Content, ContentKind, Generation};
use crate::http1::Method;
use crate::http1::request::{self, Body};
use crate::metrics::RequestId;

/// Appends the whole request, head and body. `body` is scratch space that the caller keeps, so that it grows once.
pub fn encode_request(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    draw: &Draw,
) {
    encode_turn(out, body, target, workload, (draw, None), None);
}

/// The id that a request carries in a header.
#[derive(Clone, Copy, Debug)]
pub struct SentId<'a> {
    /// Name of the header.
    pub header: &'a str,
    /// What makes the id unique among all runs and passes.
    pub prefix: &'a str,
    pub id: RequestId,
}

/// Does the same for a turn of a conversation, which also sends what was said before, and for a request with an id.
pub fn encode_turn(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    (draw, turn): (&Draw, Option<&Turn<'_>>),
    id: Option<&SentId<'_>>,
) {
    body.clear();
    let mut headers_of_row = Vec::new();
    let (method, path) = match &workload.kinds[usize::from(draw.kind)].call {
        Call::Chat(chat) => {
            headers_of_row = write_chat(body, target, workload, chat, (draw, turn));
            // The details give the request's id, and a row may be sent more than once.
            headers_of_row.retain(|(name, _)| id.is_none_or(|sent| !name.eq_ignore_ascii_case(sent.header)));
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
    let write_id = |out: &mut Vec<u8>| {
        if let Some(sent) = id {
            out.extend_from_slice(sent.prefix.as_bytes());
            sent.id.append(out);
        }
    };
    let id = id.map(|sent| (sent.header, &write_id as &dyn Fn(&mut Vec<u8>)));
    let kind = &workload.kinds[usize::from(draw.kind)];
    let affinity = turn.and_then(|turn| turn.affinity(workload));
    if kind.headers.is_empty() && affinity.is_none() && headers_of_row.is_empty() {
        let headers = (target.headers.as_slice(), id);
        request::encode_with(out, method, path, &target.authority, headers, body);
        return;
    }
    let mut headers = over(kind.headers_at(target), headers_of_row);
    if let Some((name, value)) = affinity {
        headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        headers.push((name, value));
    }
    request::encode_with(out, method, path, &target.authority, (&headers, id), body);
}

/// Appends the body of a request for text. Returns the headers that it has of its own.
fn write_chat(
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    chat: &Chat,
    (draw, turn): (&Draw, Option<&Turn<'_>>),
) -> Vec<(String, String)> {
    let row = target.api.row();
    let asked = |content| Generation {
        model: &chat.models[draw.model as usize],
        content,
        documents: None,
        max_tokens: draw.max_tokens,
        stream: chat.stream && row.streams(),
        cache_prompt: chat.cache_prompt,
        wording: chat.wording.or(target.wording),
        system: chat.settings.system().map(|system| system.text.as_ref()),
        members: chat.settings.members(target.api),
    };
    if let Prompts::Rows(rows) = &chat.prompts {
        return encode_row(body, rows, draw.prompt, target, asked(Content::Text(&"")));
    }
    let (Some(turn), Some(conversation)) = (turn, chat.conversation.as_deref()) else {
        let prompt = Spelled::of(&chat.prompts, draw);
        (row.write_body)(body, &asked(prompt.content()));
        return Vec::new();
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
    Vec::new()
}

/// Appends the body of the request for a row, and returns the row's headers.
fn encode_row(
    body: &mut Vec<u8>,
    rows: &Rows,
    index: u64,
    target: &Target,
    asked: Generation<'_>,
) -> Vec<(String, String)> {
    // The file is this process's own, and no name leads to it.
    let bytes = rows
        .dataset
        .bytes(index)
        .expect("the rows of a dataset can be read back");
    let row = bytes.row();
    write_row(body, rows, (index, &row), asked, target.api);
    row.headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Adds headers in place of those of the same name.
fn over(mut headers: Vec<(String, String)>, more: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    headers.extend(more);
    headers
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
