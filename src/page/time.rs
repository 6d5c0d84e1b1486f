//! What happened over time: charts that share one axis, with the stages behind them.

use super::doc::{Doc, Unit};
use super::figure::{Band, Chart, Line, Mark};
use super::html::{Cell, Column, items, put, table};
use crate::chart::{Scale, clock, time_ticks, time_with_unit};
use crate::result::{RowFigures, SpreadFigures};
use crate::units::{SECOND, grouped_decimals, parse_duration, significant};
use serde_json::Value;

/// The most rows of a table of the timeline.
const TABLE_ROWS_MAX: usize = 60;
const TICKS: usize = 6;

/// A figure of a row: its name, its path in the row, and its value.
type Of = (&'static str, &'static str, Unit, fn(&RowFigures) -> Option<f64>);

/// The axis that all charts of a run share.
pub(super) struct Axis {
    pub seconds: f64,
    pub bands: Vec<Band>,
    pub marks: Vec<Mark>,
}

impl Axis {
    pub fn of(doc: &Doc) -> Axis {
        let rows = doc.rows();
        let last = rows.last().map_or(0.0, |row| row.elapsed);
        let seconds = last.max(1e-3);
        let marks = items(doc.at("/thresholds")).iter().enumerate();
        let marks = marks.filter_map(|(i, threshold)| {
            let at = threshold.pointer("/breaking_point/elapsed_seconds")?.as_f64()?;
            Some(Mark {
                at: (at / seconds).clamp(0.0, 1.0),
                name: format!("T{}", i + 1),
            })
        });
        Axis {
            seconds,
            bands: bands(doc, seconds),
            marks: marks.collect(),
        }
    }

    pub fn ticks(&self) -> Vec<(f64, String)> {
        let ticks = time_ticks(self.seconds, TICKS).into_iter();
        ticks
            .map(|at| (at / self.seconds, clock(at, self.seconds)))
            .collect()
    }
}

/// Returns the times in which the load was held: the stages that keep their level, or else the steady periods.
fn bands(doc: &Doc, seconds: f64) -> Vec<Band> {
    let stages = items(doc.at("/config/stages"));
    let mut bands = Vec::new();
    // Numbers of users, or rates as they are written.
    let level_of = |value: Option<&Value>| match value {
        Some(Value::Number(users)) => Some(format!("{users} users")),
        Some(Value::String(rate)) => Some(rate.clone()),
        _ => None,
    };
    let start = doc
        .at("/config/start_vus")
        .or_else(|| doc.at("/config/start_rate"));
    let (mut at, mut level) = (0.0, level_of(start));
    for stage in stages {
        let time = stage["duration"]
            .as_str()
            .and_then(|text| parse_duration(text).ok());
        let (Some(time), Some(target)) = (time, level_of(stage.get("target"))) else {
            return Vec::new();
        };
        let end = at + time as f64 / SECOND as f64;
        let is_load = !target.starts_with("0 ") && !target.starts_with("0/") && target != "0";
        if level.as_ref() == Some(&target) && is_load && end > at {
            bands.push(Band {
                from: (at / seconds).min(1.0),
                to: (end / seconds).min(1.0),
                name: target.clone(),
            });
        }
        (at, level) = (end, Some(target));
    }
    if !stages.is_empty() {
        return bands;
    }
    let periods = items(doc.at("/phases/periods")).iter().filter_map(|period| {
        Some(Band {
            from: period["from_seconds"].as_f64()? / seconds,
            to: (period["to_seconds"].as_f64()? / seconds).min(1.0),
            name: "steady".to_owned(),
        })
    });
    periods.collect()
}

/// Writes load and throughput over time.
pub(super) fn load(out: &mut String, doc: &Doc, axis: &Axis) {
    if !axis.bands.is_empty() {
        put!(
            out,
            "<p class=\"soft\">Shaded: the load was held at one level.</p>"
        );
    }
    if !axis.marks.is_empty() {
        put!(
            out,
            "<p class=\"soft\">Dashed red lines with T1, T2 \u{2026}: where a \
             <a href=\"#{}\">threshold</a> failed for good.</p>",
            doc.id("thresholds")
        );
    }
    users(out, doc, axis);
    let rates: [Of; 2] = [
        ("requests", "requests", Unit::Count, |row| {
            Some(row.requests as f64)
        }),
        ("failed", "errors", Unit::Count, |row| Some(row.errors as f64)),
    ];
    per_second(
        out,
        doc,
        axis,
        ("throughput", "Requests that ended, per second"),
        &rates,
    );
    if doc.rows().iter().any(|row| row.output_tokens > 0) {
        let tokens: [Of; 1] = [("output tokens", "output_tokens", Unit::Count, |row| {
            Some(row.output_tokens as f64)
        })];
        let title = "Output tokens of requests that ended, per second";
        per_second(out, doc, axis, ("tokens", title), &tokens);
    }
}

