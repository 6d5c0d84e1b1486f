//! Wrong uses of the command line: each has the exit code of its kind, whether it was typed or stands in a variable,
//! and says place, value, limit and next step.

use crate::common::live::*;
use crate::common::*;

/// What the program says of a use that is refused: one error and its hint, and nothing on standard output.
#[track_caller]
fn refused(words: &[&str], variable: Option<(&str, &str)>, code: i32) -> String {
    let mut command = program();
    command.args(words);
    command.envs(variable);
    let ended = Live::spawn(&mut command).wait().expect(code);
    assert_eq!(ended.stdout, "", "{words:?}");
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("warning: "))
        .collect();
    assert_eq!(lines.len(), 2, "{words:?}: {}", ended.stderr);
    assert!(
        lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{words:?}: {}",
        ended.stderr
    );
    assert!(
        !ended.stderr.contains("panicked") && !ended.stderr.contains("'-- "),
        "{}",
        ended.stderr
    );
    ended.stderr
}

/// Options of a run with a wrong value, the exit code, and what has to be named.
const VALUES: [(&str, &str, i32, &str); 58] = [
    ("--vus", "abc", 2, "`abc` is not a whole number"),
    ("--vus", "1.5", 2, "`1.5` is not a whole number"),
    ("--vus", "0", 104, "`0` is below the minimum of 1"),
    ("--vus", "-5", 104, "`-5` is below the minimum of 1"),
    (
        "--vus",
        "10000001",
        104,
        "`10000001` is above the limit of 10000000",
    ),
    (
        "--vus",
        "99999999999",
        104,
        "`99999999999` is above the limit of 10000000",
    ),
    ("--iterations", "0", 104, "`0` is below the minimum of 1"),
    (
        "--iterations",
        "1000000000001",
        104,
        "above the limit of 1000000000000",
    ),
    (
        "--iterations",
        "99999999999999999999",
        104,
        "above the limit of 1000000000000",
    ),
    ("--duration", "5 parsecs", 2, "`5 parsecs` is not a duration"),
    ("--duration", "0", 104, "`0s` is shorter than the minimum of 1ms"),
    (
        "--duration",
        "-1s",
        104,
        "`-1s` is shorter than the minimum of 1ms",
    ),
    ("--duration", "25h", 104, "`25h` is longer than the limit of 24h"),
    (
        "--graceful-stop",
        "25h",
        104,
        "`25h` is longer than the limit of 24h",
    ),
    ("--warmup", "25h", 104, "`25h` is longer than the limit of 24h"),
    ("--stages", "10s", 2, "`10s` is not a stage"),
    (
        "--stages",
        "10s:10000001",
        104,
        "more VUs than the limit of 10000000",
    ),
    ("--stages", "10s:x/s", 2, "`x/s` is not a rate"),
    (
        "--stages",
        "10s:-5/s",
        104,
        "stage `10s:-5/s`: `-5/s` is below the minimum of 0",
    ),
    (
        "--stages",
        "10s:1000001/s",
        104,
        "is above the limit of 1000000 per second",
    ),
    ("--rate", "fast", 2, "`fast` is not a rate"),
    ("--rate", "5/x", 2, "after the slash comes a time"),
    ("--rate", "0", 104, "no request ever arrives"),
    ("--rate", "-5", 104, "`-5` is below the minimum of 0"),
    ("--rate", "5/0s", 104, "what follows the slash is not above 0"),
    (
        "--rate",
        "1000001",
        104,
        "`1000001` is above the limit of 1000000 per second",
    ),
    ("--arrival", "often", 2, "`often` is not a pattern of arrivals"),
    (
        "--arrival",
        "gamma:x",
        2,
        "`gamma:x` is not a pattern of arrivals",
    ),
    ("--arrival", "gamma:0", 104, "the shape 0 is outside the limits"),
    ("--max-in-flight", "many", 2, "`many` is not a whole number"),
    ("--max-in-flight", "-5", 104, "`-5` is below the minimum of 1"),
    ("--time-scale", "fast", 2, "`fast` is not a number"),
    ("--time-scale", "0", 104, "`0` is below the minimum of 0.001"),
    ("--time-scale", "1001", 104, "`1001` is above the limit of 1000"),
    ("--streaming-ratio", "1.5", 104, "`1.5` is above the limit of 1"),
    ("--streaming-ratio", "-1", 104, "`-1` is below the minimum of 0"),
    (
        "--think-time",
        "61m",
        104,
        "`1h1m` is longer than the limit of 1h",
    ),
    (
        "--think-time",
        "60ms-10ms",
        104,
        "the first value is greater than the second",
    ),
    ("--max-tokens", "0", 104, "`0` is below the minimum of 1"),
    (
        "--max-tokens",
        "10000001",
        104,
        "`10000001` is above the limit of 10000000",
    ),
    ("--port", "http", 2, "`http` is not a whole number"),
    ("--port", "0", 104, "`0` is below the minimum of 1"),
    ("--port", "65536", 104, "`65536` is above the limit of 65535"),
    ("--cores", "0", 104, "`0` is below the minimum of 1"),
    ("--cores", "1025", 104, "`1025` is above the limit of 1024"),
    ("--cpus", "x", 2, "`x` is not a CPU number"),
    ("--cpus", "8192", 104, "CPU `8192` is above the limit of 8191"),
    (
        "--min-wait",
        "101ms",
        104,
        "`101ms` is longer than the limit of 100ms",
    ),
    ("--repeat", "0", 104, "`0` is below the minimum of 1"),
    ("--repeat", "101", 104, "`101` is above the limit of 100"),
    (
        "--sim-tokens",
        "1000001",
        104,
        "`1000001` is above the limit of 1000000",
    ),
    ("--sim-latency", "slow", 2, "`slow` is not one of its values"),
    ("--stamp", "clock", 2, "`clock` is not one of its values"),
    (
        "--stream-options",
        "maybe",
        2,
        "`maybe` is neither true nor false",
    ),
    ("--shard", "1/10001", 104, "above the limit of 10000"),
    ("--shards", "0", 104, "`0` is below the minimum of 1"),
    ("--start-at", "yesterday", 2, "`yesterday` is not an instant"),
    ("--threshold", "ttft: p(95)", 104, "no comparison"),
];

