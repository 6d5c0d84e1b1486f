//! Runs for the tests of this room.

use crate::compare::{Format, Run, RunFacts, Scalar, Slice, Stat, Trend, Values};
use crate::metrics::Distribution;
use crate::units::{MICROSECOND, MILLISECOND, millis};

pub fn run(label: &str, facts: RunFacts, trends: Vec<Trend>, scalars: Vec<Scalar>) -> Run {
    Run {
        trends,
        scalars,
        ..Run::new(label, Format::Ours, facts)
    }
}

pub fn trend(metric: &'static str, values: Values, slices: Vec<Slice>) -> Trend {
    let intervals = match &values {
        Values::Histogram(d) => [50.0, 90.0, 95.0, 99.0, 99.9]
            .into_iter()
            .filter_map(|p| {
                let (low, high) = d.interval(p / 100.0, d.offered())?;
                Some((p, [low, high].map(millis)))
            })
            .collect(),
        _ => Vec::new(),
    };
    Trend {
        intervals,
        metric,
        source: metric.to_owned(),
        differs: None,
        sense: "",
        stated: Vec::new(),
        values,
        slices,
    }
}

pub fn scalar(
    metric: &'static str,
    unit: &'static str,
    value: f64,
    of: Option<u64>,
    slices: Vec<Slice>,
) -> Scalar {
    Scalar {
        metric,
        source: metric.to_owned(),
        differs: None,
        sense: "",
        unit,
        value,
        of,
        slices,
    }
}

/// A minute of requests whose latencies spread from 100 ms on, `slower` percent above that; one in fifty fails.
/// The shape is that of a document of ours: rows for latency, requests and errors, none for service_time.
pub fn minute(label: &str, seed: u64, slower: u64) -> Run {
    const A_SECOND: u64 = 100;
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 40
    };
    let (mut all, mut rows, mut counts, mut errors) =
        (Distribution::new(), Vec::new(), Vec::new(), Vec::new());
    for second in 1..=60u64 {
        let n = A_SECOND - next() % 5;
        let (mut sum, mut failed) = (0, 0);
        for _ in 0..n {
            // A long tail without a logarithm: the same on every machine.
            let tail = next() % 1_000;
            let us = 100_000 + tail * tail * tail / 2_000 + (second < 5) as u64 * 20_000;
            let ns = us * (100 + slower) / 100 * MICROSECOND;
            all.record(ns);
            sum += ns;
            failed += u64::from(next() % 50 == 0);
        }
        let elapsed = second as f64;
        let row = |sum: f64| Slice {
            elapsed,
            count: n,
            sum,
        };
        rows.push(row(sum as f64 / MILLISECOND as f64));
        counts.push(row(n as f64));
        errors.push(row(failed as f64));
    }
    let total = all.offered();
    let failed: f64 = errors.iter().map(|row| row.sum).sum();
    let histogram = || Values::Histogram(Box::new(all.clone()));
    let facts = RunFacts {
        tool: Some("llmload-uring 0.1.0".to_owned()),
        profile: Some("load".to_owned()),
        peak_vus: Some(20),
        load: None,
        target: Some("http://127.0.0.1:8080".to_owned()),
        host: Some("Linux 6.18.0, 2 CPUs".to_owned()),
        stamp_source: Some("kernel".to_owned()),
        io: Some("io_uring".to_owned()),
        seed: Some(42),
        started_at: Some("2026-01-02T03:04:05Z".to_owned()),
        duration_seconds: Some(60.0),
        requests: Some(total),
        exit_code: Some(0),
    };
    let trends = vec![
        trend("latency", histogram(), rows),
        trend("service_time", histogram(), Vec::new()),
        trend("ttft", histogram(), Vec::new()),
    ];
    let scalars = vec![
        scalar("requests", "", total as f64, None, counts),
        scalar("failed", "", failed, None, Vec::new()),
        scalar("requests_per_second", "/s", total as f64 / 60.0, None, Vec::new()),
        scalar("error_rate", "", failed / total as f64, Some(total), errors),
    ];
    run(label, facts, trends, scalars)
}

/// What k6's summary has of such a run.
pub fn k6_summary(label: &str) -> Run {
    let stats = [
        (Stat::Mean, 240.5),
        (Stat::Min, 100.1),
        (Stat::Percentile(50.0), 165.25),
        (Stat::Max, 620.0),
        (Stat::Percentile(90.0), 480.0),
        (Stat::Percentile(95.0), 545.0),
    ];
    let values = Values::Summary {
        count: Some(5_900),
        stats: stats.to_vec(),
    };
    let mut service = trend("service_time", values.clone(), Vec::new());
    service.source = "http_req_duration".to_owned();
    let mut iterations = trend("iteration", values, Vec::new());
    (iterations.source, iterations.differs) = ("iteration_duration".to_owned(), Some("includes think time"));
    let facts = RunFacts {
        tool: Some("k6".to_owned()),
        peak_vus: Some(20),
        requests: Some(5_900),
        ..RunFacts::default()
    };
    let mut rate = scalar("requests_per_second", "/s", 98.3, None, Vec::new());
    rate.differs = Some("over the time of the whole test, setup included");
    rate.source = "http_reqs".to_owned();
    let mut run = run(label, facts, vec![service, iterations], vec![rate]);
    run.format = Format::K6SummaryExport;
    run.notes = vec!["no duration in this format".to_owned()];
    run
}

/// Figures that only tests ask for.
impl Values {
    /// Returns the number of values; `None` if the file does not give it.
    pub fn count(&self) -> Option<u64> {
        match self {
            Values::Histogram(d) => Some(d.offered()),
            Values::Raw(values) => Some(values.len() as u64),
            Values::Summary { count, .. } => *count,
        }
    }

    pub fn mean(&self) -> Option<f64> {
        match self {
            Values::Histogram(d) => d.mean().map(|ns| ns / 1e6),
            Values::Raw(values) if values.is_empty() => None,
            Values::Raw(values) => Some(values.iter().sum::<f64>() / values.len() as f64),
            Values::Summary { stats, .. } => {
                let mean = stats.iter().find(|(stat, _)| *stat == Stat::Mean);
                mean.map(|(_, value)| *value)
            }
        }
    }
}
