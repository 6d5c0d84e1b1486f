use super::*;
use crate::lengths::Lengths;
use crate::metrics::{Outcome, Recorder, Sample, TokenSource};
use crate::plan::Stage;
use crate::units::{MILLISECOND, SECOND};
use crate::workload::{Call, Chat, Prompts, Timeouts};

fn kinds() -> Vec<RequestKind> {
    let kind = |name: &str, stream| RequestKind {
        name: name.into(),
        weight: 1,
        call: Call::Chat(Chat {
            stream,
            max_tokens: Lengths::fixed(1),
            models: vec!["m".into()],
            prompts: Prompts::List(vec!["p".into()]),
            ..Chat::default()
        }),
        timeouts: Timeouts {
            connect: None,
            first_token: None,
            idle: None,
            total: 60 * SECOND,
        },
        goodput: Default::default(),
        headers: Vec::new(),
        server: 0,
    };
    vec![kind("stream", true), kind("plain", false)]
}

pub(super) fn ramp(stages: &[(u64, u32)]) -> Executor {
    let stages = stages.iter().map(|&(seconds, target)| Stage {
        duration: seconds * SECOND,
        target,
    });
    Executor::RampingVus {
        start_vus: 0,
        stages: stages.collect(),
        graceful_ramp_down: 0,
    }
}

fn threshold(key: &str, text: &str) -> Threshold {
    Threshold::parse(key, text).unwrap()
}

pub(super) fn judge(thresholds: &[(&str, &str)], executor: &Executor) -> Judge {
    let thresholds = thresholds.iter().map(|(key, text)| threshold(key, text));
    Judge::new(thresholds.collect(), &kinds(), executor, Vec::new())
}

/// Records `n` requests of a series that took `ms` milliseconds each.
pub(super) fn requests(recorder: &mut Recorder, series: u16, outcome: Outcome, n: u64, ms: u64) {
    for iteration in 0..n {
        recorder.started(series);
        recorder.finish(&Sample {
            iteration,
            series,
            ..Sample::ended(outcome, ms * MILLISECOND)
        });
    }
}

/// Plays a run second by second: the requests of the planned VUs, then the tick. Returns the texts of aborts.
pub(super) fn run(
    judge: &mut Judge,
    executor: &Executor,
    seconds: u64,
    mut server: impl FnMut(&mut Recorder, u64, u32),
) -> Vec<(u64, String)> {
    let schedule = executor.schedule_of_all();
    let mut aborts = Vec::new();
    for second in 1..=seconds {
        let mut recorder = Recorder::new(0, 2, false);
        let elapsed = second * SECOND;
        server(&mut recorder, second, schedule.planned_at(elapsed - SECOND));
        judge.append_snapshot(&recorder.into_snapshot());
        let planned = u64::from(schedule.planned_at(elapsed));
        let vus = Vus {
            planned,
            running: planned + 1,
        };
        aborts.extend(judge.tick(elapsed, vus).map(|text| (second, text)));
    }
    aborts
}

fn points(judge: Judge, seconds: u64) -> Vec<Option<BreakingPoint>> {
    let judged = judge.finish(seconds * SECOND, &[], None);
    judged.thresholds.iter().map(|t| t.breaking_point).collect()
}

/// A server that takes 20 ms with up to 60 VUs, and 50 ms more for each VU above.
fn degrading(vus: u32) -> u64 {
    20 + 50 * u64::from(vus.saturating_sub(60))
}

#[test]
fn the_breaking_point_is_where_a_server_that_degrades_has_failed_for_good() {
    let executor = ramp(&[(100, 100), (30, 100), (20, 0)]);
    let mut judge = judge(&[("latency", "p(95)<500"), ("latency", "p(95)<9000")], &executor);
    let mut by_second: Vec<(u64, u64)> = Vec::new();
    run(&mut judge, &executor, 150, |recorder, _, vus| {
        requests(recorder, 0, Outcome::Ok, u64::from(vus), degrading(vus));
        by_second.push((u64::from(vus), degrading(vus)));
    });
    let found = points(judge, 150);
    // The expectation sorts all values of each ten seconds. The load ends with the final ramp-down, at 130 s.
    let p95 = |second: usize| {
        let mut values: Vec<u64> = by_second[second.saturating_sub(10)..second]
            .iter()
            .flat_map(|(n, ms)| std::iter::repeat_n(*ms, *n as usize))
            .collect();
        values.sort_unstable();
        let rank = (values.len() * 95).div_ceil(100).max(1);
        values.get(rank - 1).copied().unwrap_or(0)
    };
    let last_good = (1..=130).rev().find(|second| p95(*second) < 500).unwrap();
    let expected = last_good as u64 + 1;
    assert_eq!(expected, 71);
    let point = found[0].unwrap();
    assert_eq!(point.elapsed_seconds, expected as f64);
    assert_eq!((point.vus, point.vus_running), (expected, expected + 1));
    assert_eq!(found[1], None);
}

