use super::*;
use crate::cli::{Stop, parse_from};
use crate::error::is_unsafe;
use std::ffi::OsString;

/// The exit code and the text of a line that is refused.
fn refused_with(words: &[&str], env: impl Fn(&str) -> Option<String>) -> (u8, String) {
    let words = std::iter::once("llmload-uring").chain(words.iter().copied());
    match parse_from(words.map(OsString::from).collect(), env) {
        Err(Stop::Refused(failure)) => (failure.exit.code(), failure.to_string()),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(line: &str) -> (u8, String) {
    refused_with(&line.split(' ').collect::<Vec<_>>(), |_| None)
}

#[track_caller]
fn says(line: &str, code: u8, parts: &[&str]) {
    let (found, text) = refused(line);
    assert_eq!(found, code, "{line}: {text}");
    for part in parts {
        assert!(text.contains(part), "{line}: `{part}` is not in {text}");
    }
    assert!(!text.contains("-- -"), "{line}: {text}");
}

#[test]
fn a_value_that_is_not_of_its_form_is_2_and_one_beyond_its_limits_104() {
    says(
        "smoke --vus abc",
        2,
        &[
            "error: --vus: `abc` is not a whole number",
            "hint: write digits alone, from 1 to 10000000",
        ],
    );
    says("smoke -u 1k", 2, &["--vus: `1k` is not a whole number"]);
    says(
        "smoke --vus -5",
        104,
        &["error: --vus: `-5` is below the minimum of 1"],
    );
    says(
        "smoke -u -5",
        104,
        &["error: --vus: `-5` is below the minimum of 1"],
    );
    says(
        "smoke --vus 99999999999",
        104,
        &["`99999999999` is above the limit of 10000000"],
    );
    says(
        "smoke -d 10x",
        2,
        &["--duration: `10x` is not a duration", "hint: write `10s`"],
    );
    says(
        "smoke --duration -1s",
        104,
        &["--duration: `-1s` is shorter than the minimum of 1ms"],
    );
    says(
        "smoke --stages 10s:10000001",
        104,
        &["--stages: stage `10s:10000001` has more VUs than the limit of 10000000"],
    );
    says(
        "smoke --max-tokens 200-50",
        104,
        &["--max-tokens: `200-50`: the first value is greater"],
    );
    says(
        "smoke --stamp foo",
        2,
        &[
            "--stamp: `foo` is not one of its values",
            "its values are kernel, user",
        ],
    );
    says("smoke --sim-latency gtp-4o", 2, &["did you mean `gpt-4o`?"]);
    says(
        "smoke --stream-options maybe",
        2,
        &["`maybe` is neither true nor false", "write `true` or `false`"],
    );
}

#[test]
fn values_of_other_commands_have_the_same_codes() {
    says("probe --vus 0", 104, &["--vus: `0` is below the minimum of 1"]);
    says(
        "mock --port 8080",
        2,
        &[
            "--port: `llmload-uring mock` has no such option",
            "`--listen 127.0.0.1:8080`",
        ],
    );
    says("mock --listen 8080", 2, &["hint: write `127.0.0.1:8080`"]);
    says(
        "compare a b --fail-on foo",
        104,
        &["--fail-on: the rule has no `<` or `>`", "hint: "],
    );
    says("completions tcsh", 2, &["SHELL: `tcsh` is not one of its values"]);
    says(
        "import-k6 x -e FOO",
        2,
        &["--env: `FOO` is not a variable", "write `--env NAME=VALUE`"],
    );
    says(
        "smoke --think-time 100",
        2,
        &["--think-time: `100` has no unit", "hint: write `100ms` or `100s`"],
    );
    says(
        "mock --gap 5",
        2,
        &["--gap: `5` has no unit", "hint: write `5ms` or `5s`"],
    );
}

#[test]
fn a_missing_value_and_one_too_many_are_told_at_their_option() {
    says(
        "smoke --vus",
        2,
        &[
            "error: --vus: a value is missing",
            "hint: write `--vus N`: Number of virtual users",
        ],
    );
    says("smoke -d", 2, &["error: --duration: a value is missing"]);
    says(
        "smoke --stamp",
        2,
        &["--stamp: a value is missing", "write one of kernel, user"],
    );
    says(
        "smoke --quiet=x",
        2,
        &["--quiet: takes no value, but `x` was given"],
    );
    says("smoke --vus 1 --vus 2", 2, &["--vus: is given twice"]);
}

#[test]
fn options_of_other_programs_are_answered_with_ours() {
    for (line, part) in [
        (
            "smoke --url http://127.0.0.1:9",
            "write `--target http://127.0.0.1:9`",
        ),
        (
            "smoke --base-url=http://h:8000/v1",
            "write `--target http://h:8000/v1`",
        ),
        ("--base-url http://h:8000/v1", "write `--target http://h:8000/v1`"),
        ("smoke --qps 10", "write `--rate 10`"),
        ("smoke --request-rate inf", "write `--rate 10`"),
        ("smoke --burstiness 0.5", "`--rate 10 --arrival poisson`"),
        ("smoke --concurrency 8", "write `--vus 8`"),
        ("smoke -c 8", "write `--vus 8`"),
        ("smoke -c8", "write `--vus N`"),
        ("smoke --num-prompts 100", "write `--iterations 100`"),
        ("smoke -n 100", "write `--iterations 100`"),
        ("smoke --users 8", "write `--vus 8`"),
        ("smoke --model-name m", "write `--model m`"),
        ("smoke -z 30s", "write `--duration 30s`"),
        ("smoke --max-seconds 30", "write `--duration 30`"),
        ("smoke -H X:y", "write `--header 'Name: value'`"),
        ("smoke --api_key_file x", "write `--api-key-file`"),
        ("smoke -vus 3", "write `--vus`"),
        ("smoke --VUS 3", "write `--vus`"),
        ("smoke --vsu 3", "did you mean `--vus`?"),
        ("smoke --conifg x", "did you mean `--config`?"),
        ("smoke --tokenizer-mode x", "`--tokenizer server`"),
        (
            "config check smoke --url http://h:1",
            "write `--target http://h:1`",
        ),
        ("run smoke --rps 3", "`--rate 3`"),
    ] {
        says(line, 2, &["has no such option", part]);
    }
}

#[test]
fn an_option_of_a_run_given_to_another_command_is_told_as_one() {
    says(
        "compare a b --vus 3",
        2,
        &[
            "`llmload-uring compare` has no such option",
            "it is an option of a run: `llmload-uring PROFILE --vus …`",
        ],
    );
    says("merge a --vus 3", 2, &["it is an option of a run"]);
    says("profiles --target http://h:1", 2, &["it is an option of a run"]);
    says("baseline list -u 2", 2, &["it is an option of a run"]);
    says("smoke --fail-on x", 2, &["`--threshold "]);
    says(
        "smoke --listen x",
        2,
        &["it is an option of `llmload-uring mock`"],
    );
    says(
        "compare a b --zzzzzz",
        2,
        &["hint: `llmload-uring compare --help` shows what it takes"],
    );
    says(
        "import-k6 x --target http://h:1",
        2,
        &["`llmload-uring ./mine.yaml --target http://h:1`"],
    );
    says(
        "probe --target h:1",
        2,
        &["`llmload-uring quick-smoke --target http://h:1`"],
    );
}

#[test]
fn a_word_too_many_is_told_by_what_it_is() {
    says(
        "quick-smoke high-concurrency --vus 3",
        2,
        &[
            "`high-concurrency`: only one profile at a time, and `quick-smoke` was already given",
            "hint: profiles are ",
        ],
    );
    says("smoke --vus 3 load", 2, &["`load`: only one profile at a time"]);
    says("run smoke load", 2, &["`load`: only one profile at a time"]);
    says(
        "quick-smoke mock",
        2,
        &[
            "`mock`: this is a command, which has to come first",
            "write `llmload-uring mock …`",
        ],
    );
    says(
        "comapre a.json b.json",
        2,
        &["did you mean the command `compare`?"],
    );
    says(
        "smoke http://127.0.0.1:9",
        2,
        &[
            "a URL is not a profile",
            "`llmload-uring smoke --target http://127.0.0.1:9`",
        ],
    );
    for line in [
        "http://127.0.0.1:9",
        "127.0.0.1:9",
        "run http://127.0.0.1:9",
        "config check http://127.0.0.1:9",
    ] {
        says(
            line,
            2,
            &[
                "`: a URL is not a profile",
                "`llmload-uring quick-smoke --target http://127.0.0.1:9`",
            ],
        );
    }
    says("http://127.0.0.1:9 smoke", 2, &["only one profile"]);
    says("smoke --quiet maybe", 2, &["`maybe`: `--quiet` takes no value"]);
    says(
        "mock extra",
        2,
        &["`extra`: `llmload-uring mock` takes no further word"],
    );
}

#[test]
fn a_command_of_a_command_that_does_not_exist_is_told_with_those_that_do() {
    says(
        "config smoke",
        2,
        &[
            "`llmload-uring config` has no command `smoke`",
            "write `llmload-uring config check smoke`",
        ],
    );
    says(
        "config chek smoke",
        2,
        &["did you mean `llmload-uring config check`?"],
    );
    says(
        "profiles smoke",
        2,
        &["write `llmload-uring profiles show smoke`"],
    );
    says("baseline main", 2, &["its commands are save, list, show"]);
    says("help foo", 2, &["`llmload-uring help` has no command `foo`"]);
    says("smoke -- --url", 2, &["`--url`: only one profile"]);
}

#[test]
fn what_is_missing_is_named_with_the_form() {
    says(
        "--vus 3",
        2,
        &["a profile is missing", "`llmload-uring quick-smoke --vus 3`"],
    );
    says(
        "run",
        2,
        &["a profile is missing", "`llmload-uring run quick-smoke`"],
    );
    says(
        "--target http://127.0.0.1:9",
        2,
        &["`llmload-uring quick-smoke --target http://127.0.0.1:9`"],
    );
    says("compare", 2, &["llmload-uring compare: BASE and NEW are missing"]);
    says(
        "compare a",
        2,
        &["NEW is missing", "write `llmload-uring compare "],
    );
    says("merge", 2, &["FILE is missing"]);
    says("report a.json", 2, &["report: --output PAGE is missing"]);
    says("profiles show", 2, &["NAME is missing"]);
}

#[test]
fn a_wrong_value_of_a_variable_is_told_at_the_variable() {
    // clap has to see the wrong value, so it is typed; the environment is made up.
    let told = |words: &[&str], typed: &[&str]| {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = <Cli as clap::CommandFactory>::command()
            .try_get_matches_from(words)
            .unwrap_err();
        let line = Line::new(&typed.iter().map(OsString::from).collect::<Vec<_>>());
        let env = |name: &str| (name == "LLMLOAD_VUS").then(|| "abc".to_owned());
        super::refused(&error, &line, env).to_string()
    };
    let wrong = ["x", "smoke", "--vus", "abc"];
    let text = told(&wrong, &["x", "smoke"]);
    assert!(
        text.starts_with("error: environment variable LLMLOAD_VUS: `abc` is not"),
        "{text}"
    );
    assert!(told(&wrong, &wrong).starts_with("error: --vus: "));
    assert!(told(&wrong, &["x", "smoke", "-uabc"]).starts_with("error: --vus: "));
    let wrong = ["x", "config", "check", "smoke", "--vus", "abc"];
    let text = told(&wrong, &["x", "config", "check", "smoke"]);
    assert!(
        text.starts_with("error: environment variable LLMLOAD_VUS: "),
        "{text}"
    );
}

#[test]
fn a_mistake_found_later_is_told_at_the_variable_too() {
    let place = |option: &str, typed: &[&str], set: &[&str]| {
        let words: Vec<OsString> = std::iter::once(&"x").chain(typed).map(OsString::from).collect();
        place_in_environment(option, &Line::new(&words), |name| set.contains(&name))
    };
    let variable = |name: &str| Some(format!("environment variable {name}"));
    assert_eq!(
        place("--vus", &["smoke"], &["LLMLOAD_VUS"]),
        variable("LLMLOAD_VUS")
    );
    assert_eq!(place("--vus", &["smoke", "--vus", "0"], &["LLMLOAD_VUS"]), None);
    assert_eq!(place("--vus", &["smoke"], &[]), None);
    assert_eq!(
        place("--target", &["run", "smoke"], &["K6_TARGET_URL"]),
        variable("K6_TARGET_URL")
    );
    let both = ["K6_TARGET_URL", "LLMLOAD_TARGET_URL"];
    assert_eq!(
        place("--target", &["smoke"], &both),
        variable("LLMLOAD_TARGET_URL")
    );
    assert_eq!(place("--target", &["smoke", "--target", "x"], &both), None);
    assert_eq!(place("p.yaml", &["smoke"], &both), None);
}

#[test]
fn negative_numbers_belong_to_the_option_before_them() {
    let joined = |line: &str| -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words: Vec<String> = join_negative_numbers(words)
            .into_iter()
            .map(|w| w.into_string().unwrap())
            .collect();
        words.join(" ")
    };
    assert_eq!(joined("x smoke --vus -5 -d -1s"), "x smoke --vus=-5 -d=-1s");
    assert_eq!(
        joined("x smoke --think-time -.5 -q -5"),
        "x smoke --think-time=-.5 -q -5"
    );
    assert_eq!(
        joined("x smoke --vus -q -- --vus -5"),
        "x smoke --vus -q -- --vus -5"
    );
    assert_eq!(
        joined("x mock --gap -5 --prompt - -o -"),
        "x mock --gap=-5 --prompt - -o -"
    );
}

#[test]
fn what_was_typed_commands_no_terminal_and_secrets_are_not_repeated() {
    let hostile = crate::error::HOSTILE;
    for line in [
        format!("smoke --vus {hostile}"),
        format!("smoke --{hostile}"),
        format!("smoke -{hostile}"),
        format!("smoke --url {hostile}"),
        format!("smoke --vus 1 --vus=2{hostile}"),
        format!("smoke load{hostile}"),
        format!("smoke http://{hostile}"),
        format!("compare a b --format {hostile}"),
        format!("compare a b --fail-on {hostile}"),
        format!("smoke --shard {hostile}"),
        format!("probe --vus 3 {hostile}"),
        format!("profiles {hostile}"),
        format!("mock --listen {hostile}"),
    ] {
        let (_, text) = refused(&line);
        assert!(
            !text.lines().any(|line| line.contains(is_unsafe)),
            "{line:?}: {text:?}"
        );
    }
    for line in [
        "smoke --url http://u:s3cret@h:1/v1",
        "smoke http://u:s3cret@h:1/v1",
        "smoke http://h:1/v1?key=s3cret",
        "smoke --token s3cret",
        "smoke --api-key s3cret",
        "--header X:s3cret=s3cret!",
    ] {
        let (code, text) = refused(line);
        assert!(code == 2 && !text.contains("s3cret"), "{line}: {text}");
    }
}

#[test]
fn words_that_only_look_like_options_and_begun_names_are_recognised() {
    says(
        "smoke –vus 5",
        2,
        &["a dash of a text processor", "write `--vus`"],
    );
    says("smoke --dur 5s", 2, &["did you mean `--duration`?"]);
    says(
        "-u 5 smoke load",
        2,
        &["`load`: only one profile at a time, and `smoke`"],
    );
    says("smoke -q 10", 2, &["`10`: `-q` takes no value"]);
    says("config show smoke", 2, &["its only command is `check`"]);
    says("probe --cpus 1", 2, &["it is an option of a run"]);
    says(
        "completions --shell bash",
        2,
        &["`llmload-uring completions bash`"],
    );
}
