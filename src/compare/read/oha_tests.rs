use crate::compare::read::run_of_bytes;
use crate::compare::{Format, Run};

fn read(text: &str) -> Run {
    run_of_bytes(text.as_bytes(), "oha").unwrap()
}

/// The shape of 1.15; the older one does not have `metrics` and the time to the first byte.
const NEW: &str = r#"{"summary":{"successRate":0.99,"total":2.5,"slowest":0.9,"fastest":0.001,"average":0.02,
    "requestsPerSec":44.0,"totalData":5000,"sizePerRequest":null,"sizePerSec":2000.0},
    "metrics":{"success_rate":0.99,"requests_per_sec":44.0,
        "latency_ms":{"min":1.0,"mean":20.0,"p50":15.0,"p95":60.0,"p99":null,"max":900.0}},
    "responseTimeHistogram":{"0.001":100},
    "latencyPercentiles":{"p10":0.002,"p50":0.015,"p95":0.06,"p99":null,"p99.9":0.5,"p99.99":0.8},
    "firstBytePercentiles":{"p50":0.004},
    "rps":{"mean":44.0,"stddev":1.0,"max":50.0,"min":1.0,"percentiles":{"p50":44.0}},
    "details":{"DNSDialup":{"average":0.001,"fastest":0.0005,"slowest":0.002},
        "DNSLookup":{"average":0.0,"fastest":0.0,"slowest":0.0},
        "firstByte":{"average":0.005,"fastest":0.001,"slowest":0.4}},
    "statusCodeDistribution":{"200":90,"302":2,"500":8},
    "errorDistribution":{"aborted due to deadline":10,"connection refused":1}}"#;

#[test]
fn seconds_become_milliseconds_and_the_percentiles_keep_their_names() {
    let run = read(NEW);
    assert_eq!(run.format, Format::Oha);
    let trend = |metric| &run.trends.iter().find(|t| t.metric == metric).unwrap().values;
    let service = trend("service_time");
    assert_eq!(service.count(), Some(100));
    assert_eq!(
        (service.min(), service.mean(), service.max()),
        (Some(1.0), Some(20.0), Some(900.0))
    );
    assert_eq!(
        (service.percentile(50.0), service.percentile(99.9)),
        (Some(15.0), Some(500.0))
    );
    assert_eq!(service.percentile(99.0), None, "null");
    assert_eq!(
        (trend("ttfb").percentile(50.0), trend("ttfb").max()),
        (Some(4.0), Some(400.0))
    );
    assert_eq!(
        (trend("connect").mean(), trend("connect").count()),
        (Some(1.0), None)
    );
    assert!(run.trends.iter().all(|t| t.differs.is_some()));
}

#[test]
fn answers_of_500_are_failures_and_requests_cut_by_the_end_are_not() {
    let run = read(NEW);
    let scalar = |metric| run.scalars.iter().find(|s| s.metric == metric).unwrap();
    assert_eq!(scalar("failed").value, 9.0);
    assert_eq!(
        (scalar("error_rate").value, scalar("error_rate").of),
        (9.0 / 101.0, Some(101))
    );
    assert_eq!((scalar("requests").value, run.facts.requests), (111.0, Some(111)));
    assert_eq!(
        scalar("requests_per_second").differs,
        Some("includes requests cut off at the end")
    );
    assert_eq!(run.notes.len(), 2, "{:?}", run.notes);
}

#[test]
fn the_older_shape_without_metrics_is_read() {
    let old = r#"{"summary":{"successRate":1.0,"total":1.0,"slowest":0.2,"fastest":0.1,"average":0.15,
        "requestsPerSec":2.0,"totalData":10,"sizePerRequest":5,"sizePerSec":10.0},
        "responseTimeHistogram":{},"latencyPercentiles":{"p50":0.15},"rps":{},
        "details":{"DNSDialup":{"average":null,"fastest":null,"slowest":null}},
        "statusCodeDistribution":{"200":2},"errorDistribution":{}}"#;
    let run = read(old);
    assert_eq!(run.trends.len(), 1);
    assert_eq!(run.trends[0].values.mean(), Some(150.0));
    assert_eq!(run.facts.duration_seconds, Some(1.0));
}

#[test]
fn a_figure_that_differs_between_two_units_is_noted() {
    let run = read(&NEW.replace("\"mean\":20.0", "\"mean\":0.02"));
    assert!(
        run.notes.iter().any(|n| n.contains("the seconds are used")),
        "{:?}",
        run.notes
    );
}
