//! A configuration of inference-perf from its file to a run.

use super::output_golden::assert_golden;
use crate::common::live::*;
use crate::common::*;

/// A configuration with stages and shared prefixes, as people have it.
const SHARED: &str = "\
load: {type: constant, interval: 1, num_workers: 112, stages: [{rate: 2.0, duration: 50}, {rate: 5.0, duration: 50}]}
api: {type: completion, streaming: true}
server: {type: vllm, model_name: Qwen/Qwen3-0.6B, base_url: \"http://gw:80\", ignore_eos: true}
data: {type: shared_prefix, shared_prefix: {num_groups: 32, num_prompts_per_group: 8, system_prompt_len: 2048,
  question_len: 100, output_len: 1000}}
report: {request_lifecycle: {summary: true, per_stage: true, per_request: true}}
";

const CHAT: &str = "\
api:
  type: chat
  headers:
    x-tenant: a
load:
  type: poisson
  interval: 0
  stages:
  - rate: 10
    duration: 2
  - rate: 20
    duration: 1
  num_workers: 2
  worker_max_concurrency: 10
  base_seed: 11
  request_timeout: 60
  circuit_breakers: [many_errors]
server:
  base_url: http://HOST
  api_key: sk-not-to-be-copied
data:
  type: random
  input_distribution: {min: 10, max: 100, mean: 50, std_dev: 10}
  output_distribution: {type: fixed, mean: 3}
report:
  goodput:
    constraints: {ttft: 60, request_latency: 60}
tokenizer:
  pretrained_model_name_or_path: M
";

/// The lines of standard error that begin so.
fn lines<'e>(ended: &'e Ended, begin: &str) -> Vec<&'e str> {
    ended
        .stderr
        .lines()
        .filter(|line| line.starts_with(begin))
        .collect()
}

#[test]
fn each_imported_profile_is_as_it_was_and_passes_config_check() {
    let dir = Dir::new();
    let profile = dir.path("mine.yaml");
    for (golden, text) in [
        ("inference_perf_shared.yaml", SHARED),
        ("inference_perf_chat.yaml", CHAT),
    ] {
        let file = dir.write("config.yml", text);
        let ended = ran(&["import-inference-perf", &file, "-o", &profile]).expect(0);
        assert_eq!(ended.stdout, "");
        let text = std::fs::read_to_string(&profile).unwrap();
        assert_golden(golden, &text.replace(&file, "config.yml"));
        let printed = ran(&["import", "inference-perf", &file]).expect(0);
        assert_eq!(printed.stdout, text, "without -o it is printed");
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.ends_with(&format!("llmload-uring {profile}")), "{last}");
        let checked = ran(&["config", "check", &profile]).expect(0);
        assert!(
            checked.stdout.contains("valid; nothing was sent"),
            "{}",
            checked.stdout
        );
        std::fs::remove_file(&profile).unwrap();
    }
}

#[test]
fn the_server_gets_what_the_configuration_asks_for() {
    let mock = recording_mock();
    let dir = Dir::new();
    let file = dir.write("config.yml", &CHAT.replace("HOST", &mock.address.to_string()));
    let profile = dir.path("mine.yaml");
    let ended = ran(&["import-inference-perf", &file, "-o", &profile]).expect(0);
    let lost = lines(&ended, "not carried: ");
    assert_eq!(lost.len(), 1, "{}", ended.stderr);
    assert!(
        lost[0].starts_with("not carried: `load.circuit_breakers`: "),
        "{lost:?}"
    );
    assert!(
        lines(&ended, "not copied: `server.api_key`").len() == 1,
        "{}",
        ended.stderr
    );
    assert!(
        !ended.stderr.contains("sk-not") && !std::fs::read_to_string(&profile).unwrap().contains("sk-not")
    );

    let result = dir.path("result.json");
    ran(&[&profile, "--output", &result]).expect(0);
    let got = received(mock.address);
    // 10 a second for 2 s, and 20 for 1 s: exactly so many, as in inference-perf.
    assert_eq!(got.len(), 40);
    for request in &got {
        assert_eq!(request.path, "/v1/chat/completions");
        assert_eq!(request.header("x-tenant"), Some("a"));
        let body = request.json();
        assert_eq!(body["max_tokens"], 3);
        assert_eq!(body["ignore_eos"], true);
        assert!(!body["stream"].as_bool().unwrap_or(false));
        let words = body["messages"][0]["content"]
            .as_str()
            .unwrap()
            .split_whitespace()
            .count();
        assert!((8..=101).contains(&words), "{words}");
    }
    let document = document(&result);
    assert_eq!(document["totals"]["requests"], 40);
    assert_eq!(
        document["totals"]["goodput"]["good"], 40,
        "{}",
        document["totals"]
    );
}

#[test]
fn losses_are_listed_and_with_strict_there_is_exit_code_104_and_no_profile() {
    let dir = Dir::new();
    let file = dir.write("config.yml", CHAT);
    let profile = dir.path("mine.yaml");
    let strict = ran(&["import-inference-perf", &file, "--strict", "-o", &profile]).expect(104);
    strict.one_error("1 thing was not carried, and --strict was given");
    assert!(
        strict.stderr.contains("not carried: `load.circuit_breakers`: "),
        "{}",
        strict.stderr
    );
    assert!(!std::path::Path::new(&profile).exists());
    let whole = dir.write(
        "whole.yml",
        &CHAT.replace("  circuit_breakers: [many_errors]\n", ""),
    );
    ran(&["import", "inference-perf", &whole, "--strict", "-o", &profile]).expect(0);
    ran(&[
        "import",
        "inference-perf",
        &dir.write("shared.yml", SHARED),
        "--strict",
    ])
    .expect(0);
}

