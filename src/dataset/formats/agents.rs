//! Traces of agents: Weka's sessions with subagents, and SGLang's conversations.

use super::lengths::{blocks, hash_ids};
use super::{messages, millis, output_tokens};
use crate::dataset::members::{Members, elements};
use crate::dataset::read::{INPUT_TOKENS_MAX, OUTPUT_TOKENS_MAX, Sink};
use crate::dataset::row::{Content, Row};
use crate::error::{Reason, quoted};
use crate::units::{Nanos, fnv};

/// The deepest that subagents may have subagents.
const DEPTH_MAX: usize = 8;

/// What the requests of an agent, and those of its subagents, have in common.
#[derive(Clone, Copy)]
struct Scope {
    /// What an id of a block is mixed with: ids may mean the same in all sessions, or only in their own.
    ids: u64,
    block: u32,
    depth: usize,
}

/// Reads `{"id": "x", "block_size": 64, "hash_id_scope": "local", "requests": [{"t": 0.0, "type": "s", "in": 3100,
/// "out": 140, "hash_ids": [1, 2], "api_time": 4.1}, {"t": 9.8, "type": "subagent", "agent_id": "g1", "duration_ms":
/// 8000, "requests": [...]}]}`. Each agent is a session whose rows follow one another after the time that its tools
/// took.
pub fn read_weka(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["models", "tool_tokens", "system_tokens", "totals"]);
    let id = record.name("id")?;
    let id = record.required("id", id)?;
    let block = record.count("block_size", 1..=INPUT_TOKENS_MAX)?;
    let ids = match record.text("hash_id_scope")?.as_ref().map(|scope| &*scope.plain) {
        None | Some("local") => fnv(id.as_bytes()),
        Some("global") => 0,
        Some(other) => {
            let what = format!(
                "`hash_id_scope`: {} is neither `local` nor `global`",
                quoted(other)
            );
            return Err(Reason::new(what));
        }
    };
    let scope = Scope {
        ids,
        // The limit fits.
        block: to
            .options
            .block
            .or(block.map(|block| block as u32))
            .unwrap_or(to.block()),
        depth: 0,
    };
    read_agent(record, &id, scope, None, to)
}

/// Reads the requests of an agent. One that another agent started has the instants at which what came before it there
/// had ended, and at which it was started.
fn read_agent(
    agent: &Members<'_>,
    session: &str,
    scope: Scope,
    started: Option<(Nanos, Nanos)>,
    to: &mut Sink<'_>,
) -> Result<(), Reason> {
    let requests = agent.list("requests")?;
    let (_, requests) = agent.required("requests", requests)?;
    // When what came before had ended, in the session's time.
    let (mut ended, mut is_first) = (None::<Nanos>, true);
    for (i, request) in requests.into_iter().enumerate() {
        let place = |reason: Reason| reason.about(format!("`requests[{i}]`"));
        let request = Members::read(request).map_err(place)?;
        let at = seconds(&request, "t")
            .and_then(|at| request.required("t", at))
            .map_err(place)?;
        let kind = request.text("type").map_err(place)?;
        let end = match kind.as_ref().map(|kind| &*kind.plain) {
            Some("subagent") => read_subagent(&request, session, (scope, ended, at), to).map_err(place)?,
            Some("n" | "s") | None => {
                let delay = match (is_first, ended) {
                    (true, _) => started.map(|(before, start)| at.max(start).saturating_sub(before)),
                    (false, Some(ended)) => Some(at.saturating_sub(ended)),
                    (false, None) => seconds(&request, "think_time").map_err(place)?,
                };
                is_first = false;
                read_request(&request, session, (scope, at, delay), to).map_err(place)?
            }
            Some(other) => {
                let what = format!("`type`: {} is none of `n`, `s`, `subagent`", quoted(other));
                return Err(place(Reason::new(what)));
            }
        };
        ended = ended.max(end);
    }
    Ok(())
}

