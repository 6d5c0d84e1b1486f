//! Networks that lose, delay, swallow or vanish. Each test has a network of its own, with a wire in the middle that
//! `wire.py` is; where the machine does not allow that, the test is skipped by name.

use std::process::{Command, Stdio};

use super::*;

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
const WIRE: &str = include_str!("wire.py");
const SERVER: &str = "10.9.0.2:8000";

/// Over such a wire, a command; the server is a mock that answers after `ttft` with `tokens`, 10 ms apart.
fn over_wire(faults: &Value, tokens: &str, client: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-Urnm", "python3", "-c", WIRE, &faults.to_string()]);
    command.args([EXE, "mock", "--listen", SERVER, "--ttft", "20ms", "--gap", "10ms"]);
    command
        .args(["--tokens", tokens, "--max-seconds", "50", "--"])
        .args(client);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether this machine lets a test have a wire.
fn has_wire(test: &str) -> bool {
    let tried = over_wire(&serde_json::json!({}), "1", &["true"]).output();
    let has = tried.is_ok_and(|output| output.status.success());
    if !has {
        skipped(test, "python3, ip, /dev/net/tun, user and network namespaces");
    }
    has
}

/// Runs a profile over such a wire; gives how it ended and its document.
#[track_caller]
fn run_over(faults: &Value, tokens: &str, profile: &str, more: &[&str]) -> (Ended, Value) {
    let dir = Dir::new();
    let (profile, output) = (dir.write("p.yaml", profile), dir.path("result.json"));
    let target = format!("http://{SERVER}/v1/chat/completions");
    let words = [
        EXE,
        &profile,
        "--cores",
        "1",
        "--summary",
        "full",
        "--output",
        &output,
    ];
    let mut words = [&words[..], more].concat();
    if !more.contains(&"--target") {
        words.extend(["--target", &target]);
    }
    let ended = Live::spawn(&mut over_wire(faults, tokens, &words)).wait();
    assert!(std::path::Path::new(&output).exists(), "{ended:#?}");
    let document = document(&output);
    assert_in_order("a wire", &ended, &document, 0);
    (ended, document)
}

fn figure(document: &Value, at: &str) -> f64 {
    document
        .pointer(at)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{at}"))
}

#[test]
fn lost_packets_make_requests_slow_and_none_wrong() {
    if !has_wire("lost_packets_make_requests_slow_and_none_wrong") {
        return;
    }
    let profile = LOAD
        .replace("900ms", "20s")
        .replace("400ms", "20s")
        .replace("300ms", "20s");
    let (ended, document) = run_over(&serde_json::json!({"loss": 0.05}), "20", &profile, &[]);
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ok"], "{}", ended.stdout);
    // A lost packet comes again once one behind it has told of the gap, 10 ms later, or else after 200 ms.
    assert!(figure(&document, "/metrics/tbt/max") > 18.0, "{}", ended.stdout);
}

#[test]
fn a_long_way_is_in_the_figures_of_the_server_and_delays_no_schedule() {
    if !has_wire("a_long_way_is_in_the_figures_of_the_server_and_delays_no_schedule") {
        return;
    }
    let profile = "executor: constant-arrival-rate\nrate: 20\nduration: 1s\npre_allocated_vus: 20\nmax_vus: 20\n\
                   graceful_stop: 500ms\nmodels: [m]\nprompts: [Hi]\nvalidate: false\n\
                   requests:\n  - { name: r, stream: true, max_tokens: 3, timeout: 5s }\n";
    let (ended, document) = run_over(&serde_json::json!({"delay": 0.1}), "3", profile, &[]);
    assert_eq!(document["totals"]["requests"], 20, "{}", ended.stdout);
    assert!(
        figure(&document, "/metrics/ttft/min") >= 220.0,
        "{}",
        ended.stdout
    );
    // Gaps are as the server made them, however long the way.
    assert!(figure(&document, "/metrics/tbt/p50") < 60.0, "{}", ended.stdout);
    assert!(
        figure(&document, "/metrics/connect/min") >= 200.0,
        "{}",
        ended.stdout
    );
    // Whoever waits for a connection is not late by our fault. Half of the requests find one that stands.
    let lag = figure(&document, "/client/cores/0/schedule_lag_p99");
    assert!(lag < 190.0, "{lag}: {}", ended.stdout);
}

#[test]
fn packets_beyond_a_hidden_limit_are_a_silent_server() {
    if !has_wire("packets_beyond_a_hidden_limit_are_a_silent_server") {
        return;
    }
    // The head and each event fit; a whole answer of 200 tokens does not.
    let whole = LOAD
        .replace("stream: true", "stream: false")
        .replace("first_token_timeout: 300ms, ", "");
    let (ended, document) = run_over(
        &serde_json::json!({"largest": 900}),
        "400",
        &whole.replace("max_tokens: 10", "max_tokens: 400"),
        &[],
    );
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["timeout_idle"], "{}", ended.stdout);
    assert_eq!(ended.code, Some(114), "{}", ended.stdout);
}