#[test]
fn mistakes_have_their_line_and_nothing_is_written() {
    let dir = Dir::new();
    let profile = dir.path("mine.yaml");
    for (text, wanted) in [
        (
            CHAT.replace("rate: 20", "rate: fast"),
            "config.yml:11: `load.stages[1].rate`: `fast` is no rate",
        ),
        (
            CHAT.replace("type: poisson", "type: poison"),
            "did you mean `poisson`?",
        ),
        (
            CHAT.replace("type: random", "type: visionarena"),
            "which has no counterpart",
        ),
        (
            CHAT.replace("  base_url: http://HOST\n", ""),
            "missing key `server.base_url`",
        ),
        ("\u{0}\u{1}".to_owned(), "config.yml"),
    ] {
        let file = dir.write("config.yml", &text);
        let ended = ran(&["import-inference-perf", &file, "-o", &profile]).expect(104);
        assert!(ended.stderr.contains(wanted), "{wanted}: {}", ended.stderr);
        assert!(!std::path::Path::new(&profile).exists());
    }
    for words in [
        &["import"][..],
        &["import", "gatling", "x"],
        &["import-inference-perf", "x", "--target", "http://h"],
    ] {
        ran(words).expect(2);
    }
}

#[test]
fn a_file_that_another_import_wrote_is_replaced_and_an_edited_one_is_not() {
    let dir = Dir::new();
    let profile = dir.path("mine.yaml");
    let options = dir.write("options.json", r#"{"vus": 1, "duration": "1s"}"#);
    let file = dir.write("config.yml", SHARED);
    ran(&["import", "k6", &options, "-o", &profile]).expect(0);
    ran(&["import-inference-perf", &file, "-o", &profile]).expect(0);
    let text = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, text.replace("max_tokens: 1000", "max_tokens: 10")).unwrap();
    ran(&["import-k6", &options, "-o", &profile])
        .expect(104)
        .one_error("or was edited since then");
    ran(&["import-inference-perf", &file, "-o", &profile, "--force"]).expect(0);
    assert_eq!(std::fs::read_to_string(&profile).unwrap(), text);
}

/// The part of a configuration that says which server is asked.
fn server(address: std::net::SocketAddr) -> String {
    format!("server: {{ base_url: \"http://{address}\", model_name: m }}\napi: {{ streaming: true }}\n")
}

/// The lengths of the prompts that the mock got, with the limits of their answers, in order.
fn lengths(mock: &llmload_uring::mock::Mock) -> Vec<(usize, u64)> {
    let all = received(mock.address);
    let one = |got: &Got| {
        let body = got.json();
        (
            body["prompt"].as_array().unwrap().len(),
            body["max_tokens"].as_u64().unwrap(),
        )
    };
    all.iter().map(one).collect()
}

#[test]
fn the_rows_of_a_trace_are_sent_when_they_say_and_as_long_as_they_say() {
    let mock = recording_mock();
    let dir = Dir::new();
    let trace = dir.write(
        "trace.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n\
         2023-11-16 18:15:46.7951690,396,109\r\n2023-11-16 18:15:47.2,12,3",
    );
    let file = dir.write(
        "config.yml",
        &format!(
            "load: {{ type: trace_replay, trace: {{ file: {trace}, format: AzurePublicDataset }}, stages: [{{ rate: 1, \
             duration: 30 }}] }}\ndata: {{ type: random, trace: {{ file: {trace} }} }}\n{}",
            server(mock.address)
        ),
    );
    let profile = dir.path("mine.yaml");
    ran(&["import-inference-perf", &file, "-o", &profile, "--strict"]).expect(0);
    ran(&["config", "check", &profile]).expect(0);
    ran(&[&profile]).expect(0);
    assert_eq!(lengths(&mock), [(374, 44), (396, 109), (12, 3)]);
}

#[test]
fn sessions_of_agents_are_carried_out_as_often_as_the_stage_says() {
    let mock = recording_mock();
    let dir = Dir::new();
    let session = |id: u32, length: u32| {
        format!(
            "{{\"id\":\"s{id}\",\"block_size\":16,\"hash_id_scope\":\"local\",\"requests\":[{{\"t\":0,\"in\":{length},\
             \"out\":2,\"api_time\":0.1}},{{\"t\":0.15,\"in\":{},\"out\":3,\"api_time\":0.1}}]}}\n",
            length + 1
        )
    };
    let trace = dir.write("traces.jsonl", &[session(1, 30), session(2, 40)].concat());
    let file = dir.write(
        "config.yml",
        &format!(
            "load: {{ type: trace_session_replay, stages: [{{ concurrent_sessions: 1, num_sessions: 3 }}] }}\ndata: {{ \
             type: weka_trace_replay, weka_trace_replay: {{ trace_files: [{trace}] }} }}\n{}",
            server(mock.address)
        ),
    );
    let profile = dir.path("mine.yaml");
    ran(&["import-inference-perf", &file, "-o", &profile, "--strict"]).expect(0);
    ran(&["config", "check", &profile]).expect(0);
    let result = dir.path("result.json");
    ran(&[&profile, "-o", &result]).expect(0);
    let expected = [(30, 2), (31, 3), (40, 2), (41, 3), (30, 2), (31, 3)];
    assert_eq!(lengths(&mock), expected);
    assert_eq!(document(&result)["sessions"]["completed"], 3);
}
