//! `calibrate`: what it measures, how it ends, and the runs that cite it.

use crate::common::live::*;
use crate::common::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde_json::{Value, json};
use std::os::fd::OwnedFd;

const FIGURES: [&str; 4] = ["arrival", "ttft", "gap", "latency"];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Loads a mock briefly, citing a calibration, and returns how that ended.
fn cite(calibration: &str, more: &[&str]) -> Ended {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let words = [
        "quick-smoke",
        "--target",
        &target,
        "--calibration",
        calibration,
        "--output",
        "-",
    ];
    Live::spawn(program().args(words).args(more)).wait()
}

#[test]
fn a_calibration_measures_every_figure_in_every_condition_and_a_run_cites_it() {
    let dir = Dir::new();
    let file = dir.path("host.json");
    let ended = ran(&["calibrate", "--duration", "5s", "--output", &file, "--json"]).expect(0);
    let calibration = parsed(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(parsed(&ended.stdout), calibration);
    assert_eq!(dir.names(), ["host.json"]);
    assert_eq!(calibration["schema"], "llmload-uring-calibration/1");
    assert_eq!(calibration["interrupted"], false);
    let capacity = calibration["capacity"].as_object().unwrap();
    assert_eq!(
        capacity.values().filter(|value| value.is_null()).count(),
        0,
        "{capacity:?}"
    );
    let conditions = calibration["conditions"].as_array().unwrap();
    let names: Vec<&Value> = conditions.iter().map(|condition| &condition["name"]).collect();
    assert_eq!(
        names,
        ["idle", "half busy", "nearly saturated", "hog on the core"]
    );
    for condition in conditions {
        for figure in FIGURES {
            let errors = &condition["errors"][figure];
            let count = errors["count"].as_u64().unwrap();
            let expected = condition["requests"].as_u64().unwrap() * if figure == "gap" { 49 } else { 1 };
            // Gaps of streams that were cut at the end are compared as well.
            assert!(
                count >= expected && expected > 0,
                "{figure}: {count} of {expected}"
            );
            let (least, most) = (errors["min"].as_f64().unwrap(), errors["max"].as_f64().unwrap());
            let p99 = errors["p99"].as_f64().unwrap();
            assert!(
                least <= p99 && p99 <= most + most.abs() * 0.001 + 0.001,
                "{errors}"
            );
        }
        // Nothing arrives before it was sent, and nothing is read before it was written.
        for figure in ["arrival", "ttft", "latency"] {
            assert!(
                condition["errors"][figure]["p50"].as_f64().unwrap() >= 0.0,
                "{condition}"
            );
        }
    }
    assert!(!calibration["words"].as_array().unwrap().is_empty());

    let document = parsed(&cite(&file, &[]).expect(0).stdout);
    let budget = &document["client"]["error_budget"];
    assert_eq!(budget["host"], calibration["host"]["name"]);
    assert_eq!(budget["date"], calibration["started_at"]);
    let condition = conditions
        .iter()
        .find(|condition| condition["name"] == budget["condition"]);
    for figure in FIGURES {
        let errors = &condition.unwrap()["errors"][figure];
        let expected = json!({"p50": errors["within_p50"], "p99": errors["within_p99"]});
        assert_eq!(budget[figure], expected, "{figure}");
    }
    let summary = document["summary"].as_str().unwrap();
    assert!(summary.contains("\ncalibrated "), "{summary}");
    assert_eq!(document["config"]["run"]["calibration"], file.as_str());

    refuses_other_hosts(&dir, &calibration);
    shards_of_which_each_cites_its_own(&dir, &calibration);
}

/// The largest errors of both calibrations are those of the whole, and what the stamps showed is added up.
fn shards_of_which_each_cites_its_own(dir: &Dir, calibration: &Value) {
    let mut worse = calibration.clone();
    worse["host"]["name"] = json!("worse");
    for condition in worse["conditions"].as_array_mut().unwrap() {
        condition["errors"]["ttft"]["within_p99"] = json!(7_000.0);
    }
    let files = [calibration, &worse].map(|host| {
        let name = format!("cited-{}.json", host["host"]["name"] == "worse");
        dir.write(&name, &host.to_string())
    });
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let parts = [0, 1].map(|at| {
        let output = dir.path(&format!("shard-{at}.json"));
        let shard = format!("{}/2", at + 1);
        let args = ["smoke", "--target", &target, "--shard", &shard, "--calibration"];
        let more = [
            &files[at],
            "--streaming-ratio",
            "1",
            "--vus",
            "4",
            "--duration",
            "1s",
            "--verify-stamps",
            "--output",
            &output,
        ];
        ran(&[&args[..], &more].concat()).expect(0);
        output
    });
    let merged = dir.path("merged.json");
    ran(&["merge", &parts[0], &parts[1], "--output", &merged]).expect(0);
    let client = |file: &String| document(file)["client"].clone();
    let (whole, parts) = (client(&merged), parts.each_ref().map(client));
    let budget = &whole["error_budget"];
    assert_eq!(budget["ttft"]["p99"], 7_000.0);
    assert!(budget["host"].as_str().unwrap().contains(", worse"), "{budget}");
    for figure in FIGURES {
        let of = |client: &Value, key: &str| client["errors"][figure][key].as_f64().unwrap();
        let count: f64 = parts.iter().map(|part| of(part, "count")).sum();
        assert_eq!(of(&whole, "count"), count, "{figure}");
        let max = parts.iter().map(|part| of(part, "max")).fold(f64::MIN, f64::max);
        assert_eq!(of(&whole, "max"), max, "{figure}");
        let ends = parts.each_ref().map(|part| of(part, "within_p99"));
        let within = of(&whole, "within_p99");
        assert!(
            ends[0].min(ends[1]) <= within && within <= ends[0].max(ends[1]),
            "{figure}"
        );
    }
}

fn refuses_other_hosts(dir: &Dir, calibration: &Value) {
    for (key, value, named) in [
        ("kernel", json!("1.2.3"), "its kernel is `1.2.3`"),
        ("cpu", json!("Abacus"), "its CPU is `Abacus`"),
        ("cpus_allowed", json!([]), "its number of CPUs is `0`"),
    ] {
        let mut other = calibration.clone();
        other["host"][key] = value;
        let ended = cite(&dir.write("other.json", &other.to_string()), &[]).expect(104);
        ended.one_error("--calibration: is of another host: ");
        assert!(ended.stderr.contains(named), "{}", ended.stderr);
    }
    let mut renamed = calibration.clone();
    renamed["host"]["name"] = json!("elsewhere");
    let ended = cite(&dir.write("renamed.json", &renamed.to_string()), &[]).expect(0);
    assert!(
        ended.stderr.contains("host named `elsewhere`"),
        "{}",
        ended.stderr
    );
    let mut empty = calibration.clone();
    empty["conditions"] = json!([]);
    let ended = cite(&dir.write("empty.json", &empty.to_string()), &[]).expect(104);
    ended.one_error("was ended before it had measured an error");
}

#[test]
fn what_is_no_calibration_is_refused_before_the_run() {
    let dir = Dir::new();
    let missing = dir.path("missing.json");
    for (text, part) in [
        ("", "not a calibration: EOF"),
        ("{}", "it has no `schema`"),
        (
            r#"{"schema": "llmload-uring/2"}"#,
            "`schema` is `llmload-uring/2`",
        ),
        (r#"{"schema": "llmload-uring-calibration/1"}"#, "missing field"),
    ] {
        let ended = cite(&dir.write("file.json", text), &[]).expect(104);
        ended.one_error("--calibration: ");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    cite(&missing, &[])
        .expect(104)
        .one_error("cannot be read: No such file");
    cite(&missing, &["--stamp", "user"])
        .expect(104)
        .one_error("`--stamp user`");
    for (words, code, part) in [
        (["--duration", "1s"], 104, "--duration: `1s`"),
        (["--duration", "1h"], 104, "--duration: `1h`"),
        (["--duration", "x"], 2, "--duration: `x`"),
        (["--cpus", "0,1"], 104, "--cpus: 2 CPUs are too many"),
        (["--cpus", "8191"], 104, "--cpus: CPU 8191 is not among"),
        (["--output", "/nowhere/x.json"], 112, "/nowhere/x.json: cannot"),
    ] {
        ran(&["calibrate", words[0], words[1]])
            .expect(code)
            .one_error(part);
    }
}

fn pidfd(pid: u32) -> OwnedFd {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

#[track_caller]
fn ends(process: &OwnedFd) {
    let limit = std::time::Duration::from_secs(20).try_into().unwrap();
    let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ended, 1, "the client still runs");
}

/// Starts a calibration and waits for a client of its first condition.
fn in_first_condition(more: &[&str]) -> (Live, OwnedFd) {
    let mut live = Live::spawn(program().args(["calibrate", "--duration", "20s"]).args(more));
    live.wait_for_stderr("calibrate: idle");
    wait_until("a client runs", || !live.children().is_empty());
    let client = pidfd(live.children()[0]);
    (live, client)
}

#[test]
fn a_signal_ends_a_calibration_and_keeps_what_was_measured() {
    for signal in [Signal::INT, Signal::TERM] {
        let dir = Dir::new();
        let (live, client) = in_first_condition(&["--output", &dir.path("host.json")]);
        live.signal(signal);
        let ended = live.wait().expect(105);
        ends(&client);
        assert!(ended.stdout.contains("\nEnded by a signal: "), "{}", ended.stdout);
        assert!(ended.stdout.contains("events/s of 200 bytes"), "{}", ended.stdout);
        let calibration = parsed(&std::fs::read_to_string(dir.path("host.json")).unwrap());
        assert_eq!(calibration["interrupted"], true);
        assert!(calibration["capacity"]["requests_per_second"].is_f64());
        assert_eq!(calibration["conditions"], json!([]));
        assert_eq!(dir.names(), ["host.json"]);
    }
}

#[test]
fn kill_9_of_a_calibration_leaves_no_client_behind() {
    let (live, client) = in_first_condition(&[]);
    live.signal(Signal::KILL);
    assert_eq!(live.wait().code, None);
    ends(&client);
}
