//! Traces of agents: Weka's sessions with subagents, and SGLang's conversations.

use super::lengths::{blocks, hash_ids};
use super::{messages, millis, output_tokens};
use crate::dataset::graph::{NODES_MAX, Node, Past, SessionGraph, Timeline};
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
/// 8000, "requests": [...]}]}`: a session, whose requests wait for one another as they did.
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
    let mut session = Session::default();
    let agent = read_agent(record, &id, (scope, None), &mut session, to)?;
    if let Some(graph) = session.graph(agent.width) {
        to.push_session(&graph);
    }
    Ok(())
}

/// What is known of a session so far.
#[derive(Default)]
struct Session {
    nodes: Vec<Node>,
    /// When each of them began.
    starts: Vec<Nanos>,
    end: Nanos,
    input_tokens: u32,
}

impl Session {
    /// Returns the whole; `None` if it has no requests. Those that wait for nothing wait for the first of all.
    fn graph(self, width: u32) -> Option<SessionGraph> {
        let begun = *self.starts.iter().min()?;
        let mut nodes = self.nodes;
        for (node, start) in nodes.iter_mut().zip(&self.starts) {
            if node.after.is_empty() {
                node.delay = start - begun;
            }
        }
        Some(SessionGraph {
            nodes,
            recorded: self.end.saturating_sub(begun),
            width,
            input_tokens: self.input_tokens,
        })
    }
}

/// The beginning of a subagent: what it waits for, and when it was started.
#[derive(Clone, Copy)]
struct Started<'a> {
    before: &'a [Past],
    at: Nanos,
}

/// What became of an agent.
struct Ended {
    /// When its last request had ended, if it had any and the trace says it.
    at: Option<Nanos>,
    last: Vec<Past>,
    width: u32,
}

/// Reads the requests of an agent, or of a subagent that was started by another.
fn read_agent(
    agent: &Members<'_>,
    name: &str,
    (scope, started): (Scope, Option<Started<'_>>),
    session: &mut Session,
    to: &mut Sink<'_>,
) -> Result<Ended, Reason> {
    let requests = in_order(agent)?;
    // Subagents count from their own beginning, where their first instant would be before it.
    let first = requests.first().map_or(0, |(_, at, _)| *at);
    let zero = started.map_or(0, |started| if first < started.at { started.at } else { 0 });
    let mut timeline = Timeline::default();
    let mut ended = None;
    for (i, at, request) in &requests {
        let place = |reason: Reason| reason.about(format!("`requests[{i}]`"));
        let at = zero.saturating_add(*at);
        let mut before = timeline.before(at);
        if let (true, Some(started)) = (before.is_empty(), started) {
            before.extend_from_slice(started.before);
        }
        let kind = request.text("type").map_err(place)?;
        let (end, last, width) = match kind.as_ref().map(|kind| &*kind.plain) {
            Some("subagent") => {
                let started = Started { before: &before, at };
                read_subagent(request, name, (scope, started), session, to).map_err(place)?
            }
            Some("n" | "s") | None => {
                read_request(request, name, (scope, at), &before, session, to).map_err(place)?
            }
            Some(other) => {
                let what = format!("`type`: {} is none of `n`, `s`, `subagent`", quoted(other));
                return Err(place(Reason::new(what)));
            }
        };
        ended = ended.max(end);
        timeline.push((at, end), last, width);
    }
    let (last, width) = timeline.finish();
    Ok(Ended {
        at: ended,
        last,
        width,
    })
}

/// Returns what an agent did in the order in which it began, each with its place in the file and its instant.
fn in_order<'a>(agent: &Members<'a>) -> Result<Vec<(usize, Nanos, Members<'a>)>, Reason> {
    let requests = agent.list("requests")?;
    let (_, requests) = agent.required("requests", requests)?;
    let mut found = Vec::with_capacity(requests.len());
    for (i, request) in requests.into_iter().enumerate() {
        let place = |reason: Reason| reason.about(format!("`requests[{i}]`"));
        let request = Members::read(request).map_err(place)?;
        let at = seconds(&request, "t")
            .and_then(|at| request.required("t", at))
            .map_err(place)?;
        found.push((i, at, request));
    }
    found.sort_by_key(|(_, at, _)| *at);
    Ok(found)
}

