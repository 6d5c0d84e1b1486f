use super::*;
use crate::config::read_profile;
use crate::error::Mistakes;
use crate::imports::{Imported, is_as_written};
use crate::plan::{ConnectionUse, Executor, Plan, Stage};
use crate::units::{MILLISECOND, MINUTE, SECOND};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn import_with(text: &str, env: &[(&str, &str)]) -> Result<Imported, Mistakes> {
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let (from, mix) = ("options.json", "load");
    import(&Request {
        text,
        from,
        mix,
        env: &env,
    })
}

/// The plan of the imported profile, and what it does not carry.
#[track_caller]
fn imported_with(text: &str, env: &[(&str, &str)]) -> (Plan, Vec<String>) {
    let imported = import_with(text, env).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let profile = imported.profile;
    assert!(is_as_written(profile.as_bytes()), "{profile}");
    let plan = read_profile("imported.yaml", &profile).unwrap_or_else(|e| panic!("{e}\n{profile}"));
    for line in imported.left_out.iter().chain(&imported.renamed) {
        assert!(profile.contains(line), "{line} is not said in\n{profile}");
    }
    (plan, imported.left_out)
}

#[track_caller]
pub(super) fn imported(text: &str) -> (Plan, Vec<String>) {
    imported_with(text, &[])
}

#[track_caller]
pub(super) fn refused(text: &str) -> String {
    let refusal = import_with(text, &[]).unwrap_err();
    let reason = &refusal.iter().next().unwrap().reason;
    assert!(reason.hint.is_some(), "{refusal}");
    reason.what.clone()
}

fn stage(seconds: u64, target: u32) -> Stage {
    Stage {
        duration: seconds * SECOND,
        target,
    }
}

