//! Faults of servers, networks, hosts and files, each made on purpose: its outcome, sums that hold, an end in time,
//! memory that stays flat, no spinning, its exit code. `docs/FAULTS.md` says which test makes which fault.

mod attacker;
mod canary;
mod canary_elsewhere;
mod clocks;
mod framing;
mod host;
mod inputs;
mod networks;
mod page;
mod planted;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::common::live::*;
use crate::common::*;
use attacker::{Attacker, Deed, Victim};

/// Users of the loads here, and their length.
const VUS: u64 = 3;
const DURATION: f64 = 1.0;
const GRACEFUL_STOP: f64 = 0.5;
/// How much later than that a run may end.
const LATE: f64 = 2.0;
/// What a run of a few users may hold in memory at any time, whatever it is sent: the program itself in a debug build,
/// the buffers of its rings, and the 48 MiB that answers may fill.
const MEMORY_KIB: u64 = 180 << 10;

/// Requests that end after 0.3 s without a token, 0.4 s without a byte, and 0.9 s in any case.
const LOAD: &str = "executor: constant-vus\nvus: 3\nduration: 1s\ngraceful_stop: 500ms\nmodels: [m]\nprompts: [Hi]\n\
                    validate: false\nrequests:\n  - { name: r, stream: true, max_tokens: 10, timeout: 900ms,\n      \
                    connect_timeout: 400ms, first_token_timeout: 300ms, idle_timeout: 400ms }\n";

/// One request of each user, which nothing but the server ends.
const PATIENT: &str = "executor: per-vu-iterations\nvus: 3\niterations: 1\nmax_duration: 60s\ngraceful_stop: 500ms\n\
                       models: [m]\nprompts: [Hi]\nvalidate: false\n\
                       requests:\n  - { name: r, stream: true, max_tokens: 10, timeout: 50s }\n";

/// A fault of a server.
struct Case {
    name: &'static str,
    deed: Deed,
    /// What becomes of each request that the end of the run does not cut.
    outcome: &'static str,
    exit_code: i32,
}

fn case(
    name: &'static str,
    outcome: &'static str,
    exit_code: i32,
    deed: impl Fn(&mut Victim) + Send + Sync + 'static,
) -> Case {
    Case {
        name,
        deed: Arc::new(deed),
        outcome,
        exit_code,
    }
}

/// How a run went.
struct Withstood {
    document: Value,
    /// Requests that the server was asked.
    asked: u64,
}

/// The most memory that the process has held, in KiB; `None` before it has its own and once it is gone.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // For a moment within exec it has the name and the memory of the tests' process still.
    if !status.starts_with("Name:\tllmload-uring\n") {
        return None;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Runs the load of a profile to its end. Returns how it ended, its document and the most memory that it held.
#[track_caller]
fn run_load(name: &str, profile: &str, more: &[&str]) -> (Ended, Value, u64) {
    let dir = Dir::new();
    let (profile, output) = (dir.write("p.yaml", profile), dir.path("result.json"));
    let words = [&profile, "--cores", "1", "--summary", "full", "--output", &output];
    let mut live = Live::start(&[&words[..], more].concat());
    let mut memory = 0;
    wait_until(name, || {
        memory = peak_memory(live.pid()).unwrap_or(0).max(memory);
        live.is_over()
    });
    let ended = live.wait();
    assert!(std::path::Path::new(&output).exists(), "{name}: {ended:#?}");
    (ended, document(&output), memory)
}

/// What holds for every run, whatever it met: `document` has checked its sums.
#[track_caller]
fn assert_in_order(name: &str, ended: &Ended, document: &Value, memory: u64) {
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    assert!(!said.contains("panicked"), "{name}: {said}");
    let lasted = document["run"]["duration_seconds"].as_f64().unwrap();
    let has_duration = document["config"]["executor"] != "per-vu-iterations";
    assert!(
        !has_duration || lasted <= DURATION + GRACEFUL_STOP + LATE,
        "{name}: took {lasted} s"
    );
    assert!(memory < MEMORY_KIB, "{name}: held {memory} KiB");
}

/// The outcomes that requests had, apart from those that the end of the run cut.
fn outcomes(document: &Value) -> Vec<(String, u64)> {
    let all = document["totals"]["by_outcome"].as_object().unwrap();
    let all = all.iter().map(|(name, n)| (name.clone(), n.as_u64().unwrap()));
    all.filter(|(name, n)| *n > 0 && name != "interrupted").collect()
}

/// Runs the load of a profile against a server that does so.
#[track_caller]
fn withstand(case: &Case, profile: &str) -> Withstood {
    let attacker = Attacker::start(case.deed.clone());
    let target = format!("http://{}/v1/chat/completions", attacker.address);
    let (ended, document, memory) = run_load(case.name, profile, &["--target", &target]);
    assert_in_order(case.name, &ended, &document, memory);
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [case.outcome], "{}: {}", case.name, ended.stdout);
    assert_eq!(ended.code, Some(case.exit_code), "{}: {ended:#?}", case.name);
    let requests = document["totals"]["requests"].as_u64().unwrap();
    let asked = attacker.requests();
    // Nothing is asked that is not counted: no second try, no request that a redirect leads to.
    let is_counted = requests >= VUS && asked <= requests;
    assert!(is_counted, "{}: {asked} of {requests}", case.name);
    Withstood { document, asked }
}

/// Each of them, a few at a time; `also` sees how the run went.
fn withstand_all(cases: &[Case], also: impl Fn(&Case, &Withstood) + Sync) {
    withstand_each(cases, LOAD, also);
}

fn withstand_each(cases: &[Case], profile: &str, also: impl Fn(&Case, &Withstood) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    also(case, &withstand(case, profile));
                }
            });
        }
    });
}
