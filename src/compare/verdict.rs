//! The verdict of a comparison: whether the rules hold, in which direction each run went, and which rows of the table
//! show it.

use crate::compare::fail_on::{Judged, RuleVerdict};
use crate::compare::matching::letter;
use crate::compare::text::{unit, value};
use crate::compare::{Comparison, Row, Why, Word};
use crate::error::{ExitCode, one_line};

/// A figure of the generator itself, which makes no server better or worse.
const OF_THE_GENERATOR: &str = "schedule_lag";
/// The most metrics that a line names.
const NAMES_MAX: usize = 6;
/// The width of the first word of a line.
const WORD_COLUMNS: usize = 10;

/// The verdict of the rules together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    Failed,
    Passed,
    /// No rule fails, but one of them could not be decided.
    Undecided,
    /// There are no rules.
    NotJudged,
}

impl Ruling {
    pub fn from_rules(judged: &[Judged]) -> Ruling {
        let any = |verdict| judged.iter().any(|j| j.verdict == verdict);
        match judged {
            [] => Ruling::NotJudged,
            _ if any(RuleVerdict::Holds) => Ruling::Failed,
            _ if any(RuleVerdict::TooFew) => Ruling::Undecided,
            _ => Ruling::Passed,
        }
    }

    /// Returns the verdict's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Ruling::Failed => "failed",
            Ruling::Passed => "passed",
            Ruling::Undecided => "undecided",
            Ruling::NotJudged => "not_judged",
        }
    }
}

/// The direction in which a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    Worse,
    Better,
    /// Better in some figures, worse in others.
    Mixed,
    NoDifference,
    /// No figure has an interval.
    CannotTell,
}

impl Course {
    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Course::Worse => "worse",
            Course::Better => "better",
            Course::Mixed => "mixed",
            Course::NoDifference => "no_difference_shown",
            Course::CannotTell => "cannot_tell",
        }
    }
}

/// The number of figures of a run that are better or worse than BASE's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tendency {
    pub course: Course,
    pub better: usize,
    pub worse: usize,
    /// Figures with a verdict.
    pub judged: usize,
    /// Metrics with a figure that is better, in the order of the table.
    better_in: Vec<&'static str>,
    worse_in: Vec<&'static str>,
    /// Why the first figure could not be judged, if none could.
    why: Option<&'static str>,
}

impl Tendency {
    /// Counts the figures of `run`, 1 for the first NEW. Rows that repeat others are not counted again.
    pub fn of_run(comparison: &Comparison, run: usize) -> Tendency {
        let mut found = Tendency {
            course: Course::CannotTell,
            better: 0,
            worse: 0,
            judged: 0,
            better_in: Vec::new(),
            worse_in: Vec::new(),
            why: None,
        };
        let rows = shown(comparison).rows;
        for row in rows.into_iter().filter(|row| row.metric != OF_THE_GENERATOR) {
            let Some(cell) = row.cells[run - 1] else { continue };
            let metrics = match cell.word {
                Word::Better => Some((&mut found.better, &mut found.better_in)),
                Word::Worse => Some((&mut found.worse, &mut found.worse_in)),
                Word::NoDifference | Word::Differs => None,
                Word::Cannot(_) => {
                    found.why.get_or_insert(cell.word.text());
                    continue;
                }
            };
            found.judged += 1;
            if let Some((count, metrics)) = metrics {
                *count += 1;
                if !metrics.contains(&row.metric) {
                    metrics.push(row.metric);
                }
            }
        }
        found.course = match (found.worse, found.better) {
            (0, 0) if found.judged == 0 => Course::CannotTell,
            (0, 0) => Course::NoDifference,
            (_, 0) => Course::Worse,
            (0, _) => Course::Better,
            (_, _) => Course::Mixed,
        };
        found
    }

