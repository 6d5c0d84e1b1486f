//! The engine against the mock: outcomes, executors, signals, the same requests on any number of cores.

use crate::common::*;
use std::sync::Arc;
use std::time::Duration;

use llmload_uring::engine::{Command, Engine, Report};
use llmload_uring::metrics::{MetricId, Outcome};
use llmload_uring::mock::fault::Fault;
use llmload_uring::net::clock;
use llmload_uring::plan::{Executor, Stage};
use llmload_uring::units::{MILLISECOND, SECOND};

#[test]
fn every_fault_becomes_its_own_outcome_in_exact_counts() {
    let expected = [
        (Fault::Status(503), 37, Outcome::Http503),
        (Fault::Status(500), 6, Outcome::Http5xx),
        (Fault::Status(429), 9, Outcome::Http429),
        (Fault::Status(404), 4, Outcome::Http4xx),
        (Fault::Status(302), 3, Outcome::Redirect),
        (Fault::Reset, 11, Outcome::Reset),
        (Fault::ErrorEvent, 8, Outcome::StreamError),
    ];
    let truncated = [(Fault::Cut, 5), (Fault::Unfinished, 7)];
    let malformed = [(Fault::BadJson, 2), (Fault::BadChunk, 3)];
    let mut counts: Vec<(Fault, u32)> = expected.iter().map(|(f, n, _)| (*f, *n)).collect();
    counts.extend(truncated);
    counts.extend(malformed);
    let mut options = mock_options();
    options.faults = faults(&counts, 1_000);
    let mock = mock(options);
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run(
        plan(shared(32, 1_000), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let total = &ran.merged.total;
    assert_eq!(total.started, 1_000);
    for (fault, count, outcome) in expected {
        assert_eq!(total.outcome(outcome), u64::from(count), "{fault:?}");
    }
    assert_eq!(total.outcome(Outcome::Truncated), 12);
    assert_eq!(total.outcome(Outcome::Malformed), 5);
    let faulty: u32 = counts.iter().map(|(_, n)| n).sum();
    assert_eq!(total.ok(), 1_000 - u64::from(faulty));
    let stats = get_json(mock.address, "/mock/stats");
    assert_eq!(stats["requests"], 1_000);
    assert_eq!(stats["ok"], total.ok());
    // Only an answer that was sent whole has a latency of its own.
    assert_eq!(stats["latency_ms"]["count"], total.ok());
}

#[test]
fn whole_answers_meet_the_same_faults() {
    let expected = [
        (Fault::Reset, 5, Outcome::Reset),
        (Fault::Cut, 6, Outcome::Truncated),
        (Fault::ErrorEvent, 7, Outcome::StreamError),
        (Fault::BadJson, 8, Outcome::Malformed),
    ];
    let counts: Vec<(Fault, u32)> = expected.iter().map(|(f, n, _)| (*f, *n)).collect();
    let mut options = mock_options();
    options.faults = faults(&counts, 200);
    let mock = mock(options);
    let kinds = vec![kind("whole", 1, false, 30 * SECOND)];
    let ran = run(
        plan(shared(16, 200), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    for (fault, count, outcome) in expected {
        assert_eq!(ran.merged.total.outcome(outcome), u64::from(count), "{fault:?}");
    }
    assert_eq!(ran.merged.total.ok(), 200 - 26);
    assert_eq!(ran.merged.total.output_tokens, (200 - 26) * 10);
    assert!(ran.merged.total.metric(MetricId::Ttft).is_empty());
}

#[test]
fn the_same_seed_gives_the_same_requests_on_1_2_and_4_cores() {
    let digests: Vec<_> = [1, 2, 4]
        .into_iter()
        .map(|cores| {
            let mock = mock(mock_options());
            let kinds = vec![
                kind("short", 7, false, 30 * SECOND),
                kind("stream", 2, true, 30 * SECOND),
                light(1),
            ];
            let executor = Executor::PerVuIterations {
                vus: 9,
                iterations: 20,
                max_duration: 60 * SECOND,
            };
            let ran = run(plan(executor, kinds), mock.address, engine_options(cores), |_| {});
            assert_eq!(ran.merged.total.ok(), 180);
            let mut sent: Vec<_> = ran
                .samples
                .iter()
                .map(|s| (s.vu, s.iteration, s.series))
                .collect();
            sent.sort_unstable();
            let stats = get_json(mock.address, "/mock/stats");
            (stats["bodies_digest"].as_str().unwrap().to_string(), sent)
        })
        .collect();
    assert_eq!(digests[0].1.len(), 180);
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[test]
fn a_server_that_closes_after_each_answer_causes_reconnects_but_no_errors() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Close, 100)], 100);
    let mock = mock(options);
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run(
        plan(shared(4, 100), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let counters = ran.merged.counters();
    assert_eq!(ran.merged.total.ok(), 100);
    assert_eq!(counters.stale_reconnects, 96, "all but each user's first");
    assert_eq!(counters.connections_opened, 100);
}

#[test]
fn a_connection_is_kept_from_request_to_request() {
    let mock = mock(mock_options());
    let kinds = vec![kind("stream", 1, true, 30 * SECOND), light(1)];
    let ran = run(
        plan(shared(4, 100), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    assert_eq!(ran.merged.total.ok(), 100);
    assert_eq!(ran.merged.counters().connections_opened, 4);
    assert_eq!(ran.merged.counters().stale_reconnects, 0);
    assert_eq!(ran.merged.counters().stamps_missing, 0);
}

#[test]
fn timeouts_are_recorded_at_the_time_they_took() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Hang, 2), (Fault::Stall, 3)], 20);
    let mock = mock(options);
    let kinds = vec![kind("stream", 1, true, 400 * MILLISECOND)];
    let ran = run(
        plan(shared(20, 20), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let total = &ran.merged.total;
    assert_eq!(total.outcome(Outcome::TimeoutTotal), 5);
    assert_eq!(total.ok(), 15);
    let latency = total.metric(MetricId::Latency);
    assert_eq!(latency.offered(), 20);
    assert!(latency.max().unwrap() >= 400 * MILLISECOND);
    assert_eq!(total.metric(MetricId::LatencyOk).offered(), 15);
    // A stalled stream had its first tokens before it stalled.
    assert_eq!(total.metric(MetricId::Ttft).offered(), 18);
}

#[test]
fn idle_and_first_token_timeouts_are_distinguished() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Hang, 3), (Fault::Stall, 4)], 10);
    let mock = mock(options);
    let mut kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    kinds[0].timeouts.first_token = Some(300 * MILLISECOND);
    kinds[0].timeouts.idle = Some(400 * MILLISECOND);
    let ran = run(
        plan(shared(10, 10), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let total = &ran.merged.total;
    assert_eq!(total.outcome(Outcome::TimeoutFirstToken), 3);
    assert_eq!(total.outcome(Outcome::TimeoutIdle), 4);
    assert_eq!(total.ok(), 3);
}

#[test]
fn a_closed_port_is_connect_failed_without_a_busy_loop() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let executor = Executor::ConstantVus {
        vus: 4,
        duration: SECOND,
    };
    let ran = run(plan(executor, kinds), address, engine_options(1), |_| {});
    let failed = ran.merged.total.outcome(Outcome::ConnectFailed);
    assert_eq!(failed, ran.merged.total.started);
    // 4 users, a pause of 50 ms after each failure, 1 s: 80, and one each at the end.
    assert!((4..=84).contains(&failed), "{failed}");
}

