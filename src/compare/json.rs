//! The comparison as JSON, for programs.

use serde_json::{Value, json};

use crate::compare::fail_on::Judged;
use crate::compare::matching::Difference;
use crate::compare::stats::Why;
use crate::compare::text::text;
use crate::compare::verdict::{Ruling, Tendency};
use crate::compare::{Comparison, Row, Word};
use crate::error::safe_json;
use crate::metrics::Direction;

/// The schema of a comparison.
pub const SCHEMA: &str = "llmload-uring-compare/1";

/// Writes the comparison. Changes are fractions (0.1 is 10 % more); changes of shares are points as fractions (0.01 is
/// one percentage point), those of differences of pairs milliseconds.
pub fn json(comparison: &Comparison, judged: &[Judged]) -> String {
    let runs = comparison.runs.iter().map(|head| {
        json!({
            "label": head.label, "tool": head.tool, "started_at": head.started_at,
            "duration_seconds": head.duration_seconds, "requests": head.requests,
            "repeats": head.repeats, "notes": head.notes,
        })
    });
    let facts = |list: &[Difference]| -> Vec<Value> {
        let fact = |d: &Difference| json!({"what": d.what, "values": d.values});
        list.iter().map(fact).collect()
    };
    let unmatched = comparison.unmatched.iter();
    let unmatched: Vec<Value> = unmatched
        .map(|(name, runs)| json!({"metric": name, "runs": runs}))
        .collect();
    let rules: Vec<Value> = judged.iter().map(rule).collect();
    let whole = json!({
        "schema": SCHEMA,
        "verdict": Ruling::from_rules(judged).name(),
        "against_base": (1..comparison.runs.len()).map(|run| tendency(comparison, run)).collect::<Vec<Value>>(),
        "runs": runs.collect::<Vec<Value>>(),
        "differences": facts(&comparison.differences),
        "not_said": facts(&comparison.unstated),
        "unmatched": unmatched,
        "repeats": comparison.repeats,
        "rows": comparison.rows.iter().map(row).collect::<Vec<Value>>(),
        "footnotes": comparison.footnotes,
        "fail_on": rules,
        "summary": text(comparison, judged, false),
    });
    let json = serde_json::to_string_pretty(&whole).expect("a JSON value is text");
    format!("{}\n", safe_json(&json))
}

fn tendency(comparison: &Comparison, run: usize) -> Value {
    let Tendency {
        course,
        better,
        worse,
        judged,
        ..
    } = Tendency::of_run(comparison, run);
    json!({"run": run, "verdict": course.name(), "better": better, "worse": worse, "judged": judged})
}

fn row(row: &Row) -> Value {
    let cells = row.cells.iter().enumerate().filter_map(|(i, cell)| {
        let cell = cell.as_ref()?;
        let interval = cell.change.shown_interval().map(|i| [i.low, i.high]);
        Some(json!({
            "run": i + 1, "value": cell.value, "change": cell.change.change, "interval": interval,
            "verdict": verdict(cell.word), "value_interval": cell.own,
        }))
    });
    let direction = row.direction.map(|d| match d {
        Direction::LowerIsBetter => "lower_is_better",
        Direction::HigherIsBetter => "higher_is_better",
    });
    json!({
        "metric": row.metric, "stat": row.stat.map(|s| s.to_string()), "unit": row.unit,
        "change_unit": row.change_unit().0, "direction": direction, "base": row.base,
        "base_interval": row.base_own,
        "runs": cells.collect::<Vec<Value>>(), "footnotes": row.notes,
    })
}

fn verdict(word: Word) -> &'static str {
    match word {
        Word::Better => "better",
        Word::Worse => "worse",
        Word::Differs => "differs",
        Word::NoDifference => "no_difference_shown",
        Word::Cannot(Why::TooFew) => "cannot_tell_too_few_samples",
        Word::Cannot(Why::NoTimeline) => "cannot_tell_no_timeline",
        Word::Cannot(Why::OtherValues) => "cannot_tell_other_values",
        Word::Cannot(Why::OnlySummary) => "cannot_tell_only_a_summary",
        Word::Cannot(Why::OtherSense) => "not_judged_defined_differently",
        Word::Cannot(Why::Count) => "count",
    }
}

fn rule(judged: &Judged) -> Value {
    json!({"rule": judged.rule, "run": judged.run, "change": judged.change, "verdict": judged.verdict.name()})
}
