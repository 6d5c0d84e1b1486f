//! Tests scenarios with rates that share a profile.

use super::super::tests::{import_with, imported, refused};
use crate::config::read_profile;
use crate::k6::{Request, import};
use crate::profiles;
use crate::workload::{Call, Chat};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A script with a constant rate from the start and a ramp that begins later.
const SCRIPT: &str = "export const options = { scenarios: {\n  \
    interactive: { executor: 'constant-arrival-rate', rate: 300, timeUnit: '1m', duration: '1m',\n    \
    preAllocatedVUs: 5, maxVUs: 20, exec: 'ask', gracefulStop: '10s' },\n  \
    batch: { executor: 'ramping-arrival-rate', startRate: 2, preAllocatedVUs: 30, startTime: '15s',\n    \
    stages: [{ duration: '10s', target: 40 }, { duration: '20s', target: 40 }] },\n\
    }, thresholds: { 'http_req_duration{scenario:interactive}': ['p(95)<500'],\n  \
    'dropped_iterations{scenario:batch}': ['count<1'], 'checks{scenario:other}': ['rate>0.9'] } };";

/// The profile below its stamp.
const PROFILE: &str = r#"# Not carried:
#   scenario `interactive`: `gracefulStop`: 10s are no limit of its own; all kinds of request have `graceful_stop: 30s`
#   scenario `interactive`: `exec`: no function of the script runs; change what this kind of request asks
#   threshold on `checks{scenario:other}`: `rate>0.9`: no request `other` in the mix; the mix has batch, interactive
# Under another name or in another unit:
#   `dropped_iterations{scenario:batch}: count<1` is `dropped_iterations{request:batch}: count<1`
#   `http_req_duration{scenario:interactive}: p(95)<500` is `http_req_duration{request:interactive}: p(95)<500`
executor: ramping-arrival-rate
pre_allocated_vus: 35
max_vus: 50
when_full: drop
graceful_stop: 30s

# k6's options do not say what is requested: each scenario asks as the heaviest request of `load`. Change it.
# Without `models` a server is asked for the one that it has.
think_time: 100ms-300ms
prompts:
  - Explain in a few sentences how a suspension bridge carries its load.
  - Write a short story about a clockmaker who finds a watch that runs backwards.
  - What are the trade-offs between a hash table and a balanced tree?
  - Summarise the causes of the tides for a ten-year-old.
  - Describe three ways to keep a database fast as it grows.
  - Give me a plan for learning to read music in a month.
  - Why do some metals rust while others do not?
requests:
  - name: "batch"
    start_rate: 2/s
    stages:
      - { duration: 10s, target: 40/s }
      - { duration: 20s, target: 40/s }
    max_vus: 30
    start_time: 15s
    kind: chat
    stream: true
    max_tokens: 50-200
    timeout: 60s
  - name: "interactive"
    rate: 300/m
    duration: 1m
    max_vus: 20
    kind: chat
    stream: true
    max_tokens: 50-200
    timeout: 60s

# A threshold without samples fails here; in k6 it passes.
thresholds:
  "dropped_iterations{request:batch}":
    - "count<1"
  "http_req_duration{request:interactive}":
    - "p(95)<500"
"#;

#[test]
fn each_scenario_with_a_rate_becomes_a_kind_of_request_with_its_times() {
    let imported = import_with(SCRIPT, &[]).unwrap();
    let below = imported.profile.find("# Not carried").unwrap();
    assert_eq!(&imported.profile[below..], PROFILE, "{}", imported.profile);
    let plan = read_profile("imported.yaml", &imported.profile).unwrap();
    assert_eq!(
        plan.executor.in_words(),
        "batch after 15s at 2/s, to 40/s in 10s, 40/s for 20s (at most 30 users); interactive at 300/m for 1m (at most \
         20 users); constant arrivals; at most 50 users, drops what they cannot take"
    );
}

