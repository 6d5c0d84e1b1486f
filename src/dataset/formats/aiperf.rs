//! AIPerf's formats: single turns, conversations, and Mooncake's traces with what AIPerf adds to them.

use super::lengths::{blocks, hash_ids};
use super::raw::LIMITS;
use super::{messages, millis, output_tokens, texts, tools};
use crate::dataset::members::Members;
use crate::dataset::read::{INPUT_TOKENS_MAX, Sink};
use crate::dataset::row::{Content, Row};
use crate::error::{Reason, quoted};
use crate::units::Nanos;

const MEDIA: [&str; 6] = ["image", "images", "audio", "audios", "video", "videos"];

/// When a row is due, and how long after the row before it.
struct When {
    at: Option<i64>,
    delay: Option<Nanos>,
}

/// Reads `timestamp` or `delay`, in milliseconds.
fn when(record: &Members<'_>) -> Result<When, Reason> {
    let (at, delay) = (millis(record, "timestamp")?, millis(record, "delay")?);
    if at.is_some() && delay.is_some() {
        return Err(Reason::new("has both `timestamp` and `delay`")
            .hint("a turn is due at an instant or after a delay"));
    }
    Ok(When {
        at,
        delay: delay.map(i64::unsigned_abs),
    })
}

/// Reads `{"text": "...", "timestamp": 0, "session_id": "...", "output_length": 32}`.
pub fn read_single_turn(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let session = record.name("session_id")?;
    read_turn(record, session.as_deref(), to)
}

/// Reads `{"session_id": "...", "turns": [{"text": "...", "output_length": 32}, {"text": "...", "delay": 800}]}`.
pub fn read_multi_turn(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let session = match record.name("session_id")? {
        Some(name) => name.into_owned(),
        None => to.own_session(),
    };
    let turns = record.list("turns")?;
    let (_, turns) = record.required("turns", turns)?;
    if turns.is_empty() {
        return Err(Reason::new("`turns` is empty"));
    }
    for (i, turn) in turns.into_iter().enumerate() {
        // AIPerf also takes a text alone for a turn.
        let whole;
        let turn = match turn.starts_with('"') {
            true => {
                whole = super::object(&[("text", turn)]);
                whole.as_str()
            }
            false => turn,
        };
        let place = |reason: Reason| reason.about(format!("`turns[{i}]`"));
        let turn = Members::read(turn).map_err(place)?;
        read_turn(&turn, Some(&session), to).map_err(place)?;
    }
    Ok(())
}

fn read_turn(turn: &Members<'_>, session: Option<&str>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let When { at, delay } = when(turn)?;
    let output = output_tokens(turn, &["output_length"])?;
    let extra = extra(turn, to)?;
    let role = turn.text("role")?;
    for key in MEDIA {
        if turn.has(key) {
            to.leave_out(&format!("`{key}` of turns, whose texts are sent"));
        }
    }
    let texts = match (turn.text("text")?, turn.json("texts")) {
        (Some(_), Some(_)) => return Err(Reason::new("has both `text` and `texts`")),
        (Some(text), None) => vec![text.json],
        (None, Some(list)) => texts(list, "texts")?,
        (None, None) if turn.first_of(&MEDIA).is_some() => {
            to.leave_out("turns without a text");
            return Ok(());
        }
        (None, None) => return turn.required("text", None),
    };
    let role = role.filter(|role| role.plain != "user");
    let message = match (texts.as_slice(), &role) {
        ([], _) => return Err(Reason::new("`texts` is empty")),
        ([_], None) => None,
        ([only], Some(role)) => Some(message(role.json, only)),
        (several, role) => {
            let parts: Vec<String> = several
                .iter()
                .map(|text| format!("{{\"type\":\"text\",\"text\":{text}}}"))
                .collect();
            let role = role.as_ref().map_or("\"user\"", |role| role.json);
            Some(message(role, &format!("[{}]", parts.join(","))))
        }
    };
    let content = match &message {
        Some(messages) => Content::Messages(messages),
        None => Content::Text(texts[0]),
    };
    let row = Row {
        delay,
        session,
        is_delta: session.is_some(),
        extra,
        ..Row::of(content)
    };
    to.push(row, output, at);
    Ok(())
}

