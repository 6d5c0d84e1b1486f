//! An SLO: a threshold that a load has to meet, asked of the requests of a probe as a question of statistics.

use crate::error::Reason;
use crate::judge::Tally;
use crate::limit::evidence::{
    Decision, NEAR, Period, Times, Weight, decide_mean, decide_share, total, weigh_share,
};
use crate::metrics::{Distribution, MetricId, SeriesTotals};
use crate::plan::{Aggregation, Op, Threshold, ThresholdMetric};
use crate::units::{MILLISECOND, Nanos, SECOND};
use crate::workload::RequestKind;

/// The metric and the limit of the SLO that is added where no other is about failures: a server that refuses requests
/// quickly would otherwise hold any load.
const FAILED: (&str, &str) = ("failed", "rate<0.01");

/// What is asked of the requests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Question {
    /// The share of requests that violate the limit lies below this.
    Share(f64),
    /// No request violates the limit: `max`, `min`, a share of 0.
    None,
    /// The mean, or the count per second, lies below (or else above) the limit.
    Mean { limit: f64, below: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Slo {
    threshold: Threshold,
    question: Question,
    /// Indices of the series that it looks at.
    series: Vec<usize>,
    /// Nobody asked for it. It need not be shown to hold: it is enough that it seems to.
    added: bool,
}

impl Slo {
    /// Makes an SLO of a threshold. The error says why it cannot be asked of a part of a load.
    pub fn new(threshold: Threshold, kinds: &[RequestKind]) -> Result<Slo, Reason> {
        let question = question(&threshold)?;
        let selected = kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| threshold.selector.selects(kind));
        Ok(Slo {
            question,
            series: selected.map(|(index, _)| index).collect(),
            added: false,
            threshold,
        })
    }

    /// Returns the SLO about failures that is added to `slos`, if none of them is about failures.
    pub fn about_failures(slos: &[Slo], kinds: &[RequestKind]) -> Option<Slo> {
        use ThresholdMetric::{Checks, Failed, Failures, Goodput};
        let counts_failures = |slo: &Slo| {
            let of_failures = matches!(slo.threshold.metric, Failed | Checks | Failures | Goodput);
            slo.threshold.selector.is_empty() && of_failures
        };
        if slos.iter().any(counts_failures) {
            return None;
        }
        let threshold = Threshold::parse(FAILED.0, FAILED.1).ok()?;
        let slo = Slo::new(threshold, kinds).ok()?;
        Some(Slo { added: true, ..slo })
    }

    pub fn is_added(&self) -> bool {
        self.added
    }

    pub fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    /// Returns the SLO as it was written.
    pub fn text(&self) -> String {
        format!("{}: {}", self.threshold.key, self.threshold.text)
    }

    /// Returns what the metric counts of these series, which are those of the plan.
    pub fn tally(&self, series: &[SeriesTotals]) -> Tally {
        let mut tally = Tally::default();
        let expected = self.threshold.selector.expected_response;
        for index in &self.series {
            tally.merge_series(self.threshold.metric, expected, &series[*index]);
        }
        tally
    }

    /// Returns the series of those it looks at whose requests violate it most, by themselves.
    pub fn worst_series(&self, series: &[SeriesTotals]) -> Option<usize> {
        let share = |index: &usize| {
            let only = Slo {
                series: vec![*index],
                ..self.clone()
            };
            let period = only.period(series, 1.0);
            if period.base > 0.0 {
                period.sum / period.base
            } else {
                0.0
            }
        };
        let mut worst: Option<(usize, f64)> = None;
        for index in &self.series {
            let share = share(index);
            if worst.is_none_or(|(_, most)| share > most) {
                worst = Some((*index, share));
            }
        }
        worst.map(|(index, _)| index)
    }

    /// Returns what the requests of these series, which ended within `seconds`, show.
    pub fn period(&self, series: &[SeriesTotals], seconds: f64) -> Period {
        let tally = self.tally(series);
        let values = tally.values();
        let (base, sum) = match (self.threshold.metric, self.threshold.aggregation) {
            (ThresholdMetric::Trend(_), Aggregation::Avg) => (
                values.offered() as f64,
                values.sum_ns() as f64 / MILLISECOND as f64,
            ),
            (ThresholdMetric::Trend(_), _) => (values.offered() as f64, self.violations(values) as f64),
            (metric, _) if metric.is_share() => {
                let (hits, base) = (tally.hits() as f64, tally.base() as f64);
                (base, if self.wants_less() { hits } else { base - hits })
            }
            _ => (seconds, tally.hits() as f64),
        };
        let times = match self.threshold.metric {
            ThresholdMetric::Trend(_) => times(values),
            _ => times(&self.latencies(series)),
        };
        // Times are near the limit unless they are known to be far below it.
        let near = match self.threshold.metric {
            ThresholdMetric::Trend(_) if self.wants_less() => self.count_near(values),
            _ => base,
        };
        // Who was never asked was not served either.
        let lost = self.period_of_lost(self.dropped(series));
        Period {
            base: base + lost.base,
            sum: sum + lost.sum,
            near: near + lost.base,
            times,
        }
    }

    fn latencies(&self, series: &[SeriesTotals]) -> Distribution {
        let mut all = Distribution::new();
        self.series
            .iter()
            .for_each(|index| all.merge(series[*index].metric(MetricId::Latency)));
        all
    }

    /// Returns how many arrivals it looks at that no user could take.
    pub fn dropped(&self, series: &[SeriesTotals]) -> u64 {
        self.sum_of(series, |series| series.dropped_iterations)
    }

    /// Returns how many requests it looks at that were cut while they ran.
    pub fn cut(&self, series: &[SeriesTotals]) -> u64 {
        self.sum_of(series, SeriesTotals::interrupted)
    }

    fn sum_of(&self, series: &[SeriesTotals], of: impl Fn(&SeriesTotals) -> u64) -> u64 {
        self.series.iter().map(|index| of(&series[*index])).sum()
    }

    /// Returns what the requests show that were cut while they ran.
    pub fn period_of_cut(&self, series: &[SeriesTotals]) -> Period {
        self.period_of_lost(self.cut(series))
    }

    /// Returns what requests show that were cut while they ran, or never sent because no user was free: that they took
    /// too long for any SLO about time or success.
    fn period_of_lost(&self, lost: u64) -> Period {
        let lost = if self.counts_lost() { lost as f64 } else { 0.0 };
        Period {
            base: lost,
            sum: lost,
            ..Period::default()
        }
    }

    /// Tells whether requests without an outcome violate it.
    pub fn counts_lost(&self) -> bool {
        matches!(self.question, Question::Share(_) | Question::None)
            && (self.wants_less() || self.threshold.metric.is_share())
    }

    /// Returns the share of requests that violate it; `None` if it is not about a share, or if there were none.
    pub fn violated(&self, periods: &[Period]) -> Option<f64> {
        let all = total(periods);
        match self.question {
            Question::Share(_) | Question::None if all.base > 0.0 => Some(all.sum / all.base),
            _ => None,
        }
    }

    /// Returns the number of values that are not far below the limit.
    fn count_near(&self, values: &Distribution) -> f64 {
        let from = self.threshold.value * NEAR * MILLISECOND as f64;
        let steps = values.steps();
        let near = steps.iter().filter(|(ns, _)| *ns as f64 >= from);
        near.map(|(_, count)| *count as f64).sum()
    }

    /// Returns the number of values that violate the limit.
    fn violations(&self, values: &Distribution) -> u64 {
        let Threshold { op, value, .. } = self.threshold;
        let violates = |ns: Nanos| {
            // A value violates the limit where a percentile of that value would.
            !op.holds(ns as f64 / MILLISECOND as f64, value)
        };
        let steps = values.steps();
        steps
            .iter()
            .filter(|(ns, _)| violates(*ns))
            .map(|(_, count)| count)
            .sum()
    }

    fn wants_less(&self) -> bool {
        wants_less(&self.threshold)
    }

    /// Decides whether it holds, wrongly with a probability of at most `error`.
    pub fn decide(&self, periods: &[Period], error: f64) -> Decision {
        let decision = match self.question {
            Question::Share(allowed) => decide_share(periods, allowed, error),
            Question::None => match total(periods) {
                all if all.sum > 0.0 => Decision::Fails,
                all if all.base > 0.0 => Decision::Holds,
                _ => Decision::Open,
            },
            Question::Mean { limit, below } => match (decide_mean(periods, limit, error), below) {
                (decision, true) => decision,
                (Decision::Holds, false) => Decision::Fails,
                (Decision::Fails, false) => Decision::Holds,
                (Decision::Open, false) => Decision::Open,
            },
        };
        match decision {
            Decision::Open if self.added && self.seems_to_hold(periods) => Decision::Holds,
            decision => decision,
        }
    }

    /// Returns how strongly these requests speak for one side.
    pub fn weigh(&self, periods: &[Period], error: f64) -> Weight {
        let weight = match self.question {
            Question::Share(allowed) => weigh_share(periods, allowed, error),
            Question::None | Question::Mean { .. } => Weight {
                holds: self.seems_to_hold(periods),
                log_odds: match self.decide(periods, error) {
                    Decision::Open => 0.0,
                    Decision::Holds | Decision::Fails => f64::INFINITY,
                },
            },
        };
        match weight {
            Weight { holds: true, .. } if self.added => Weight {
                holds: true,
                log_odds: f64::INFINITY,
            },
            weight => weight,
        }
    }

    /// Tells whether the figure of these requests meets it, as a threshold of a run would.
    pub fn seems_to_hold(&self, periods: &[Period]) -> bool {
        let all = total(periods);
        if all.base <= 0.0 {
            return false;
        }
        let figure = all.sum / all.base;
        match self.question {
            Question::Share(allowed) => figure < allowed,
            Question::None => all.sum == 0.0,
            Question::Mean { limit, below } => (figure < limit) == below,
        }
    }

    /// Returns the least time of a probe: requests that violate a limit of time have to have had the time to.
    pub fn least_time(&self) -> Nanos {
        match self.threshold.metric {
            ThresholdMetric::Trend(_) if self.wants_less() => {
                (self.threshold.value.max(0.0) * MILLISECOND as f64) as Nanos
            }
            _ => SECOND,
        }
    }
}

