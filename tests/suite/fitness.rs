//! The rules that judge the generator, each provoked by a real cause: a run that they apply to is not fit, and the
//! reason is named. The condition is the figure of the rule, so that no host is too slow for it.

use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use llmload_uring::host::allowed_cpus;
use llmload_uring::mock::{Mock, MockOptions};
use serde_json::Value;

use crate::common::live::{Dir, Ended, Live, document};
use crate::common::{mock, mock_options, program, skipped};
use crate::hosts::{Hog, assert_unfit};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
/// More than one core can send in a debug build, and far more than it can next to others.
const TOO_FAST: &str =
    "executor: constant-arrival-rate\nrate: 20000\nduration: 2s\nmax_vus: 500\nwhen_full: queue\n";
const REQUEST: &str = "graceful_stop: 20s\nmodels: [m]\nprompts: [Hi]\n\
    requests:\n  - { name: stream, stream: true, max_tokens: 4, timeout: 60s }\n";
/// So often a run is repeated that other work of the host may have disturbed.
const ATTEMPTS: usize = 5;

/// A server that answers at once, on the first CPU.
fn fast() -> Mock {
    mock(MockOptions {
        ttft: 0,
        gap: 0,
        ..mock_options()
    })
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The CPU of the worker, if there is one beside the server's, for as long as the guard is held.
fn other_cpu(test: &str) -> Option<(usize, MutexGuard<'static, ()>)> {
    let cpus = allowed_cpus();
    if cpus.len() < 2 {
        skipped(test, "two CPUs");
        return None;
    }
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    cpus.last().map(|cpu| (*cpu, guard))
}

/// Runs a profile on a CPU with `--require-fit`.
fn run_on(cpu: usize, shape: &str, mock: &Mock, more: &[&str]) -> (Ended, Value) {
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{shape}{REQUEST}"));
    let output = dir.path("result.json");
    let (target, cpu) = (format!("http://{}", mock.address), cpu.to_string());
    let words = [&profile, "--target", &target, "--cpus", &cpu, "--output", &output];
    let always = ["--require-fit", "--summary", "full"];
    let ended = Live::spawn(program().args(words).args(always).args(more)).wait();
    let document = document(&output);
    (ended, document)
}

fn rules(list: &Value) -> Vec<&str> {
    let rules = list.as_array().unwrap().iter();
    rules.map(|entry| entry["rule"].as_str().unwrap()).collect()
}

fn reasons(document: &Value) -> Vec<&str> {
    rules(&document["client"]["limit_reasons"])
}

fn three_hogs(cpu: usize) -> Vec<Hog> {
    (0..3).map(|_| Hog::on(cpu)).collect()
}

#[test]
fn arrivals_next_to_busy_processes_leave_late_and_are_read_late_with_true_stamps() {
    let test = "arrivals_next_to_busy_processes_leave_late_and_are_read_late_with_true_stamps";
    let Some((cpu, _guard)) = other_cpu(test) else {
        return;
    };
    let (mock, _hogs) = (fast(), three_hogs(cpu));
    let (ended, document) = run_on(cpu, TOO_FAST, &mock, &[]);
    let ended = ended.expect(113);
    assert_unfit(&ended, "late_sends", "requests left late: schedule_lag p99");
    // Reading late is told, but with the kernel's stamps it is no reason to doubt a figure.
    assert!(rules(&document["warnings"]).contains(&"late_reads"));
    assert!(!reasons(&document).contains(&"late_reads"));
    assert!(!reasons(&document).contains(&"reap_lag"));
}

#[test]
fn what_is_read_late_with_user_stamps_is_not_fit() {
    let test = "what_is_read_late_with_user_stamps_is_not_fit";
    let Some((cpu, _guard)) = other_cpu(test) else {
        return;
    };
    let (mock, _hogs) = (fast(), three_hogs(cpu));
    let (ended, document) = run_on(cpu, TOO_FAST, &mock, &["--stamp", "user"]);
    let ended = ended.expect(113);
    assert_unfit(&ended, "reap_lag", "user stamps with a reap lag p99 of");
    assert!(!rules(&document["warnings"]).contains(&"late_reads"));
}

#[test]
fn more_than_a_core_can_send_keeps_it_busy() {
    let test = "more_than_a_core_can_send_keeps_it_busy";
    let Some((cpu, _guard)) = other_cpu(test) else {
        return;
    };
    let mock = fast();
    for _ in 0..ATTEMPTS {
        let (ended, document) = run_on(cpu, TOO_FAST, &mock, &[]);
        if reasons(&document).contains(&"worker_busy") {
            return assert_unfit(&ended.expect(113), "worker_busy", "a worker core was busy");
        }
        // A core that others use as well cannot be busy with us alone.
        assert!(reasons(&document).contains(&"cpu_taken"), "{}", ended.stdout);
    }
    skipped(test, "a CPU that nothing else uses");
}

/// The loaded run is flagged and says why; the same run without the load is not flagged for that.
#[test]
fn a_cpu_is_taken_only_while_others_use_it() {
    let test = "a_cpu_is_taken_only_while_others_use_it";
    let Some((cpu, _guard)) = other_cpu(test) else {
        return;
    };
    if llmload_uring::net::clock::run_delay().is_none() {
        return skipped(test, "/proc/thread-self/schedstat");
    }
    let mock = fast();
    let shape = "executor: constant-vus\nvus: 32\nduration: 1s\n";
    let hogs = three_hogs(cpu);
    let (ended, _) = run_on(cpu, shape, &mock, &[]);
    assert_unfit(&ended.expect(113), "cpu_taken", "a worker waited for its CPU for");
    drop(hogs);
    for _ in 0..ATTEMPTS {
        let (_, document) = run_on(cpu, shape, &mock, &[]);
        if !reasons(&document).contains(&"cpu_taken") {
            return;
        }
    }
    skipped(test, "a CPU that nothing else uses");
}

#[test]
fn tokens_in_one_write_share_a_stamp_and_the_generator_stays_fit() {
    let mock = mock(MockOptions {
        tokens: 100,
        events_per_write: 10,
        ..mock_options()
    });
    let cpu = *allowed_cpus().last().unwrap();
    let shape = "executor: shared-iterations\nvus: 2\niterations: 10\n";
    let (ended, document) = run_on(cpu, shape, &mock, &[]);
    let found = rules(&document["warnings"]);
    assert!(found.contains(&"coalesced_events"), "{document}");
    assert!(!reasons(&document).contains(&"coalesced_events"));
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("share a stamp (limit 1 %)"), "{words:?}");
}

