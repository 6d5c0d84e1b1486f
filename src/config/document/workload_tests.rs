//! The Python tool's two documents, as they are, and what is wrong with documents like them.

use crate::config::Config;
use crate::config::document::read_document;
use crate::config::to_plan;
use crate::documents_tests::{document, first_column, quoted_words, rows};
use crate::error::Mistake;
use crate::lengths::Lengths;
use crate::plan::AnalysisLimits;
use crate::plan::{Executor, Stage};
use crate::profiles;
use crate::units::Span;
use crate::units::format_duration;
use crate::units::{MILLISECOND, MINUTE, SECOND};
use crate::workload::{Call, Chat, Prompts};
use std::collections::BTreeSet;

const WORKLOAD: &str = r#"server:
  base_url: "http://127.0.0.1:8080/completion"
  model_alias: "llama-2-7b-chat"
workload:
  users: 20
  duration_seconds: 120
  ramp_up_seconds: 10
  seed: 42
prompts:
  min_tokens: 50
  max_tokens: 200
  prefix: "Please summarize the following text: "
prometheus:
  enabled: false
"#;
const WARFARE: &str = r#"servers:
  - name: "Thinker"
    base_url: "http://127.0.0.1:8080/completion"
    model_alias: "llama-2-70b-chat"
    weight: 0.3
  - name: "Flash"
    base_url: "http://127.0.0.1:8081/completion"
    model_alias: "llama-2-7b-chat"
    weight: 0.7
workload:
  users: 20
  duration_seconds: 120
  ramp_up_seconds: 10
  seed: 42
prompts:
  min_tokens: 50
  max_tokens: 200
  prefix: "Please summarize the following text: "
"#;

fn read(text: &str) -> Config {
    let (config, mistakes) = read_document("p", "p.yaml", text).unwrap();
    assert_eq!(mistakes, [], "{text}");
    config
}

fn mistakes(text: &str) -> Vec<String> {
    let (config, mut mistakes) = read_document("p", "p.yaml", text).unwrap();
    mistakes.extend(to_plan(&config).err().unwrap_or_default());
    mistakes.sort_by_key(Mistake::line);
    mistakes.iter().map(Mistake::to_string).collect()
}

fn one(text: &str) -> String {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    found[0].clone()
}

/// `WORKLOAD` with a part of it exchanged.
fn with(good: &str, bad: &str) -> String {
    assert!(WORKLOAD.contains(good), "{good}");
    WORKLOAD.replace(good, bad)
}

fn ramp(vus: u32, seconds: &[u64]) -> Executor {
    let stage = |&seconds: &u64| Stage {
        duration: seconds * SECOND,
        target: vus,
    };
    Executor::RampingVus {
        start_vus: 0,
        stages: seconds.iter().map(stage).collect(),
        graceful_ramp_down: 30 * SECOND,
    }
}

#[test]
fn the_two_example_documents_are_shipped_verbatim() {
    assert_eq!(profiles::text("workload"), Some(WORKLOAD));
    assert_eq!(profiles::text("mixed_warfare"), Some(WARFARE));
}

#[test]
fn the_document_with_one_server_becomes_a_plan() {
    let config = read(WORKLOAD);
    // The duration includes the ramp.
    assert_eq!(config.executor, ramp(20, &[10, 110]));
    assert_eq!(config.executor.duration(), 2 * MINUTE);
    assert_eq!((config.seed, config.warmup, config.repeat), (42, 0, 1));
    let server = &config.servers()[0];
    assert_eq!(
        (
            server.name.as_deref(),
            server.base_url.as_str(),
            server.model_alias.as_deref()
        ),
        (None, "http://127.0.0.1:8080/completion", Some("llama-2-7b-chat"))
    );
    let call = Call::Chat(Chat {
        stream: true,
        max_tokens: Lengths::fixed(200),
        models: vec!["llama-2-7b-chat".to_owned()],
        prompts: Prompts::Made {
            prefix: "Please summarize the following text: ".to_owned(),
            tokens: Lengths::range(50, 200),
        },
        ..Chat::default()
    });
    assert_eq!((config.requests.len(), &config.requests[0].call), (1, &call));
    let plan = to_plan(&config).unwrap();
    assert_eq!(
        (plan.seed, plan.executor.vus_of_all(), plan.thresholds.len()),
        (42, 20, 0)
    );
    assert_eq!(plan.workload.think_time, Span { min: 0, max: 0 });
}

