use super::*;
use crate::metrics::{Merged, Outcome, Recorder, Sample, TokenSource};
use crate::units::{MILLISECOND, SECOND};

/// Requests 1 to `n` take as many milliseconds; each tenth one fails.
fn merged(n: u64) -> Merged {
    let mut recorder = Recorder::new(0, 1, false);
    for i in 1..=n {
        recorder.started(0);
        recorder.finish(&Sample {
            vu: 0,
            iteration: i,
            series: 0,
            outcome: if i % 10 == 0 {
                Outcome::TimeoutTotal
            } else {
                Outcome::Ok
            },
            status: 200,
            due: 0,
            sent: Some(0),
            first_byte: None,
            first_event: None,
            first_token: None,
            last_token: None,
            done: i * MILLISECOND,
            schedule_lag: 0,
            output_tokens: 0,
            token_source: TokenSource::None,
        });
    }
    let mut merged = Merged::new(1, 1);
    merged.add(&recorder.into_snapshot());
    merged
}

#[test]
fn each_aggregation_of_a_trend_is_in_milliseconds() {
    let merged = merged(1000);
    let observed = Observed::whole_run(&merged, 10 * SECOND);
    let latency = |a| observed.observe(ThresholdMetric::Trend(Trend::Latency), a);
    assert_eq!(latency(Aggregation::Min), Some(1.0));
    assert_eq!(latency(Aggregation::Max), Some(1000.0));
    assert_eq!(latency(Aggregation::Avg), Some(500.5));
    assert_eq!(latency(Aggregation::Count), Some(1000.0));
    assert_eq!(latency(Aggregation::Rate), None);
    let p95 = latency(Aggregation::Percentile(95.0)).unwrap();
    assert!((950.0..=950.95).contains(&p95), "{p95}");
    assert_eq!(latency(Aggregation::Med), latency(Aggregation::Percentile(50.0)));
}

#[test]
fn counters_are_counts_or_counts_per_second() {
    let merged = merged(1000);
    let observed = Observed::whole_run(&merged, 10 * SECOND);
    for (metric, count) in [
        (ThresholdMetric::Requests, 1000.0),
        (ThresholdMetric::Iterations, 1000.0),
        (ThresholdMetric::Timeouts, 100.0),
        (ThresholdMetric::Outcome(Outcome::TimeoutTotal), 100.0),
        (ThresholdMetric::Outcome(Outcome::Ok), 900.0),
        (ThresholdMetric::ConnectionErrors, 0.0),
    ] {
        assert_eq!(observed.observe(metric, Aggregation::Count), Some(count));
        assert_eq!(observed.observe(metric, Aggregation::Rate), Some(count / 10.0));
        assert_eq!(observed.observe(metric, Aggregation::Max), None);
    }
    let failed = observed.observe(ThresholdMetric::Failed, Aggregation::Rate);
    assert_eq!(failed, Some(0.1));
}

#[test]
fn without_samples_a_trend_and_the_failed_rate_are_unknown_and_a_counter_is_zero() {
    let merged = merged(0);
    let observed = Observed::whole_run(&merged, SECOND);
    let p95 = Aggregation::Percentile(95.0);
    assert_eq!(observed.observe(ThresholdMetric::Trend(Trend::Ttft), p95), None);
    assert_eq!(observed.observe(ThresholdMetric::Failed, Aggregation::Rate), None);
    assert_eq!(
        observed.observe(ThresholdMetric::Timeouts, Aggregation::Count),
        Some(0.0)
    );
}

#[test]
fn every_trend_of_the_thresholds_is_the_metric_of_the_same_name() {
    for trend in Trend::ALL {
        assert_eq!(metric_of(trend).key(), trend.name());
    }
}

#[test]
fn thresholds_are_judged_in_order_with_their_text() {
    let merged = merged(100);
    let observed = Observed::whole_run(&merged, SECOND);
    let thresholds = [
        Threshold::parse("latency", "p(95)<50").unwrap(),
        Threshold::parse("failed", "rate<=0.1").unwrap(),
        Threshold::parse("ttft", "max<1").unwrap(),
    ];
    let results = observed.judge(&thresholds);
    let ok: Vec<bool> = results.iter().map(|r| r.ok).collect();
    assert_eq!(ok, [false, true, false]);
    assert_eq!(results[1].expression, "rate<=0.1");
    assert_eq!(results[2].observed, None);
}
