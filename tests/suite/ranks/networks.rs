//! Ranks with a network between them that is slow and loses packets, and with clocks that are seconds apart.
//! `network.py` is that network; where the machine does not allow it, the test is skipped by name.

use super::*;
use std::process::{Command, Stdio};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
const NETWORK: &str = include_str!("network.py");
const SERVER: &str = "10.9.0.1:8000";

/// Starts one rank for each clock in `faults`, and a mock, each in a network namespace of its own.
fn over_network(faults: &Value, rank: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-Urnm", "python3", "-c", NETWORK, &faults.to_string()]);
    command.args([EXE, "mock", "--listen", SERVER, "--ttft", "20ms", "--gap", "2ms"]);
    command
        .args(["--tokens", "10", "--max-seconds", "50", "--"])
        .args(rank);
    command
        .env("LLMLOAD_COORDINATE_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn ranks_begin_together_over_a_slow_way_with_clocks_that_are_seconds_apart() {
    let test = "ranks_begin_together_over_a_slow_way_with_clocks_that_are_seconds_apart";
    let tried = over_network(&json!({ "ahead": [0, 1] }), &["true"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        let needs = "python3, ip, /dev/net/tun, user, network and time namespaces";
        return skipped(test, needs);
    }
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{BY_USER}{MIX}"));
    let output = dir.path("out.json");
    let target = format!("http://{SERVER}");
    let rank = [
        EXE,
        &profile,
        "--target",
        &target,
        "--coordinate",
        "10.9.0.2:7117",
        "--output",
        &output,
    ];
    let faults = json!({ "delay": 0.05, "loss": 0.01, "ahead": [0, 1, -1, 2.5] });
    let ended = Live::spawn(&mut over_network(&faults, &rank)).wait().expect(0);
    let seen: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:#?}"));
    assert_eq!(seen["codes"], json!([0, 0, 0, 0]), "{ended:#?}");
    let whole = read(&output);
    assert_eq!(whole["totals"]["requests"], 96);
    assert_eq!(whole["totals"]["ok"], 96);
    assert_eq!(whole["run"]["merged"]["shards"], 4);
    assert_eq!(whole["run"]["merged"]["missing_shards"], Value::Null);
    let seconds = |document: &Value, at: &str| document.pointer(at).and_then(Value::as_f64).unwrap();
    let late = |number: usize| {
        let own = read(&dir.path(&format!("out.rank-{number}.json")));
        seconds(&own, "/run/start/late_seconds")
    };
    let latest = (0..4).map(late).fold(0.0, f64::max);
    // A round trip of 100 ms bounds each clock's error by 50 ms, in either direction.
    let skew = seconds(&whole, "/run/merged/start_skew_seconds");
    assert!(skew <= 0.1 + latest, "{skew} s, {latest} s late");
    // What the network has seen does not depend on what ranks think of clocks: unmeasured, they were 3.5 s apart.
    for number in 0..4 {
        let began = seconds(&seen, &format!("/began/{number}"));
        assert!(began < 0.5 + latest, "{seen}, {latest} s late");
    }
}
