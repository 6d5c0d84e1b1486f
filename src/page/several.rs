//! Several documents side by side: their verdicts, what `compare` says, and their curves on one axis.

use super::doc::{Doc, Unit};
use super::html::{self, Column, escaped, put, table};
use super::over::Verdict;
use crate::compare::text::{CAUTION, change, description, footnotes, interval, unit, value, warnings};
use crate::compare::verdict::{opening, shown};
use crate::compare::{Cell, Comparison, Row, Word};

/// Writes one row of figures per document.
pub(super) fn overview(out: &mut String, docs: &[(String, Doc)]) {
    let figures: [(&str, &str, Unit); 10] = [
        ("requests", "/totals/requests", Unit::Count),
        ("errors", "/rates/error_rate", Unit::Share),
        ("per second", "/rates/requests_per_second", Unit::PerSecond),
        (
            "tokens per second",
            "/rates/output_tokens_per_second",
            Unit::PerSecond,
        ),
        ("TTFT p50", "/metrics/ttft/p50", Unit::Millis),
        ("p99", "/metrics/ttft/p99", Unit::Millis),
        ("between tokens p50", "/metrics/tbt/p50", Unit::Millis),
        ("p99", "/metrics/tbt/p99", Unit::Millis),
        ("latency p50", "/metrics/latency/p50", Unit::Millis),
        ("p99", "/metrics/latency/p99", Unit::Millis),
    ];
    let heads = figures.iter().map(|(head, _, _)| Column::number(head));
    let columns: Vec<Column> = [Column::word("document"), Column::word("verdict")]
        .into_iter()
        .chain(heads)
        .collect();
    let rows = docs.iter().map(|(letter, doc)| {
        let verdict = Verdict::of(doc);
        let name = format!(
            "<a href=\"#{}\">{}</a>",
            doc.id("run"),
            escaped(&format!("{letter} {}", doc.label()))
        );
        let cells = figures
            .iter()
            .map(|(_, path, unit)| html::Cell::from(doc.datum(path, *unit)));
        let verdict = html::Cell {
            html: escaped(&verdict.word),
            class: verdict.class,
        };
        [html::Cell::from(name), verdict]
            .into_iter()
            .chain(cells)
            .collect()
    });
    table(out, "The documents", &columns, rows);
}

/// Writes what `compare` says.
pub(super) fn comparison(out: &mut String, comparison: &Comparison) {
    for line in opening(comparison, &[]) {
        let class = match line.good {
            Some(true) => "good",
            Some(false) => "bad",
            None => "",
        };
        put!(
            out,
            "<p class=\"verdict {class}\"><b>{}</b> <span>{}</span></p>",
            escaped(line.word),
            escaped(&line.text)
        );
    }
    out.push_str("<ul class=\"notes\">\n");
    for (i, head) in comparison.runs.iter().enumerate() {
        let letter = crate::compare::letter(i);
        put!(out, "<li><b>{letter}</b> {}</li>", escaped(&description(head)));
    }
    for warning in warnings(comparison) {
        put!(out, "<li>{}</li>", escaped(&warning));
    }
    out.push_str("</ul>\n");
    let shown = shown(comparison);
    let heads = [
        "figure",
        "A",
        "run",
        "value",
        "change",
        "95 % interval",
        "verdict",
    ];
    let columns: Vec<Column> = heads
        .into_iter()
        .map(|head| match head {
            "figure" | "run" | "verdict" => Column::word(head),
            _ => Column::number(head),
        })
        .collect();
    let rows = shown.rows.iter().flat_map(|row| {
        let cells = row.cells.iter().enumerate();
        cells.filter_map(move |(i, cell)| Some(row_of(row, i + 1, cell.as_ref()?)))
    });
    table(out, "Each run against A", &columns, rows);
    for (number, note) in footnotes(comparison, &shown.rows) {
        put!(out, "<p class=\"soft\">[{number}] {}</p>", escaped(note));
    }
    if let Some(left_out) = &shown.left_out {
        put!(out, "<p class=\"soft\">{}</p>", escaped(left_out));
    }
    put!(out, "<p class=\"soft\">{CAUTION}</p>");
}

fn row_of(row: &Row, run: usize, cell: &Cell) -> Vec<html::Cell> {
    let notes: String = row.notes.iter().map(|n| format!(" [{n}]")).collect();
    let class = match cell.word {
        Word::Better => "good",
        Word::Worse => "bad",
        _ => "",
    };
    let unit = unit(row);
    // `compare --format json` has the same numbers under these names.
    let figure = |run: usize, x: f64| {
        html::Cell::from(format!(
            "<data data-compared=\"{}\" data-run=\"{run}\" value=\"{x}\">{}</data> <small>{}</small>",
            escaped(&row.name()),
            escaped(&value(row, x)),
            escaped(&unit)
        ))
    };
    vec![
        html::Cell::from(escaped(&format!("{}{notes}", row.name()))),
        figure(0, row.base),
        html::Cell::from(crate::compare::letter(run)),
        figure(run, cell.value),
        html::Cell::from(escaped(&change(row, cell))),
        html::Cell::from(escaped(&interval(row, cell).unwrap_or_default())),
        html::Cell {
            html: escaped(cell.word.text()),
            class,
        },
    ]
}
