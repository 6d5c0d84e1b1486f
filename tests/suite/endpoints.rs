//! Several endpoints in one run: exact shares, the same requests on any number of cores, one that is down.

use crate::common::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use llmload_uring::engine::Command;
use llmload_uring::lengths::Lengths;
use llmload_uring::metrics::{Outcome, Sample};
use llmload_uring::mock::fault::Fault;
use llmload_uring::plan::{Assignment, Executor, Plan};
use llmload_uring::units::{MILLISECOND, SECOND};
use llmload_uring::workload::{Call, Chat, Prompts, RequestKind, Server, Target};

const WEIGHTS: [u32; 2] = [300_000, 700_000];

/// Streams and whole answers at both, 30 to 70.
fn warfare(executor: Executor) -> Plan {
    let of = |endpoint: u16, name: &str, stream, weight| RequestKind {
        server: endpoint,
        ..kind(name, weight, stream, 30 * SECOND)
    };
    let kinds = vec![
        of(0, "Thinker/stream", true, 2),
        of(0, "Thinker/whole", false, 1),
        of(1, "Flash/stream", true, 2),
        of(1, "Flash/whole", false, 1),
    ];
    let mut plan = plan(executor, kinds);
    plan.workload.servers = ["Thinker", "Flash"]
        .into_iter()
        .zip(WEIGHTS)
        .map(|(name, weight)| Server {
            name: Some(name.into()),
            weight,
        })
        .collect();
    plan.workload.invariants();
    plan
}

fn targets(addresses: [SocketAddr; 2]) -> [Target; 2] {
    addresses.map(target)
}

fn endpoint_of(sample: &Sample) -> usize {
    usize::from(sample.series / 2)
}

fn requests_at(address: SocketAddr) -> u64 {
    get_json(address, "/mock/stats")["requests"].as_u64().unwrap()
}

/// Each VU's endpoints in the order of its iterations.
fn sequences(samples: &[Sample]) -> BTreeMap<u32, Vec<usize>> {
    let mut ordered: Vec<&Sample> = samples.iter().collect();
    ordered.sort_by_key(|s| (s.vu, s.iteration));
    let mut sequences: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for sample in ordered {
        sequences.entry(sample.vu).or_default().push(endpoint_of(sample));
    }
    sequences
}

/// Less than so many requests off its share, at every prefix.
fn assert_exact(sequence: impl IntoIterator<Item = usize>, off_max: i64, what: &str) {
    let total = i64::from(WEIGHTS.iter().sum::<u32>());
    let mut counts = [0i64; 2];
    for (n, endpoint) in (1i64..).zip(sequence) {
        counts[endpoint] += 1;
        for (count, weight) in counts.iter().zip(WEIGHTS) {
            let off = (count * total - n * i64::from(weight)).abs();
            assert!(off < off_max * total, "{what}: {counts:?} after {n}");
        }
    }
}

#[test]
fn shared_iterations_are_split_over_servers_by_weight_exactly() {
    for (iterations, cores) in [(400, 1), (403, 2)] {
        let mocks = [mock(mock_options()), mock(mock_options())];
        let plan = warfare(shared(8, iterations));
        let at = [mocks[0].address, mocks[1].address];
        let ran = run_against(plan, &targets(at), engine_options(cores), |_| {});
        assert_eq!(ran.merged.total.ok(), iterations);
        let mut samples = ran.samples.clone();
        samples.sort_by_key(|s| s.iteration);
        assert_exact(samples.iter().map(endpoint_of), 1, "by the common count");
        let counts = at.map(requests_at);
        assert_eq!(counts[0] + counts[1], iterations);
        assert!((120..=121).contains(&counts[0]), "{counts:?}");
        // One connection for each user and endpoint at most, however often a user changed between them.
        assert!(ran.merged.counters().connections_opened <= 16);
        assert_eq!(ran.merged.counters().stale_reconnects, 0);
    }
}

