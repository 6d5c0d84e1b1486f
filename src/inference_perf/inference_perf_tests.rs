use super::{api, data, import, load, report, server, write};
use crate::config::read_profile;
use crate::documents_tests::{document, quoted_words, rows};
use crate::imports::{Imported, is_as_written};
use crate::metrics::MetricId;
use crate::plan::{Arrival, Executor, Plan, Shard};
use crate::units::{MILLISECOND, MINUTE, SECOND};
use crate::workload::Chat;
use std::collections::BTreeSet;

pub(super) const FILE: &str = "config.yml";

/// The configuration that somebody has today: a gateway, two stages, shared prefixes.
const SHARED: &str = "load: {type: constant, interval: 1, num_workers: 112, stages: [{rate: 2.0, duration: 50}, \
    {rate: 5.0, duration: 50}]}\napi: {type: completion, streaming: true}\nserver: {type: vllm, model_name: \
    Qwen/Qwen3-0.6B, base_url: \"http://gw:80\", ignore_eos: true}\ndata: {type: shared_prefix, shared_prefix: \
    {num_groups: 32, num_prompts_per_group: 8, system_prompt_len: 2048, question_len: 100, output_len: 1000}}\n\
    report: {request_lifecycle: {summary: true, per_stage: true, per_request: true}}\n";

#[track_caller]
pub(super) fn imported(text: &str) -> (Plan, Imported) {
    let imported = import(text, FILE).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert!(is_as_written(imported.profile.as_bytes()), "{}", imported.profile);
    let plan =
        read_profile("mine.yaml", &imported.profile).unwrap_or_else(|e| panic!("{e}\n{}", imported.profile));
    for line in imported.left_out.iter().chain(&imported.renamed) {
        assert!(
            imported.profile.contains(line),
            "{line} is not said in\n{}",
            imported.profile
        );
    }
    (plan, imported)
}

/// A configuration with one section in place of the usual one.
pub(super) fn with(section: &str, text: &str) -> String {
    let usual = [
        ("api", "{type: completion, streaming: true}"),
        ("server", "{base_url: \"http://h:8000\", model_name: m}"),
        ("load", "{stages: [{rate: 1, duration: 30}]}"),
        ("data", "{type: mock}"),
    ];
    let mut out = String::new();
    for (name, value) in usual {
        let value = if name == section { text } else { value };
        if !value.is_empty() {
            out.push_str(&format!("{name}: {value}\n"));
        }
    }
    if !usual.iter().any(|(name, _)| *name == section) {
        out.push_str(&format!("{section}: {text}\n"));
    }
    out
}

fn chat(plan: &Plan) -> &Chat {
    plan.workload.kinds[0].call.chat().unwrap()
}

#[test]
fn stages_prefixes_and_server_of_a_configuration_are_carried_over() {
    let (plan, imported) = imported(SHARED);
    let profile = &imported.profile;
    let Executor::RampingArrivalRate {
        start_rate,
        stages,
        open,
    } = &plan.executor
    else {
        panic!("{profile}");
    };
    assert_eq!((start_rate.per_second(), open.arrival), (0.0, Arrival::Scattered));
    let shape: Vec<(u64, f64)> = stages
        .iter()
        .map(|stage| (stage.duration / SECOND, stage.target.per_second()))
        .collect();
    assert_eq!(
        shape,
        [(0, 2.0), (50, 2.0), (0, 0.0), (1, 0.0), (0, 5.0), (50, 5.0)]
    );
    for line in [
        "  base_url: \"http://gw:80/v1/completions\"",
        "  model_alias: \"Qwen/Qwen3-0.6B\"",
        "  prefix_groups: 32",
        "  prompts_per_group: 8",
        "  prefix_tokens: 2048",
        "  prompt_tokens: 100",
        "    max_tokens: 1000",
        "    stream: true",
        "    ignore_eos: true",
        "    timeout: 5m",
        "graceful_stop: 5m",
    ] {
        assert!(profile.lines().any(|found| found == line), "{line}\n{profile}");
    }
    assert!(imported.names_servers);
    assert_eq!(imported.left_out, Vec::<String>::new(), "nothing is lost");
    let ignored = imported.notes.join("\n");
    for key in ["`load.num_workers`", "`report.request_lifecycle`"] {
        assert!(ignored.contains(key), "{ignored}");
    }
}

