use super::*;
use crate::plan::Executor;
use crate::plan::RateStage;
use crate::plan::executor::tests::open;
use crate::units::{SECOND, parse_rate};

fn constant(rate: &str, arrival: Arrival) -> Executor {
    Executor::ConstantArrivalRate {
        rate: parse_rate(rate).unwrap(),
        duration: 2 * SECOND,
        open: open(arrival),
    }
}

fn all(executor: &Executor, shards: u32, cores: u32) -> Vec<Arriving> {
    let mut out = Vec::new();
    for shard in 0..shards {
        for core in 0..cores {
            let shard = Shard::new(shard, shards).unwrap();
            out.extend(executor.arrivals(7, shard, (core, cores)).unwrap());
        }
    }
    out.sort_unstable_by_key(|arriving| (arriving.due, arriving.sequence, arriving.number));
    out
}

#[test]
fn the_arrivals_are_the_same_on_any_number_of_cores_and_shards() {
    for arrival in [
        Arrival::Constant,
        Arrival::Uniform,
        Arrival::Poisson,
        Arrival::Gamma(0.5),
        Arrival::Scattered,
    ] {
        let executor = constant("300", arrival);
        let whole = all(&executor, 1, 1);
        assert!(whole.len() > 400, "{arrival}: {}", whole.len());
        assert!(whole.is_sorted_by_key(|arriving| arriving.number), "{arrival}");
        for (shards, cores) in [(1, 2), (1, 4), (4, 1), (3, 2)] {
            assert_eq!(
                all(&executor, shards, cores),
                whole,
                "{arrival}, {shards} shards, {cores} cores"
            );
        }
    }
}

#[test]
fn a_constant_rate_begins_at_once_and_ends_before_the_end_as_in_k6() {
    let dues: Vec<Nanos> = all(&constant("3", Arrival::Constant), 1, 1)
        .iter()
        .map(|arriving| arriving.due)
        .collect();
    // A third of a second is truncated to nanoseconds, so the seventh still falls into the two seconds.
    let third = 333_333_333;
    assert_eq!(
        dues,
        [0, third, 2 * third, 3 * third, 4 * third, 5 * third, 6 * third]
    );
}

fn in_stages(stages: &[(Nanos, &str)], seed: u64) -> Vec<Nanos> {
    let executor = Executor::RampingArrivalRate {
        start_rate: parse_rate("0").unwrap(),
        stages: stages
            .iter()
            .map(|(duration, target)| RateStage {
                duration: *duration,
                target: parse_rate(target).unwrap(),
            })
            .collect(),
        open: open(Arrival::Scattered),
    };
    let arrivals = executor.arrivals(seed, Shard::WHOLE, (0, 1)).unwrap();
    arrivals.map(|arriving| arriving.due).collect()
}

#[test]
fn scattered_arrivals_are_as_many_in_each_stage_as_its_rate_asks_for() {
    let stages = [
        (0, "2"),
        (50 * SECOND, "2"),
        (0, "0"),
        (SECOND, "0"),
        (0, "5.5"),
        (49 * SECOND, "5.5"),
        (20 * SECOND, "0"),
    ];
    for seed in 1..=20 {
        let dues = in_stages(&stages, seed);
        assert!(dues.is_sorted());
        let within = |from, to| {
            dues.iter()
                .filter(|due| (from * SECOND..to * SECOND).contains(*due))
                .count()
        };
        // 269.5 in the second stage: what is left of the last one belongs to the next.
        assert_eq!(
            [within(0, 50), within(50, 51), within(51, 100), within(100, 121)],
            [100, 0, 269, 55],
            "seed {seed}"
        );
    }
    assert_ne!(in_stages(&stages, 1), in_stages(&stages, 2));
}

/// The distribution of each arrival is even over its stage (Kolmogorov and Smirnov, at a level of 0.001), not only its
/// number: gaps drawn from a uniform distribution would fail it.
#[test]
fn scattered_arrivals_fall_anywhere_in_their_stage_and_their_gaps_are_exponential() {
    let dues = in_stages(&[(0, "100"), (200 * SECOND, "100")], 3);
    let n = dues.len() as f64;
    assert_eq!(dues.len(), 20_000);
    let off = |values: &[f64], cdf: &dyn Fn(f64) -> f64| {
        let far = |(i, x): (usize, &f64)| (cdf(*x) - (i as f64 + 0.5) / n).abs();
        values.iter().enumerate().map(far).fold(0.0, f64::max)
    };
    let critical = 1.95 / n.sqrt();
    let places: Vec<f64> = dues
        .iter()
        .map(|due| *due as f64 / (200 * SECOND) as f64)
        .collect();
    assert!(off(&places, &|x| x) < critical);
    let mut gaps: Vec<f64> = dues
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64 / 1e7)
        .collect();
    gaps.sort_by(f64::total_cmp);
    assert!(off(&gaps, &|x| 1.0 - (-x).exp()) < critical);
    assert!(off(&gaps, &|x| (x / 2.0).min(1.0)) > critical);
}