fn times(values: &Distribution) -> Times {
    values
        .steps()
        .into_iter()
        .fold(Times::default(), |sum, (ns, count)| {
            let (ms, count) = (ns as f64 / MILLISECOND as f64, count as f64);
            Times {
                count: sum.count + count,
                sum: sum.sum + count * ms,
                squares: sum.squares + count * ms * ms,
            }
        })
}

fn wants_less(threshold: &Threshold) -> bool {
    match threshold.op {
        Op::AtMost | Op::Below => true,
        Op::AtLeast | Op::Above => false,
        // Only limits of 0 are compared for equality, and nothing is below.
        Op::Equal | Op::NotEqual => true,
    }
}

fn question(threshold: &Threshold) -> Result<Question, Reason> {
    let (metric, value) = (threshold.metric, threshold.value);
    let below = wants_less(threshold);
    let cannot =
        |what: &str, hint: &str| Err(Reason::new(format!("an SLO cannot be about {what}")).hint(hint));
    let none_wanted = matches!(
        (threshold.op, value),
        (Op::Below, 1.0) | (Op::AtMost | Op::Equal, 0.0)
    );
    if let Some(reason) = always_or_never(threshold) {
        return Err(reason);
    }
    match (metric, threshold.aggregation) {
        (ThresholdMetric::Paired(_) | ThresholdMetric::PairedFailed, _) => cannot(
            "two servers, because a search looks at one",
            "use --threshold in a run with --paired",
        ),
        (ThresholdMetric::ServerRssGrowth, _) => cannot(
            "the growth of memory, which is seen over a whole run",
            "use --threshold in a run of that load",
        ),
        (metric, _) if metric.is_share_of_tokens() => cannot(
            "a share of tokens, whose chance is not that of requests",
            "use --threshold in a run of that load",
        ),
        (_, Aggregation::Count) if none_wanted => Ok(Question::None),
        (_, Aggregation::Count) => cannot(
            "a count, which depends on how long the load lasts",
            "use a rate: `failed: rate<0.01`, `failures: rate<1` per second",
        ),
        (metric, _) if metric.is_share() && threshold.op == Op::Equal && value == 0.0 => Ok(Question::None),
        (metric, _) if metric.is_share() && threshold.op == Op::AtMost && value == 0.0 => Ok(Question::None),
        _ if matches!(threshold.op, Op::Equal | Op::NotEqual) => cannot(
            "an exact figure, which no two measurements share",
            "use one of < <= > >=",
        ),
        (metric, _) if metric.is_share() => share(if below { value } else { 1.0 - value }),
        (ThresholdMetric::Trend(_), Aggregation::Percentile(p)) => percentile(p / 100.0, below),
        (ThresholdMetric::Trend(_), Aggregation::Med) => percentile(0.5, below),
        (ThresholdMetric::Trend(_), Aggregation::Max) if below => Ok(Question::None),
        (ThresholdMetric::Trend(_), Aggregation::Min) if !below => Ok(Question::None),
        (ThresholdMetric::Trend(_), Aggregation::Max | Aggregation::Min) => {
            cannot("a single request", "use a percentile: `p(95)<500`")
        }
        _ => Ok(Question::Mean { limit: value, below }),
    }
}

