//! Loads at a rate: where they break, and what goodput says of it.

use super::tests::judge;
use super::*;
use crate::metrics::{Outcome, Recorder, Sample};
use crate::plan::{OpenLoop, RateStage};
use crate::units::{Rate, SECOND};

/// 0 to 100 requests per second within 100 s, then as long at that rate.
fn ramp() -> Executor {
    let stage = |target| RateStage {
        duration: 100 * SECOND,
        target: Rate::per_second_of(target),
    };
    Executor::RampingArrivalRate {
        start_rate: Rate::per_second_of(0.0),
        stages: vec![stage(100.0), stage(100.0)],
        open: OpenLoop {
            max_vus: 1_000,
            ..OpenLoop::default()
        },
    }
}

/// Plays the ramp second by second; `good` says how many of `n` requests of a second are good, or `None` that nothing
/// ends in it.
fn points(thresholds: &[(&str, &str)], good: impl Fn(u64, u64) -> Option<u64>) -> Vec<Option<BreakingPoint>> {
    let executor = ramp();
    let mut judge = judge(thresholds, &executor);
    for second in 1..=200u64 {
        let mut recorder = Recorder::new(0, 2, false);
        let n = second.min(100);
        if let Some(good) = good(second, n) {
            for k in 0..n {
                recorder.started(0);
                recorder.arrived(0, second * SECOND);
                recorder.finish(&Sample {
                    good: Some(k < good),
                    ..Sample::ended(Outcome::Ok, SECOND)
                });
            }
        }
        judge.append_snapshot(&recorder.into_snapshot());
        // No user is planned: they come as arrivals need them.
        let vus = Vus {
            planned: 0,
            running: n,
        };
        judge.tick(second * SECOND, vus);
    }
    let judged = judge.finish(200 * SECOND, &[], None);
    judged.thresholds.iter().map(|t| t.breaking_point).collect()
}

#[test]
fn the_breaking_point_of_goodput_is_told_by_the_rate() {
    // The server serves 60 requests a second within their limits.
    let found = points(&[("goodput", "rate>0.9"), ("good", "count>100")], |_, n| {
        Some(n.min(60))
    });
    let point = found[0].unwrap();
    // The first window of ten seconds of which a tenth or more is not good: 67 to 76.
    let share = |end: u64| {
        let window = end - 9..=end;
        let sum = |f: &dyn Fn(u64) -> u64| window.clone().map(f).sum::<u64>() as f64;
        sum(&|n| n.min(60)) / sum(&|n| n)
    };
    let expected = (10..=100).find(|end| share(*end) <= 0.9).unwrap();
    assert_eq!(point.elapsed_seconds, expected as f64);
    let rate = point.rate_per_second.unwrap();
    assert!((rate - expected as f64).abs() < 1e-6, "{rate}");
    assert_eq!(found[1], None);
}

#[test]
fn a_server_that_hangs_under_arrivals_is_broken_although_no_user_is_planned() {
    let found = points(
        &[("goodput", "rate>0.9"), ("latency", "p(95)<2000")],
        |second, n| (second <= 120).then_some(n),
    );
    for point in found {
        assert_eq!(point.unwrap().elapsed_seconds, 130.0);
    }
}