fn users(out: &mut String, doc: &Doc, axis: &Axis) {
    let mut lines: Vec<Of> = vec![
        ("planned", "vus_planned", Unit::Count, |row| {
            Some(row.vus_planned as f64)
        }),
        ("running", "vus_running", Unit::Count, |row| {
            Some(row.vus_running as f64)
        }),
        ("connections", "connections", Unit::Count, |row| {
            Some(row.connections as f64)
        }),
    ];
    if doc.rows().iter().any(|row| row.waiting > 0) {
        lines.push(("waiting arrivals", "waiting", Unit::Count, |row| {
            Some(row.waiting as f64)
        }));
    }
    let most = most(doc.rows(), &lines, |_, value| value);
    let drawn = lines.iter().enumerate().map(|(i, (name, _, _, value))| Line {
        name: (*name).to_owned(),
        colour: [6, 0, 2, 1][i],
        dashed: i == 0,
        points: points(doc.rows(), axis, |_, row| value(row)),
        dots: false,
    });
    Chart {
        id: doc.id("users"),
        title: "Virtual users and connections".to_owned(),
        description: format!(
            "The number of users and connections over {}. At most {} at once.",
            clock(axis.seconds, axis.seconds),
            grouped_decimals(most, 0)
        ),
        small: true,
        y: Scale::from_zero(most.max(1.0)),
        y_text: number,
        x_ticks: axis.ticks(),
        x_title: "",
        bands: &axis.bands,
        named_bands: true,
        marks: &axis.marks,
        lines: drawn.collect(),
        table: figures(doc, "Users and connections", &lines, |row| row.vus_running as f64),
    }
    .write(out);
}

/// Returns the length of each row in seconds.
fn length(rows: &[RowFigures], index: usize) -> f64 {
    let before = index.checked_sub(1).map_or(0.0, |i| rows[i].elapsed);
    (rows[index].elapsed - before).max(1e-3)
}

fn per_second(out: &mut String, doc: &Doc, axis: &Axis, (id, title): (&str, &str), of: &[Of]) {
    let rows = doc.rows();
    let rate = |index: usize, value: f64| value / length(rows, index);
    let most = most(rows, of, rate);
    let lines = of.iter().enumerate().map(|(i, (name, _, _, value))| Line {
        name: if of.len() > 1 {
            (*name).to_owned()
        } else {
            String::new()
        },
        colour: i,
        dashed: false,
        points: points(rows, axis, |index, row| Some(rate(index, value(row)?))),
        dots: false,
    });
    Chart {
        id: doc.id(id),
        title: title.to_owned(),
        description: format!(
            "{title}. The highest is {} per second.",
            grouped_decimals(most, 1)
        ),
        small: true,
        y: Scale::from_zero(most),
        y_text: number,
        x_ticks: axis.ticks(),
        x_title: "",
        bands: &axis.bands,
        named_bands: false,
        marks: &axis.marks,
        lines: lines.collect(),
        table: figures(doc, "In each row of the timeline", of, |row| {
            (of[0].3)(row).unwrap_or(0.0)
        }),
    }
    .write(out);
}

/// Returns a number for an axis: `1,200`, `0.5`.
pub(super) fn number(x: f64) -> String {
    match x {
        x if x == x.trunc() => grouped_decimals(x, 0),
        x => significant(x, 2).trim_end_matches('0').to_owned(),
    }
}

fn most(rows: &[RowFigures], of: &[Of], as_drawn: impl Fn(usize, f64) -> f64) -> f64 {
    let values = rows.iter().enumerate().flat_map(|(index, row)| {
        of.iter()
            .filter_map(move |(_, _, _, value)| Some((index, value(row)?)))
    });
    values
        .map(|(index, value)| as_drawn(index, value))
        .fold(0.0, f64::max)
}

fn points(
    rows: &[RowFigures],
    axis: &Axis,
    value: impl Fn(usize, &RowFigures) -> Option<f64>,
) -> Vec<(f64, Option<f64>)> {
    let rows = rows.iter().enumerate();
    rows.map(|(index, row)| (row.elapsed / axis.seconds, value(index, row)))
        .collect()
}

/// A metric of the timeline: its key, its title, and its figures in a row.
type OfMetric = (&'static str, &'static str, fn(&RowFigures) -> SpreadFigures);

/// Writes latency, TTFT and the time between tokens over time.
pub(super) fn times(out: &mut String, doc: &Doc, axis: &Axis) {
    let metrics: [OfMetric; 3] = [
        ("latency", "Latency of the requests that ended", |row| row.latency),
        ("ttft", "Time to the first token (TTFT)", |row| row.ttft),
        ("tbt", "Time between tokens", |row| row.tbt),
    ];
    let mut any = false;
    for (key, title, of) in metrics {
        if doc.rows().iter().any(|row| of(row).p50.is_some()) {
            any = true;
            spread(out, doc, axis, (key, title), of);
        }
    }
    if !any {
        put!(out, "<p class=\"soft\">No request ended with a time to show.</p>");
    }
}

