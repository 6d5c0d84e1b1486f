use super::*;
use crate::metrics::{Outcome, Recorder, Sample, TokenSource};
use crate::units::{MILLISECOND, SECOND};

/// A core with its series, and the figures merged from it.
struct Core {
    recorder: Recorder,
    merged: Merged,
    view: FiguresView,
}

impl Core {
    fn new(names: &[&str]) -> Core {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        Core {
            recorder: Recorder::new(0, names.len(), false),
            merged: Merged::new(1, names.len()),
            view: FiguresView::new(Grouping::new(&names), RunInfo::default()),
        }
    }

    /// Records a request with ten tokens, the first after half of the time.
    fn finish(&mut self, series: u16, outcome: Outcome, ms: u64) {
        self.recorder.started(series);
        self.recorder.finish(&Sample {
            series,
            first_token: (outcome == Outcome::Ok).then_some(ms * MILLISECOND / 2),
            output_tokens: 10,
            token_source: TokenSource::Events,
            good: (outcome != Outcome::Interrupted).then_some(outcome == Outcome::Ok),
            ..Sample::ended(outcome, ms * MILLISECOND)
        });
    }

    fn snapshot(&mut self) {
        let series = self.merged.series.len();
        let snapshot = self.recorder.take(Snapshot::new(0, series, false));
        self.merged.append_snapshot(&snapshot);
        self.view.append_snapshot(&snapshot);
    }

    fn figures(&mut self, elapsed: Nanos) -> Figures {
        self.snapshot();
        self.view.figures(&self.merged, elapsed)
    }
}

#[test]
fn bounds_ascend_from_100_us_to_1000_s() {
    assert!(BOUNDS.windows(2).all(|w| w[0] < w[1]), "{BOUNDS:?}");
    assert_eq!(
        (BOUNDS[0], BOUNDS[BOUNDS_COUNT - 1]),
        (100 * MICROSECOND, 1_000 * SECOND)
    );
    assert!(BOUNDS.windows(2).all(|w| 3 * w[1] <= 5 * w[0]), "{BOUNDS:?}");
}

#[test]
fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
    let mut distribution = Distribution::new();
    let values = [
        0,
        100 * MICROSECOND,
        101 * MICROSECOND,
        7 * SECOND,
        1_000 * SECOND,
        2_000 * SECOND,
    ];
    values.iter().for_each(|ns| {
        distribution.record(*ns);
    });
    // This holds above the range of the histogram as well.
    distribution.record(5_000 * SECOND);
    let mut buckets = Buckets::new();
    buckets.append_distribution(&distribution);
    let filled: Vec<(Nanos, u64)> = BOUNDS
        .into_iter()
        .zip(buckets.counts)
        .filter(|(_, n)| *n > 0)
        .collect();
    assert_eq!(
        filled,
        [
            (100 * MICROSECOND, 2),
            (150 * MICROSECOND, 1),
            (7 * SECOND, 1),
            (1_000 * SECOND, 1)
        ]
    );
    assert_eq!((buckets.count, buckets.sum_ns), (7, distribution.sum_ns()));
}

#[test]
fn buckets_of_parts_add_up_to_those_of_the_whole() {
    let (mut whole, mut parts) = (Buckets::new(), Buckets::new());
    let mut all = Distribution::new();
    for part in 0..5u64 {
        let mut one = Distribution::new();
        for i in 0..1_000u64 {
            one.record((i * i * 37 + part * 911) * MICROSECOND);
        }
        all.merge(&one);
        parts.append_distribution(&one);
    }
    whole.append_distribution(&all);
    assert_eq!(whole, parts);
    assert_eq!(whole.counts.iter().sum::<u64>(), 5_000);
}

#[test]
fn series_of_one_name_are_one_group() {
    let mut core = Core::new(&["Flash", "Thinker", "Flash"]);
    core.finish(0, Outcome::Ok, 10);
    core.finish(1, Outcome::Http503, 30);
    core.finish(2, Outcome::TimeoutIdle, 20);
    core.finish(2, Outcome::Interrupted, 99);
    let figures = core.figures(10 * SECOND);
    let names: Vec<&str> = figures.endpoints.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["Flash", "Thinker"]);
    let flash = &figures.endpoints[0];
    assert_eq!(
        (
            flash.counts.requests,
            flash.counts.failed,
            flash.counts.output_tokens
        ),
        (2, 1, 30)
    );
    assert_eq!((flash.counts.latency.count, flash.counts.ttft.count), (2, 1));
    assert_eq!((flash.counts.goodput.judged, flash.counts.goodput.good), (2, 1));
    assert_eq!(flash.gauges.goodput, Some(0.5));
    assert_eq!(figures.all.goodput, Some(1.0 / 3.0));
    assert_eq!(flash.gauges.error_rate, Some(0.5));
    assert_eq!(flash.gauges.contention_error_rate, Some(0.5));
    assert_eq!(flash.gauges.active_users, Some(0));
    assert_eq!(figures.all.contention_error_rate, Some(2.0 / 3.0));
    assert_eq!(figures.all.requests_per_second, 0.3);
    assert_eq!(figures.all.output_tokens_per_second, 4.0);
    assert_eq!(figures.all.latency.p99, Some(30 * MILLISECOND));
}