#[test]
fn a_stage_has_as_many_requests_as_in_inference_perf() {
    for kind in ["constant", "poisson"] {
        let text =
            format!("{{type: {kind}, stages: [{{rate: 2.5, duration: 30}}, {{rate: 4, duration: 10}}]}}");
        let (plan, _) = imported(&with("load", &text));
        for seed in 1..=5 {
            let arrivals = plan.executor.arrivals(seed, Shard::WHOLE, (0, 1)).unwrap();
            let dues: Vec<u64> = arrivals.map(|arriving| arriving.due).collect();
            let first = dues.iter().filter(|due| **due <= 30 * SECOND).count();
            let between = dues
                .iter()
                .filter(|due| (30 * SECOND + 1..31 * SECOND).contains(*due));
            assert_eq!((first, between.count(), dues.len()), (75, 0, 115), "{kind}");
        }
    }
}

#[test]
fn one_stage_is_a_constant_rate_and_an_interval_of_0_no_pause() {
    let (plan, imported) = imported(&with("load", "{base_seed: 7, stages: [{rate: 2, duration: 30}]}"));
    assert!(
        matches!(plan.executor, Executor::ConstantArrivalRate { duration, .. } if duration == 30 * SECOND)
    );
    assert_eq!(
        (plan.seed, imported.left_out.len(), imported.renamed.len()),
        (7, 0, 1)
    );
    let text = "{interval: 0, stages: [{rate: 2, duration: 30}, {rate: 3, duration: 30}]}";
    let (plan, _) = self::imported(&with("load", text));
    assert_eq!(plan.executor.duration(), MINUTE);
}

#[test]
fn workers_limit_the_requests_in_flight() {
    let load = |keys: &str| {
        with(
            "load",
            &format!("{{{keys}, stages: [{{rate: 2, duration: 30}}]}}"),
        )
    };
    for (keys, max) in [
        ("num_workers: 4", 400),
        ("num_workers: 2, worker_max_concurrency: 10", 20),
        ("num_workers: 200", 10_000),
        ("num_workers: 0", 10_000),
    ] {
        let (plan, imported) = imported(&load(keys));
        assert_eq!(plan.executor.open_loop().unwrap().max_vus, max, "{keys}");
        assert_eq!(imported.left_out.len(), 0, "{keys}");
    }
    let (_, imported) = imported(&load("worker_max_concurrency: 10"));
    assert!(imported.left_out[0].starts_with("`load.worker_max_concurrency`: "));
}

#[test]
fn concurrent_stages_are_a_number_of_requests_and_users() {
    let one = "{type: concurrent, stages: [{num_requests: 300, concurrency_level: 10}]}";
    let (plan, imported) = imported(&with("load", one));
    assert!(matches!(
        plan.executor,
        Executor::SharedIterations {
            vus: 10,
            iterations: 300,
            ..
        }
    ));
    assert_eq!(imported.left_out.len(), 0);
    let more = "{type: concurrent, stages: [{num_requests: 300, concurrency_level: 10}, {num_requests: 400, \
                concurrency_level: 20}]}";
    let (_, imported) = self::imported(&with("load", more));
    assert_eq!(imported.left_out.len(), 1);
    assert!(
        imported.left_out[0].starts_with("`load.stages[1]`: ")
            && imported.left_out[0].ends_with("`--vus 20 --iterations 400`"),
        "{:?}",
        imported.left_out
    );
}