#[test]
fn a_wrong_value_has_one_code_in_an_option_a_variable_and_the_check_and_is_told_at_its_place() {
    for (option, value, code, told) in VALUES {
        let typed = format!("{option}={value}");
        let error = refused(&["quick-smoke", &typed], None, code);
        assert!(error.starts_with(&format!("error: {option}: ")), "{error}");
        assert!(error.contains(told), "{told}: {error}");
        let variable = format!("LLMLOAD_{}", option[2..].to_uppercase().replace('-', "_"));
        let error = refused(
            &["config", "check", "quick-smoke"],
            Some((&variable, value)),
            code,
        );
        let place = format!("error: environment variable {variable}: ");
        assert!(error.starts_with(&place) && error.contains(told), "{error}");
    }
}

#[test]
fn values_at_their_limits_are_taken() {
    for words in [
        &["--vus", "100000", "--duration", "24h"][..],
        &["--vus", "1", "--duration", "1ms"],
        &["--iterations", "1"],
        &["--iterations", "1000000000000", "--vus", "1"],
        &[
            "--graceful-stop",
            "24h",
            "--think-time",
            "1h",
            "--max-tokens",
            "10000000",
        ],
        &["--graceful-stop", "0s", "--think-time", "0", "--max-tokens", "1"],
        &["--time-scale", "0.001"],
        &["--time-scale", "1000"],
        &["--streaming-ratio", "0"],
        &["--streaming-ratio", "1"],
        &[
            "--min-wait",
            "100ms",
            "--repeat",
            "100",
            "--sim-tokens",
            "1000000",
            "--port",
            "65535",
        ],
        &[
            "--min-wait",
            "0",
            "--repeat",
            "1",
            "--sim-tokens",
            "1",
            "--port",
            "1",
        ],
        &["--target", "http://127.0.0.1:1", "--wait-for-target", "24h"],
        &["--target", "http://127.0.0.1:1", "--wait-for-target", "1s"],
        &["--stages", "1s:100000", "--seed", "18446744073709551615"],
        &[
            "--server-cmd",
            "x",
            "--health-url",
            "http://127.0.0.1:1",
            "--server-wait",
            "1h",
        ],
        &[
            "--server-cmd",
            "x",
            "--health-url",
            "http://127.0.0.1:1",
            "--server-wait",
            "100ms",
        ],
    ] {
        // The latter has streams and whole answers, which a share of streams needs.
        ran(&[&["config", "check", "smoke"], words].concat()).expect(0);
    }
}

#[track_caller]
fn each_is_refused(uses: &[(&[&str], i32, &str)]) {
    for (words, code, told) in uses {
        let error = refused(words, None, *code);
        assert!(error.contains(told), "{words:?}: {told}: {error}");
    }
}