#[test]
fn a_stop_lets_requests_finish_and_an_abort_cuts_them() {
    for (command, outcome) in [
        (Command::Stop, Outcome::Ok),
        (Command::Abort, Outcome::Interrupted),
    ] {
        let mut options = mock_options();
        options.ttft = 700 * MILLISECOND;
        let mock = mock(options);
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let executor = Executor::ConstantVus {
            vus: 8,
            duration: 60 * SECOND,
        };
        let mut told = false;
        let ran = run(plan(executor, kinds), mock.address, engine_options(2), |engine| {
            // The first report comes after a second at the latest: requests are in flight.
            if !std::mem::replace(&mut told, true) {
                let stats = || {
                    get_json(mock.address, "/mock/stats")["requests"]
                        .as_u64()
                        .unwrap()
                };
                wait_until("requests are in flight", || stats() >= 8);
                engine.send(command);
            }
        });
        let total = &ran.merged.total;
        assert_eq!(total.outcome(outcome), 8, "{command:?}: {}", total.started);
        assert_eq!(total.started, 8);
    }
}

#[test]
fn requests_in_flight_at_the_end_are_interrupted_after_the_graceful_stop() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Hang, 1)], 1);
    let mock = mock(options);
    let executor = Executor::ConstantVus {
        vus: 5,
        duration: 200 * MILLISECOND,
    };
    let mut plan = plan(executor, vec![kind("stream", 1, true, 60 * SECOND)]);
    plan.graceful_stop = 300 * MILLISECOND;
    let ran = run(plan, mock.address, engine_options(1), |_| {});
    assert_eq!(ran.merged.total.interrupted(), 5);
    assert!(ran.elapsed.as_millis() >= 500);
}

