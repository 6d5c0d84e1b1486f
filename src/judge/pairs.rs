//! Judges thresholds on the differences of pairs, which are known at the end of a run.

use crate::judge::ThresholdResult;
use crate::paired::PairFindings;
use crate::plan::{Aggregation, Threshold, ThresholdMetric};
use crate::units::MILLISECOND;

/// Judges a threshold by what pairs show. Without pairs there are no samples.
pub fn judge(threshold: &Threshold, pairs: Option<&PairFindings>, result: &mut ThresholdResult) {
    let estimate = pairs.and_then(|pairs| match (threshold.metric, threshold.aggregation) {
        (ThresholdMetric::Paired(id), Aggregation::Avg) => pairs.difference(id).map(|found| found.mean),
        (ThresholdMetric::Paired(id), _) => pairs.difference(id).map(|found| found.median),
        _ => pairs.errors,
    });
    let length = match threshold.metric {
        ThresholdMetric::Paired(_) => MILLISECOND as f64,
        _ => 1.0,
    };
    result.not_applicable = false;
    result.observed = estimate.map(|found| found.value / length);
    result.ok = result.observed.is_some_and(|observed| threshold.holds(observed));
    let interval = estimate.and_then(|found| found.interval);
    result.interval = interval.map(|(low, high)| [low / length, high / length]);
    let is_decided = |interval: [f64; 2]| threshold.is_decided(interval);
    result.decided = estimate.map(|_| result.interval.is_some_and(is_decided));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::{judge, ramp, run};
    use crate::metrics::{Outcome, Pair, Pairs};
    use crate::paired::PairTotals;
    use crate::units::SECOND;

    /// So many pairs in which the other server takes 3 ms, or up to 1 ms more or less, longer to the first token.
    fn pairs(count: u64) -> PairFindings {
        let mut recorded = Pairs::default();
        for n in 0..count {
            let us = 2_000 + 2_000 * (n * 7 % 101) as i64 / 100;
            recorded.ended.push(Pair {
                ended: n * 20 * MILLISECOND,
                other_first: n % 2 == 1,
                outcomes: [Outcome::Ok; 2],
                differences: [Some(us * 1_000), None, Some(-us * 1_000)],
                same_length: true,
            });
        }
        let mut totals = PairTotals::default();
        totals.add(&recorded);
        totals.findings()
    }

    #[test]
    fn the_differences_of_pairs_are_judged_at_the_end_with_their_intervals() {
        let executor = ramp(&[(10, 10), (50, 10)]);
        let asked = [
            ("paired_ttft", "med<5"),
            ("paired_ttft", "avg<2.5"),
            ("paired_latency", "p(50)<0"),
            ("paired_tpot", "med<1"),
            ("paired_failed", "rate<0.1"),
            ("paired_ttft", "med<3.01"),
        ];
        let judged = |findings: Option<&PairFindings>| {
            let mut judge = judge(&asked, &executor);
            assert!(run(&mut judge, &executor, 60, |_, _, _| {}).is_empty());
            judge.finish(60 * SECOND, &[], findings).thresholds
        };
        let of = |t: &ThresholdResult| (t.ok, t.decided);
        let many = judged(Some(&pairs(1_000)));
        assert_eq!(of(&many[0]), (true, Some(true)), "{:?}", many[0]);
        assert!((many[0].observed.unwrap() - 3.0).abs() < 0.1, "{:?}", many[0]);
        assert_eq!(of(&many[1]), (false, Some(true)), "{:?}", many[1]);
        assert_eq!(of(&many[2]), (true, Some(true)), "{:?}", many[2]);
        // Pairs without this metric are no samples.
        assert_eq!(of(&many[3]), (false, None));
        assert_eq!((of(&many[4]), many[4].observed), ((true, Some(true)), Some(0.0)));
        assert_eq!(of(&many[5]), (true, Some(false)), "{:?}", many[5]);
        assert!(
            many.iter()
                .all(|t| !t.not_applicable && t.breaking_point.is_none())
        );
        // Too few pairs have no interval, and decide nothing.
        assert_eq!(of(&judged(Some(&pairs(20)))[0]), (true, Some(false)));
        assert_eq!(of(&judged(None)[0]), (false, None));
    }
}
