//! The block that is redrawn every second during a run. This module only turns figures into text.
//!
//! A terminal that is too narrow shows fewer cells of a row, and one that is too low fewer rows: those that matter
//! least are left out first.

mod row;
mod timings;

use crate::output::numbers::{duration, grouped};
use crate::report::{LiveFigures, LivePhase};
use crate::units::format_duration;
use crate::units::{Nanos, SECOND, millis, percent, rate};
use row::{Cell, Row, cell, plain};

/// The width from which on two rows are shown side by side.
const PAIRS_FROM: usize = 120;
/// The width below which the stage has a row of its own.
const NARROW: usize = 60;
/// The columns of the left row, the same at each drawing, so that the right row does not move: no more than `LEFT_MAX`
/// on a terminal where the right row then still has its own.
const LEFT: usize = 56;
const LEFT_MAX: usize = 78;
/// The columns between the two rows.
const GUTTER: usize = 4;
/// The narrowest line: a label and one cell.
const WIDTH_MIN: usize = 24;
const BAR_MIN: usize = 10;
const BAR_MAX: usize = 60;
/// The share of busy time above which a worker may be the limit itself; the summary warns at the same share.
const BUSY_FAILS: f64 = crate::result::BUSY_PERCENT_MAX / 100.0;

/// What a line is about, the most important first: from the end of this list lines are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Time,
    Done,
    Users,
    Failed,
    Rates,
    Latency,
    FirstToken,
    Head,
    Stage,
    Thresholds,
    NextToken,
    Newest,
    Server,
    Generator,
}

/// A line as it is drawn, and what it is about.
struct Line {
    place: Place,
    text: String,
}

impl Line {
    fn new(place: Place, text: String) -> Line {
        let text = text.trim_end().to_owned();
        Line { place, text }
    }
}

/// Returns at most `rows` lines of at most `columns` columns, without line feeds; none if not even the most important
/// figures fit. With `colour`, failures are red.
pub fn block(f: &LiveFigures, (columns, rows): (usize, usize), colour: bool) -> Vec<String> {
    if columns < WIDTH_MIN {
        return Vec::new();
    }
    let line = |place, row: Row, width| Line::new(place, row.fit(width).text(colour));
    let mut lines = vec![line(Place::Head, head(f), columns)];
    match columns < NARROW {
        true => {
            lines.push(line(Place::Time, time(f, columns, None), columns));
            lines.push(line(Place::Stage, Row::new("", vec![cell(0, stage(f))]), columns));
        }
        false => lines.push(line(Place::Time, time(f, columns, Some(stage(f))), columns)),
    }
    let left = [
        Some((Place::Users, users(f, columns < NARROW))),
        Some((Place::Done, done(f))),
        failed(f).map(|row| (Place::Failed, row)),
        newest_failure(f).map(|row| (Place::Newest, row)),
        thresholds(f).map(|row| (Place::Thresholds, row)),
        Some((Place::Generator, generator(f))),
    ];
    let left = left.into_iter().flatten();
    if columns < PAIRS_FROM {
        let all: Vec<Line> = left.map(|(place, row)| line(place, row, columns)).collect();
        let (below, above): (Vec<Line>, Vec<Line>) = all
            .into_iter()
            .partition(|line| matches!(line.place, Place::Thresholds | Place::Generator));
        lines.extend(above);
        lines.extend(timings::timings(f, columns, colour));
        lines.extend(timings::servers(f, columns, colour));
        lines.extend(below);
    } else {
        let width = (columns - GUTTER)
            .saturating_sub(timings::COLUMNS)
            .clamp(LEFT, LEFT_MAX);
        let left: Vec<(Place, Row)> = left.map(|(place, row)| (place, row.fit(width))).collect();
        let right = timings::timings(f, columns - width - GUTTER, colour);
        lines.extend(side_by_side(left, width + GUTTER, right, colour));
        lines.extend(timings::servers(f, columns, colour));
    }
    leave_out(&mut lines, rows);
    lines.into_iter().map(|line| line.text).collect()
}

