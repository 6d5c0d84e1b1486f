//! The thresholds: each with its verdict, its limit and what was observed, with units.

use super::Room;
use super::page::{Ink, Page};
use crate::error::one_line;
use crate::judge::{StepsResult, ThresholdResult};
use crate::output::numbers::{grouped, range};
use crate::plan::Threshold;
use crate::result::RunResult;
use crate::units::{elapsed, rate};

/// Appends the thresholds, failed ones first, so that a cut list shows them.
pub(super) fn write(page: &mut Page, result: &RunResult, rows_max: usize) {
    super::head::findings(page, result);
    let thresholds = &result.thresholds;
    if thresholds.is_empty() {
        return;
    }
    let decisive = result.steps.as_ref().and_then(StepsResult::decisive);
    match decisive {
        None => page.line("thresholds"),
        Some(step) => page.line(&format!(
            "thresholds, judged at {} users",
            grouped(u64::from(step.vus))
        )),
    }
    let weight = |t: &&ThresholdResult| match (t.ok, t.not_applicable) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let mut ordered: Vec<&ThresholdResult> = thresholds.iter().collect();
    ordered.sort_by_key(weight);
    let (shown, rest) = ordered.split_at(Room::shown(rows_max, ordered.len()));
    let rows: Vec<Row> = shown.iter().map(|t| Row::of(t)).collect();
    let columns = |text: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| text(row).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (rule, observed) = (columns(|row| &row.rule), columns(|row| &row.observed));
    for row in &rows {
        row.write(page, rule, observed);
    }
    if !rest.is_empty() {
        let failed = rest.iter().filter(|t| !t.ok).count();
        let failed = match failed {
            0 => "none".to_owned(),
            n => format!("{n} of them"),
        };
        page.line(&format!("  and {} more, {failed} failed", rest.len()));
    }
}

/// A threshold in words, without a width or a colour.
pub struct ThresholdWords {
    /// `PASS`, `FAIL` or `n/a`.
    pub mark: &'static str,
    pub rule: String,
    pub observed: String,
    pub notes: Vec<String>,
}

impl ThresholdWords {
    pub fn of(threshold: &ThresholdResult) -> ThresholdWords {
        let Row {
            mark: (_, mark),
            rule,
            observed,
            notes,
        } = Row::of(threshold);
        ThresholdWords {
            mark: mark.trim_end(),
            rule,
            observed,
            notes,
        }
    }
}

struct Row {
    mark: (Ink, &'static str),
    rule: String,
    observed: String,
    notes: Vec<String>,
}

/// Columns before the rule: an indent, the mark and a gap.
const BEFORE: usize = 8;

impl Row {
    fn of(t: &ThresholdResult) -> Row {
        Row {
            mark: match (t.ok, t.not_applicable) {
                (_, true) => (Ink::Plain, "n/a "),
                (true, _) => (Ink::Green, "PASS"),
                (false, _) => (Ink::Red, "FAIL"),
            },
            rule: rule(t),
            observed: observed(t),
            notes: notes(t),
        }
    }

    /// Writes the row, with its rule and its figure in columns of these widths if the page is wide enough.
    fn write(&self, page: &mut Page, rule: usize, observed: usize) {
        let Row {
            mark,
            rule: says,
            observed: figure,
            notes,
        } = self;
        let note = match notes.is_empty() {
            true => String::new(),
            false => format!("   {}", notes.join(", ")),
        };
        let whole = format!("  {says:<rule$}   {figure:>observed$}{note}");
        let tight = format!("  {says}   {figure}{note}");
        let fits = |line: &str| line.chars().count() + BEFORE - 2 <= page.width;
        if fits(&whole) {
            page.marked(2, *mark, &whole);
        } else if fits(&tight) {
            page.marked(2, *mark, &tight);
        } else {
            page.marked(2, *mark, &format!("  {says}"));
            page.indented(BEFORE, &[std::slice::from_ref(figure), notes].concat());
        }
    }
}

/// Returns the rule in words and units, or as it was written if it cannot be read.
pub(super) fn rule(t: &ThresholdResult) -> String {
    let parsed = Threshold::parse(&t.metric, &t.expression);
    let text = parsed.map_or_else(|_| format!("{}: {}", t.metric, t.expression), |rule| rule.says());
    one_line(&text).into_owned()
}

/// Returns what was observed, with its unit, or why that is not known.
pub(super) fn observed(t: &ThresholdResult) -> String {
    match (t.observed, Threshold::parse(&t.metric, &t.expression)) {
        (Some(n), Ok(rule)) => rule.shown(n),
        (Some(n), Err(_)) => n.to_string(),
        (None, _) if t.not_applicable => "-".to_owned(),
        (None, _) if t.not_recomputed.is_some() => "by shard".to_owned(),
        (None, _) => "no samples".to_owned(),
    }
}

/// Returns from when on a threshold failed for good, and whether its sample decides it.
fn notes(t: &ThresholdResult) -> Vec<String> {
    let point = match &t.breaking_point {
        _ if t.not_applicable => Some("nothing of the kind in this run".to_owned()),
        Some(point) => {
            let at = elapsed(point.elapsed_seconds);
            let load = match point.rate_per_second {
                Some(per_second) => format!("{} req/s", rate(per_second)),
                None => format!("{} users", grouped(point.vus)),
            };
            Some(format!("from {load} on ({at})"))
        }
        None => None,
    };
    point.into_iter().chain(undecided(t)).collect()
}

/// Returns why a threshold is not decided; `None` if it is.
fn undecided(t: &ThresholdResult) -> Option<String> {
    let of_pairs = Threshold::parse(&t.metric, &t.expression)
        .ok()
        .filter(|rule| rule.metric.is_of_pairs());
    t.is_undecided().then(|| match (t.interval, of_pairs) {
        (Some(ends), Some(rule)) => {
            let [low, high] = ends.map(|end| rule.shown(end));
            format!("not decided: {low} to {high}")
        }
        (Some(interval), None) => format!("not decided: {}", range(interval)),
        (None, _) if t.not_recomputed.is_some() && t.observed.is_none() => {
            "not decided in every shard".to_owned()
        }
        (None, _) => "not decided: too few".to_owned(),
    })
}