#[test]
fn every_prefix_of_each_users_requests_follows_the_weights() {
    let mocks = [mock(mock_options()), mock(mock_options())];
    let at = [mocks[0].address, mocks[1].address];
    let executor = Executor::ConstantVus {
        vus: 20,
        duration: SECOND,
    };
    let ran = run_against(warfare(executor), &targets(at), engine_options(2), |_| {});
    assert_eq!(ran.merged.total.ok(), ran.merged.total.started);
    let sequences = sequences(&ran.samples);
    assert_eq!(sequences.len(), 20);
    for (vu, sequence) in &sequences {
        assert!(sequence.len() > 3, "user {vu}: {sequence:?}");
        assert_exact(sequence.iter().copied(), 2, &format!("user {vu}"));
    }
    assert_exact(
        sequences.values().map(|sequence| sequence[0]),
        1,
        "first requests",
    );
    for number in 1..4 {
        let requests = sequences.values().map(|sequence| sequence[number]);
        assert_exact(requests, 2, &format!("requests {number} of all users"));
    }
    let all = ran.samples.iter().map(endpoint_of);
    let [thinker, flash] = at.map(requests_at);
    assert_eq!(thinker, all.filter(|endpoint| *endpoint == 0).count() as u64);
    assert_eq!(thinker + flash, ran.samples.len() as u64);
}

#[test]
fn the_same_seed_gives_the_same_requests_at_each_endpoint_on_1_and_2_cores() {
    let per_user = Executor::PerVuIterations {
        vus: 9,
        iterations: 20,
        max_duration: 60 * SECOND,
    };
    for executor in [per_user, shared(9, 180)] {
        let is_shared = matches!(executor, Executor::SharedIterations { .. });
        let [one, two] = [1, 2].map(|cores| {
            let mocks = [mock(mock_options()), mock(mock_options())];
            let at = [mocks[0].address, mocks[1].address];
            let mut plan = warfare(executor.clone());
            plan.workload.think_time.max = 2 * MILLISECOND;
            // Prompts of a list and prompts made from the seed, at both.
            for kind in plan
                .workload
                .kinds
                .iter_mut()
                .filter(|kind| kind.name.ends_with("stream"))
            {
                if let Call::Chat(Chat { prompts, .. }) = &mut kind.call {
                    *prompts = Prompts::Made {
                        prefix: "Sum up: ".into(),
                        tokens: Lengths::range(20, 60),
                    };
                }
            }
            let ran = run_against(plan.clone(), &targets(at), engine_options(cores), |_| {});
            assert_eq!(ran.merged.total.ok(), 180);
            // Who takes a shared iteration is chance; what it is, is not.
            let owner = |s: &Sample| if is_shared { 0 } else { s.vu };
            let draw = |s: &Sample| {
                let endpoint = endpoint_of(s) as u16;
                plan.workload.draw(plan.seed, owner(s), s.iteration, endpoint, 1)
            };
            let mut sent: Vec<_> = ran
                .samples
                .iter()
                .map(|s| {
                    assert_eq!(draw(s).kind, s.series);
                    (owner(s), s.iteration, endpoint_of(s), draw(s))
                })
                .collect();
            sent.sort_by_key(|(vu, iteration, ..)| (*vu, *iteration));
            // Model, prompt and max_tokens are in the bodies.
            let digests = at.map(|at| get_json(at, "/mock/stats")["bodies_digest"].clone());
            (sent, digests)
        });
        assert_eq!(one, two);
    }
}

#[test]
fn other_seeds_begin_with_another_server() {
    let firsts = |seed| {
        let mocks = [mock(mock_options()), mock(mock_options())];
        let mut plan = warfare(shared(1, 10));
        plan.seed = seed;
        let at = [mocks[0].address, mocks[1].address];
        let ran = run_against(plan, &targets(at), engine_options(1), |_| {});
        sequences(&ran.samples)[&0].clone()
    };
    let begun: Vec<Vec<usize>> = (0..8).map(firsts).collect();
    assert!(
        begun.iter().any(|s| s[0] == 0) && begun.iter().any(|s| s[0] == 1),
        "{begun:?}"
    );
}

