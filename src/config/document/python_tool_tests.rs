use crate::config::document::body::BODY_KEYS;
use crate::config::document::read_document;
use crate::config::{Config, to_plan};
use crate::error::Mistake;
use crate::units::{MILLISECOND, MINUTE, SECOND, Span};

/// As the tool ships them, its hosts replaced.
const REMOTE: &str = "\
server:
  base_url: \"http://127.0.0.1:38703/completion\"
  model_alias: \"remote\"
workload:
  users: 15
  duration_seconds: 300.0
  ramp_up_seconds: 30
  seed: 42
  scenario: \"remote\"
prompts:
  min_tokens: 50
  max_tokens: 200
  prefix: \"Explain briefly: \"
prometheus:
  enabled: False
client:
  timeout_seconds: 180
  connect_timeout: 30
  retries: 5
  backoff_factor: 2.0
";

fn read(text: &str) -> (Config, Vec<String>) {
    let (config, mut mistakes) = read_document("p", "p.yaml", text).unwrap();
    mistakes.extend(to_plan(&config).err().unwrap_or_default());
    (config, mistakes.iter().map(Mistake::to_string).collect())
}

fn valid(text: &str) -> Config {
    let (config, mistakes) = read(text);
    assert_eq!(mistakes, [""; 0], "{text}");
    config
}

fn refused(text: &str) -> String {
    let (_, mistakes) = read(text);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].clone()
}

#[test]
fn the_clients_timeouts_are_those_of_requests_without_their_own_and_retries_are_told() {
    let config = valid(REMOTE);
    let request = &config.requests[0];
    assert_eq!(
        (request.timeout, request.connect_timeout),
        (3 * MINUTE, 30 * SECOND)
    );
    assert_eq!(config.notes.len(), 1);
    assert!(
        config.notes[0].starts_with("p.yaml:19: `client.retries` and `backoff_factor` are not carried over")
    );

    let own = "requests:\n  - {name: a, timeout: 9s}\n  - {name: b, connect_timeout: 2s}\n  - {name: c, kind: light}\n";
    let config = valid(&format!("{REMOTE}{own}"));
    let times: Vec<_> = config
        .requests
        .iter()
        .map(|r| (r.timeout, r.connect_timeout))
        .collect();
    // A limit for connecting is never longer than the whole.
    let expected = [
        (9 * SECOND, 9 * SECOND),
        (3 * MINUTE, 2 * SECOND),
        (3 * MINUTE, 30 * SECOND),
    ];
    assert_eq!(times, expected);

    let config = valid(
        &REMOTE
            .replace("timeout_seconds: 180", "timeout_seconds: null")
            .replace(": 5\n", ": 0\n"),
    );
    let request = &config.requests[0];
    assert_eq!(
        (request.timeout, request.connect_timeout),
        (5 * MINUTE, 30 * SECOND)
    );
    assert_eq!(config.notes, [""; 0]);
}

#[test]
fn wrong_values_of_the_client_are_mistakes() {
    for (from, to, what) in [
        (
            "timeout_seconds: 180",
            "timeout_seconds: 0",
            "`client.timeout_seconds`: `0s` is shorter",
        ),
        (
            "connect_timeout: 30",
            "connect_timeout: soon",
            "`client.connect_timeout`: `soon` is not a duration",
        ),
        (
            "retries: 5",
            "retries: -1",
            "`client.retries`: `-1` is not a whole number",
        ),
        ("retries: 5", "retires: 5", "did you mean `retries`?"),
        (
            "backoff_factor: 2.0",
            "backoff_factor: x",
            "`client.backoff_factor`: `x` is not a number",
        ),
    ] {
        let found = refused(&REMOTE.replace(from, to));
        assert!(found.contains(what), "{found}");
    }
}

