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
    assert_eq!(counterpart(Place::Other, "--url", None), None);
}

/// Every option that a tip names has to be one, and no name may stand in two rows, or be an option here.
#[test]
fn tips_name_options_that_exist_and_no_name_has_two_tips() {
    let tables: [(Place, &[Row], &[&str]); 8] = [
        (Place::Run, RUN, &["run"]),
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
    let every = ["run", "merge", "mock", "compare"].map(options_of).concat();
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
