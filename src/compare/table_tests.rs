use super::*;
use crate::compare::Interval;
use crate::compare::Trend;
use crate::compare::testing_tests::{k6_summary, minute, run, scalar, trend};
use crate::compare::{RunFacts, Values};

fn row<'a>(comparison: &'a Comparison, name: &str) -> &'a Row {
    let found = comparison.rows.iter().find(|row| row.name() == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(comparison)))
}

fn names(comparison: &Comparison) -> Vec<String> {
    comparison.rows.iter().map(Row::name).collect()
}

fn word(comparison: &Comparison, name: &str) -> Word {
    row(comparison, name).cells[0].unwrap().word
}

#[test]
fn a_slower_run_is_worse_in_times_and_the_base_of_it_better() {
    let runs = [minute("a", 1, 0), minute("b", 2, 10)];
    let found = Comparison::new(&runs);
    for name in [
        "latency p50",
        "latency p95",
        "latency mean",
        "service_time p90",
        "ttft p50",
    ] {
        assert_eq!(word(&found, name), Word::Worse, "{name}");
        let change = row(&found, name).cells[0].unwrap().change;
        let Interval { low, high } = change.interval.unwrap();
        assert!(low < 0.1 && 0.1 < high, "{name} {change:?}");
    }
    assert_eq!(word(&found, "requests_per_second"), Word::NoDifference);
    assert_eq!(word(&found, "failed"), Word::Cannot(Why::Count));
    let [a, b] = runs;
    assert_eq!(word(&Comparison::new(&[b, a]), "latency p50"), Word::Better);
}

#[test]
fn a_rate_is_better_when_it_rises() {
    let mut faster = minute("b", 2, 0);
    for scalar in &mut faster.scalars {
        if scalar.metric == "requests_per_second" {
            scalar.value *= 1.2;
        }
    }
    let found = Comparison::new(&[minute("a", 1, 0), faster]);
    assert_eq!(word(&found, "requests_per_second"), Word::Better);
}

#[test]
fn rows_are_scalars_first_and_in_the_order_of_the_tables_of_metrics() {
    let found = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 0)]);
    let names = names(&found);
    assert_eq!(
        names[..4],
        ["requests_per_second", "error_rate", "requests", "failed"]
    );
    assert_eq!(
        names[4..11],
        [
            "latency p50",
            "latency p90",
            "latency p95",
            "latency p99",
            "latency p99.9",
            "latency mean",
            "service_time p50",
        ]
    );
}

#[test]
fn summaries_have_a_change_but_no_verdict() {
    let found = Comparison::new(&[minute("a", 1, 0), k6_summary("k6.json")]);
    let p95 = row(&found, "service_time p95");
    assert_eq!(p95.cells[0].unwrap().word, Word::Cannot(Why::OnlySummary));
    assert!(p95.cells[0].unwrap().change.change.is_some());
    assert_eq!(
        word(&found, "requests_per_second"),
        Word::Cannot(Why::OnlySummary)
    );
    // Not in a summary with these percentiles.
    assert!(!names(&found).contains(&"service_time p99".to_owned()));
    let lacking: Vec<&str> = found.unmatched.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        lacking,
        ["requests", "failed", "error_rate", "latency", "ttft", "iteration"]
    );
    assert_eq!(found.unmatched[5].1, [1]);
}

/// The shape of k6's raw points: rows for each of its trends, no latency and no ttft.
fn like_k6_points(seed: u64) -> Run {
    let mut run = minute("points.json", seed, 0);
    let latency = run.trends.iter().find(|t| t.metric == "latency").unwrap().clone();
    run.trends = vec![
        Trend {
            metric: "service_time",
            differs: None,
            ..latency.clone()
        },
        Trend {
            metric: "connect",
            differs: Some("0 for each request on an open connection"),
            ..latency
        },
    ];
    run
}

#[test]
fn rows_per_second_come_from_whichever_metric_each_run_has_them_for() {
    let mut ours = minute("a", 1, 0);
    assert!(
        ours.trends
            .iter()
            .all(|t| t.metric != "service_time" || t.slices.is_empty())
    );
    let latency = ours.trends[0].clone();
    ours.trends.push(Trend {
        metric: "connect",
        slices: Vec::new(),
        ..latency
    });
    let found = Comparison::new(&[like_k6_points(2), ours]);
    assert_eq!(word(&found, "service_time p50"), Word::NoDifference);
    // A 0 for each open connection on one side alone is no change of the other.
    assert_eq!(word(&found, "connect p50"), Word::Cannot(Why::OtherValues));
}

#[test]
fn a_different_meaning_becomes_a_footnote_of_its_row() {
    let found = Comparison::new(&[minute("a", 1, 0), k6_summary("k6.json")]);
    let notes = &row(&found, "requests_per_second").notes;
    assert_eq!(notes, &[1]);
    assert_eq!(
        found.footnotes[0],
        "B: http_reqs: over the time of the whole test, setup included"
    );
}