/// A document in which every key that may be null is.
const NULLS: &str = "\
description: ~
validate: null
tokenizer: null
require_fit: null
require_decided: null
executor: null
vus: null
duration:
iterations: null
max_duration: null
start_vus: null
stages: null
graceful_ramp_down: null
graceful_stop: null
rate: null
start_rate: null
time_unit: null
arrival: null
pre_allocated_vus: null
max_vus: null
when_full: null
time_scale: null
delay_scale: null
trace_window: null
trace_loop: null
trace_spread: null
seed: null
think_time: null
connection: null
source_address: null
request_id_header: null
models: null
goodput: null
batch_size: null
cancel: null
cache_bust: null
max_tokens_key: null
stream_options: null
steps: null
simulator: null
server: null
servers:
  - {name: a, base_url: 'http://127.0.0.1:1/v1', model_alias: null, weight: null, api: null, api_key_env: null, headers: null}
  - {name: b, base_url: 'http://127.0.0.1:2/v1', headers: {x-a: null}}
workload: {users: 2, duration_seconds: 5, ramp_up_seconds: null, warmup_seconds: null, think_time: null, seed: Null, repeat: NULL, scenario: null, iterations: null, mode: null, max_in_flight: null}
prompts: {min_tokens: null, max_tokens: null, prompt_tokens: null, prefix: null, file: null, cache_prompt: null, strategy: null, stages: null, ramp: null}
dataset: null
conversation: null
requests: null
each_kind_first: null
warmup: null
repeat: null
contention: null
server_metrics: ~
paired: null
paired_prompts: null
results_dir: null
output: null
details: null
analysis: {error_rate_max: null, ttft_p50_good: null, fail_on_findings: null}
prometheus: {enabled: null, pushgateway_url: null, job_name: null, instance_name: null, push_interval_seconds: null, username: null, password: null}
client: {timeout_seconds: null, connect_timeout: null, retries: null, backoff_factor: null}
thresholds: {latency: null}
load_profile: null
comparison_mode: null
ping: null
system: null
";

#[test]
fn null_is_as_good_as_absent_for_every_key() {
    let bare = "\
servers:
  - {name: a, base_url: 'http://127.0.0.1:1/v1'}
  - {name: b, base_url: 'http://127.0.0.1:2/v1'}
workload: {users: 2, duration_seconds: 5}
";
    let shown = |config: &Config| {
        let json = serde_json::to_value(config).unwrap();
        let mut json = json.as_object().unwrap().clone();
        // That the mapping is there at all turns nothing on.
        json.remove("prometheus");
        json
    };
    assert_eq!(shown(&valid(NULLS)), shown(&valid(bare)));
    for known in super::KEYS {
        assert!(
            NULLS.contains(&format!("\n{known}:")) || known == "description",
            "{known} is not in the test"
        );
    }
}

#[test]
fn null_in_a_request_is_as_good_as_absent() {
    let keys = super::requests::request_keys().chain(BODY_KEYS);
    let keys = keys.filter(|key| *key != "name");
    let nulls: Vec<String> = keys.map(|key| format!("{key}: null")).collect();
    let text = |request: &str| {
        format!(
            "executor: constant-vus\nduration: 1s\nmodels: [m]\nprompts: {{min_tokens: 5, max_tokens: 9}}\n\
             requests: [{{name: a{request}}}]\n"
        )
    };
    let with = valid(&text(&format!(", {}", nulls.join(", "))));
    assert_eq!(with.requests, valid(&text("")).requests);
}

#[test]
fn a_required_key_that_is_null_is_missing_where_it_stands() {
    let found = refused(
        "server: {base_url: 'http://127.0.0.1:1/v1'}\nworkload:\n  duration_seconds: 5\n  users: null\n",
    );
    assert!(
        found.starts_with("error: p.yaml:4: missing key `workload.users`"),
        "{found}"
    );
    let found = refused(
        "server: {base_url: 'http://127.0.0.1:1/v1', wieght: null}\nworkload: {users: 1, duration_seconds: 5}\n",
    );
    assert!(found.contains("did you mean `weight`?"), "{found}");
}

