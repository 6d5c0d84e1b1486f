use super::*;
use crate::metrics::{Outcome, Recorder, Sample, Snapshot, TokenSource};
use crate::report::Aggregator;
use crate::result::Grouping;
use crate::units::{MILLISECOND, SECOND};

/// Makes `requests` of one server, each with its first token after `ttft` ms and its end after `latency` ms.
fn server(requests: u64, ttft: u64, latency: u64) -> GroupFigures {
    let mut recorder = Recorder::new(0, 1, false);
    for iteration in 0..requests {
        recorder.started(0);
        recorder.finish(&Sample {
            iteration,
            first_token: Some(ttft * MILLISECOND),
            last_token: Some(latency * MILLISECOND),
            output_tokens: 100,
            token_source: TokenSource::Server,
            ..Sample::ended(Outcome::Ok, latency * MILLISECOND)
        });
    }
    let mut load = Aggregator::new(1, 1);
    load.append_snapshot(&recorder.take(Snapshot::new(0, 1, false)));
    let grouping = Grouping {
        kinds: vec!["k".to_owned()],
        servers: Vec::new(),
        server_of_kind: vec![0],
    };
    let mut figures = grouping.by_kind(&load.merged().series, 10 * SECOND);
    figures.0.remove(0).1
}

fn found(thinker: [&GroupFigures; 2], flash: [&GroupFigures; 2]) -> Contention {
    Contention::from_pairs(&[
        ("Thinker", 6, thinker[0], thinker[1]),
        ("Flash", 14, flash[0], flash[1]),
    ])
}

#[test]
fn the_same_rate_alone_and_together_is_no_contention() {
    let (thinker, flash) = (server(50, 100, 1000), server(100, 20, 300));
    let nearly = server(95, 22, 315);
    let contention = found([&thinker, &thinker], [&flash, &nearly]);
    assert!(!contention.found, "{}", contention.verdict);
    assert!(contention.verdict.starts_with("No contention found"));
    assert_eq!(contention.tokens_per_second_alone, 1500.0);
    assert_eq!(contention.tokens_per_second_together, 1450.0);
    assert_eq!(contention.servers[0].ratio.ttft_p50, Some(1.0));
    assert_eq!(contention.servers[1].ratio.tokens_per_second, Some(0.95));
}

#[test]
fn a_server_that_keeps_its_rate_starves_one_that_does_not() {
    let (thinker, flash) = (server(50, 100, 1000), server(100, 20, 300));
    let starved = server(30, 200, 1000);
    let contention = found([&thinker, &thinker], [&flash, &starved]);
    assert!(contention.found);
    let verdict = &contention.verdict;
    assert!(
        verdict.starts_with("Thinker starves Flash: Flash at 0.30 x its tokens/s"),
        "{verdict}"
    );
    assert!(
        verdict
            .ends_with("Together they generate 800.0 tokens/s, 53 % of the 1,500 that they generate alone."),
        "{verdict}"
    );
    assert_eq!(contention.servers[1].users, 14);
}

#[test]
fn two_servers_that_lose_alike_slow_each_other_down() {
    let (thinker, flash) = (server(50, 100, 1000), server(100, 20, 300));
    let (slow_thinker, slow_flash) = (server(25, 200, 2000), server(50, 40, 600));
    let contention = found([&thinker, &slow_thinker], [&flash, &slow_flash]);
    assert!(contention.found);
    assert!(
        contention
            .verdict
            .starts_with("Thinker and Flash slow each other down: "),
        "{}",
        contention.verdict
    );
    assert_eq!(contention.combined_share, Some(0.5));
}

#[test]
fn a_server_without_answers_has_no_changes() {
    let (thinker, flash) = (server(50, 100, 1000), server(0, 20, 300));
    let contention = found([&thinker, &thinker], [&flash, &flash]);
    assert!(!contention.found);
    let change = &contention.servers[1].ratio;
    assert_eq!((change.ttft_p50, change.tokens_per_second), (None, None));
}
