//! Rules that decide whether a comparison ends with [`ExitCode::ThresholdFailed`](crate::error::ExitCode).

use std::fmt;
use std::str::FromStr;

use crate::compare::matching::{Kind, SCALARS, letter, scalar_kind};
use crate::compare::stats::Why;
use crate::compare::{Cell, Comparison, Row, Statistic, Word};
use crate::error::{Mistake, Reason, nearest, one_line, quoted};
use crate::metrics::METRICS;

/// `latency p95 > +10%`: `METRIC [STAT] OP CHANGE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub metric: String,
    pub stat: Option<Statistic>,
    pub op: Op,
    /// A fraction, or points of a share as a fraction.
    pub limit: f64,
    pub points: bool,
    /// As it was typed.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Above,
    Below,
}

const GRAMMAR: &str = "METRIC STAT > +CHANGE% or METRIC STAT < -CHANGE%, without STAT for a rate: 'latency p95 > +10%', \
     'requests_per_second < -5%', 'error_rate > +1pp'";
/// k6's iterations, think time included: none of ours, but two runs of k6 both have it.
const ITERATION: &str = "iteration";
const STATS: &str = "p50, p90, p95, p99, p99.9 or mean";

impl FromStr for Rule {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Rule, Reason> {
        let wrong = |what: String| Reason::new(what).hint(format!("a rule is {GRAMMAR}"));
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| wrong("no `<` or `>`".to_owned()))?;
        let (figure, rest) = text.split_at(at);
        let op = if rest.starts_with('>') {
            Op::Above
        } else {
            Op::Below
        };
        let (limit, points) = limit(rest[1..].trim()).map_err(wrong)?;
        let mut words = figure.split_whitespace();
        let metric = words.next().ok_or_else(|| wrong("no metric".to_owned()))?;
        let stat = words.next();
        if let Some(extra) = words.next() {
            return Err(wrong(format!("{} is one word too many", quoted(extra))));
        }
        let stat = stat.map(known_stat).transpose()?;
        known_metric(metric, stat)?;
        let is_share = scalar_kind(metric).1 == Kind::Share;
        if is_share != points {
            let unit = if is_share {
                "points of a share: write pp"
            } else {
                "percent: write %"
            };
            return Err(wrong(format!("the change of {metric} is in {unit}")));
        }
        Ok(Rule {
            metric: metric.to_owned(),
            stat,
            op,
            limit,
            points,
            text: text.trim().to_owned(),
        })
    }
}

/// `+10%`, `-2.5 %`, `+1pp`.
fn limit(text: &str) -> Result<(f64, bool), String> {
    let (number, points) = match (text.strip_suffix("pp"), text.strip_suffix('%')) {
        (Some(number), _) => (number, true),
        (None, Some(number)) => (number, false),
        (None, None) => return Err(format!("{} ends in neither `%` nor `pp`", quoted(text))),
    };
    let number = number.trim();
    if !number.starts_with(['+', '-']) {
        return Err(format!("{} has no sign", quoted(text)));
    }
    let plain = number[1..].chars().all(|c| c.is_ascii_digit() || c == '.');
    match number.parse::<f64>() {
        Ok(x) if plain && x.is_finite() => Ok((x / 100.0, points)),
        _ => Err(format!("{} is no number", quoted(number))),
    }
}

fn known_stat(text: &str) -> Result<Statistic, Reason> {
    Statistic::parse(text)
        .ok_or_else(|| Reason::new(format!("unknown statistic {}", quoted(text))).hint(STATS))
}

