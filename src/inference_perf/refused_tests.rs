//! Configurations that cannot be carried over, each refused with its line and the next step.

use super::import;
use super::tests::{FILE, with};

#[track_caller]
fn refused(text: &str) -> String {
    let mistakes = match import(text, FILE) {
        Err(mistakes) => mistakes,
        Ok(imported) => panic!("{text}\n{}", imported.profile),
    };
    mistakes.to_string()
}

#[test]
fn what_has_no_counterpart_is_refused_by_its_name_with_its_line() {
    // The sections are in the lines 1 to 4: api, server, load, data.
    for (section, text, wanted) in [
        (
            "load",
            "{sweep: {type: linear}}",
            "config.yml:3: `load.sweep` has no counterpart",
        ),
        ("load", "{sweep: {type: linear}}", "find-limit"),
        (
            "load",
            "{type: trace_session_replay, stages: []}",
            "config.yml:3: `load.type` is `trace_session_replay`, which has no counterpart with these data",
        ),
        (
            "data",
            "{type: otel_trace_replay}",
            "config.yml:4: `data.type` is `otel_trace_replay`",
        ),
        (
            "data",
            "{type: weka_trace_replay, weka_trace_replay: {trace_files: [a.json]}}",
            "config.yml:3: `load.type` is not `trace_session_replay`",
        ),
        (
            "data",
            "{type: weka_trace_replay, weka_trace_replay: {hf_dataset_path: a/b}}",
            "config.yml:4: `data.weka_trace_replay.hf_dataset_path` names a data set to download",
        ),
        (
            "data",
            "{type: weka_trace_replay, weka_trace_replay: {trace_files: [a.json, b.json]}}",
            "jq -c . traces/*.json > traces.jsonl",
        ),
        ("data", "{type: cnn_dailymail}", "--dataset custom:FILE"),
        (
            "data",
            "{type: shareGPT}",
            "config.yml:4: missing key `data.path`",
        ),
        (
            "data",
            "{type: mock, multimodal: {image: {count: 1}}}",
            "`data.multimodal` has no counterpart",
        ),
        (
            "load",
            "{type: trace_replay, trace: {file: t.csv}, stages: [{rate: 1, duration: 1}]}",
            "config.yml:3: `load.trace` says when requests are sent, and no `data.trace`",
        ),
        (
            "data",
            "{type: conversation_replay, conversation_replay: {}}",
            "config.yml:3: `load.type` sends the turns of conversations at a rate",
        ),
    ] {
        let found = refused(&with(section, text));
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
}

/// A section, its text, and the mistake that it makes.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "api",
        "{type: chats}",
        "config.yml:1: `api.type`: unknown value `chats`",
    ),
    ("api", "{stream: true}", "config.yml:1: unknown key `api.stream`"),
    (
        "server",
        "{model_name: m}",
        "config.yml:2: missing key `server.base_url`",
    ),
    ("server", "", "missing key `server`"),
    (
        "server",
        "{base_url: \"h:8000\"}",
        "config.yml:2: `server.base_url`",
    ),
    ("load", "", "missing key `load`"),
    (
        "load",
        "{type: constant}",
        "config.yml:3: missing key `load.stages`",
    ),
    ("load", "{stages: []}", "config.yml:3: `load.stages` has 0 items"),
    (
        "load",
        "{stages: [{rate: 1}]}",
        "missing key `load.stages[0].duration`",
    ),
    (
        "load",
        "{stages: [{rate: -1, duration: 5}]}",
        "`load.stages[0].rate`: `-1` is no rate above 0",
    ),
    (
        "load",
        "{stages: [{rate: 1, duration: 0}]}",
        "`load.stages[0].duration`: `0` is below the minimum",
    ),
    (
        "load",
        "{stages: [{rate: 1, duration: 5, num_requests: 4}]}",
        "key `load.stages[0].num_requests` does not belong to load type `constant`",
    ),
    (
        "load",
        "{type: concurrent, stages: [{num_requests: 4, concurrency_level: 2, rate: 4}]}",
        "key `load.stages[0].rate` does not belong to load type `concurrent`",
    ),
    (
        "load",
        "{stages: [{rate: 1, duration: 5}], lora_traffic_split: [{name: a, split: 0.5}]}",
        "`load.lora_traffic_split` adds up to 0.5, not to 1",
    ),
    (
        "load",
        "{stages: [{rate: 1, duration: 80000}, {rate: 1, duration: 80000}]}",
        "config.yml:3: `load`: a run of 44h26m41s is longer than the limit of 24h",
    ),
    ("data", "{type: random}", "missing key `data.input_distribution`"),
    (
        "data",
        "{type: random, input_distribution: {min: 9, max: 3}, output_distribution: {}}",
        "config.yml:4: `data.input_distribution.min` is 9, above `max`, 3",
    ),
    (
        "data",
        "{type: random, input_distribution: {mean: 2000}, output_distribution: {}}",
        "`data.input_distribution.mean` is 2000, outside of `min` and `max`, 10 and 1024",
    ),
    (
        "data",
        "{type: shared_prefix, shared_prefix: {num_groups: 2, num_unique_system_prompts: 3}}",
        "are two names of one key",
    ),
    (
        "data",
        "{type: shared_prefix}",
        "missing key `data.shared_prefix`",
    ),
    (
        "report",
        "{goodput: {constraints: {tft: 1}}}",
        "unknown key `report.goodput.constraints.tft`",
    ),
    ("reports", "{}", "config.yml:5: unknown key `reports`"),
];

#[test]
fn wrong_values_are_mistakes_at_their_lines() {
    for (section, text, wanted) in WRONG {
        let found = refused(&with(section, text));
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
    assert!(refused("").contains("config.yml"));
    assert!(refused("load: [").contains("config.yml"));
    assert!(refused("just words").contains("not a mapping"));
}

/// All of them are found at once.
#[test]
fn several_mistakes_are_reported_together() {
    let found = refused(
        "api: {type: x}\nserver: {base_url: \"http://h\"}\nload: {stages: [{rate: a, duration: b}]}\n",
    );
    for wanted in [
        "config.yml:1:",
        "`load.stages[0].rate`",
        "`load.stages[0].duration`",
    ] {
        assert!(found.contains(wanted), "{found}");
    }
}
