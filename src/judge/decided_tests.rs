//! Whether the sample of a percentile decides its threshold.

use super::tests::{judge, ramp, requests};
use super::*;
use crate::metrics::{Outcome, Recorder, Sample};
use crate::units::{MILLISECOND, SECOND};

/// Judges `n` requests of 10 to 109 ms, all lengths alike.
fn judged_on(n: u64, thresholds: &[(&str, &str)]) -> Vec<ThresholdResult> {
    let executor = ramp(&[(10, 5)]);
    let mut judge = judge(thresholds, &executor);
    let mut recorder = Recorder::new(0, 2, false);
    for k in 0..n {
        requests(&mut recorder, 0, Outcome::Ok, 1, 10 + k % 100);
    }
    judge.append_snapshot(&recorder.into_snapshot());
    judge.finish(10 * SECOND, &[], None).thresholds
}

#[test]
fn a_percentile_is_decided_by_where_its_interval_lies() {
    let rules = [
        ("latency", "p(50)<1000"),
        ("latency", "p(50)<60"),
        ("latency", "p(50)<20"),
        ("latency", "p(99)<1000"),
        ("latency", "avg<60"),
        ("failed", "rate<0.5"),
    ];
    let found = judged_on(100, &rules);
    let decided: Vec<Option<bool>> = found.iter().map(|t| t.decided).collect();
    assert_eq!(
        decided,
        [Some(true), Some(false), Some(true), Some(false), None, None]
    );
    // Ranks 40 and 61 of 100.
    let [low, high] = found[1].interval.unwrap();
    assert!(
        (low - 49.0).abs() < 0.1 && (high - 70.0).abs() < 0.1,
        "{low} {high}"
    );
    assert_eq!((found[3].interval, found[3].ok), (None, true));
    let many = judged_on(40_000, &rules);
    assert!(many[3].decided == Some(true) && many[3].interval.is_some());
}

#[test]
fn without_samples_nothing_is_said_about_being_decided() {
    let found = judged_on(0, &[("latency", "p(50)<1000")]);
    assert_eq!((found[0].ok, found[0].decided), (false, None));
}

#[test]
fn what_is_required_to_be_decided_fails_if_it_is_not() {
    let mut found = judged_on(100, &[("latency", "p(99)<1000"), ("latency", "p(50)<1000")]);
    found.iter_mut().for_each(ThresholdResult::require_decided);
    assert_eq!([found[0].ok, found[1].ok], [false, true]);
}

#[test]
fn gaps_count_as_one_value_for_each_stream() {
    let executor = ramp(&[(10, 5)]);
    let decided = |streams: u64, gaps: u32| {
        let mut judge = judge(&[("tbt", "p(95)<1000")], &executor);
        let mut recorder = Recorder::new(0, 2, false);
        for _ in 0..streams {
            recorder.started(0);
            (0..gaps).for_each(|k| recorder.gap(0, u64::from(k + 1) * MILLISECOND));
            recorder.finish(&Sample {
                gaps,
                ..Sample::ended(Outcome::Ok, SECOND)
            });
        }
        judge.append_snapshot(&recorder.into_snapshot());
        judge.finish(10 * SECOND, &[], None).thresholds[0].decided
    };
    assert_eq!(decided(71, 50), Some(false));
    assert_eq!(decided(72, 1), Some(true));
    assert_eq!(decided(72, 50), Some(true));
}
