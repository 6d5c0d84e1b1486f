use super::*;
use crate::units::millis;

fn trend(values: impl Iterator<Item = f64>) -> (Values, Vec<String>) {
    let mut samples = Samples::default();
    let i = samples.series("http_req_duration", None, "").unwrap();
    for (n, value) in values.enumerate() {
        samples.add(i, n as i128 * 1_000_000, value);
    }
    let run = samples.into_run(None);
    let Shape::Trend(values) = run.metrics.into_iter().next().unwrap().shape else {
        panic!()
    };
    (values, run.notes)
}

#[test]
fn values_are_kept_up_to_the_limit_and_are_a_histogram_beyond() {
    let n = RAW_VALUES_MAX as u64;
    let (raw, notes) = trend((1..=n).rev().map(|i| i as f64 / 10.0));
    assert!(matches!(&raw, Values::Raw(v) if v.len() == RAW_VALUES_MAX && v.is_sorted()));
    assert!(notes.is_empty());

    let (histogram, notes) = trend((1..=n + 1).map(|i| i as f64 / 10.0));
    let Values::Histogram(buckets) = &histogram else {
        panic!("{histogram:?}")
    };
    assert_eq!(histogram.count(), Some(n + 1));
    assert_eq!((histogram.min(), histogram.max()), (Some(0.1), Some(10_000.1)));
    let (p95, width) = (
        histogram.percentile(95.0).unwrap(),
        buckets.bucket_width_at(0.95).map(millis).unwrap(),
    );
    assert!(
        (p95 - 9_500.1).abs() <= width && width > 0.0 && width < 10.0,
        "{p95} {width}"
    );
    assert!(notes[0].contains("100001 values, more than 100000"), "{notes:?}");
}

#[test]
fn negative_values_of_a_clock_set_back_are_counted_as_0_with_a_note() {
    let (histogram, notes) = trend((0..=RAW_VALUES_MAX).map(|i| if i == 7 { -3.0 } else { 1.0 }));
    assert_eq!(histogram.min(), Some(0.0));
    assert!(notes.iter().any(|n| n.contains("1 negative values")), "{notes:?}");
}

#[test]
fn a_timeline_of_absurd_length_widens_its_rows_and_keeps_every_value() {
    let mut samples = Samples::default();
    let i = samples.series("http_req_duration", None, "").unwrap();
    let year: i128 = 365 * 86_400 * 1_000_000_000;
    for n in 0..300_000 {
        samples.add(i, n * 1_000_000_000, 1.0);
    }
    samples.add(i, 8_000 * year, 1.0);
    let run = samples.into_run(None);
    let slices = &run.metrics[0].slices;
    assert!(slices.len() <= ROWS_MAX + 1, "{}", slices.len());
    assert_eq!(slices.iter().map(|s| s.count).sum::<u64>(), 300_001);
}

#[test]
fn a_script_s_own_metrics_are_limited_but_k6_s_are_not() {
    let mut samples = Samples::default();
    for n in 0..OWN_METRICS_MAX + 5 {
        if let Some(i) = samples.series(&format!("own_{n}"), None, "") {
            samples.add(i, 0, 1.0);
        }
    }
    let i = samples.series("http_reqs", None, "").unwrap();
    samples.add(i, 0, 1.0);
    let run = samples.into_run(None);
    assert_eq!(run.metrics.len(), OWN_METRICS_MAX + 1);
    assert!(run.notes[0].starts_with("5 samples"), "{:?}", run.notes);
}
