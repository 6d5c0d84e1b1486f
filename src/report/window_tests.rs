use super::*;

/// A tick each second from 1 to `seconds`, with `per_second` requests of as many milliseconds as the second.
fn window(seconds: u64, per_second: u64, jitter: Nanos) -> Window {
    let mut window = Window::new();
    let mut slot = Slot::default();
    for second in 1..=seconds {
        slot.requests = per_second;
        slot.completed = per_second;
        slot.output_tokens = 2 * per_second;
        for _ in 0..per_second {
            slot.latency.record(second * 1_000_000);
            slot.reap_lag.record(second * 1_000);
        }
        slot = window.push(slot, second * SECOND + jitter * (second % 3));
        assert!(slot.latency.is_empty() && slot.reap_lag.is_empty() && slot.requests == 0);
        assert!(window.slots.len() <= SLOTS_MAX);
    }
    window
}

#[test]
fn the_window_holds_the_last_ten_seconds() {
    let figures = window(25, 4, 0).figures();
    assert_eq!((figures.span, figures.completed), (WINDOW, 40));
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
fn a_young_window_spans_what_there_is() {
    let figures = window(3, 4, 0).figures();
    assert_eq!((figures.span, figures.requests_per_second), (3 * SECOND, 4.0));
    assert_eq!(Window::new().figures().requests_per_second, 0.0);
}

#[test]
fn late_ticks_do_not_shorten_the_window() {
    for seconds in 12..30 {
        let slots = window(seconds, 1, SECOND / 100).slots.len();
        assert_eq!(slots, 10, "{seconds} s");
    }
}

#[test]
fn ticks_that_come_too_often_are_bounded() {
    let mut window = Window::new();
    for tick in 1..1000 {
        window.push(Slot::default(), tick * SECOND / 100);
    }
    assert_eq!(window.slots.len(), SLOTS_MAX);
}
