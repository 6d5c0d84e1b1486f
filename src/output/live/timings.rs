//! The rows of the block that are tables: rates with times below them, and one row per server.

use crate::output::live::row::{Cell, Row, cell, plain};
use crate::output::live::{Line, Place};
use crate::output::numbers::{cut, duration, grouped};
use crate::report::{LiveFigures, LiveServer, LiveSpread};
use crate::units::{Nanos, millis};

/// The width of a row's name, where the heads have a row of their own.
const NAME: usize = 13;
/// The width of the rates, where the heads of the columns follow in the same row.
const RATES: usize = 42;
const COLUMN: usize = 9;
/// The width of rates and times in one table.
pub(super) const COLUMNS: usize = RATES + 4 * COLUMN;
/// The most servers that have a row.
const SERVERS_SHOWN_MAX: usize = 8;
const SERVER_NAME_MAX: usize = 20;
/// The highest rank of a cell in a server's row.
const SERVER_RANK_MAX: usize = 3;

/// Returns the rates of the last ten seconds, and under them the times.
pub(super) fn timings(f: &LiveFigures, width: usize, colour: bool) -> Vec<Line> {
    let rates = rates(f).fit(width);
    let all = ["p50", "p90", "p99", "max"];
    let same_row = width >= COLUMNS && rates.columns() < RATES;
    let name = if same_row { RATES } else { NAME };
    let columns = (width.saturating_sub(name) / COLUMN).min(all.len());
    let shown = match columns {
        2 => &[0, 2][..],
        n => &[0, 1, 2, 3][..n],
    };
    let row = |label: &str, values: [String; 4]| -> String {
        let mut text = format!("{label:<name$}");
        for i in shown {
            text.push_str(&format!("{:>COLUMN$}", values[*i]));
        }
        text.truncate(width);
        text
    };
    let heads = all.map(str::to_owned);
    let mut lines = match same_row {
        true => vec![Line::new(Place::Rates, row(&rates.text(false), heads))],
        false => vec![
            Line::new(Place::Rates, rates.text(colour)),
            Line::new(Place::Latency, row("", heads)),
        ],
    };
    for (place, label, spread) in [
        (Place::FirstToken, "  first token", &f.ttft),
        (Place::NextToken, "  next token", &f.tbt),
        (Place::Latency, "  latency", &f.latency),
    ] {
        lines.push(Line::new(place, row(label, values(spread))));
    }
    lines
}

fn values(s: &LiveSpread) -> [String; 4] {
    [s.p50, s.p90, s.p99, s.max].map(shown)
}

fn shown(ns: Option<Nanos>) -> String {
    duration(ns.map(millis))
}

fn rates(f: &LiveFigures) -> Row {
    let [requests, output] = per_second(f.requests_per_second, f.output_tokens_per_second);
    // Embeddings and scores have no output, and their input is what counts.
    let tokens = match f.input_tokens_per_second {
        input if input > 0.0 && f.output_tokens_per_second == 0.0 => {
            cell(0, format!("{} input tok/s", rate(input)))
        }
        _ => output,
    };
    Row::new("last 10 s", vec![requests, tokens])
}

fn per_second(requests: f64, tokens: f64) -> [Cell; 2] {
    [
        cell(0, format!("{} req/s", rate(requests))),
        cell(0, format!("{} tok/s", rate(tokens))),
    ]
}

/// Formats a rate: with a decimal below 100.
fn rate(x: f64) -> String {
    match x {
        small if small < 99.95 => format!("{small:.1}"),
        large => grouped(large.round() as u64),
    }
}

/// Returns a row for each of several servers.
pub(super) fn servers(f: &LiveFigures, width: usize, colour: bool) -> Vec<Line> {
    let names: Vec<String> = f
        .servers
        .iter()
        .map(|server| cut(&plain(&server.name), SERVER_NAME_MAX))
        .collect();
    let longest = names.iter().map(String::len).max().unwrap_or(0);
    let label_columns = (longest + 4).min(width / 2);
    let row = |(server, name): (&LiveServer, &String)| {
        let label = cut(&format!("  {name}"), label_columns.saturating_sub(1).max(1));
        Row::with_label(&label, label_columns, server_cells(server))
    };
    let rows = f.servers.iter().zip(&names).take(SERVERS_SHOWN_MAX).map(row);
    let mut rows: Vec<Row> = rows.collect();
    // The same cells for each, so that they can be read down.
    for rank in (1..=SERVER_RANK_MAX).rev() {
        if rows.iter().any(|row| row.columns() > width) {
            rows.iter_mut().for_each(|row| row.leave_out(rank));
        }
    }
    let rows = rows.into_iter();
    let mut lines: Vec<Line> = rows
        .map(|row| Line::new(Place::Server, row.fit(width).text(colour)))
        .collect();
    let rest = f.servers.len().saturating_sub(SERVERS_SHOWN_MAX);
    if rest > 0 {
        lines.push(Line::new(Place::Server, format!("  and {rest} more servers")));
    }
    lines
}

fn server_cells(server: &LiveServer) -> Vec<Cell> {
    let rates = per_second(server.requests_per_second, server.output_tokens_per_second);
    let [requests, tokens] = rates.map(|cell| cell.padded(11));
    let first = format!("mean first token {:<6}", shown(server.ttft_mean));
    let mut cells = vec![
        requests,
        tokens.ranked(2),
        cell(1, first),
        cell(0, format!("{} waiting", grouped(server.in_flight))),
    ];
    if server.failed > 0 {
        cells.push(cell(0, format!("{} failed", grouped(server.failed))).red_if(true));
    }
    if let Some(model) = models(&server.models) {
        cells.push(cell(SERVER_RANK_MAX, model));
    }
    cells
}

/// Names the models: the only one, or the first and how many more; `None` if nothing asks for any.
pub(super) fn models(models: &[String]) -> Option<String> {
    match models {
        [] => None,
        [only] => Some(plain(only)),
        [first, more @ ..] => Some(format!("{} and {} more models", plain(first), more.len())),
    }
}
