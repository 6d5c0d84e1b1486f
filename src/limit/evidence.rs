//! Decides from requests whether a share or a mean lies below a limit, with a stated probability of error however often
//! one looks.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::ln_beta;

/// The weight of the prior: half a violation.
const PRIOR: f64 = 0.5;
/// A prior for a small share is spread over at most this many requests.
const PRIOR_REQUESTS_MAX: f64 = 100.0;
/// The fewest periods from which scatter between periods is computed.
const PERIODS_MIN: usize = 5;
/// Lengths of the periods whose scatter is looked at: neighbours are joined, because requests that follow one another
/// in
/// a queue are alike for longer than one period.
const JOINED: [usize; 4] = [1, 2, 4, 8];
/// Times whose variance is less than this share of their squares are equal but for rounding.
const EQUAL: f64 = 1e-9;
/// The times of a load are far below the limit if fewer than this part of the allowed share is above [`NEAR`] of it.
const FAR: f64 = 0.5;
/// The part of a limit of time above which a time is near it.
pub const NEAR: f64 = 0.25;
/// Looks at a mean that its probability of error is divided over.
const LOOKS: f64 = 20.0;

/// The requests of one period (a second of a probe).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Period {
    /// Requests, or values of a metric that has several per request; for a count per second, the length in seconds.
    pub base: f64,
    /// Those that violate the limit; for a mean, the sum of the values.
    pub sum: f64,
    /// Those whose time is not far below the limit.
    pub near: f64,
    /// The times of the same requests, violations or not, which tell how alike neighbours are.
    pub times: Times,
}

/// The number of times, their sum and the sum of their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    pub count: f64,
    pub sum: f64,
    pub squares: f64,
}

/// What requests have shown of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Holds,
    Fails,
    Open,
}

/// Returns the sums of all periods.
pub fn total(periods: &[Period]) -> Period {
    periods.iter().fold(Period::default(), |sum, period| Period {
        base: sum.base + period.base,
        sum: sum.sum + period.sum,
        near: sum.near + period.near,
        times: Times {
            count: sum.times.count + period.times.count,
            sum: sum.times.sum + period.times.sum,
            squares: sum.times.squares + period.times.squares,
        },
    })
}

/// Decides whether the share of violations lies below `allowed` (0 to 1), wrongly with a probability of at most `alpha`
/// however often it is asked while requests come in.
///
/// It is a test by betting (Robbins, "Statistical methods related to the law of the iterated logarithm", 1970): the
/// probability of what was seen, averaged over a prior of the share, divided by that under `allowed`, exceeds 1/alpha
/// with probability alpha at most if `allowed` is true. Requests are not independent, so they count as fewer (Korn and
/// Graubard, "Confidence intervals for proportions with small expected number of positive counts", 1998): divided by
/// the
/// ratio of the scatter between periods to that of independent requests, and by the square of Student's t over the
/// normal quantile, because that ratio is known from few periods.
///
/// Where hardly any request violates the limit, violations do not tell how alike neighbours are. So that a load holds
/// also needs the scatter of the times: behind a queue that is still growing, all requests are good so far.
pub fn decide_share(periods: &[Period], allowed: f64, alpha: f64) -> Decision {
    match weigh_share(periods, allowed, alpha) {
        weight if weight.log_odds < -alpha.ln() => Decision::Open,
        weight if weight.holds => Decision::Holds,
        _ => Decision::Fails,
    }
}

/// How strongly requests speak for one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// The side.
    pub holds: bool,
    /// The logarithm of the ratio of probabilities. Those of independent requests add up.
    pub log_odds: f64,
}

/// Returns the ratio that [`decide_share`] decides by.
pub fn weigh_share(periods: &[Period], allowed: f64, alpha: f64) -> Weight {
    let all = total(periods);
    let holds = all.base > 0.0 && all.sum / all.base < allowed;
    if all.base <= 0.0 || periods.len() < PERIODS_MIN {
        return Weight { holds, log_odds: 0.0 };
    }
    // Far below the limit nothing that grows within a probe comes near it unseen.
    let is_far = holds && all.near <= all.base * allowed * FAR;
    let effect = match is_far {
        // There is no scatter whose estimate from few periods could be too small.
        true if all.sum == 0.0 => 1.0,
        true => effect_of_violations(periods) * inflation(periods.len(), alpha),
        false => {
            let effect = effect_of_violations(periods);
            let times = if holds { effect_of_times(periods) } else { 1.0 };
            effect.max(times) * inflation(periods.len(), alpha)
        }
    }
    .max(1.0);
    let (n, hits) = (all.base / effect, all.sum / effect);
    let a = PRIOR;
    let b = (PRIOR * (1.0 - allowed) / allowed).clamp(PRIOR, PRIOR_REQUESTS_MAX);
    let seen = ln_beta(hits + a, n - hits + b) - ln_beta(a, b);
    let expected = hits * allowed.ln() + (n - hits) * (1.0 - allowed).ln();
    Weight {
        holds,
        log_odds: seen - expected,
    }
}

