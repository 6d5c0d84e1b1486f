//! What is said about simulated pairs, of which the truth is known: how often a difference is shown between two equal
//! servers, how often an interval has the truth, and how often a difference is found.

use super::estimate::{difference, errors};
use super::*;
use crate::metrics::{Outcome, Pair, Pairs, Recorder, Sample};
use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

const RUNS: u64 = 200;
/// 5 %.
const FALSE_MAX: usize = 10;

/// SplitMix64 (Steele, Lea and Flood 2014), and Box and Muller's normal values.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How a run of pairs comes about. Times are milliseconds.
#[derive(Clone, Copy)]
struct Process {
    pairs: u64,
    /// Standard deviation of one request's time.
    scatter: f64,
    /// Share of requests that take 200 ms more.
    outliers: f64,
    /// Standard deviation of a state that each server has for itself, and what is left of it at the next pair.
    state: f64,
    memory: f64,
    /// By how much the second request of a pair is faster, as with a prompt cache that both share.
    cached: f64,
    /// What the other server adds.
    slower: f64,
    /// Share of failures at the base and at the other.
    failures: [f64; 2],
}

const STEADY: Process = Process {
    pairs: 300,
    scatter: 1.0,
    outliers: 0.0,
    state: 0.0,
    memory: 0.0,
    cached: 0.0,
    slower: 0.0,
    failures: [0.0; 2],
};

impl Process {
    fn run(&self, seed: u64) -> PairTotals {
        let random = &mut Random(seed.wrapping_mul(0xd134_2543_de82_ef95));
        let mut states = [0.0; 2];
        let mut other_first = false;
        let mut pairs = Pairs::default();
        for n in 0..self.pairs {
            // Balanced as in a run: the second of two has the opposite order of the first.
            other_first = if n % 2 == 0 {
                random.uniform() < 0.5
            } else {
                !other_first
            };
            let mut values = [0.0; 2];
            let mut outcomes = [Outcome::Ok; 2];
            for server in 0..2 {
                let fresh = (1.0 - self.memory * self.memory).sqrt() * self.state * random.normal();
                states[server] = self.memory * states[server] + fresh;
                let is_second = (server == 1) != other_first;
                values[server] = 50.0 + self.scatter * random.normal() + states[server];
                values[server] += if random.uniform() < self.outliers {
                    200.0
                } else {
                    0.0
                };
                values[server] -= if is_second { self.cached } else { 0.0 };
                values[server] += if server == 1 { self.slower } else { 0.0 };
                if random.uniform() < self.failures[server] {
                    outcomes[server] = Outcome::Http503;
                }
            }
            let ns = ((values[1] - values[0]) * MILLISECOND as f64) as i64;
            let ok = outcomes == [Outcome::Ok; 2];
            pairs.ended.push(Pair {
                ended: n * 100 * MILLISECOND,
                other_first,
                outcomes,
                // Three metrics that move together, as TTFT and latency do.
                differences: [
                    Some(ns).filter(|_| ok),
                    Some(ns / 7).filter(|_| ok),
                    Some(ns).filter(|_| ok),
                ],
                same_length: true,
            });
        }
        let mut totals = PairTotals::default();
        totals.add(&pairs);
        totals
    }

    fn ttft(&self, seed: u64) -> Difference {
        let totals = self.run(seed);
        difference(&totals.differences()[0], &totals.rows().times[0]).unwrap()
    }

    /// Returns how many of `RUNS` runs show any difference.
    fn shown(&self) -> usize {
        let shows = |seed: &u64| {
            let totals = self.run(*seed);
            let rows = totals.rows();
            let times = totals.differences().iter().zip(&rows.times);
            let mut found = times.flat_map(|(orders, rows)| {
                let found = difference(orders, rows);
                found
                    .map(|found| [found.median, found.mean])
                    .into_iter()
                    .flatten()
            });
            let differs = |estimate: Estimate| matches!(estimate.side(), Some(Side::Above | Side::Below));
            found.any(differs) || errors(totals.counts(), &rows.errors).is_some_and(differs)
        };
        (1..=RUNS).filter(shows).count()
    }
}

#[test]
fn equal_servers_show_no_difference_in_95_of_100_runs() {
    let failing = [0.1; 2];
    for (what, process) in [
        ("independent pairs", STEADY),
        ("few pairs", Process { pairs: 60, ..STEADY }),
        (
            "outliers",
            Process {
                outliers: 0.05,
                ..STEADY
            },
        ),
        (
            "failures",
            Process {
                failures: failing,
                ..STEADY
            },
        ),
        (
            "a shared prompt cache",
            Process {
                cached: 30.0,
                ..STEADY
            },
        ),
        (
            "a cache and few pairs",
            Process {
                cached: 30.0,
                pairs: 60,
                ..STEADY
            },
        ),
        (
            "states of ten pairs",
            Process {
                state: 2.0,
                memory: 0.8,
                pairs: 1_000,
                ..STEADY
            },
        ),
        (
            "states and outliers",
            Process {
                state: 2.0,
                memory: 0.8,
                outliers: 0.02,
                pairs: 1_000,
                ..STEADY
            },
        ),
    ] {
        let shown = process.shown();
        assert!(
            shown <= FALSE_MAX,
            "{what}: {shown} of {RUNS} runs show a difference"
        );
    }
}

