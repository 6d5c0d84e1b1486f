//! Hosts that refuse a call or have run out of something: exit code 111 with the lack and its fix, at once, and never a
//! panic. Filters and limits are real ones, set by a small script before the program replaces it.

use std::process::{Command, Stdio};
use std::time::Duration;

use llmload_uring::host::HostFacts;
use llmload_uring::mock::{Mock, MockOptions};
use rustix::process::Signal;

use crate::common::live::{Dir, Ended, Live, document, mock_requests, ran, wait_until_gone};
use crate::common::{mock, mock_options, program, skipped};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");

/// Makes one system call fail with an errno, or kill the process with 0 (seccomp, x86-64), then becomes the program.
const DENY: &str = "
import ctypes, os, struct, sys
number, errno = int(sys.argv[1]), int(sys.argv[2])
action = 0x00050000 | errno if errno else 0x80000000
filter = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, action), (6, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *i) for i in filter))
prog = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(filter), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0
os.execv(sys.argv[3], sys.argv[3:])
";

/// A network of its own with two local ports, both in use, then the program against the server there.
const NO_PORTS: &str = "
import fcntl, os, socket, struct, sys
any = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(any, 0x8914, struct.pack('16sh14x', b'lo', 1))
open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40001')
server = socket.create_server(('127.0.0.1', 50000))
held = [socket.create_connection(('127.0.0.1', 50000)) for _ in range(2)]
for s in (server, any, *held): os.set_inheritable(s.fileno(), True)
os.execv(sys.argv[1], sys.argv[1:] + ['--target', 'http://127.0.0.1:50000'])
";

/// `tool` with `args`, which ends up as the program with a short load against `mock`.
pub fn short(tool: &[&str], mock: &Mock, more: &[&str]) -> Command {
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg(EXE);
    // Every warning is shown: on a busy machine the one that a test looks for isn't always among the first.
    command.args([
        "high-concurrency",
        "--duration",
        "1s",
        "--graceful-stop",
        "5s",
        "--summary",
        "full",
    ]);
    if !more.contains(&"--vus") {
        command.args(["--vus", "5"]);
    }
    command.args([
        "--target",
        &format!("http://{}/v1/chat/completions", mock.address),
    ]);
    command
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether the tool does what a test needs; else the test is skipped by name.
pub fn can(test: &str, needs: &str, tool: &[&str]) -> bool {
    let tried = Command::new(tool[0]).args(&tool[1..]).arg("/bin/true").output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        skipped(test, needs);
    }
    can
}

pub fn deny(number: libc::c_long, errno: i32) -> [String; 5] {
    ["python3", "-c", DENY, &number.to_string(), &errno.to_string()].map(str::to_owned)
}

