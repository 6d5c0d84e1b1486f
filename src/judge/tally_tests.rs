use super::*;
use crate::metrics::{Outcome, Recorder, Sample};
use crate::plan::Threshold;
use crate::units::{MILLISECOND, SECOND};

/// Makes requests 1 to `n`: request i takes i milliseconds, its first byte comes after half of that, and every tenth
/// fails.
fn series(n: u64) -> SeriesTotals {
    let mut recorder = Recorder::new(0, 1, false);
    for i in 1..=n {
        recorder.started(0);
        let outcome = match i % 10 {
            0 => Outcome::TimeoutTotal,
            _ => Outcome::Ok,
        };
        recorder.finish(&Sample {
            iteration: i,
            first_byte: Some(i * MILLISECOND / 2),
            ..Sample::ended(outcome, i * MILLISECOND)
        });
    }
    recorder.into_snapshot().series.remove(0)
}

/// Returns the figure of `key: text` over ten seconds.
fn figure(key: &str, text: &str, series: &SeriesTotals) -> Option<f64> {
    let threshold = Threshold::parse(key, text).unwrap();
    let mut tally = Tally::default();
    tally.merge_series(threshold.metric, threshold.selector.expected_response, series);
    tally.figure(threshold.metric, threshold.aggregation, 10 * SECOND)
}

#[test]
fn each_aggregation_of_a_trend_is_in_milliseconds() {
    let series = series(1000);
    assert_eq!(figure("latency", "min<1", &series), Some(1.0));
    assert_eq!(figure("latency", "max<1", &series), Some(1000.0));
    assert_eq!(figure("latency", "avg<1", &series), Some(500.5));
    let p95 = figure("latency", "p(95)<1", &series).unwrap();
    assert!((950.0..=950.95).contains(&p95), "{p95}");
    assert_eq!(
        figure("latency", "med<1", &series),
        figure("latency", "p(50)<1", &series)
    );
}

#[test]
fn counters_are_counts_or_counts_per_second() {
    let series = series(1000);
    for (metric, count) in [
        ("requests", 1000.0),
        ("http_reqs", 1000.0),
        ("iterations", 1000.0),
        ("failures", 100.0),
        ("timeouts", 100.0),
        ("timeout_total", 100.0),
        ("ok", 900.0),
        ("connection_errors", 0.0),
    ] {
        assert_eq!(figure(metric, "count<1", &series), Some(count), "{metric}");
        assert_eq!(figure(metric, "rate<1", &series), Some(count / 10.0), "{metric}");
    }
    assert_eq!(figure("failed", "rate<1", &series), Some(0.1));
    assert_eq!(figure("checks", "rate<1", &series), Some(0.9));
}

#[test]
fn the_tag_expected_response_separates_failed_requests_from_the_others() {
    let series = series(1000);
    for (key, text, value) in [
        ("requests{expected_response:true}", "count<1", 900.0),
        ("requests{expected_response:false}", "count<1", 100.0),
        ("timeouts{expected_response:true}", "count<1", 0.0),
        ("timeouts{expected_response:false}", "count<1", 100.0),
        ("ok{expected_response:false}", "count<1", 0.0),
        ("failed{expected_response:true}", "rate<1", 0.0),
        ("failed{expected_response:false}", "rate<1", 1.0),
        // Request 1000 failed: the slowest of the others is the 999th.
        ("latency{expected_response:true}", "max<1", 999.0),
        ("latency{expected_response:false}", "max<1", 1000.0),
        ("latency{expected_response:false}", "min<1", 10.0),
        ("ttfb{expected_response:false}", "avg<1", 252.5),
    ] {
        assert_eq!(figure(key, text, &series), Some(value), "{key}: {text}");
    }
    // The value is 999 / 2, rounded to its bucket.
    let max = figure("ttfb{expected_response:true}", "max<1", &series).unwrap();
    assert!((499.5..=500.0).contains(&max), "{max}");
    let avg = figure("service_time{expected_response:true}", "avg<1", &series).unwrap();
    assert!((avg - (500_500.0 - 50_500.0) / 900.0).abs() < 1e-6, "{avg}");
}

#[test]
fn without_samples_a_trend_and_a_share_are_unknown_and_a_counter_is_zero() {
    let none = series(0);
    assert_eq!(figure("ttft", "p(95)<1", &none), None);
    assert_eq!(figure("failed", "rate<1", &none), None);
    assert_eq!(figure("checks", "rate<1", &none), None);
    assert_eq!(figure("timeouts", "count<1", &none), Some(0.0));
    // No request failed, so there are no values of failed requests.
    let good = series(9);
    assert_eq!(figure("latency{expected_response:false}", "max<1", &good), None);
    assert_eq!(
        figure("service_time{expected_response:true}", "max<1", &good),
        Some(9.0)
    );
}

#[test]
fn the_tally_of_parts_is_that_of_the_whole() {
    let metric = ThresholdMetric::Trend(MetricId::ServiceTime);
    let (few, many) = (series(100), series(1000));
    let mut parts = Tally::default();
    parts.merge_series(metric, Some(true), &few);
    let mut second = Tally::default();
    second.merge_series(metric, Some(true), &many);
    parts.merge(&second);
    let mut whole = few.clone();
    whole.merge(&many);
    let mut at_once = Tally::default();
    at_once.merge_series(metric, Some(true), &whole);
    for aggregation in [Aggregation::Avg, Aggregation::Med, Aggregation::Percentile(99.0)] {
        let figure = |tally: &Tally| tally.figure(metric, aggregation, SECOND);
        assert_eq!(figure(&parts), figure(&at_once), "{aggregation:?}");
    }
    parts.reset();
    assert_eq!(parts.figure(metric, Aggregation::Avg, SECOND), None);
}

#[test]
fn tokens_are_counted_as_servers_state_them() {
    let mut recorder = Recorder::new(0, 1, false);
    for (prompt, cached) in [(Some(300), Some(150)), (Some(100), None), (None, None)] {
        recorder.started(0);
        recorder.finish(&Sample {
            prompt_tokens: prompt,
            cached_tokens: cached,
            output_tokens: 20,
            ..Sample::ended(Outcome::Ok, MILLISECOND)
        });
    }
    let series = recorder.into_snapshot().series.remove(0);
    for (key, text, expected) in [
        ("cached_share", "rate>0.1", Some(0.5)),
        ("cached_share", "value>10%", Some(0.5)),
        ("reasoning_share", "rate<1", None),
        ("input_tokens", "count>1", Some(400.0)),
        ("input_tokens", "rate>1", Some(40.0)),
        ("output_tokens", "count>1", Some(60.0)),
        ("total_tokens", "rate>1", Some(46.0)),
    ] {
        assert_eq!(figure(key, text, &series), expected, "{key}: {text}");
    }
}
