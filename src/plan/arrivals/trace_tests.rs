use super::*;
use crate::units::MILLISECOND;

const WHOLE: Window = Window { from: 0, to: None };

fn once(end: Nanos) -> Replay {
    Replay {
        scale: 1.0,
        rounds: Some(1),
        end,
    }
}

fn replayed(rows: TraceRows, replay: Replay) -> Vec<(u64, Nanos)> {
    let sequence = TraceSequence::new(Arc::new(rows), replay);
    sequence.map(|arriving| (arriving.number, arriving.due)).collect()
}

fn seconds(instants: &[u64]) -> Vec<Nanos> {
    instants.iter().map(|at| at * SECOND).collect()
}

/// Makes the rows of a dataset that has these instants.
fn rows_of(instants: &[Nanos], window: Window, spread: (Nanos, u64)) -> TraceRows {
    let at = |number: u32| Some(instants[number as usize]);
    TraceRows::new(instants.len() as u32, &at, window, spread)
}

#[test]
fn the_first_instant_is_the_start_and_rows_of_one_instant_keep_their_order() {
    let rows = rows_of(&seconds(&[100, 103, 103, 109]), WHOLE, (0, 1));
    assert_eq!(
        (rows.unsorted(), rows.span(), rows.length()),
        (0, 9 * SECOND, 12 * SECOND)
    );
    let found = replayed(rows, once(Nanos::MAX));
    assert_eq!(found, [(0, 0), (1, 3 * SECOND), (2, 3 * SECOND), (3, 9 * SECOND)]);
}

#[test]
fn rows_that_are_not_in_order_arrive_when_they_say_with_their_own_numbers() {
    let rows = rows_of(&seconds(&[5, 9, 4, 9]), WHOLE, (0, 1));
    assert_eq!(rows.unsorted(), 1);
    let found = replayed(rows, once(Nanos::MAX));
    assert_eq!(found, [(2, 0), (0, SECOND), (1, 5 * SECOND), (3, 5 * SECOND)]);
}

#[test]
fn a_window_begins_at_its_start_and_ends_before_its_end() {
    let window = Window {
        from: 2 * SECOND,
        to: Some(6 * SECOND),
    };
    let rows = rows_of(&seconds(&[10, 12, 15, 16, 20]), window, (0, 1));
    assert_eq!((rows.len(), rows.all(), rows.length()), (2, 5, 4 * SECOND));
    assert_eq!(replayed(rows, once(Nanos::MAX)), [(1, 0), (2, 3 * SECOND)]);
    let late = Window {
        from: 11 * SECOND,
        to: None,
    };
    assert!(rows_of(&seconds(&[10, 20]), late, (0, 1)).is_empty());
}

#[test]
fn a_scale_stretches_the_gaps_and_rounds_go_on_with_new_numbers() {
    let rows = rows_of(&seconds(&[0, 1, 4]), WHOLE, (0, 1));
    // One mean gap of 2 s lies between the last row and the first of the next round.
    let replay = Replay {
        scale: 0.5,
        rounds: Some(2),
        end: Nanos::MAX,
    };
    let half = SECOND / 2;
    assert_eq!(
        replayed(rows.clone(), replay),
        [
            (0, 0),
            (1, half),
            (2, 4 * half),
            (3, 6 * half),
            (4, 7 * half),
            (5, 10 * half)
        ]
    );
    let endless = Replay {
        rounds: None,
        end: 100 * SECOND,
        ..replay
    };
    let found = replayed(rows, endless);
    // A round lasts 3 s; the last begins at 99 s and has two rows before the end.
    assert_eq!(
        (found.len(), found[found.len() - 1]),
        (101, (100, 99 * SECOND + half))
    );
}

#[test]
fn a_spread_moves_each_row_within_its_quantum_and_keeps_the_order_of_a_stamp() {
    let stamps: Vec<Nanos> = (0..3_000).map(|n| n / 10 * 3 * SECOND).collect();
    let spread = |seed| rows_of(&stamps, WHOLE, (3 * SECOND, seed));
    let rows = spread(7);
    assert!(rows.numbers.is_empty(), "whole quanta are apart");
    for (moved, stamp) in rows.instants().iter().zip(&stamps) {
        assert!((*stamp..stamp + 3 * SECOND).contains(moved));
    }
    // The mean of 3,000 even draws from 0 to 3 s varies by 16 ms; four times that is 63 ms.
    let moved: u64 = rows
        .instants()
        .iter()
        .zip(&stamps)
        .map(|(at, stamp)| at - stamp)
        .sum();
    let mean = moved / 3_000;
    assert!(mean.abs_diff(1_500 * MILLISECOND) < 63 * MILLISECOND, "{mean}");
    assert_eq!(spread(7), rows);
    assert_ne!(spread(8), rows);
    // Without a spread the stamps are what they were.
    assert_eq!(rows_of(&stamps, WHOLE, (0, 7)).instants(), stamps);
}

#[test]
fn the_end_of_the_load_ends_the_trace() {
    let rows = rows_of(&seconds(&[0, 1, 2]), WHOLE, (0, 1));
    assert_eq!(replayed(rows, once(2 * SECOND)), [(0, 0), (1, SECOND)]);
    assert_eq!(replayed(TraceRows::default(), once(SECOND)), []);
}

#[test]
fn a_trace_of_one_row_lasts_a_second_per_round() {
    let rows = rows_of(&[77], WHOLE, (0, 1));
    assert_eq!((rows.length(), rows.span()), (SECOND, 0));
    let replay = Replay {
        scale: 1.0,
        rounds: Some(3),
        end: Nanos::MAX,
    };
    assert_eq!(replayed(rows, replay), [(0, 0), (1, SECOND), (2, 2 * SECOND)]);
}
