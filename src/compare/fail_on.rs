//! The rules of `--fail-on`, which decide whether a comparison ends with
//! [`ExitCode::ThresholdFailed`](crate::error::ExitCode).

use std::fmt;
use std::str::FromStr;

use crate::compare::matching::{Kind, PAIRED_TIMES, SCALARS, Unit, letter, scalar_kind};
use crate::compare::stats::Why;
use crate::compare::{Cell, Comparison, Row, Statistic, Word};
use crate::error::{Mistake, Reason, nearest, one_line, quoted};
use crate::metrics::METRICS;

/// A rule, `METRIC [STAT] OP CHANGE`, for example `latency p95 > +10%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub metric: String,
    pub stat: Option<Statistic>,
    pub op: Op,
    /// The limit of the change, as a fraction (0.1 for 10 % or for 10 percentage points), or in milliseconds.
    pub limit: f64,
    pub unit: Unit,
    /// The rule as it was typed.
    pub text: String,
}

/// Returns the unit of a metric's changes.
fn unit_of(metric: &str) -> Unit {
    match is_paired_time(metric) {
        true => Unit::of(Kind::Difference),
        false => Unit::of(scalar_kind(metric).1),
    }
}

fn says(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "percent: write `%`",
        Unit::Points => "percentage points: write `pp`",
        Unit::Millis => "milliseconds: write `ms`",
    }
}

fn is_paired_time(metric: &str) -> bool {
    PAIRED_TIMES.iter().any(|(_, name)| *name == metric)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Above,
    Below,
}

const GRAMMAR: &str = "METRIC STAT > +CHANGE% or METRIC STAT < -CHANGE%; rates have no STAT: 'latency p95 > +10%', \
     'requests_per_second < -5%', 'error_rate > +1pp', 'paired_ttft p50 > +1ms'";
/// The metric of k6's iterations, think time included. We have none like it, but two runs of k6 can be compared by it.
const ITERATION: &str = "iteration";
const STATS: &str = "p50, p90, p95, p99, p99.9 or mean";

impl FromStr for Rule {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Rule, Reason> {
        let wrong = |what: String| Reason::new(what).hint(format!("a rule is {GRAMMAR}"));
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| wrong("the rule has no `<` or `>`".to_owned()))?;
        let (figure, rest) = text.split_at(at);
        let op = if rest.starts_with('>') {
            Op::Above
        } else {
            Op::Below
        };
        let (limit, unit) = parse_limit(rest[1..].trim()).map_err(wrong)?;
        let mut words = figure.split_whitespace();
        let metric = words
            .next()
            .ok_or_else(|| wrong("the rule names no metric".to_owned()))?;
        let stat = words.next();
        if let Some(extra) = words.next() {
            return Err(wrong(format!("{} is one word too many", quoted(extra))));
        }
        let stat = stat.map(parse_stat).transpose()?;
        check_metric(metric, stat)?;
        if unit != unit_of(metric) {
            let says = says(unit_of(metric));
            return Err(wrong(format!("the change of {metric} is in {says}")));
        }
        Ok(Rule {
            metric: metric.to_owned(),
            stat,
            op,
            limit,
            unit,
            text: text.trim().to_owned(),
        })
    }
}

/// Parses a limit such as `+10%`, `-2.5 %`, `+1pp` or `+1.5ms`.
fn parse_limit(text: &str) -> Result<(f64, Unit), String> {
    let found = [Unit::Percent, Unit::Points, Unit::Millis]
        .into_iter()
        .find_map(|unit| Some((text.strip_suffix(unit.sign().0)?, unit)));
    let Some((number, unit)) = found else {
        return Err(format!("{} ends in none of `%`, `pp` and `ms`", quoted(text)));
    };
    let number = number.trim();
    if !number.starts_with(['+', '-']) {
        return Err(format!("{} has no `+` or `-` sign", quoted(text)));
    }
    let plain = number[1..].chars().all(|c| c.is_ascii_digit() || c == '.');
    match number.parse::<f64>() {
        Ok(x) if plain && x.is_finite() => Ok((x / unit.sign().1, unit)),
        _ => Err(format!("{} is not a number", quoted(number))),
    }
}

fn parse_stat(text: &str) -> Result<Statistic, Reason> {
    Statistic::parse(text)
        .ok_or_else(|| Reason::new(format!("unknown statistic {}", quoted(text))).hint(STATS))
}

