use super::*;
use crate::cli::{Cli, Command};
use crate::config::Settings;
use crate::config::document::read_document;
use crate::error::HOSTILE;
use crate::profiles;
use clap::Parser;

fn checked(words: &[&str]) -> Result<String, String> {
    let line = ["llmload-uring", "config", "check"].iter().chain(words);
    match Cli::try_parse_from(line).unwrap().command {
        Some(Command::Config(args)) => check(&args).map_err(|e| e.to_string()),
        other => panic!("{other:?}"),
    }
}

fn loaded(words: &[&str]) -> Config {
    let line = ["llmload-uring"].iter().chain(words);
    load_plan(&Cli::try_parse_from(line).unwrap().run).unwrap().0
}

/// Reads a printed document as a run would.
fn read_again(text: &str, profile: &str) -> Config {
    let (config, mistakes) = read_document(profile, "again.yaml", text).unwrap();
    assert_eq!(mistakes, [], "{text}");
    config
}

#[test]
fn the_printed_configuration_reads_back_as_the_same_run() {
    let extra: [&[&str]; 4] = [
        &[
            "mixed_warfare",
            "--contention",
            "--repeat",
            "3",
            "--warmup",
            "2.5s",
            "--results-dir",
            "r: #",
        ],
        &[
            "workload",
            "--seed",
            "18446744073709551615",
            "--no-details",
            "--output",
            "o.json",
        ],
        &[
            "workload",
            "--prompt",
            "a: b #c",
            "--prompt",
            "two\nlines\t\"quoted\" \\",
            "--prompt",
            "5",
            "--prompt",
            HOSTILE,
            "--model",
            HOSTILE,
            "--output",
            HOSTILE,
        ],
        &[
            "load",
            "--threshold",
            "ttft{stream:true}: p(99)<500",
            "--model",
            "yes",
            "--model",
            "1.0",
        ],
    ];
    let profiles: Vec<[&str; 1]> = profiles::names().map(|name| [name]).collect();
    let plain = profiles.iter().map(|words| &words[..]);
    for words in plain.chain(extra) {
        let printed = checked(words).unwrap();
        let mut config = loaded(words);
        config.run = Settings::default();
        assert_eq!(read_again(&printed, &config.profile), config, "{printed}");
        let is_safe = |line: &str| !line.contains(is_unsafe);
        assert!(printed.lines().all(is_safe), "{printed:?}");
    }
}

#[test]
fn the_effective_plan_is_shown_with_the_documents_own_keys() {
    let text = checked(&["mixed_warfare", "--repeat", "2"]).unwrap();
    for line in [
        "# mixed_warfare: valid; nothing was sent",
        "# server    Thinker: 30.0 % of requests, http://127.0.0.1:8080/completion, llama.cpp's own completions by its \
         path, model llama-2-70b-chat",
        "# server    Flash: 70.0 % of requests, http://127.0.0.1:8081/completion, llama.cpp's own completions by its \
         path, model llama-2-7b-chat",
        "# load      0 users, to 20 in 10s, 20 for 1m50s",
        "# time      2m, and up to 30s more for requests in flight; repeated 2 times: 2 runs, 4m in total without the time \
         for requests in flight",
        "# request   stream: 100.0 %, streamed, answers of at most 200 tokens, prompts of 50 to 200 tokens made from the \
         seed, timeout 5m",
        "# threshold none: the exit code does not depend on the figures",
        "# files     none",
        "servers:",
        "executor: ramping-vus",
        "seed: 42",
        "repeat: 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let order =
        ["\nservers:", "\nexecutor:", "\nrequests:", "\nanalysis:"].map(|key| text.find(key).unwrap());
    assert!(order.is_sorted(), "{text}");
    let text = checked(&["load", "--threshold", "failed: rate<0.5"]).unwrap();
    assert!(text.contains("# server    the built-in simulator"), "{text}");
    assert!(text.contains("# threshold failed: rate<0.5\n"), "{text}");
    let shown = |metric: &str, expression: &str| {
        threshold(&ThresholdConfig {
            metric: metric.to_owned(),
            expression: expression.to_owned(),
            abort_on_fail: false,
            delay_abort_eval: None,
            place: Default::default(),
        })
    };
    assert_eq!(
        shown("latency", "p(95)<2"),
        "threshold latency: p(95)<2 (latency p95 < 2 ms)"
    );
    assert_eq!(
        shown("latency", "p(95)<2s"),
        "threshold latency: p(95)<2s (latency p95 < 2 s)"
    );
    assert_eq!(shown("failed", "rate<0.5"), "threshold failed: rate<0.5");
}

#[test]
fn secrets_in_urls_are_not_shown() {
    let path = std::env::temp_dir().join(format!("llmload-secret-{}.yaml", std::process::id()));
    let text = "server: {base_url: 'http://127.0.0.1:1/completion?key=CANARY'}\n\
                workload: {users: 1, duration_seconds: 1}\ndescription: \"a\\n# b\"\n";
    std::fs::write(&path, text).unwrap();
    let shown = checked(&["--config", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let shown = shown.unwrap();
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(
        shown.contains("http://127.0.0.1:1/completion?redacted"),
        "{shown}"
    );
    assert!(
        shown.contains("# files     results/test_run_TIMESTAMP.json, with every request"),
        "{shown}"
    );
}

#[test]
fn a_wrong_document_is_refused() {
    assert!(
        checked(&["mixed_warfare", "--vus", "0"])
            .unwrap_err()
            .contains("--vus")
    );
    assert!(
        checked(&["./not-there.yaml"])
            .unwrap_err()
            .contains("cannot be read")
    );
}

#[test]
fn what_bodies_have_besides_is_shown_and_reads_back_as_it_was() {
    let words = [
        "smoke",
        "--temperature",
        "0.70",
        "--ignore-eos",
        "--stop",
        "a\nb",
        "--system",
        "Be: \"brief\" #1",
        "--extra-body",
        r#"{"z":1.50,"a":{"y":["yes","010",null,true,"1e3"],"b":null},"t":"0x1F"}"#,
        "--tools",
        r#"[{"type":"function","function":{"name":"f"}}]"#,
    ];
    let printed = checked(&words).unwrap();
    let shown = "ignore_eos true, temperature 0.70, stop [\"a\\nb\"], tools, a system prompt of 14 bytes, extra_body {";
    assert!(printed.contains(shown), "{printed}");
    let again = read_again(&printed, "smoke");
    let bodies = |config: &Config| -> Vec<String> {
        let chats = config.requests.iter().filter_map(|request| match &request.call {
            Call::Chat(chat) => Some(&chat.settings),
            _ => None,
        });
        chats.map(|settings| format!("{settings:?}")).collect()
    };
    assert_eq!(bodies(&again), bodies(&loaded(&words)));
}
