//! What is measured beside the load itself: pairs, servers alone and together, a replayed trace, and the server's own
//! figures where its answers state them.

use super::doc::{Doc, NOTHING, Unit};
use super::groups::{Of, by_path};
use super::html::{Cell, Column, escaped, facts, items, key, keys, put, table};

/// Writes all of these that the document has.
pub(super) fn write(out: &mut String, doc: &Doc) {
    paired(out, doc);
    contention(out, doc);
    trace(out, doc);
    timings(out, doc);
    slots(out, doc);
}

/// Writes the findings of pairs and of contention, in their own words.
pub(super) fn findings(out: &mut String, doc: &Doc) {
    for path in ["/paired/verdict", "/contention/verdict"] {
        if let Some(text) = doc.text(path) {
            put!(out, "<p><b>{text}</b></p>");
        }
    }
}

/// Returns the text at a path with spaces for underscores.
fn word(doc: &Doc, path: &str) -> String {
    doc.text(path)
        .map_or(NOTHING.to_owned(), |text| text.replace('_', " "))
}

/// Writes an interval of figures.
fn between(doc: &Doc, base: &str, low: &str, high: &str, unit: Unit) -> String {
    let end = |name: &str| doc.some(&format!("{base}/{name}"), unit);
    match end(low).zip(end(high)) {
        Some((low, high)) => format!("{low} \u{2026} {high}"),
        None => NOTHING.to_owned(),
    }
}

/// Writes the differences between two servers, request by request.
fn paired(out: &mut String, doc: &Doc) {
    let Some((base, other)) = doc.text("/paired/base").zip(doc.text("/paired/other")) else {
        return;
    };
    let count = |path: &str| doc.datum(&format!("/paired/{path}"), Unit::Count);
    put!(
        out,
        "<h3>Two servers compared request by request</h3><p>{} A difference is the value at {other} minus that at {base}. \
         Of {} pairs {} were answered at both servers, {} of them with the same number of tokens; {} failed at {base} alone, \
         {} at {other} alone, {} at both. Intervals hold together with {} confidence.</p>",
        doc.text("/paired/verdict")
            .map_or(String::new(), |text| format!("<b>{text}</b>.")),
        count("pairs"),
        count("both_ok"),
        count("same_length"),
        count("failed_at_base"),
        count("failed_at_other"),
        count("failed_at_both"),
        doc.datum("/paired/confidence", Unit::Share),
    );
    let heads = [
        "pairs",
        "median",
        "median lies within",
        "mean",
        "mean lies within",
        "second of a pair",
    ];
    let mut columns = vec![Column::word("difference in"), Column::word("verdict")];
    columns.extend(heads.map(Column::number));
    let mut rows: Vec<Vec<Cell>> = keys(doc.at("/paired/differences"))
        .into_iter()
        .map(|name| {
            let path = format!("/paired/differences/{}", key(name));
            let time = |figure: &str| doc.datum(&format!("{path}/{figure}"), Unit::Millis);
            [
                escaped(name),
                word(doc, &format!("{path}/verdict")),
                doc.datum(&format!("{path}/pairs"), Unit::Count),
                time("median"),
                between(doc, &path, "median_low", "median_high", Unit::Millis),
                time("mean"),
                between(doc, &path, "mean_low", "mean_high", Unit::Millis),
                time("second"),
            ]
            .map(Cell::from)
            .into()
        })
        .collect();
    let none = || Cell::from(NOTHING.to_owned());
    rows.push(vec![
        Cell::from("share of failed requests".to_owned()),
        Cell::from(word(doc, "/paired/errors/verdict")),
        Cell::from(count("pairs")),
        none(),
        none(),
        Cell::from(doc.datum("/paired/errors/difference", Unit::Share)),
        Cell::from(between(doc, "/paired/errors", "low", "high", Unit::Share)),
        none(),
    ]);
    table(out, &format!("{other} minus {base}"), &columns, rows);
}

/// Writes each server alone and all together.
fn contention(out: &mut String, doc: &Doc) {
    let servers = items(doc.at("/contention/servers"));
    if servers.is_empty() {
        return;
    }
    put!(
        out,
        "<h3>Each server alone and all together</h3><p>{} Alone they make {} tokens in all, together {} ({}).</p>",
        doc.text("/contention/verdict")
            .map_or(String::new(), |text| format!("<b>{text}</b>")),
        doc.datum("/contention/tokens_per_second_alone", Unit::PerSecond),
        doc.datum("/contention/tokens_per_second_together", Unit::PerSecond),
        doc.datum("/contention/combined_share", Unit::Share),
    );
    let of = |unit: Unit, count: Unit| -> [Of; 10] {
        [
            ("requests", "/requests", count),
            ("ok", "/ok", count),
            ("timeouts and 503s", "/contention_error_rate", Unit::Share),
            (
                "tokens per second",
                "/tokens_per_second",
                if unit == Unit::Millis {
                    Unit::PerSecond
                } else {
                    unit
                },
            ),
            ("TTFT p50", "/ttft_p50", unit),
            ("p99", "/ttft_p99", unit),
            ("between tokens p50", "/tbt_p50", unit),
            ("p99", "/tbt_p99", unit),
            ("latency p50", "/latency_p50", unit),
            ("p99", "/latency_p99", unit),
        ]
    };
    let rows = |parts: &[(&str, &str)]| -> Vec<(String, String)> {
        let of_server = |i: usize| {
            let name = doc
                .text(&format!("/contention/servers/{i}/name"))
                .unwrap_or_default();
            parts
                .iter()
                .map(move |(part, word)| (format!("{name}{word}"), format!("/contention/servers/{i}/{part}")))
                .collect::<Vec<_>>()
        };
        (0..servers.len()).flat_map(of_server).collect()
    };
    let alone = rows(&[("alone", ", alone"), ("together", ", together")]);
    by_path(
        out,
        doc,
        "Alone and together",
        "server",
        &of(Unit::Millis, Unit::Count),
        &alone,
    );
    let ratio = rows(&[("ratio", "")]);
    let caption = "Together over alone: 2 is twice as long, or twice as many";
    by_path(out, doc, caption, "server", &of(Unit::Plain, Unit::Plain), &ratio);
}

