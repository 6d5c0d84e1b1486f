use super::*;
use crate::metrics::{Answer, Cause, FinishWord, Merged, Outcome, TokenSource};
use crate::units::{MILLISECOND, SECOND};

/// Returns a streamed request with all times that it can have, in milliseconds: due 0, sent 1, first byte 3, first
/// token 10, last token 50, done 51; 21 tokens.
fn sample(outcome: Outcome) -> Sample {
    Sample {
        vu: 4,
        iteration: 9,
        sent: Some(MILLISECOND),
        first_byte: Some(3 * MILLISECOND),
        first_event: Some(4 * MILLISECOND),
        first_token: Some(10 * MILLISECOND),
        first_answer: Some(20 * MILLISECOND),
        last_token: Some(50 * MILLISECOND),
        schedule_lag: MILLISECOND / 2,
        output_tokens: 21,
        tokens_at_first: 1,
        token_source: TokenSource::Server,
        ..Sample::ended(outcome, 51 * MILLISECOND)
    }
}

/// Returns the exact value of the only sample of a metric, in microseconds.
fn only(totals: &SeriesTotals, id: MetricId) -> Option<u64> {
    assert!(totals.metric(id).offered() <= 1);
    totals.metric(id).max().map(|ns| ns / 1000)
}

fn finished(sample: Sample) -> Box<Snapshot> {
    let mut recorder = Recorder::new(0, 1, false);
    recorder.started(0);
    recorder.finish(&sample);
    recorder.into_snapshot()
}

#[test]
fn an_ok_request_gives_every_metric_that_its_times_allow() {
    let snapshot = finished(sample(Outcome::Ok));
    for (id, us) in [
        (MetricId::Latency, Some(51_000)),
        (MetricId::LatencyOk, Some(51_000)),
        (MetricId::ServiceTime, Some(50_000)),
        (MetricId::Ttfb, Some(2_000)),
        (MetricId::Ttft, Some(10_000)),
        (MetricId::Ttfa, Some(20_000)),
        (MetricId::Tpot, Some(2_000)),
        (MetricId::ScheduleLag, Some(500)),
        (MetricId::Tbt, None),
        (MetricId::Connect, None),
    ] {
        assert_eq!(only(&snapshot.series[0], id), us, "{}", id.key());
    }
}

#[test]
fn a_failed_request_keeps_its_times_but_is_not_in_latency_ok() {
    let snapshot = finished(sample(Outcome::Truncated));
    let series = &snapshot.series[0];
    assert_eq!(only(series, MetricId::Latency), Some(51_000));
    assert_eq!(only(series, MetricId::LatencyOk), None);
    assert_eq!(only(series, MetricId::Ttft), Some(10_000));
    assert_eq!((series.ok(), series.failed()), (0, 1));
}

#[test]
fn an_interrupted_request_is_a_lower_bound_and_no_latency() {
    let snapshot = finished(Sample {
        done: 7 * SECOND,
        ..sample(Outcome::Interrupted)
    });
    let series = &snapshot.series[0];
    assert_eq!(only(series, MetricId::Latency), None);
    assert_eq!(only(series, MetricId::ServiceTime), None);
    assert_eq!(only(series, MetricId::Ttft), Some(10_000));
    assert_eq!((series.failed(), series.interrupted()), (0, 1));
    assert_eq!(series.interrupted_elapsed_max, 7 * SECOND);
    assert_eq!(series.failed_rate(), None);
}

#[test]
fn a_request_that_was_never_sent_has_only_a_latency() {
    let snapshot = finished(Sample {
        sent: None,
        first_byte: None,
        first_event: None,
        first_token: None,
        first_answer: None,
        last_token: None,
        status: 0,
        ..sample(Outcome::ConnectFailed)
    });
    let series = &snapshot.series[0];
    let offered: Vec<&str> = crate::metrics::METRICS
        .iter()
        .filter(|m| !series.metric(m.id).is_empty())
        .map(|m| m.key)
        .collect();
    assert_eq!(offered, ["latency"]);
    assert_eq!(series.by_status().iter().count(), 0);
}

#[test]
fn tokens_of_one_read_have_no_time_per_token() {
    let burst = Sample {
        first_answer: Some(10 * MILLISECOND),
        last_token: Some(10 * MILLISECOND),
        ..sample(Outcome::Ok)
    };
    assert_eq!(only(&finished(burst).series[0], MetricId::Tpot), None);
    let single = Sample {
        output_tokens: 1,
        ..sample(Outcome::Ok)
    };
    assert_eq!(only(&finished(single).series[0], MetricId::Tpot), None);
}

