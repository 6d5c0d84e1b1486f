//! The bytes of a request.

use super::batch::Batch;
use super::bust::{Marked, Marker};
use super::content::{Counted, Spelled};
use super::dialogue::{AsMessages, AsText, Dialogue, Turn};
use super::row_dialogue::RowDialogue;
use super::rows::{write_row, write_turn, write_words};
use super::types::{Call, Chat, Draw, Prompts, Target, Workload, replace};
use crate::api::{Api, Content, ContentKind, Generation, Prompt, Setting, Texts};
use crate::dataset::{self, Row, RowBytes};
use crate::http1::Method;
use crate::http1::request::{self, Body};
use crate::metrics::RequestId;
use std::num::NonZeroU32;

/// The id that a request carries in a header.
#[derive(Clone, Copy, Debug)]
pub struct SentId<'a> {
    /// Name of the header.
    pub header: &'a str,
    /// What makes the id unique among all runs and passes.
    pub prefix: &'a str,
    pub id: RequestId,
}

/// Returns the body of a request, as [`encode_request`] appends it.
pub fn body_of(target: &Target, workload: &Workload, draw: &Draw) -> Vec<u8> {
    let mut body = Vec::new();
    encode_request(&mut Vec::new(), &mut body, target, workload, (draw, None), None);
    body
}

/// Returns the text that a draw of counted words makes, and the tokens that are asked for; `None` if it makes none.
pub fn made_text(chat: &Chat, draw: &Draw) -> Option<(String, u32)> {
    let mut json = Vec::new();
    let marker = Marker::of_content(chat, draw);
    let asked = match &chat.prompts {
        Prompts::Rows(rows) => {
            let bytes = rows.dataset.bytes(draw.prompt).ok()?;
            let row = (draw.prompt, &bytes.row(), chat.costs(draw));
            write_words(&mut json, rows, row, marker)?
        }
        prompts if prompts.are_words() => {
            Spelled::of(prompts, draw, Counted::whole(chat.costs(draw))).write_json(&mut json);
            if let Some(marker) = marker.filter(|_| prompts.begin_with_text()) {
                marker.mark(&mut json, 0);
            }
            draw.prompt_tokens
        }
        _ => return None,
    };
    Some((serde_json::from_slice(&json).ok()?, asked))
}

/// Appends the whole request, head and body. A turn of a conversation also sends what was said before. `body` is
/// scratch space that the caller keeps, so that it grows once. Returns the number of answers that the request asks for.
pub fn encode_request(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    (draw, turn): (&Draw, Option<&Turn<'_>>),
    id: Option<&SentId<'_>>,
) -> u32 {
    body.clear();
    let kind = &workload.kinds[usize::from(draw.kind)];
    let bytes = row_bytes(&kind.call, draw);
    let mut row = bytes.as_ref().map(RowBytes::row);
    let (method, path) = match &kind.call {
        Call::Chat(chat) => {
            write_chat(body, target, workload, chat, (draw, turn, row.as_ref()));
            let path = match chat.stream && target.api.row().streams() {
                true => &target.stream_path,
                false => &target.api_path,
            };
            (Method::Post, path)
        }
        Call::Light => (Method::Get, &target.light_paths[draw.prompt as usize]),
        Call::Get { path } => (Method::Get, target.named_paths.get(*path)),
    };
    if let (Some(row), Some(sent)) = (&mut row, id) {
        // The details give the request's id, and a row may be sent more than once.
        row.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case(sent.header));
    }
    let headers_of_row = row.map_or(Vec::new(), |row| row.headers);
    let answers = kind.call.chat().map_or(1, |chat| answers(chat, target, body));
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
    let affinity = turn.and_then(|turn| turn.affinity(workload));
    if kind.headers.is_empty() && affinity.is_none() && headers_of_row.is_empty() {
        let headers = (target.headers.as_slice(), id);
        request::encode_with(out, method, path, &target.authority, headers, body);
        return answers;
    }
    let mut headers = kind.headers_at(target);
    replace(&mut headers, headers_of_row.into_iter());
    replace(&mut headers, affinity.into_iter());
    request::encode_with(out, method, path, &target.authority, (&headers, id), body);
    answers
}