/// Names that a rule may have; whether the runs have the metric is seen later.
fn known_metric(metric: &str, stat: Option<Statistic>) -> Result<(), Reason> {
    let is_scalar = SCALARS.iter().any(|s| s.key == metric);
    let trends: Vec<&str> = METRICS.iter().map(|m| m.key).chain([ITERATION]).collect();
    match (is_scalar, trends.contains(&metric), stat) {
        (true, _, None) | (_, true, Some(_)) => Ok(()),
        (true, _, Some(stat)) => Err(Reason::new(format!("`{metric}` is one number and has no {stat}"))),
        (_, true, None) => Err(Reason::new(format!("`{metric}` needs a statistic")).hint(STATS)),
        (false, false, _) => {
            let known: Vec<&str> = SCALARS.iter().map(|s| s.key).chain(trends).collect();
            let hint = match nearest(metric, &known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            Err(Reason::new(format!("unknown metric {}", quoted(metric))).hint(hint))
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A rule and one NEW.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub rule: String,
    /// Its change is in points of a share, not in percent.
    pub points: bool,
    /// 1 is the first NEW.
    pub run: usize,
    pub change: Option<f64>,
    pub verdict: RuleVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    Holds,
    /// The change is not beyond the limit.
    Within,
    /// It is, but may be chance.
    NotSignificant,
    TooFew,
}

impl RuleVerdict {
    pub fn name(self) -> &'static str {
        match self {
            RuleVerdict::Holds => "failed",
            RuleVerdict::Within => "passed",
            RuleVerdict::NotSignificant => "passed_not_significant",
            RuleVerdict::TooFew => "undecided_too_few_samples",
        }
    }
}

impl Judged {
    /// `FAIL  latency p95 > +10%  B +12.3 %`
    pub fn line(&self) -> String {
        let change = self
            .change
            .map_or("no base".to_owned(), |c| format!("{:+.2}", c * 100.0));
        let (mark, why) = match self.verdict {
            RuleVerdict::Holds => ("FAIL", ""),
            RuleVerdict::Within => ("pass", ""),
            RuleVerdict::NotSignificant => (
                "pass",
                ": beyond the limit, but the interval holds no change at all",
            ),
            RuleVerdict::TooFew => (
                "????",
                ": too few samples to decide (--no-significance decides by the figure)",
            ),
        };
        let unit = if self.points { "pp" } else { "%" };
        let rule = one_line(&self.rule);
        format!("{mark}  {rule}  {} {change} {unit}{why}", letter(self.run))
    }
}

/// Each rule for each NEW; an error where a rule can never be decided.
pub fn judge(rules: &[Rule], comparison: &Comparison, significance: bool) -> Result<Vec<Judged>, Mistake> {
    let mut judged = Vec::new();
    for rule in rules {
        for run in 1..comparison.runs.len() {
            let (row, cell) = find(rule, comparison, run)?;
            judged.push(Judged {
                rule: rule.text.clone(),
                points: rule.points,
                run,
                change: cell.change.change,
                verdict: verdict(rule, row, &cell, significance, comparison, run)?,
            });
        }
    }
    Ok(judged)
}

fn find<'a>(rule: &Rule, comparison: &'a Comparison, run: usize) -> Result<(&'a Row, Cell), Mistake> {
    let row = comparison
        .rows
        .iter()
        .find(|r| r.metric == rule.metric && r.stat == rule.stat);
    let found = row.and_then(|row| Some((row, row.cells[run - 1]?)));
    found.ok_or_else(|| {
        let hint = "without the figure the rule would pass unseen: take it out, or compare runs that have it";
        let what = format!("not in both {} and {}", letter(0), letter(run));
        undecidable(rule, what, hint)
    })
}

fn verdict(
    rule: &Rule,
    row: &Row,
    cell: &Cell,
    significance: bool,
    comparison: &Comparison,
    run: usize,
) -> Result<RuleVerdict, Mistake> {
    // From nothing to something is more than any percentage.
    let change = cell.change.change.unwrap_or(f64::INFINITY);
    let beyond = match rule.op {
        Op::Above => change > rule.limit,
        Op::Below => change < rule.limit,
    };
    if !significance {
        return Ok(if beyond {
            RuleVerdict::Holds
        } else {
            RuleVerdict::Within
        });
    }
    let why = match cell.word {
        Word::Cannot(why) => why,
        Word::NoDifference if beyond => return Ok(RuleVerdict::NotSignificant),
        _ => {
            return Ok(if beyond {
                RuleVerdict::Holds
            } else {
                RuleVerdict::Within
            });
        }
    };
    let what = match why {
        Why::TooFew => return Ok(RuleVerdict::TooFew),
        Why::Count => format!("`{}` is a plain count, which has no interval", row.metric),
        Why::OnlySummary | Why::NoTimeline | Why::OtherValues => {
            let pair = [0, run].map(|i| format!("{} ({})", letter(i), comparison.runs[i].label));
            format!("{} have no interval: {}", pair.join(" and "), cell.word.text())
        }
    };
    let hint = "significance can't be decided here: --no-significance judges the figures alone";
    Err(undecidable(rule, what, hint))
}

/// These runs cannot decide the rule.
fn undecidable(rule: &Rule, what: String, hint: &str) -> Mistake {
    let reason = Reason::new(what).within(quoted(&rule.text));
    reason.hint(hint).at("--fail-on", 0)
}

#[cfg(test)]
#[path = "fail_on_tests.rs"]
mod tests;
