//! Reads the answer off all probes of a search.

use crate::limit::evidence::Decision;
use crate::limit::row::{Answer, BrokeFirst, Expected, GeneratorFirst, Knee, ProbeRow};
use crate::limit::search::{ERROR, End, Found, LessSureEnds};
use crate::plan::Op;
use crate::units::decimal;

/// Beyond the knee there is at most this share more throughput.
const KNEE: f64 = 0.05;

/// A load as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Users, or requests per second.
    pub value: f64,
    /// It names a time, as in `2/s`, so it can only be a rate.
    pub has_time: bool,
}

/// What `--expect` asks of the limit: `>=200`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    pub op: Op,
    pub load: Load,
}

impl Expectation {
    fn figures(self, found: &Found) -> Expected {
        let symbol = match self.op {
            Op::AtLeast => ">=",
            Op::Above => ">",
            Op::AtMost => "<=",
            Op::Below => "<",
            Op::Equal => "==",
            Op::NotEqual => "!=",
        };
        let holds = |level: f64| self.op.holds(level, self.load.value);
        // A load that was never shown to hold is 0; one that was never shown to fail has no end.
        let (low, high) = (found.low.unwrap_or(0.0), found.high.unwrap_or(f64::INFINITY));
        Expected {
            expression: format!("{symbol}{}", decimal(self.load.value)),
            ok: holds(found.limit.unwrap_or(0.0)),
            // The limit is less than the upper end.
            decided: holds(low) == holds(high.next_down()),
        }
    }
}

/// Returns the answer of a search that ended like this. `less_sure` are the ends that `found` does not have.
pub fn answer(
    found: &Found,
    less_sure: LessSureEnds,
    end: End,
    probes: &[ProbeRow],
    expected: Option<Expectation>,
) -> Answer {
    let first = first_broken(found, probes);
    Answer {
        less_sure,
        limit: found.limit,
        low: found.low,
        high: found.high,
        confidence: 1.0 - ERROR,
        ended_by: end,
        degraded_from: found.degraded,
        broke_first: first.map(|probe| BrokeFirst {
            level: probe.level,
            slos: probe.broken().cloned().collect(),
            failure: probe.failure.clone(),
        }),
        knee: knee(probes),
        generator_first: generator_first(found, first, probes),
        expected: expected.map(|expected| expected.figures(found)),
    }
}

/// Returns the probe at the lowest load above the limit that does not hold: one that was decided, if there is one.
fn first_broken<'a>(found: &Found, probes: &'a [ProbeRow]) -> Option<&'a ProbeRow> {
    let above = |probe: &&ProbeRow| found.limit.is_none_or(|limit| probe.level > limit);
    let lowest = |wanted: &dyn Fn(&ProbeRow) -> bool| {
        let failing = probes.iter().filter(above).filter(|probe| wanted(probe));
        failing.min_by(|a, b| a.level.total_cmp(&b.level))
    };
    lowest(&|probe| probe.decision == Decision::Fails).or_else(|| lowest(&|probe| !probe.seems_to_hold))
}

/// Returns the lowest load that reaches nearly all of the highest throughput, if there is a higher load that does not
/// have more.
fn knee(probes: &[ProbeRow]) -> Option<Knee> {
    let most = probes.iter().map(|probe| probe.ok_per_second).fold(0.0, f64::max);
    let top = probes.iter().map(|probe| probe.level).fold(0.0, f64::max);
    let reaches = probes
        .iter()
        .filter(|probe| probe.ok_per_second >= most * (1.0 - KNEE));
    let first = reaches.min_by(|a, b| a.level.total_cmp(&b.level))?;
    // At the highest loads throughput may have just begun to end: they have to be clearly more load.
    (most > 0.0 && top >= first.level * (1.0 + 2.0 * KNEE)).then_some(Knee {
        level: first.level,
        ok_per_second: first.ok_per_second,
        most_per_second: most,
    })
}

/// The generator was the limit first if it was unfit at the first load that does not hold, or at the highest that does.
fn generator_first(found: &Found, broken: Option<&ProbeRow>, probes: &[ProbeRow]) -> Option<GeneratorFirst> {
    let at_limit = probes.iter().filter(|probe| Some(probe.level) == found.limit);
    let unfit = |probe: &&ProbeRow| !probe.generator_limits.is_empty();
    let found = at_limit.chain(broken).find(unfit)?;
    Some(GeneratorFirst {
        level: found.level,
        reasons: found.generator_limits.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::row::Percentiles;
    use crate::limit::search::Purpose;
    use crate::result::LimitReason;

    fn probe(level: f64, ok_per_second: f64, holds: bool) -> ProbeRow {
        ProbeRow {
            level,
            purpose: Purpose::Doubling,
            decision: if holds { Decision::Holds } else { Decision::Fails },
            seems_to_hold: holds,
            began_seconds: 0.0,
            counted_seconds: 5.0,
            seconds: 8.0,
            requests: 100,
            failed: 0,
            cut: 0,
            dropped: 0,
            ok_per_second,
            output_tokens_per_second: 0.0,
            ttft: Percentiles::default(),
            latency: Percentiles::default(),
            tbt: Percentiles::default(),
            goodput: None,
            slos: Vec::new(),
            generator_limits: Vec::new(),
            servers: Vec::new(),
            failure: None,
            ended_early: false,
        }
    }

    fn found(limit: f64, low: f64, high: f64) -> Found {
        Found {
            limit: Some(limit),
            low: Some(low),
            high: Some(high),
            degraded: None,
        }
    }

    #[test]
    fn the_knee_is_the_lowest_load_with_nearly_all_of_the_throughput() {
        let at = |pairs: &[(f64, f64)]| {
            let probes: Vec<ProbeRow> = pairs
                .iter()
                .map(|(level, rate)| probe(*level, *rate, true))
                .collect();
            knee(&probes).map(|knee| knee.level)
        };
        assert_eq!(
            at(&[
                (1.0, 10.0),
                (8.0, 80.0),
                (16.0, 97.0),
                (32.0, 100.0),
                (64.0, 99.0)
            ]),
            Some(16.0)
        );
        assert_eq!(at(&[(1.0, 10.0), (8.0, 80.0), (16.0, 160.0)]), None);
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn an_expectation_is_decided_if_the_interval_lies_on_one_side() {
        let at_least = |value| Expectation {
            op: Op::AtLeast,
            load: Load {
                value,
                has_time: false,
            },
        };
        let figures = |value| at_least(value).figures(&found(200.0, 190.0, 210.0));
        let of = |value| (figures(value).ok, figures(value).decided);
        assert_eq!(of(200.0), (true, false));
        assert_eq!(of(180.0), (true, true));
        assert_eq!(of(220.0), (false, true));
        assert_eq!(of(210.0), (false, true));
        assert_eq!(of(190.0), (true, true));
        assert_eq!(figures(180.0).expression, ">=180");
    }

    #[test]
    fn a_generator_that_was_unfit_at_the_edge_was_the_limit_first() {
        let mut probes = vec![probe(8.0, 80.0, true), probe(16.0, 90.0, false)];
        let found = found(8.0, 8.0, 16.0);
        let answer = |probes: &[ProbeRow]| answer(&found, LessSureEnds::default(), End::Found, probes, None);
        assert_eq!(answer(&probes).generator_first, None);
        probes[1].generator_limits.push(LimitReason {
            rule: "worker_busy".into(),
            found: "99 % busy".into(),
        });
        let answer = answer(&probes);
        assert_eq!(answer.generator_first.map(|first| first.level), Some(16.0));
        assert_eq!(answer.broke_first.map(|first| first.level), Some(16.0));
    }
}
