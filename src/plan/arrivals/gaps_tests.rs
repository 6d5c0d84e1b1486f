use super::*;
use statrs::distribution::{ContinuousCDF, Exp, Gamma, Uniform};

const DRAWS: usize = 20_000;

fn draws(arrival: Arrival, seed: u64) -> Vec<f64> {
    let mut gaps = Gaps::new(arrival, seed);
    (0..DRAWS).map(|_| gaps.next_gap()).collect()
}

/// Returns the largest distance between the distribution of the draws and `cdf` (Kolmogorov and Smirnov).
fn distance(mut draws: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let off = |(i, x): (usize, &f64)| {
        let expected = cdf(*x);
        (expected - i as f64 / n)
            .abs()
            .max(((i + 1) as f64 / n - expected).abs())
    };
    draws.iter().enumerate().map(off).fold(0.0, f64::max)
}

/// The critical value at a level of 0.001 for many draws: a right generator stays below it with 999 of 1,000 seeds,
/// and the seeds here are fixed.
fn critical() -> f64 {
    1.95 / (DRAWS as f64).sqrt()
}

#[test]
fn gaps_have_the_distribution_that_they_are_named_after() {
    for seed in 1..=3 {
        let exponential = Exp::new(1.0).unwrap();
        let off = distance(draws(Arrival::Poisson, seed), |x| exponential.cdf(x));
        assert!(off < critical(), "poisson, seed {seed}: {off}");
        let even = Uniform::new(0.0, 2.0).unwrap();
        let off = distance(draws(Arrival::Uniform, seed), |x| even.cdf(x));
        assert!(off < critical(), "uniform, seed {seed}: {off}");
        for shape in [0.1, 0.5, 1.0, 2.0, 50.0] {
            let gamma = Gamma::new(shape, shape).unwrap();
            let off = distance(draws(Arrival::Gamma(shape), seed), |x| gamma.cdf(x));
            assert!(off < critical(), "gamma:{shape}, seed {seed}: {off}");
        }
    }
}

#[test]
fn the_test_tells_a_wrong_distribution() {
    let exponential = Exp::new(1.0).unwrap();
    let off = distance(draws(Arrival::Gamma(0.9), 1), |x| exponential.cdf(x));
    assert!(off > critical(), "{off}");
}

#[test]
fn mean_and_spread_are_those_of_the_pattern() {
    for (arrival, variance) in [
        (Arrival::Constant, 0.0),
        (Arrival::Uniform, 1.0 / 3.0),
        (Arrival::Poisson, 1.0),
        (Arrival::Gamma(4.0), 0.25),
        (Arrival::Gamma(0.5), 2.0),
    ] {
        let draws = draws(arrival, 7);
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let spread = draws.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
        // Four standard errors.
        let error = 4.0 * (variance / n).sqrt();
        assert!((mean - 1.0).abs() <= error, "{arrival}: mean {mean}");
        assert!(
            (spread - variance).abs() <= 0.1 * variance,
            "{arrival}: variance {spread}"
        );
    }
}

#[test]
fn gaps_differ_between_seeds_and_not_between_runs() {
    assert_eq!(draws(Arrival::Poisson, 1), draws(Arrival::Poisson, 1));
    assert_ne!(draws(Arrival::Poisson, 1), draws(Arrival::Poisson, 2));
}