#[test]
fn the_document_with_two_servers_becomes_a_plan() {
    let config = read(WARFARE);
    assert_eq!(config.executor, ramp(20, &[10, 110]));
    let servers: Vec<(Option<&str>, &str, u32)> = config
        .servers()
        .iter()
        .map(|server| (server.name.as_deref(), server.base_url.as_str(), server.weight))
        .collect();
    assert_eq!(
        servers,
        [
            (Some("Thinker"), "http://127.0.0.1:8080/completion", 300_000),
            (Some("Flash"), "http://127.0.0.1:8081/completion", 700_000),
        ]
    );
    let Call::Chat(Chat { models, .. }) = &config.requests[0].call else {
        panic!()
    };
    assert_eq!(models, &["llama-2-70b-chat", "llama-2-7b-chat"]);
    assert!(to_plan(&config).is_ok());
}

#[test]
fn without_a_ramp_everyone_starts_at_once() {
    let constant = Executor::ConstantVus {
        vus: 20,
        duration: 2 * MINUTE,
    };
    for text in [
        with("ramp_up_seconds: 10", "ramp_up_seconds: 0"),
        with("  ramp_up_seconds: 10\n", ""),
    ] {
        assert_eq!(read(&text).executor, constant);
    }
    assert_eq!(
        read(&with("ramp_up_seconds: 10", "ramp_up_seconds: 120")).executor,
        ramp(20, &[120])
    );
    // With a unit, or a fraction of a second.
    let text = with("duration_seconds: 120", "duration_seconds: 2m").replace("onds: 10", "onds: 0.5");
    let Executor::RampingVus { stages, .. } = read(&text).executor else {
        panic!()
    };
    let durations: Vec<u64> = stages.iter().map(|stage| stage.duration / MILLISECOND).collect();
    assert_eq!(durations, [500, 119_500]);
}

#[test]
fn a_ramp_longer_than_the_run_is_refused_with_both_times() {
    assert_eq!(
        one(&with("ramp_up_seconds: 10", "ramp_up_seconds: 121")),
        "error: p.yaml:7: `workload.ramp_up_seconds`: `2m1s` is longer than `workload.duration_seconds` of \
         line 6, 2m\nhint: the duration includes the ramp"
    );
}