/// Checks that a rule may name this metric. Only `judge` finds out if the runs have it.
fn check_metric(metric: &str, stat: Option<Statistic>) -> Result<(), Reason> {
    let is_scalar = SCALARS.iter().any(|s| s.key == metric);
    let paired = PAIRED_TIMES.iter().map(|(_, name)| *name);
    let trends: Vec<&str> = METRICS
        .iter()
        .map(|m| m.key)
        .chain([ITERATION])
        .chain(paired)
        .collect();
    let of_pairs = [Statistic::Percentile(50.0), Statistic::Mean];
    match (is_scalar, trends.contains(&metric), stat) {
        (_, true, stat) if is_paired_time(metric) && !stat.is_some_and(|stat| of_pairs.contains(&stat)) => {
            let what = match stat {
                Some(stat) => format!("`{metric}` has no {stat}"),
                None => format!("`{metric}` needs a statistic"),
            };
            Err(Reason::new(what).hint("p50 or mean"))
        }
        (true, _, None) | (_, true, Some(_)) => Ok(()),
        (true, _, Some(stat)) => Err(Reason::new(format!(
            "`{metric}` is a single number and has no {stat}"
        ))),
        (_, true, None) => Err(Reason::new(format!("`{metric}` needs a statistic")).hint(STATS)),
        (false, false, _) => {
            let known: Vec<&str> = SCALARS.iter().map(|s| s.key).chain(trends).collect();
            let hint = match nearest(metric, &known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("the metrics are {}", known.join(", ")),
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

/// The verdict of a rule on one NEW.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub rule: String,
    pub unit: Unit,
    /// The number of the run; 1 is the first NEW.
    pub run: usize,
    pub change: Option<f64>,
    pub verdict: RuleVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    /// The change is beyond the limit, so the comparison fails.
    Holds,
    /// The change is not beyond the limit.
    Within,
    /// The change is beyond the limit, but may be due to chance.
    NotSignificant,
    /// There are too few samples to decide.
    TooFew,
}

impl RuleVerdict {
    /// Returns the verdict's name in JSON.
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
    /// Returns the line that is printed, for example `FAIL  latency p95 > +10%  B +12.3 %`.
    pub fn line(&self) -> String {
        let (unit, scale) = self.unit.sign();
        let change = self
            .change
            .map_or("from 0:".to_owned(), |c| format!("{:+.2}", c * scale));
        let (mark, why) = match self.verdict {
            RuleVerdict::Holds => ("FAIL", ""),
            RuleVerdict::Within => ("PASS", ""),
            RuleVerdict::NotSignificant => (
                "PASS",
                ": beyond the limit, but the interval includes no change at all",
            ),
            RuleVerdict::TooFew => (
                "????",
                ": too few samples to decide (--no-significance decides by the figures alone)",
            ),
        };
        let rule = one_line(&self.rule);
        format!("{mark}  {rule}  {} {change} {unit}{why}", letter(self.run))
    }
}

/// Judges each rule for each NEW. Fails if a rule can never be decided.
pub fn judge(rules: &[Rule], comparison: &Comparison, significance: bool) -> Result<Vec<Judged>, Mistake> {
    let mut judged = Vec::new();
    for rule in rules {
        for run in 1..comparison.runs.len() {
            let (row, cell) = find(rule, comparison, run)?;
            judged.push(Judged {
                rule: rule.text.clone(),
                unit: rule.unit,
                run,
                change: cell.change.change,
                verdict: verdict(rule, row, &cell, significance, comparison, run)?,
            });
        }
    }
    Ok(judged)
}

/// What to do about a figure that two tools define differently: a limit on it would say nothing.
const OTHER_SENSE: &str = "the footnotes of the row say how; choose a figure that both define alike, or compare runs of \
     one tool";

fn find<'a>(rule: &Rule, comparison: &'a Comparison, run: usize) -> Result<(&'a Row, Cell), Mistake> {
    let row = comparison
        .rows
        .iter()
        .find(|r| r.metric == rule.metric && r.stat == rule.stat);
    let found = row.and_then(|row| Some((row, row.cells[run - 1]?)));
    found.ok_or_else(|| {
        let hint = "remove the rule, or compare runs that have the figure";
        let what = format!("the figure is not in both {} and {}", letter(0), letter(run));
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
    if let Word::Cannot(Why::OtherSense) = cell.word {
        let pair = [0, run].map(|i| format!("{} ({})", letter(i), comparison.runs[i].label));
        let what = format!("{} define `{}` differently", pair.join(" and "), row.metric);
        return Err(undecidable(rule, what, OTHER_SENSE));
    }
    // A change from 0 to more is beyond any percentage.
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
        Why::OnlySummary | Why::NoTimeline | Why::OtherValues | Why::OtherSense => {
            let pair = [0, run].map(|i| format!("{} ({})", letter(i), comparison.runs[i].label));
            format!("{} have no interval: {}", pair.join(" and "), cell.word.text())
        }
    };
    let hint = "use --no-significance to judge by the figures alone";
    Err(undecidable(rule, what, hint))
}

/// Returns the mistake for a rule that these runs cannot decide.
fn undecidable(rule: &Rule, what: String, hint: &str) -> Mistake {
    let reason = Reason::new(what).within(quoted(&rule.text));
    reason.hint(hint).at("--fail-on", 0)
}

#[cfg(test)]
#[path = "fail_on_tests.rs"]
mod tests;
