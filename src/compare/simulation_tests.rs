//! How often a difference is shown where there is none, and how often one of 10 % is found. Runs are simulated
//! requests, recorded one by one into what a real run records into: histograms, and rows per second.

use crate::compare::stats::welch_change;
use crate::compare::testing_tests::{run, scalar, trend};
use crate::compare::{Change, Comparison, Interval, Run, RunFacts, Slice, Values};
use crate::metrics::Distribution;

const PAIRS: u64 = 500;
/// Of 500: 7 %, and 95 %.
const FALSE_MAX: usize = 35;
const FOUND_MIN: usize = 475;

/// SplitMix64 (Steele, Lea and Flood 2014), and Box and Muller's normal values.
struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    fn new(seed: u64) -> Random {
        Random {
            state: seed.wrapping_mul(0xd134_2543_de82_ef95),
            spare: None,
        }
    }

    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        if let Some(x) = self.spare.take() {
            return x;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// How a server's latencies come about. All standard deviations are of the logarithm.
#[derive(Clone, Copy)]
struct Process {
    seconds: u32,
    /// Requests a second, on average; how many it is varies.
    rate: f64,
    /// Of one request about its second's level.
    scatter: f64,
    /// Between a request and the next one.
    request_memory: f64,
    /// Of the level of a second.
    level: f64,
    /// Between a second's level and the next one's.
    level_memory: f64,
    /// How much slower the first second is; it wears off within a tenth of the run.
    warm_up: f64,
    /// Of the slope that a run drifts along from begin to end, one way or the other.
    drift: f64,
}

/// A server of some seconds' memory, a warm-up of 30 %, and runs that drift by 3 %.
const USUAL: Process = Process {
    seconds: 120,
    rate: 100.0,
    scatter: 0.4,
    request_memory: 0.5,
    level: 0.03,
    level_memory: 0.8,
    warm_up: 0.3,
    drift: 0.03,
};

fn simulate(p: Process, slower: f64, seed: u64) -> Run {
    let mut random = Random::new(seed);
    let mut all = Distribution::new();
    let mut latency = Vec::new();
    let (mut failures, mut requests) = (Vec::new(), Vec::new());
    let (mut level, mut noise) = (p.level * random.normal(), random.normal());
    let drift = p.drift * random.normal();
    for second in 0..p.seconds {
        let x = f64::from(second) / f64::from(p.seconds);
        let common = level + p.warm_up * (-10.0 * x).exp() + drift * (x - 0.5);
        // A slower second has fewer requests, as closed loops have.
        let n = (p.rate * (-common).exp() / slower + p.rate.sqrt() / 2.0 * random.normal())
            .round()
            .max(1.0) as u64;
        let (mut sum, mut failed) = (0u64, 0.0);
        for _ in 0..n {
            noise = p.request_memory * noise
                + (1.0 - p.request_memory * p.request_memory).sqrt() * random.normal();
            let ns = (1e8 * slower * (common + p.scatter * noise).exp()) as u64;
            all.record(ns);
            sum += ns;
            failed += f64::from(u8::from(random.uniform() < 0.02));
        }
        let elapsed = f64::from(second) + 1.0;
        latency.push(Slice {
            elapsed,
            count: n,
            sum: sum as f64 / 1e6,
        });
        failures.push(Slice {
            elapsed,
            count: n,
            sum: failed,
        });
        requests.push(Slice {
            elapsed,
            count: n,
            sum: n as f64,
        });
        level = p.level_memory * level
            + p.level * (1.0 - p.level_memory * p.level_memory).sqrt() * random.normal();
    }
    let count = all.offered();
    let per_second = count as f64 / f64::from(p.seconds);
    let share = failures.iter().map(|row| row.sum).sum::<f64>() / count as f64;
    let histogram = || Values::Histogram(Box::new(all.clone()));
    let facts = RunFacts {
        requests: Some(count),
        ..RunFacts::default()
    };
    // The second trend has no rows of its own, as most metrics of our documents.
    let trends = vec![
        trend("latency", histogram(), latency),
        trend("service_time", histogram(), Vec::new()),
    ];
    let scalars = vec![
        scalar("requests_per_second", "/s", per_second, None, requests),
        scalar("error_rate", "", share, Some(count), failures),
    ];
    run(&seed.to_string(), facts, trends, scalars)
}

/// How many of the pairs show a difference, by row.
fn shown(p: Process, slower: f64, seeds: u64) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for pair in 0..PAIRS {
        let seed = seeds + 2 * pair;
        let runs = [simulate(p, 1.0, seed), simulate(p, slower, seed + 1)];
        for (i, row) in Comparison::new(&runs).rows.iter().enumerate() {
            if found.len() <= i {
                found.push((row.name(), 0));
            }
            assert_eq!(found[i].0, row.name());
            let change = row.cells[0].unwrap().change;
            let Interval { low, high } = change.interval.unwrap();
            found[i].1 += usize::from(low > 0.0 || high < 0.0);
        }
    }
    // For docs/COMPARE.md: `cargo test simulation -- --nocapture`.
    eprintln!(
        "of {PAIRS}, slower by {slower}, level memory {}: {found:?}",
        p.level_memory
    );
    found
}

