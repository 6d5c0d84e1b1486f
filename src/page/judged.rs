//! Thresholds with their breaking points, and errors by kind.

use super::doc::{Doc, NOTHING, Unit, unit_of_threshold};
use super::groups::interval;
use super::html::{Cell, Column, escaped, items, key, keys, put, table};
use crate::chart::clock;

/// Writes the thresholds, and on the axis of time how long each held.
pub(super) fn thresholds(out: &mut String, doc: &Doc, seconds: f64) {
    let all = items(doc.at("/thresholds"));
    if all.is_empty() {
        put!(out, "<p class=\"soft\">The run had no thresholds.</p>");
        return;
    }
    let heads = [
        "threshold",
        "verdict",
        "observed",
        "lies within",
        "failed for good at",
        "users then",
    ];
    let columns: Vec<Column> = heads
        .into_iter()
        .enumerate()
        .map(|(i, head)| {
            if i < 2 {
                Column::word(head)
            } else {
                Column::number(head)
            }
        })
        .chain([Column::sentence("note")])
        .collect();
    let rows = (0..all.len()).map(|i| row(doc, i));
    table(out, "Thresholds", &columns, rows);
    if doc.kind() == super::doc::Kind::Run && !doc.rows().is_empty() {
        lanes(out, doc, seconds);
    }
}

fn row(doc: &Doc, index: usize) -> Vec<Cell> {
    let base = format!("/thresholds/{index}");
    let path = |key: &str| format!("{base}/{key}");
    let text = |key: &str| doc.text(&path(key)).unwrap_or_default();
    let metric = doc.string(&path("metric")).unwrap_or_default();
    let decided = doc.at(&path("decided")).and_then(serde_json::Value::as_bool);
    let (word, class) = match (doc.flag(&path("not_applicable")), doc.flag(&path("ok"))) {
        (true, _) => ("does not apply", ""),
        (_, true) => ("\u{2713} pass", "good"),
        (_, false) => ("\u{2717} FAIL", "bad"),
    };
    let note = match decided {
        Some(false) => "not decided: its interval holds the limit, or there are too few values".to_owned(),
        _ => text("not_recomputed"),
    };
    let breaking = path("breaking_point/elapsed_seconds");
    vec![
        Cell::from(format!(
            "T{} <code>{}: {}</code>",
            index + 1,
            escaped(metric),
            text("expression")
        )),
        Cell {
            html: word.to_owned(),
            class,
        },
        Cell::from(doc.datum(&path("observed"), unit_of_threshold(metric))),
        Cell::from(interval(doc, &path("interval"))),
        Cell::from(doc.datum(&breaking, Unit::Seconds)),
        Cell::from(doc.datum(&path("breaking_point/vus"), Unit::Count)),
        Cell::from(note),
    ]
}

/// Draws for each threshold until when it held.
fn lanes(out: &mut String, doc: &Doc, seconds: f64) {
    let broken = |i: usize| doc.float(&format!("/thresholds/{i}/breaking_point/elapsed_seconds"));
    let all = items(doc.at("/thresholds")).len();
    if (0..all).all(|i| broken(i).is_none()) {
        return;
    }
    put!(
        out,
        "<h3>Until when they held</h3><p class=\"soft\">The whole width is the run, {}; the second colour begins \
         where the threshold failed for good.</p><ul class=\"lanes\">",
        clock(seconds, seconds)
    );
    for i in 0..all {
        let at = broken(i).map_or(1.0, |at| (at / seconds).clamp(0.0, 1.0)) * 1000.0;
        let path = |key: &str| doc.text(&format!("/thresholds/{i}/{key}")).unwrap_or_default();
        let until = match broken(i) {
            Some(_) => {
                let path = format!("/thresholds/{i}/breaking_point/elapsed_seconds");
                format!("failed for good at {}", doc.datum(&path, Unit::Seconds))
            }
            None => "did not fail for good".to_owned(),
        };
        put!(
            out,
            "<li>T{} <code>{}: {}</code>, {until}<span class=\"lane\" aria-hidden=\"true\"><svg viewBox=\"0 0 1000 10\" \
             preserveAspectRatio=\"none\"><rect class=\"ok\" width=\"{at:.0}\" height=\"10\"/><rect class=\"ko\" \
             x=\"{at:.0}\" width=\"{:.0}\" height=\"10\"/></svg></span></li>",
            i + 1,
            path("metric"),
            path("expression"),
            1000.0 - at
        );
    }
    out.push_str("</ul>\n");
}

/// Writes what failed and why.
pub(super) fn errors(out: &mut String, doc: &Doc) {
    let failures = items(doc.at("/failures"));
    if doc.float("/totals/failed") == Some(0.0) {
        put!(out, "<p>No request failed.</p>");
    }
    if !failures.is_empty() {
        let columns = [
            Column::word("outcome"),
            Column::number("requests"),
            Column::number("status"),
            Column::word("server"),
            Column::sentence("what came"),
        ];
        let rows = (0..failures.len()).map(|i| failure(doc, i));
        table(
            out,
            "Failed requests that are alike, the most frequent first",
            &columns,
            rows,
        );
    }
    out.push_str("<div class=\"two\">\n");
    for (map, caption, head) in [
        ("by_outcome", "All requests by outcome", "outcome"),
        ("by_status", "By HTTP status", "status"),
        ("by_cause", "By cause of the failure", "cause"),
        ("by_finish", "Answers by finish reason", "reason"),
    ] {
        counts(out, doc, &format!("/totals/{map}"), caption, head);
    }
    out.push_str("</div>\n");
}

fn failure(doc: &Doc, index: usize) -> Vec<Cell> {
    let path = |key: &str| format!("/failures/{index}/{key}");
    let text = |key: &str| doc.text(&path(key));
    let cause = text("cause").map(|cause| format!("<br><small>{cause}</small>"));
    let outcome = format!(
        "{}{}",
        text("outcome").unwrap_or_default(),
        cause.unwrap_or_default()
    );
    let mut what: Vec<String> = Vec::new();
    what.extend(text("place"));
    what.extend(text("body").map(|body| format!("<code>{body}</code>")));
    what.extend(text("location").map(|to| format!("redirects to <code>{to}</code>")));
    what.extend(text("hint").map(|hint| format!("<span class=\"hint\">{hint}</span>")));
    vec![
        Cell::from(outcome),
        Cell::from(doc.datum(&path("count"), Unit::Count)),
        Cell::from(doc.datum(&path("status"), Unit::Plain)),
        Cell::from(text("server").unwrap_or_else(|| NOTHING.to_owned())),
        Cell::from(what.join(" ")),
    ]
}

fn counts(out: &mut String, doc: &Doc, path: &str, caption: &str, head: &str) {
    let mut names = keys(doc.at(path));
    if names.is_empty() {
        return;
    }
    let count = |name: &str| doc.float(&format!("{path}/{}", key(name))).unwrap_or(0.0);
    names.sort_by(|a, b| count(b).total_cmp(&count(a)));
    let columns = [Column::word(head), Column::number("requests")];
    let rows = names.iter().map(|name| {
        let figure = doc.datum(&format!("{path}/{}", key(name)), Unit::Count);
        vec![Cell::from(escaped(name)), Cell::from(figure)]
    });
    table(out, caption, &columns, rows);
}