#[test]
fn the_ramp_down_neither_sets_nor_clears_a_breaking_point() {
    let executor = ramp(&[(10, 50), (40, 50), (20, 0)]);
    let mut judge = judge(&[("latency", "p(95)<500"), ("timeouts", "count<5")], &executor);
    run(&mut judge, &executor, 70, |recorder, second, vus| {
        // It is slow from second 30 on, and fast again in the ramp-down, when everything left times out.
        let ms = if (30..=50).contains(&second) { 800 } else { 10 };
        requests(recorder, 0, Outcome::Ok, u64::from(vus), ms);
        if second > 52 {
            requests(recorder, 0, Outcome::TimeoutTotal, 9, 10);
        }
    });
    let found = points(judge, 70);
    // One second of ten is 10 % of the values, more than a p95 ignores.
    assert_eq!(
        found[0].map(|point| (point.elapsed_seconds, point.vus)),
        Some((30.0, 50))
    );
    assert_eq!(found[1], None);
}

#[test]
fn a_server_that_recovers_has_no_breaking_point_though_the_run_fails() {
    let executor = ramp(&[(10, 50), (60, 50), (10, 0)]);
    let mut judge = judge(&[("latency", "p(95)<500")], &executor);
    run(&mut judge, &executor, 80, |recorder, second, vus| {
        let ms = if (20..40).contains(&second) { 900 } else { 10 };
        requests(recorder, 0, Outcome::Ok, u64::from(vus), ms);
    });
    let judged = judge.finish(80 * SECOND, &[], None);
    assert!(!judged.thresholds[0].ok);
    assert_eq!(judged.thresholds[0].breaking_point, None);
}

#[test]
fn a_server_that_hangs_fails_after_a_whole_window_of_silence() {
    let executor = ramp(&[(10, 50), (60, 50), (10, 0)]);
    let mut judge = judge(
        &[
            ("latency", "p(95)<500"),
            ("failed", "rate<0.1"),
            ("connect", "max<1"),
        ],
        &executor,
    );
    run(&mut judge, &executor, 80, |recorder, second, vus| {
        if second <= 30 {
            requests(recorder, 0, Outcome::Ok, u64::from(vus), 10);
        }
    });
    let found = points(judge, 80);
    assert_eq!(found[0].map(|point| point.elapsed_seconds), Some(40.0));
    assert_eq!(found[1].map(|point| point.elapsed_seconds), Some(40.0));
}

#[test]
fn a_metric_that_pauses_while_requests_go_on_keeps_its_verdict() {
    let executor = ramp(&[(10, 50), (60, 50), (10, 0)]);
    let mut judge = judge(&[("connect", "max<5")], &executor);
    run(&mut judge, &executor, 80, |recorder, second, vus| {
        requests(recorder, 0, Outcome::Ok, u64::from(vus), 10);
        if second <= 3 {
            recorder.connect(0, MILLISECOND);
        }
    });
    assert_eq!(points(judge, 80), [None]);
}

