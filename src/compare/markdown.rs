//! The comparison as Markdown, for a pull request.

use crate::compare::matching::letter;
use crate::compare::text::{CAUTION, change, description, footnotes, interval, range, unit, value, warnings};
use crate::compare::verdict::{opening, shown};
use crate::compare::{Cell, Comparison, Judged, Row};
use crate::error::markdown_escaped;

/// Writes a table in GitHub's Markdown, after the verdict and the warnings that a reader has to know first.
pub fn markdown(comparison: &Comparison, judged: &[Judged]) -> String {
    let mut out = String::new();
    for line in opening(comparison, judged) {
        let text = markdown_escaped(&line.text);
        match line.word {
            "" => out.push_str(&format!("* {text}\n")),
            word => out.push_str(&format!("\n**{word}** {text}\n")),
        }
    }
    let mut out = out.trim_start().to_owned();
    out.push('\n');
    for (i, head) in comparison.runs.iter().enumerate() {
        out.push_str(&format!(
            "* **{}** {}\n",
            letter(i),
            markdown_escaped(&description(head))
        ));
    }
    for warning in warnings(comparison) {
        out.push_str(&format!("* {}\n", markdown_escaped(&warning)));
    }
    let several = comparison.runs.len() > 2;
    out.push_str(if several {
        "\n| metric | unit | A | run | value | change | 95 % interval | |\n| --- | --- | --: | --- | --: | --: | --: | --- |\n"
    } else {
        "\n| metric | unit | A | B | change | 95 % interval | |\n| --- | --- | --: | --: | --: | --: | --- |\n"
    });
    let shown = shown(comparison);
    for row in &shown.rows {
        for (i, cell) in row.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let run = if several {
                format!(" {} |", letter(i + 1))
            } else {
                String::new()
            };
            out.push_str(&line(row, cell, &run));
        }
    }
    out.push('\n');
    for (number, note) in footnotes(comparison, &shown.rows) {
        out.push_str(&format!("\\[{number}\\] {}  \n", markdown_escaped(note)));
    }
    if let Some(left_out) = &shown.left_out {
        out.push_str(&format!("{}  \n", markdown_escaped(left_out)));
    }
    out.push_str(&format!("\n{CAUTION}\n"));
    out
}

fn line(row: &Row, cell: &Cell, run: &str) -> String {
    let notes: String = row.notes.iter().map(|n| format!(" \\[{n}\\]")).collect();
    format!(
        "| {}{notes} | {} | {} |{run} {} | {} | {} | {} |\n",
        row.name(),
        unit(row),
        with_own(row, row.base, row.base_own),
        with_own(row, cell.value, cell.own),
        change(row, cell),
        interval(row, cell).unwrap_or_default(),
        cell.word.text(),
    )
}

/// Returns a value, with the interval in which it lies by itself.
fn with_own(row: &Row, x: f64, own: Option<[f64; 2]>) -> String {
    match own {
        Some(own) => format!("{} ({})", value(row, x), range(row, own)),
        None => value(row, x),
    }
}
