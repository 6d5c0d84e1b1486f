//! Tests that figures are the same whether they were split and merged or never split.

use crate::metrics::{
    Answer, Cause, CoreCounters, FinishWord, METRICS, Merged, MetricId, Outcome, RankSnapshot,
    ReceivedSnapshot, Recorder, Sample, SeriesTotals, Snapshot, TokenSource,
};
use crate::units::{MICROSECOND, SECOND};
use proptest::prelude::*;

const SERIES: u16 = 3;

/// The figures that the engine would record for one request.
#[derive(Clone, Debug)]
struct Request {
    sample: Sample,
    gaps: Vec<u64>,
    connect: Option<u64>,
    bytes: u64,
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let times = prop::collection::vec(0..20 * SECOND, 6);
    let gaps = prop::collection::vec(0..SECOND, 0..20);
    let request = (0..SERIES, 0..Outcome::COUNT, times, gaps, any::<u16>(), 0u8..4);
    let build = |(series, outcome, steps, gaps, small, kind): (u16, usize, Vec<u64>, _, u16, u8)| {
        let mut at = u64::from(small);
        let mut next = |i: usize| {
            at += steps[i];
            at
        };
        // Some requests take more than an hour.
        let due = next(0);
        let seen = kind > 0;
        Request {
            sample: Sample {
                vu: u32::from(small),
                iteration: u64::from(small),
                series,
                half: None,
                turn: 0,
                outcome: Outcome::ALL[outcome],
                status: if seen { 100 + small % 500 } else { 0 },
                due,
                sent: seen.then(|| next(1)),
                connecting: 0,
                first_byte: seen.then(|| next(2)),
                first_event: None,
                first_token: (kind > 1).then(|| next(3)),
                first_answer: (kind > 1).then(|| next(3)),
                first_thought: None,
                first_call: None,
                last_token: (kind > 1).then(|| next(4)),
                done: next(5) + if small % 17 == 0 { 4_000 * SECOND } else { 0 },
                schedule_lag: u64::from(small),
                queue_wait: (small % 3 == 0).then(|| u64::from(small % 5)),
                asked: Default::default(),
                prompt_tokens: (small % 2 == 0).then_some(small.into()),
                cached_tokens: (small % 4 == 0).then_some(small.into()),
                reasoning_tokens: None,
                output_tokens: u32::from(small % 7),
                tokens_at_first: 0,
                gaps: 0,
                token_source: [TokenSource::Server, TokenSource::Events, TokenSource::None]
                    [usize::from(small % 3)],
                server_prompt: (kind > 1).then(|| u64::from(small) * MICROSECOND),
                server_decode: (kind == 3).then(|| u64::from(small) * SECOND),
                answer: Answer {
                    finish: (kind > 1).then(|| FinishWord::of(format!("word {}", small % 9).as_bytes())),
                    cause: (small % 3 == 0).then(|| Cause::ALL[usize::from(small) % Cause::COUNT]),
                    without_text: small % 5 == 0,
                    untyped: small % 7 == 0,
                },
                chosen_to_cancel: false,
                good: [None, Some(true), Some(false)][usize::from(small % 3)],
            },
            gaps,
            connect: (kind == 3).then_some(u64::from(small) * MICROSECOND),
            bytes: u64::from(small),
        }
    };
    prop::collection::vec(request.prop_map(build), 0..60)
}

fn record(recorder: &mut Recorder, request: &Request) {
    let series = request.sample.series;
    recorder.started(series);
    for gap in &request.gaps {
        recorder.gap(series, *gap);
    }
    if let Some(ns) = request.connect {
        recorder.connect(series, ns);
    }
    recorder.counters().bytes_received += request.bytes;
    recorder.reap_lag(request.bytes);
    recorder.finish(&request.sample);
}

/// Distributes the requests over `cores` recorders, each of which hands out a snapshot every few requests.
fn snapshots(requests: &[Request], cores: u16) -> Vec<Snapshot> {
    let mut out = Vec::new();
    for core in 0..cores {
        let mut recorder = Recorder::new(core, usize::from(SERIES), false);
        let mine = requests
            .iter()
            .skip(usize::from(core))
            .step_by(usize::from(cores));
        for (i, request) in mine.enumerate() {
            record(&mut recorder, request);
            if i % 5 == 4 {
                out.push(*recorder.take(Snapshot::new(core, usize::from(SERIES), false)));
            }
        }
        out.push(*recorder.into_snapshot());
    }
    out
}

fn merge(snapshots: &[Snapshot], cores: u16) -> Merged {
    let mut merged = Merged::new(usize::from(cores), usize::from(SERIES));
    for snapshot in snapshots {
        merged.append_snapshot(snapshot);
    }
    merged
}

/// Returns a text with everything about a series, including the bytes of its histograms.
fn fingerprint(s: &SeriesTotals) -> String {
    let mut text = format!("{} {} {:?}", s.started, s.output_tokens, s.by_status());
    text += &format!(" {} {}", s.interrupted_elapsed_sum, s.interrupted_elapsed_max);
    text += &format!(" {} {}", s.server_prompt_over, s.server_decode_over);
    for source in [TokenSource::Server, TokenSource::Events, TokenSource::None] {
        text += &format!(" {}", s.token_source(source));
    }
    for outcome in Outcome::ALL {
        text += &format!(" {}", s.outcome(outcome));
    }
    for metric in &METRICS {
        let d = s.metric(metric.id);
        let encoded = d.to_v2_compressed_base64();
        text += &format!("\n{} {d:?} {} {encoded}", metric.key, d.sum_ns());
        let failed = s.failed_metric(metric.id);
        text += &format!(" {failed:?} {}", failed.sum_ns());
    }
    text
}