#[test]
fn k6s_shortcuts_become_the_executors_that_k6_makes_of_them() {
    let constant = Executor::ConstantVus {
        vus: 10,
        duration: 90 * SECOND,
    };
    let (plan, left_out) = imported(r#"{"vus": 10, "duration": "1m30s"}"#);
    assert_eq!((plan.executor, plan.graceful_stop), (constant, 30 * SECOND));
    assert_eq!(left_out, [""; 0]);

    let ramping = Executor::RampingVus {
        start_vus: 1,
        stages: vec![stage(30, 500), stage(120, 500), stage(0, 0)],
        graceful_ramp_down: 30 * SECOND,
    };
    let stages = r#"{"stages": [{"duration": "30s", "target": 500}, {"duration": "2m", "target": 500},
                     {"duration": 0, "target": 0}]}"#;
    assert_eq!(imported(stages).0.executor, ramping);

    let shared = Executor::SharedIterations {
        vus: 5,
        iterations: 200,
        max_duration: 10 * MINUTE,
    };
    assert_eq!(imported(r#"{"vus": 5, "iterations": 200}"#).0.executor, shared);
    // A plain number is of milliseconds in k6, and of seconds in our own profiles.
    let brief = imported(r#"{"vus": 1, "duration": 1500}"#).0.executor;
    assert_eq!(brief.duration(), 1_500 * MILLISECOND);
    assert_eq!(imported(r#"{"vus": 1, "duration": "1500"}"#).0.executor, brief);
    assert_eq!(
        imported(r#"{"vus": 1, "duration": "1d"}"#).0.executor.duration(),
        24 * 60 * MINUTE
    );
}

#[test]
fn each_of_the_four_executors_is_imported_with_its_defaults_and_graceful_stop() {
    let one = |scenario: serde_json::Value| imported(&json!({"scenarios": {"main": scenario}}).to_string());
    let (plan, left_out) = one(json!({
        "executor": "ramping-vus", "startVUs": 0, "gracefulRampDown": "5s", "gracefulStop": "7s",
        "stages": [{"duration": "10s", "target": 20}], "exec": "default", "startTime": "0s", "tags": {},
    }));
    let ramping = Executor::RampingVus {
        start_vus: 0,
        stages: vec![stage(10, 20)],
        graceful_ramp_down: 5 * SECOND,
    };
    assert_eq!((plan.executor, plan.graceful_stop), (ramping, 7 * SECOND));
    assert_eq!(left_out, [""; 0]);
    let (plan, _) =
        one(json!({"executor": "per-vu-iterations", "vus": 3, "iterations": 4, "maxDuration": "1m"}));
    let per_vu = Executor::PerVuIterations {
        vus: 3,
        iterations: 4,
        max_duration: MINUTE,
    };
    assert_eq!(plan.executor, per_vu);
    let (plan, _) = one(json!({"executor": "shared-iterations"}));
    let shared = Executor::SharedIterations {
        vus: 1,
        iterations: 1,
        max_duration: 10 * MINUTE,
    };
    assert_eq!(plan.executor, shared);
    let (plan, _) = one(json!({"executor": "constant-vus", "vus": 2, "duration": "3s"}));
    assert_eq!(
        (plan.executor.vus_of_all(), plan.executor.name()),
        (2, "constant-vus")
    );
}

#[test]
fn executors_with_a_rate_keep_rate_unit_and_users() {
    let constant = json!({"scenarios": {"a": {
        "executor": "constant-arrival-rate", "rate": 300, "timeUnit": "1m", "duration": "10s",
        "preAllocatedVUs": 5, "maxVUs": 50,
    }}});
    let (plan, left_out) = imported(&constant.to_string());
    let in_words = "300/m for 10s, constant arrivals, at most 50 users, drops what they cannot take";
    assert_eq!(plan.executor.in_words(), in_words);
    assert_eq!(plan.executor.open_loop().unwrap().pre_allocated_vus, 5);
    assert_eq!(left_out, Vec::<String>::new());
    let ramping = json!({"scenarios": {"a": {
        "executor": "ramping-arrival-rate", "startRate": 10, "preAllocatedVUs": 5,
        "stages": [{"duration": "5s", "target": 100}, {"duration": "5s", "target": 100}],
    }}});
    let (plan, left_out) = imported(&ramping.to_string());
    let in_words =
        "10/s, to 100/s in 5s, 100/s for 5s, constant arrivals, at most 5 users, drops what they cannot take";
    assert_eq!(plan.executor.in_words(), in_words);
    assert_eq!(left_out, Vec::<String>::new());
}

#[test]
fn each_option_that_is_not_imported_is_listed_with_the_reason() {
    let options = json!({
        "scenarios": {
            "chat": {"executor": "constant-vus", "vus": 20, "duration": "3s", "exec": "chat", "startTime": "5s",
                     "env": {"A": "b"}, "gracefulStopp": "1s"},
            "few": {"executor": "ramping-vus", "stages": [{"duration": "1s", "target": 3}]},
            "outside": {"executor": "externally-controlled", "vus": 10, "duration": "1s"},
        },
        "setupTimeout": "10s", "dns": {"ttl": "1m"}, "hosts": {"a": "1.2.3.4"}, "ext": {"loadimpact": {"x": 1}},
        "tags": {"a": "b"}, "treshold": {"x": 1}, "userAgent": "x", "discardResponseBodies": true,
        "noConnectionReuse": false, "rps": null, "systemTags": [],
    });
    let (plan, left_out) = imported(&options.to_string());
    assert_eq!(plan.executor.vus_of_all(), 20);
    let wanted = [
        "scenario `chat`: `env`: variables",
        "scenario `chat`: `exec`: no function of the script runs",
        "scenario `chat`: `gracefulStopp`: unknown key, did you mean `gracefulStop`?",
        "scenario `chat`: `startTime`: the load begins at once",
        "scenario `outside`: externally-controlled has no counterpart here",
        "scenario `few` (ramping-vus with 3 VUs): a profile has one load, here that of `chat`",
        "`discardResponseBodies`: ",
        "`dns`: ",
        "`ext`: ",
        "`hosts`: ",
        "`setupTimeout`: ",
        "`tags`: ",
        "`treshold`: unknown key, did you mean `thresholds`?",
        "`userAgent`: give --header",
    ];
    assert_eq!(left_out.len(), wanted.len(), "{left_out:#?}");
    for (line, wanted) in left_out.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{wanted}: {line}");
    }
}

#[test]
fn thresholds_keep_k6s_names_and_forms_and_those_on_unknown_metrics_are_left_out() {
    let options = json!({
        "vus": 1, "duration": "1s",
        "thresholds": {
            "http_req_failed": ["rate<0.05", {"threshold": "rate<0.5", "abortOnFail": true, "delayAbortEval": "10s"}],
            "http_req_duration{expected_response:true}": "p(95)<500",
            "http_reqs": [{"threshold": "count>1"}],
            "checks": ["rate>0.9"],
            "iteration_duration": ["p(95)<1000"],
            "my_trend": ["p(95)<1"],
            "http_req_waiting{scenario:chat}": ["p(95)<1"],
            "http_req_waiting{name:chat}": ["p(95)<1"],
            "http_req_connecting": ["rate<1"],
            "http_req_tls_handshaking": [7],
        },
    });
    let (plan, left_out) = imported(&options.to_string());
    let carried: Vec<(&str, &str, bool)> = plan
        .thresholds
        .iter()
        .map(|t| (t.key.as_str(), t.text.as_str(), t.abort_after.is_some()))
        .collect();
    let wanted = [
        ("checks", "rate>0.9", false),
        ("http_req_duration{expected_response:true}", "p(95)<500", false),
        ("http_req_failed", "rate<0.05", false),
        ("http_req_failed", "rate<0.5", true),
        ("http_reqs", "count>1", false),
    ];
    assert_eq!(carried, wanted);
    assert_eq!(plan.thresholds[3].abort_after, Some(10 * SECOND));
    let named = [
        ("`http_req_connecting`", "takes"),
        ("`http_req_tls_handshaking`", "it is not a string"),
        ("`http_req_waiting{name:chat}`", "unknown tag"),
        (
            "`http_req_waiting{scenario:chat}`",
            "is that of scenario `default`",
        ),
        (
            "`iteration_duration`",
            "`latency` is one request without the pause",
        ),
        ("`my_trend`", "unknown metric"),
    ];
    assert_eq!(left_out.len(), named.len(), "{left_out:#?}");
    for (line, (metric, why)) in left_out.iter().zip(named) {
        assert!(line.starts_with(&format!("threshold on {metric}: ")), "{line}");
        assert!(
            metric == "`http_req_connecting`" || line.contains(why),
            "{why}: {line}"
        );
    }
}

#[test]
fn control_characters_of_a_k6_file_are_escaped_in_the_profile() {
    let hostile = crate::error::HOSTILE;
    let key = format!("http_req_duration{{request:{hostile}}}");
    let options = json!({
        "vus": 1, "duration": "1s", hostile: true,
        "thresholds": { "http_req_failed": [format!("rate<0.5{hostile}"), "rate<0.05"], key: ["p(95)<1"], hostile: ["x"] },
    });
    let request = Request {
        text: &options.to_string(),
        from: hostile,
        mix: "load",
        env: &BTreeMap::new(),
    };
    let Imported {
        profile, left_out, ..
    } = import(&request).unwrap();
    assert_eq!(left_out.len(), 4, "{left_out:?}");
    assert!(
        profile
            .lines()
            .all(|line| !line.contains(crate::error::is_unsafe)),
        "{profile:?}"
    );
    assert!(profile.contains("\n    - \"rate<0.05\"\n"), "{profile}");
}

#[test]
fn literal_options_of_a_script_are_read() {
    let script = r"
import http from 'k6/http';
// export const options = { vus: 99, duration: '9s' };
/* const options = { vus: 98 } */
export const options = {
  vus: 7, // { not a brace
  duration:'30s',
  thresholds: { http_req_failed: [{threshold:'rate<0.01',abortOnFail:true}], 'http_req_duration{expected_response:true}': [`p(99)<5`].length },
};
export default function () { http.get('http://x/{}'); }
";
    let working = script.replace("[`p(99)<5`].length", "['p(99)<500']");
    let (plan, left_out) = imported(&working);
    assert_eq!(
        (plan.executor.vus_of_all(), plan.executor.duration()),
        (7, 30 * SECOND)
    );
    assert_eq!((plan.thresholds.len(), left_out.len()), (2, 0), "{left_out:?}");
    let (plan, left_out) = imported(script);
    assert_eq!((plan.thresholds.len(), left_out.len()), (1, 1), "{left_out:?}");
    assert!(left_out[0].contains("it is not a string"), "{left_out:?}");
    let computed = refused("export let options = { vus: __ENV.VUS, duration: '1s' }");
    assert!(
        computed.contains("options: `vus`: `__ENV.VUS` (line 1)"),
        "{computed}"
    );
}

/// As `k6 inspect --execution-requirements` of k6 1.1.0 prints it, nulls left out.
#[test]
fn the_shortcuts_that_k6_inspect_repeats_become_one_scenario() {
    let options = json!({
        "stages": [{"duration": "30s", "target": 10}, {"duration": "1m30s", "target": 10}],
        "scenarios": {"default": {"executor": "ramping-vus", "startVUs": null, "gracefulRampDown": null,
            "stages": [{"duration": "30s", "target": 10}, {"duration": "1m30s", "target": 10}]}},
        "totalDuration": "2m30s", "maxVUs": 10,
    });
    let (plan, left_out) = imported(&options.to_string());
    let ramping = Executor::RampingVus {
        start_vus: 1,
        stages: vec![stage(30, 10), stage(90, 10)],
        graceful_ramp_down: 30 * SECOND,
    };
    assert_eq!((plan.executor, left_out.len()), (ramping, 0), "{left_out:?}");
}

#[test]
#[allow(clippy::too_many_lines)] // A list of forms.
fn a_file_without_a_load_is_refused_with_its_kind() {
    for (options, what) in [
        ("", "no k6 options"),
        ("[1]", "not an object"),
        ("hello", "no k6 options"),
        ("{}", "no load: there is none of"),
        (r#"{"vus": 10}"#, "no load: there is none of"),
        (r#"{"options": 3}"#, "`options` is not an object"),
        (r#"{"metrics": {}}"#, "results, not options"),
        (
            r#"{"options": {"summaryTrendStats": ["avg"]}, "metrics": {}}"#,
            "these are results, whose options do not give",
        ),
        (
            r#"{"stages": [], "duration": "1s"}"#,
            "`stages` and `duration` cannot be used together",
        ),
        (
            r#"{"scenarios": {"a": {"executor": "constant-vus", "duration": "1s"}}, "vus": 1}"#,
            "`scenarios` and `vus`",
        ),
        (
            r#"{"scenarios": {}}"#,
            "`scenarios` is not an object of scenarios",
        ),
        (
            r#"{"scenarios": {"a": {"vus": 1}}}"#,
            "scenario `a`: no `executor`",
        ),
        (
            r#"{"scenarios": {"a": {"executor": "constant-vus"}}}"#,
            "scenario `a`: no `duration`",
        ),
        (
            r#"{"scenarios": {"a": {"executor": "x"}}}"#,
            "unknown executor `x`",
        ),
        (
            r#"{"scenarios": {"a": {"executor": "ramping-arrival-rate"}}}"#,
            "scenario `a`: no `stages`",
        ),
        (
            r#"{"stages": [{"duration": "1s"}]}"#,
            "options: stage 1: no `target`",
        ),
        (r#"{"vus": -1, "duration": "1s"}"#, "`vus`: `-1` is not a count"),
        (
            r#"{"vus": 1, "duration": "soon"}"#,
            "`duration`: `\"soon\"` is not a duration",
        ),
        (
            r#"{"vus": 9, "iterations": 3}"#,
            "the load is beyond the limits of this program",
        ),
        (
            r#"{"vus": 4000000000, "duration": "1s"}"#,
            "the load is beyond the limits of this program",
        ),
    ] {
        let found = refused(options);
        assert!(found.contains(what), "{options}: {found}");
    }
    let request = Request {
        text: r#"{"vus": 1, "duration": "1s"}"#,
        from: "x",
        mix: "nosuch",
        env: &BTreeMap::new(),
    };
    assert!(
        import(&request)
            .unwrap_err()
            .to_string()
            .contains("--mix `nosuch`")
    );
}

#[test]
fn options_with_nulls_are_read_and_every_mix_can_be_used() {
    let options = json!({
        "options": {
            "paused": null, "vus": null, "duration": null, "iterations": null, "stages": null, "noSetup": null,
            "scenarios": {"default": {"executor": "ramping-vus", "startVUs": null, "gracefulRampDown": null,
                "stages": [{"duration": "1s", "target": 4}], "exec": null, "env": null, "tags": null}},
            "systemTags": [], "tags": null, "thresholds": {"http_req_failed": ["rate<0.1"]},
            "noConnectionReuse": false, "rps": null, "dns": {"ttl": null, "select": null},
        }
    });
    let (plan, left_out) = imported(&options.to_string());
    assert_eq!(
        (plan.executor.vus_of_all(), left_out.len()),
        (4, 0),
        "{left_out:?}"
    );
    for mix in crate::profiles::names() {
        let request = Request {
            text: &options.to_string(),
            from: "a\nb: c",
            mix,
            env: &BTreeMap::new(),
        };
        let imported = import(&request).unwrap();
        let plan = read_profile("imported.yaml", &imported.profile).unwrap();
        assert_eq!(plan.executor.vus_of_all(), 4, "{mix}");
    }
}

#[test]
fn options_about_connections_become_keys() {
    for (options, connection, sources) in [
        (json!({}), ConnectionUse::KeepAlive, 0),
        (json!({"noConnectionReuse": true}), ConnectionUse::PerRequest, 0),
        (
            json!({"noVUConnectionReuse": true, "noConnectionReuse": false}),
            ConnectionUse::PerRequest,
            0,
        ),
        (
            json!({"noVUConnectionReuse": false, "localIPs": null}),
            ConnectionUse::KeepAlive,
            0,
        ),
        (
            json!({"localIPs": "127.0.0.2-127.0.0.4,127.0.0.128/29"}),
            ConnectionUse::KeepAlive,
            9,
        ),
    ] {
        let mut all = json!({"vus": 1, "duration": "1s"});
        all.as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        let request = Request {
            text: &all.to_string(),
            from: "options.json",
            mix: "smoke",
            env: &BTreeMap::new(),
        };
        let imported = import(&request).unwrap();
        assert_eq!(imported.left_out, [""; 0], "{options}");
        let (config, mistakes) = crate::config::document::read_document("a", "a", &imported.profile).unwrap();
        assert_eq!(mistakes, []);
        assert_eq!(
            (config.connection, config.source_address.addresses.len()),
            (connection, sources),
            "{options}"
        );
    }
}

/// The right column of the guide's table of flags names nothing that this program has not.
#[test]
fn every_flag_that_the_guide_offers_is_one_of_ours() {
    use clap::CommandFactory;
    let guide = include_str!("../../docs/FROM-K6.md");
    let section = guide
        .split("## Flags of")
        .nth(1)
        .unwrap()
        .split("## ")
        .next()
        .unwrap();
    let command = crate::cli::Cli::command();
    let known: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let mut offered = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let ours = row
            .split(" | ")
            .nth(1)
            .unwrap_or_else(|| panic!("no second column: {row}"));
        for after in ours.split("--").skip(1) {
            let end = after
                .find(|c: char| !c.is_ascii_lowercase() && c != '-')
                .unwrap_or(after.len());
            assert!(known.contains(&&after[..end]), "--{} in {row}", &after[..end]);
            offered += 1;
        }
    }
    assert!(offered >= 20, "{offered}");
}