#[test]
fn apis_headers_and_limits_are_carried_over_and_secrets_are_not() {
    let api = "{type: chat, headers: {X-Tenant: a, Authorization: Bearer abc, x-slo-ttft-ms: \"200\", X-Made: \
               \"${HOME}\"}, response_format: {type: json_schema, name: s, json_schema: {type: object, required: \
               [a]}}}";
    let mut text = with("api", api);
    text.push_str("report: {goodput: {constraints: {ttft: 1, itl: 0.02, ntpot: 0.1, request_latency: 5}}}\n");
    text = text.replace("model_name: m", "model_name: m, api_key: sk-secret");
    let (plan, imported) = imported(&text);
    let profile = &imported.profile;
    assert!(profile.contains("http://h:8000/v1/chat/completions"), "{profile}");
    assert!(
        profile.contains("headers: { \"X-Tenant\": \"a\", \"x-slo-ttft-ms\": \"200\" }"),
        "{profile}"
    );
    let said = format!("{profile}{:?}{:?}", imported.left_out, imported.notes);
    for secret in ["Bearer abc", "sk-secret"] {
        assert!(!said.contains(secret), "{said}");
    }
    let notes = imported.notes.join("\n");
    for key in [
        "`server.api_key`",
        "`api.headers.Authorization`",
        "LLMLOAD_API_KEY",
    ] {
        assert!(notes.contains(key), "{notes}");
    }
    let lost = imported.left_out.join("\n");
    for key in ["`api.headers.X-Made`", "`report.goodput.constraints.ntpot`"] {
        assert!(lost.contains(key), "{lost}");
    }
    let limits = plan.workload.kinds[0].goodput.limits();
    let expected = [
        (MetricId::Ttft, 200 * MILLISECOND),
        (MetricId::Tpot, 20 * MILLISECOND),
        (MetricId::Latency, 5 * SECOND),
    ];
    assert_eq!(limits, expected, "a header goes before the section");
    assert!(!chat(&plan).stream);
    let body = profile.lines().find(|line| line.contains("extra_body")).unwrap();
    assert!(
        body.contains("\"schema\": {\"type\":\"object\",\"required\":[\"a\"]}"),
        "{body}"
    );
}

#[test]
fn messages_have_no_ignore_eos_and_completions_have_it_unless_it_is_off() {
    let (_, messages) = imported(&with("api", "{type: anthropic_messages}"));
    assert!(messages.profile.contains("/v1/messages\"") && !messages.profile.contains("ignore_eos"));
    let (_, plain) = imported(&with("server", "{base_url: \"http://h:8000/\"}"));
    assert!(
        plain.profile.contains("http://h:8000/v1/completions\"")
            && plain.profile.contains("ignore_eos: true")
    );
    let (_, query) = imported(&with("server", "{base_url: \"http://h:8000/v1/?a=b\"}"));
    assert!(
        query.profile.contains("http://h:8000/v1/completions?a=b\""),
        "{}",
        query.profile
    );
    let (_, off) = imported(&with(
        "server",
        "{base_url: \"http://h:8000/v1\", ignore_eos: false}",
    ));
    assert!(off.profile.contains("http://h:8000/v1/completions\"") && !off.profile.contains("ignore_eos"));
}