#[test]
fn scenarios_with_rates_are_carried_with_the_requests_of_every_mix() {
    for mix in profiles::names() {
        let import_of = |text| {
            let request = Request {
                text,
                from: "script.js",
                mix,
                env: &BTreeMap::new(),
            };
            let imported = import(&request).unwrap_or_else(|e| panic!("{mix}: {e}"));
            read_profile("imported.yaml", &imported.profile).unwrap()
        };
        let plan = import_of(SCRIPT);
        // With several servers each has every kind, and its name comes first.
        let kinds = plan.workload.kinds.iter();
        let names: BTreeSet<&str> = kinds.map(|kind| kind.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["batch", "interactive"]), "{mix}");
        // Both ask as the heaviest request of the mix does if one load draws from it.
        let of_mix = import_of(r#"{"vus": 1, "duration": "1s"}"#);
        let weights = of_mix.workload.kinds.iter().map(|kind| kind.weight);
        let most = weights.max().unwrap();
        let heaviest = of_mix
            .workload
            .kinds
            .iter()
            .find(|kind| kind.weight == most)
            .unwrap();
        for kind in &plan.workload.kinds {
            assert_eq!(kind.timeouts, heaviest.timeouts, "{mix}");
            let [ours, theirs] = [kind, heaviest].map(|kind| match &kind.call {
                Call::Chat(Chat {
                    stream, max_tokens, ..
                }) => (*stream, max_tokens.clone()),
                call => panic!("{mix}: {call:?}"),
            });
            assert_eq!(ours, theirs, "{mix}");
        }
    }
}

#[test]
fn scenarios_of_which_not_all_have_a_rate_keep_the_largest_alone() {
    let open =
        json!({"executor": "constant-arrival-rate", "rate": 5, "duration": "1s", "preAllocatedVUs": 2});
    let closed = json!({"executor": "constant-vus", "vus": 9, "duration": "1s"});
    let (plan, left_out) = imported(&json!({"scenarios": {"a": open, "b": closed, "c": open}}).to_string());
    assert_eq!(plan.executor.in_words(), "9 users from the start, for 1s");
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    for (line, name) in left_out.iter().zip(["a", "c"]) {
        let wanted = format!("scenario `{name}` (constant-arrival-rate with 2 VUs): a profile has one load");
        assert!(line.starts_with(&wanted), "{line}");
    }
    // One that has no counterpart does not keep the others apart.
    let outside = json!({"executor": "externally-controlled", "vus": 1, "duration": "1s"});
    let (plan, left_out) = imported(&json!({"scenarios": {"a": open, "b": outside, "c": open}}).to_string());
    assert_eq!(plan.executor.sequences(), 2);
    assert!(
        left_out[0].starts_with("scenario `b`: externally-controlled"),
        "{left_out:?}"
    );
}

#[test]
fn a_scenario_that_cannot_run_next_to_others_is_refused_by_name() {
    let other = "b: { executor: 'constant-arrival-rate', rate: 5, duration: '1s', preAllocatedVUs: 2 }";
    for (keys, what) in [
        (
            "rate: 0, duration: '1s', preAllocatedVUs: 1",
            "scenario `a`: no request ever arrives",
        ),
        (
            "rate: 1, duration: '1s', preAllocatedVUs: 5, maxVUs: 2",
            "scenario `a`: 5 VUs from the start are more than the most, 2",
        ),
        (
            "rate: 1, duration: '1s', preAllocatedVUs: 5, startTime: WHEN",
            "scenario `a`: `startTime`: `WHEN` (line 2)",
        ),
        (
            "rate: 1, duration: '1s', preAllocatedVUs: 5, startTime: 'later'",
            "scenario `a`: `startTime`: `\"later\"` is not a duration",
        ),
    ] {
        let found = refused(&format!(
            "import {{ WHEN }} from './x.js';\nexport const options = {{ scenarios: {{ \
             a: {{ executor: 'constant-arrival-rate', {keys} }}, {other} }} }};"
        ));
        assert!(found.starts_with(what), "{found}");
    }
}
