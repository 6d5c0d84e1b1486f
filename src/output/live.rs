//! The block that is redrawn every second during a run. This module only turns figures into text.
//!
//! A line is a label and cells. If they do not fit, the cells with the highest rank are left out first, so that a
//! narrow terminal shows fewer of them; no line is ever wider than the terminal.

use crate::error::one_line;
use crate::output::numbers::{duration, grouped};
use crate::report::{LiveFigures, LivePhase, LiveSpread};
use crate::units::format_duration;
use crate::units::{Nanos, SECOND, millis};

/// The width from which on two rows are shown side by side.
const PAIRS_FROM: usize = 120;
/// The columns of the left row, the same at each drawing, so that the right row does not move.
const LEFT: usize = 56;
/// The columns between the two rows.
const GUTTER: usize = 4;
const LABEL: usize = 11;
/// The narrowest line: a label and one cell.
const WIDTH_MIN: usize = 24;
const BAR_MIN: usize = 10;
const BAR_MAX: usize = 60;
/// The share of busy time above which a worker may be the limit itself; the summary warns at the same share.
const BUSY_FAILS: f64 = crate::result::BUSY_PERCENT_MAX / 100.0;

/// Returns lines of at most `width` columns, without line feeds; none if not even the most important figures fit. With
/// `colour`, failures are red.
pub fn block(f: &LiveFigures, width: usize, colour: bool) -> Vec<String> {
    if width < WIDTH_MIN {
        return Vec::new();
    }
    let fit = |row: Row, width: usize| row.fit(width).text(colour);
    let mut lines = vec![fit(head(f), width), fit(time(f, width), width)];
    let (vus, requests, cores, stamps) = (vus(f), requests(f), cores(f), stamps(f));
    let (rates, ttft) = (rates(f), spread("  ttft", &f.ttft));
    let (latency, errors) = (spread("  latency", &f.latency), errors(f));
    if width < PAIRS_FROM {
        let rows = [vus, requests, rates, ttft, latency, errors, cores, stamps];
        lines.extend(rows.into_iter().map(|row| fit(row, width)));
        return lines;
    }
    let left_width = LEFT;
    for (left, right) in [(vus, rates), (requests, ttft), (cores, latency), (stamps, errors)] {
        let left = left.fit(left_width);
        let (left, columns) = (left.text(colour), left.text(false).len());
        let gap = " ".repeat(left_width - columns + GUTTER);
        let right = right.fit(width - left_width - GUTTER);
        lines.push(format!("{left}{gap}{}", right.text(colour)));
    }
    lines
}

struct Cell {
    text: String,
    /// Rank: the cell with the highest is left out first, of several the last.
    rank: usize,
    fails: bool,
}

fn cell(rank: usize, text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        rank,
        fails: false,
    }
}

struct Row {
    label: &'static str,
    cells: Vec<Cell>,
    /// Appends how many cells were left out.
    counts_rest: bool,
}

impl Row {
    fn new(label: &'static str, cells: Vec<Cell>) -> Row {
        Row {
            label,
            cells,
            counts_rest: false,
        }
    }

    fn label_columns(&self) -> usize {
        match self.label {
            "" => 0,
            _ => LABEL,
        }
    }

    /// Returns the width of the row, with two columns between cells.
    fn columns(&self) -> usize {
        let cells: usize = self.cells.iter().map(|c| c.text.len() + 2).sum();
        self.label_columns() + cells.saturating_sub(2)
    }

    fn fit(mut self, width: usize) -> Row {
        let mut gone = 0;
        loop {
            let rest = match self.counts_rest && gone > 0 {
                true => format!("+{gone} more"),
                false => String::new(),
            };
            let needed = match rest.len() {
                0 => 0,
                n => n + 2,
            };
            if self.columns() + needed <= width || self.cells.len() <= 1 {
                if needed > 0 {
                    self.cells.push(cell(0, rest));
                }
                break;
            }
            let ranks = self.cells.iter().enumerate().map(|(i, c)| (c.rank, i));
            let last = ranks.max().map_or(0, |(_, i)| i);
            self.cells.remove(last);
            gone += 1;
        }
        self.cut(width);
        self
    }

    /// Cuts the cell of a row that is too narrow for even one cell.
    fn cut(&mut self, width: usize) {
        let mut left = width.saturating_sub(self.label_columns());
        for (i, cell) in self.cells.iter_mut().enumerate() {
            left = left.saturating_sub(if i == 0 { 0 } else { 2 });
            if cell.text.len() > left {
                cell.text.truncate(left.saturating_sub(1));
                cell.text.push_str(if left > 0 { "~" } else { "" });
            }
            left -= cell.text.len();
        }
        self.cells.retain(|c| !c.text.is_empty());
    }