#[test]
fn a_ramp_starts_and_stops_users_on_schedule_over_two_cores() {
    let mock = mock(mock_options());
    let stages = vec![
        Stage {
            duration: 500 * MILLISECOND,
            target: 20,
        },
        Stage {
            duration: 500 * MILLISECOND,
            target: 20,
        },
        Stage {
            duration: 500 * MILLISECOND,
            target: 0,
        },
    ];
    let executor = Executor::RampingVus {
        start_vus: 1,
        stages,
        graceful_ramp_down: 30 * SECOND,
    };
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run(plan(executor, kinds), mock.address, engine_options(2), |_| {});
    assert_eq!(ran.merged.total.ok(), ran.merged.total.started);
    let mut users: Vec<u32> = ran.samples.iter().map(|s| s.vu).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users, (0..20).collect::<Vec<_>>());
    // The first in is the last out.
    let last_due = |vu| {
        ran.samples
            .iter()
            .filter(|s| s.vu == vu)
            .map(|s| s.due)
            .max()
            .unwrap()
    };
    assert!(last_due(0) > last_due(19));
    assert_eq!(ran.merged.counters().vus_running, 0);
}

#[test]
fn users_that_the_ramp_stops_are_cut_after_the_ramp_down_and_those_at_the_end_after_the_graceful_stop() {
    let hold = |target, millis| Stage {
        duration: millis * MILLISECOND,
        target,
    };
    // Three users that never get an answer; two of them are stopped after 300 ms, the last at the end, after 1.8 s.
    for (ramp_down, cut_of_two) in [(200, 500), (60_000, 2_200)] {
        let mut options = mock_options();
        options.faults = faults(&[(Fault::Hang, 1)], 1);
        let mock = mock(options);
        let executor = Executor::RampingVus {
            start_vus: 3,
            stages: vec![hold(3, 300), hold(1, 0), hold(1, 1_500)],
            graceful_ramp_down: ramp_down * MILLISECOND,
        };
        let mut plan = plan(executor, vec![kind("stream", 1, true, 60 * SECOND)]);
        plan.graceful_stop = 400 * MILLISECOND;
        let begun = clock::monotonic();
        let ran = run(plan, mock.address, engine_options(1), |_| {});
        assert_eq!(ran.merged.total.interrupted(), 3);
        let cut = |vu| {
            let sample = ran.samples.iter().find(|s| s.vu == vu).unwrap();
            (sample.done - begun) / MILLISECOND
        };
        assert!(cut(0) >= 2_200, "{}", cut(0));
        for vu in [1, 2] {
            // The graceful stop cuts a longer ramp-down short.
            assert!(cut(vu) >= cut_of_two, "{}", cut(vu));
            let long_before = cut(vu) + 300 < cut(0);
            assert_eq!(long_before, cut_of_two < 2_200, "{} and {}", cut(vu), cut(0));
        }
    }
}

