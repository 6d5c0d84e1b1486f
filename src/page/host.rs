//! The generator's own fitness, the server that a run started, and the whole configuration.

use super::doc::{Doc, Unit};
use super::figure::{Chart, Line};
use super::html::{Cell, Column, escaped, escaped_lines, facts, items, keys, put, table};
use super::time::{Axis, number};
use crate::chart::Scale;
use crate::units::bytes;
use serde_json::Value;

/// Writes whether the generator was fit, and by which figures.
pub(super) fn fitness(out: &mut String, doc: &Doc) {
    let limits = items(doc.at("/client/limit_reasons"));
    match doc.flag("/client/limit") {
        false => put!(
            out,
            "<p class=\"verdict good\"><b>The generator was fit</b> <span>No warning about it applies: what was slow was \
             not slow because of it.</span></p>"
        ),
        true => {
            put!(
                out,
                "<p class=\"verdict warn\"><b>The generator may have been the limit</b> <span>Then it may have distorted \
                 the figures.</span></p><ul class=\"notes\">"
            );
            for i in 0..limits.len() {
                let found = doc.text(&format!("/client/limit_reasons/{i}/found"));
                put!(out, "<li>{}</li>", found.unwrap_or_default());
            }
            out.push_str("</ul>\n");
        }
    }
    let lag = |path: &str| {
        let (p50, p99) = (format!("{path}/p50"), format!("{path}/p99"));
        let p50 = doc.some(&p50, Unit::Millis)?;
        Some(format!("{p50} at p50, {} at p99", doc.datum(&p99, Unit::Millis)))
    };
    let fit = |path: &str| doc.some(path, Unit::Count);
    facts(
        out,
        &[
            ("sent later than due", lag("/metrics/schedule_lag")),
            ("requests more than 1 ms late", fit("/totals/late")),
            ("arrivals stamped by", doc.text("/client/stamp_source")),
            ("sockets driven by", doc.text("/client/io/driver")),
            ("arrivals without a stamp", fit("/client/stamps_missing")),
            ("looked at after their stamp", lag("/client/reap_lag")),
            ("clock set during the run", fit("/client/clock_steps")),
            (
                "machine slept for",
                doc.some("/client/suspended_seconds", Unit::Seconds),
            ),
            ("throttled periods", fit("/client/throttled_periods")),
            ("of periods of the quota", fit("/client/quota_periods")),
            ("tokens that shared a read", fit("/totals/coalesced_events")),
            ("of tokens that arrived", fit("/totals/token_events")),
        ],
    );
    cores(out, doc);
    budget(out, doc);
}

fn cores(out: &mut String, doc: &Doc) {
    let figures: [(&str, &str, Unit); 9] = [
        ("CPU", "cpu", Unit::Plain),
        ("busy", "busy_percent", Unit::Percent),
        ("waited for its CPU", "run_delay_percent", Unit::Percent),
        ("stalls", "loop_stalls", Unit::Count),
        ("longest", "longest_stall", Unit::Millis),
        ("reads", "reads", Unit::Count),
        ("reap lag p99", "reap_lag_p99", Unit::Millis),
        ("schedule lag p99", "schedule_lag_p99", Unit::Millis),
        ("overflows", "completion_queue_overflows", Unit::Count),
    ];
    let heads = figures.iter().map(|(head, _, _)| Column::number(head));
    let columns: Vec<Column> = std::iter::once(Column::word("core")).chain(heads).collect();
    let rows = items(doc.at("/client/cores"))
        .iter()
        .enumerate()
        .map(|(i, core)| {
            let at = |key: &str| format!("/client/cores/{i}/{key}");
            let mut name = doc.datum(&at("core"), Unit::Plain);
            if core.get("shard").is_some() {
                name = format!("{name} of shard {}", doc.datum(&at("shard"), Unit::Plain));
            }
            let cells = figures
                .iter()
                .map(|(_, key, unit)| Cell::from(doc.datum(&at(key), *unit)));
            std::iter::once(Cell::from(name)).chain(cells).collect()
        });
    table(out, "Worker cores of the generator", &columns, rows);
}

