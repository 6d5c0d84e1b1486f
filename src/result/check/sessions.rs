//! Checks that the figures of sessions add up.

use super::values::check_figures;
use super::{Result, ensure, ensure_not_negative};
use crate::result::{GraphFigures, SessionFigures};

/// Checks the figures of sessions whose requests wait for one another; other sessions of the run have none.
fn check_graphs(graphs: &GraphFigures, completed: u64) -> Result {
    let GraphFigures {
        recorded,
        of_recorded,
        delays,
        answers,
    } = graphs;
    for (name, figures) in [("recorded", recorded), ("delays", delays), ("answers", answers)] {
        let key = format!("sessions.graphs.{name}");
        ensure(figures.count <= completed, format!("{key}.count"), || {
            format!("{} of {completed} completed sessions", figures.count)
        })?;
        check_figures(&key, figures)?;
    }
    ensure_not_negative("sessions.graphs.of_recorded", of_recorded.unwrap_or(0.0))
}

/// `requests`: all of the document.
pub(super) fn check_sessions(sessions: &SessionFigures, requests: u64) -> Result {
    let SessionFigures {
        started,
        completed,
        failed,
        incomplete,
        cancelled,
        lost,
        ..
    } = *sessions;
    let sum = |counts: &[u64]| counts.iter().map(|n| u128::from(*n)).sum::<u128>();
    let ended = sum(&[completed, failed, incomplete, cancelled]);
    // What there was no room for is a turn or a session.
    ensure(
        (ended..=ended + u128::from(lost)).contains(&u128::from(started)),
        "sessions.started",
        || format!("{started} is not the sum of completed, failed, incomplete and cancelled ones, {ended}"),
    )?;
    ensure_not_negative("sessions.started_per_second", sessions.started_per_second)?;
    ensure_not_negative("sessions.completed_per_second", sessions.completed_per_second)?;
    ensure(
        sessions.duration.count == completed,
        "sessions.duration.count",
        || format!("{} of {completed} completed sessions", sessions.duration.count),
    )?;
    check_figures("sessions.duration", &sessions.duration)?;
    if let Some(graphs) = &sessions.graphs {
        check_graphs(graphs, completed)?;
    }
    let turns = sum(&sessions.turns.iter().map(|row| row.requests).collect::<Vec<_>>());
    ensure(turns <= u128::from(requests), "sessions.turns", || {
        format!("{turns} turns of {requests} requests")
    })?;
    for (i, row) in sessions.turns.iter().enumerate() {
        let key = format!("sessions.turns[{i}]");
        let ended = sum(&[row.ok, row.failed, row.interrupted, row.cancelled]);
        ensure(
            ended == u128::from(row.requests),
            format!("{key}.requests"),
            || {
                format!(
                    "{} is not the sum of ok, failed, interrupted and cancelled ones, {ended}",
                    row.requests
                )
            },
        )?;
        ensure(row.ttft.count <= row.ok, format!("{key}.ttft.count"), || {
            format!("{} of {} turns that are ok", row.ttft.count, row.ok)
        })?;
        ensure(
            row.latency.count == row.ok,
            format!("{key}.latency.count"),
            || format!("{} of {} turns that are ok", row.latency.count, row.ok),
        )?;
        ensure(
            row.prompt_tokens_known <= row.requests,
            format!("{key}.prompt_tokens_known"),
            || format!("{} of {} turns", row.prompt_tokens_known, row.requests),
        )?;
        check_figures(&format!("{key}.ttft"), &row.ttft)?;
        check_figures(&format!("{key}.latency"), &row.latency)?;
    }
    Ok(())
}