#[test]
fn shared_iterations_are_made_exactly_once_each() {
    let mock = mock(mock_options());
    let kinds = vec![kind("whole", 1, false, 30 * SECOND)];
    let ran = run(
        plan(shared(7, 100), kinds),
        mock.address,
        engine_options(2),
        |_| {},
    );
    let mut made: Vec<u64> = ran.samples.iter().map(|s| s.iteration).collect();
    made.sort_unstable();
    assert_eq!(made, (0..100).collect::<Vec<_>>());
}

/// A server with Nagle on and a client that delays its ACKs hold back the first events of each reused connection
/// for 40 ms, which shows as events that arrive together.
#[test]
fn quick_acks_keep_200_tokens_apart_on_a_reused_connection() {
    let coalesced = |quickack: bool| {
        let mut options = mock_options();
        options.tokens = 200;
        options.gap = 2 * MILLISECOND;
        options.nagle = true;
        let mock = mock(options);
        let mut engine = engine_options(1);
        engine.quickack = quickack;
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let ran = run(plan(shared(1, 4), kinds), mock.address, engine, |_| {});
        assert_eq!(ran.merged.total.ok(), 4);
        assert_eq!(ran.merged.counters().connections_opened, 1);
        assert_eq!(ran.merged.counters().token_events, 800);
        ran.merged.counters().coalesced_events
    };
    // A busy machine joins events with quick ACKs, too, at times; without them it is so every time.
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (on, off) = (coalesced(true), coalesced(false));
        if 2 * on < off {
            return;
        }
        seen.push((on, off));
    }
    panic!("events of 800 that share a read, with quick ACKs and without: {seen:?}");
}

#[test]
fn events_that_share_a_read_are_counted_and_have_gap_0() {
    let mut options = mock_options();
    options.events_per_write = 5;
    options.gap = 20 * MILLISECOND;
    let mock = mock(options);
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run(
        plan(shared(2, 10), kinds),
        mock.address,
        engine_options(1),
        |_| {},
    );
    let tbt = ran.merged.total.metric(MetricId::Tbt);
    assert_eq!(tbt.offered(), 10 * 9);
    // Two writes of five: eight of nine gaps are 0, unless a busy machine joined the two writes.
    assert!(ran.merged.counters().coalesced_events >= 80);
    assert_eq!(tbt.quantile(0.8), Some(0));
    assert!(tbt.max().unwrap() > 0);
}

#[test]
fn user_stamps_are_used_when_asked_for() {
    let mock = mock(mock_options());
    let mut engine = engine_options(1);
    engine.kernel_stamps = false;
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run(plan(shared(2, 20), kinds), mock.address, engine, |_| {});
    assert_eq!(ran.merged.total.ok(), 20);
    // How long the loop had not looked stands in for the lag, which cannot be known without the kernel's stamps.
    assert_eq!(ran.merged.reap_lag().offered(), ran.merged.counters().reads);
    assert_eq!(ran.merged.counters().stamps_missing, 0);
}

#[test]
fn a_panic_in_a_user_is_reported_and_ends_its_core() {
    let mock = mock(mock_options());
    // A mix without kinds cannot come out of a document: drawing from it is a mistake of ours.
    let broken = plan(shared(2, 10), Vec::new());
    let engine = Engine::start(
        Arc::new(broken),
        Arc::from([target(mock.address)]),
        engine_options(1),
    )
    .unwrap();
    engine.begin();
    let reason = loop {
        match engine.reports.recv_timeout(Duration::from_secs(30)).unwrap() {
            Report::Failed(reason) => break reason,
            Report::Done => panic!("the core ended as if nothing had happened"),
            _ => {}
        }
    };
    let what = &reason.what;
    assert!(what.starts_with("core 0: virtual user "), "{what}");
    assert!(what.contains("panicked"), "{what}");
    engine.join().unwrap();
}
