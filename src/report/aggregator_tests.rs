use super::*;
use crate::metrics::{Outcome, Recorder, Sample, TokenSource};
use crate::units::{MILLISECOND, SECOND};

fn finish(recorder: &mut Recorder, outcome: Outcome, ms: u64) {
    recorder.started(0);
    recorder.finish(&Sample {
        output_tokens: 3,
        token_source: TokenSource::Events,
        ..Sample::ended(outcome, ms * MILLISECOND)
    });
}

#[test]
fn a_row_has_the_figures_of_all_cores_since_the_last_tick() {
    let mut aggregator = Aggregator::new(2, 1);
    let mut cores = [0, 1].map(|core| Recorder::new(core, 1, false));
    for second in 1..=3 {
        for (core, recorder) in cores.iter_mut().enumerate() {
            for _ in 0..second {
                finish(recorder, Outcome::Ok, 10 + core as u64);
            }
            finish(recorder, Outcome::Reset, 5);
            recorder.counters().set_vus_running(second + core as u64);
            let snapshot = recorder.take(Snapshot::new(0, 1, false));
            aggregator.append_snapshot(&snapshot);
        }
        aggregator.tick(second * SECOND, 2 * second);
    }
    let rows = aggregator.timeline();
    let requests: Vec<u64> = rows.iter().map(|r| r.requests).collect();
    assert_eq!(requests, [4, 6, 8]);
    assert_eq!((rows[2].errors, rows[2].output_tokens), (2, 24));
    assert_eq!((rows[2].vus_planned, rows[2].vus_running), (6, 7));
    assert_eq!((rows[2].latency.count, rows[2].ttft.count), (8, 0));
    assert_eq!(rows[2].latency.p99, Some(11 * MILLISECOND));
    assert_eq!(aggregator.merged().ledger(&[], true).imbalance(), [""; 0]);
}

#[test]
fn peaks_are_the_largest_sum_of_one_second() {
    let mut aggregator = Aggregator::new(2, 0);
    let mut cores = [0, 1].map(|core| Recorder::new(core, 0, false));
    // Each core has 5 VUs once, but never in the same second: 6 at most.
    for (second, vus) in [[1, 1], [5, 1], [1, 1], [1, 5], [0, 0]].into_iter().enumerate() {
        for (core, recorder) in cores.iter_mut().enumerate() {
            recorder.counters().set_vus_running(vus[core]);
            recorder.counters().set_connections_open(2 * vus[core]);
            aggregator.append_snapshot(&recorder.take(Snapshot::new(0, 0, false)));
        }
        aggregator.tick((second as u64 + 1) * SECOND, 0);
    }
    // The peak of an interval starts at the gauge it inherits, so 5 and 1 may occur together.
    assert_eq!(aggregator.peak_vus(), 6);
    assert_eq!(aggregator.peak_connections(), 12);
}

#[test]
fn a_tick_that_does_not_advance_still_closes_a_row_so_that_rows_add_up() {
    let mut aggregator = Aggregator::new(1, 1);
    let mut recorder = Recorder::new(0, 1, false);
    for elapsed in [SECOND, SECOND, SECOND / 2] {
        finish(&mut recorder, Outcome::Ok, 1);
        aggregator.append_snapshot(&recorder.take(Snapshot::new(0, 1, false)));
        aggregator.tick(elapsed, 0);
    }
    let rows = aggregator.timeline();
    assert_eq!(rows.iter().map(|r| r.requests).sum::<u64>(), 3);
    assert!(rows.is_sorted_by(|a, b| a.elapsed < b.elapsed));
}