    fn text(&self, colour: bool) -> String {
        let mut text = match self.label_columns() {
            0 => String::new(),
            columns => format!("{:<columns$}", self.label),
        };
        for (i, cell) in self.cells.iter().enumerate() {
            if i > 0 {
                text.push_str("  ");
            }
            match cell.fails && colour {
                true => text.push_str(&format!("\x1b[31m{}\x1b[0m", cell.text)),
                false => text.push_str(&cell.text),
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn head(f: &LiveFigures) -> Row {
    // Each character must take one column, but the name may be a path with any character in it.
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let stage = match f.stage.count {
        1 => f.executor.to_owned(),
        count => format!("stage {} of {count}", f.stage.index + 1),
    };
    let mut cells = vec![
        cell(0, one_line(&f.profile).chars().map(plain).collect::<String>()),
        cell(1, stage),
    ];
    match f.phase {
        LivePhase::Running if f.stage.count == 1 => {}
        LivePhase::Running => {
            let target = grouped(u64::from(f.stage.target));
            cells.push(cell(
                2,
                format!("to {target} VUs by {}", whole_seconds(f.stage.ends_at)),
            ));
        }
        LivePhase::Finishing => cells[1] = cell(1, format!("over, {} may finish", grouped(f.in_flight))),
        LivePhase::Stopping => cells[1] = cell(1, format!("stopping, {} may finish", grouped(f.in_flight))),
    }
    Row::new("", cells)
}

fn time(f: &LiveFigures, width: usize) -> Row {
    let left = f.duration.saturating_sub(f.elapsed);
    let cells = match f.iterations {
        None => vec![
            cell(0, format!("{} left", whole_seconds(left))),
            cell(
                2,
                format!("{} of {}", whole_seconds(f.elapsed), whole_seconds(f.duration)),
            ),
        ],
        Some(n) => vec![
            cell(0, format!("{} of {} requests", grouped(f.requests), grouped(n))),
            cell(
                2,
                format!(
                    "{}, at most {} left",
                    whole_seconds(f.elapsed),
                    whole_seconds(left)
                ),
            ),
        ],
    };
    let mut row = Row::new("", cells);
    let bar = width.saturating_sub(row.columns() + 4).min(BAR_MAX);
    if bar >= BAR_MIN {
        let full = (share_done(f) * bar as f64) as usize;
        let text = format!("[{}{}]", "#".repeat(full), "-".repeat(bar - full));
        row.cells.insert(0, cell(1, text));
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

fn vus(f: &LiveFigures) -> Row {
    Row::new(
        "VUs",
        vec![
            cell(0, format!("{} running", grouped(f.vus_running))),
            cell(0, format!("{} planned", grouped(f.vus_planned))),
            cell(1, format!("{} connections", grouped(f.connections))),
        ],
    )
}

fn requests(f: &LiveFigures) -> Row {
    Row::new(
        "requests",
        vec![
            cell(0, format!("{} done", grouped(f.requests))),
            cell(1, format!("{} in flight", grouped(f.in_flight))),
        ],
    )
}

fn rates(f: &LiveFigures) -> Row {
    Row::new(
        "last 10 s",
        vec![
            cell(0, format!("{} req/s", one_decimal(f.requests_per_second))),
            cell(0, format!("{} tok/s", one_decimal(f.output_tokens_per_second))),
        ],
    )
}

fn spread(label: &'static str, s: &LiveSpread) -> Row {
    let show = |ns: Option<Nanos>| duration(ns.map(millis));
    Row::new(
        label,
        vec![
            cell(0, format!("p50 {:<7}", show(s.p50))),
            cell(1, format!("p90 {:<7}", show(s.p90))),
            cell(0, format!("p99 {:<7}", show(s.p99))),
            cell(2, format!("max {}", show(s.max))),
        ],
    )
}

fn errors(f: &LiveFigures) -> Row {
    let mut cells = vec![cell(
        0,
        format!("{} ({:.2} %)", grouped(f.failed), f.failed_rate * 100.0),
    )];
    cells.extend(
        f.errors
            .iter()
            .map(|(name, n)| cell(1, format!("{name} {}", grouped(*n)))),
    );
    for cell in &mut cells {
        cell.fails = f.failed > 0;
    }
    Row {
        counts_rest: true,
        ..Row::new("errors", cells)
    }
}

fn cores(f: &LiveFigures) -> Row {
    let mut cells: Vec<Cell> = f.cores_busy.iter().map(|busy| share(1, "", *busy)).collect();
    if cells.len() > 1 {
        let busiest = f.cores_busy.iter().copied().fold(0.0, f64::max);
        cells.insert(0, share(0, "busiest ", busiest));
    }
    Row {
        counts_rest: true,
        ..Row::new("cores busy", cells)
    }
}

fn share(rank: usize, what: &str, busy: f64) -> Cell {
    Cell {
        fails: busy > BUSY_FAILS,
        ..cell(rank, format!("{what}{:.0} %", busy * 100.0))
    }
}

fn stamps(f: &LiveFigures) -> Row {
    let source = if f.kernel_stamps { "kernel" } else { "user" };
    let mut cells = vec![
        cell(0, source),
        cell(
            1,
            format!("reap lag p99 {}", duration(f.reap_lag_p99.map(millis))),
        ),
    ];
    if f.stamps_missing > 0 {
        cells.push(Cell {
            fails: true,
            ..cell(1, format!("{} missing", grouped(f.stamps_missing)))
        });
    }
    Row::new("stamps", cells)
}

fn one_decimal(x: f64) -> String {
    let tenths = (x * 10.0).round() as u64;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

/// Formats a duration rounded to whole seconds.
fn whole_seconds(ns: Nanos) -> String {
    format_duration((ns + SECOND / 2) / SECOND * SECOND)
}
