//! What the servers say of the load themselves: curves on the axis of the run, what they counted, and where they
//! disagree with the client.

use super::doc::{Doc, NOTHING, Unit};
use super::figure::{Chart, Line};
use super::html::{Cell, Column, escaped, items, key, keys, put, table};
use super::time::{Axis, number};
use crate::chart::Scale;
use crate::result::ServerRow;
use crate::server_metrics::{Sort, figure};
use crate::units::{bytes, percent};

/// The rules of the analysis that compare both sides.
const RULES: [&str; 4] = ["server_requests", "server_tokens", "server_ttft", "server_gaps"];

/// A chart: its id, its title, its lines (key of a row, and name), and how its numbers are shown.
type Of = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    fn(f64) -> String,
);

const CHARTS: [Of; 8] = [
    (
        "requests",
        "Requests at the server",
        &[("running", "running"), ("waiting", "waiting")],
        number,
    ),
    ("kv", "KV cache in use", &[("kv_cache_usage", "")], percent),
    (
        "tokens",
        "Tokens per second, as the server counts them",
        &[
            ("generation_tokens_per_second", "generated"),
            ("prompt_tokens_per_second", "prompts"),
        ],
        number,
    ),
    (
        "prefix",
        "Prefix cache, tokens per second",
        &[
            ("prefix_cache_hits_per_second", "hits"),
            ("prefix_cache_queries_per_second", "lookups"),
        ],
        number,
    ),
    (
        "preemptions",
        "Preemptions per second",
        &[("preemptions_per_second", "")],
        number,
    ),
    ("gpu", "GPU utilization", &[("gpu_utilization", "")], percent),
    (
        "gpu-memory",
        "GPU memory in use",
        &[("gpu_memory_used_bytes", "")],
        |x| bytes(x as u64),
    ),
    ("gpu-power", "GPU power, W", &[("gpu_power_watts", "")], number),
];

/// Tells whether a server says anything of itself.
pub(super) fn has_accounts(doc: &Doc) -> bool {
    !items(doc.at("/server_metrics")).is_empty()
}

/// Writes the account of each server, on the axis of the run.
pub(super) fn write(out: &mut String, doc: &Doc, axis: &Axis) {
    disagreements(out, doc);
    for (index, account) in items(doc.at("/server_metrics")).iter().enumerate() {
        let at = |name: &str| format!("/server_metrics/{index}/{name}");
        let url = doc.text(&at("url")).unwrap_or_default();
        let name = doc.text(&at("server"));
        let title = name.map_or_else(|| url.clone(), |name| format!("{name}, {url}"));
        let kind = doc.text(&at("kind")).unwrap_or_default();
        put!(
            out,
            "<h3>By its own account: {title}</h3><p class=\"soft\">{kind}, read {} times; {} failed, {} took longer than \
             a second.{}</p>",
            doc.datum(&at("readings"), Unit::Count),
            doc.datum(&at("readings_failed"), Unit::Count),
            doc.datum(&at("readings_slow"), Unit::Count),
            account["last_error"]
                .as_str()
                .map_or_else(String::new, |why| format!(" The last failure: {}.", escaped(why)))
        );
        let rows = doc.server_rows(index);
        for chart in &CHARTS {
            draw(out, doc, axis, (index, rows), chart);
        }
        counters(out, doc, &at("counters"));
        gauges(out, doc, &at("gauges"));
        histograms(out, doc, &at("histograms"));
    }
}

fn disagreements(out: &mut String, doc: &Doc) {
    let found = items(doc.at("/analysis")).iter().enumerate();
    let found = found.filter(|(_, finding)| RULES.iter().any(|rule| finding["rule"] == *rule));
    let found: Vec<String> = found
        .filter_map(|(index, _)| doc.text(&format!("/analysis/{index}/message")))
        .collect();
    if found.is_empty() {
        return;
    }
    put!(
        out,
        "<p class=\"verdict warn\"><b>Client and server disagree</b></p><ul class=\"notes\">"
    );
    found.iter().for_each(|message| put!(out, "<li>{message}</li>"));
    out.push_str("</ul>\n");
}