/// Returns by how much an interval from so few periods is wider, squared.
fn inflation(periods: usize, alpha: f64) -> f64 {
    let point = 1.0 - alpha / 2.0;
    let normal = Normal::standard().inverse_cdf(point);
    match StudentsT::new(0.0, 1.0, periods as f64 - 1.0) {
        Ok(student) => (student.inverse_cdf(point) / normal).powi(2),
        Err(_) => f64::INFINITY,
    }
}

/// Decides whether the mean (sum over base) lies below `limit`, from the scatter of the periods: Student's t, with
/// `alpha` divided over the looks.
pub fn decide_mean(periods: &[Period], limit: f64, alpha: f64) -> Decision {
    let Some((mean, error)) = mean_and_error(periods) else {
        return Decision::Open;
    };
    let Ok(student) = StudentsT::new(0.0, 1.0, periods.len() as f64 - 1.0) else {
        return Decision::Open;
    };
    let reach = student.inverse_cdf(1.0 - alpha / (2.0 * LOOKS)) * error;
    match limit - mean {
        distance if distance.abs() <= reach => Decision::Open,
        distance if distance > 0.0 => Decision::Holds,
        _ => Decision::Fails,
    }
}

/// Returns the ratio of sums, and its standard error from the scatter between periods.
fn mean_and_error(periods: &[Period]) -> Option<(f64, f64)> {
    let all = total(periods);
    if periods.len() < PERIODS_MIN || all.base <= 0.0 {
        return None;
    }
    let mean = all.sum / all.base;
    Some((
        mean,
        variance(periods, mean, |period| (period.base, period.sum)).sqrt() / all.base,
    ))
}

/// Returns the variance of the sum over all periods, when each should be `mean` times its base. `pair` gives the base
/// and the sum of a period.
fn variance(periods: &[Period], mean: f64, pair: fn(&Period) -> (f64, f64)) -> f64 {
    let count = periods.len() as f64;
    let square = |period: &Period| {
        let (base, sum) = pair(period);
        (sum - mean * base).powi(2)
    };
    periods.iter().map(square).sum::<f64>() * count / (count - 1.0)
}

/// Returns how many requests count as one, by their violations.
fn effect_of_violations(periods: &[Period]) -> f64 {
    let all = total(periods);
    let share = all.sum / all.base;
    largest_effect(periods, share, all.base * share * (1.0 - share), |period| {
        (period.base, period.sum)
    })
}

/// Returns how many requests count as one, by their times.
fn effect_of_times(periods: &[Period]) -> f64 {
    let Times { count, sum, squares } = total(periods).times;
    if count <= 0.0 {
        return 1.0;
    }
    let mean = sum / count;
    let independent = squares - sum * mean;
    // Times that hardly differ at all are equal but for rounding.
    if independent <= squares * EQUAL {
        return 1.0;
    }
    largest_effect(periods, mean, independent, |period| {
        (period.times.count, period.times.sum)
    })
}