#[test]
fn intervals_have_the_truth_in_95_of_100_runs() {
    for process in [
        Process {
            slower: 3.0,
            ..STEADY
        },
        Process {
            slower: 3.0,
            cached: 30.0,
            ..STEADY
        },
        Process {
            slower: 3.0,
            state: 2.0,
            memory: 0.8,
            pairs: 1_000,
            ..STEADY
        },
    ] {
        let misses = (1..=RUNS).filter(|seed| {
            let found = process.ttft(*seed);
            let has = |estimate: Estimate| {
                estimate
                    .interval
                    .is_some_and(|(low, high)| (low..=high).contains(&3e6))
            };
            !has(found.median) || !has(found.mean)
        });
        let misses = misses.count();
        assert!(
            misses <= FALSE_MAX,
            "{misses} of {RUNS} intervals do not have the truth"
        );
    }
}

#[test]
fn a_difference_of_three_quarters_of_the_scatter_is_found_in_300_pairs() {
    let found = |process: Process| {
        let is_found = |seed: &u64| process.ttft(*seed).median.side() == Some(Side::Above);
        (1..=RUNS).filter(is_found).count()
    };
    assert!(
        found(Process {
            slower: 0.75,
            ..STEADY
        }) as u64
            >= RUNS * 95 / 100
    );
    // What a cache saves the second request of a pair does not hide it.
    assert!(
        found(Process {
            slower: 0.75,
            cached: 30.0,
            ..STEADY
        }) as u64
            >= RUNS * 95 / 100
    );
}

#[test]
fn the_cost_of_being_second_is_told_apart() {
    let found = Process {
        slower: 3.0,
        cached: 30.0,
        ..STEADY
    }
    .ttft(1);
    assert!((found.second.unwrap() / -30e6 - 1.0).abs() < 0.02, "{found:?}");
    assert!((found.median.value / 3e6 - 1.0).abs() < 0.1, "{found:?}");
}

#[test]
fn rare_slow_requests_show_in_the_mean_alone() {
    let process = Process {
        outliers: 0.0,
        pairs: 3_000,
        ..STEADY
    };
    let mut totals = process.run(1);
    let mut slow = Pairs::default();
    for n in 0..600u64 {
        let ns = if n % 4 == 0 {
            300 * MILLISECOND as i64
        } else {
            (n as i64 % 7 - 3) * MICROSECOND as i64
        };
        slow.ended.push(Pair {
            ended: n * SECOND / 2,
            other_first: n / 4 % 2 == 0,
            outcomes: [Outcome::Ok; 2],
            differences: [Some(ns); 3],
            same_length: true,
        });
    }
    totals.add(&slow);
    let found = difference(&totals.differences()[0], &totals.rows().times[0]).unwrap();
    assert_eq!(found.median.side(), Some(Side::Neither), "{found:?}");
    assert_eq!(found.mean.side(), Some(Side::Above), "{found:?}");
}

#[test]
fn failures_at_one_server_are_found_and_counted() {
    let totals = Process {
        failures: [0.0, 0.1],
        ..STEADY
    }
    .run(3);
    let found = errors(totals.counts(), &totals.rows().errors).unwrap();
    let [base, other] = totals.counts().failed_alone;
    assert_eq!((base, found.value), (0, other as f64 / 300.0));
    assert_eq!(found.side(), Some(Side::Above), "{found:?}");
    let (low, high) = found.interval.unwrap();
    assert!(low > 0.02 && low < 0.1 && high > 0.1 && high < 0.25, "{found:?}");

    let none = STEADY.run(3);
    let found = errors(none.counts(), &none.rows().errors).unwrap();
    assert_eq!((found.value, found.side()), (0.0, Some(Side::Neither)));
}

#[test]
fn too_few_pairs_have_no_interval() {
    let few = Process {
        pairs: PAIRS_MIN - 1,
        ..STEADY
    };
    let found = few.ttft(1);
    assert_eq!((found.median.interval, found.mean.interval), (None, None));
    assert!(found.median.value.abs() < 2e6);
    let totals = PairTotals::default();
    assert!(difference(&totals.differences()[0], &[]).is_none());
    assert!(errors(totals.counts(), &[]).is_none());
}

#[test]
fn a_recorder_keeps_pairs_with_the_time_since_the_load_began() {
    let at = |due: Nanos, done: Nanos| Sample {
        due,
        sent: Some(due),
        ..Sample::ended(Outcome::Ok, done)
    };
    let mut recorder = Recorder::new(0, 1, false);
    recorder.begin_load(SECOND);
    recorder.pair(&at(SECOND, SECOND + 5), &at(SECOND + 5, SECOND + 17), false);
    recorder.half_a_pair();
    let mut totals = PairTotals::default();
    totals.add(&recorder.into_snapshot().pairs);
    let counts = totals.counts();
    assert_eq!((counts.ended, counts.both_ok, counts.incomplete), (1, 1, 1));
    assert_eq!(
        totals.differences()[2][0].count(),
        1,
        "latency, with the base first"
    );
    assert_eq!(totals.differences()[0][0].count(), 0, "there was no token");
}