fn draw(out: &mut String, doc: &Doc, axis: &Axis, (index, rows): (usize, &[ServerRow]), of: &Of) {
    let (id, title, keys, text) = of;
    let lines = keys.iter().enumerate().filter_map(|(colour, (key, name))| {
        let points = rows.iter().filter_map(|row| {
            let at = row.elapsed_seconds / axis.seconds;
            (at <= 1.0).then(|| (at, row.values.get(key).copied()))
        });
        let points: Vec<(f64, Option<f64>)> = points.collect();
        points.iter().any(|(_, y)| y.is_some()).then(|| Line {
            name: (*name).to_owned(),
            colour,
            dashed: false,
            points,
            dots: false,
        })
    });
    let lines: Vec<Line> = lines.collect();
    let values = lines
        .iter()
        .flat_map(|line| line.points.iter().filter_map(|(_, y)| *y));
    let most = values.fold(0.0, f64::max);
    let is_worth_it = most > 0.0 || (*id == "requests" && !lines.is_empty());
    if !is_worth_it {
        return;
    }
    Chart {
        id: doc.id(&format!("server-{index}-{id}")),
        title: (*title).to_owned(),
        description: format!("{title} over time. At most {}.", text(most)),
        small: true,
        y: Scale::from_zero(if most > 0.0 { most } else { 1.0 }),
        y_text: *text,
        x_ticks: axis.ticks(),
        x_title: "",
        bands: &axis.bands,
        named_bands: false,
        marks: &axis.marks,
        lines,
        table: String::new(),
    }
    .write(out);
}

/// Returns the name of a figure for people.
fn title(name: &str) -> String {
    escaped(figure(name).map_or(name, |figure| figure.title))
}

/// Returns the unit of a gauge by its key.
fn unit(name: &str) -> Unit {
    match name {
        "kv_cache_usage" | "gpu_utilization" => Unit::Share,
        "gpu_memory_used_bytes" => Unit::Bytes,
        _ => Unit::Plain,
    }
}

fn counters(out: &mut String, doc: &Doc, path: &str) {
    let names = keys(doc.at(path));
    if names.is_empty() {
        return;
    }
    let columns = ["before", "after", "during the load"].map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::word("counted")).chain(columns).collect();
    let rows = names.iter().map(|name| {
        let cell = |of: &str| Cell::from(doc.datum(&format!("{path}/{}/{of}", key(name)), Unit::Plain));
        vec![
            Cell::from(title(name)),
            cell("before"),
            cell("after"),
            cell("increase"),
        ]
    });
    table(out, "What the server counted", &columns, rows);
}

fn gauges(out: &mut String, doc: &Doc, path: &str) {
    let names = keys(doc.at(path));
    if names.is_empty() {
        return;
    }
    let columns = ["before", "mean", "least", "most", "after"].map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::word("gauge")).chain(columns).collect();
    let rows = names.iter().map(|name| {
        let cell = |of: &str| Cell::from(doc.datum(&format!("{path}/{}/{of}", key(name)), unit(name)));
        let cells = ["before", "mean", "min", "max", "after"].map(cell);
        std::iter::once(Cell::from(title(name))).chain(cells).collect()
    });
    table(out, "What the server held", &columns, rows);
}

fn histograms(out: &mut String, doc: &Doc, path: &str) {
    let names = keys(doc.at(path));
    if names.is_empty() {
        return;
    }
    let columns = ["values", "mean", "p50", "p90", "p99"].map(Column::number);
    let columns: Vec<Column> = std::iter::once(Column::word("time")).chain(columns).collect();
    let rows = names.iter().map(|name| {
        let at = |of: &str| format!("{path}/{}/{of}", key(name));
        let is_time =
            figure(name).is_some_and(|figure| figure.sort == Sort::Times) || name.ends_with("_seconds");
        let unit = if is_time { Unit::Millis } else { Unit::Plain };
        let bucket = |of: &str| {
            let low = doc.some(&at(&format!("{of}/0")), unit);
            let high = doc.some(&at(&format!("{of}/1")), unit);
            Cell::from(match (low, high) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                (Some(low), None) => format!("above {low}"),
                _ => NOTHING.to_owned(),
            })
        };
        vec![
            Cell::from(title(name)),
            Cell::from(doc.datum(&at("count"), Unit::Count)),
            Cell::from(doc.datum(&at("mean"), unit)),
            bucket("p50"),
            bucket("p90"),
            bucket("p99"),
        ]
    });
    table(
        out,
        "The server\u{2019}s times: percentiles lie in these buckets",
        &columns,
        rows,
    );
}
