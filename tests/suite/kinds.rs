//! Loads whose kinds of request have a rate each.

use crate::common::live::*;
use crate::common::*;
use clap::Parser;
use llmload_uring::cli::Cli;
use llmload_uring::config::load_plan;
use llmload_uring::mock::MockOptions;
use llmload_uring::units::MINUTE;
use serde_json::Value;
use std::path::Path;

/// Two kinds with 10 and 80 requests in two seconds, of which the first are sent at once.
const RATES: &str = "\
duration: 2s
graceful_stop: 10s
seed: 42
max_vus: 512
models: [m]
prompts: { prompt_tokens: 10-60 }
requests:
  - { name: interactive, rate: 5, stream: true, max_tokens: 3-9, arrival: poisson }
  - { name: batch, rate: 40/s, max_tokens: 10-90 }
";

fn count(document: &Value, kind: &str, key: &str) -> u64 {
    document["kinds"][kind]["totals"][key].as_u64().unwrap()
}

fn digest(mock: &llmload_uring::mock::Mock) -> Value {
    get_json(mock.address, "/mock/stats")["bodies_digest"].clone()
}

#[test]
fn arrivals_and_bodies_are_the_same_on_one_two_and_four_cores() {
    let dir = Dir::new();
    let file = dir.write("rates.yaml", RATES);
    let runs = [1, 2, 4].map(|cores| {
        let mock = mock(mock_options());
        let args = Cli::try_parse_from(["llmload-uring", &file]).unwrap().run;
        let (_, plan) = load_plan(&args).unwrap();
        let ran = run(plan, mock.address, engine_options(cores), |_| {});
        let started = ran.samples.iter().map(|s| s.due).min().unwrap();
        let mut sent: Vec<_> = ran
            .samples
            .iter()
            .map(|s| (s.series, s.iteration, s.due - started))
            .collect();
        sent.sort_unstable();
        (digest(&mock), sent)
    });
    let of_kind = |kind| runs[0].1.iter().filter(|(series, ..)| *series == kind).count();
    assert_eq!(of_kind(1), 80);
    assert!((3..=25).contains(&of_kind(0)), "{}", of_kind(0));
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[test]
fn four_shards_send_what_one_process_sends_and_merge_into_its_counts() {
    let dir = Dir::new();
    let file = dir.write("rates.yaml", RATES);
    let run = |target: &str, name: &str, more: &[&str]| {
        let output = dir.path(name);
        let words = [&file, "--target", target, "--details", "-o", &output];
        ran(&[&words[..], more].concat()).expect(0);
        output
    };
    let (alone, shared) = (mock(mock_options()), mock(mock_options()));
    let whole = run(&format!("http://{}", alone.address), "whole.json", &[]);
    let target = format!("http://{}", shared.address);
    let parts = ["1/4", "2/4", "3/4", "4/4"].map(|shard| {
        run(
            &target,
            &format!("{}.json", shard.replace('/', "-")),
            &["--shard", shard],
        )
    });
    assert_eq!(digest(&alone), digest(&shared), "the same bodies");
    let merged = dir.path("merged.json");
    let files: Vec<&str> = parts.iter().map(String::as_str).collect();
    ran(&[&["merge"], &files[..], &["-o", &merged]].concat()).expect(0);
    let (whole, merged) = (document(&whole), document(&merged));
    let ids = |document: &Value| {
        let details = document["details"].as_array().unwrap().iter();
        let mut ids: Vec<String> = details.map(|one| one["request_id"].to_string()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&whole), ids(&merged));
    for kind in ["interactive", "batch"] {
        for key in ["requests", "ok", "dropped_iterations", "output_tokens"] {
            assert_eq!(
                count(&whole, kind, key),
                count(&merged, kind, key),
                "{kind} {key}"
            );
        }
    }
    // Each shard has its part of each kind.
    for part in &parts {
        assert_eq!(count(&document(part), "batch", "requests"), 20, "{part}");
    }
    assert!(Path::new(&file).exists());
}

#[test]
fn each_kind_says_what_was_sent_and_dropped_and_may_fail_a_threshold_of_its_own() {
    let frozen = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let mock = mock(frozen);
    let dir = Dir::new();
    let text = RATES.replace("max_vus: 512", "max_vus: 6")
        + "thresholds:\n  \
        dropped_iterations{request:batch}: count<1\n  dropped_iterations{kind:interactive}: count<1000\n";
    let (file, output) = (dir.write("rates.yaml", &text), dir.path("r.json"));
    let target = format!("http://{}", mock.address);
    let ended = ran(&[
        &file,
        "--target",
        &target,
        "-o",
        &output,
        "--graceful-stop",
        "0s",
        "--arrival",
        "constant",
    ]);
    let document = document(&output);
    let (interactive, batch) = (
        count(&document, "interactive", "requests") + count(&document, "interactive", "dropped_iterations"),
        count(&document, "batch", "requests") + count(&document, "batch", "dropped_iterations"),
    );
    assert_eq!((interactive, batch), (10, 80), "{}", ended.stdout);
    assert_eq!(document["totals"]["requests"], 6);
    assert_eq!(document["totals"]["dropped_iterations"], 84);
    let ok: Vec<bool> = document["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(ok.iter().filter(|ok| **ok).count(), 1, "{ok:?}");
    let dropped = format!("batch {} of 80", count(&document, "batch", "dropped_iterations"));
    assert!(ended.stdout.contains(&dropped), "{}", ended.stdout);
}

#[test]
fn a_kind_whose_answers_do_not_come_takes_only_its_own_users() {
    // Nothing is answered during the load: 4 of the batch are in flight, and no more.
    let frozen = MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    };
    let (frozen, quick) = (mock(frozen), mock(mock_options()));
    let dir = Dir::new();
    for full in ["drop", "queue"] {
        let of = |server: &llmload_uring::mock::Mock, name: &str, users: u32, of_batch: u32| {
            let text = RATES
                .replace("max_vus: 512", &format!("max_vus: {users}\nwhen_full: {full}"))
                .replace("rate: 40/s,", &format!("rate: 40/s, max_vus: {of_batch},"))
                .replace(", arrival: poisson", "");
            let target = format!("http://{}", server.address);
            let (file, output) = (dir.write("rates.yaml", &text), dir.path(name));
            let more = ["-o", &output, "--graceful-stop", "0s"];
            ran(&[&[&file[..], "--target", &target][..], &more].concat());
            document(&output)
        };
        let slow = of(&frozen, "slow.json", 10, 4);
        assert_eq!(count(&slow, "batch", "requests"), 4, "{full}");
        assert_eq!(count(&slow, "batch", "dropped_iterations"), 76, "{full}");
        // The others have the six that are left, and no fewer.
        assert_eq!(count(&slow, "interactive", "requests"), 6, "{full}");
        assert_eq!(count(&slow, "interactive", "dropped_iterations"), 4, "{full}");
        // Where answers come, neither limit is met: all arrivals of a second that the machine lost would fit.
        let good = of(&quick, "good.json", 100, 60);
        assert_eq!(good["totals"]["dropped_iterations"], 0, "{full}");
        assert_eq!(good["totals"]["ok"], 90, "{full}");
    }
}

#[test]
fn two_servers_share_each_kind() {
    let (a, b) = (mock(mock_options()), mock(mock_options()));
    let dir = Dir::new();
    // At the same even rate, the kinds take turns as the servers do.
    let text = format!(
        "servers:\n  - {{ name: a, base_url: 'http://{}/v1' }}\n  - {{ name: b, base_url: 'http://{}/v1' }}\n{}",
        a.address,
        b.address,
        RATES
            .replace("rate: 5,", "rate: 20,")
            .replace("40/s", "20/s")
            .replace(", arrival: poisson", "")
    );
    let (file, output) = (dir.write("rates.yaml", &text), dir.path("r.json"));
    ran(&[&file, "-o", &output]).expect(0);
    let document = document(&output);
    for kind in ["a/interactive", "a/batch", "b/interactive", "b/batch"] {
        assert_eq!(count(&document, kind, "requests"), 20, "{kind}");
    }
}