#[test]
fn words_that_are_none_are_2_and_numbers_beyond_their_limits_104_wherever() {
    each_is_refused(&[
        // Words that are none, and words that are missing.
        (&["quick-smoke", "--no-such-option"][..], 2, "--no-such-option: "),
        (&["quick-smoke", "--vus"], 2, "--vus: a value is missing"),
        (&["quick-smoke", "load"], 2, "`load`: only one profile"),
        (
            &["http://127.0.0.1:1"],
            2,
            "`http://127.0.0.1:1`: a URL is not a profile",
        ),
        (&["run"], 2, "a profile is missing"),
        (&["compare", "a.json"], 2, "NEW is missing"),
        (&["merge"], 2, "FILE is missing"),
        (&["report", "-o", "page.html"], 2, "FILE is missing"),
        (
            &["config", "chek"],
            2,
            "did you mean `llmload-uring config check`?",
        ),
        (
            &["baseline", "sav"],
            2,
            "did you mean `llmload-uring baseline save`?",
        ),
        (&["completions", "tcsh"], 2, "SHELL: `tcsh`"),
        (&["probe", "extra"], 2, "`extra`: "),
        (&["help", "nothing"], 2, "has no command `nothing`"),
        (&["mock", "--listen", "nowhere"], 2, "--listen: `nowhere`"),
        (&["mock", "--faults", "rest=1"], 2, "did you mean `reset`?"),
        (&["quick-smoke", "--api-key", "s"], 2, "--api-key: every user"),
        // Numbers beyond their limits, wherever.
        (
            &["probe", "--vus", "0"],
            104,
            "--vus: `0` is below the minimum of 1",
        ),
        (
            &["probe", "--cores", "1025"],
            104,
            "--cores: `1025` is above the limit of 1024",
        ),
        (
            &["mock", "--tokens", "-1"],
            104,
            "--tokens: `-1` is below the minimum of 1",
        ),
        (
            &["mock", "--tokens", "1000001"],
            104,
            "--tokens: `1000001` is above the limit of 1000000",
        ),
        (
            &["mock", "--ttft", "61m"],
            104,
            "--ttft: `1h1m` is longer than the limit of 1h",
        ),
        (
            &["mock", "--listen", "127.0.0.1:65536"],
            104,
            "the port is above the limit of 65535",
        ),
    ]);
}

#[test]
fn what_contradicts_does_not_exist_or_cannot_be_read_is_104() {
    let dir = Dir::new();
    let missing = dir.path("missing.json");
    each_is_refused(&[
        (
            &["quick-smoke", "--stages", "1s:1", "--vus", "2"],
            104,
            "--stages: ",
        ),
        (&["quick-smoke", "--cores", "1", "--cpus", "0"], 104, "--cores: "),
        (
            &["quick-smoke", "--health-url", "http://127.0.0.1:1"],
            104,
            "--health-url: ",
        ),
        (&["quick-smoke", "--shards", "2"], 104, "--shards: "),
        (
            &["quick-smoke", "--target", "nowhere"],
            104,
            "--target: `nowhere`",
        ),
        (&["quick-smoke", "--header", "x"], 104, "--header: "),
        (
            &["quick-smoke", "--api-key-file", &missing],
            104,
            "--api-key-file: ",
        ),
        (&["quick-smok"], 104, "did you mean `quick-smoke`?"),
        (&["profiles", "show", "smok"], 104, "did you mean `smoke`?"),
        (&["run", "--config", &missing], 104, "cannot be read"),
        (&["compare", &missing, &missing], 104, "cannot be opened"),
        (
            &["compare", "a", "b", "--fail-on", "latncy > +1%"],
            104,
            "--fail-on: unknown metric `latncy`",
        ),
        (&["merge", &missing], 104, "cannot be read"),
        (&["import-k6", &missing], 104, "cannot be read"),
        (&["import-inference-perf", &missing], 104, "cannot be read"),
        (&["import", "inference-perf", &missing], 104, "cannot be read"),
        (&["baseline", "show", "none"], 104, "`none`"),
        (&["baseline", "save", "a b", &missing], 104, "`a b`"),
    ]);
    let typo = dir.write("typo.yaml", "executor: constant-vus\nduraton: 5s\nmodels: [m]\n");
    ran(&[&typo]).expect(104);
}

#[test]
fn an_unknown_variable_is_named_by_every_command_that_somebody_reads() {
    for words in [
        &["config", "check", "smoke"][..],
        &["compare", "a", "b"],
        &["baseline", "list"],
        &["merge", "a"],
        &["report", "a", "-o", "b"],
        &["import-k6", "a"],
        &["mock", "--max-seconds", "1"],
        &["run", "smoke", "--vus", "0"],
    ] {
        let mut command = program();
        command.args(words).env("LLMLOAD_CONCURRENCY", "5");
        let ended = Live::spawn(&mut command).wait();
        let warning = "reads the environment variable LLMLOAD_CONCURRENCY; did you mean LLMLOAD_VUS?";
        assert!(ended.stderr.contains(warning), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn help_and_scripts_that_cannot_be_written_are_112() {
    for words in [
        &["--help"][..],
        &["--version"],
        &["man"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["compare", "--help"],
        &["help", "mock"],
        &["profiles"],
        &["profiles", "show", "smoke"],
        &["config", "check", "smoke"],
        &["baseline", "list"],
    ] {
        let mut command = program();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.args(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(112), "{words:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.starts_with("error: standard output: cannot write"),
            "{words:?}: {error}"
        );
    }
}