fn budget(out: &mut String, doc: &Doc) {
    if doc.at("/client/error_budget").is_none() {
        return;
    }
    let columns = [
        Column::word("figure"),
        Column::number("half of them by at most"),
        Column::number("99 % of them"),
    ];
    let rows = ["arrival", "ttft", "gap", "latency"].map(|name| {
        let at = |q: &str| Cell::from(doc.datum(&format!("/client/error_budget/{name}/{q}"), Unit::Millis));
        vec![Cell::from(name.to_owned()), at("p50"), at("p99")]
    });
    table(
        out,
        "How far figures may be off, by the calibration of this host",
        &columns,
        rows,
    );
}

/// A chart of the server: its id, its title, the key of its figure, and how that is shown.
type OfServer = (&'static str, &'static str, &'static str, fn(f64) -> String);

/// Draws CPU and memory of the server that the run started, on the axis of the run.
pub(super) fn server(out: &mut String, doc: &Doc, axis: &Axis) {
    let rows = items(doc.at("/managed_server_timeline"));
    let charts: [OfServer; 2] = [
        (
            "server-cpu",
            "CPU of the server that the run started, % of one CPU",
            "cpu_percent",
            number,
        ),
        ("server-rss", "Memory of that server", "rss_bytes", |x| {
            bytes(x as u64)
        }),
    ];
    for (id, title, key, text) in charts {
        let points = rows.iter().filter_map(|row| {
            let at = row["elapsed_seconds"].as_f64()? / axis.seconds;
            (at <= 1.0).then(|| (at, row[key].as_f64()))
        });
        let points: Vec<(f64, Option<f64>)> = points.collect();
        let most = points.iter().filter_map(|p| p.1).fold(0.0, f64::max);
        if most == 0.0 {
            continue;
        }
        Chart {
            id: doc.id(id),
            title: title.to_owned(),
            description: format!("{title} over time. At most {}.", text(most)),
            small: true,
            y: Scale::from_zero(most),
            y_text: text,
            x_ticks: axis.ticks(),
            x_title: "",
            bands: &axis.bands,
            named_bands: false,
            marks: &axis.marks,
            lines: vec![Line {
                name: String::new(),
                colour: 3,
                dashed: false,
                points,
                dots: false,
            }],
            table: String::new(),
        }
        .write(out);
    }
    let of = |key: &str, unit| doc.some(&format!("/managed_server/resources/{key}"), unit);
    facts(
        out,
        &[
            ("mean CPU", of("cpu_percent_mean", Unit::Percent)),
            ("memory at the start", of("rss_bytes_start", Unit::Bytes)),
            ("memory at the end", of("rss_bytes_end", Unit::Bytes)),
            ("most memory", of("rss_bytes_max", Unit::Bytes)),
        ],
    );
}

/// Tells whether there is something to say about the server that the run started.
pub(super) fn has_server(doc: &Doc) -> bool {
    doc.at("/managed_server/resources").is_some() || !items(doc.at("/managed_server_timeline")).is_empty()
}

/// Writes the whole configuration, the host and the versions.
pub(super) fn configuration(out: &mut String, doc: &Doc) {
    let config = doc.at("/config").cloned().unwrap_or(Value::Null);
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    put!(
        out,
        "<p class=\"soft\">As <code>config check</code> prints it; secrets are left out.</p>\
         <pre tabindex=\"0\" data-doc=\"{}\" data-json=\"/config\">{}</pre>",
        doc.number,
        escaped_lines(&text)
    );
    let columns = [Column::word("fact"), Column::sentence("value")];
    let host = keys(doc.at("/host"));
    let rows = host.iter().map(|name| {
        let path = format!("/host/{name}");
        let value = match doc.at(&path) {
            Some(Value::Number(_)) => doc.datum(&path, Unit::Plain),
            Some(Value::String(text)) => escaped(text),
            Some(other) => escaped(&other.to_string()),
            None => super::doc::NOTHING.to_owned(),
        };
        vec![Cell::from(escaped(&name.replace('_', " "))), Cell::from(value)]
    });
    table(out, "The host that the load came from", &columns, rows);
    let versions = keys(doc.at("/run/versions"));
    if !versions.is_empty() {
        let rows = versions.iter().map(|name| {
            let path = format!("/run/versions/{}", super::html::key(name));
            vec![
                Cell::from(escaped(name)),
                Cell::from(doc.text(&path).unwrap_or_default()),
            ]
        });
        table(
            out,
            "Versions",
            &[Column::word("program"), Column::word("version")],
            rows,
        );
    }
}