#[test]
fn tags_select_the_requests_that_are_judged() {
    let executor = ramp(&[(10, 10), (20, 10)]);
    let keys = [
        ("latency{stream:true}", "max<50"),
        ("latency{request:plain}", "max<50"),
        ("latency{endpoint:chat,expected_response:true}", "max<500"),
        ("requests{stream:false}", "count==60"),
        ("http_req_failed{stream:false}", "rate<0.4"),
        ("latency", "max<50"),
    ];
    let mut judge = judge(&keys, &executor);
    run(&mut judge, &executor, 30, |recorder, _, _| {
        requests(recorder, 0, Outcome::Ok, 3, 10);
        requests(recorder, 1, Outcome::Ok, 1, 100);
        requests(recorder, 1, Outcome::Http5xx, 1, 900);
    });
    let judged = judge.finish(30 * SECOND, &[], None);
    let ok: Vec<bool> = judged.thresholds.iter().map(|t| t.ok).collect();
    assert_eq!(ok, [true, false, true, true, false, false]);
    let observed: Vec<f64> = judged.thresholds.iter().map(|t| t.observed.unwrap()).collect();
    assert_eq!(observed, [10.0, 900.0, 100.0, 60.0, 0.5, 900.0]);
    assert_eq!(
        judged.thresholds[2].metric,
        "latency{endpoint:chat,expected_response:true}"
    );
}

#[test]
fn a_threshold_without_samples_fails_and_has_no_breaking_point() {
    let executor = ramp(&[(10, 10), (20, 10)]);
    let mut judge = judge(&[("ttft", "p(99)>0"), ("timeouts", "count<5")], &executor);
    run(&mut judge, &executor, 30, |recorder, _, _| {
        requests(recorder, 0, Outcome::Ok, 3, 10);
    });
    let judged = judge.finish(30 * SECOND, &[], None);
    let ttft = &judged.thresholds[0];
    assert_eq!((ttft.ok, ttft.observed, ttft.breaking_point), (false, None, None));
    assert!(!ttft.not_applicable);
    assert!(judged.thresholds[1].ok);
}

#[test]
fn a_threshold_aborts_once_after_its_delay_by_the_figures_of_the_whole_run() {
    let executor = ramp(&[(10, 10), (50, 10)]);
    let aborting = Threshold {
        abort_after: Some(12 * SECOND),
        ..threshold("failed", "rate<0.2")
    };
    let thresholds = vec![threshold("failed", "rate<0.01"), aborting];
    let mut judge = Judge::new(thresholds, &kinds(), &executor, Vec::new());
    // Everything fails up to second 4; the share of the whole run falls slowly: 4/12 in second 12, below 0.2 later.
    let aborts = run(&mut judge, &executor, 40, |recorder, second, _| {
        let outcome = if second <= 4 {
            Outcome::Http503
        } else {
            Outcome::Ok
        };
        requests(recorder, 0, outcome, 1, 10);
    });
    let text = "`failed < 20 %` does not hold (33.33 %)".to_owned();
    assert_eq!(aborts, [(12, text)]);
    let judged = judge.finish(40 * SECOND, &[], None);
    // The run as a whole would pass now, but the verdict stays the one that ended it.
    assert!(!judged.thresholds[1].ok);
    assert_eq!(judged.thresholds[1].observed, Some(4.0 / 12.0));
}

#[test]
fn nothing_aborts_before_there_is_a_sample() {
    let executor = ramp(&[(10, 10), (50, 10)]);
    let aborting = Threshold {
        abort_after: Some(0),
        ..threshold("latency", "p(95)<1")
    };
    let mut judge = Judge::new(vec![aborting], &kinds(), &executor, Vec::new());
    let aborts = run(&mut judge, &executor, 10, |recorder, second, _| {
        requests(recorder, 0, Outcome::Ok, u64::from(second >= 5), 10);
    });
    assert_eq!(aborts.len(), 1);
    assert_eq!(aborts[0].0, 5);
}

#[test]
fn after_an_early_end_the_windows_are_not_judged() {
    let executor = ramp(&[(10, 10), (50, 10)]);
    let mut judge = judge(&[("latency", "p(95)<50")], &executor);
    run(&mut judge, &executor, 5, |recorder, _, _| {
        requests(recorder, 0, Outcome::Ok, 1, 10);
    });
    judge.end_load();
    let mut recorder = Recorder::new(0, 2, false);
    requests(&mut recorder, 0, Outcome::Ok, 9, 900);
    judge.append_snapshot(&recorder.into_snapshot());
    judge.tick(6 * SECOND, Vus::default());
    let judged = judge.finish(6 * SECOND, &[], None);
    assert!(!judged.thresholds[0].ok);
    assert_eq!(judged.thresholds[0].breaking_point, None);
}

