//! Curves over a load or a turn: the steps of a sweep, the probes of a search, the turns of conversations.

use super::doc::{Doc, Unit};
use super::figure::{Chart, Line, Mark};
use super::html::{Cell, Column, escaped, facts, items, put, table};
use super::over::Verdict;
use super::time::number;
use crate::chart::{Scale, time_with_unit};
use serde_json::Value;

/// The least distance between two numbers of an axis, as a share of the width.
const TICKS_APART: f64 = 0.09;

/// A curve: its name, its colour, and the path of its value below that of a point.
type Of = (&'static str, usize, &'static str);

/// Points of one kind: its name, its colour, and which they are.
type Dots = (&'static str, usize, fn(&Value) -> bool);

/// What a chart over levels shows.
struct Over<'a> {
    id: &'a str,
    title: &'a str,
    x_title: &'a str,
    is_time: bool,
    factor: f64,
}

/// Draws values over levels, which are logarithmic unless they are turns.
fn over(out: &mut String, doc: &Doc, of: &Over, levels: &[(f64, &Value)], curves: &[Of], extra: Extra) {
    let value = |point: &Value, path: &str| Some(point.pointer(path)?.as_f64()? * of.factor);
    let known: Vec<f64> = curves
        .iter()
        .flat_map(|(_, _, path)| levels.iter().filter_map(move |(_, point)| value(point, path)))
        .collect();
    if known.is_empty() {
        return;
    }
    let (low, high) = (
        known
            .iter()
            .copied()
            .filter(|x| *x > 0.0)
            .fold(f64::INFINITY, f64::min),
        known.iter().copied().fold(0.0, f64::max),
    );
    let y = match of.is_time && low <= high {
        true => Scale::of_times(low, high),
        false => Scale::from_zero(high),
    };
    let mut sorted = levels.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let axis = Levels::of(&sorted);
    let mut lines = Vec::new();
    for (name, colour, path) in curves {
        let points = sorted.chunk_by(|a, b| a.0 == b.0).filter_map(|same| {
            let values: Vec<f64> = same.iter().filter_map(|(_, point)| value(point, path)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (!values.is_empty()).then(|| (axis.place(same[0].0), Some(mean)))
        });
        let points: Vec<(f64, Option<f64>)> = points.collect();
        let line = |name: &str, colour: usize, dots: bool, points| Line {
            name: name.to_owned(),
            colour,
            dashed: false,
            points,
            dots,
        };
        lines.push(line(name, *colour, false, points));
        for (kind, colour, is) in extra.dots {
            let dots = sorted.iter().filter(|(_, point)| is(point));
            let dots = dots.filter_map(|(x, point)| Some((axis.place(*x), Some(value(point, path)?))));
            let first = lines.iter().all(|line| line.name != *kind);
            lines.push(line(if first { kind } else { "" }, *colour, true, dots.collect()));
        }
    }
    let scale = if y.logarithmic { ", logarithmic" } else { "" };
    let marks = extra.mark.map(|(at, name)| Mark {
        at: axis.place(at),
        name: name.to_owned(),
    });
    Chart {
        id: doc.id(of.id),
        title: format!("{}{scale}", of.title),
        description: format!(
            "{} over {}; the table below has the figures.",
            of.title, of.x_title
        ),
        small: false,
        y,
        y_text: if of.is_time { time_with_unit } else { number },
        x_ticks: axis.ticks(&sorted),
        x_title: of.x_title,
        bands: &[],
        named_bands: false,
        marks: marks.as_slice(),
        lines: lines.into_iter().filter(|line| !line.points.is_empty()).collect(),
        table: String::new(),
    }
    .write(out);
}

/// What a chart has besides its lines.
#[derive(Clone, Copy, Default)]
struct Extra<'a> {
    dots: &'a [Dots],
    mark: Option<(f64, &'a str)>,
}

/// An axis of levels, on which each doubling is as wide as the one before.
struct Levels {
    low: f64,
    high: f64,
}

impl Levels {
    fn of(sorted: &[(f64, &Value)]) -> Levels {
        let low = sorted.first().map_or(1.0, |level| level.0).max(1e-9);
        let high = sorted.last().map_or(1.0, |level| level.0).max(low);
        match low < high {
            true => Levels { low, high },
            false => Levels {
                low: low / 2.0,
                high: low * 2.0,
            },
        }
    }

    fn place(&self, level: f64) -> f64 {
        let place = (level.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        0.02 + place * 0.96
    }

    fn ticks(&self, sorted: &[(f64, &Value)]) -> Vec<(f64, String)> {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for (level, _) in sorted {
            let at = self.place(*level);
            if ticks.last().is_none_or(|(before, _)| at - before >= TICKS_APART) {
                ticks.push((at, crate::units::decimal(*level)));
            }
        }
        ticks
    }
}

fn levels<'a>(points: &'a [Value], key: &str) -> Vec<(f64, &'a Value)> {
    let points = points
        .iter()
        .filter_map(|point| Some((point[key].as_f64()?, point)));
    points.collect()
}

/// Draws the TTFT by turn, with `table` below.
pub(super) fn turns(out: &mut String, doc: &Doc, table: impl FnOnce(&mut String)) {
    let turns = items(doc.at("/sessions/turns"));
    if turns.is_empty() {
        return;
    }
    put!(out, "<h3>Conversations</h3>");
    if turns.len() > 1 {
        let of = Over {
            id: "turns",
            title: "Time to the first token by turn",
            x_title: "turn of the conversation, logarithmic",
            is_time: true,
            factor: 1.0,
        };
        let curves: [Of; 3] = [
            ("p99", 1, "/ttft/p99"),
            ("p90", 2, "/ttft/p90"),
            ("p50", 0, "/ttft/p50"),
        ];
        over(out, doc, &of, &levels(turns, "turn"), &curves, Extra::default());
    }
    table(out);
}

/// Draws throughput and times by step, with `table` below.
pub(super) fn steps(out: &mut String, doc: &Doc, table: impl FnOnce(&mut String)) {
    let steps = levels(items(doc.at("/steps/judged")), "vus");
    const HOLDS: fn(&Value) -> bool = |step| step["ok"] == true;
    const FAILS: fn(&Value) -> bool = |step| step["ok"] == false;
    let dots: [Dots; 2] = [("holds", 0, HOLDS), ("fails", 1, FAILS)];
    let extra = Extra {
        dots: &dots,
        mark: doc.float("/steps/peak_vus").map(|at| (at, "peak")),
    };
    if steps.len() > 1 {
        out.push_str("<div class=\"two\">\n");
        let chart = |id, title, is_time| Over {
            id,
            title,
            x_title: "users, logarithmic",
            is_time,
            factor: 1.0,
        };
        let throughput = chart("step-rate", "Requests per second by step", false);
        over(
            out,
            doc,
            &throughput,
            &steps,
            &[("", 6, "/requests_per_second")],
            extra,
        );
        let ttft = chart("step-ttft", "TTFT p99 by step", true);
        over(out, doc, &ttft, &steps, &[("", 6, "/ttft/p99")], extra);
        let latency = chart("step-latency", "Latency p99 by step", true);
        over(out, doc, &latency, &steps, &[("", 6, "/latency/p99")], extra);
        out.push_str("</div>\n");
    }
    table(out);
}

/// Writes the answer of a search for the highest load.
pub(super) fn answer(out: &mut String, doc: &Doc) {
    Verdict::of(doc).line(out, doc);
    let unit = match doc.string("/search/over") {
        Some("rate") => "requests per second",
        _ => "users",
    };
    let limit = match doc.some("/answer/limit", Unit::Plain) {
        Some(limit) => format!("{limit} {unit}"),
        None => "no load that was tried holds".to_owned(),
    };
    let ends = (
        doc.some("/answer/low", Unit::Plain),
        doc.some("/answer/high", Unit::Plain),
    );
    let interval = match ends {
        (Some(low), Some(high)) => Some(format!("{low} \u{2026} {high} {unit}")),
        (Some(low), None) => Some(format!("at least {low} {unit}")),
        (None, Some(high)) => Some(format!("below {high} {unit}")),
        (None, None) => None,
    };
    let knee = doc.some("/answer/knee/level", Unit::Plain);
    facts(
        out,
        &[
            ("highest load that holds", Some(format!("<b>{limit}</b>"))),
            ("it lies within", interval),
            ("with confidence", doc.some("/answer/confidence", Unit::Share)),
            (
                "more load gives hardly more from",
                knee.map(|knee| format!("{knee} {unit}")),
            ),
            ("profile", doc.text("/run/profile")),
            ("server", doc.text("/run/target")),
            ("started", doc.text("/run/started_at")),
            ("duration", doc.some("/run/duration_seconds", Unit::Seconds)),
            (
                "made by",
                doc.text("/run/version").map(|v| format!("llmload-uring {v}")),
            ),
        ],
    );
    if let Some(summary) = doc.string("/summary") {
        put!(
            out,
            "<h3>In words</h3><pre>{}</pre>",
            super::html::escaped_lines(summary)
        );
    }
}

/// Draws the probes of a search and lists them.
pub(super) fn probes(out: &mut String, doc: &Doc) {
    const HOLDS: fn(&Value) -> bool = |probe| probe["decision"] == "holds";
    const FAILS: fn(&Value) -> bool = |probe| probe["decision"] == "fails";
    const OPEN: fn(&Value) -> bool = |probe| probe["decision"] == "open";
    let all = items(doc.at("/probes"));
    let probes = levels(all, "level");
    let x_title = match doc.string("/search/over") {
        Some("rate") => "requests per second, logarithmic",
        _ => "users, logarithmic",
    };
    let dots: [Dots; 3] = [("holds", 0, HOLDS), ("fails", 1, FAILS), ("undecided", 6, OPEN)];
    let extra = Extra {
        dots: &dots,
        mark: doc.float("/answer/limit").map(|at| (at, "limit")),
    };
    let chart = |id, title, is_time, factor| Over {
        id,
        title,
        x_title,
        is_time,
        factor,
    };
    out.push_str("<div class=\"two\">\n");
    let charts = [
        (
            chart("probe-rate", "Good answers per second", false, 1.0),
            "/ok_per_second",
        ),
        (
            chart("probe-tokens", "Output tokens per second", false, 1.0),
            "/output_tokens_per_second",
        ),
        (chart("probe-ttft", "TTFT p95", true, 1.0), "/ttft/p95"),
        (chart("probe-latency", "Latency p95", true, 1.0), "/latency/p95"),
        (
            chart("probe-goodput", "Goodput, % of the requests", false, 100.0),
            "/goodput",
        ),
    ];
    for (of, path) in &charts {
        over(out, doc, of, &probes, &[("", 6, path)], extra);
    }
    out.push_str("</div>\n");
    list(out, doc, all);
}

fn list(out: &mut String, doc: &Doc, probes: &[Value]) {
    let figures: [(&str, &str, Unit); 11] = [
        ("requests", "requests", Unit::Count),
        ("failed", "failed", Unit::Count),
        ("counted", "counted_seconds", Unit::Seconds),
        ("good per second", "ok_per_second", Unit::PerSecond),
        ("tokens per second", "output_tokens_per_second", Unit::PerSecond),
        ("TTFT p50", "ttft/p50", Unit::Millis),
        ("p95", "ttft/p95", Unit::Millis),
        ("p99", "ttft/p99", Unit::Millis),
        ("latency p50", "latency/p50", Unit::Millis),
        ("p95", "latency/p95", Unit::Millis),
        ("p99", "latency/p99", Unit::Millis),
    ];
    let heads = figures.iter().map(|(head, _, _)| Column::number(head));
    let columns: Vec<Column> = [Column::number("load"), Column::word("verdict")]
        .into_iter()
        .chain(heads)
        .chain([Column::sentence("broke")])
        .collect();
    let rows = probes.iter().enumerate().map(|(i, probe)| {
        let decision = probe["decision"].as_str().unwrap_or_default();
        let class = match decision {
            "holds" => "good",
            "fails" => "bad",
            _ => "",
        };
        let verdict = Cell {
            html: escaped(decision),
            class,
        };
        let broke = items(probe.get("slos")).iter().filter(|slo| slo["broke"] == true);
        let broke: Vec<String> = broke
            .filter_map(|slo| Some(escaped(slo["slo"].as_str()?)))
            .collect();
        let cells = figures
            .iter()
            .map(|(_, path, unit)| Cell::from(doc.datum(&format!("/probes/{i}/{path}"), *unit)));
        [
            Cell::from(doc.datum(&format!("/probes/{i}/level"), Unit::Plain)),
            verdict,
        ]
        .into_iter()
        .chain(cells)
        .chain([Cell::from(broke.join(", "))])
        .collect()
    });
    table(out, "The probes, in their order", &columns, rows);
}
