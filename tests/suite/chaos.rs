//! The embedded simulator set up by options: failures in known shares, its latency, its tokens, its document.

use crate::common::live::*;
use crate::common::*;
use serde_json::Value;

fn count(document: &Value, at: &[&str]) -> u64 {
    let value = at.iter().fold(document, |value, key| &value[*key]);
    value.as_u64().unwrap_or(0)
}

/// Of 600 completions the three kinds of failure are 60, 30 and 12 by expectation. The limits are five standard
/// deviations away: a true simulator leaves them once in a million runs.
#[test]
fn with_chaos_our_counts_of_each_class_equal_the_simulators() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let mut command = program();
    command.env("LLMLOAD_CHAOS", "true").args([
        "high-concurrency",
        "--sim-latency",
        "instant",
        "--vus",
        "8",
        "--iterations",
        "700",
        "--think-time",
        "0",
        "--summary",
        "full",
        "-o",
        &output,
    ]);
    // The profile allows a tenth of failures, and gets more.
    let ended = Live::spawn(&mut command).wait().expect(99);
    assert!(
        ended.stdout.contains(" errors by its own count: agrees"),
        "{}",
        ended.stdout
    );
    let document = document(&output);
    let status = |code: &str| count(&document, &["totals", "by_status", code]);
    let server = |key: &str| count(&document, &["managed_server", "counts", key]);
    assert_eq!(status("429"), server("rate_limit_errors"));
    assert_eq!(status("500") + status("503"), server("server_errors"));
    assert_eq!(status("504"), server("timeout_errors"));
    for class in [
        "rate_limit_errors",
        "server_errors",
        "timeout_errors",
        "errors",
        "requests",
    ] {
        assert_eq!(server(class), server(&format!("client_{class}")), "{class}");
    }
    let all = server("requests");
    assert!((500..=700).contains(&all), "{all} completions of 700 requests");
    for (class, share) in [
        ("rate_limit_errors", 0.10),
        ("server_errors", 0.05),
        ("timeout_errors", 0.02),
    ] {
        let (expected, n) = (all as f64 * share, server(class) as f64);
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!((n - expected).abs() < 5.0 * deviation, "{class}: {n} of {all}");
    }
    assert_eq!(document["config"]["managed_server"]["simulator"]["chaos"], true);
}

#[test]
fn a_smoke_with_chaos_is_not_validated_and_says_so() {
    let ended = ran(&["quick-smoke", "--chaos", "--think-time", "0"]);
    assert!([Some(0), Some(99)].contains(&ended.code), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("validation: skipped, because answers fail on purpose with --chaos"),
        "{}",
        ended.stderr
    );
}

#[test]
fn sim_tokens_and_sim_config_change_the_simulators_answers() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let config = dir.write(
        "sim.toml",
        "[latency]\nprofile = \"instant\"\n[response]\ntarget_tokens = 3\n",
    );
    let tokens = |more: &[&str]| {
        let args = [
            &[
                "quick-smoke",
                "--no-validate",
                "--iterations",
                "20",
                "--think-time",
                "0",
                "-o",
                &output,
            ][..],
            more,
        ]
        .concat();
        ran(&args).expect(0);
        count(&document(&output), &["totals", "output_tokens"])
    };
    let few = tokens(&["--sim-config", &config]);
    let many = tokens(&["--sim-config", &config, "--sim-tokens", "200"]);
    assert!(few > 0 && many > 10 * few, "{few} and {many} tokens");
}

#[test]
fn an_invalid_sim_config_is_a_configuration_error() {
    let dir = Dir::new();
    let broken = dir.write("sim.toml", "[latency\n");
    for path in [dir.path("missing.toml"), broken] {
        let ended = ran(&["quick-smoke", "--sim-config", &path]).expect(104);
        ended.one_error(&format!("simulator configuration `{path}`: "));
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn options_of_the_simulator_are_refused_for_another_server_before_anything_is_sent() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let port = mock.address.port().to_string();
    let cases: [(&[&str], &str); 4] = [
        (
            &["--chaos", "--target", &target],
            "--chaos: is for the simulator, but `--target`",
        ),
        (
            &["--sim-latency", "fast", "--no-server", "--port", &port],
            "--sim-latency: is for the simulator",
        ),
        (
            &["--sim-tokens", "0"],
            "--sim-tokens: `0` is below the minimum of 1",
        ),
        // Somebody is there already, which only the question shows.
        (
            &["--chaos", "--port", &port],
            "--chaos: this option is for the simulator, but a healthy server already answers",
        ),
    ];
    for (more, part) in cases {
        let ended = ran(&[&["quick-smoke"], more].concat()).expect(104);
        ended.one_error(part);
        assert_eq!(ended.stdout, "");
    }
    let unknown = ran(&["quick-smoke", "--sim-latency", "warp"]).expect(2);
    unknown.one_error("--sim-latency: `warp` is not one of its values");
    assert_eq!(mock_requests(mock.address), 0);
}
