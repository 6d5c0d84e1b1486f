//! Gives a load that arrives as a trace the instants of the rows of its dataset.

mod agents;

use std::sync::Arc;

use crate::config::row_sessions::{refused_beginnings, take_sessions};
use crate::config::{Config, RequestConfig};
use crate::dataset::Dataset;
use crate::error::{Mistake, Reason};
use crate::plan::Follower;
use crate::units::grouped;
use crate::workload::{Prompts, Rows, Sampling};

/// Takes the instants, if the executor needs some. The seed and the options are known by now.
pub fn take_rows(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    agents::limit_sessions(config);
    if config.executor.trace().is_none() {
        let is_timed = |request: &RequestConfig| rows_of(request).is_some_and(|rows| rows.dataset.is_timed());
        if config.requests.iter().any(is_timed) {
            let note = "the rows of the dataset have timestamps, which are not used: --replay sends each row when it says";
            config.notes.push(note.to_owned());
        }
        return;
    }
    let found = dataset(config);
    if let Ok(dataset) = &found
        && let Some(sessions) = untimed_sessions(config, dataset)
    {
        agents::replay(config, sessions, mistakes);
        return;
    }
    let found = found.and_then(|dataset| {
        let followers = match has_conversations(config)? {
            true => match refused_beginnings(&dataset) {
                Some(reason) if !dataset.is_empty() => return Err(reason),
                _ => Followers::OfConversations,
            },
            false => Followers::Rows(followers(&dataset)?),
        };
        Ok((followers, dataset))
    });
    let found = match found {
        // A dataset that was not read stands in for one whose rows do not matter.
        Ok((_, dataset)) if dataset.is_empty() => None,
        Ok(found) => Some(found),
        Err(reason) => {
            mistakes.push(config.shape_place.mistake(reason));
            None
        }
    };
    let seed = config.seed;
    let Some(trace) = config.executor.trace_mut() else {
        return;
    };
    match found {
        Some((Followers::Rows(followers), dataset)) => {
            let at = |row: u32| dataset.at(u64::from(row));
            trace.take_rows(dataset.len() as u32, &at, seed);
            config.notes.extend(note_sessions(&dataset, followers.len()));
            trace.take_followers(followers);
        }
        Some((Followers::OfConversations, dataset)) => take_sessions(trace, &dataset, seed),
        // One row within any window: the executor must not cause a second mistake.
        None => {
            trace.settings.window = Default::default();
            trace.take_rows(1, &|_| Some(0), seed);
        }
    }
    let unsorted = trace.rows().unsorted();
    if unsorted > 0 {
        config.notes.push(format!(
            "{} rows of the trace stand below one with a later timestamp: rows are sent in the order of their timestamps",
            grouped(unsorted)
        ));
    }
}

/// Returns how many sessions there are, if they are carried out as wholes and nothing says when they began.
fn untimed_sessions(config: &Config, dataset: &Dataset) -> Option<u64> {
    if let Some(graph) = dataset.graph() {
        return Some(graph.len() as u64);
    }
    let are_wholes =
        !dataset.is_empty() && !dataset.is_timed() && matches!(has_conversations(config), Ok(true));
    are_wholes.then(|| u64::from(dataset.sessions().len()))
}

/// What is sent after the rows that arrive.
enum Followers {
    /// Rows that follow others, each as it is.
    Rows(Vec<Follower>),
    /// The later turns of the conversations that arrive.
    OfConversations,
}

/// Tells whether what arrives are conversations, which all kinds of request must agree on.
fn has_conversations(config: &Config) -> Result<bool, Reason> {
    let talks = |request: &&RequestConfig| request.call.conversation().is_some();
    let (with, without): (Vec<_>, Vec<_>) = config.requests.iter().partition(talks);
    let (Some(one), Some(other)) = (with.first(), without.first()) else {
        return Ok(without.is_empty());
    };
    let what = format!(
        "request `{}` is a conversation and request `{}` is none, but a trace has one kind of arrival",
        one.name, other.name
    );
    Err(Reason::new(what).hint("give both a `conversation`, or none"))
}

