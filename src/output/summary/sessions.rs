//! The section on conversations: how sessions ended, what turns took, and how TTFT grows with the turn.

use super::page::{Page, Table};
use crate::output::numbers::{bytes, duration, grouped};
use crate::result::{GraphFigures, SessionFigures, TurnFigures};
use crate::units::rate;

/// Appends at most `rows_max` turns: the first ones and the last.
pub(super) fn write(page: &mut Page, found: &SessionFigures, rows_max: usize) {
    let mut cells = vec![
        format!(
            "{} started ({}/s)",
            grouped(found.started),
            rate(found.started_per_second)
        ),
        format!("{} completed", grouped(found.completed)),
        format!("{} failed", grouped(found.failed)),
        format!("{} cut by the end", grouped(found.incomplete)),
    ];
    if found.cancelled > 0 {
        cells.push(format!("{} cancelled", grouped(found.cancelled)));
    }
    if found.completed > 0 {
        cells.push(format!("{} completed/s", rate(found.completed_per_second)));
    }
    page.row("sessions", &cells);
    if found.completed > 0 {
        let cells = [
            format!("p50 {}", duration(found.duration.p50)),
            format!("p99 {}", duration(found.duration.p99)),
            format!("{:.1} turns each", mean_turns(found)),
        ];
        page.row("took", &cells);
    }
    if let Some(graphs) = &found.graphs {
        waited(page, graphs);
    }
    turns(page, found, rows_max);
    grows(page, found);
}

/// Appends how long the sessions took in the trace, and what they waited for in the run.
fn waited(page: &mut Page, graphs: &GraphFigures) {
    if graphs.recorded.count == 0 {
        return;
    }
    let mut cells = vec![format!("p50 {}", duration(graphs.recorded.p50))];
    if let Some(times) = graphs.of_recorded {
        cells.push(format!("the run took {times:.2} times as long"));
    }
    page.row("in trace", &cells);
    let cells = [
        format!("{} for answers", duration(graphs.answers.mean)),
        format!(
            "{} for delays, mean of the critical paths",
            duration(graphs.delays.mean)
        ),
    ];
    page.row("waited", &cells);
}

/// Appends the whole section with its memory.
pub(super) fn full(page: &mut Page, found: &SessionFigures) {
    write(page, found, usize::MAX);
    let histories = &found.histories;
    let mut text = format!(
        "histories took {} at most; planned were {} for {} sessions of {}",
        bytes(histories.peak_bytes),
        bytes(histories.planned_bytes),
        grouped(histories.sessions),
        bytes(histories.planned_bytes_per_session)
    );
    if histories.full > 0 {
        text.push_str(&format!("; {} sessions found no room", grouped(histories.full)));
    }
    page.prose("memory", &text);
}

fn mean_turns(found: &SessionFigures) -> f64 {
    let ended = found.completed + found.failed + found.incomplete + found.cancelled;
    found.turns_made as f64 / ended.max(1) as f64
}

fn turns(page: &mut Page, found: &SessionFigures, rows_max: usize) {
    let shown = shown(&found.turns, rows_max);
    if shown.is_empty() {
        return;
    }
    let columns = [
        ("requests", 0),
        ("ok", 2),
        ("prompt", 1),
        ("ttft p50", 0),
        ("ttft p99", 0),
        ("latency p50", 1),
    ];
    let mut table = Table::new("by turn", &columns);
    for row in &shown {
        let name = match row.and_later {
            true => format!("{} on", row.turn),
            false => row.turn.to_string(),
        };
        let prompt = row
            .prompt_tokens_mean
            .map_or("-".to_owned(), |mean| format!("{mean:.0}"));
        let cells = vec![
            grouped(row.requests),
            grouped(row.ok),
            prompt,
            duration(row.ttft.p50),
            duration(row.ttft.p99),
            duration(row.latency.p50),
        ];
        table.row(&name, cells);
    }
    table.write(page);
    super::more(page, found.turns.len() - shown.len(), "turns");
}

/// Returns the turns that have room. The last one stays: it shows where the growth has led.
fn shown(turns: &[TurnFigures], rows_max: usize) -> Vec<&TurnFigures> {
    let room = rows_max.max(2);
    match turns {
        [first @ .., last] if turns.len() > room => {
            first[..room - 1].iter().chain(std::iter::once(last)).collect()
        }
        all => all.iter().collect(),
    }
}

/// Appends by how much TTFT grows from turn to turn.
fn grows(page: &mut Page, found: &SessionFigures) {
    let Some(per_turn) = found.ttft_per_turn else {
        return;
    };
    let signed = |ms: f64| match ms < 0.0 {
        true => format!("-{}", duration(Some(-ms))),
        false => format!("+{}", duration(Some(ms))),
    };
    let mut text = format!("TTFT {} per turn", signed(per_turn));
    if let Some(per_tokens) = found.ttft_per_1000_prompt_tokens {
        text.push_str(&format!(", {} per 1,000 tokens of prompt", signed(per_tokens)));
    }
    text.push_str(" (line through the medians)");
    page.prose("growth", &text);
}