const SCALARS: [&str; 2] = ["requests_per_second", "error_rate"];
/// Of each trend; p99.9 where there are 3,688 values.
const STATS: [&str; 6] = ["p50", "p90", "p95", "p99", "p99.9", "mean"];

fn assert_rows(found: &[(String, usize)], stats: &[&str]) {
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected: Vec<String> = SCALARS.map(str::to_owned).to_vec();
    for metric in ["latency", "service_time"] {
        expected.extend(stats.iter().map(|stat| format!("{metric} {stat}")));
    }
    assert_eq!(names, expected);
}

fn at_most_7_percent(found: &[(String, usize)]) {
    for (name, shown) in found {
        assert!(*shown <= FALSE_MAX, "{name}: {shown} of {PAIRS} in {found:?}");
    }
}

#[test]
fn equal_runs_differ_in_at_most_7_percent_of_500_pairs_in_each_row() {
    let found = shown(USUAL, 1.0, 1_000_000);
    assert_rows(&found, &STATS);
    at_most_7_percent(&found);
}

#[test]
fn equal_runs_without_memory_or_drift_differ_in_at_most_7_percent_of_500_pairs() {
    let independent = Process {
        rate: 30.0,
        request_memory: 0.0,
        level: 0.0,
        level_memory: 0.0,
        warm_up: 0.0,
        drift: 0.0,
        ..USUAL
    };
    let found = shown(independent, 1.0, 2_000_000);
    assert_rows(&found, &["p50", "p90", "p95", "p99", "mean"]);
    at_most_7_percent(&found);
}

/// All rows but p99.9, of which a run of two minutes has a dozen values, and the error rate, which is the same.
#[test]
fn a_slowdown_of_10_percent_is_found_in_at_least_95_percent_of_500() {
    let found = shown(USUAL, 1.1, 3_000_000);
    assert_rows(&found, &STATS);
    for (name, shown) in &found {
        if name.ends_with("p99.9") {
            continue;
        }
        if name == "error_rate" {
            assert!(*shown <= FALSE_MAX, "{name}: {shown} of {PAIRS}");
        } else {
            assert!(*shown >= FOUND_MIN, "{name}: {shown} of {PAIRS} in {found:?}");
        }
    }
}

/// Five runs a side whose figures scatter by 4 % between runs, whatever the scatter within each.
#[test]
fn repeated_runs_meet_the_same_error_rates() {
    let mut random = Random::new(4_000_000);
    let mut runs =
        |level: f64| -> Vec<f64> { (0..5).map(|_| level * (0.04 * random.normal()).exp()).collect() };
    let (mut wrong, mut right) = (0, 0);
    for _ in 0..PAIRS {
        let base = runs(100.0);
        let sure = |change: Change| change.interval.is_ok_and(|i| i.low > 0.0 || i.high < 0.0);
        wrong += usize::from(sure(welch_change(&base, &runs(100.0))));
        right += usize::from(sure(welch_change(&base, &runs(112.0))));
    }
    eprintln!("of {PAIRS} pairs of five repeats: {wrong} shown of equal ones, {right} of 12 % slower ones");
    assert!(wrong <= FALSE_MAX && right >= FOUND_MIN, "{wrong} {right}");
}
