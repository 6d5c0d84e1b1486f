use super::*;
use crate::limit::simulated::{Noise, Ran, Server, Trial};

const SEEDS: u64 = 40;

fn over_users(server: Server, limit: f64) -> Trial {
    Trial {
        server,
        noise: Noise::default(),
        range: Range {
            over: Over::Users,
            from: 1.0,
            to: 1024.0,
            resolution: 0.05,
        },
        quantile: 0.95,
        limit,
        max_seconds: None,
        degrades: None,
    }
}

fn over_rate(server: Server, limit: f64) -> Trial {
    let users = over_users(server, limit);
    Trial {
        range: Range {
            over: Over::Rate,
            to: 10_000.0,
            ..users.range
        },
        ..users
    }
}

/// Runs many searches. Returns how many answers were within 5 % of the truth, and how many intervals held it.
fn score(trial: &Trial, truth: f64) -> (u64, u64) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or(1);
    let (mut near, mut covered, mut probes, mut seconds) = (0, 0, 0, 0.0);
    for seed in first..first + SEEDS {
        let Ran {
            found,
            end,
            probes: n,
            seconds: s,
            ..
        } = trial.run(seed);
        let limit = found.limit.unwrap_or(0.0);
        near += u64::from((limit - truth).abs() <= 0.05 * truth);
        let inside = found.low.is_none_or(|low| low <= truth) && found.high.is_none_or(|high| truth < high);
        covered += u64::from(inside);
        probes += n;
        seconds += s;
        if !inside || (limit - truth).abs() > 0.05 * truth {
            println!(
                "seed {seed}: {limit} in {:?}..{:?}, {end:?}, {n} probes, {s:.0} s",
                found.low, found.high
            );
        }
    }
    println!(
        "{:?} {:?}: {near} of {SEEDS} within 5 % of {truth}, {covered} intervals hold it, {:.1} probes, {:.0} s",
        trial.server,
        trial.range.over,
        probes as f64 / SEEDS as f64,
        seconds / SEEDS as f64
    );
    (near, covered)
}

/// 19 of 20.
fn most(count: u64) -> bool {
    count * 20 >= SEEDS * 19
}

fn finds(trial: &Trial, truth: f64) {
    let (near, covered) = score(trial, truth);
    assert!(most(near), "{near} of {SEEDS} answers are within 5 %");
    assert!(most(covered), "{covered} of {SEEDS} intervals hold the truth");
}

#[test]
fn the_edge_of_a_cliff_is_found() {
    let server = Server::Cliff {
        at: 100,
        ttft: 0.1,
        service: 0.9,
    };
    // With 101 users each of them finds 100 others, so 100 is the last that holds.
    finds(&over_users(server, 0.5), 100.0);
}

#[test]
fn fixed_places_with_a_queue_hold_as_many_users_as_there_are_places() {
    let server = Server::Places {
        places: 64,
        service: 1.0,
    };
    // The 65th user makes everybody wait for 1/64 s, on average.
    let trial = Trial {
        noise: Noise {
            request: 0.2,
            probe: 0.0,
        },
        ..over_users(server, 0.005)
    };
    finds(&trial, 64.0);
}

#[test]
fn a_slope_with_noise_is_found_where_the_percentile_crosses_the_limit() {
    let server = Server::Slope {
        each: 0.002,
        service: 0.3,
    };
    // The p95 of a time that is up to 20 % longer or shorter is 18 % longer.
    let trial = Trial {
        noise: Noise {
            request: 0.2,
            probe: 0.0,
        },
        ..over_users(server, 0.4)
    };
    finds(&trial, 0.4 / 0.002 / 1.18);
}

#[test]
fn a_budget_of_tokens_is_found() {
    let server = Server::Tokens {
        per_second: 2_000.0,
        each: 20.0,
        most: 200.0,
    };
    // With N users each gets 2000/N tokens a second.
    let trial = Trial {
        noise: Noise {
            request: 0.1,
            probe: 0.0,
        },
        ..over_users(server, 0.05)
    };
    finds(&trial, 2_000.0 * 0.05 / 1.09);
}