#[test]
fn a_servers_memory_is_judged_where_it_was_sampled_long_enough() {
    let executor = ramp(&[(10, 10), (50, 10)]);
    let judged = |samples: &[(Nanos, u64)]| {
        let mut judge = judge(&[("server_rss_growth", "value<1024")], &executor);
        // A silent server does not change that.
        run(&mut judge, &executor, 60, |_, _, _| {});
        judge.finish(600 * SECOND, samples, None).thresholds.remove(0)
    };
    let none = judged(&[]);
    assert_eq!((none.ok, none.not_applicable, none.observed), (true, true, None));
    assert_eq!(none.breaking_point, None);
    let growing = |kib_a_second: u64| -> Vec<(Nanos, u64)> {
        (0..=600)
            .map(|t| (t * SECOND, (50_000 + t * kib_a_second) * 1024))
            .collect()
    };
    let flat = judged(&growing(0));
    assert_eq!(
        (flat.ok, flat.not_applicable, flat.observed),
        (true, false, Some(0.0))
    );
    let leak = judged(&growing(30));
    assert!(
        !leak.ok && (leak.observed.unwrap() - 1800.0).abs() < 1e-3,
        "{leak:?}"
    );
}

/// Jumps to 16, 32 and 64 VUs for ten seconds each.
fn stepped() -> (Executor, Judge) {
    let stage = |seconds: u64, target| Stage {
        duration: seconds * SECOND,
        target,
    };
    let stages = vec![
        stage(10, 16),
        stage(0, 32),
        stage(10, 32),
        stage(0, 64),
        stage(10, 64),
    ];
    let executor = Executor::RampingVus {
        start_vus: 16,
        stages,
        graceful_ramp_down: 0,
    };
    let thresholds = vec![
        threshold("latency", "p(99)<50"),
        threshold("failed", "rate<0.001"),
    ];
    let judge = Judge::new(thresholds, &kinds(), &executor, executor.plateaus());
    (executor, judge)
}

#[test]
fn steps_are_judged_one_by_one_and_the_peak_is_the_highest_that_passes() {
    let (executor, mut judge) = stepped();
    run(&mut judge, &executor, 30, |recorder, second, vus| {
        // The first second of a step is bad, but it is not judged.
        let ms = if second % 10 == 1 { 500 } else { u64::from(vus) };
        requests(recorder, 0, Outcome::Ok, u64::from(vus), ms);
    });
    let judged = judge.finish(30 * SECOND, &[], None);
    let steps = judged.steps.unwrap();
    let rows: Vec<(u32, f64, f64, u64, bool)> = steps
        .judged
        .iter()
        .map(|s| (s.vus, s.from_seconds, s.to_seconds, s.requests, s.ok))
        .collect();
    let expected = [
        (16, 1.0, 10.0, 144, true),
        (32, 11.0, 20.0, 288, true),
        (64, 21.0, 30.0, 576, false),
    ];
    assert_eq!(rows, expected);
    assert_eq!(steps.judged[0].requests_per_second, 16.0);
    let times = steps.judged[1].latency.unwrap();
    assert_eq!((times.count, times.p50, times.p99), (288, Some(32.0), Some(32.0)));
    assert_eq!(steps.judged[1].ttft.unwrap().p50, None);
    assert_eq!(steps.peak_vus, Some(32));
    // The run is judged by its peak, and reports the figures of that step.
    assert!(judged.thresholds.iter().all(|t| t.ok));
    assert_eq!(judged.thresholds[0].observed, Some(32.0));
    // A breaking point at 64 users would contradict this verdict; the steps have it.
    assert_eq!(judged.thresholds[0].breaking_point, None);
}