#[test]
fn distributions_of_lengths_are_written_in_our_words() {
    for (theirs, ours) in [
        (
            "{min: 10, max: 100, mean: 50, std_dev: 10}",
            "normal(mean=50,std=10,min=10,max=100)",
        ),
        ("{type: fixed, mean: 64}", "64"),
        ("{type: uniform, min: 10, max: 20}", "10-20"),
        (
            "{type: lognormal, min: 0, max: 4096, mean: 150, std_dev: 60}",
            "lognormal(mean=150,std=60,max=4096)",
        ),
        ("{mean: 50, std_dev: 0}", "50"),
        (
            "{type: normal, mean: 50, std_dev: 0, variance: 100, max: 100}",
            "normal(mean=50,std=10,min=10,max=100)",
        ),
        ("{}", "normal(mean=512,std=200,min=10,max=1024)"),
    ] {
        let data = format!(
            "{{type: random, input_distribution: {theirs}, output_distribution: {{type: fixed, mean: 9}}}}"
        );
        let (_, imported) = imported(&with("data", &data));
        let line = format!("  prompt_tokens: {ours}");
        assert!(
            imported.profile.lines().any(|found| found == line),
            "{theirs}: {}",
            imported.profile
        );
        assert_eq!(imported.left_out.len(), 0, "{theirs}");
    }
    let skewed = "{type: shared_prefix, shared_prefix: {question_len: {type: skew_normal, mean: 200, std_dev: 80, skew: \
                  2.5, max: 2000}, output_len: {type: poisson, mean: 100, max: 200}}}";
    let (_, imported) = imported(&with("data", skewed));
    // Azzalini's formulas for a location of 200, a scale of 80 and a shape of 2.5.
    assert!(
        imported
            .profile
            .contains("prompt_tokens: normal(mean=259.265,std=53.737,min=10,max=2000)"),
        "{}",
        imported.profile
    );
    assert!(
        imported
            .profile
            .contains("max_tokens: normal(mean=100,std=10,min=10,max=200)")
    );
    assert_eq!(imported.left_out.len(), 1);
    assert!(imported.left_out[0].starts_with("`data.shared_prefix.question_len.skew`: "));
}

#[test]
fn datasets_and_traces_are_named_with_their_format() {
    let (_, imported) = imported(&with("data", "{type: shareGPT, path: chats.json}"));
    assert!(
        imported
            .profile
            .contains("dataset:\n  format: sharegpt\n  file: \"chats.json\"\n")
    );
    let trace = "{type: random, trace: {file: t.csv, format: AzurePublicDataset}}";
    let (_, at_a_rate) = self::imported(&with("data", trace));
    assert!(at_a_rate.profile.contains("format: azure") && at_a_rate.profile.contains("rate: 1"));
    let text = with("data", trace).replace(
        "{stages: [{rate: 1, duration: 30}]}",
        "{type: trace_replay, trace: {file: t.csv}, stages: [{rate: 1, duration: 30}]}",
    );
    let (_, replayed) = self::imported(&text);
    assert!(
        replayed.profile.contains("executor: trace\n"),
        "{}",
        replayed.profile
    );
    assert_eq!(replayed.left_out.len(), 0);
}

#[test]
fn conversations_are_carried_over_with_their_pauses_and_their_header() {
    let data = "{type: conversation_replay, conversation_replay: {seed: 42, num_conversations: 50, \
                shared_system_prompt_len: 1000, dynamic_system_prompt_len: {type: lognormal, min: 500, max: 15000, \
                mean: 4000, std_dev: 2500}, turns_per_conversation: {type: fixed, mean: 4}, input_tokens_per_turn: \
                {type: fixed, mean: 50}, output_tokens_per_turn: {min: 10, max: 1000, mean: 300, std_dev: 150}, \
                tool_call_latency_sec: {type: lognormal, min: 5, max: 300, mean: 45, std_dev: 40}}}";
    let text = with("data", data)
        .replace(
            "{stages: [{rate: 1, duration: 30}]}",
            "{type: concurrent, stages: [{num_requests: 300, concurrency_level: 10}]}",
        )
        .replace(
            "streaming: true",
            "streaming: true, session_id_header_key: x-session",
        );
    let (plan, imported) = imported(&text);
    assert!(matches!(
        plan.executor,
        Executor::SharedIterations {
            vus: 10,
            iterations: 75,
            ..
        }
    ));
    let conversation = chat(&plan).conversation.as_ref().unwrap();
    assert_eq!(
        (
            conversation.system_tokens,
            conversation.turns.as_ref().unwrap().max()
        ),
        (1000, 4)
    );
    assert_eq!(conversation.affinity_header.as_deref(), Some("x-session"));
    assert_eq!(plan.seed, 42);
    assert!(
        imported
            .profile
            .contains("tool_time: lognormal(mean=45s,std=40s,min=5s,max=300s)"),
        "{}",
        imported.profile
    );
}