#[test]
fn keys_that_ask_for_another_load_are_answered_with_what_does_the_same() {
    let two = "servers:\n  - {name: a, base_url: 'http://127.0.0.1:1/v1'}\n  - {name: b, base_url: 'http://127.0.0.1:2/v1'}\n\
               workload:\n  users: 2\n  duration_seconds: 5\n";
    let cases = [
        ("comparison_mode: true\n", "write `contention: true`"),
        ("  iterations: 2\n", "write `repeat: 2`"),
        (
            "load_profile: {type: ramp, start_users: 5, end_users: 40}\n",
            "`stages: [{duration: 0s, target: 5}, {duration: TIME, target: 40}]`",
        ),
        (
            "load_profile: {type: wave, min_users: 5, max_users: 40}\n",
            "`executor: ramping-vus` with `stages`",
        ),
        (
            "load_profile: {type: spike, base_rps: 2, peak_rps: 20}\n",
            "`executor: ramping-arrival-rate` with `stages`",
        ),
        ("load_profile: ramp\n", "`executor: ramping-vus` with `stages`"),
        ("  mode: open_loop\n", "write `executor: constant-arrival-rate`"),
        ("  mode: hybrid\n", "`max_vus` limits the requests in flight"),
        ("prompts: {strategy: staged}\n", "`prompt_tokens: 256-2048`"),
        (
            "prompts: {stages: [{tokens: 5, duration_seconds: 3}]}\n",
            "`prompt_tokens: 256-2048`",
        ),
    ];
    for (more, what) in cases {
        let found = refused(&format!("{two}{more}"));
        assert!(found.contains(what), "{found}");
    }
    // The values that this program has anyway.
    let same = "  iterations: 1\n  mode: closed_loop\n  max_in_flight: 0\n  arrival_distribution: poisson\ncomparison_mode: false\n\
                prompts: {strategy: uniform}\nping: {enabled: false}\nsystem: {enabled: no}\n";
    assert_eq!(valid(&format!("{two}{same}")).notes, [""; 0]);
    let noted = valid(&format!(
        "{two}  max_in_flight: 9\nping: {{count: 4}}\nsystem: {{enabled: true}}\n"
    ))
    .notes;
    let keys = ["7: `workload.max_in_flight`", "8: `ping`", "9: `system`"];
    assert_eq!(noted.len(), 3);
    for (note, key) in noted.iter().zip(keys) {
        assert!(
            note.starts_with(&format!("p.yaml:{key} is not carried over: ")),
            "{note}"
        );
    }
}

#[test]
fn pauses_of_that_tool_are_carried_where_they_are_drawn_alike() {
    let think = |keys: &str| valid(&format!("{REMOTE}think_time: {keys}\n")).think_time;
    let ms = |min, max| Span {
        min: min * MILLISECOND,
        max: max * MILLISECOND,
    };
    assert_eq!(
        think("{enabled: false, distribution: lognormal, mean_seconds: 1}"),
        ms(0, 0)
    );
    assert_eq!(think("{enabled: true, distribution: none}"), ms(0, 0));
    assert_eq!(
        think("{enabled: true, distribution: fixed, fixed_seconds: 0.5}"),
        ms(500, 500)
    );
    assert_eq!(
        think("{enabled: true, distribution: uniform, min_seconds: 0.2, max_seconds: 2.5}"),
        ms(200, 2500)
    );
    let found = refused(&format!(
        "{REMOTE}think_time: {{enabled: true, distribution: lognormal, mean_seconds: 1}}\n"
    ));
    assert!(
        found.contains("p.yaml:21: `think_time.distribution`: `lognormal`"),
        "{found}"
    );
    refused(&format!(
        "{REMOTE}think_time: {{enabled: true, distribution: uniform}}\n"
    ));
}
