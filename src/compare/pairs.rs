//! The difference between two servers, request by request, in one run compared with that in another.

use crate::compare::matching::{Difference, Kind, PAIRED_FAILED, PAIRED_TIMES, scalar_kind};
use crate::compare::table::{Cell, Row, Word};
use crate::compare::{Change, Interval, PairedFigure, PairedRun, Run, Statistic, Why};
use crate::error::one_line;
use crate::metrics::Direction;
use crate::result::Paired;

/// What a footnote says of the first row.
pub const NOTE: &str = "the difference of the two servers within pairs of requests: how much slower (or how much more \
     often failing) the second is; the intervals of a run hold together with 95 % confidence, and so do those of the \
     changes";

/// Returns the figures that a change can be computed of.
pub fn read(paired: &Paired) -> PairedRun {
    let mut figures = Vec::new();
    for (key, metric) in PAIRED_TIMES {
        let Some(found) = paired.differences.get(key) else {
            continue;
        };
        let mut push = |stat, value: Option<f64>, ends: [Option<f64>; 2]| {
            figures.extend(value.map(|value| PairedFigure {
                metric,
                stat: Some(stat),
                value,
                interval: both(ends),
            }));
        };
        push(
            Statistic::Percentile(50.0),
            found.median,
            [found.median_low, found.median_high],
        );
        push(Statistic::Mean, found.mean, [found.mean_low, found.mean_high]);
    }
    let errors = &paired.errors;
    figures.extend(errors.difference.map(|value| PairedFigure {
        metric: PAIRED_FAILED,
        stat: None,
        value,
        interval: both([errors.low, errors.high]),
    }));
    PairedRun {
        base: paired.base.clone(),
        other: paired.other.clone(),
        figures,
    }
}

fn both([low, high]: [Option<f64>; 2]) -> Option<[f64; 2]> {
    Some([low?, high?])
}

/// Returns a row for each figure that BASE and at least one other run have.
pub fn rows(runs: &[Run]) -> Vec<Row> {
    let Some(base) = &runs[0].paired else {
        return Vec::new();
    };
    let row = |of_base: &PairedFigure| {
        let cell = |run: &Run| {
            let figures = &run.paired.as_ref()?.figures;
            let is_same = |of: &&PairedFigure| of.metric == of_base.metric && of.stat == of_base.stat;
            let figure = figures.iter().find(is_same)?;
            let change = change(of_base, figure);
            Some(Cell {
                value: figure.value,
                own: figure.interval,
                change,
                word: Word::from_change(&change, Some(Direction::LowerIsBetter)),
            })
        };
        let cells: Vec<Option<Cell>> = runs[1..].iter().map(cell).collect();
        cells.iter().any(Option::is_some).then(|| Row {
            metric: of_base.metric,
            stat: of_base.stat,
            unit: if of_base.stat.is_some() { "ms" } else { "" },
            kind: Some(match of_base.stat {
                Some(_) => Kind::Difference,
                None => scalar_kind(of_base.metric).1,
            }),
            direction: Some(Direction::LowerIsBetter),
            base: of_base.value,
            base_own: of_base.interval,
            cells,
            notes: Vec::new(),
        })
    };
    base.figures.iter().filter_map(row).collect()
}

/// Returns the change of a difference: the intervals of two independent figures are combined as for their difference
/// (Zou and Donner, Statistics in Medicine 27, 2008).
fn change(a: &PairedFigure, b: &PairedFigure) -> Change {
    let change = b.value - a.value;
    let interval = match (a.interval, b.interval) {
        (Some([a_low, a_high]), Some([b_low, b_high])) => Ok(Interval {
            low: change - (b.value - b_low).hypot(a_high - a.value),
            high: change + (b_high - b.value).hypot(a.value - a_low),
        }),
        _ => Err(Why::TooFew),
    };
    Change {
        change: Some(change),
        interval,
    }
}