#[track_caller]
fn assert_refused(ended: Ended, parts: &[&str]) {
    let ended = ended.expect(111);
    let err = &ended.stderr;
    for part in parts {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(err.contains("hint: "), "{err}");
    assert!(!err.contains("raised the limit"), "{err}");
    assert!(!err.contains("panicked") && !err.contains("report it"), "{err}");
}

/// The summary calls the generator not fit by this rule, and explains it.
pub fn assert_unfit(ended: &Ended, rule: &str, says: &str) {
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let text = words.join(" ");
    let verdict = text
        .split_once("NOT FIT (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let named = verdict.is_some_and(|(rules, _)| rules.split(", ").any(|named| named == rule));
    assert!(named && text.contains(says), "{rule}: {}", ended.stdout);
}

#[test]
fn a_refused_system_call_is_reported_before_anything_is_sent() {
    let test = "a_refused_system_call_is_reported_before_anything_is_sent";
    let mock = mock(mock_options());
    for (call, number) in [
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("io_uring_enter", libc::SYS_io_uring_enter),
        ("io_uring_register", libc::SYS_io_uring_register),
        ("sched_setaffinity", libc::SYS_sched_setaffinity),
        ("prlimit64", libc::SYS_prlimit64),
    ] {
        let tool = deny(number, libc::EPERM);
        let tool: Vec<&str> = tool.iter().map(String::as_str).collect();
        if !can(test, "python3 and seccomp", &tool) {
            return;
        }
        assert_refused(
            Live::spawn(&mut short(&tool, &mock, &["--io", "uring"])).wait(),
            &[call, "refused"],
        );
        let mut probe = Command::new(tool[0]);
        probe.args(&tool[1..]).args([EXE, "probe", "--io", "uring"]);
        probe.stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_refused(Live::spawn(&mut probe).wait(), &[call]);
    }
}

#[test]
fn threads_that_cannot_be_started_are_reported_without_a_panic() {
    let mock = mock(mock_options());
    let tool = deny(libc::SYS_clone3, libc::EAGAIN);
    let tool: Vec<&str> = tool.iter().map(String::as_str).collect();
    if can(
        "threads_that_cannot_be_started_are_reported_without_a_panic",
        "python3 and seccomp",
        &tool,
    ) {
        assert_refused(Live::spawn(&mut short(&tool, &mock, &[])).wait(), &["ulimit -u"]);
    }
}

#[test]
fn a_limit_of_address_space_is_reported_instead_of_an_abort() {
    let mock = mock(mock_options());
    for kib in ["150000", "300000"] {
        let tool = ["bash", "-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "x", kib];
        let ended = Live::spawn(&mut short(&tool, &mock, &[])).wait();
        assert_refused(ended, &["address space: the limit is ", "ulimit -v"]);
    }
}

#[test]
fn a_run_with_few_or_no_descriptors_is_refused() {
    let mock = mock(mock_options());
    for files in ["4", "6", "8", "10", "14", "20", "40"] {
        let tool = ["bash", "-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "x", files];
        assert_refused(Live::spawn(&mut short(&tool, &mock, &[])).wait(), &["open files"]);
    }
}

#[test]
fn without_sys_the_cpus_come_from_the_affinity() {
    let mock = mock(mock_options());
    let hide = "mount -t tmpfs none /sys && exec \"$@\"";
    let tool = ["unshare", "-rm", "bash", "-c", hide, "x"];
    let needs = "user and mount namespaces";
    if can("without_sys_the_cpus_come_from_the_affinity", needs, &tool) {
        Live::spawn(&mut short(&tool, &mock, &[])).wait().expect(0);
    }
}

#[test]
fn no_free_local_port_at_the_start_is_a_failure_of_this_host() {
    let test = "no_free_local_port_at_the_start_is_a_failure_of_this_host";
    if !can(test, "user and network namespaces", &["unshare", "-rn"]) {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-rn", "python3", "-c", NO_PORTS, EXE, "quick-smoke", "--vus", "2"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    assert_refused(
        Live::spawn(&mut command).wait(),
        &["this host cannot open a connection", "no local port"],
    );
}

/// The load is planned for a minute; nobody else would end it.
#[test]
fn a_worker_whose_executor_panics_ends_the_run_with_its_report_and_its_server() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let mut command = program();
    command.env("LLMLOAD_TEST_PANIC_EXECUTOR_AFTER", "v0-3");
    command.args([
        "high-concurrency",
        "--vus",
        "4",
        "--duration",
        "60s",
        "-o",
        &output,
    ]);
    let mut live = Live::spawn(&mut command);
    let server = live.simulator();
    let children = live.children();
    let ended = live.wait().expect(1);
    assert!(
        ended
            .stderr
            .contains("error: core 0: panicked: requested\\u{1b}[2J\\n by"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("thread `worker-0` panicked at ") && !ended.stderr.contains('\u{1b}'),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("p95"), "{}", ended.stdout);
    let document = document(&output);
    assert_eq!(document["run"]["stopped_by"], "failure");
    assert_eq!(document["run"]["exit_code"], 1);
    let lasted = document["run"]["duration_seconds"].as_f64().unwrap();
    assert!(lasted < 50.0, "{lasted}");
    assert!(!children.is_empty());
    children.into_iter().for_each(wait_until_gone);
    crate::common::live::wait_until_refused(server);
}

#[test]
fn a_reader_that_panics_ends_the_run_with_its_report_and_a_panic_of_its_user_alone() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let mut command = program();
    command.env("LLMLOAD_TEST_PANIC_READING", "v1-2");
    let target = format!("http://{}", mock.address);
    command.args([
        "high-concurrency",
        "--vus",
        "4",
        "--duration",
        "60s",
        "--target",
        &target,
    ]);
    command.args(["-o", &output]);
    let ended = Live::spawn(&mut command).wait().expect(1);
    assert!(
        ended
            .stderr
            .contains("panicked: requested by LLMLOAD_TEST_PANIC_READING"),
        "{}",
        ended.stderr
    );
    let text = std::fs::read(&output).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(document["run"]["stopped_by"], "failure");
    // The request has no outcome, and all others have theirs.
    let count = |key: &str| document["totals"][key].as_u64().unwrap();
    assert!(count("ok") >= 2, "{}", ended.stdout);
    assert_eq!(
        count("requests"),
        count("ok") + count("failed") + count("interrupted") + 1
    );
}

/// A run of `--require-fit`, stopped and continued in the middle, as Ctrl-Z and a paused container do.
#[test]
fn a_run_that_was_stopped_for_a_while_is_not_fit() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let load = [
        "high-concurrency",
        "--vus",
        "4",
        "--duration",
        "4s",
        "--graceful-stop",
        "20s",
    ];
    let more = [
        "--target",
        &target,
        "--require-fit",
        "--summary",
        "full",
        "-o",
        &output,
    ];
    let mut live = Live::start(&[&load[..], &more].concat());
    crate::common::wait_until("requests flow", || {
        mock_requests(mock.address) > 10 || live.is_over()
    });
    live.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(700)); // How long it stands still is what is tested.
    live.signal(Signal::CONT);
    let ended = live.wait().expect(113);
    assert_unfit(&ended, "stalled", "a worker stood still for");
    let client = &document(&output)["client"];
    assert_eq!(client["limit"], true);
    assert!(
        client["limit_reasons"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["rule"] == "stalled")
    );
    let longest = client["cores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|core| core["longest_stall"].as_f64().unwrap());
    assert!(longest.fold(0.0, f64::max) > 500.0, "{client}");
}

/// Ends with the test.
pub struct Hog(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Hog {
    pub fn on(cpu: usize) -> Hog {
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mine = over.clone();
        std::thread::spawn(move || {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
            while !mine.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        Hog(over)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_run_whose_cpu_is_used_by_others_is_not_fit() {
    let test = "a_run_whose_cpu_is_used_by_others_is_not_fit";
    let cpus = llmload_uring::host::allowed_cpus();
    if llmload_uring::net::clock::run_delay().is_none() || cpus.len() < 2 {
        skipped(test, "two CPUs and /proc/thread-self/schedstat");
        return;
    }
    let mock = mock(MockOptions {
        ttft: 0,
        gap: 0,
        cpus: vec![cpus[0]],
        ..mock_options()
    });
    let cpu = cpus[cpus.len() - 1];
    let _hogs: Vec<Hog> = (0..3).map(|_| Hog::on(cpu)).collect();
    let dir = Dir::new();
    let output = dir.path("result.json");
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let load = [
        "high-concurrency",
        "--vus",
        "32",
        "--duration",
        "2s",
        "--graceful-stop",
        "20s",
    ];
    let more = [
        "--think-time",
        "0",
        "--cpus",
        &cpu.to_string(),
        "--target",
        &target,
        "--require-fit",
        "--summary",
        "full",
        "-o",
        &output,
    ];
    let ended = ran(&[&load[..], &more].concat()).expect(113);
    assert_unfit(&ended, "cpu_taken", "a worker waited for its CPU for");
    let core = &document(&output)["client"]["cores"][0];
    assert!(core["run_delay_percent"].as_f64().unwrap() > 5.0, "{core}");
}

/// A control group with a CPU quota of 5 %; `None` where none may be made.
struct Quota(std::path::PathBuf);

impl Quota {
    fn new() -> Option<Quota> {
        let name = format!("llmload-test-{}", std::process::id());
        let v1 = std::path::Path::new("/sys/fs/cgroup/cpu");
        let is_v1 = v1.join("cpu.cfs_quota_us").exists();
        let group = if is_v1 {
            v1.join(name)
        } else {
            v1.with_file_name(name)
        };
        std::fs::create_dir(&group).ok()?;
        let quota = Quota(group);
        let set = |file: &str, value: &str| std::fs::write(quota.0.join(file), value);
        let set = match is_v1 {
            true => set("cpu.cfs_period_us", "100000").and_then(|()| set("cpu.cfs_quota_us", "5000")),
            false => set("cpu.max", "5000 100000"),
        };
        set.is_ok().then_some(quota)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_cpu_quota_is_noted_at_the_start_and_a_throttled_run_is_not_fit() {
    let Some(quota) = Quota::new() else {
        skipped(
            "a_cpu_quota_is_noted_at_the_start_and_a_throttled_run_is_not_fit",
            "a control group with a CPU quota",
        );
        return;
    };
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let enter = "echo $$ > \"$1\"; shift; exec \"$@\"";
    let procs = quota.0.join("cgroup.procs").display().to_string();
    let tool = ["bash", "-c", enter, "x", &procs];
    let more = [
        "--vus",
        "100",
        "--think-time",
        "10ms",
        "--require-fit",
        "-o",
        &output,
    ];
    let mut command = short(&tool, &mock, &more);
    let ended = Live::spawn(&mut command).wait().expect(113);
    assert!(
        ended.stderr.contains("the control group allows 0.05 CPUs' time"),
        "{}",
        ended.stderr
    );
    assert_unfit(&ended, "throttled", "the CPU quota was used up in");
    let document = document(&output);
    assert_eq!(document["host"]["cpu_quota"], 0.05);
    assert!(document["client"]["throttled_periods"].as_u64().unwrap() > 0);
}

/// The mock under `tool`, which becomes it.
fn mock_under(tool: &[&str], more: &[&str]) -> Ended {
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg(EXE);
    command.args(["mock", "--max-seconds", "20"]).args(more);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Live::spawn(&mut command).wait()
}

#[test]
fn a_mock_on_a_host_that_lacks_something_says_what_as_a_load_does() {
    const NAME: &str = "a_mock_on_a_host_that_lacks_something_says_what_as_a_load_does";
    if !can(
        NAME,
        "python3 and seccomp on x86-64",
        &["python3", "-c", DENY, "425", "1"],
    ) {
        return;
    }
    // Numbers of x86-64: io_uring_setup, io_uring_enter, sched_setaffinity, prlimit64, and socket.
    for (call, errno, what) in [
        ("425", "1", "io_uring_setup"),
        ("425", "38", "io_uring"),
        ("426", "1", "io_uring_enter"),
        ("203", "1", "sched_setaffinity"),
        ("302", "1", "prlimit64"),
        ("41", "1", "--listen"),
    ] {
        if call != "425" && HostFacts::read().uring.is_err() {
            // Refused before it comes to these calls.
            skipped(NAME, "io_uring");
            continue;
        }
        let ended = mock_under(&["python3", "-c", DENY, call, errno], &["--io", "uring"]).expect(111);
        ended.one_error(what);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("name a free port"), "{}", ended.stderr);
    }
    let few_files = mock_under(&["/bin/sh", "-c", "ulimit -n 20; exec \"$@\"", "sh"], &[]).expect(111);
    few_files.one_error("open files: the limit is 20");
    let full = mock_under(&["/bin/sh", "-c", "exec \"$@\" > /dev/full", "sh"], &[]).expect(112);
    full.one_error("standard output: cannot write: No space left");
}

#[test]
fn an_address_that_the_mock_cannot_have_is_refused_with_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let at = |args: &[&str]| mock_under(&["/usr/bin/env"], args);
    let in_use = at(&["--listen", &port]).expect(111);
    in_use.one_error(&format!("--listen: `{port}`: Address already in use"));
    assert!(
        in_use.stderr.contains("something listens there"),
        "{}",
        in_use.stderr
    );
    let foreign = at(&["--listen", "203.0.113.1:0"]).expect(111);
    assert!(
        foreign.stderr.contains("name an address of this host"),
        "{}",
        foreign.stderr
    );
    let first = mock(mock_options());
    let again = at(&["--listen", &first.address.to_string()]).expect(111);
    again.one_error("Address already in use");
    let cpu = at(&["--cpus", "8191"]);
    assert_eq!(cpu.code, Some(104), "{}", cpu.stderr);
}
