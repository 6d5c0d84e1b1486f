use crate::calibration::{CALIBRATION_SCHEMA, CalibratedHost, Calibration, Capacity, Condition};
use crate::calibration::{budget, meaning, read, text};
use crate::result::{Client, DifferenceFigures, ErrorFigures, Ordered, sample};

/// Errors of which 99 % are within so many milliseconds.
fn figures(ms: f64) -> DifferenceFigures {
    DifferenceFigures {
        count: 1_000,
        min: Some(-0.0002),
        p50: Some(ms / 4.0),
        p99: Some(ms),
        p999: Some(ms * 2.0),
        max: Some(ms * 3.0),
        within_p50: Some(ms / 4.0),
        within_p99: Some(ms),
        within_p999: Some(ms * 2.0),
        below: None,
        above: None,
    }
}

fn condition(name: &str, busy: f64, delay: f64, ms: f64) -> Condition {
    Condition {
        name: name.to_owned(),
        rate: busy * 40.0,
        requests: 1_000,
        dropped: 0,
        failed: 0,
        events_per_second: busy * 2_000.0,
        busy_percent: busy,
        run_delay_percent: Some(delay),
        coalesced_percent: 0.1,
        cpu_us_per_event: 5.0,
        errors: Some(ErrorFigures {
            arrival: figures(ms),
            ttft: figures(ms),
            gap: figures(ms / 10.0),
            latency: figures(ms),
        }),
    }
}

/// A host whose errors are so large at p99 in each condition.
fn calibration(errors: [f64; 4]) -> Calibration {
    let [idle, half, nearly, hog] = errors;
    Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        duration_seconds: 20.0,
        interrupted: false,
        host: CalibratedHost {
            name: "host".to_owned(),
            kernel: "6.18.0".to_owned(),
            cpu: "Some CPU".to_owned(),
            cpus_allowed: vec![0, 1],
            client_cpu: 0,
            server_cpus: vec![1],
            io: "io_uring".to_owned(),
        },
        versions: Ordered::default(),
        capacity: Capacity {
            events_per_second: Some(200_000.0),
            events_busy_percent: Some(85.0),
            cpu_us_per_event: Some(4.25),
            requests_per_second: Some(5_000.0),
            requests_busy_percent: Some(95.0),
            cpu_us_per_request: Some(190.0),
            memory_bytes_per_user: Some(4_096.0),
            memory_users: Some([10, 2_000]),
        },
        conditions: vec![
            condition("idle", 5.0, 0.0, idle),
            condition("half busy", 50.0, 1.0, half),
            condition("nearly saturated", 85.0, 4.0, nearly),
            condition("hog on the core", 48.0, 45.0, hog),
        ],
        words: Vec::new(),
    }
}

/// A run whose busiest worker had this strain.
fn client(busy: f64, delay: Option<f64>) -> Client {
    let mut client = sample::full().client;
    for core in &mut client.cores {
        (core.busy_percent, core.run_delay_percent) = (Some(busy), delay);
    }
    client
}

#[test]
fn the_condition_nearest_to_the_run_is_its_budget() {
    let calibration = calibration([0.1, 0.4, 1.0, 9.0]);
    for (busy, delay, name, covered) in [
        (0.0, None, "idle", true),
        (20.0, Some(0.0), "idle", true),
        (30.0, Some(1.0), "half busy", true),
        (75.0, Some(0.0), "nearly saturated", true),
        (30.0, Some(40.0), "hog on the core", true),
        (95.0, Some(4.0), "nearly saturated", true),
        (95.5, Some(4.0), "nearly saturated", false),
        (40.0, Some(56.0), "hog on the core", false),
    ] {
        let found = budget(&calibration, &client(busy, delay)).unwrap();
        assert_eq!(
            (found.condition.as_str(), found.covered),
            (name, covered),
            "{busy} {delay:?}"
        );
    }
    let found = budget(&calibration, &client(50.0, Some(1.0))).unwrap();
    assert_eq!((found.ttft.p50, found.ttft.p99), (Some(0.1), Some(0.4)));
}

#[test]
fn a_condition_without_errors_is_nobodys_budget() {
    let mut calibration = calibration([0.1, 0.4, 1.0, 9.0]);
    calibration.conditions[0].errors = None;
    let found = budget(&calibration, &client(5.0, None)).unwrap();
    assert_eq!(found.condition, "half busy");
    calibration.conditions.clear();
    assert_eq!(budget(&calibration, &client(5.0, None)), None);
}

fn words(calibration: &Calibration) -> String {
    meaning(calibration, |condition| condition.name.starts_with("hog")).join("\n")
}

#[test]
fn the_words_name_the_highest_load_with_small_errors_and_what_is_beyond_it() {
    let said = words(&calibration([0.1, 0.4, 9.0, 30.0]));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0],
        "One core reads at least 200 thousand events/s of 200 bytes, or 5,000 requests/s with one event each."
    );
    assert!(
        lines[1].starts_with(
            "Trust it with up to 100 thousand events/s per core (50 % busy): 99 % of the TTFTs are true within 400 us, \
             of the gaps within 40.0 us"
        ),
        "{said}"
    );
    assert!(
        lines[2].starts_with("At 170 thousand events/s (85 % busy): 99 % of the TTFTs"),
        "{said}"
    );
    assert!(
        lines[3].starts_with("With another process on the worker's core, at 96 thousand"),
        "{said}"
    );
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_words_trust_nothing_where_every_error_is_large() {
    let said = words(&calibration([5.0, 6.0, 7.0, 8.0]));
    assert!(said.contains("In no condition were 99 %"), "{said}");
    assert!(!said.contains("Trust it"), "{said}");
}

#[test]
fn one_cpu_and_a_calibration_that_was_ended_are_said() {
    let mut shared = calibration([0.1, 0.4, 1.0, 9.0]);
    shared.host.server_cpus = vec![0];
    assert!(words(&shared).starts_with("There is one CPU for mock and client"));
    shared.conditions.clear();
    shared.capacity = Capacity::default();
    let report = text(&shared);
    assert_eq!(report.matches("not measured").count(), 3, "{report}");
    let refused = read(&serde_json::to_string(&shared).unwrap()).unwrap_err();
    assert!(refused.what.contains("was ended before"), "{}", refused.what);
}

#[test]
fn the_report_shows_every_error_and_no_negative_zero() {
    let report = text(&calibration([0.1, 0.4, 1.0, 9.0]));
    assert!(
        report.contains("events      200 thousand/s at 85 % busy, 4.25 us of CPU each"),
        "{report}"
    );
    assert!(
        report.contains("memory      4.0 KiB per user (2000 users against 10)"),
        "{report}"
    );
    assert!(
        report.contains("half busy: 100,000 events/s, 50 % busy, waited for a CPU 1 % of the time"),
        "{report}"
    );
    assert_eq!(report.matches("  ttft").count(), 4);
    assert!(!report.contains("-0"), "{report}");
    assert!(
        report.lines().take(24).all(|line| line.chars().count() <= 100),
        "{report}"
    );
}
