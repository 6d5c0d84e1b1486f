use super::*;
use crate::plan::executor::tests::open;
use crate::plan::{Arrival, Arriving, Shard, parse_rounds, parse_window};

/// Makes a trace of these instants, in seconds.
fn trace(instants: &[u64], settings: TraceSettings) -> Trace {
    let mut trace = Trace::new(settings, open(Arrival::Constant));
    let at = |number: u32| Some(instants[number as usize] * SECOND);
    trace.take_rows(instants.len() as u32, &at, 1);
    trace
}

fn plain(instants: &[u64]) -> Trace {
    trace(instants, TraceSettings::default())
}

fn all(executor: &Executor, shards: u32, cores: u32) -> Vec<Arriving> {
    let mut out = Vec::new();
    for shard in 0..shards {
        for core in 0..cores {
            let shard = Shard::new(shard, shards).unwrap();
            out.extend(executor.arrivals(7, shard, (core, cores)).unwrap());
        }
    }
    out.sort_unstable_by_key(|arriving| (arriving.due, arriving.number));
    out
}

#[test]
fn the_rows_are_the_same_on_any_number_of_cores_and_shards() {
    let instants: Vec<u64> = (0..1_000).map(|n| n * 7 % 600).collect();
    let settings = TraceSettings {
        spread: 3 * SECOND,
        time_scale: 0.25,
        rounds: Rounds::Times(2),
        ..TraceSettings::default()
    };
    let executor = Executor::Trace(trace(&instants, settings));
    let whole = all(&executor, 1, 1);
    assert_eq!(whole.len(), 2_000);
    for (shards, cores) in [(1, 2), (1, 4), (4, 1), (3, 2)] {
        assert_eq!(
            all(&executor, shards, cores),
            whole,
            "{shards} shards, {cores} cores"
        );
    }
}

#[test]
fn a_trace_lasts_as_long_as_its_rows_and_a_gap() {
    assert_eq!(plain(&[0, 1, 4]).duration(), 6 * SECOND);
    let mut twice_as_fast = plain(&[0, 1, 4]);
    twice_as_fast.scale_time(0.5);
    assert_eq!(twice_as_fast.duration(), 3 * SECOND);
    assert_eq!(twice_as_fast.until(2 * SECOND).duration(), 2 * SECOND);
    assert_eq!(twice_as_fast.until(9 * SECOND).duration(), 3 * SECOND);
    assert_eq!(twice_as_fast.repeated_until(9 * SECOND).duration(), 9 * SECOND);
}

#[test]
fn the_planned_rate_is_that_of_each_minute() {
    // 30 rows in the first minute, none in the second, 60 in the third.
    let instants: Vec<u64> = (0..30).map(|n| 2 * n).chain(120..180).collect();
    let window = Window {
        from: 0,
        to: Some(3 * MINUTE),
    };
    let settings = TraceSettings {
        window,
        rounds: Rounds::Times(2),
        ..TraceSettings::default()
    };
    let mut trace = trace(&instants, settings);
    let rates = |trace: &Trace| -> Vec<(Nanos, f64)> {
        let curve = trace.curve();
        curve
            .parts()
            .map(|(end, rates)| (end / SECOND, rates[0]))
            .collect()
    };
    let once = [(60, 0.5), (120, 0.0), (180, 1.0)];
    let twice = once.map(|(end, rate)| (end + 180, rate));
    assert_eq!(rates(&trace), [once, twice].concat());
    trace.scale_time(0.5);
    assert_eq!(rates(&trace)[..3], [(30, 1.0), (60, 0.0), (90, 2.0)]);
    let curve = trace.curve();
    assert_eq!((curve.end(), curve.area().round()), (3 * MINUTE, 180.0));
}

#[test]
fn more_minutes_than_a_table_has_rows_are_one_rate() {
    let instants: Vec<u64> = (0..100).collect();
    let settings = TraceSettings {
        time_scale: 0.001,
        rounds: Rounds::Times(10_000),
        ..TraceSettings::default()
    };
    let trace = trace(&instants, settings);
    assert_eq!(trace.curve().parts().len(), 1);
    assert_eq!(trace.curve().area().round(), 1_000_000.0);
    // 16,667 minutes of the trace, in rows of 12.
    assert_eq!(trace.pace_row(), 12 * MINUTE);
}