/// Returns a time in seconds since the beginning of the session, or how long something took.
fn seconds(record: &Members<'_>, key: &str) -> Result<Option<Nanos>, Reason> {
    Ok(super::seconds(record, key)?.map(i64::unsigned_abs))
}

/// Reads one request, and returns when it had ended.
fn read_request(
    request: &Members<'_>,
    session: &str,
    (scope, at, delay): (Scope, Nanos, Option<Nanos>),
    to: &mut Sink<'_>,
) -> Result<Option<Nanos>, Reason> {
    request.ignore(&[
        "model",
        "input_types",
        "output_types",
        "stop",
        "think_time",
        "ttft",
    ]);
    let took = seconds(request, "api_time")?;
    let ended = took.map(|took| at.saturating_add(took));
    let input = request.count("in", 0..=INPUT_TOKENS_MAX)?;
    // Both limits fit.
    let input = request.required("in", input)? as u32;
    let output = request.count("out", 0..=OUTPUT_TOKENS_MAX)?;
    let output = request.required("out", output)? as u32;
    let mut ids = hash_ids(request, input, scope.block)?;
    ids.iter_mut().for_each(|id| *id ^= scope.ids);
    if input == 0 || output == 0 {
        to.leave_out("requests without a prompt or an answer (`in` or `out` is 0)");
        return Ok(ended);
    }
    let row = Row {
        delay,
        session: Some(session),
        ..Row::of(blocks(input, scope.block, &ids))
    };
    to.push(row, Some(output), None);
    Ok(ended)
}

/// Reads the requests of a subagent, and returns when it had ended.
fn read_subagent(
    subagent: &Members<'_>,
    session: &str,
    (scope, ended, at): (Scope, Option<Nanos>, Nanos),
    to: &mut Sink<'_>,
) -> Result<Option<Nanos>, Reason> {
    subagent.ignore(&["subagent_type", "total_tokens", "tool_use_count", "status"]);
    subagent.ignore(&["models", "tool_tokens", "system_tokens"]);
    if scope.depth >= DEPTH_MAX {
        return Err(Reason::new(format!("is a subagent more than {DEPTH_MAX} deep")));
    }
    let name = subagent.name("agent_id")?;
    let name = subagent.required("agent_id", name)?;
    let took = millis(subagent, "duration_ms")?.map(i64::unsigned_abs);
    let inner = Scope {
        depth: scope.depth + 1,
        ..scope
    };
    to.leave_out("subagents, whose requests are sent as sessions of their own");
    let started = ended.map(|ended| (ended, at));
    read_agent(subagent, &format!("{session}/{name}"), inner, started, to)?;
    Ok(took.map(|took| at.saturating_add(took)))
}

/// Reads `{"metadata": {}, "conversations": [[{"messages": [...], "prompt_tokens": 900}]]}`: conversations of turns,
/// each with the messages that are new.
pub fn read_agentic(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["metadata"]);
    let conversations = record.list("conversations")?;
    let (_, conversations) = record.required("conversations", conversations)?;
    for (i, conversation) in conversations.into_iter().enumerate() {
        let place = |reason: Reason| reason.about(format!("`conversations[{i}]`"));
        let turns = elements(conversation).map_err(|what| place(Reason::new(what)))?;
        read_conversation(&turns, to).map_err(place)?;
    }
    Ok(())
}

fn read_conversation(turns: &[&str], to: &mut Sink<'_>) -> Result<(), Reason> {
    let session = to.own_session();
    for (i, turn) in turns.iter().enumerate() {
        let place = |reason: Reason| reason.about(format!("turn {i}"));
        let turn = Members::read(turn).map_err(place)?;
        turn.ignore(&["prompt_tokens"]);
        let list = messages(&turn, "messages").map_err(place)?;
        let list = turn.required("messages", list).map_err(place)?;
        let output = output_tokens(&turn, &["output_tokens", "completion_tokens"]).map_err(place)?;
        let row = Row {
            session: Some(&session),
            is_delta: true,
            ..Row::of(Content::Messages(list))
        };
        to.push(row, output, None);
    }
    Ok(())
}