/// Leaves out the lines that matter least until there are at most `rows`. Servers go together: some of them alone would
/// look like all.
fn leave_out(lines: &mut Vec<Line>, rows: usize) {
    while lines.len() > rows {
        let least = lines.iter().enumerate().max_by_key(|(i, line)| (line.place, *i));
        let Some((least, line)) = least else { return };
        match line.place {
            Place::Server => lines.retain(|line| line.place != Place::Server),
            _ => drop(lines.remove(least)),
        }
    }
}

/// Joins each row on the left, in `columns` with the gutter, with the line at its right. The pair matters as much as
/// the better of both.
fn side_by_side(left: Vec<(Place, Row)>, columns: usize, right: Vec<Line>, colour: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    loop {
        let line = match (left.next(), right.next()) {
            (None, None) => return lines,
            (Some((place, row)), None) => Line::new(place, row.text(colour)),
            (None, Some(line)) => {
                let text = format!("{}{}", " ".repeat(columns), line.text);
                Line::new(line.place, text)
            }
            (Some((place, row)), Some(line)) => {
                let gap = " ".repeat(columns - row.text(false).len());
                let text = format!("{}{gap}{}", row.text(colour), line.text);
                Line::new(place.min(line.place), text)
            }
        };
        lines.push(line);
    }
}

fn head(f: &LiveFigures) -> Row {
    let mut cells = vec![cell(0, plain(&f.profile)), cell(1, plain(&f.target))];
    cells.extend(f.ranks.map(|ranks| cell(1, ranks.to_string())));
    // With several servers, each has its models in its own row.
    if f.servers.is_empty() {
        cells.extend(timings::models(&f.models).map(|models| cell(2, models)));
    }
    Row::new("", cells)
}

/// Says what the load does now: `hold 500 users until 27s`.
fn stage(f: &LiveFigures) -> String {
    let until = whole_seconds(f.stage.ends_at);
    let (from, to, target) = match f.stage.rates {
        Some([from, to]) => (from, to, format!("{} req/s", rate(to))),
        None => {
            let (from, to) = (f.stage.from, f.stage.target);
            (f64::from(from), f64::from(to), users_of(to))
        }
    };
    match f.phase {
        LivePhase::Finishing => format!("load over, {} may finish", requests(f.in_flight)),
        LivePhase::Stopping => format!("stopping, {} may finish", requests(f.in_flight)),
        LivePhase::Running if f.iterations.is_some() => target,
        LivePhase::Running if from == to => format!("hold {target} until {until}"),
        LivePhase::Running if from < to => format!("ramp to {target} by {until}"),
        LivePhase::Running => format!("ramp down to {target} by {until}"),
    }
}

fn users_of(n: u32) -> String {
    match n {
        1 => "1 user".to_owned(),
        n => format!("{} users", grouped(u64::from(n))),
    }
}

fn requests(n: u64) -> String {
    match n {
        1 => "1 request".to_owned(),
        n => format!("{} requests", grouped(n)),
    }
}

fn time(f: &LiveFigures, width: usize, stage: Option<String>) -> Row {
    let (elapsed, all) = (whole_seconds(f.elapsed), whole_seconds(f.duration));
    let mut cells = match f.iterations {
        None => vec![cell(0, format!("{elapsed} of {all}"))],
        Some(n) => vec![
            cell(0, format!("{} of {} requests", grouped(f.requests), grouped(n))),
            cell(2, format!("{elapsed} of at most {all}")),
        ],
    };
    cells.extend(stage.map(|stage| cell(1, stage)));
    let mut row = Row::new("", cells);
    let bar = width.saturating_sub(row.columns() + 4).min(BAR_MAX);
    if bar >= BAR_MIN {
        let full = (share_done(f) * bar as f64) as usize;
        let text = format!("[{}{}]", "#".repeat(full), "-".repeat(bar - full));
        row.insert(0, cell(3, text));
    }
    row
}

/// Returns the share of the run that is done, 0 to 1.
fn share_done(f: &LiveFigures) -> f64 {
    let of = |done: u64, all: u64| if all == 0 { 1.0 } else { done as f64 / all as f64 };
    let by_time = of(f.elapsed, f.duration);
    let by_count = f.iterations.map_or(0.0, |n| of(f.requests, n));
    by_time.max(by_count).min(1.0)
}