#[test]
fn details_past_their_maximum_are_counted_as_lost() {
    let mut recorder = Recorder::new(0, 1, true);
    for _ in 0..DETAILS_PER_SNAPSHOT_MAX + 3 {
        recorder.started(0);
        recorder.finish(&sample(Outcome::Ok));
    }
    let fresh = Snapshot::new(0, 1, true);
    let capacity = fresh.details.capacity();
    let full = recorder.take(fresh);
    assert_eq!(full.details.len(), DETAILS_PER_SNAPSHOT_MAX);
    assert_eq!(full.counters.details_lost, 3);
    assert_eq!(full.details.capacity(), capacity);
    assert_eq!(recorder.into_snapshot().counters.details_lost, 0);
}

#[test]
fn details_are_due_at_half_of_their_room_so_that_any_number_of_them_fits() {
    let mut recorder = Recorder::new(0, 1, true);
    let mut empty = Some(Snapshot::new(0, 1, true));
    let mut kept = 0;
    // Four times the room, and nobody takes a snapshot by the clock.
    for n in 1..=4 * DETAILS_PER_SNAPSHOT_MAX {
        recorder.started(0);
        recorder.finish(&sample(Outcome::Ok));
        assert_eq!(
            recorder.details_due(),
            n % (DETAILS_PER_SNAPSHOT_MAX / 2) == 0,
            "{n}"
        );
        if recorder.details_due() {
            let mut full = recorder.take(empty.take().unwrap());
            kept += full.details.len();
            assert_eq!(full.counters.details_lost, 0);
            full.reset();
            empty = Some(full);
        }
    }
    assert_eq!(kept, 4 * DETAILS_PER_SNAPSHOT_MAX);
    let mut without = Recorder::new(0, 1, false);
    without.started(0);
    without.finish(&sample(Outcome::Ok));
    assert!(!without.details_due());
}

#[test]
fn gaps_are_kept_request_by_request_and_one_without_room_is_lost_with_its_request() {
    let mut recorder = Recorder::new(0, 1, true);
    let mut record = |gaps: &[Nanos]| {
        recorder.started(0);
        recorder.finish_with_gaps(&sample(Outcome::Ok), gaps);
        recorder.details_due()
    };
    assert!(!record(&[1, 2]));
    assert!(!record(&[]));
    assert!(record(&vec![7; GAPS_PER_SNAPSHOT_MAX / 2]));
    assert!(
        record(&vec![8; GAPS_PER_SNAPSHOT_MAX / 2]),
        "there is no room for its gaps"
    );
    assert!(record(&[3]));
    let mut full = recorder.take(Snapshot::new(0, 1, true));
    assert_eq!((full.details.len(), full.counters.details_lost), (4, 1));
    assert_eq!(
        (full.gaps[..3].to_vec(), full.gaps.last()),
        (vec![1, 2, 7], Some(&3))
    );
    full.reset();
    assert!(full.gaps.is_empty());
}

#[test]
fn a_snapshot_comes_back_reset_over_a_channel_and_is_used_again() {
    let (full_tx, full_rx) = crossbeam_channel::bounded::<Box<Snapshot>>(1);
    let (empty_tx, empty_rx) = crossbeam_channel::bounded::<Box<Snapshot>>(1);
    empty_tx.send(Snapshot::new(0, 1, false)).unwrap();
    let mut recorder = Recorder::new(0, 1, false);
    let mut merged = Merged::new(1, 1);
    for second in 1..=5 {
        recorder.started(0);
        recorder.finish(&sample(Outcome::Ok));
        recorder.started(0);
        full_tx.send(recorder.take(empty_rx.recv().unwrap())).unwrap();
        let mut full = full_rx.recv().unwrap();
        merged.append_snapshot(&full);
        assert_eq!(merged.in_flight(), second);
        full.reset();
        assert!(full.is_empty());
        empty_tx.send(full).unwrap();
    }
    assert_eq!(merged.total.ok(), 5);
    assert_eq!(merged.ledger(&[], false).imbalance(), [""; 0]);
}

#[test]
#[should_panic(expected = "times out of order")]
fn times_out_of_order_are_a_bug() {
    finished(Sample {
        done: 1,
        ..sample(Outcome::Ok)
    });
}

/// 21 tokens in 40 ms, of which 5 were there at the first instant.
#[test]
fn time_per_token_covers_the_tokens_after_the_first_instant() {
    let tpot = |tokens_at_first| {
        let snapshot = finished(Sample {
            tokens_at_first,
            ..sample(Outcome::Ok)
        });
        only(&snapshot.series[0], MetricId::Tpot)
    };
    assert_eq!([0, 1, 5].map(tpot), [Some(2_000), Some(2_000), Some(2_500)]);
    assert_eq!([21, 22].map(tpot), [None, None]);
}

