//! The comparison as numbers, from which every format is written.

use std::cmp::Ordering;

use crate::compare::figures::{Prepared, Statistic};
use crate::compare::matching::{self, Difference, Kind, Unit};
use crate::compare::stats::{Change, RateSample, ShareSample, Why, rate_change, share_change};
use crate::compare::stats::{welch_change, welch_difference};
use crate::compare::{Run, Scalar, pairs};
use crate::error::one_line;
use crate::metrics::{Direction, MetricId};

/// The number of repetitions that each side needs before the variance between runs is used.
pub const REPEATS_MIN: usize = 3;

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The runs, BASE first.
    pub runs: Vec<Head>,
    pub differences: Vec<Difference>,
    /// Facts that only some files give.
    pub unstated: Vec<Difference>,
    pub rows: Vec<Row>,
    /// Numbered from 1 in the table.
    pub footnotes: Vec<String>,
    /// Metrics that only some runs have: the name, and the runs that have it.
    pub unmatched: Vec<(String, Vec<usize>)>,
    /// Figures are means over repeated runs, judged by the variance between these.
    pub repeats: bool,
}

/// The description of a run, each text on one line and safe for a terminal.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub label: String,
    pub tool: Option<String>,
    pub started_at: Option<String>,
    pub duration_seconds: Option<f64>,
    pub requests: Option<u64>,
    pub repeats: usize,
    pub notes: Vec<String>,
}

/// One figure in all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub metric: &'static str,
    /// The statistic; `None` for scalars.
    pub stat: Option<Statistic>,
    pub unit: &'static str,
    pub kind: Option<Kind>,
    pub direction: Option<Direction>,
    pub base: f64,
    /// Where BASE's figure lies by itself, if its file says so.
    pub base_own: Option<[f64; 2]>,
    /// One cell for each NEW; `None` if that run does not have the figure.
    pub cells: Vec<Option<Cell>>,
    /// Numbers of footnotes.
    pub notes: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub value: f64,
    /// Where the figure lies by itself, if its file says so.
    pub own: Option<[f64; 2]>,
    pub change: Change,
    pub word: Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Better,
    Worse,
    /// A significant change of a figure for which neither direction is better.
    Differs,
    NoDifference,
    Cannot(Why),
}

impl Word {
    /// Returns the verdict as it is shown.
    pub fn text(self) -> &'static str {
        match self {
            Word::Better => "better",
            Word::Worse => "worse",
            Word::Differs => "differs",
            Word::NoDifference => "no difference shown",
            Word::Cannot(Why::TooFew) => "cannot tell: too few samples",
            Word::Cannot(Why::NoTimeline) => "cannot tell: no timeline",
            Word::Cannot(Why::OtherValues) => "cannot tell: different kinds of values",
            Word::Cannot(Why::OnlySummary) => "cannot tell: only a summary",
            Word::Cannot(Why::OtherSense) => "not judged: defined differently",
            Word::Cannot(Why::Count) => "",
        }
    }

    /// Judges a change by its interval.
    pub fn from_change(change: &Change, direction: Option<Direction>) -> Word {
        let up = match change.interval {
            Err(why) => return Word::Cannot(why),
            Ok(interval) if interval.low > 0.0 => true,
            Ok(interval) if interval.high < 0.0 => false,
            Ok(_) => return Word::NoDifference,
        };
        match direction {
            None => Word::Differs,
            Some(direction) if up == (direction == Direction::HigherIsBetter) => Word::Better,
            Some(_) => Word::Worse,
        }
    }
}

impl Row {
    /// Returns the row's name, for example `latency p95` or `error_rate`.
    pub fn name(&self) -> String {
        match self.stat {
            Some(stat) => format!("{} {stat}", self.metric),
            None => self.metric.to_owned(),
        }
    }

    /// Returns the unit of changes as they are shown, and how many of it one is.
    pub fn change_unit(&self) -> (&'static str, f64) {
        self.kind.map_or(Unit::Percent, Unit::of).sign()
    }
}

impl Comparison {
    /// Compares BASE, the first run, with at least one other.
    pub fn new(runs: &[Run]) -> Comparison {
        let (mut differences, unstated) = matching::differences(runs);
        differences.extend(pairs::difference(runs));
        let repeats = runs.iter().all(|run| run.repeats.len() >= REPEATS_MIN);
        let mut table = Table {
            runs: runs.iter().map(|run| Prepared::new(run, repeats)).collect(),
            footnotes: Vec::new(),
            repeats,
        };
        let mut rows = table.scalars();
        rows.extend(table.trends());
        rows.extend(table.pairs(runs));
        Comparison {
            runs: runs.iter().map(head).collect(),
            differences,
            unstated,
            rows,
            footnotes: table.footnotes,
            unmatched: matching::unmatched(runs),
            repeats,
        }
    }
}