fn fingerprints(merged: &Merged) -> Vec<String> {
    let mut all: Vec<String> = merged.series.iter().map(fingerprint).collect();
    all.push(fingerprint(&merged.total));
    all.push(format!("{:?}", merged.counters()));
    all.push(merged.reap_lag().to_v2_compressed_base64());
    all
}

proptest! {
    // Each case encodes some 400 histograms: a second in a debug build.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn one_two_four_and_eight_parts_in_any_order_merge_to_the_same_figures(
        requests in requests(),
        keys in prop::collection::vec(any::<u32>(), 64),
    ) {
        let whole = merge(&snapshots(&requests, 1), 1);
        assert_eq!(whole.ledger(&[], true).imbalance(), [""; 0]);
        prop_assert_eq!(whole.total.started, requests.len() as u64);
        for cores in [1, 2, 4, 8] {
            let mut parts = snapshots(&requests, cores);
            for round in 0..2 {
                let merged = merge(&parts, cores);
                assert_eq!(merged.ledger(&[], true).imbalance(), [""; 0]);
                prop_assert_eq!(fingerprints(&merged), fingerprints(&whole), "{} cores", cores);
                let mut key = keys.iter().cycle().skip(round);
                parts.sort_by_cached_key(|_| *key.next().expect("a cycle"));
            }
        }
    }

    #[test]
    fn the_snapshots_of_processes_merge_to_the_figures_of_one(requests in requests()) {
        let whole = merge(&snapshots(&requests, 1), 1);
        for ranks in [1, 3] {
            let mut parts: Vec<RankSnapshot> = Vec::new();
            for mut each in snapshots(&requests, ranks * 2) {
                let rank = usize::from(each.core) / 2;
                each.core %= 2;
                parts.resize_with(parts.len().max(rank + 1), || RankSnapshot::new(2, usize::from(SERIES), false));
                parts[rank].append_snapshot(&each);
            }
            let mut merged = Merged::new(0, usize::from(SERIES));
            for (rank, part) in parts.iter().enumerate() {
                let text = serde_json::to_string(part).unwrap();
                let received: ReceivedSnapshot = serde_json::from_str(&text).unwrap();
                merged.append_rank(2 * rank, &received.checked(part).unwrap());
            }
            prop_assert_eq!(fingerprints(&merged), fingerprints(&whole), "{} ranks", ranks);
        }
    }

    #[test]
    fn failed_values_and_the_rest_are_all_values(requests in requests()) {
        let merged = merge(&snapshots(&requests, 2), 2);
        let failed = requests.iter().filter(|l| l.sample.outcome.is_failure()).count() as u64;
        let latency = MetricId::Latency;
        prop_assert_eq!(merged.total.failed_metric(latency).offered(), failed);
        let rest = merged.total.metric(latency).minus(merged.total.failed_metric(latency));
        let ok = merged.total.metric(MetricId::LatencyOk);
        prop_assert_eq!((rest.offered(), rest.sum_ns()), (ok.offered(), ok.sum_ns()));
        prop_assert!(merged.total.failed_metric(MetricId::Tbt).is_empty());
    }

    #[test]
    fn every_value_offered_is_counted_in_range_or_out_of_it(requests in requests()) {
        let merged = merge(&snapshots(&requests, 2), 2);
        let above: u64 = METRICS.iter().map(|m| merged.total.metric(m.id).above()).sum();
        prop_assert_eq!(merged.counters().out_of_range, above);
        for metric in &METRICS {
            let d = merged.total.metric(metric.id);
            let in_steps: u64 = d.steps().iter().map(|(_, n)| n).sum();
            prop_assert_eq!(in_steps, d.offered());
        }
        let finished = requests.iter().filter(|l| !l.sample.outcome.is_cut()).count();
        prop_assert_eq!(merged.total.metric(METRICS[0].id).offered(), finished as u64);
    }
}

#[test]
fn gauges_are_the_last_value_of_each_core_and_peaks_the_largest() {
    let mut recorder = Recorder::new(0, 0, false);
    recorder.counters().set_vus_running(7);
    recorder.counters().set_vus_running(3);
    recorder.counters().connections_opened += 2;
    let first = recorder.take(Snapshot::new(0, 0, false));
    assert_eq!((first.counters.vus_running, first.counters.vus_peak), (3, 7));
    let second = recorder.into_snapshot();
    assert_eq!((second.counters.vus_running, second.counters.vus_peak), (3, 3));
    assert_eq!(second.counters.connections_opened, 0);
    let mut merged = Merged::new(2, 0);
    merged.append_snapshot(&first);
    merged.append_snapshot(&second);
    let mut other_core = Snapshot::new(1, 0, false);
    other_core.counters.set_vus_running(2);
    merged.append_snapshot(&other_core);
    let CoreCounters {
        vus_running,
        vus_peak,
        connections_opened,
        ..
    } = merged.counters();
    assert_eq!((vus_running, vus_peak, connections_opened), (5, 9, 2));
}