#[test]
fn a_peer_that_vanishes_is_idle_and_then_not_reached() {
    if !has_wire("a_peer_that_vanishes_is_idle_and_then_not_reached") {
        return;
    }
    let (ended, document) = run_over(&serde_json::json!({"vanishes": 100}), "400", LOAD, &[]);
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert!(
        names.iter().any(|name| name == "timeout_idle"),
        "{}",
        ended.stdout
    );
    assert!(
        names
            .iter()
            .all(|name| ["ok", "timeout_idle", "timeout_connect"].contains(&name.as_str())),
        "{names:?}"
    );
}

#[test]
fn twenty_local_ports_carry_twenty_connections_one_after_the_other_or_at_once() {
    if !has_wire("twenty_local_ports_carry_twenty_connections_one_after_the_other_or_at_once") {
        return;
    }
    let faults = serde_json::json!({"ports": 20});
    // More users than ports are refused with both numbers, and nothing is sent.
    let many = LOAD.replace("vus: 3", "vus: 30");
    let dir = Dir::new();
    let profile = dir.write("p.yaml", &many);
    let target = format!("http://{SERVER}/v1/chat/completions");
    let ended = Live::spawn(&mut over_wire(
        &faults,
        "5",
        &[EXE, &profile, "--target", &target],
    ))
    .wait()
    .expect(111);
    ended.one_error("the range 40000-40019 has 20, but 30 are needed");
    // Ports of closed connections are free again at once, however many there were.
    let each = format!("{LOAD}connection: per-request\n").replace("900ms", "5s");
    let (ended, document) = run_over(&faults, "5", &each, &["--require-fit"]);
    let outcomes = outcomes(&document);
    assert!(
        outcomes.len() == 1 && outcomes[0].0 == "ok" && outcomes[0].1 > 20,
        "{outcomes:?}: {}",
        ended.stdout
    );
}

#[test]
fn a_name_of_which_one_family_of_addresses_is_dead_is_loaded_over_the_other() {
    if !has_wire("a_name_of_which_one_family_of_addresses_is_dead_is_loaded_over_the_other") {
        return;
    }
    let dir = Dir::new();
    let hosts = dir.write("hosts", "fd00:9::2 dual.test\n10.9.0.2 dual.test\n");
    // Nobody at the other end of the wire has such an address, or says so.
    let faults = serde_json::json!({"also": ["fd00:9::1/64"], "hosts": hosts});
    let target = "http://dual.test:8000/v1/chat/completions";
    let (ended, document) = run_over(&faults, "5", &LOAD.replace("900ms", "5s"), &["--target", target]);
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ok"], "{}", ended.stdout);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// A network of its own with one interface, whose link has an address; the server is a mock on all addresses.
const LINK: &str = "ip link set lo up && ip addr add fe80::1/64 dev lo nodad && \
                    { \"$0\" mock --listen '[::]:8000' --ttft 1ms --gap 1ms --tokens 5 >/dev/null 2>&1 & } && \
                    { \"$0\" \"$@\"; code=$?; kill $!; exit $code; }";

#[test]
fn a_link_local_address_is_loaded_at_its_interface_and_refused_without() {
    const NAME: &str = "a_link_local_address_is_loaded_at_its_interface_and_refused_without";
    let own = [
        "-Urn",
        "sh",
        "-c",
        "ip link set lo up && ip addr add fe80::1/64 dev lo nodad",
    ];
    let tried = Command::new("unshare").args(own).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        return skipped(NAME, "ip, user and network namespaces, IPv6");
    }
    let load = [
        "high-concurrency",
        "--vus",
        "2",
        "--iterations",
        "4",
        "--think-time",
        "0",
    ];
    let at = |target: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Urn", "sh", "-c", LINK, EXE]).args(load);
        command.args(["--target", target, "--wait-for-target", "20s"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Live::spawn(&mut command).wait()
    };
    for target in [
        "http://[fe80::1%25lo]:8000",
        "http://[fe80::1%lo]:8000",
        "http://[fe80::1%251]:8000",
    ] {
        let ended = at(target).expect(0);
        assert!(
            ended.stdout.contains("ok 4 (100.00 %)"),
            "{target}: {}",
            ended.stdout
        );
    }
    at("http://[fe80::1]:8000")
        .expect(104)
        .one_error("a link-local address without its interface");
    let mut command = program();
    command
        .args(load)
        .args(["--target", "http://[fe80::1%25nosuch0]:8000"]);
    let ended = Live::spawn(&mut command).wait().expect(114);
    ended.one_error("fe80::1 is no address at an interface `nosuch0` of this host");
}