    /// Says it in a line, after its word: `B against A: 6 of 18 figures worse (latency, ttft), none better`.
    fn in_words(&self, run: usize) -> (&'static str, String) {
        let who = format!("{} against {}", letter(run), letter(0));
        let of = self.judged;
        let some =
            |n: usize, what: &str, names: &[&str]| format!("{n} of {of} figures {what} ({})", listed(names));
        let (worse, better) = (
            some(self.worse, "worse", &self.worse_in),
            some(self.better, "better", &self.better_in),
        );
        match self.course {
            Course::Worse => ("WORSE", format!("{who}: {worse}, none better")),
            Course::Better => ("BETTER", format!("{who}: {better}, none worse")),
            Course::Mixed => ("MIXED", format!("{who}: {worse}, {better}")),
            Course::NoDifference => ("NO CHANGE SHOWN", format!("{who}: in any of {of} figures")),
            Course::CannotTell => {
                let why = self.why.unwrap_or("no figure is in both");
                let why = why.trim_start_matches("cannot tell: ");
                ("CANNOT TELL", format!("{who}: {why}"))
            }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let rest = names.len().saturating_sub(NAMES_MAX);
    let more = match rest {
        0 => String::new(),
        n => format!(", {n} more"),
    };
    format!("{}{more}", names[..names.len() - rest].join(", "))
}

/// A line of the opening, and whether it is good or bad news.
pub struct Line {
    /// The word that the line begins with; empty for one that belongs to the line before.
    pub word: &'static str,
    pub text: String,
    /// Good news is true, bad news false.
    pub good: Option<bool>,
}

impl Line {
    /// Returns the blanks behind the word.
    pub fn gap(&self) -> String {
        " ".repeat(WORD_COLUMNS.saturating_sub(self.word.len()).max(2))
    }
}

/// Returns what comes first: the verdict of the rules with each rule, and how each run compares with BASE.
pub fn opening(comparison: &Comparison, judged: &[Judged]) -> Vec<Line> {
    let mut lines = Vec::new();
    let failed = judged.iter().filter(|j| j.verdict == RuleVerdict::Holds).count();
    let undecided = judged.iter().filter(|j| j.verdict == RuleVerdict::TooFew).count();
    let (all, code) = (judged.len(), ExitCode::ThresholdFailed.code());
    let rules = if all == 1 { "rule" } else { "rules" };
    let first = match Ruling::from_rules(judged) {
        Ruling::Failed => Some((
            "FAILED",
            format!("{failed} of {all} {rules} (exit code {code})"),
            Some(false),
        )),
        Ruling::Passed => Some(("PASSED", format!("{all} of {all} {rules}"), Some(true))),
        Ruling::Undecided => Some((
            "UNDECIDED",
            format!("{undecided} of {all} {rules}: too few samples"),
            None,
        )),
        Ruling::NotJudged => None,
    };
    lines.extend(first.map(|(word, text, good)| Line { word, text, good }));
    lines.extend(judged.iter().map(|rule| Line {
        word: "",
        text: rule.line(),
        good: None,
    }));
    for run in 1..comparison.runs.len() {
        let tendency = Tendency::of_run(comparison, run);
        let (word, text) = tendency.in_words(run);
        let good = match tendency.course {
            Course::Worse => Some(false),
            Course::Better => Some(true),
            Course::Mixed | Course::NoDifference | Course::CannotTell => None,
        };
        lines.push(Line { word, text, good });
    }
    let means = "a figure counts as worse or better if the 95 % interval of its change excludes 0";
    lines.push(Line {
        word: "rules",
        text: match judged {
            [] => format!(
                "{means}; that fails nothing without --fail-on, for example 'latency p95 > +10%' (exit code {code})"
            ),
            _ => format!("{means}; only --fail-on decides the exit code"),
        },
        good: None,
    });
    lines
}

/// The rows that a reader needs.
pub struct Shown<'a> {
    pub rows: Vec<&'a Row>,
    /// What was left out, in words; `None` if nothing was.
    pub left_out: Option<String>,
}

/// Leaves out counts, which have no verdict, and rows that repeat one above: the same figures in every run, and the
/// same verdict. A metric of which most rows are its own keeps them all. CSV and JSON have every row.
pub fn shown(comparison: &Comparison) -> Shown<'_> {
    let mut rows: Vec<&Row> = Vec::new();
    let (mut counts, mut repeats): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for of_metric in comparison.rows.chunk_by(|a, b| a.metric == b.metric) {
        if of_metric.iter().all(is_count) {
            counts.push(of_metric[0].metric);
            continue;
        }
        let (again, own): (Vec<&Row>, Vec<&Row>) = of_metric
            .iter()
            .partition(|row| rows.iter().any(|above| repeats_row(row, above)));
        match again.len() < own.len() {
            true => rows.extend(of_metric),
            false => {
                repeats.push(of_metric[0].metric);
                rows.extend(own);
            }
        }
    }
    let mut parts = Vec::new();
    if !repeats.is_empty() {
        parts.push(format!("rows that repeat one above ({})", listed(&repeats)));
    }
    if !counts.is_empty() {
        parts.push(format!("counts ({})", listed(&counts)));
    }
    let left_out = match parts.is_empty() {
        true => None,
        false => Some(format!(
            "not shown: {}; --format json has them",
            one_line(&parts.join(", "))
        )),
    };
    Shown { rows, left_out }
}

/// Tells whether the row has no verdict in any run.
fn is_count(row: &Row) -> bool {
    let is_count = |word| matches!(word, Word::Cannot(Why::Count));
    row.cells.iter().flatten().all(|cell| is_count(cell.word))
}

/// Tells whether a reader learns nothing from the row who has read the one above.
fn repeats_row(row: &Row, above: &Row) -> bool {
    let same_value = |a: f64, b: f64| value(row, a) == value(above, b);
    row.stat == above.stat
        && unit(row) == unit(above)
        && row.direction == above.direction
        && same_value(row.base, above.base)
        && row.cells.iter().zip(&above.cells).all(|pair| match pair {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(cell), Some(other)) => same_value(cell.value, other.value) && cell.word == other.word,
        })
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