fn head(run: &Run) -> Head {
    let clean = |text: &String| one_line(text).into_owned();
    Head {
        label: clean(&run.label),
        tool: run.facts.tool.as_ref().map(clean),
        started_at: run.facts.started_at.as_ref().map(clean),
        duration_seconds: run.facts.duration_seconds,
        requests: run.facts.requests,
        repeats: run.repeats.len(),
        notes: run.notes.iter().map(clean).collect(),
    }
}

struct Table<'a> {
    runs: Vec<Prepared<'a>>,
    footnotes: Vec<String>,
    repeats: bool,
}

impl Table<'_> {
    fn scalars(&mut self) -> Vec<Row> {
        let mut order: Vec<&Scalar> = self.runs[0].run.scalars.iter().collect();
        order.sort_by_key(|s| matching::scalar_kind(s.metric).0);
        let mut rows = Vec::new();
        for base in order {
            let (_, kind, direction) = matching::scalar_kind(base.metric);
            let found: Vec<_> = self.runs.iter().map(|run| run.scalar(base.metric)).collect();
            if found[1..].iter().all(Option::is_none) {
                continue;
            }
            let own = matching::scalar_meaning(base.metric)
                .filter(|_| !alike(found.iter().flatten().map(|s| s.sense)));
            let sources = found
                .iter()
                .map(|s| s.map(|s| (s.source.as_str(), s.differs.or(own))));
            let meanings = matching::meanings(sources);
            let cell = |new: usize| {
                found[new]?;
                let change = self.scalar_change(base.metric, kind, new)?;
                Some(Cell {
                    value: self.runs[new].scalar_value(base.metric)?,
                    own: None,
                    change,
                    word: Word::from_change(&change, direction),
                })
            };
            let row = Row {
                metric: base.metric,
                stat: None,
                unit: base.unit,
                kind: Some(kind),
                direction,
                base: self.runs[0].scalar_value(base.metric).unwrap_or(base.value),
                base_own: None,
                cells: (1..self.runs.len()).map(cell).collect(),
                notes: Vec::new(),
            };
            let notes = self.number_notes(meanings);
            rows.push(Row { notes, ..row });
        }
        rows
    }

    fn scalar_change(&self, metric: &str, kind: Kind, new: usize) -> Option<Change> {
        let (base, run) = (&self.runs[0], &self.runs[new]);
        let (at_a, at_b) = (base.scalar_value(metric)?, run.scalar_value(metric)?);
        let (a, b) = (base.scalar(metric)?, run.scalar(metric)?);
        if a.sense != b.sense && kind != Kind::Count {
            return Some(match kind {
                Kind::Share => points_without_interval(a, b, Why::OtherSense),
                _ => Change::without_interval(at_a, at_b, Why::OtherSense),
            });
        }
        if self.repeats
            && let Some((a, b)) = base.scalar_repeats(metric).zip(run.scalar_repeats(metric))
        {
            return Some(match kind {
                Kind::Share => welch_difference(&a, &b),
                Kind::Count | Kind::Difference => Change::without_interval(at_a, at_b, Why::Count),
                Kind::Rate => welch_change(&a, &b),
            });
        }
        let summary = base.only_summary() || run.only_summary();
        let without = |why| Change::without_interval(at_a, at_b, why);
        Some(match kind {
            Kind::Count | Kind::Difference => without(Why::Count),
            Kind::Rate if summary => without(Why::OnlySummary),
            Kind::Rate => {
                let (rows_a, rows_b) = (base.rate_rows(metric), run.rate_rows(metric));
                rate_change(
                    RateSample {
                        value: at_a,
                        slices: &rows_a,
                    },
                    RateSample {
                        value: at_b,
                        slices: &rows_b,
                    },
                )
            }
            Kind::Share => change_of_share(a, b, summary),
        })
    }

    fn trends(&mut self) -> Vec<Row> {
        let mut order: Vec<&'static str> = Vec::new();
        for trend in &self.runs[0].run.trends {
            let elsewhere = self.runs[1..].iter().any(|run| run.trend(trend.metric).is_some());
            // A time that is 0 in every run, such as that of TLS handshakes without TLS, gets no row.
            let zero = |run: &Prepared| run.figure(trend.metric, Statistic::Mean) == Some(0.0);
            let here = self.runs[0].trend(trend.metric).is_some() && !self.runs.iter().all(zero);
            if here && elsewhere {
                order.push(trend.metric);
            }
        }
        order.sort_by(
            |a, b| match (matching::trend_kind(a).0, matching::trend_kind(b).0) {
                (x, y) if x == y => Ordering::Equal,
                (x, y) => x.cmp(&y),
            },
        );
        order
            .into_iter()
            .flat_map(|metric| self.trend_rows(metric))
            .collect()
    }

    fn trend_rows(&mut self, metric: &'static str) -> Vec<Row> {
        let with = self.runs.iter().filter(|run| run.trend(metric).is_some());
        let own = MetricId::from_key(metric).map(|id| id.row().meaning);
        let own = own.filter(|_| !alike(with.map(|run| run.sense(metric))));
        let mut texts: Vec<String> = matching::meanings(self.runs.iter().map(|run| {
            let trend = run.trend(metric)?.trend;
            Some((trend.source.as_str(), trend.differs.or(own)))
        }));
        let borrowed = (1..self.runs.len()).find_map(|new| self.runs[0].donor(&self.runs[new], metric));
        if let Some(from) = borrowed.filter(|_| !self.repeats) {
            texts.push(format!(
                "has no rows per second of its own, so the allowance for drift and autocorrelation is that of {from}"
            ));
        }
        let mut rows: Vec<Row> = Statistic::ALL
            .into_iter()
            .filter_map(|stat| self.trend_row(metric, stat))
            .collect();
        let notes = self.number_notes(texts);
        if let Some(first) = rows.first_mut() {
            first.notes = notes;
        }
        rows
    }

    fn trend_row(&self, metric: &'static str, stat: Statistic) -> Option<Row> {
        let base = self.runs[0].figure(metric, stat)?;
        if !self.runs.iter().all(|run| run.shows(metric, stat)) {
            return None;
        }
        let direction = Some(matching::trend_kind(metric).1);
        let cell = |new: &Prepared| {
            let value = new.figure(metric, stat)?;
            let change = self.runs[0].change(new, metric, stat)?;
            let word = Word::from_change(&change, direction);
            Some(Cell {
                value,
                own: new.own(metric, stat),
                change,
                word,
            })
        };
        let cells: Vec<Option<Cell>> = self.runs[1..].iter().map(cell).collect();
        cells.iter().any(Option::is_some).then_some(Row {
            metric,
            stat: Some(stat),
            unit: "ms",
            kind: None,
            direction,
            base,
            base_own: self.runs[0].own(metric, stat),
            cells,
            notes: Vec::new(),
        })
    }

    /// Returns the differences within pairs of requests, if runs have them.
    fn pairs(&mut self, runs: &[Run]) -> Vec<Row> {
        let mut rows = pairs::rows(runs);
        if let Some(first) = rows.first_mut() {
            first.notes = self.number_notes(vec![pairs::NOTE.to_owned()]);
        }
        rows
    }

    /// Returns the numbers of these footnotes. A text that is already there is not added again.
    fn number_notes(&mut self, texts: Vec<String>) -> Vec<usize> {
        let mut numbers = Vec::new();
        for text in texts {
            let known = self.footnotes.iter().position(|note| *note == text);
            numbers.push(known.unwrap_or(self.footnotes.len()) + 1);
            if known.is_none() {
                self.footnotes.push(text);
            }
        }
        numbers
    }
}

/// Tells whether figures are all of the same sense.
fn alike<'s>(mut senses: impl Iterator<Item = &'s str>) -> bool {
    let first = senses.next();
    senses.all(|sense| Some(sense) == first)
}

fn points_without_interval(a: &Scalar, b: &Scalar, why: Why) -> Change {
    Change {
        change: Some(b.value - a.value),
        interval: Err(why),
    }
}

fn change_of_share(a: &Scalar, b: &Scalar, summary: bool) -> Change {
    let points = |why| points_without_interval(a, b, why);
    let (Some(of_a), Some(of_b)) = (a.of, b.of) else {
        return points(if summary {
            Why::OnlySummary
        } else {
            Why::NoTimeline
        });
    };
    if summary {
        return points(Why::OnlySummary);
    }
    share_change(
        ShareSample {
            value: a.value,
            of: of_a,
            slices: &a.slices,
        },
        ShareSample {
            value: b.value,
            of: of_b,
            slices: &b.slices,
        },
    )
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
