//! Tables of figures: by metric, by kind of request, by server, by repetition, by turn, by step.

use super::doc::{Doc, NOTHING, Unit};
use super::html::{Cell, Column, escaped, items, key, keys, put, table};
use crate::metrics::{METRICS, MetricId};

/// A column of a table: its head, the path of its figure below the row's, and its unit.
pub(super) type Of = (&'static str, &'static str, Unit);

/// Writes a table of paths: each row has its head and the path that its figures are below.
pub(super) fn by_path(
    out: &mut String,
    doc: &Doc,
    caption: &str,
    head: &str,
    of: &[Of],
    rows: &[(String, String)],
) {
    // A column without a figure says nothing.
    let has = |path: &str| {
        rows.iter()
            .any(|(_, base)| doc.at(&format!("{base}{path}")).is_some())
    };
    let of: Vec<&Of> = of.iter().filter(|(_, path, _)| has(path)).collect();
    let heads = of.iter().map(|(head, _, _)| Column::number(head));
    let columns: Vec<Column> = std::iter::once(Column::word(head)).chain(heads).collect();
    let cells = rows.iter().map(|(name, base)| {
        let cells = of
            .iter()
            .map(|(_, path, unit)| Cell::from(doc.datum(&format!("{base}{path}"), *unit)));
        std::iter::once(Cell::from(name.clone())).chain(cells).collect()
    });
    table(out, caption, &columns, cells);
}

/// Writes the figures of each metric over all requests.
pub(super) fn metrics(out: &mut String, doc: &Doc) {
    let names = ["count", "min", "mean", "p50", "p90", "p95", "p99", "p999", "max"];
    let heads = [
        "values", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max",
    ];
    let columns: Vec<Column> = std::iter::once(Column::word("metric"))
        .chain(heads.map(Column::number))
        .chain([Column::number("p99 lies within")])
        .collect();
    let mut found = keys(doc.at("/metrics"));
    found.sort_by_key(|name| METRICS.iter().position(|metric| metric.key == *name));
    let found = found.iter().filter(|name| {
        let count = doc.float(&format!("/metrics/{}/count", key(name)));
        count.is_some_and(|count| count > 0.0)
    });
    let rows = found.clone().map(|name| {
        let path = format!("/metrics/{}", key(name));
        let cells = names.iter().map(|figure| {
            let unit = if *figure == "count" {
                Unit::Count
            } else {
                Unit::Millis
            };
            Cell::from(doc.datum(&format!("{path}/{figure}"), unit))
        });
        let interval = interval(doc, &format!("{path}/p99_interval"));
        std::iter::once(Cell::from(escaped(name)))
            .chain(cells)
            .chain([Cell::from(interval)])
            .collect()
    });
    let caption = "Times of all requests; \u{201c}lies within\u{201d}: with 95 % confidence";
    table(out, caption, &columns, rows);
    put!(
        out,
        "<details><summary>What the metrics mean</summary><dl class=\"facts\">"
    );
    for (name, id) in found.filter_map(|name| Some((name, MetricId::from_key(name)?))) {
        put!(
            out,
            "<dt>{}</dt><dd>{}</dd>",
            escaped(name),
            escaped(id.row().meaning)
        );
    }
    out.push_str("</dl></details>\n");
}

/// Writes an interval of times.
pub(super) fn interval(doc: &Doc, path: &str) -> String {
    let end = |index: usize| doc.some(&format!("{path}/{index}"), Unit::Millis);
    match end(0).zip(end(1)) {
        Some((low, high)) => format!("{low} \u{2026} {high}"),
        None => NOTHING.to_owned(),
    }
}

const GROUP: [Of; 15] = [
    ("requests", "/totals/requests", Unit::Count),
    ("ok", "/totals/ok", Unit::Count),
    ("failed", "/totals/failed", Unit::Count),
    ("errors", "/rates/error_rate", Unit::Share),
    ("per second", "/rates/requests_per_second", Unit::PerSecond),
    (
        "tokens per second",
        "/rates/output_tokens_per_second",
        Unit::PerSecond,
    ),
    ("goodput", "/rates/goodput", Unit::Share),
    ("TTFT p50", "/metrics/ttft/p50", Unit::Millis),
    ("p90", "/metrics/ttft/p90", Unit::Millis),
    ("p99", "/metrics/ttft/p99", Unit::Millis),
    ("between tokens p50", "/metrics/tbt/p50", Unit::Millis),
    ("p99", "/metrics/tbt/p99", Unit::Millis),
    ("latency p50", "/metrics/latency/p50", Unit::Millis),
    ("p90", "/metrics/latency/p90", Unit::Millis),
    ("p99", "/metrics/latency/p99", Unit::Millis),
];