#[test]
fn gauges_are_of_the_last_ten_seconds_and_counts_since_the_start() {
    let mut core = Core::new(&["a"]);
    for (second, ms) in [(4, 400), (8, 8), (12, 12), (16, 16)] {
        core.finish(0, Outcome::Ok, ms);
        let figures = core.figures(second * SECOND);
        let count = second / 4;
        assert_eq!(figures.endpoints[0].counts.latency.count, count);
        // Three intervals make the window, so the slowest one leaves it with the fourth.
        let slowest = if count < 4 { 400 } else { 16 };
        assert_eq!(
            figures.all.latency.p99,
            Some(slowest * MILLISECOND),
            "after {second} s"
        );
        let expected = count.min(3) as f64 / (count.min(3) * 4) as f64;
        assert_eq!(figures.all.requests_per_second, expected);
    }
    let last = core.view.last_figures(&core.merged, 20 * SECOND);
    assert!(last.is_last);
    assert_eq!(last.all.latency.p99, Some(400 * MILLISECOND));
    assert_eq!(last.all.requests_per_second, 0.2);
    assert_eq!(last.all.active_users, Some(0));
}

#[test]
fn the_users_of_an_endpoint_are_those_with_a_request_there() {
    let mut core = Core::new(&["Flash", "Thinker"]);
    core.finish(0, Outcome::Ok, 10);
    for series in [0, 1, 1] {
        core.recorder.started(series);
    }
    let figures = core.figures(10 * SECOND);
    let users: Vec<_> = figures.endpoints.iter().map(|e| e.gauges.active_users).collect();
    assert_eq!(users, [Some(1), Some(2)]);
}

#[test]
fn an_interval_longer_than_the_window_leaves_no_gap() {
    let mut core = Core::new(&["a"]);
    core.finish(0, Outcome::Ok, 10);
    let first = core.figures(60 * SECOND);
    assert_eq!(first.all.requests_per_second, 1.0 / 60.0);
    let second = core.figures(120 * SECOND);
    assert_eq!(second.all.requests_per_second, 0.0);
    assert_eq!(second.all.error_rate, None);
    assert_eq!(second.all.latency, Quantiles::default());
    assert_eq!(second.endpoints[0].counts.requests, 1);
}

#[test]
fn counts_go_on_from_one_repetition_to_the_next() {
    let mut core = Core::new(&["a"]);
    core.finish(0, Outcome::Ok, 10);
    core.finish(0, Outcome::Http503, 10);
    core.figures(SECOND);
    let mut total = core.merged.clone();
    core.view.end_pass(&core.merged);
    core.recorder = Recorder::new(0, 1, false);
    core.merged = Merged::new(1, 1);
    core.finish(0, Outcome::Ok, 20);
    core.recorder.counters().bytes_sent = 7;
    let during = core.figures(2 * SECOND);
    total.append(&core.merged);
    let last = core.view.last_figures(&total, 2 * SECOND);
    for figures in [&during, &last] {
        let counts = &figures.endpoints[0].counts;
        assert_eq!((counts.requests, counts.failed, counts.latency.count), (3, 1, 3));
        assert_eq!(counts.by_outcome[Outcome::Http503 as usize], 1);
        assert_eq!(figures.workers[0].sent_bytes, 7);
    }
    assert_eq!(during.endpoints[0].counts, last.endpoints[0].counts);
}

#[test]
fn the_first_figures_count_nothing_and_have_no_gauges() {
    let core = Core::new(&["a", "b"]);
    let first = core.view.first_figures();
    assert!(!first.is_last);
    assert!(first.endpoints.iter().all(|e| e.counts == EndpointCounts::new()));
    assert_eq!(first.all.latency, Quantiles::default());
    assert_eq!((first.all.error_rate, first.all.requests_per_second), (None, 0.0));
}