#[test]
fn only_the_requests_to_a_server_that_is_down_fail() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    let up = mock(mock_options());
    let ran = run_against(
        warfare(shared(5, 100)),
        &targets([closed, up.address]),
        engine_options(2),
        |_| {},
    );
    for (index, series) in ran.merged.series.iter().enumerate() {
        let failed = series.outcome(Outcome::ConnectFailed);
        match index / 2 {
            0 => assert_eq!(failed, series.started),
            _ => assert_eq!(series.ok(), series.started),
        }
    }
    assert_eq!(ran.merged.total.outcome(Outcome::ConnectFailed), 30);
    assert_eq!(requests_at(up.address), 70);
}

#[test]
fn connections_that_close_while_another_endpoint_is_used_are_found_at_their_next_use() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Close, 100)], 100);
    let mocks = [mock(options.clone()), mock(mock_options())];
    let at = [mocks[0].address, mocks[1].address];
    let ran = run_against(warfare(shared(4, 400)), &targets(at), engine_options(1), |_| {});
    assert_eq!(ran.merged.total.ok(), 400);
    let counters = ran.merged.counters();
    // All but each user's first connection there, and one to the other endpoint for each.
    assert!(
        (116..=119).contains(&counters.stale_reconnects),
        "{}",
        counters.stale_reconnects
    );
    assert_eq!(counters.connections_opened, 120 + 4);
}

#[test]
fn fixed_users_stay_at_their_endpoint_and_one_endpoint_can_run_alone() {
    let users = |only: Option<u16>, executor: Executor| {
        let mocks = [mock(mock_options()), mock(mock_options())];
        let at = [mocks[0].address, mocks[1].address];
        let mut plan = warfare(executor);
        plan.assignment = Assignment::Fixed { only };
        let ran = run_against(plan, &targets(at), engine_options(2), |_| {});
        assert_eq!(ran.merged.total.ok(), ran.merged.total.started);
        let counts = at.map(requests_at);
        let mut home = BTreeMap::new();
        for (vu, sequence) in sequences(&ran.samples) {
            assert!(
                sequence.iter().all(|endpoint| *endpoint == sequence[0]),
                "user {vu}"
            );
            home.insert(vu, sequence[0]);
        }
        (home, counts)
    };
    let counted = || Executor::PerVuIterations {
        vus: 10,
        iterations: 3,
        max_duration: 60 * SECOND,
    };
    let timed = || Executor::ConstantVus {
        vus: 10,
        duration: 500 * MILLISECOND,
    };
    let (all, counts) = users(None, counted());
    assert_eq!(counts, [9, 21]);
    assert_exact(all.values().copied(), 1, "users");
    for only in [0u16, 1] {
        let own: BTreeMap<u32, usize> = all
            .iter()
            .filter(|(_, endpoint)| **endpoint == usize::from(only))
            .map(|(vu, endpoint)| (*vu, *endpoint))
            .collect();
        let (alone, counts) = users(Some(only), counted());
        assert_eq!(alone, own);
        assert_eq!(counts[usize::from(1 - only)], 0);
        assert_eq!(users(Some(only), timed()).0, own);
    }
}

#[test]
fn a_stop_lets_requests_at_all_endpoints_finish_and_an_abort_cuts_them() {
    for (command, outcome) in [
        (Command::Stop, Outcome::Ok),
        (Command::Abort, Outcome::Interrupted),
    ] {
        let mut options = mock_options();
        options.ttft = 700 * MILLISECOND;
        let mocks = [mock(options.clone()), mock(options)];
        let at = [mocks[0].address, mocks[1].address];
        let executor = Executor::ConstantVus {
            vus: 10,
            duration: 60 * SECOND,
        };
        let mut told = false;
        let ran = run_against(warfare(executor), &targets(at), engine_options(2), |engine| {
            if !std::mem::replace(&mut told, true) {
                wait_until("requests are in flight at both", || {
                    at.map(requests_at).iter().sum::<u64>() >= 10
                });
                engine.send(command);
            }
        });
        let total = &ran.merged.total;
        assert_eq!((total.outcome(outcome), total.started), (10, 10), "{command:?}");
        assert!(at.map(requests_at).iter().all(|n| *n > 0));
    }
}