/// Writes what a replayed trace asked for minute by minute, and what was sent.
fn trace(out: &mut String, doc: &Doc) {
    if doc.at("/trace").is_none() {
        return;
    }
    put!(out, "<h3>The trace that was replayed</h3>");
    let of_all = [
        ("rows", "rows", Unit::Count),
        ("within the window", "rows_in_window", Unit::Count),
        ("that follow one of these", "rows_following", Unit::Count),
        ("out of order", "rows_out_of_order", Unit::Count),
        ("from the first row to the last", "span_seconds", Unit::Seconds),
        ("the window begins at", "from_seconds", Unit::Seconds),
        ("rows within the window", "mean_per_second", Unit::PerSecond),
        ("gaps are multiplied by", "time_scale", Unit::Plain),
        ("arrivals are spread within", "spread_seconds", Unit::Seconds),
    ];
    facts(
        out,
        &of_all.map(|(term, key, unit)| (term, doc.some(&format!("/trace/{key}"), unit))),
    );
    let minutes = items(doc.at("/trace/minutes")).len();
    if minutes == 0 {
        return;
    }
    let of: [Of; 7] = [
        ("to", "/to_seconds", Unit::Seconds),
        ("due", "/arrivals", Unit::Count),
        ("dropped", "/dropped", Unit::Count),
        ("sent", "/sent", Unit::Count),
        ("trace", "/trace_per_second", Unit::PerSecond),
        ("asked for", "/asked_per_second", Unit::PerSecond),
        ("sent", "/made_per_second", Unit::PerSecond),
    ];
    let rows: Vec<(String, String)> = (0..minutes)
        .map(|i| {
            let path = format!("/trace/minutes/{i}");
            (doc.datum(&format!("{path}/from_seconds"), Unit::Seconds), path)
        })
        .collect();
    by_path(out, doc, "The trace by minute", "from", &of, &rows);
}

/// Writes the times that servers state in their answers beside ours.
fn timings(out: &mut String, doc: &Doc) {
    if doc.at("/server_timings").is_none() {
        return;
    }
    put!(out, "<h3>The server\u{2019}s own times and ours</h3>");
    let of: [Of; 9] = [
        ("stated", "/stated", Unit::Count),
        ("compared", "/compared", Unit::Count),
        ("server p50", "/server_p50", Unit::Millis),
        ("p99", "/server_p99", Unit::Millis),
        ("client p50", "/client_p50", Unit::Millis),
        ("p99", "/client_p99", Unit::Millis),
        ("difference p50", "/difference_p50", Unit::Millis),
        ("p99", "/difference_p99", Unit::Millis),
        ("server over client", "/server_over", Unit::Count),
    ];
    let rows = [
        ("prompt, within TTFT", "/server_timings/prompt"),
        ("decode", "/server_timings/decode"),
    ];
    let rows = rows.map(|(name, path)| (name.to_owned(), path.to_owned()));
    by_path(out, doc, "Times that the answers state", "time", &of, &rows);
}

/// Writes how long servers went on with requests that the client had cut.
fn slots(out: &mut String, doc: &Doc) {
    let servers = items(doc.at("/slot_free"));
    if servers.is_empty() {
        return;
    }
    put!(
        out,
        "<h3>How long servers went on with requests that were cut</h3>"
    );
    let heads = [
        "cut",
        "mean",
        "at most",
        "error",
        "readings",
        "failed",
        "still held",
    ];
    let columns: Vec<Column> = std::iter::once(Column::word("server"))
        .chain(heads.map(Column::number))
        .chain([Column::sentence("note")])
        .collect();
    let rows = (0..servers.len()).map(|i| {
        let path = |name: &str| format!("/slot_free/{i}/{name}");
        let figure = |name: &str, unit| doc.datum(&path(name), unit);
        let name = doc.text(&path("server")).or_else(|| doc.text("/run/target"));
        [
            name.unwrap_or_default(),
            figure("cut", Unit::Count),
            figure("mean", Unit::Millis),
            figure("mean_at_most", Unit::Millis),
            figure("error", Unit::Millis),
            figure("readings", Unit::Count),
            figure("readings_failed", Unit::Count),
            figure("still_held", Unit::Count),
            doc.text(&path("not_judged")).unwrap_or_default(),
        ]
        .map(Cell::from)
        .into()
    });
    table(
        out,
        "From the cut until the server held the request no longer",
        &columns,
        rows,
    );
}