/// Returns a time in seconds since the beginning of the session, or how long something took.
fn seconds(record: &Members<'_>, key: &str) -> Result<Option<Nanos>, Reason> {
    Ok(super::seconds(record, key)?.map(i64::unsigned_abs))
}

/// When something had ended, what follows it waits for, and how many of its requests can be in flight at once.
type Done = (Option<Nanos>, Vec<Past>, u32);

/// Reads one request, which waits for those `before` it.
fn read_request(
    request: &Members<'_>,
    name: &str,
    (scope, at): (Scope, Nanos),
    before: &[Past],
    session: &mut Session,
    to: &mut Sink<'_>,
) -> Result<Done, Reason> {
    request.ignore(&["model", "input_types", "output_types", "stop", "ttft"]);
    let took = seconds(request, "api_time")?;
    let think = seconds(request, "think_time")?;
    let end = took.map(|took| at.saturating_add(took));
    let input = request.count("in", 0..=INPUT_TOKENS_MAX)?;
    // Both limits fit.
    let input = request.required("in", input)? as u32;
    let output = request.count("out", 0..=OUTPUT_TOKENS_MAX)?;
    let output = request.required("out", output)? as u32;
    let mut ids = hash_ids(request, input, scope.block)?;
    ids.iter_mut().for_each(|id| *id ^= scope.ids);
    if input == 0 || output == 0 {
        to.leave_out("requests without a prompt or an answer (`in` or `out` is 0)");
        return Ok((end, Vec::new(), 0));
    }
    let number = session.nodes.len();
    if number >= NODES_MAX {
        return Err(
            Reason::new(format!("is one of more than {NODES_MAX} requests of a session"))
                .hint("cut the session into several"),
        );
    }
    // Where the trace does not say when what came before had ended, it may say how long the pause was.
    let waited = before.iter().filter_map(|past| past.end).max();
    let delay = waited.map_or(think.unwrap_or(0), |end| at.saturating_sub(end));
    session.nodes.push(Node {
        after: before.iter().map(|past| past.node).collect(),
        delay,
    });
    session.starts.push(at);
    session.end = session.end.max(end.unwrap_or(at));
    session.input_tokens = session.input_tokens.max(input);
    let row = Row {
        delay: (!before.is_empty()).then_some(delay),
        session: Some(name),
        ..Row::of(blocks(input, scope.block, &ids))
    };
    to.push(row, Some(output), None);
    // Below `NODES_MAX`.
    let past = Past {
        node: number as u16,
        end,
    };
    Ok((end, vec![past], 1))
}

/// Reads the requests of a subagent.
fn read_subagent(
    subagent: &Members<'_>,
    name: &str,
    (scope, started): (Scope, Started<'_>),
    session: &mut Session,
    to: &mut Sink<'_>,
) -> Result<Done, Reason> {
    subagent.ignore(&["subagent_type", "total_tokens", "tool_use_count", "status"]);
    subagent.ignore(&["models", "tool_tokens", "system_tokens"]);
    if scope.depth >= DEPTH_MAX {
        return Err(Reason::new(format!("is a subagent more than {DEPTH_MAX} deep")));
    }
    let own = subagent.name("agent_id")?;
    let own = subagent.required("agent_id", own)?;
    let took = millis(subagent, "duration_ms")?.map(i64::unsigned_abs);
    let inner = Scope {
        depth: scope.depth + 1,
        ..scope
    };
    let name = format!("{name}/{own}");
    let agent = read_agent(subagent, &name, (inner, Some(started)), session, to)?;
    let end = took.map(|took| started.at.saturating_add(took)).or(agent.at);
    Ok((end, agent.last, agent.width))
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