#[test]
fn the_facts_about_an_answer_are_counted() {
    let mut recorder = Recorder::new(0, 1, false);
    let finish = |word: &[u8]| Some(FinishWord::of(word));
    for (outcome, answer) in [
        (
            Outcome::Ok,
            Answer {
                finish: finish(b"stop"),
                without_text: true,
                ..Answer::default()
            },
        ),
        (
            Outcome::BadFinish,
            Answer {
                finish: finish(b"abort"),
                untyped: true,
                ..Answer::default()
            },
        ),
        (
            Outcome::Truncated,
            Answer {
                cause: Some(Cause::DoneWithoutFinish),
                ..Answer::default()
            },
        ),
    ] {
        recorder.started(0);
        recorder.finish(&Sample {
            answer,
            ..sample(outcome)
        });
    }
    let snapshot = recorder.into_snapshot();
    let series = &snapshot.series[0];
    assert_eq!((series.ok(), series.failed()), (1, 2));
    assert_eq!((series.ok_without_text, series.tokens_without_text), (1, 21));
    assert_eq!(series.untyped_streams, 1);
    let words = series.by_finish();
    let words: Vec<_> = words.iter().map(|(word, n)| (word.as_str(), *n)).collect();
    assert_eq!(words, [("abort", 1), ("stop", 1)]);
    let caused = Cause::ALL.map(|cause| series.cause(cause));
    assert_eq!(
        (series.cause(Cause::DoneWithoutFinish), caused.iter().sum::<u64>()),
        (1, 1)
    );
}

#[test]
fn requests_that_end_after_the_load_are_counted_apart_from_its_earliest_end() {
    let mut recorder = Recorder::new(0, 1, false);
    let done = sample(Outcome::Ok).done;
    let mut finish = |end, outcome, at| {
        recorder.end_load(end);
        recorder.started(0);
        recorder.finish(&Sample {
            done: at,
            ..sample(outcome)
        });
    };
    finish(Nanos::MAX, Outcome::Ok, done);
    finish(done + 5, Outcome::Ok, done + 5);
    finish(done + 9, Outcome::Ok, done + 6);
    finish(done + 9, Outcome::Http503, done + 7);
    finish(done + 9, Outcome::Interrupted, done + 8);
    let snapshot = recorder.into_snapshot();
    let series = &snapshot.series[0];
    assert_eq!((series.ok(), series.failed(), series.interrupted()), (3, 1, 1));
    assert_eq!((series.after_load.ok, series.after_load.failed), (1, 1));
    assert!(series.after_load.output_tokens <= series.output_tokens);
}

#[test]
fn a_request_belongs_to_the_phase_in_which_it_was_due() {
    let mut recorder = Recorder::of_phases(0, 2, true, false);
    recorder.hold(vec![[10, 20], [30, 40]]);
    let slots = [0, 9, 10, 19, 20, 29, 30, 39, 40].map(|due| recorder.slot(1, due));
    assert_eq!(slots, [1, 1, 3, 3, 1, 1, 3, 3, 1]);
    for due in [5, 15, 35] {
        let slot = recorder.slot(1, due);
        recorder.started(slot);
        recorder.gap(slot, MILLISECOND);
        recorder.finish(&Sample {
            series: 1,
            due,
            sent: Some(due),
            gaps: 1,
            ..Sample::ended(Outcome::Ok, due + 100)
        });
    }
    let snapshot = recorder.into_snapshot();
    let mut merged = Merged::new(1, 2);
    merged.append_snapshot(&snapshot);
    let phases = merged.phases.unwrap();
    assert_eq!((phases.ramp.started, phases.ramp.ok()), (1, 1));
    assert_eq!((phases.steady[0].started, phases.steady[1].ok()), (0, 2));
    assert_eq!(phases.steady[1].metric(MetricId::Tbt).offered(), 2);
    assert_eq!((merged.series[1].ok(), merged.total.ok()), (3, 3));
    assert_eq!(merged.total.metric(MetricId::Latency).offered(), 3);
}

#[test]
fn without_phases_every_request_is_in_the_only_set_of_figures() {
    let mut recorder = Recorder::new(0, 2, false);
    recorder.hold(vec![[0, 1_000]]);
    assert_eq!(recorder.slot(1, 500), 1);
    let mut merged = Merged::new(1, 2);
    merged.append_snapshot(&recorder.into_snapshot());
    assert!(merged.phases.is_none());
}