/// Returns the servers of each run, safe for a terminal, if they differ.
pub fn difference(runs: &[Run]) -> Option<Difference> {
    let servers = |run: &Run| {
        let paired = run.paired.as_ref()?;
        Some(format!("{} - {}", paired.other, paired.base))
    };
    let values: Vec<Option<String>> = runs.iter().map(servers).collect();
    let mut known = values.iter().flatten();
    let first = known.next()?;
    let differ = known.any(|value| value != first);
    let shown = |value: &Option<String>| value.as_deref().map(|text| one_line(text).into_owned());
    differ.then(|| Difference {
        what: "servers of the pairs",
        values: values.iter().map(shown).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::testing_tests::minute;
    use crate::compare::{Comparison, Rule, RuleVerdict, judge, text};

    fn run(label: &str, ttft: f64, half: f64) -> Run {
        let figure = |stat| PairedFigure {
            metric: "paired_ttft",
            stat: Some(stat),
            value: ttft,
            interval: (half > 0.0).then_some([ttft - half, ttft + half]),
        };
        let failed = PairedFigure {
            metric: PAIRED_FAILED,
            stat: None,
            value: 0.0,
            interval: Some([-0.01, 0.01]),
        };
        Run {
            paired: Some(PairedRun {
                base: "direct".into(),
                other: "gateway".into(),
                figures: vec![
                    figure(Statistic::Percentile(50.0)),
                    figure(Statistic::Mean),
                    failed,
                ],
            }),
            ..minute(label, 1, 0)
        }
    }

    fn cell(a: Run, b: Run, metric: &str) -> (f64, Cell) {
        let comparison = Comparison::new(&[a, b]);
        let row = comparison.rows.iter().find(|row| row.metric == metric).unwrap();
        (row.base, row.cells[0].unwrap())
    }

    #[test]
    fn a_difference_that_grew_is_worse_by_so_many_milliseconds() {
        let (base, found) = cell(run("a", 3.0, 0.3), run("b", 5.0, 0.4), "paired_ttft");
        assert_eq!((base, found.value, found.own), (3.0, 5.0, Some([4.6, 5.4])));
        assert_eq!(found.change.change, Some(2.0));
        let interval = found.change.interval.unwrap();
        assert!((interval.low - 1.5).abs() < 1e-9 && (interval.high - 2.5).abs() < 1e-9);
        assert_eq!(found.word, Word::Worse);
        let (_, back) = cell(run("a", 5.0, 0.4), run("b", -1.0, 0.3), "paired_ttft");
        assert_eq!((back.change.change, back.word), (Some(-6.0), Word::Better));
        let (_, same) = cell(run("a", 3.0, 0.3), run("b", 3.4, 0.3), "paired_ttft");
        assert_eq!(same.word, Word::NoDifference);
        let comparison = Comparison::new(&[run("a", 3.0, 0.3), run("b", 3.0042, 0.3)]);
        let text = text::text(&comparison, &[], false);
        let line = text.lines().find(|line| line.starts_with("paired_ttft p50"));
        assert!(line.unwrap().contains("+0.004 ms -0.420 .. +0.428"), "{text}");
        let (_, few) = cell(run("a", 3.0, 0.0), run("b", 9.0, 0.3), "paired_ttft");
        assert_eq!(few.word, Word::Cannot(Why::TooFew));
        let (_, failed) = cell(run("a", 3.0, 0.3), run("b", 3.0, 0.3), PAIRED_FAILED);
        assert_eq!(
            (failed.change.change, failed.word),
            (Some(0.0), Word::NoDifference)
        );
    }

    #[test]
    fn rules_about_pairs_are_in_milliseconds_and_points() {
        let comparison = Comparison::new(&[run("a", 3.0, 0.3), run("b", 5.0, 0.4)]);
        let verdict = |text: &str| {
            let rule: Rule = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            let judged = judge(&[rule], &comparison, true).unwrap().remove(0);
            (judged.verdict, judged.line())
        };
        assert_eq!(
            verdict("paired_ttft p50 > +1ms"),
            (
                RuleVerdict::Holds,
                "FAIL  paired_ttft p50 > +1ms  B +2.00 ms".to_owned()
            )
        );
        assert_eq!(verdict("paired_ttft mean > +2.5 ms").0, RuleVerdict::Within);
        assert_eq!(verdict("paired_failed > +1pp").0, RuleVerdict::Within);
        let wrong = |text: &str| text.parse::<Rule>().unwrap_err().to_string();
        assert!(wrong("paired_ttft p50 > +10%").contains("milliseconds: write `ms`"));
        assert!(wrong("latency p50 > +1ms").contains("percent: write `%`"));
        assert!(wrong("paired_ttft p95 > +1ms").contains("p50 or mean"));
        assert!(wrong("paired_ttft > +1ms").contains("needs a statistic"));
        assert!(wrong("paired_failed p50 > +1pp").contains("has no p50"));
    }

    #[test]
    fn pairs_of_other_servers_and_runs_without_pairs_are_told() {
        let mut other = run("b", 5.0, 0.4);
        if let Some(paired) = &mut other.paired {
            paired.other = "proxy".into();
        }
        let comparison = Comparison::new(&[run("a", 3.0, 0.3), other]);
        let told = comparison
            .differences
            .iter()
            .find(|d| d.what == "servers of the pairs");
        let values = [Some("gateway - direct".into()), Some("proxy - direct".into())];
        assert_eq!(told.unwrap().values, values);
        let comparison = Comparison::new(&[run("a", 3.0, 0.3), minute("c", 1, 0)]);
        assert!(comparison.rows.iter().all(|row| row.metric != "paired_ttft"));
        let names: Vec<&str> = comparison
            .unmatched
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(names.contains(&"paired_ttft"), "{names:?}");
    }
}