/// Returns further members of the body.
fn extra<'a>(record: &Members<'a>, to: &mut Sink<'_>) -> Result<Option<&'a str>, Reason> {
    let Some((json, members)) = record.object("extra")? else {
        return Ok(None);
    };
    if members.has("stream") {
        to.leave_out("`stream` in `extra`, which the kind of request says");
    }
    Ok(Some(json))
}

/// Returns a list of one chat message.
fn message(role: &str, content: &str) -> String {
    format!("[{{\"role\":{role},\"content\":{content}}}]")
}

/// Reads `{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]}`, or `text_input`,
/// `messages` or `payload` in place of `input_length`.
pub fn read_mooncake(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    const CONTENTS: [&str; 4] = ["input_length", "text_input", "messages", "payload"];
    let given: Vec<&str> = CONTENTS.into_iter().filter(|key| record.has(key)).collect();
    let [key] = given[..] else {
        let list = CONTENTS.map(|key| format!("`{key}`")).join(", ");
        let what = match given.is_empty() {
            true => format!("has none of {list}"),
            false => format!("has {} of {list}", given.len()),
        };
        return Err(Reason::new(what).hint("a row has exactly one of them"));
    };
    let When { at, delay } = when(record)?;
    let session = record.name("session_id")?;
    if key != "input_length" && record.has("hash_ids") {
        return Err(Reason::new(format!("has `hash_ids` with `{key}`")).hint("they belong to `input_length`"));
    }
    if key != "messages" && record.has("tools") {
        return Err(Reason::new(format!("has `tools` with `{key}`")).hint("they belong to `messages`"));
    }
    let is_delta = match record.text("message_mode")?.as_ref().map(|mode| &*mode.plain) {
        Some("delta") => true,
        Some("history") => false,
        None => session.is_some() && key == "text_input",
        Some(other) => {
            let what = format!(
                "`message_mode`: {} is neither `history` nor `delta`",
                quoted(other)
            );
            return Err(Reason::new(what));
        }
    };
    let (output, zero) = match record.json("output_length") {
        Some("0") => (None, true),
        _ => (output_tokens(record, &["output_length"])?, false),
    };
    if zero {
        to.leave_out("rows without an answer (`output_length` is 0)");
        record.rest();
        return Ok(());
    }
    let row = Row {
        delay,
        session: session.as_deref(),
        is_delta,
        tools: tools(record)?,
        extra: extra(record, to)?,
        ..Row::of(Content::Text("\"\""))
    };
    push_content(record, key, (row, output, at), to)
}

fn push_content(
    record: &Members<'_>,
    key: &str,
    (row, output, at): (Row<'_>, Option<u32>, Option<i64>),
    to: &mut Sink<'_>,
) -> Result<(), Reason> {
    match key {
        "input_length" => {
            let tokens = record.count(key, 0..=INPUT_TOKENS_MAX)?.unwrap_or(0) as u32;
            if tokens == 0 {
                to.leave_out("rows without a prompt (`input_length` is 0)");
                record.rest();
                return Ok(());
            }
            let ids = hash_ids(record, tokens, to.block())?;
            let content = blocks(tokens, to.block(), &ids);
            to.push(Row { content, ..row }, output, at);
        }
        "messages" => {
            let list = messages(record, key)?;
            let content = Content::Messages(record.required(key, list)?);
            to.push(Row { content, ..row }, output, at);
        }
        "payload" => {
            let payload = record.object(key)?;
            let (json, body) = record.required(key, payload)?;
            let output = output.or(output_tokens(&body, &LIMITS)?);
            let content = Content::Payload(json);
            to.push(Row { content, ..row }, output, at);
        }
        _ => {
            let text = record.text(key)?;
            let content = Content::Text(record.required(key, text)?.json);
            to.push(Row { content, ..row }, output, at);
        }
    }
    Ok(())
}