#[test]
fn metrics_of_only_some_runs_are_listed() {
    let (a, mut b) = (minute("a", 1, 0), minute("b", 2, 0));
    b.facts.target = Some("http://10.0.0.5\x1b[31m".to_owned());
    b.facts.seed = None;
    b.facts.duration_seconds = Some(58.0);
    let found = Comparison::new(&[a.clone(), b.clone()]);
    let what: Vec<&str> = found.differences.iter().map(|d| d.what).collect();
    assert_eq!(what, ["target"]);
    assert_eq!(
        found.differences[0].values[1].as_deref(),
        Some("http://10.0.0.5\\u{1b}[31m")
    );
    assert_eq!(found.unstated[0].what, "seed");
    b.facts.duration_seconds = Some(50.0);
    let what = Comparison::new(&[a, b]).differences.last().map(|d| d.what);
    assert_eq!(what, Some("duration"));
}

#[test]
fn three_requests_cannot_be_told_apart() {
    let few = |label: &str, ms: f64| {
        let values = Values::Raw(vec![ms, ms + 1.0, ms + 2.0]);
        let rows = minute("", 1, 0).trends[0].slices[..3].to_vec();
        let trends = vec![trend("latency", values, rows)];
        let rate = scalar("requests_per_second", "/s", 1.0, None, Vec::new());
        run(label, RunFacts::default(), trends, vec![rate])
    };
    let found = Comparison::new(&[few("a", 10.0), few("b", 100.0)]);
    assert_eq!(word(&found, "latency p50"), Word::Cannot(Why::TooFew));
    assert_eq!(word(&found, "latency mean"), Word::Cannot(Why::TooFew));
    assert_eq!(word(&found, "requests_per_second"), Word::Cannot(Why::NoTimeline));
    assert!(!names(&found).contains(&"latency p99.9".to_owned()));
}

#[test]
fn the_variance_between_repeats_decides_if_each_side_has_three() {
    let repeated = |label: &str, slower: [u64; 3]| {
        let mut whole = minute(label, 1, slower[1]);
        let each = slower.iter().zip(10..);
        whole.repeats = each
            .map(|(s, seed)| minute(label, seed + slower[1], *s))
            .collect();
        whole
    };
    let (a, b) = (repeated("a", [0, 5, 10]), repeated("b", [5, 10, 15]));
    let found = Comparison::new(&[a.clone(), b.clone()]);
    assert!(found.repeats);
    // Within each run 5 % is plain to see; between runs that differ by 5 % themselves it is not.
    assert_eq!(word(&found, "latency p95"), Word::NoDifference);
    let single = Comparison::new(&[a.repeats[0].clone(), b.repeats[0].clone()]);
    assert_eq!(
        (single.repeats, word(&single, "latency p95")),
        (false, Word::Worse)
    );
    let alike = Comparison::new(&[repeated("a", [0, 0, 0]), repeated("b", [5, 5, 5])]);
    assert_eq!(word(&alike, "latency p95"), Word::Worse);
    let mut two = b;
    two.repeats.pop();
    assert!(!Comparison::new(&[a, two]).repeats);
}

#[test]
fn a_meaning_that_runs_share_is_noted_once() {
    let found = Comparison::new(&[k6_summary("a"), k6_summary("b")]);
    let iteration = row(&found, "iteration p50");
    let note = &found.footnotes[iteration.notes[0] - 1];
    assert_eq!(
        (iteration.notes.len(), note.as_str()),
        (1, "A, B: iteration_duration: includes think time")
    );
}

#[test]
fn a_time_that_is_zero_in_every_run_has_no_rows() {
    let with_tls = |label: &str, ms: f64| {
        let mut run = minute(label, 1, 0);
        run.trends
            .push(trend("tls", Values::Raw(vec![ms; 100]), Vec::new()));
        run
    };
    let has_tls = |a: f64, b: f64| {
        let found = Comparison::new(&[with_tls("a", a), with_tls("b", b)]);
        found.rows.iter().any(|row| row.metric == "tls")
    };
    assert!(!has_tls(0.0, 0.0) && has_tls(0.0, 1.0));
}

#[test]
fn a_time_that_was_zero_and_is_not_any_more_is_worse_without_a_percentage() {
    let with_connect = |label: &str, ms: f64| {
        let mut run = minute(label, 1, 0);
        run.trends
            .push(trend("connect", Values::Raw(vec![ms; 100]), Vec::new()));
        run
    };
    let found = Comparison::new(&[with_connect("a", 0.0), with_connect("b", 1.0)]);
    let cell = row(&found, "connect p50").cells[0].unwrap();
    assert_eq!(
        (cell.word, cell.change.change, cell.change.shown_interval()),
        (Word::Worse, None, None)
    );
    for row in &found.rows {
        let interval = row.cells[0].unwrap().change.interval;
        assert!(
            interval.is_err() || interval.is_ok_and(|i| i.low <= i.high),
            "{}: {interval:?}",
            row.name()
        );
    }
}
