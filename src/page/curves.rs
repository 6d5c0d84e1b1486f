//! Percentile curves: the time that a share of the requests took at most, each further nine as wide as the one before.

use super::doc::{Doc, Unit};
use super::figure::{Chart, Line};
use super::html::{Cell, Column, escaped, key, keys, put, table};
use crate::chart::{Scale, nines, percentile_ticks, quantile_line, time_with_unit};
use crate::metrics::Distribution;
use crate::units::millis;

/// The most curves of one chart: there are six colours.
const CURVES_MAX: usize = 6;
/// Values below this share of a curve do not widen the axis: a few answers that fail at once would take most of it.
const SHARE_MIN: f64 = 0.05;
/// The points after which a curve is drawn with fewer.
const POINTS_MAX: usize = 300;

const METRICS: [(&str, &str); 3] = [
    ("latency", "Latency"),
    ("ttft", "Time to the first token (TTFT)"),
    ("tbt", "Time between tokens"),
];

/// A distribution that is drawn.
struct Curve<'a> {
    name: String,
    doc: Doc<'a>,
    /// Where its figures are in the document.
    path: String,
    points: Vec<(f64, f64)>,
}

impl<'a> Curve<'a> {
    fn of(name: &str, doc: Doc<'a>, path: String) -> Option<Curve<'a>> {
        let hdr = doc.string(&format!("{path}/hdr"))?;
        let distribution = Distribution::from_v2_compressed_base64(hdr).ok()?;
        let points = points(&distribution, doc.float(&format!("{path}/max")));
        (!points.is_empty()).then(|| Curve {
            name: name.to_owned(),
            doc,
            path,
            points,
        })
    }
}

/// Returns the values of a distribution in milliseconds, each with the share of values up to it.
fn points(distribution: &Distribution, max: Option<f64>) -> Vec<(f64, f64)> {
    let steps = distribution.steps();
    let all: u64 = steps.iter().map(|(_, count)| count).sum();
    let mut sum = 0;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (ns, count) in steps {
        sum += count;
        points.push((millis(ns), sum as f64 / all as f64));
    }
    // The last bucket ends above the largest value, which is known exactly.
    if let (Some(last), Some(max)) = (points.last_mut(), max) {
        last.0 = last.0.min(max);
    }
    points
}

/// Writes the curves of one run: of all requests, or of each server or kind.
pub(super) fn of_run(out: &mut String, doc: &Doc) {
    let group = ["servers", "kinds"].into_iter().find(|group| {
        let count = keys(doc.at(&format!("/{group}"))).len();
        (2..CURVES_MAX).contains(&count)
    });
    let curves = |metric: &str| -> Vec<Curve> {
        let mut curves: Vec<Curve> = Curve::of("all", *doc, format!("/metrics/{metric}"))
            .into_iter()
            .collect();
        let names = group.map_or(Vec::new(), |group| keys(doc.at(&format!("/{group}"))));
        curves.extend(names.iter().filter_map(|name| {
            let path = format!("/{}/{}/metrics/{metric}", group.unwrap_or_default(), key(name));
            Curve::of(name, *doc, path)
        }));
        // The only group with values is all.
        if curves.len() == 2 {
            curves.truncate(1);
        }
        curves
    };
    charts(out, &doc.id("curve"), curves);
}

/// Writes the curves of several runs, one of each.
pub(super) fn of_runs(out: &mut String, docs: &[(String, Doc)]) {
    let curves = |metric: &str| -> Vec<Curve> {
        let found = docs
            .iter()
            .filter_map(|(name, doc)| Curve::of(name, *doc, format!("/metrics/{metric}")));
        found.take(CURVES_MAX).collect()
    };
    charts(out, "compared-curve", curves);
}

fn charts<'a>(out: &mut String, id: &str, curves: impl Fn(&str) -> Vec<Curve<'a>>) {
    let found: Vec<_> = METRICS
        .iter()
        .map(|(metric, title)| (metric, title, curves(metric)))
        .filter(|(_, _, curves)| !curves.is_empty())
        .collect();
    if found.is_empty() {
        put!(out, "<p class=\"soft\">No request has a time to draw.</p>");
        return;
    }
    put!(
        out,
        "<p class=\"soft\">p99: 99 % took at most so long. Each further nine is as wide as the one before.</p>\
         <div class=\"two\">"
    );
    for (metric, title, curves) in found {
        chart(out, &format!("{id}-{metric}"), title, &curves);
    }
    out.push_str("</div>\n");
}

fn chart(out: &mut String, id: &str, title: &str, curves: &[Curve]) {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let positive = || all().filter(|(ms, _)| *ms > 0.0);
    let high = positive().map(|p| p.0).fold(0.0, f64::max);
    let low = positive().filter(|p| p.1 >= SHARE_MIN).map(|p| p.0);
    let low = low.fold(f64::INFINITY, f64::min).min(high);
    let nines = nines(all().map(|p| p.1));
    let y = match high > 0.0 {
        true => Scale::of_times(low, high),
        false => Scale::from_zero(1.0),
    };
    let lines = curves.iter().enumerate().map(|(i, curve)| Line {
        name: if curves.len() > 1 {
            curve.name.clone()
        } else {
            String::new()
        },
        colour: i % CURVES_MAX,
        dashed: false,
        points: thin(quantile_line(&curve.points, nines)),
        dots: false,
    });
    let scale = if y.logarithmic { ", logarithmic" } else { "" };
    Chart {
        id: id.to_owned(),
        title: format!("{title} by percentile{scale}"),
        description: format!(
            "The percentiles of {} from the minimum to the maximum.",
            title.to_lowercase()
        ),
        small: false,
        y,
        y_text: time_with_unit,
        x_ticks: percentile_ticks(nines),
        x_title: "percentile of the values",
        bands: &[],
        named_bands: false,
        marks: &[],
        lines: lines.collect(),
        table: figures(title, curves),
    }
    .write(out);
}

/// Leaves out points that are not to be told from the one before, so that the steps of a curve stay.
fn thin(line: Vec<(f64, f64)>) -> Vec<(f64, Option<f64>)> {
    let mut out: Vec<(f64, Option<f64>)> = Vec::new();
    let apart = 1.0 / POINTS_MAX as f64;
    let count = line.len();
    for (i, (x, ms)) in line.into_iter().enumerate() {
        let close = out
            .last()
            .is_some_and(|(before, y)| x - before < apart && y.is_some_and(|y| (ms / y - 1.0).abs() < 0.01));
        if !close || i + 1 == count {
            out.push((x, Some(ms)));
        }
    }
    out
}

fn figures(title: &str, curves: &[Curve]) -> String {
    let names = ["count", "min", "p50", "p90", "p95", "p99", "p999", "max"];
    let heads = ["values", "min", "p50", "p90", "p95", "p99", "p99.9", "max"];
    let columns = heads.map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::word("of")).chain(columns).collect();
    let rows = curves.iter().map(|curve| {
        let cells = names.iter().map(|name| {
            let unit = if *name == "count" {
                Unit::Count
            } else {
                Unit::Millis
            };
            Cell::from(curve.doc.datum(&format!("{}/{name}", curve.path), unit))
        });
        std::iter::once(Cell::from(escaped(&curve.name)))
            .chain(cells)
            .collect()
    });
    let mut out = String::new();
    table(&mut out, &format!("{title}: percentiles"), &columns, rows);
    out
}
