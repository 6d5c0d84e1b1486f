//! Conversations whose turns are the rows of a dataset: what such a dataset must have.

use crate::config::DatasetConfig;
use crate::config::dataset::counted;
use crate::dataset::{Content, Dataset, Filter};
use crate::error::{Reason, quoted};
use crate::plan::{TURNS_MAX, Tail, Trace};
use crate::units::grouped;
use crate::workload::{Conversation, HistoryMode, Tokens};

/// Returns why a dataset cannot be carried out as conversations, if it cannot. Nothing of it was read yet.
pub fn refused_form(asked: &DatasetConfig) -> Option<Reason> {
    if asked.format.row().is_graph {
        let what = format!(
            "the sessions of `{}` are graphs of agents, which go on by themselves: they are no conversations",
            asked.format.name()
        );
        return Some(Reason::new(what).hint("remove `conversation` (`--turns`)"));
    }
    (asked.filter == Filter::Vllm).then(|| {
        let what =
            "`filter: vllm` looks at the first turn alone, which contradicts `conversation` (`--turns`)";
        Reason::new(what).hint("remove one of them")
    })
}

/// Returns why the rows of a dataset cannot be the turns of conversations, if they cannot.
pub fn refused_rows(asked: &DatasetConfig, dataset: &Dataset, conversation: &Conversation) -> Option<Reason> {
    let shown = quoted(asked.shown());
    let sessions = dataset.sessions();
    if !sessions.are_named() {
        let what = format!(
            "the rows of {shown} belong to no sessions: each is a request of its own, and no turn of a conversation"
        );
        let hint = "remove `conversation` (`--turns`), or use a dataset with sessions: sharegpt, openai, multi_turn, \
                    inputs, guidellm with `prompt_0`, bailian, or rows with a `session_id`";
        return Some(Reason::new(what).hint(hint));
    }
    let most = conversation.turns.as_ref().map_or(u32::MAX, |turns| turns.max());
    let mut answers = conversation.history != HistoryMode::Dataset;
    for session in 0..sessions.len() {
        let turns = sessions.turns(session);
        if turns.min(most) > TURNS_MAX {
            let row = grouped(sessions.row(session, 0) + 1);
            let what = format!(
                "the session that begins with row {row} of {shown} has {} turns, which is above the limit of {}",
                grouped(u64::from(turns)),
                grouped(u64::from(TURNS_MAX))
            );
            let hint = "take the first turns of each session: `turns: 1000` (`--turns 1000`)";
            return Some(Reason::new(what).hint(hint));
        }
        let refused = refused_session((asked, dataset), conversation, session, &mut answers);
        if refused.is_some() {
            return refused;
        }
    }
    (!answers).then(|| {
        let what = format!("`history: dataset` needs answers, and {shown} has none");
        Reason::new(what).hint("write `history: full`, which repeats what the server answers")
    })
}

/// Returns why the rows of one session cannot be the turns of a conversation, if they cannot. Sets `answers` if one has
/// an answer.
fn refused_session(
    (asked, dataset): (&DatasetConfig, &Dataset),
    conversation: &Conversation,
    session: u32,
    answers: &mut bool,
) -> Option<Reason> {
    let shown = quoted(asked.shown());
    let sessions = dataset.sessions();
    let mut after_body = false;
    for turn in 0..sessions.turns(session) {
        let index = sessions.row(session, turn);
        let packed = match dataset.bytes(index) {
            Ok(packed) => packed,
            Err(e) => {
                let what = format!("the rows of {shown} cannot be read again: {e}");
                return Some(Reason::new(what));
            }
        };
        let row = packed.row();
        *answers |= row.answer.is_some();
        let is_body = matches!(row.content, Content::Payload(_));
        if after_body && row.is_delta && !is_body && conversation.history != HistoryMode::Delta {
            let what = format!(
                "row {} of {shown} has only what is new in its session, but the row before it is a whole body, \
                 to which nothing can be added",
                grouped(index + 1)
            );
            return Some(Reason::new(what).hint("`history: delta` sends each row alone"));
        }
        let is_ids = matches!((&row.content, asked.tokens), (Content::Blocks(_), Tokens::Ids(_)));
        if is_ids && row.is_delta {
            let what = format!(
                "row {} of {shown} has only what is new in its session, which goes after answers that are text: it \
                 cannot be ids of tokens",
                grouped(index + 1)
            );
            return Some(Reason::new(what).hint("leave `token_ids` (`--token-ids`) out"));
        }
        after_body = is_body || (after_body && row.is_delta);
    }
    None
}

/// Says what sessions a dataset has.
pub fn note(asked: &DatasetConfig, dataset: &Dataset) -> String {
    let sessions = dataset.sessions();
    let longest = (0..sessions.len()).map(|session| sessions.turns(session)).max();
    format!(
        "dataset {}: its rows are the turns of {}, of up to {}",
        quoted(asked.shown()),
        counted(u64::from(sessions.len()), "conversation"),
        counted(u64::from(longest.unwrap_or(0)), "turn")
    )
}

/// Gives a trace the instants at which the sessions of a dataset begin, and what follows.
pub fn take_sessions(trace: &mut Trace, dataset: &Dataset, seed: u64) {
    let sessions = dataset.sessions();
    let at = |session: u32| dataset.at(sessions.row(session, 0));
    trace.take_rows(sessions.len(), &at, seed);
    trace.take_count(dataset.len() as u64);
    trace.take_tails(&|session| {
        let turns = sessions.turns(session);
        let first = at(session).unwrap_or(0);
        let mut tail = Tail {
            following: u64::from(turns - 1),
            ..Tail::default()
        };
        for turn in 1..turns {
            let row = sessions.row(session, turn);
            match dataset.at(row) {
                Some(at) => (tail.until, tail.delays) = (tail.until.max(at.saturating_sub(first)), 0),
                None => {
                    let delay = dataset.bytes(row).ok().and_then(|bytes| bytes.row().delay);
                    tail.delays = tail.delays.saturating_add(delay.unwrap_or(0));
                }
            }
        }
        tail
    });
}

/// Returns why the sessions of a dataset that has timestamps cannot begin as a trace has them, if they cannot.
pub fn refused_beginnings(dataset: &Dataset) -> Option<Reason> {
    let sessions = dataset.sessions();
    let mut first = (0..sessions.len()).map(|session| sessions.row(session, 0));
    let row = first.find(|row| dataset.at(*row).is_none())?;
    let what = format!(
        "row {} of {} of the dataset begins a session and has no timestamp",
        grouped(row + 1),
        grouped(dataset.len() as u64)
    );
    Some(Reason::new(what).hint("add one to each first row, or begin sessions at a rate: `--rate 10`"))
}

#[cfg(test)]
#[path = "row_sessions_tests.rs"]
mod tests;
