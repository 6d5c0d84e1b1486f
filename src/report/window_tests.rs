use super::*;
use crate::units::SECOND;

/// Ticks each second from 1 to `seconds`; second n has `per_second` requests of n milliseconds.
fn window(seconds: u64, per_second: u64) -> Sliding<Slot> {
    let mut window = Sliding::new();
    let mut slot = Slot::default();
    for second in 1..=seconds {
        slot.requests = per_second;
        slot.completed = per_second;
        slot.output_tokens = 2 * per_second;
        for _ in 0..per_second {
            slot.latency.record(second * 1_000_000);
            slot.reap_lag.record(second * 1_000);
        }
        slot = window.push(slot, second * SECOND).unwrap_or_default();
        slot.reset();
        assert!(slot.latency.is_empty() && slot.reap_lag.is_empty() && slot.requests == 0);
    }
    window
}

#[test]
fn the_figures_are_those_of_the_last_ten_seconds() {
    let figures = WindowFigures::from_window(&window(25, 4));
    assert_eq!(figures.requests_per_second, 4.0);
    assert_eq!(figures.output_tokens_per_second, 8.0);
    assert_eq!(figures.latency.min(), Some(16 * 1_000_000));
    assert_eq!(figures.latency.max(), Some(25 * 1_000_000));
    assert_eq!(
        (figures.reap_lag.min(), figures.reap_lag.max()),
        (Some(16_000), Some(25_000))
    );
}

#[test]
fn rates_of_a_young_window_are_over_the_time_it_spans() {
    let figures = WindowFigures::from_window(&window(3, 4));
    assert_eq!(figures.requests_per_second, 4.0);
    assert_eq!(
        WindowFigures::from_window(&Sliding::new()).requests_per_second,
        0.0
    );
}