/// A network of its own in which each address has 20 ports. Another process takes all that are free, for as long as
/// the program is there and at most 30 s, from when its users have connected.
const PORTS_TAKEN: &str = "
import fcntl, os, socket, struct, sys, time
lo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(lo, 0x8914, struct.pack('16sh14x', b'lo', 1))
open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40019')
lo.close()
program = os.getpid()
if os.fork() == 0:
    for stream in range(3): os.close(stream)
    held, end = {}, time.monotonic() + 30
    # Three at once are users; what is asked before the load comes one by one.
    connected = lambda: sum(l.split()[2:4] == ['0100007F:C350', '01'] for l in open('/proc/net/tcp')) >= 3
    while os.getppid() == program and time.monotonic() < end:
        if held or connected():
            for port in set(range(40000, 40020)) - held.keys():
                s = socket.socket()
                try:
                    s.bind(('127.0.0.1', port))
                    held[port] = s
                except OSError:
                    s.close()
        time.sleep(0.001)
    os._exit(0)
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn ports_that_run_out_during_a_run_are_not_the_servers_failure() {
    let test = "ports_that_run_out_during_a_run_are_not_the_servers_failure";
    let can = Command::new("unshare")
        .args(["-rn", "python3", "-c", "pass"])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        return skipped(test, "python3, user and network namespaces");
    }
    let dir = Dir::new();
    let shape = "executor: shared-iterations\nvus: 5\niterations: 200\nconnection: per-request\n";
    let profile = dir.write("profile.yaml", &format!("{shape}{REQUEST}"));
    let output = dir.path("result.json");
    let mut command = Command::new("unshare");
    command.args(["-rn", "python3", "-c", PORTS_TAKEN, EXE, &profile]);
    command.args([
        "--port",
        "50000",
        "--require-fit",
        "--summary",
        "full",
        "--output",
        &output,
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = Live::spawn(&mut command).wait().expect(113);
    assert_unfit(&ended, "client_resource", "requests found no free port");
    let outcomes = &document(&output)["totals"]["by_outcome"];
    assert!(outcomes["client_resource"].as_u64().unwrap() > 0, "{outcomes}");
}