#[test]
fn a_rate_is_reached_by_the_time_scale() {
    let trace = plain(&[0, 2, 4, 6]);
    assert_eq!(trace.mean_rate(), 0.5);
    let faster = Executor::Trace(trace).at_rate(2.0, 20 * SECOND);
    assert_eq!(all(&faster, 1, 1).len(), 40);
    let Executor::Trace(faster) = faster else { panic!() };
    assert_eq!(faster.settings.time_scale, 0.25);
}

#[test]
fn a_load_ends_with_the_session_that_goes_on_for_longest_at_each_scale() {
    // Rows 3 to 5 follow the three that arrive.
    let delays = [30, 5, 20];
    let followers = (0..).zip(delays).map(|(after, delay)| Follower {
        after,
        row: after + 3,
        delay: delay * SECOND,
    });
    for (time_scale, delay_scale, seconds) in [(1.0, 1.0, 40), (1.0, 3.0, 90), (10.0, 1.0, 220)] {
        let settings = TraceSettings {
            time_scale,
            delay_scale,
            window: parse_window("..21s").unwrap(),
            ..TraceSettings::default()
        };
        let mut trace = trace(&[0, 10, 20], settings);
        trace.take_followers(followers.clone().collect());
        assert_eq!(trace.following(), 3);
        assert_eq!(trace.duration(), seconds * SECOND, "{time_scale} {delay_scale}");
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_with_what_to_change() {
    let wrong = |trace: &Trace| -> Vec<String> {
        let reasons = trace.mistakes().into_iter();
        reasons.map(|reason| reason.to_string()).collect()
    };
    assert!(wrong(&plain(&[0, 5])).is_empty());
    let late = TraceSettings {
        window: parse_window("10m..20m").unwrap(),
        ..TraceSettings::default()
    };
    let found = wrong(&trace(&[0, 5], late));
    assert!(found[0].contains("no row of the trace is within the window 10m..20m: it ends after 5s"));
    let endless = TraceSettings {
        rounds: Rounds::UntilEnd,
        ..TraceSettings::default()
    };
    assert!(wrong(&trace(&[0, 5], endless))[0].contains("is repeated until the end"));
    let week = wrong(&plain(&[0, 7 * 24 * 3_600]));
    assert!(week[0].contains("longer than the limit of 24h"), "{week:?}");
    assert!(wrong(&plain(&[]))[0].contains("the trace has no row"));
}

#[test]
fn windows_and_rounds_are_read_as_people_write_them() {
    let window = |from: u64, to: Option<u64>| Window {
        from: from * MINUTE,
        to: to.map(|to| to * MINUTE),
    };
    for (text, expected) in [
        ("10m..20m", window(10, Some(20))),
        ("10m-20m", window(10, Some(20))),
        ("10m..", window(10, None)),
        ("..20m", window(0, Some(20))),
        ("60..120", window(1, Some(2))),
        ("..", Window::default()),
    ] {
        assert_eq!(parse_window(text), Ok(expected), "{text}");
        assert_eq!(parse_window(&expected.to_string()), Ok(expected), "{text}");
    }
    // Twenty seconds are before ten minutes.
    for text in ["10m", "", "a..b", "10m..20", "20m..10m", "5m..5m"] {
        assert!(parse_window(text).is_err(), "{text}");
    }
    assert_eq!(parse_rounds("3"), Ok(Rounds::Times(3)));
    assert_eq!(parse_rounds("true"), Ok(Rounds::UntilEnd));
    for text in ["0", "-1", "1.5", "often", "", "1000001"] {
        assert!(parse_rounds(text).is_err(), "{text}");
    }
}

#[test]
fn a_trace_says_in_words_what_it_does() {
    let settings = TraceSettings {
        window: parse_window("1s..3s").unwrap(),
        time_scale: 2.0,
        rounds: Rounds::Times(3),
        spread: SECOND,
        ..TraceSettings::default()
    };
    assert_eq!(
        trace(&[0, 1, 2, 3], settings).in_words(),
        "a trace of 2 requests, for 12s (window 1s..3s, time scale 2, 3 times, spread within 1s)"
    );
}
