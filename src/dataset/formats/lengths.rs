//! Traces that have lengths instead of prompts: vLLM's timed traces, guidellm's, Bailian's, Azure's, BurstGPT's.

use super::{TIME_MAX, seconds};
use crate::dataset::members::{Members, elements, kind_of};
use crate::dataset::read::{INPUT_TOKENS_MAX, OUTPUT_TOKENS_MAX, Sink};
use crate::dataset::row::{Blocks, Content, Ids, Row};
use crate::dataset::time_of_day;
use crate::error::{Reason, quoted};
use crate::units::SECOND;

/// Reads `{"timestamp": 12.4, "input_length": 42, "output_length": 8, "hash_ids": [981, 4412, 7]}`.
pub fn read_seconds(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let at = seconds(record, "timestamp")?;
    let at = record.required("timestamp", at)?;
    let Some(lengths) = lengths(record, ["input_length", "output_length"], to)? else {
        return Ok(());
    };
    push(record, lengths, Some(at), None, to)
}

/// Reads `{"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.3, "input_length": 40, "output_length": 12, "type":
/// "text", "turn": 1, "hash_ids": [1, 2, 3]}`. Chats that follow one another are a session, named by its first chat.
pub fn read_bailian(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["type", "turn"]);
    let at = seconds(record, "timestamp")?;
    let at = record.required("timestamp", at)?;
    let chat = record.count("chat_id", 0..=u64::MAX)?;
    let chat = record.required("chat_id", chat)?;
    let parent = match record.json("parent_chat_id") {
        None | Some("-1") => None,
        Some(_) => record.count("parent_chat_id", 0..=u64::MAX)?,
    };
    let root = match parent {
        // A trace may begin in the middle of a session.
        Some(parent) => to.chats.get(&parent).copied().unwrap_or(parent),
        None => chat,
    };
    to.chats.insert(chat, root);
    let Some(lengths) = lengths(record, ["input_length", "output_length"], to)? else {
        return Ok(());
    };
    push(record, lengths, Some(at), Some(&root.to_string()), to)
}

/// Reads `TIMESTAMP,ContextTokens,GeneratedTokens`, and `NumImages` of later traces.
pub fn read_azure(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    let stamp = record.text("TIMESTAMP")?;
    let stamp = record.required("TIMESTAMP", stamp)?;
    let at = time_of_day::parse(&stamp.plain).map_err(|reason| reason.within("`TIMESTAMP`"))?;
    if record.count("NumImages", 0..=u64::MAX)?.unwrap_or(0) > 0 {
        to.leave_out("images of rows, whose texts are sent");
    }
    let Some(lengths) = lengths(record, ["ContextTokens", "GeneratedTokens"], to)? else {
        return Ok(());
    };
    push(record, lengths, Some(at), None, to)
}

/// Reads `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, and `Session ID` and `Elapsed time` of
/// later files. Rows without an answer are requests that failed.
pub fn read_burstgpt(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["Total tokens", "Elapsed time", "Model", "Log Type"]);
    // Later files count from the beginning of the first.
    let at = record.time("Timestamp", SECOND, 100.0 * TIME_MAX)?;
    let at = record.required("Timestamp", at)?;
    let session = record.name("Session ID")?;
    let Some(lengths) = lengths(record, ["Request tokens", "Response tokens"], to)? else {
        return Ok(());
    };
    push(record, lengths, Some(at), session.as_deref(), to)
}

/// Returns the tokens of prompt and answer. A row without any of one of them cannot be sent, and is counted.
fn lengths(
    record: &Members<'_>,
    [input, output]: [&str; 2],
    to: &mut Sink<'_>,
) -> Result<Option<[u32; 2]>, Reason> {
    let prompt = record.count(input, 0..=INPUT_TOKENS_MAX)?;
    let prompt = record.required(input, prompt)?;
    let answer = record.count(output, 0..=OUTPUT_TOKENS_MAX)?;
    let answer = record.required(output, answer)?;
    match (prompt, answer) {
        (_, 0) => to.leave_out(&format!("rows without an answer (`{output}` is 0)")),
        (0, _) => to.leave_out(&format!("rows without a prompt (`{input}` is 0)")),
        // Both limits fit.
        _ => return Ok(Some([prompt as u32, answer as u32])),
    }
    record.rest();
    Ok(None)
}

fn push(
    record: &Members<'_>,
    [input_tokens, output_tokens]: [u32; 2],
    at: Option<i64>,
    session: Option<&str>,
    to: &mut Sink<'_>,
) -> Result<(), Reason> {
    let ids = hash_ids(record, input_tokens, to.block())?;
    let row = Row {
        session,
        ..Row::of(blocks(input_tokens, to.block(), &ids))
    };
    to.push(row, Some(output_tokens), at);
    Ok(())
}

/// Returns the content of a prompt with these blocks.
pub fn blocks(input_tokens: u32, block: u32, ids: &[u64]) -> Content<'_> {
    Content::Blocks(Blocks {
        input_tokens,
        block: block.max(1),
        ids: Ids::List(ids),
    })
}

/// Returns the ids of a prompt's blocks. There must not be more of them than its tokens fill.
pub fn hash_ids(record: &Members<'_>, input_tokens: u32, block: u32) -> Result<Vec<u64>, Reason> {
    let Some(json) = record.json("hash_ids").filter(|_| block > 0) else {
        return Ok(Vec::new());
    };
    let ids: Vec<u64> = match serde_json::from_str(json) {
        Ok(ids) => ids,
        Err(_) => slowly(json)?,
    };
    let most = input_tokens.div_ceil(block) as usize;
    if ids.len() > most {
        let what = format!(
            "has {} `hash_ids`, but {input_tokens} tokens fill only {most} blocks of {block}",
            ids.len()
        );
        return Err(Reason::new(what)
            .hint("if the trace has blocks of another length, say so: `block: N` in a document"));
    }
    Ok(ids)
}

/// Reads ids one by one, to say which one is wrong.
fn slowly(json: &str) -> Result<Vec<u64>, Reason> {
    let list = elements(json).map_err(|what| Reason::new(format!("`hash_ids` {what}")))?;
    let read = |(i, id): (usize, &str)| {
        id.parse().map_err(|_| {
            let what = match kind_of(id) {
                "a number" => format!("{} is no whole number from 0 to {}", quoted(id), u64::MAX),
                kind => format!("it is {kind}, not a number"),
            };
            Reason::new(format!("`hash_ids[{i}]`: {what}"))
        })
    };
    list.into_iter().enumerate().map(read).collect()
}
