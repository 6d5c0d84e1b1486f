use super::*;
use crate::server_metrics::Vocabulary;
use crate::units::SECOND;

fn account(readings: &[(&str, Moment)]) -> Account {
    let names = Vocabulary::new(&[]);
    let mut account = Account::default();
    for (text, moment) in readings {
        account.add(&names.read(text.as_bytes()), *moment);
    }
    account
}

fn tokens(count: u32, running: u32) -> String {
    format!(
        "vllm:generation_tokens_total{{engine=\"0\"}} {count}\nvllm:num_requests_running{{engine=\"0\"}} {running}\n"
    )
}

const fn at(second: u64) -> Moment {
    Moment::During(second * SECOND)
}

#[test]
fn counters_are_differences_and_gauges_are_those_of_the_load() {
    let texts = [
        tokens(1_000, 9),
        tokens(1_010, 2),
        tokens(1_040, 4),
        tokens(1_050, 0),
    ];
    let moments = [
        Moment::Before,
        at(1),
        at(2),
        Moment::After(2 * SECOND + SECOND / 2),
    ];
    let readings: Vec<(&str, Moment)> = texts.iter().map(String::as_str).zip(moments).collect();
    let account = account(&readings);
    let came = account.counter("generation_tokens").unwrap();
    assert_eq!(
        (came.before, came.after, came.increase, came.resets),
        (Some(1_000.0), Some(1_050.0), 50.0, 0)
    );
    let running = account.gauge("running").unwrap();
    assert_eq!((running.before, running.after), (Some(9.0), Some(0.0)));
    assert_eq!(
        (running.mean(), running.min, running.max),
        (Some(3.0), Some(2.0), Some(4.0))
    );
    assert_eq!(account.columns, ["running", "generation_tokens_per_second"]);
    let rows: Vec<(Nanos, f64, f64)> = account
        .rows
        .iter()
        .map(|row| (row.at, row.values[0].1, row.values[1].1))
        .collect();
    assert_eq!(
        rows,
        [
            (SECOND, 2.0, 10.0),
            (2 * SECOND, 4.0, 30.0),
            (2 * SECOND + SECOND / 2, 0.0, 20.0)
        ]
    );
}

#[test]
fn a_server_that_begins_anew_is_seen() {
    let texts = [tokens(1_000, 0), tokens(1_200, 1), tokens(30, 1), tokens(50, 0)];
    let moments = [Moment::Before, at(1), at(2), Moment::After(3 * SECOND)];
    let readings: Vec<(&str, Moment)> = texts.iter().map(String::as_str).zip(moments).collect();
    let account = account(&readings);
    let came = account.counter("generation_tokens").unwrap();
    assert_eq!((came.increase, came.resets), (250.0, 1));
}

#[test]
fn a_series_that_appears_later_began_at_nothing_unless_no_answer_came_before() {
    let none = "vllm:num_requests_running 1\n";
    let found = account(&[(none, Moment::Before), (&tokens(70, 1), at(1))]);
    let came = found.counter("generation_tokens").unwrap();
    assert_eq!((came.before, came.increase), (Some(0.0), 70.0));
    let found = account(&[(&tokens(70, 1), at(1)), (&tokens(90, 1), at(2))]);
    let came = found.counter("generation_tokens").unwrap();
    assert_eq!((came.before, came.increase), (Some(70.0), 20.0));
}

#[test]
fn histograms_are_differences_of_their_buckets() {
    let text = |low: u32, all: u32, sum: f64| {
        format!(
            "vllm:time_to_first_token_seconds_bucket{{le=\"0.1\"}} {low}\n\
             vllm:time_to_first_token_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             vllm:time_to_first_token_seconds_sum {sum}\nvllm:time_to_first_token_seconds_count {all}\n"
        )
    };
    let found = account(&[
        (&text(100, 100, 5.0), Moment::Before),
        (&text(101, 103, 6.0), at(1)),
        (&text(102, 110, 8.0), Moment::After(2 * SECOND)),
    ]);
    let (ttft, is_times) = &found.histograms[0];
    assert!(is_times);
    assert_eq!(
        (ttft.total.came.counts.as_slice(), ttft.total.came.sum),
        (&[2, 8][..], 3_000.0)
    );
    assert_eq!(ttft.total.came.bounds(0.5), Some((100.0, None)));
    // A first answer in the middle counts for nothing that came before it.
    let found = account(&[(&text(100, 100, 5.0), at(1))]);
    assert_eq!(found.histograms[0].0.total.came.count(), 0);
}

#[test]
fn loads_one_after_another_add_up() {
    let one = account(&[
        (&tokens(100, 0), Moment::Before),
        (&tokens(150, 5), at(1)),
        (&tokens(160, 0), Moment::After(2 * SECOND)),
    ]);
    let two = account(&[
        (&tokens(200, 0), Moment::Before),
        (&tokens(250, 9), at(1)),
        (&tokens(270, 0), Moment::After(2 * SECOND)),
    ]);
    let mut both = Account::default();
    both.append(one, 0);
    both.append(two, 2 * SECOND);
    let came = both.counter("generation_tokens").unwrap();
    assert_eq!(
        (came.before, came.after, came.increase),
        (Some(100.0), Some(270.0), 130.0)
    );
    assert_eq!(both.gauge("running").unwrap().mean(), Some(7.0));
    let ends: Vec<Nanos> = both.rows.iter().map(|row| row.at / SECOND).collect();
    assert_eq!((ends, both.readings), (vec![1, 2, 3, 4], 6));
}

#[test]
fn a_run_of_days_has_longer_rows() {
    let names = Vocabulary::new(&[]);
    let reading = names.read(b"vllm:num_requests_running 4\n");
    let mut account = Account::default();
    for second in 1..=(3 * ROWS_MAX as u64) {
        account.add(&reading, at(second));
    }
    assert!(account.rows.len() <= ROWS_MAX);
    assert!(account.rows.iter().all(|row| row.values == [(0, 4.0)]));
    assert_eq!(account.rows.last().unwrap().at, 3 * ROWS_MAX as u64 * SECOND);
}