/// Refuses a limit that lies where no figure can: times are not negative, and shares are 0 to 1.
fn always_or_never(threshold: &Threshold) -> Option<Reason> {
    let most = match threshold.metric {
        _ if matches!(threshold.op, Op::Equal | Op::NotEqual) => return None,
        ThresholdMetric::Trend(_) => f64::INFINITY,
        metric if metric.is_share() => 1.0,
        _ => return None,
    };
    let holds = [0.0, most].map(|figure| threshold.holds(figure));
    // Whatever lies between the ends is above 0 and below the most.
    let between = threshold.holds(most.min(f64::MAX) / 2.0);
    let (what, hint) = match (holds, between) {
        ([true, true], true) => ("every load meets it", "set a limit that some loads do not meet"),
        ([false, false], false) => ("no load can meet it", "set a limit that some loads meet"),
        _ => return None,
    };
    Some(Reason::new(what).hint(hint))
}

/// Asks that the share of values above (or below) the limit is less than what the percentile leaves.
fn percentile(q: f64, below: bool) -> Result<Question, Reason> {
    share(if below { 1.0 - q } else { q })
}

fn share(allowed: f64) -> Result<Question, Reason> {
    match allowed {
        allowed if allowed <= 1e-9 => Ok(Question::None),
        allowed if allowed < 1.0 => Ok(Question::Share(allowed)),
        _ => {
            Err(Reason::new("every load meets it")
                .hint("use a percentile above 0, or a share between 0 and 1"))
        }
    }
}