#[test]
fn adapters_are_kinds_of_request_by_their_shares() {
    let load = "{stages: [{rate: 1, duration: 30}], lora_traffic_split: [{name: movie, split: 0.25}, {name: a/b, \
                split: 0.75}]}";
    let (plan, imported) = imported(&with("load", load));
    let kinds: Vec<(&str, u32)> = plan
        .workload
        .kinds
        .iter()
        .map(|kind| (kind.name.as_str(), kind.weight))
        .collect();
    assert_eq!(kinds, [("movie", 2_500), ("a-b-1", 7_500)]);
    assert!(
        imported.profile.contains("models: [\"a/b\"]"),
        "{}",
        imported.profile
    );
    assert!(!imported.profile.contains("model_alias"), "{}", imported.profile);
}

#[test]
fn sessions_of_agents_are_carried_over_by_their_number_rate_or_all_of_them() {
    let data = "{type: weka_trace_replay, weka_trace_replay: {trace_files: [t.jsonl], use_static_model: true, \
                static_model_name: s, ignore_trace_delays: true, max_wait_ms: 5000}}";
    for (stage, lines) in [
        (
            "{concurrent_sessions: 2, num_sessions: 5, timeout: 90}",
            "executor: shared-iterations\nvus: 2\niterations: 5\nmax_duration: 1m30s\n",
        ),
        (
            "{concurrent_sessions: 0, num_sessions: 5}",
            "vus: 5\niterations: 5\n",
        ),
        ("{concurrent_sessions: 3}", "executor: trace\nmax_vus: 3\n"),
        (
            "{concurrent_sessions: 4, num_sessions: 5, session_rate: 0.5}",
            "executor: constant-arrival-rate\nrate: 0.5/s\nduration: 10s\narrival: constant\n",
        ),
    ] {
        let load = format!("{{type: trace_session_replay, stages: [{stage}]}}");
        let text = with("data", data).replace("{stages: [{rate: 1, duration: 30}]}", &load);
        let (_, imported) = imported(&text);
        assert!(imported.profile.contains(lines), "{stage}: {}", imported.profile);
        assert!(
            imported
                .profile
                .contains("dataset:\n  format: weka\n  file: \"t.jsonl\"\n  delay_scale: 0\n"),
            "{}",
            imported.profile
        );
        assert!(
            imported.profile.contains("model_alias: \"s\""),
            "{}",
            imported.profile
        );
        assert_eq!(imported.left_out.len(), 1, "{:?}", imported.left_out);
        assert!(imported.left_out[0].starts_with("`data.weka_trace_replay.max_wait_ms`: "));
    }
}

/// Every key that is read has a row on the page, and every key on the page is read.
#[test]
fn the_page_lists_exactly_the_keys() {
    let page = document("docs/COMING-FROM.md");
    let rows = rows(&page, "## inference-perf");
    let listed: BTreeSet<String> = rows.iter().flat_map(|row| quoted_words(&row[0])).collect();
    let sections = [
        ("api", &api::KEYS[..]),
        ("server", &server::KEYS),
        ("load", &load::KEYS),
        ("data", &data::KEYS),
        ("report", &report::KEYS),
    ];
    let mut known = BTreeSet::new();
    for (section, keys) in sections {
        known.extend(keys.iter().map(|key| format!("{section}.{key}")));
    }
    let whole = write::SECTIONS
        .iter()
        .filter(|name| sections.iter().all(|(section, _)| section != *name));
    let values = load::TYPES.iter().chain(&data::TYPES).chain(&api::ApiType::NAMES);
    known.extend(whole.chain(values).map(|word| (*word).to_owned()));
    assert_eq!(listed, known);
}