/// Returns the number of answers that a body asks for.
fn answers(chat: &Chat, target: &Target, body: &[u8]) -> u32 {
    // A row may have it among its own members. The quotes within texts are escaped, so they are no members.
    let is_of_row =
        matches!(chat.prompts, Prompts::Rows(_)) && memchr::memmem::find(body, b"\"n\"").is_some();
    match target.api.row().word_for(Setting::N) {
        Some(word) if is_of_row => {
            let members = std::str::from_utf8(body).map(dataset::members_of);
            let members = members.ok().and_then(Result::ok).unwrap_or_default();
            let found = members.iter().find(|(key, _)| key == word);
            found.and_then(|(_, json)| json.parse().ok()).unwrap_or(1)
        }
        _ => chat.settings.answers(target.api),
    }
}

/// Returns the row of a dataset that a draw has, if it has one.
fn row_bytes<'w>(call: &'w Call, draw: &Draw) -> Option<RowBytes<'w>> {
    let Call::Chat(Chat {
        prompts: Prompts::Rows(rows),
        ..
    }) = call
    else {
        return None;
    };
    Some(rows.packed(draw.prompt))
}

/// Appends the body of a request for text. `of_dataset` is the row of its draw, where prompts are rows of a dataset.
fn write_chat(
    body: &mut Vec<u8>,
    target: &Target,
    workload: &Workload,
    chat: &Chat,
    (draw, turn, of_dataset): (&Draw, Option<&Turn<'_>>, Option<&Row<'_>>),
) {
    let row = target.api.row();
    let system = chat.settings.system().map(|system| system.text.as_ref());
    let marked = system.zip(Marker::of(chat, draw));
    let marked = marked.map(|(system, marker)| marker.before(system));
    let marker = Marker::of_content(chat, draw);
    let asked = |content| Generation {
        model: &chat.models[draw.model as usize],
        content,
        documents: None,
        max_tokens: draw.max_tokens,
        stream: chat.stream && row.streams(),
        cache_prompt: chat.caches_prompt(),
        wording: chat.wording.or(target.wording),
        system: marked.as_deref().or(system),
        members: chat.settings.members(target.api),
    };
    let of_session = turn.zip(chat.conversation.as_deref());
    if let (Prompts::Rows(rows), Some(found)) = (&chat.prompts, of_dataset) {
        let costs = chat.costs(draw);
        let asked = asked(Content::Text(&""));
        return match of_session {
            Some((turn, conversation)) => {
                let dialogue = RowDialogue {
                    rows,
                    conversation,
                    turn: *turn,
                    costs,
                    marker,
                };
                write_turn(body, dialogue, (draw.prompt, found), asked, target.api);
            }
            None => write_row(
                body,
                rows,
                (draw.prompt, found, costs),
                marker,
                (asked, target.api),
            ),
        };
    }
    let Some((turn, conversation)) = of_session else {
        write_single(body, chat, draw, marker, (asked(Content::Text(&"")), target.api));
        return;
    };
    let dialogue = Dialogue {
        workload,
        chat,
        conversation,
        turn: *turn,
        now: draw,
        marker,
    };
    match row.carries.contains(&ContentKind::Messages) {
        true => (row.write_body)(body, &asked(Content::Messages(&AsMessages(dialogue)))),
        false => (row.write_body)(body, &asked(Content::Text(&AsText(dialogue)))),
    }
}

/// Appends the body of a request that belongs to no session and has no row of a dataset. `asked` has everything but the
/// content.
fn write_single<'a>(
    body: &mut Vec<u8>,
    chat: &'a Chat,
    draw: &'a Draw,
    marker: Option<Marker<'a>>,
    (asked, api): (Generation<'_>, Api),
) {
    let row = api.row();
    let prompt = Spelled::of(&chat.prompts, draw, Counted::whole(chat.costs(draw)));
    let batch = |numbers| Batch { chat, draw, numbers };
    let mut write = |content: Content<'_>, documents: Option<&dyn Prompt>| {
        (row.write_body)(
            body,
            &Generation {
                content,
                documents,
                ..asked
            },
        );
    };
    match (row.texts, chat.batch_size.map(NonZeroU32::get)) {
        (Texts::Many, Some(texts @ 2..)) => write(Content::Text(&batch(0..texts)), None),
        (Texts::OneAndMany, Some(texts)) => write(prompt.content(), Some(&batch(1..texts + 1))),
        _ => match marker.filter(|_| chat.prompts.begin_with_text()) {
            Some(marker) => write(
                Content::Text(&Marked {
                    prompt: &prompt,
                    marker,
                }),
                None,
            ),
            None => write(prompt.content(), None),
        },
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
