//! The pace of a trace: what it asked for, and what was made.

use super::Room;
use super::page::Page;
use crate::output::numbers::grouped;
use crate::result::{PaceFigures, RunResult};
use crate::units::{Nanos, SECOND, decimal, format_duration, rate};

/// The columns of a minute.
const COLUMNS: [(&str, usize); 6] = [
    ("from", 10),
    ("trace/s", 10),
    ("asked/s", 10),
    ("made/s", 10),
    ("arrivals", 10),
    ("dropped", 9),
];

/// The share by which the rate that was made must be behind before the summary names the minute.
const BEHIND: f64 = 0.01;

/// Appends what of the trace was replayed, how fast, and where the load fell behind it.
pub(super) fn row(page: &mut Page, result: &RunResult) {
    let Some(trace) = &result.trace else { return };
    let replayed = trace.rows_in_window + trace.rows_following;
    let mut rows = match replayed == trace.rows {
        true => format!("{} rows", grouped(trace.rows)),
        false => format!("{} of {} rows", grouped(replayed), grouped(trace.rows)),
    };
    if trace.rows_following > 0 {
        let following = grouped(trace.rows_following);
        rows.push_str(&format!(" ({following} after the one before)"));
    }
    let scale = match trace.time_scale {
        1.0 => "in its own time".to_owned(),
        scale => format!("time scale {}", decimal(scale)),
    };
    let mut text = format!("{rows}, {}/s {scale}", rate(trace.mean_per_second));
    if trace.spread_seconds > 0.0 {
        text.push_str(&format!(", spread within {}", at(trace.spread_seconds)));
    }
    if let Some(minute) = trace.furthest_behind()
        && minute.made_per_second < minute.asked_per_second * (1.0 - BEHIND)
    {
        text.push_str(&format!(
            "; furthest behind from {} on: asked {}/s, made {}/s",
            at(minute.from_seconds),
            rate(minute.asked_per_second),
            rate(minute.made_per_second)
        ));
    }
    page.prose("trace", &text);
}

/// Appends a row for each minute of the trace.
pub(super) fn minutes(page: &mut Page, result: &RunResult) {
    let Some(trace) = &result.trace else { return };
    let line = |cells: [String; COLUMNS.len()]| {
        let cells = cells.iter().zip(COLUMNS);
        cells
            .map(|(cell, (_, columns))| format!("{cell:>columns$}"))
            .collect::<String>()
    };
    page.line(&line(COLUMNS.map(|(title, _)| title.to_owned())));
    let shown = Room::shown(MINUTES_MAX, trace.minutes.len());
    for minute in &trace.minutes[..shown] {
        page.line(&line(cells(minute)));
    }
    super::more(page, trace.minutes.len() - shown, "minutes");
}

/// The most minutes that a summary shows.
const MINUTES_MAX: usize = 120;

fn cells(minute: &PaceFigures) -> [String; COLUMNS.len()] {
    [
        at(minute.from_seconds),
        rate(minute.trace_per_second),
        rate(minute.asked_per_second),
        rate(minute.made_per_second),
        grouped(minute.arrivals),
        grouped(minute.dropped),
    ]
}

fn at(seconds: f64) -> String {
    format_duration((seconds * SECOND as f64) as Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::sample;

    #[test]
    fn a_trace_says_what_was_asked_and_where_the_load_fell_behind() {
        let mut result = sample::full();
        let text = |result: &RunResult| {
            let mut page = Page::new(80, false);
            row(&mut page, result);
            minutes(&mut page, result);
            page.into_text()
        };
        let minute = &mut result.trace.as_mut().unwrap().minutes[1];
        (minute.asked_per_second, minute.made_per_second) = (40.0, 20.0);
        let found = text(&result);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "trace      100 rows, 0.3/s time scale 0.01; furthest behind from 1m on: asked",
                "           40.0/s, made 20.0/s"
            ]
        );
        assert_eq!(
            lines[2],
            "      from   trace/s   asked/s    made/s  arrivals  dropped"
        );
        assert!(
            lines[4].starts_with("        1m ") && lines[4].contains("40.0      20.0"),
            "{found}"
        );
        result.trace = None;
        assert_eq!(text(&result), "");
    }
}