#[test]
fn the_rate_of_a_single_queue_is_found_although_its_requests_are_not_independent() {
    // In M/M/1 the whole time is exponential with the mean 1 / (service rate - arrival rate): Kleinrock, Queueing
    // Systems, volume 1, 3.2.
    let trial = over_rate(Server::Single { mean: 0.01 }, 0.2);
    let (near, covered) = score(&trial, 100.0 - 20f64.ln() / 0.2);
    // A minute near saturation is worth a few dozen independent requests, so the answer is off by more now and then;
    // the
    // interval says so.
    assert!(near * 5 >= SEEDS * 4, "{near} of {SEEDS} answers are within 5 %");
    assert!(most(covered), "{covered} of {SEEDS} intervals hold the truth");
}

#[test]
fn noise_from_probe_to_probe_is_in_the_interval() {
    let server = Server::Slope {
        each: 0.002,
        service: 0.3,
    };
    let trial = Trial {
        noise: Noise {
            request: 0.2,
            probe: 0.02,
        },
        ..over_users(server, 0.4)
    };
    finds(&trial, 0.4 / 0.002 / 1.18);
}

/// A search of 45 s has six probes of 5 s, in which a few users of a slow server make too few requests for 95 %.
#[test]
fn a_short_search_says_how_sure_it_is_of_each_end() {
    for (each, least) in [(0.05, SEEDS / 4), (0.02, SEEDS / 2)] {
        let server = Server::Slope { each, service: 0.5 };
        let trial = Trial {
            noise: Noise {
                request: 0.2,
                probe: 0.0,
            },
            max_seconds: Some(45.0),
            ..over_users(server, 0.4)
        };
        let truth = 0.4 / each / 1.18;
        let (mut wrong, mut ends) = (0, 0);
        for seed in 1..=SEEDS {
            let Ran { found, less_sure, .. } = trial.run(seed);
            let LessSureEnds { low, high } = less_sure;
            // An end has one confidence.
            assert!(found.low.is_none() || low.is_none(), "{found:?} {less_sure:?}");
            assert!(found.high.is_none() || high.is_none(), "{found:?} {less_sure:?}");
            ends += u64::from(low.is_some()) + u64::from(high.is_some());
            wrong += u64::from(low.is_some_and(|end| end.level > truth));
            wrong += u64::from(high.is_some_and(|end| end.level <= truth));
        }
        println!("{ends} ends with less than 95 %, of which {wrong} are wrong");
        assert!(ends >= least, "{ends} ends");
        // The least confidence is 50 %.
        assert!(wrong * 2 <= ends, "{wrong} of {ends} are wrong");
    }
}

#[test]
fn a_server_that_does_not_recover_is_measured_as_it_is_afterwards() {
    let cliff = |at| Server::Cliff {
        at,
        ttft: 0.1,
        service: 0.9,
    };
    let trial = Trial {
        degrades: Some((120.0, cliff(40))),
        ..over_users(cliff(100), 0.5)
    };
    for seed in 1..=10 {
        let ran = trial.run(seed);
        assert!(ran.found.degraded.is_some(), "{:?}", ran.found);
        let limit = ran.found.limit.unwrap_or(0.0);
        assert!((38.0..=40.0).contains(&limit), "{:?}", ran.found);
    }
}

#[test]
fn a_search_ends_where_nothing_holds_and_where_everything_does() {
    let mut nothing = over_users(
        Server::Slope {
            each: 0.5,
            service: 0.0,
        },
        0.1,
    );
    let none = nothing.run(1);
    assert_eq!((none.end, none.found.limit), (End::NothingHolds, None));
    let mut all = over_users(
        Server::Slope {
            each: 0.001,
            service: 0.1,
        },
        10.0,
    );
    all.range.to = 16.0;
    let (every, found) = (all.run(1), Some(16.0));
    assert_eq!((every.end, every.found.limit), (End::ReachedTo, found));
    assert_eq!(every.found.high, None);
    // Time for one probe of each load, and none to try one again.
    all.max_seconds = Some(44.0);
    let every = all.run(1);
    assert_eq!(
        (every.end, every.found.limit, every.probes),
        (End::ReachedTo, found, 5)
    );
    nothing.max_seconds = Some(8.0);
    let nothing = nothing.run(1);
    assert_eq!((nothing.end, nothing.probes), (End::NothingHolds, 1));
}

#[test]
fn rates_are_tried_in_steps_of_three_digits() {
    for (level, rounded) in [
        (1.0, 1.0),
        (84.987, 85.0),
        (0.012345, 0.0123),
        (12_345.0, 12_300.0),
        (999.7, 1_000.0),
    ] {
        assert_eq!(to_digits(level), rounded);
    }
}
