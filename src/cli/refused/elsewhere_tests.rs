use super::*;
use crate::cli::refused::{Line, visible_options};
use crate::documents_tests::{document, quoted_words, rows};
use std::collections::BTreeSet;
use std::ffi::OsString;

#[test]
fn a_tip_has_the_value_that_was_typed_where_it_fits() {
    let tip = |option: &str, value: Option<&str>| counterpart(Place::Run, option, value).unwrap();
    assert_eq!(
        tip("--base-url", Some("http://h:1/v1")),
        "write `--target http://h:1/v1`"
    );
    assert_eq!(tip("--base_url", Some("h:1")), "write `--target http://h:1`");
    assert_eq!(tip("--url", None), "write `--target URL`");
    assert_eq!(tip("-c", Some("64")), "write `--vus 64`");
    assert_eq!(tip("--concurrency", Some("many")), "write `--vus N`");
    assert!(tip("--request-rate", Some("7")).contains("`--rate 7`"));
    assert!(tip("--request-rate", Some("inf")).contains("`--rate 10`"));
    assert!(tip("--dataset-path", Some("x.json")).contains("`--dataset FORMAT:FILE`"));
    assert_eq!(counterpart(Place::Run, "--no-such-thing", None), None);
    // A search has words of its own for the load, and a run's for all else.
    let search = |option: &str| counterpart(Place::FindLimit, option, Some("64")).unwrap();
    assert!(search("--max-vus").contains("`--to 64`"));
    assert!(search("--base-url").contains("`--target"));
    assert_eq!(counterpart(Place::Other, "--url", None), None);
}

/// Every option that a tip names has to be one, and no name may stand in two rows, or be an option here.
#[test]
fn tips_name_options_that_exist_and_no_name_has_two_tips() {
    let run: Vec<Row> = RUN.iter().chain(ABSENT).copied().collect();
    let tables: [(Place, &[Row], &[&str]); 9] = [
        (Place::Run, &run, &["run"]),
        (Place::FindLimit, FIND_LIMIT, &["find-limit"]),
        (Place::Mock, MOCK, &["mock"]),
        (Place::Compare, COMPARE, &["compare"]),
        (Place::Merge, MERGE, &["merge"]),
        (Place::ImportK6, IMPORT_K6, &["import-k6"]),
        (
            Place::ImportInferencePerf,
            IMPORT_INFERENCE_PERF,
            &["import-inference-perf"],
        ),
        (Place::Probe, PROBE, &["probe"]),
        (Place::Baseline, BASELINE, &["baseline"]),
    ];
    let every = ["run", "merge", "mock", "compare", "find-limit"]
        .map(options_of)
        .concat();
    for (place, rows, command) in tables {
        let own = options_of(command[0]);
        let mut seen = BTreeSet::new();
        for (names, tip) in rows {
            for name in names.split(' ') {
                assert!(seen.insert(name), "{name} is there twice in {place:?}");
                assert!(
                    !own.contains(&format!("--{name}")),
                    "{name} is an option of {command:?}"
                );
            }
            let words = tip.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            for option in words.filter(|word| word.starts_with("--")) {
                assert!(
                    own.contains(&option.to_owned()) || every.contains(&option.to_owned()),
                    "{option}: {tip}"
                );
            }
        }
    }
}

fn options_of(command: &str) -> Vec<String> {
    let words = ["llmload-uring", command].map(OsString::from);
    visible_options(Line::new(&words).command())
}

/// The options of each tool that its users rely on, as its help of autumn 2026 has them.
const THEIRS: [(&str, &str); 3] = [
    (
        "vllm bench serve",
        "base-url host backend endpoint model num-prompts max-concurrency request-rate burstiness ramp-up-strategy \
         ramp-up-start-rps ramp-up-end-rps ignore-eos extra-body temperature top-p top-k goodput dataset-name \
         dataset-path random-input-len random-output-len random-range-ratio random-prefix-len sharegpt-output-len \
         custom-output-len save-result save-detailed append-result metadata result-filename percentile-metrics \
         metric-percentiles lora-modules ready-check-timeout-sec num-warmups plot-timeline probe-request-rate seed header \
         tokenizer self-timed timed-trace-chunk-hash-size timed-trace-sec-multiplier timed-trace-label-timestamp \
         timed-trace-label-input-length timed-trace-label-output-length timed-trace-label-hash-ids serve-params \
         bench-params link-vars num-runs",
    ),
    (
        "AIPerf",
        "url model endpoint-type concurrency prefill-concurrency request-count request-rate arrival-pattern \
         arrival-smoothness request-rate-series concurrency-ramp-duration request-rate-ramp-duration user-centric-rate \
         num-users fixed-schedule fixed-schedule-auto-offset fixed-schedule-start-offset fixed-schedule-end-offset \
         request-cancellation-rate request-cancellation-delay goodput seq-dist num-prefix-prompts prefix-prompt-length \
         shared-system-prompt-length user-context-prompt-length synthesis-speedup-ratio synthesis-prefix-len-multiplier \
         synthesis-prefix-root-multiplier synthesis-prompt-len-multiplier slice-duration gpu-telemetry num-profile-runs \
         cache-bust search-space scenario failed-request-threshold streaming extra-inputs input-file custom-dataset-type \
         warmup-request-count random-seed output-artifact-dir isl osl benchmark-duration synthetic-input-tokens-mean \
         output-tokens-mean",
    ),
    (
        "guidellm",
        "target model profile rate rate-type max-requests max-seconds max-errors max-error-rate warmup cooldown data \
         processor output-path outputs random-seed",
    ),
];

/// The page has a row for each of them, if only to say that there is nothing of the kind.
#[test]
fn every_option_that_users_of_other_tools_rely_on_has_a_row() {
    let page = document("docs/COMING-FROM.md");
    for (tool, options) in THEIRS {
        let rows = rows(&page, &format!("## {tool}"));
        let listed: BTreeSet<String> = rows.iter().flat_map(|row| quoted_words(&row[0])).collect();
        for option in options.split(' ') {
            assert!(listed.contains(&format!("--{option}")), "{tool}: --{option}");
        }
        for row in &rows {
            assert!(
                !row[1].is_empty() && (row[1] != "none" || !row[2].is_empty()),
                "{tool}: {row:?}"
            );
        }
    }
}

/// An option of another tool in the page for those who come from it is one here as well, or is answered if it is typed.
#[test]
fn every_option_of_other_tools_on_the_page_is_answered() {
    let page = document("docs/COMING-FROM.md");
    let own = options_of("run");
    let mut checked = 0;
    for tool in ["vllm bench serve", "AIPerf", "guidellm", "SGLang's bench_serving"] {
        for row in rows(&page, &format!("## {tool}")) {
            for option in quoted_words(&row[0]) {
                let is_answered = own.contains(&option) || counterpart(Place::Run, &option, None).is_some();
                assert!(is_answered, "{tool}: {option}");
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "{checked}");
}