/// Returns the largest ratio of the variance between periods, of several lengths, to that of `independent` requests.
fn largest_effect(periods: &[Period], mean: f64, independent: f64, pair: fn(&Period) -> (f64, f64)) -> f64 {
    if independent <= 0.0 {
        return 1.0;
    }
    let mut effect: f64 = 1.0;
    for length in JOINED {
        let joined: Vec<Period> = periods.chunks_exact(length).map(total).collect();
        if joined.len() < PERIODS_MIN {
            break;
        }
        effect = effect.max(variance(&joined, mean, pair) / independent);
    }
    effect
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::random::keyed;

    /// A number from 0 to 1 by its key.
    fn unit(words: [u64; 4]) -> f64 {
        keyed(words) as f64 / u64::MAX as f64
    }

    fn periods(pairs: &[(u32, u32)]) -> Vec<Period> {
        let period = |(base, sum): &(u32, u32)| Period {
            base: f64::from(*base),
            sum: f64::from(*sum),
            ..Period::default()
        };
        pairs.iter().map(period).collect()
    }

    #[test]
    fn many_good_requests_hold_many_bad_ones_fail_and_few_decide_nothing() {
        // Twenty periods with as many each.
        let decide = |base, sum| decide_share(&periods(&[(base, sum); 20]), 0.05, 0.05);
        assert_eq!(decide_share(&[], 0.05, 0.05), Decision::Open);
        assert_eq!(decide(2, 0), Decision::Open);
        assert_eq!(decide(10, 0), Decision::Holds);
        assert_eq!(decide(1, 1), Decision::Fails);
        assert_eq!(decide(100, 5), Decision::Open);
        assert_eq!(decide(100, 10), Decision::Fails);
        // Fewer than five periods do not tell how alike their requests are.
        assert_eq!(
            decide_share(&periods(&[(1_000, 0); 4]), 0.05, 0.05),
            Decision::Open
        );
    }

    /// Looks after each ten requests of a share that is exactly the limit: the decision is wrong either way.
    #[test]
    fn a_share_at_the_limit_is_decided_no_more_often_than_stated() {
        for (allowed, alpha) in [(0.05, 0.1), (0.5, 0.05), (0.01, 0.05)] {
            let runs = 400;
            let decided = (0..runs).filter(|run| {
                let mut seen: Vec<Period> = Vec::new();
                (0..200).any(|look| {
                    let bad = (0..10).filter(|i| unit([*run, look, *i, 7]) < allowed).count();
                    seen.extend(periods(&[(10, bad as u32)]));
                    decide_share(&seen, allowed, alpha) != Decision::Open
                })
            });
            let share = decided.count() as f64 / runs as f64;
            assert!(share <= alpha, "{allowed}: {share} of {runs} were decided");
        }
    }

    #[test]
    fn requests_that_come_alike_count_as_fewer() {
        // Each period is all good or all bad, as behind a queue that fills and empties.
        let blocks: Vec<(u32, u32)> = (0..20)
            .map(|i| (100, if i % 10 == 3 { 100 } else { 0 }))
            .collect();
        let effect = effect_of_violations(&periods(&blocks));
        assert!((90.0..120.0).contains(&effect), "{effect}");
        assert_eq!(decide_share(&periods(&blocks), 0.05, 0.05), Decision::Open);
        assert_eq!(
            decide_share(&periods(&[(100, 10); 20]), 0.05, 0.05),
            Decision::Fails
        );
    }

    #[test]
    fn a_queue_that_still_grows_does_not_hold_although_all_requests_were_good_so_far() {
        let second = |mean: f64| {
            let times = Times {
                count: 100.0,
                sum: 100.0 * mean,
                // Each time is 10 more or less than the mean.
                squares: 100.0 * (mean * mean + 100.0),
            };
            Period {
                base: 100.0,
                near: 100.0,
                times,
                ..Period::default()
            }
        };
        let steady: Vec<Period> = (0..10).map(|_| second(100.0)).collect();
        let growing: Vec<Period> = (0..10).map(|i| second(100.0 + 20.0 * f64::from(i))).collect();
        assert_eq!(decide_share(&steady, 0.05, 0.05), Decision::Holds);
        assert_eq!(decide_share(&growing, 0.05, 0.05), Decision::Open);
        // Where all times are far below the limit, their scatter does not matter.
        let far: Vec<Period> = growing
            .iter()
            .map(|period| Period { near: 1.0, ..*period })
            .collect();
        assert_eq!(decide_share(&far, 0.05, 0.05), Decision::Holds);
        // Nor does it take many requests, if none of them is near.
        let few = |near: f64| -> Vec<Period> {
            let period = Period {
                base: 20.0,
                near,
                ..Period::default()
            };
            vec![period; 5]
        };
        assert_eq!(decide_share(&few(20.0), 0.05, 0.05), Decision::Open);
        assert_eq!(decide_share(&few(0.0), 0.05, 0.05), Decision::Holds);
    }

    #[test]
    fn a_mean_is_decided_by_the_scatter_of_its_periods() {
        let around = |mean: f64, spread: f64| -> Vec<Period> {
            (0..12)
                .map(|i| Period {
                    base: 10.0,
                    sum: 10.0 * (mean + if i % 2 == 0 { spread } else { -spread }),
                    ..Period::default()
                })
                .collect()
        };
        assert_eq!(decide_mean(&around(100.0, 5.0), 120.0, 0.05), Decision::Holds);
        assert_eq!(decide_mean(&around(100.0, 5.0), 80.0, 0.05), Decision::Fails);
        assert_eq!(decide_mean(&around(100.0, 50.0), 110.0, 0.05), Decision::Open);
        assert_eq!(decide_mean(&around(100.0, 0.0)[..3], 110.0, 0.05), Decision::Open);
    }
}
