use super::*;
use crate::cli::Cli;
use crate::config::load_plan;
use crate::documents_tests::{document, quoted_words, rows};
use crate::plan::{Executor, Plan};
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND, format_duration};
use crate::workload::{Call, Chat, Prompts, RequestKind};
use clap::Parser;

fn plan(words: &str) -> Plan {
    let words = std::iter::once("llmload-uring").chain(words.split(' '));
    load_plan(&Cli::try_parse_from(words).unwrap().run).unwrap().1
}

/// As the table of docs/PROFILES.md writes it.
fn shape(plan: &Plan) -> String {
    match &plan.executor {
        Executor::ConstantVus { vus, duration } => format!("{vus} user, {}", format_duration(*duration)),
        Executor::PerVuIterations { vus, iterations, .. } => format!("{vus} user x {iterations} requests"),
        Executor::RampingVus { stages, .. } => {
            let stage = stages
                .iter()
                .map(|s| format!("{}->{}", format_duration(s.duration), s.target));
            stage.collect::<Vec<_>>().join(", ")
        }
        other => panic!("{other:?}"),
    }
}

fn thresholds(plan: &Plan) -> Vec<String> {
    plan.thresholds
        .iter()
        .map(|t| format!("{}: {}", t.key, t.text))
        .collect()
}

/// Name, weight in per cent, stream, tokens asked for, timeout in seconds.
type Row<'a> = (&'a str, u32, Option<bool>, (u32, u32), Nanos);

fn row(kind: &RequestKind, total: u32) -> Row<'_> {
    let tokens = match &kind.call {
        Call::Chat(Chat {
            max_tokens,
            models,
            prompts,
            ..
        }) => {
            assert!(!models.is_empty() && *prompts != Prompts::List(Vec::new()));
            (max_tokens.min(), max_tokens.max())
        }
        Call::Light | Call::Get { .. } => (0, 0),
    };
    let (share, timeout) = (kind.weight * 100 / total, kind.timeouts.total / SECOND);
    (kind.name.as_str(), share, kind.call.stream(), tokens, timeout)
}

fn mix(plan: &Plan) -> Vec<Row<'_>> {
    let total: u32 = plan.workload.kinds.iter().map(|kind| kind.weight).sum();
    plan.workload.kinds.iter().map(|kind| row(kind, total)).collect()
}

#[test]
fn every_profile_has_its_shape_and_its_thresholds() {
    let rows = rows(&document("docs/PROFILES.md"), "## Built-in profiles");
    assert_eq!(rows.len(), PROFILES.len());
    for (row, (name, _)) in rows.iter().zip(PROFILES) {
        assert_eq!(row[0], format!("`{name}`"));
        let plan = plan(name);
        assert_eq!(shape(&plan), row[1], "{name}");
        assert_eq!(thresholds(&plan), quoted_words(&row[2]), "{name}");
        assert_eq!(plan.graceful_stop, 30 * SECOND, "{name}");
        assert_eq!(
            plan.steps.len(),
            if name == "throughput" { 5 } else { 0 },
            "{name}"
        );
        assert!(plan.thresholds.iter().all(|t| t.abort_after.is_none()), "{name}");
    }
}

#[test]
fn load_stress_spike_and_soak_mix_the_same_requests() {
    for name in ["load", "stress", "spike", "soak"] {
        let plan = plan(name);
        let expected = [
            ("stream", 70, Some(true), (50, 200), 60),
            ("plain", 30, Some(false), (50, 150), 60),
        ];
        assert_eq!(mix(&plan), expected, "{name}");
        let think = plan.workload.think_time;
        assert_eq!(
            (think.min, think.max),
            (100 * MILLISECOND, 300 * MILLISECOND),
            "{name}"
        );
        assert_eq!(plan.executor.graceful_ramp_down(), 30 * SECOND, "{name}");
        let Call::Chat(Chat { models, prompts, .. }) = &plan.workload.kinds[0].call else {
            panic!("{name}");
        };
        let Prompts::List(texts) = prompts else {
            panic!("{name}: made prompts");
        };
        assert_eq!((models.len(), texts.len()), (7, 7), "{name}");
    }
}

#[test]
fn endpoints_asks_each_light_path_as_often_as_the_others() {
    let plan = plan("endpoints");
    let shares: Vec<(&str, u32, &str)> = plan
        .workload
        .kinds
        .iter()
        .zip(mix(&plan))
        .map(|(kind, row)| (row.0, row.1, kind.call.endpoint()))
        .collect();
    let expected = [
        ("health", 5, "health"),
        ("models", 5, "models"),
        ("model", 5, "model"),
        ("stats", 5, "stats"),
        ("stream", 40, "chat"),
        ("plain", 40, "chat"),
    ];
    assert_eq!(shares, expected);
}

#[test]
fn throughput_has_steps_of_equal_length_and_an_instant_simulator() {
    let throughput = plan("throughput");
    let steps: Vec<(u32, Nanos)> = throughput
        .steps
        .iter()
        .map(|s| (s.vus, s.end - s.start))
        .collect();
    let step = |vus| (vus, 30 * SECOND);
    assert_eq!(steps, [step(16), step(32), step(64), step(128), step(256)]);
    let words = ["llmload-uring", "throughput"];
    let (config, _) = load_plan(&Cli::try_parse_from(words).unwrap().run).unwrap();
    let simulator = config.simulator.unwrap();
    assert_eq!(
        (simulator.latency.as_deref(), simulator.tokens),
        (Some("instant"), Some(16))
    );
    // Steps scale with the rest of the shape.
    let small = plan("throughput --vus 32 --time-scale 0.1");
    let steps: Vec<(u32, Nanos)> = small.steps.iter().map(|s| (s.vus, s.end - s.start)).collect();
    let step = |vus| (vus, 3 * SECOND);
    assert_eq!(steps, [step(2), step(4), step(8), step(16), step(32)]);
    assert_eq!(plan("throughput --duration 9s").steps, []);
}

#[test]
fn thresholds_of_the_command_line_are_added_to_the_profiles() {
    let words = [
        "llmload-uring",
        "load",
        "--threshold",
        "ttft{stream:true}: p(99)<500",
        "--threshold",
        "checks:rate>0.9",
    ];
    let (_, plan) = load_plan(&Cli::try_parse_from(words).unwrap().run).unwrap();
    assert_eq!(
        thresholds(&plan)[3..],
        ["ttft{stream:true}: p(99)<500", "checks: rate>0.9"]
    );
    let wrong = |text: &str| {
        let words = ["llmload-uring", "load", "--threshold", text];
        let run = Cli::try_parse_from(words).unwrap().run;
        load_plan(&run).unwrap_err().to_string()
    };
    assert!(wrong("latency").starts_with("error: --threshold: `latency` has no metric and expression"));
    assert!(wrong("latency: q95<1").starts_with("error: --threshold: threshold `q95<1`"));
    assert!(wrong("ttft{request:plian}: max<1").contains("did you mean `plain`?"));
}

#[test]
fn the_peak_of_every_ramp_follows_vus() {
    for name in [
        "load",
        "stress",
        "spike",
        "soak",
        "high-concurrency",
        "throughput",
    ] {
        let plan = plan(&format!("{name} --vus 20"));
        assert_eq!(plan.executor.vus_of_all(), 20, "{name}");
        assert!(plan.executor.duration() > MINUTE, "{name}");
    }
}