/// Writes the figures by server and by kind, and in each phase, pass and repetition.
pub(super) fn groups(out: &mut String, doc: &Doc) {
    let named = |group: &str| -> Vec<(String, String)> {
        let names = keys(doc.at(group));
        names
            .iter()
            .map(|name| (escaped(name), format!("{group}/{}", key(name))))
            .collect()
    };
    for (group, caption, head) in [
        ("/servers", "By server", "server"),
        ("/kinds", "By kind of request", "kind"),
    ] {
        let rows = named(group);
        if !rows.is_empty() {
            by_path(out, doc, caption, head, &GROUP, &rows);
        }
    }
    if doc.at("/phases").is_some() {
        let rows = [("while it ramped", "ramp"), ("while it was held", "steady")];
        let rows = rows.map(|(name, phase)| (name.to_owned(), format!("/phases/{phase}")));
        by_path(out, doc, "By phase of the load", "phase", &GROUP, &rows);
    }
    let repeats = 0..items(doc.at("/repeats")).len();
    let rows = repeats.map(|i| (format!("{}", i + 1), format!("/repeats/{i}")));
    let rows: Vec<(String, String)> = rows.collect();
    if !rows.is_empty() {
        by_path(out, doc, "By repetition", "repetition", &GROUP, &rows);
        spread(out, doc);
    }
    shards(out, doc);
}

fn shards(out: &mut String, doc: &Doc) {
    let of: [Of; 4] = [
        ("shard", "/run/shard/number", Unit::Count),
        ("duration", "/run/duration_seconds", Unit::Seconds),
        ("warm-up to load", "/run/startup_seconds", Unit::Seconds),
        ("exit code", "/run/exit_code", Unit::Plain),
    ];
    let parts = 0..items(doc.at("/parts")).len();
    let rows: Vec<(String, String)> = parts
        .map(|i| {
            let name = doc.text(&format!("/parts/{i}/file")).unwrap_or_default();
            (name, format!("/parts/{i}"))
        })
        .collect();
    if !rows.is_empty() {
        by_path(out, doc, "The shards of this run", "document", &of, &rows);
    }
}

fn spread(out: &mut String, doc: &Doc) {
    let rows = items(doc.at("/spread")).iter().enumerate().map(|(i, row)| {
        let unit = match row["unit"].as_str() {
            Some("ms") => Unit::Millis,
            Some("/s") => Unit::PerSecond,
            _ => Unit::Plain,
        };
        let figures = ["mean", "low", "high", "min", "max", "stddev"].map(|name| {
            let unit = if name == "runs" { Unit::Count } else { unit };
            Cell::from(doc.datum(&format!("/spread/{i}/{name}"), unit))
        });
        let name = doc.text(&format!("/spread/{i}/figure")).unwrap_or_default();
        std::iter::once(Cell::from(name)).chain(figures).collect()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let heads = ["mean", "low", "high", "least", "most", "standard deviation"].map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::word("figure")).chain(heads).collect();
    table(out, "Across the repetitions", &columns, rows);
}

/// Writes turns of conversations: how the TTFT grows with the turn.
pub(super) fn sessions(out: &mut String, doc: &Doc) {
    let rows: Vec<(String, String)> = items(doc.at("/sessions/turns"))
        .iter()
        .enumerate()
        .map(|(i, _)| {
            let path = format!("/sessions/turns/{i}");
            (doc.datum(&format!("{path}/turn"), Unit::Count), path)
        })
        .collect();
    let of: [Of; 7] = [
        ("TTFTs", "/ttft/count", Unit::Count),
        ("TTFT p50", "/ttft/p50", Unit::Millis),
        ("p90", "/ttft/p90", Unit::Millis),
        ("p99", "/ttft/p99", Unit::Millis),
        ("latency p50", "/latency/p50", Unit::Millis),
        ("p90", "/latency/p90", Unit::Millis),
        ("p99", "/latency/p99", Unit::Millis),
    ];
    super::sweep::turns(out, doc, |out| {
        by_path(out, doc, "By turn of the conversations", "turn", &of, &rows);
    });
}

/// Writes the steps of a sweep, each judged by itself.
pub(super) fn steps(out: &mut String, doc: &Doc) {
    let steps = items(doc.at("/steps/judged"));
    if steps.is_empty() {
        return;
    }
    put!(out, "<h3>Step by step</h3>");
    match doc.some("/steps/peak_vus", Unit::Count) {
        Some(peak) => put!(out, "<p>All thresholds hold at up to <b>{peak}</b> users.</p>"),
        None => put!(out, "<p>No step meets all thresholds.</p>"),
    }
    let of: [Of; 9] = [
        ("from", "/from_seconds", Unit::Seconds),
        ("to", "/to_seconds", Unit::Seconds),
        ("requests", "/requests", Unit::Count),
        ("per second", "/requests_per_second", Unit::PerSecond),
        ("tokens per second", "/output_tokens_per_second", Unit::PerSecond),
        ("TTFT p50", "/ttft/p50", Unit::Millis),
        ("p99", "/ttft/p99", Unit::Millis),
        ("latency p50", "/latency/p50", Unit::Millis),
        ("p99", "/latency/p99", Unit::Millis),
    ];
    let rows: Vec<(String, String)> = (0..steps.len())
        .map(|i| {
            let path = format!("/steps/judged/{i}");
            let users = doc.datum(&format!("{path}/vus"), Unit::Count);
            let verdict = if doc.flag(&format!("{path}/ok")) {
                "holds"
            } else {
                "fails"
            };
            (format!("{users} users, {verdict}"), path)
        })
        .collect();
    super::sweep::steps(out, doc, |out| {
        by_path(out, doc, "By step", "step", &of, &rows);
    });
}