/// Says how the rows of sessions are sent, if there are any.
fn note_sessions(dataset: &Dataset, followers: usize) -> Option<String> {
    if dataset.sessions().are_single() {
        return None;
    }
    Some(match followers {
        0 => "rows of sessions have timestamps of their own: each is sent when it says, whether or not the one before it \
              has been answered"
            .to_owned(),
        some => format!(
            "{} rows without a timestamp are sent after the answer to the row before them in their session, and their \
             delay",
            grouped(some as u64)
        ),
    })
}

/// Returns the dataset that all kinds of request take their rows from.
fn dataset(config: &Config) -> Result<Arc<Dataset>, Reason> {
    let with_rows = |request| Some((request, rows_of(request)?));
    let found: Option<(&RequestConfig, &Rows)> = config.requests.iter().find_map(with_rows);
    let Some((first, rows)) = found else {
        let what = "no dataset says when requests arrive";
        let hint = "add `--dataset mooncake:trace.jsonl` to the options, or `dataset: { format: mooncake, file: … }` to \
                    the document";
        return Err(Reason::new(what).hint(hint));
    };
    for request in &config.requests {
        match rows_of(request) {
            Some(other) if other.sampling != Sampling::Sequential => {
                let name = other.sampling.name();
                let what =
                    format!("contradicts `sample: {name}` of the dataset: the rows say when each is sent");
                return Err(Reason::new(what).hint("leave `sample` (`--dataset-sample`) out"));
            }
            Some(other) if other.dataset == rows.dataset => {}
            Some(_) => {
                let what = format!(
                    "requests `{}` and `{}` have different datasets",
                    first.name, request.name
                );
                return Err(
                    Reason::new(what).hint("a run replays one trace: start two runs at the same time")
                );
            }
            None => {
                let what = format!("request `{}` has no rows of the dataset", request.name);
                let hint = "every arrival of a trace is one of its rows: leave this kind of request out";
                return Err(Reason::new(what).hint(hint));
            }
        }
    }
    Ok(rows.dataset.clone())
}

fn rows_of(request: &RequestConfig) -> Option<&Rows> {
    match &request.call.chat()?.prompts {
        Prompts::Rows(rows) => Some(rows),
        _ => None,
    }
}

/// Returns the rows that have no instant and follow another one of their session. Each other row must have an instant.
fn followers(dataset: &Dataset) -> Result<Vec<Follower>, Reason> {
    let mut followers = Vec::new();
    if dataset.is_empty() {
        return Ok(followers);
    }
    if !dataset.is_timed() {
        let (what, hint) = match dataset.sessions().are_single() {
            true => (
                "the rows of the dataset have no timestamps, so nothing says when to send them",
                "send them at a rate instead: `--rate 10`",
            ),
            false => (
                "the rows of the dataset have no timestamps, so nothing says when its sessions begin",
                "carry each session out as a conversation: `--turns all`, with `--vus` at a time",
            ),
        };
        return Err(Reason::new(what).hint(hint));
    }
    let wrong = |row: u64, what: &str, hint: &str| {
        let (row, all) = (grouped(row + 1), grouped(dataset.len() as u64));
        Err(Reason::new(format!("row {row} of {all} of the dataset {what}")).hint(hint))
    };
    let sessions = dataset.sessions();
    for session in 0..sessions.len() {
        for turn in 0..sessions.turns(session) {
            let row = sessions.row(session, turn);
            if dataset.at(row).is_some() {
                continue;
            }
            if turn == 0 {
                let hint = "add one to each row, or send them at a rate: `--rate 10`";
                return wrong(row, "has no timestamp, and follows none of its session", hint);
            }
            let bytes = dataset
                .bytes(row)
                .map_err(|e| Reason::new(format!("the rows of the dataset cannot be read again: {e}")))?;
            let found = bytes.row();
            if found.is_delta {
                let hint = "make conversations of them: `--turns all`, or `conversation: {}` in the document";
                return wrong(row, "has only what is new in its session", hint);
            }
            followers.push(Follower {
                // A dataset has at most so many rows.
                after: sessions.row(session, turn - 1) as u32,
                row: row as u32,
                delay: found.delay.unwrap_or(0),
            });
        }
    }
    Ok(followers)
}