type Percentile = (&'static str, usize, fn(&SpreadFigures) -> Option<f64>);
const PERCENTILES: [Percentile; 4] = [
    ("max", 6, |s| s.max),
    ("p99", 1, |s| s.p99),
    ("p90", 2, |s| s.p90),
    ("p50", 0, |s| s.p50),
];

fn spread(
    out: &mut String,
    doc: &Doc,
    axis: &Axis,
    (key, title): (&str, &str),
    of: fn(&RowFigures) -> SpreadFigures,
) {
    let rows = doc.rows();
    let values = || {
        rows.iter()
            .flat_map(|row| PERCENTILES.map(|(_, _, value)| value(&of(row))))
    };
    let known = || values().flatten().filter(|ms| *ms > 0.0);
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    let y = Scale::of_times(low.min(high), high);
    let lines = PERCENTILES.iter().filter_map(|(name, colour, value)| {
        let points = points(rows, axis, |_, row| value(&of(row)));
        points.iter().any(|(_, y)| y.is_some()).then(|| Line {
            name: (*name).to_owned(),
            colour: *colour,
            dashed: false,
            points,
            dots: false,
        })
    });
    let scale = if y.logarithmic { ", logarithmic" } else { "" };
    Chart {
        id: doc.id(&format!("time-{key}")),
        title: format!("{title}{scale}"),
        description: format!(
            "Percentiles p50, p90 and p99 and the largest value in each row of the timeline, from {} to {}.",
            time_with_unit(y.low.max(low.min(high))),
            time_with_unit(high)
        ),
        small: false,
        y,
        y_text: time_with_unit,
        x_ticks: axis.ticks(),
        x_title: "",
        bands: &axis.bands,
        named_bands: false,
        marks: &axis.marks,
        lines: lines.collect(),
        table: spread_table(doc, key, of),
    }
    .write(out);
}

fn spread_table(doc: &Doc, key: &str, of: fn(&RowFigures) -> SpreadFigures) -> String {
    let rows = doc.rows();
    let kept = kept(rows, |row| of(row).p99.unwrap_or(0.0));
    let mut out = String::new();
    let heads = ["values", "p50", "p90", "p99", "max"].map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::number("until")).chain(heads).collect();
    let cells = kept.iter().map(|index| {
        let figures = of(&rows[*index]);
        let cell = |name: &str, value: Option<f64>, unit: Unit| {
            Cell::from(doc.of_row(*index, &format!("{key}/{name}"), value, unit))
        };
        vec![
            until(doc, *index),
            cell("count", Some(figures.count as f64), Unit::Count),
            cell("p50", figures.p50, Unit::Millis),
            cell("p90", figures.p90, Unit::Millis),
            cell("p99", figures.p99, Unit::Millis),
            cell("max", figures.max, Unit::Millis),
        ]
    });
    let caption = caption("Percentiles in each row of the timeline", rows.len(), kept.len());
    table(&mut out, &caption, &columns, cells);
    out
}

fn until(doc: &Doc, index: usize) -> Cell {
    let at = doc.rows()[index].elapsed;
    Cell::from(doc.of_row(index, "elapsed_seconds", Some(at), Unit::Seconds))
}

fn caption(what: &str, all: usize, kept: usize) -> String {
    match kept < all {
        false => what.to_owned(),
        true => format!("{what}: {kept} of {all}, the lowest and the highest of each stretch"),
    }
}

fn figures(doc: &Doc, what: &str, of: &[Of], peak: impl Fn(&RowFigures) -> f64) -> String {
    let rows = doc.rows();
    let kept = kept(rows, peak);
    let columns = of.iter().map(|(name, ..)| Column::number(name));
    let columns: Vec<Column> = std::iter::once(Column::number("until")).chain(columns).collect();
    let cells = kept.iter().map(|index| {
        let cells = of
            .iter()
            .map(|(_, path, unit, value)| Cell::from(doc.of_row(*index, path, value(&rows[*index]), *unit)));
        std::iter::once(until(doc, *index)).chain(cells).collect()
    });
    let mut out = String::new();
    table(&mut out, &caption(what, rows.len(), kept.len()), &columns, cells);
    out
}

/// Returns the rows that a table shows: all, or the lowest and the highest of each stretch.
fn kept(rows: &[RowFigures], peak: impl Fn(&RowFigures) -> f64) -> Vec<usize> {
    let points: Vec<(f64, Option<f64>)> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| (i as f64, Some(peak(row))))
        .collect();
    let kept = crate::chart::thinned(&points, TABLE_ROWS_MAX / 2);
    kept.into_iter().map(|(i, _)| i as usize).collect()
}
