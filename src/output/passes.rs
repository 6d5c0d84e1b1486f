//! The sections on the warm-up, the repetitions with their spread, and contention, if a run has them.

use crate::output::contention::contention;
use crate::output::numbers::{duration, grouped};
use crate::output::text::line;
use crate::result::{Repeat, RunResult, Spread};

/// The most rows of repetitions; the document has them all.
const REPEATS_MAX: usize = 12;

/// Appends the sections; each ends with an empty line.
pub(super) fn sections(text: &mut String, result: &RunResult) {
    if let Some(found) = &result.contention {
        contention(text, found);
    }
    if !result.repeats.is_empty() {
        repeats(text, &result.repeats, &result.spread);
    }
    if let Some(warmup) = &result.warmup {
        line!(
            text,
            "warm-up     {:.1} s, {} requests ({} failed), excluded from all figures",
            warmup.duration_seconds,
            grouped(warmup.requests),
            grouped(warmup.failed)
        );
        line!(text, "");
    }
}

fn repeats(text: &mut String, repeats: &[Repeat], spread: &[Spread]) {
    line!(text, "=== Runs ({}) ===", repeats.len());
    line!(
        text,
        "{:<6}{:>12}{:>10}{:>10}{:>12}{:>12}{:>12}",
        "",
        "requests",
        "failed",
        "req/s",
        "tok/s",
        "latency p50",
        "ttft p50"
    );
    for repeat in repeats.iter().take(REPEATS_MAX) {
        let p50 = |key: &str| duration(repeat.metrics.get(key).and_then(|m| m.p50));
        line!(
            text,
            "{:<6}{:>12}{:>10}{:>10.1}{:>12.1}{:>12}{:>12}",
            repeat.run.number,
            grouped(repeat.totals.requests),
            grouped(repeat.totals.failed),
            repeat.rates.requests_per_second,
            repeat.rates.output_tokens_per_second,
            p50("latency"),
            p50("ttft")
        );
    }
    if repeats.len() > REPEATS_MAX {
        line!(
            text,
            "  and {} more (see the results file)",
            repeats.len() - REPEATS_MAX
        );
    }
    line!(text, "");
    line!(
        text,
        "{:<26}{:>12}{:>12}{:>12}{:>12}",
        "across runs",
        "mean",
        "+- 95 %",
        "lowest",
        "highest"
    );
    for row in spread {
        let shown = |x: f64| value(row, x);
        line!(
            text,
            "{:<26}{:>12}{:>12}{:>12}{:>12}",
            row.figure,
            shown(row.mean),
            row.half_width.map_or("-".to_owned(), shown),
            shown(row.min),
            shown(row.max)
        );
    }
    line!(text, "");
}

fn value(row: &Spread, x: f64) -> String {
    match row.unit.as_str() {
        "ms" => duration(Some(x)),
        "/s" => format!("{x:.1}"),
        _ => format!("{x:.4}"),
    }
}