fn users(f: &LiveFigures, narrow: bool) -> Row {
    let what = if narrow {
        "waiting"
    } else {
        "waiting for an answer"
    };
    let running = grouped(f.vus_running);
    let of = match f.stage.rates {
        Some(_) => format!("{running} of up to {}", grouped(u64::from(f.stage.target))),
        None => format!("{running} of {}", grouped(f.vus_planned)),
    };
    Row::new(
        "users",
        vec![
            cell(0, of),
            cell(1, format!("{} {what}", grouped(f.in_flight))),
            cell(2, format!("{} connections", grouped(f.connections))),
        ],
    )
}

fn done(f: &LiveFigures) -> Row {
    let mut cells = vec![cell(0, requests(f.requests))];
    if f.failed == 0 {
        cells.push(cell(1, "none failed"));
    }
    if f.dropped > 0 {
        cells.push(cell(1, format!("{} dropped", grouped(f.dropped))).red_if(true));
    }
    if f.waiting > 0 {
        cells.push(cell(1, format!("{} queued", grouped(f.waiting))));
    }
    if f.cancelled > 0 {
        cells.push(cell(1, format!("{} cancelled", grouped(f.cancelled))));
    }
    if let Some(share) = f.goodput.share() {
        cells.push(cell(1, format!("{} good", percent(share))));
    }
    Row::new("done", cells)
}

/// Returns the failures by outcome; `None` while there are none.
fn failed(f: &LiveFigures) -> Option<Row> {
    if f.failed == 0 {
        return None;
    }
    let all = format!("{} ({:.2} %)", grouped(f.failed), f.failed_rate * 100.0);
    let outcomes = f.errors.iter();
    let outcomes = outcomes.map(|(name, n)| cell(1, format!("{name} {}", grouped(*n))));
    let cells = std::iter::once(cell(0, all)).chain(outcomes);
    let cells = cells.map(|cell| cell.red_if(true)).collect();
    Some(Row::new("failed", cells).counting_rest())
}

/// Shows the newest kind of failure, and what its server said; `None` while nothing failed.
fn newest_failure(f: &LiveFigures) -> Option<Row> {
    let said = plain(f.newest_failure.as_ref()?);
    Some(Row::new("newest", vec![cell(0, said)]))
}

/// Returns the row with the state of the thresholds; `None` while there is nothing to judge.
fn thresholds(f: &LiveFigures) -> Option<Row> {
    let (all, failing) = (f.thresholds.judged, &f.thresholds.failing);
    let cells = match failing.len() {
        _ if all == 0 => return None,
        0 => vec![cell(0, format!("{all} of {all} hold so far"))],
        n => {
            let count = cell(0, format!("{n} of {all} FAIL so far")).red_if(true);
            let each = failing.iter().map(|text| cell(1, plain(text)).red_if(true));
            std::iter::once(count).chain(each).collect()
        }
    };
    Some(Row::new("thresholds", cells))
}

/// Says whether this program itself may be the limit.
fn generator(f: &LiveFigures) -> Row {
    let busiest = f.cores_busy.iter().copied().fold(0.0, f64::max);
    let what = match f.cores_busy.len() {
        1 => "core",
        _ => "busiest core",
    };
    let mut cells: Vec<Cell> = Vec::new();
    if !f.cores_busy.is_empty() {
        let text = format!("{what} {:.0} %", busiest * 100.0);
        cells.push(cell(0, text).red_if(busiest > BUSY_FAILS));
    }
    let delay = duration(f.send_delay_p99.map(millis));
    cells.push(cell(1, format!("send delay p99 {delay}")));
    cells.push(match (f.kernel_stamps, f.stamps_missing) {
        (true, 0) => cell(2, "kernel stamps"),
        (true, n) => cell(1, format!("{} reads without a kernel stamp", grouped(n))).red_if(true),
        (false, _) => {
            let lag = duration(f.reap_lag_p99.map(millis));
            cell(2, format!("user stamps, read p99 {lag} late"))
        }
    });
    Row::new("generator", cells)
}

/// Formats a duration rounded to whole seconds.
fn whole_seconds(ns: Nanos) -> String {
    format_duration((ns + SECOND / 2) / SECOND * SECOND)
}