#[test]
fn a_document_with_ten_mistakes_lists_ten() {
    let text = "\
servers:
  - name: Thinker
    base_url: 127.0.0.1:8080/completion
    weight: -0.3
  - name: Thinker
    base_url: http://127.0.0.1:8081/completion
    wieght: 0.7
workload:
  users: 0
  duration_seconds: two minutes
  ramp_up: 10
prompts:
  min_tokens: 50
  max_tokens: [200]
  cache_prompt: sometimes
analysis:
  p90_latency: 2s
";
    let expected = [
        "error: p.yaml:3: `servers[0].base_url`: `127.0.0.1:8080/completion`: http:// or https:// is missing\n\
         hint: write http://HOST:PORT or https://HOST, with or without a path",
        "error: p.yaml:4: `servers[0].weight`: `-0.3` is not above 0\n\
         hint: use a share such as `0.3`, or any number above 0",
        "error: p.yaml:5: servers[1]: the name `Thinker` is already in use\nhint: line 2 uses it",
        "error: p.yaml:7: unknown key `servers[1].wieght`\nhint: did you mean `weight`?",
        "error: p.yaml:9: `workload.users`: `0` is below the minimum of 1\nhint: write a number from 1 to 10000000",
        "error: p.yaml:10: `workload.duration_seconds`: `two minutes` is not a duration: unknown unit `two minutes`\n\
         hint: write `10s`, `1m30s`, `500ms`, `2h`, or a plain number of seconds",
        "error: p.yaml:11: unknown key `workload.ramp_up`\nhint: did you mean `ramp_up_seconds`?",
        "error: p.yaml:14: `prompts.max_tokens` is a list, not a whole number, a range or a distribution",
        "error: p.yaml:15: `prompts.cache_prompt`: `sometimes` is neither true nor false",
        "error: p.yaml:17: unknown key `analysis.p90_latency`\nhint: did you mean `p90_latency_max`?",
    ];
    let found = mistakes(text);
    assert_eq!((found.len(), expected.len()), (10, 10), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

#[test]
fn two_shapes_in_one_document_are_refused_with_both_lines() {
    let also = |text: &str| mistakes(&format!("{WORKLOAD}{text}\n"));
    let hint = "\nhint: both have the same meaning: remove one of them";
    for (text, expected) in [
        ("vus: 3", "key `vus` contradicts `workload.users` of line 5"),
        (
            "duration: 3s",
            "key `duration` contradicts `workload.duration_seconds` of line 6",
        ),
        (
            "stages: [{duration: 1s, target: 1}]",
            "key `stages` contradicts `workload.ramp_up_seconds` of line 7",
        ),
        (
            "executor: constant-vus",
            "key `executor` contradicts `workload.users` of line 5",
        ),
        ("seed: 3", "key `seed` contradicts `workload.seed` of line 8"),
    ] {
        assert_eq!(also(text), [format!("error: p.yaml:15: {expected}{hint}")]);
    }
    assert_eq!(also("executor: constant-vus\nduration: 5s\nvus: 3").len(), 3);
    let text = with(
        "seed: 42",
        "warmup_seconds: 5\n  repeat: 2\n  think_time: 0.1-0.2",
    );
    let found = mistakes(&format!("{text}warmup: 5s\nrepeat: 2\nthink_time: 1s\n"));
    assert_eq!(found.len(), 3, "{found:?}");
    let config = read(&text);
    assert_eq!((config.warmup, config.repeat), (5 * SECOND, 2));
    assert_eq!(config.think_time.max, 200 * MILLISECOND);
}

#[test]
fn a_missing_key_is_reported_once() {
    assert_eq!(
        one(&with("  users: 20\n", "")),
        "error: p.yaml:5: missing key `workload.users`\nhint: add the number of users that run at the same time"
    );
    assert!(one(&with("  users: 20\n", "  usres: 20\n")).contains("did you mean `users`?"));
    assert!(one(&with("workload:", "worklaod:")).contains("did you mean `workload`?"));
    let nothing = "server: {base_url: 'http://h:1'}\nworkload: {seed: 1}\n";
    assert_eq!(mistakes(nothing).len(), 2);
    assert!(one("server: {base_url: 'http://h:1'}\n").contains("or `workload` with `users`"));
    let found = one(&with(
        "workload:\n  users: 20\n  duration_seconds: 120\n  ramp_up_seconds: 10\n  seed: 42",
        "workload: 5",
    ));
    assert!(found.contains("`workload` is `5`, not a mapping"), "{found}");
}

#[test]
fn a_document_with_workload_may_have_the_keys_of_a_profile() {
    let text = "\
server: {base_url: 'http://127.0.0.1:1/v1', model_alias: m}
executor: ramping-vus
stages: [{duration: 10s, target: 5}, {duration: 10s, target: 0}]
think_time: 100ms-300ms
workload: {warmup_seconds: 3, seed: 9}
prompts: {min_tokens: 10, max_tokens: 20-30, cache_prompt: true}
requests:
  - { name: a, stream: true }
  - { name: b, max_tokens: 7, prompts: [Hi], models: [x], cache_prompt: false }
  - { name: c, prompts: { prefix: 'Say ', min_tokens: 3 } }
thresholds:
  ttft: p(99)<500
";
    let config = read(text);
    assert_eq!(config.executor.name(), "ramping-vus");
    assert_eq!(
        (config.warmup, config.seed, config.thresholds.len()),
        (3 * SECOND, 9, 1)
    );
    let chat = |i: usize| match &config.requests[i].call {
        Call::Chat(Chat {
            max_tokens,
            models,
            prompts,
            cache_prompt,
            ..
        }) => (
            max_tokens.max(),
            models[0].as_str(),
            prompts.clone(),
            *cache_prompt,
        ),
        other => panic!("{other:?}"),
    };
    let made = |prefix: &str, tokens| Prompts::Made {
        prefix: prefix.to_owned(),
        tokens: Lengths::fixed(tokens),
    };
    assert_eq!(chat(0), (30, "m", made("", 10), Some(true)));
    assert_eq!(
        chat(1),
        (7, "x", Prompts::List(vec!["Hi".to_owned()]), Some(false))
    );
    assert_eq!(chat(2), (30, "m", made("Say ", 3), Some(true)));
}

#[test]
fn the_limits_of_the_analysis_are_read_and_checked() {
    let limits = |text: &str| read(&format!("{WORKLOAD}analysis: {{{text}}}\n")).analysis;
    assert_eq!(limits(""), AnalysisLimits::default());
    let changed = limits("error_rate_max: 0.5, p90_latency_max: 10, ttft_p50_max: 3s, tail_ratio_max: 4");
    let expected = AnalysisLimits {
        error_rate_max: 0.5,
        p90_latency_max: 10 * SECOND,
        ttft_p50_max: 3 * SECOND,
        tail_ratio_max: 4.0,
        ..AnalysisLimits::default()
    };
    assert_eq!(changed, expected);
    let refused = |text: &str| one(&format!("{WORKLOAD}analysis: {{{text}}}\n"));
    assert!(refused("error_rate_max: 5").contains("`5` is above the limit of 1"));
    assert!(refused("error_rate_max: .nan").contains("is not a number"));
    assert!(refused("tail_ratio_max: 0.5").contains("below the minimum of 1"));
    assert!(refused("ttft_p50_good: 0").contains("shorter than the minimum of 1ms"));
    assert!(refused("ttft_p50_good: 3s").contains("is longer than `analysis.ttft_p50_max`"));
    assert!(refused("error_rate: 1").contains("did you mean `error_rate_max`?"));
}

/// The keys of the tables under `heading` are those that are read, and each stands there.
fn assert_table(manual: &str, heading: &str, keys: &[&str]) {
    let listed = first_column(manual, heading);
    let known: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let differ: Vec<_> = listed.symmetric_difference(&known).collect();
    assert!(differ.is_empty(), "{heading}: {differ:?}");
}

#[test]
fn the_manual_lists_exactly_the_keys_of_a_document() {
    let manual = document("docs/PROFILES.md");
    assert_table(&manual, "### `server`, `servers`", &super::super::servers::KEYS);
    let keys: Vec<&str> = super::super::prompts::keys().collect();
    assert_table(&manual, "### `prompts`", &keys);
    let keys: Vec<&str> = super::super::requests::request_keys().collect();
    assert_table(&manual, "### `requests`", &keys);
    let rows = rows(&manual, "### `workload`");
    let keys = rows.iter().filter(|row| row.len() == 4);
    let keys: Vec<String> = keys.flat_map(|row| quoted_words(&row[0])).collect();
    assert_eq!(keys, super::KEYS);
    let mut listed = first_column(&manual, "### The shape of the load");
    listed.extend(first_column(&manual, "### Files, contention, analysis, pushes"));
    let headings = manual.lines().filter(|line| line.starts_with("### `"));
    listed.extend(headings.flat_map(quoted_words));
    let known: BTreeSet<String> = super::super::KEYS
        .into_iter()
        .chain([super::super::THRESHOLDS])
        .map(str::to_owned)
        .collect();
    let differ: Vec<_> = listed.symmetric_difference(&known).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn the_manual_lists_the_limits_of_the_analysis() {
    let manual = document("docs/PROFILES.md");
    let AnalysisLimits {
        error_rate_max,
        cut_max,
        p90_latency_max,
        ttft_p50_good,
        ttft_p50_max,
        tail_ratio_max,
        contention_error_rate_max,
        coalesced_max,
        stamps_missing_max,
        server_count_difference_max,
        server_time_difference_max,
        // No limit of one rule.
        fail_on_findings: _,
    } = AnalysisLimits::default();
    let rows = [
        ("error_rate_max", error_rate_max.to_string()),
        ("cut_max", cut_max.to_string()),
        ("p90_latency_max", format_duration(p90_latency_max)),
        ("ttft_p50_good", format_duration(ttft_p50_good)),
        ("ttft_p50_max", format_duration(ttft_p50_max)),
        ("tail_ratio_max", tail_ratio_max.to_string()),
        ("contention_error_rate_max", contention_error_rate_max.to_string()),
        ("coalesced_max", coalesced_max.to_string()),
        ("stamps_missing_max", stamps_missing_max.to_string()),
        (
            "server_count_difference_max",
            server_count_difference_max.to_string(),
        ),
        (
            "server_time_difference_max",
            server_time_difference_max.to_string(),
        ),
    ];
    assert_eq!(rows.len() + 1, crate::config::document::analysis::KEYS.len());
    for (key, default) in rows {
        // It is in the row of the rule that it belongs to.
        let row = manual
            .lines()
            .find(|line| line.starts_with("| `") && line.contains(&format!("`{key}`, {default}")));
        assert!(row.is_some(), "{key}: {default}");
    }
}

proptest::proptest! {
    /// Lines of both documents dropped, doubled, cut and mixed up: an answer, never a panic.
    #[test]
    fn no_mutilated_document_makes_the_reader_panic(
        picks in proptest::collection::vec((0usize..33, 0usize..40), 0..30)
    ) {
        let whole = format!("{WORKLOAD}{WARFARE}analysis: {{coalesced_max: 0.5}}\n");
        let lines: Vec<&str> = whole.lines().collect();
        let cut = |&(line, cut): &(usize, usize)| {
            let text = lines[line % lines.len()];
            // Most lines whole.
            text[..text.len().saturating_sub(cut.saturating_sub(25))].to_owned()
        };
        let text = picks.iter().map(cut).collect::<Vec<_>>().join("\n");
        if let Ok((config, mistakes)) = read_document("p", "p.yaml", &text) {
            let plan = to_plan(&config);
            // What a faulty document is replaced with is harmless: nothing follows from a mistake.
            proptest::prop_assert!(mistakes.is_empty() || plan.is_ok(), "{text}\n{mistakes:?}\n{plan:?}");
        }
    }
}
