use super::*;
use crate::cli::Cli;
use crate::plan::{Executor, Stage, Threshold};
use crate::units::Span;
use crate::units::{MILLISECOND, MINUTE, SECOND};
use crate::workload::{Call, Chat, Prompts, RequestKind, Timeouts};
use clap::Parser;
use std::path::PathBuf;

fn args(words: &[&str]) -> RunArgs {
    let words = std::iter::once("llmload-uring").chain(words.iter().copied());
    Cli::try_parse_from(words).unwrap().run
}

fn refused(words: &[&str]) -> String {
    load_plan(&args(words))
        .map(|(_, plan)| plan)
        .unwrap_err()
        .to_string()
}

/// A file of its own for each test, gone afterwards.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> TempFile {
        let path = std::env::temp_dir().join(format!("llmload-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        TempFile(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_profile_high_concurrency_is_the_run_of_the_k6_script() {
    let (_, plan) = load_plan(&args(&["high-concurrency"])).unwrap();
    let stage = |duration, target| Stage { duration, target };
    let expected = Executor::RampingVus {
        start_vus: 1,
        stages: vec![stage(MINUTE, 500), stage(2 * MINUTE, 500), stage(30 * SECOND, 0)],
        graceful_ramp_down: 30 * SECOND,
    };
    assert_eq!(plan.executor, expected);
    assert_eq!(plan.graceful_stop, 30 * SECOND);
    assert_eq!(
        plan.workload.think_time,
        Span {
            min: 10 * MILLISECOND,
            max: 60 * MILLISECOND
        }
    );

    let row = |kind: &RequestKind| {
        let call = match &kind.call {
            Call::Light | Call::Get { .. } => None,
            Call::Chat(Chat {
                stream, max_tokens, ..
            }) => Some((*stream, max_tokens.max())),
        };
        (kind.weight, call, kind.timeouts.total / SECOND)
    };
    let mix: Vec<_> = plan.workload.kinds.iter().map(row).collect();
    assert_eq!(
        mix,
        [
            (70, Some((false, 20)), 30),
            (20, Some((true, 50)), 60),
            (10, None, 10)
        ]
    );
    let timeouts = plan.workload.kinds[0].timeouts;
    let expected = Timeouts {
        connect: Some(5 * SECOND),
        first_token: None,
        idle: None,
        total: 30 * SECOND,
    };
    assert_eq!(timeouts, expected);
    let Call::Chat(Chat { prompts, models, .. }) = &plan.workload.kinds[0].call else {
        panic!()
    };
    assert_eq!(
        (prompts, models.len()),
        (&Prompts::List(vec!["Hi".to_owned()]), 7)
    );

    let thresholds = [
        ("failed", "rate<0.10"),
        ("latency", "p(95)<15000"),
        ("connection_errors", "count<100"),
        ("timeouts", "count<50"),
    ];
    assert_eq!(
        plan.thresholds,
        thresholds.map(|(metric, text)| Threshold::parse(metric, text).unwrap())
    );
}

#[test]
fn the_profile_quick_smoke_is_one_user_and_three_requests() {
    let (config, plan) = load_plan(&args(&["quick-smoke"])).unwrap();
    assert_eq!(plan.executor.iterations_of_all(), Some(3));
    assert_eq!(
        (plan.executor.vus_of_all(), plan.executor.name()),
        (1, "per-vu-iterations")
    );
    assert_eq!(plan.thresholds[0].text, "rate<0.01");
    assert_eq!(config.profile, "quick-smoke");
}

#[test]
fn every_built_in_profile_becomes_a_plan() {
    for name in profiles::names() {
        load_plan(&args(&[name])).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// JSON is YAML: the configuration of a result, without what only a run has, is a profile.
#[test]
fn the_effective_configuration_reads_back_as_itself() {
    for words in [
        &["quick-smoke"][..],
        &["high-concurrency", "--vus", "90"],
        &["quick-smoke", "-d", "90s"],
        &["quick-smoke", "-i", "5"],
    ] {
        let (mut config, _) = load_plan(&args(words)).unwrap();
        // `Value` sorts its keys, and a list of thresholds is an object there.
        config.thresholds.sort_by(|a, b| a.metric.cmp(&b.metric));
        let mut json = serde_json::to_value(&config).unwrap();
        let fields = json.as_object_mut().unwrap();
        for key in Config::RUN_KEYS {
            fields.remove(key).unwrap();
        }
        let text = serde_json::to_string_pretty(&json).unwrap();
        let (again, mistakes) = document::read_document(&config.profile, "again.yaml", &text).unwrap();
        assert!(mistakes.is_empty(), "{mistakes:?}");
        // The tests may run with LLMLOAD_IO, which no document can say.
        config.run.io = again.run.io;
        assert_eq!(again, config);
        assert_eq!(to_plan(&again), to_plan(&config));
    }
}

#[test]
fn a_document_can_be_given_by_its_path() {
    let file = TempFile::new("ok.yaml", profiles::text("quick-smoke").unwrap().as_bytes());
    let (config, plan) = load_plan(&args(&[file.path()])).unwrap();
    assert_eq!(config.profile, file.path());
    assert_eq!(plan.executor.iterations_of_all(), Some(3));
}

#[test]
fn mistakes_in_a_file_and_in_options_are_reported_together() {
    let file = TempFile::new(
        "bad.yaml",
        b"executor: constant-vus\ndurations: 5s\nrequests: []\n",
    );
    let found = refused(&[file.path(), "--vus", "0"]);
    let firsts: Vec<&str> = found.lines().filter(|line| line.starts_with("error: ")).collect();
    let path = file.path();
    assert_eq!(
        firsts,
        [
            "error: --vus: `0` is below the minimum of 1".to_owned(),
            format!("error: {path}:2: unknown key `durations`"),
            format!("error: {path}:3: `requests` has 0 items, not between 1 and 64"),
        ]
    );
    let found = refused(&[file.path(), "--model", "x", "--streaming-ratio", "0.5"]);
    assert_eq!(found.matches("error: ").count(), 2, "{found}");
}

#[test]
fn files_that_cannot_be_documents_are_refused() {
    let large = TempFile::new("large.yaml", &vec![b'#'; DOCUMENT_BYTES_MAX + 1]);
    assert!(refused(&[large.path()]).contains("larger than the limit of 1048576 bytes"));
    let binary = TempFile::new("binary.yaml", b"a: \xff\xfe");
    assert!(refused(&[binary.path()]).contains("not UTF-8 text: byte 3 is invalid"));
    assert!(refused(&["./not-there.yaml"]).starts_with("error: ./not-there.yaml: cannot be read: "));
    assert!(refused(&["/"]).contains("cannot be read"));
}

#[test]
fn the_error_for_an_unknown_profile_lists_all_and_suggests_the_nearest() {
    let found = refused(&["high-concurency"]);
    assert!(
        found
            .starts_with("error: `high-concurency`: unknown profile\nhint: did you mean `high-concurrency`?")
    );
    assert!(found.contains("quick-smoke, smoke, load, stress"), "{found}");
    assert!(refused(&["mokc"]).contains("did you mean `mock`?"));
    assert!(!refused(&["\x1b[2Jx"]).contains('\x1b'));
}

#[test]
fn keys_and_headers_reach_the_settings_but_are_never_shown() {
    let file = TempFile::new("key", b"s3cret\n");
    let (config, _) = load_plan(&args(&[
        "quick-smoke",
        "--api-key-file",
        file.path(),
        "--header",
        "X-A: h1dden",
    ]))
    .unwrap();
    let sent: Vec<(&str, &str)> = config
        .run
        .headers
        .iter()
        .map(|h| (h.name.as_str(), h.value.expose()))
        .collect();
    assert_eq!(sent, [("X-A", "h1dden"), ("authorization", "Bearer s3cret")]);
    for text in [format!("{config:?}"), serde_json::to_string(&config).unwrap()] {
        assert!(!text.contains("s3cret") && !text.contains("h1dden"), "{text}");
    }

    let clash = refused(&[
        "quick-smoke",
        "--api-key-file",
        file.path(),
        "--header",
        "Authorization: x",
    ]);
    assert!(clash.contains("contradicts"), "{clash}");
    let missing = refused(&["quick-smoke", "--api-key-file", "/not/there"]);
    assert!(
        missing.starts_with("error: --api-key-file: `/not/there` cannot be read"),
        "{missing}"
    );
}