#[test]
fn a_step_has_the_tokens_and_times_of_what_ended_in_it_and_of_nothing_else() {
    let (executor, mut judge) = stepped();
    run(&mut judge, &executor, 30, |recorder, second, vus| {
        let settles = second % 10 == 1;
        let done = u64::from(vus) * MILLISECOND;
        let first = if settles { done } else { done / 4 };
        for iteration in 0..u64::from(vus) {
            recorder.started(0);
            recorder.finish(&Sample {
                iteration,
                output_tokens: if settles { 1_000 } else { 3 },
                token_source: TokenSource::Server,
                first_byte: Some(first),
                first_event: Some(first),
                first_token: Some(first),
                last_token: Some(done),
                ..Sample::ended(Outcome::Ok, done)
            });
        }
    });
    let steps = judge.finish(30 * SECOND, &[], None).steps.unwrap();
    let figures = |step: &StepResult| (step.output_tokens, step.output_tokens_per_second);
    let tokens: Vec<(u64, f64)> = steps.judged.iter().map(figures).collect();
    assert_eq!(tokens, [(3 * 144, 48.0), (3 * 288, 96.0), (3 * 576, 192.0)]);
    let ttft: Vec<Option<f64>> = steps.judged.iter().map(|step| step.ttft.unwrap().p99).collect();
    assert_eq!(ttft, [Some(4.0), Some(8.0), Some(16.0)]);
}

#[test]
fn thresholds_so_far_are_those_of_the_run_or_of_its_current_step() {
    let executor = ramp(&[(0, 10), (30, 10)]);
    let mut judge = judge(
        &[("latency", "p(99)<50"), ("failed", "rate<0.5"), ("tls", "max<1")],
        &executor,
    );
    assert_eq!(judge.so_far(), LiveThresholds::default());
    run(&mut judge, &executor, 5, |recorder, _, vus| {
        requests(recorder, 0, Outcome::Ok, u64::from(vus), 90);
    });
    let state = judge.so_far();
    assert_eq!(
        (state.judged, state.failing),
        (2, vec!["latency p99 < 50 ms: 90.0 ms".to_owned()])
    );
    let (executor, mut judge) = stepped();
    run(&mut judge, &executor, 15, |recorder, second, vus| {
        let ms = if second <= 10 { 90 } else { 10 };
        requests(recorder, 0, Outcome::Ok, u64::from(vus), ms);
    });
    let state = judge.so_far();
    assert_eq!(
        (state.judged, state.failing),
        (2, Vec::new()),
        "the second step holds"
    );
}

#[test]
fn a_run_of_which_no_step_passes_fails_by_its_first() {
    let (executor, mut judge) = stepped();
    run(&mut judge, &executor, 30, |recorder, _, vus| {
        requests(recorder, 0, Outcome::Ok, 1, 50 + u64::from(vus));
    });
    let judged = judge.finish(30 * SECOND, &[], None);
    assert_eq!(judged.steps.unwrap().peak_vus, None);
    assert_eq!(judged.thresholds[0].observed, Some(66.0));
    assert!(!judged.thresholds[0].ok && judged.thresholds[1].ok);
}

#[test]
fn with_steps_too_short_to_be_judged_the_whole_run_decides() {
    let (_, mut judge) = stepped();
    let mut recorder = Recorder::new(0, 2, false);
    requests(&mut recorder, 0, Outcome::Ok, 5, 90);
    judge.append_snapshot(&recorder.into_snapshot());
    // A single tick covers the whole run, so it belongs to no step.
    judge.tick(30 * SECOND, Vus::default());
    let judged = judge.finish(30 * SECOND, &[], None);
    assert_eq!(judged.steps, Some(StepsResult::default()));
    assert_eq!(judged.thresholds[0].observed, Some(90.0));
    assert!(!judged.thresholds[0].ok);
}

#[test]
fn late_and_frequent_ticks_keep_the_memory_bounded_and_lose_nothing() {
    let executor = ramp(&[(1000, 10)]);
    let mut judge = judge(&[("requests", "count==1000")], &executor);
    for tick in 1..=1000u64 {
        let mut recorder = Recorder::new(0, 2, false);
        requests(&mut recorder, 0, Outcome::Ok, 1, 10);
        judge.append_snapshot(&recorder.into_snapshot());
        // Ten ticks per second; every hundredth one does not advance.
        let elapsed = (tick - u64::from(tick % 100 == 0)) * SECOND / 10;
        judge.tick(elapsed, Vus::default());
        let slots = judge.window.slots().count();
        assert!(slots <= 16, "{slots}");
        assert_eq!(judge.watches[0].window.slots().count(), slots);
    }
    assert!(judge.finish(100 * SECOND, &[], None).thresholds[0].ok);
}
