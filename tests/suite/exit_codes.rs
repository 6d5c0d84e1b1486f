//! Every exit code, and what wins when two things go wrong in one run. Each cause can be switched on by itself, so
//! that any two can meet; each leaves a trace of its own in what the program prints, so that a pair is known to be one.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::host::Io;
use llmload_uring::mock::{Mock, MockOptions};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
/// Users of a run that is to be too much for its one worker core: their bytes find no free buffer. Epoll leaves more of
/// them in the sockets.
fn crowd() -> u32 {
    match io() {
        Io::Uring => 64,
        Io::Epoll => 128,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Internal,
    Interrupted,
    Unwritable,
    Unfit,
    Unanswered,
    Failing,
}

use Cause::*;

/// In the order of the documentation, but for 111: where the host cannot run it, nothing else can happen.
const CAUSES: [(Cause, i32); 6] = [
    (Internal, 1),
    (Interrupted, 105),
    (Unwritable, 112),
    (Unfit, 113),
    (Unanswered, 114),
    (Failing, 99),
];

/// A server that answers nobody until it is told to, and then with a refusal or by hanging up.
struct Gate {
    address: SocketAddr,
    state: Arc<(Mutex<Held>, Condvar)>,
}

#[derive(Default)]
struct Held {
    requests: u32,
    open: bool,
}

impl Gate {
    fn new(answers: bool) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<(Mutex<Held>, Condvar)>::default();
        let shared = state.clone();
        // Both kinds of thread end with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), shared.clone());
                std::thread::spawn(move || hold(stream, &shared, answers));
            }
        });
        Gate { address, state }
    }

    fn requests(&self) -> u32 {
        self.state.0.lock().unwrap().requests
    }

    fn open(&self) {
        self.state.0.lock().unwrap().open = true;
        self.state.1.notify_all();
    }
}

/// One request, which is all that a connection gets. What is asked before the load is answered at once.
fn hold(stream: TcpStream, state: &(Mutex<Held>, Condvar), answers: bool) {
    let mut stream = BufReader::new(stream);
    let (mut is_load, mut length) = (false, 0);
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(2) => break,
            Ok(1..) => {}
            _ => return,
        }
        is_load |= line.starts_with("POST ");
        if let Some(n) = line.to_lowercase().strip_prefix("content-length: ") {
            length = n.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    if is_load {
        let mut held = state.0.lock().unwrap();
        held.requests += 1;
        while !held.open {
            held = state.1.wait(held).unwrap();
        }
    }
    if answers || !is_load {
        let refusal = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(refusal.as_bytes()).unwrap();
    }
}

enum Server {
    Mock(Mock),
    Gate(Gate),
    /// Started by the program; the script's pid is in this file.
    Managed {
        address: SocketAddr,
        pid: String,
    },
}

impl Server {
    fn of(causes: &[Cause], dir: &Dir) -> Server {
        let has = |cause| causes.contains(&cause);
        if has(Unfit) && has(Unanswered) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            return Server::Managed {
                address: listener.local_addr().unwrap(),
                pid: dir.path("pid"),
            };
        }
        if has(Unfit) {
            return Server::Mock(mock(flood()));
        }
        if has(Interrupted) || has(Unanswered) {
            let gate = Gate::new(!has(Unanswered));
            if !has(Interrupted) {
                gate.open();
            }
            return Server::Gate(gate);
        }
        Server::Mock(mock(mock_options()))
    }

    fn address(&self) -> SocketAddr {
        match self {
            Server::Mock(mock) => mock.address,
            Server::Gate(gate) => gate.address,
            Server::Managed { address, .. } => *address,
        }
    }
}

/// Each answer is 400 KB at once: far more, from a crowd, than the 1 MiB of buffers that a core receives into.
fn flood() -> MockOptions {
    MockOptions {
        unpaced: true,
        stamp: false,
        tokens: 2_000,
        events_per_write: 256,
        ..mock_options()
    }
}

fn flood_command(address: SocketAddr, pid: &str) -> String {
    format!(
        "echo $$ > {pid}\nexec '{EXE}' mock --listen {address} --unpaced --tokens 2000 --events-per-write 256 \
         --event-bytes 200\n"
    )
}

fn profile(causes: &[Cause]) -> String {
    let vus = if causes.contains(&Unfit) { crowd() } else { 1 };
    // What ends such a run is its cause.
    let endless = causes.contains(&Interrupted) || (causes.contains(&Unfit) && causes.contains(&Unanswered));
    let shape = match endless {
        true => "executor: constant-vus\nduration: 1h\n",
        false => "executor: per-vu-iterations\niterations: 3\nmax_duration: 60s\n",
    };
    format!(
        "{shape}vus: {vus}\ngraceful_stop: 50s\nmodels: [m]\nprompts: [Hi]\nrequire_fit: {}\n\
         requests:\n  - {{ name: stream, stream: true, max_tokens: 10, timeout: 50s }}\n{}",
        causes.contains(&Unfit),
        match causes.contains(&Failing) {
            true => "thresholds:\n  latency: \"p(95)<0.001\"\n",
            false => "",
        },
    )
}

fn command(causes: &[Cause], server: &Server, dir: &Dir) -> Command {
    let mut command = program();
    command.arg(dir.write("profile.yaml", &profile(causes)));
    let address = server.address();
    match server {
        Server::Managed { pid, .. } => {
            let script = dir.write("server.sh", &flood_command(address, pid));
            command.args(["--server-cmd", &format!("sh {script}")]);
            command.args(["--health-url", &format!("http://{address}/health")]);
        }
        Server::Mock(_) | Server::Gate(_) => {
            command.args(["--target", &format!("http://{address}/v1/chat/completions")]);
        }
    }
    if causes.contains(&Unfit) {
        let cpu = llmload_uring::host::allowed_cpus().pop().unwrap().to_string();
        command.args(["--cpus", &cpu]);
    }
    if causes.contains(&Internal) {
        let after = if causes.contains(&Unfit) { "v0-2" } else { "v0-0" };
        command.env("LLMLOAD_TEST_PANIC_AFTER", after);
    }
    let output = match causes.contains(&Unwritable) {
        true => "/dev/full".to_owned(),
        false => dir.path("result.json"),
    };
    command.args(["--output", &output]);
    command
}

/// Brings on what the command line cannot.
fn happen(causes: &[Cause], live: &mut Live, server: &Server) {
    match server {
        Server::Gate(gate) if causes.contains(&Interrupted) => {
            wait_until("a request is out", || gate.requests() > 0 || live.is_over());
            live.signal(Signal::INT);
            live.wait_for_stderr("stopping: ");
            gate.open();
        }
        Server::Gate(_) => {}
        Server::Mock(mock) if causes.contains(&Interrupted) => {
            flooded(mock.address);
            live.signal(Signal::INT);
        }
        Server::Mock(_) => {}
        Server::Managed { address, pid } => {
            flooded(*address);
            let pid = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
            rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
    }
}

/// Everybody has had several answers.
fn flooded(address: SocketAddr) {
    wait_until("requests flow", || {
        TcpStream::connect(address).is_ok() && mock_requests(address) >= u64::from(4 * crowd())
    });
}

/// A run in which all of `causes` happen, and nothing else that has an exit code.
fn run_with(causes: &[Cause], dir: &Dir) -> Ended {
    let server = Server::of(causes, dir);
    let mut live = Live::spawn(&mut command(causes, &server, dir));
    happen(causes, &mut live, &server);
    live.wait()
}

/// Whether a run shows the trace of a cause, whatever its exit code says.
fn happened(cause: Cause, ended: &Ended) -> bool {
    let (out, err) = (&ended.stdout, &ended.stderr);
    match cause {
        Internal => err.contains("error: core 0: virtual user 0 panicked"),
        Interrupted => err.contains("stopping: requests in flight have up to 50s"),
        Unwritable => err.contains("error: /dev/full: cannot write"),
        Unfit => out
            .lines()
            .any(|line| line.starts_with("generator  NOT FIT (") && line.contains("buffer_shortages")),
        Unanswered => {
            err.contains(": no response during the whole run")
                || err.contains(": was killed by signal 9 during the run")
        }
        Failing => out.contains("FAIL  latency p95 < 1 us"),
    }
}

/// Exactly these.
#[track_caller]
fn assert_happened(causes: &[Cause], ended: &Ended) {
    for (cause, _) in CAUSES {
        assert_eq!(
            happened(cause, ended),
            causes.contains(&cause),
            "{cause:?}: {ended:#?}"
        );
    }
}

/// This cause with each that stands behind it.
fn pairs_of(first: Cause) {
    let at = CAUSES.iter().position(|(cause, _)| *cause == first).unwrap();
    let code = CAUSES[at].1;
    for (second, _) in &CAUSES[at + 1..] {
        let dir = Dir::new();
        println!("{first:?} and {second:?}");
        let ended = run_with(&[first, *second], &dir).expect(code);
        assert_happened(&[first, *second], &ended);
        if first != Unwritable && *second != Unwritable {
            let text = std::fs::read_to_string(dir.path("result.json")).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["run"]["exit_code"], code);
        }
    }
}

#[test]
fn each_cause_alone_has_its_own_exit_code() {
    assert_happened(&[], &run_with(&[], &Dir::new()).expect(0));
    for (cause, code) in CAUSES {
        println!("{cause:?}");
        assert_happened(&[cause], &run_with(&[cause], &Dir::new()).expect(code));
    }
}

#[test]
fn an_internal_error_is_1_whatever_else_happens() {
    pairs_of(Internal);
}

#[test]
fn an_interrupted_run_is_105_except_after_an_internal_error() {
    pairs_of(Interrupted);
}

#[test]
fn an_output_that_cannot_be_written_is_112_whatever_the_judgement() {
    pairs_of(Unwritable);
}

#[test]
fn an_unfit_generator_is_113_whatever_the_server_did() {
    pairs_of(Unfit);
}

#[test]
fn a_server_that_never_answers_is_114_despite_a_failed_threshold() {
    pairs_of(Unanswered);
}

/// A run of one user against `gate` that ends by itself, and the document it leaves.
fn run_at(gate: &Gate, dir: &Dir, shape: &str) -> (Ended, Value) {
    let profile = format!(
        "{shape}\nvus: 1\nmodels: [m]\nprompts: [Hi]\n\
         requests:\n  - {{ name: stream, stream: true, max_tokens: 10, timeout: 50s }}\n"
    );
    let (file, output) = (dir.write("profile.yaml", &profile), dir.path("result.json"));
    let target = format!("http://{}/v1/chat/completions", gate.address);
    let ended = ran(&[&file, "--target", &target, "--output", &output]);
    (ended, document(&output))
}

#[test]
fn a_run_in_which_no_request_succeeded_is_115_or_99_with_a_failed_threshold() {
    let (gate, dir) = (Gate::new(true), Dir::new());
    gate.open();
    let shape = "executor: per-vu-iterations\niterations: 3\nmax_duration: 60s";
    let (ended, result) = run_at(&gate, &dir, shape);
    let ended = ended.expect(115);
    ended.one_error("not one of 3 requests succeeded: 3 failed, 0 were still running at the end");
    assert_eq!(result["run"]["exit_code"], 115);
    assert_eq!(result["run"]["verdict"], "nothing_succeeded");
    let (ended, result) = run_at(
        &gate,
        &dir,
        &format!("{shape}\nthresholds: {{ failed: \"rate<0.01\" }}"),
    );
    ended.expect(99);
    assert_eq!(result["run"]["verdict"], "threshold_failed");
}

#[test]
fn a_server_that_accepts_every_request_and_answers_none_is_114() {
    let (gate, dir) = (Gate::new(true), Dir::new());
    let shape = "executor: constant-vus\nduration: 1500ms\ngraceful_stop: 100ms";
    let (ended, result) = run_at(&gate, &dir, shape);
    let ended = ended.expect(114);
    ended.one_error(&format!(
        "http://{}: no response during the whole run",
        gate.address
    ));
    assert_eq!(result["totals"]["interrupted"], 1);
    // One that was begun just before the end is no evidence, and no success either.
    let shape = "executor: constant-vus\nduration: 100ms\ngraceful_stop: 0s";
    let (ended, result) = run_at(&gate, &dir, shape);
    ended.expect(115);
    assert_eq!(result["run"]["verdict"], "nothing_succeeded");
}

#[test]
fn failures_before_the_load_have_their_exit_code_and_send_nothing() {
    let mock = mock(mock_options());
    let (dir, target) = (Dir::new(), format!("http://{}", mock.address));
    let poor = |target: &str, more: &[&str]| {
        let mut limited = Command::new("/bin/sh");
        limited
            .args(["-c", "ulimit -n 64; ulimit -Hn 64; exec \"$@\"", "sh", EXE])
            .args(["high-concurrency", "--vus", "1000", "--target", target])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Live::spawn(&mut limited).wait()
    };
    ran(&["quick-smoke", "--vus", "many", "--target", &target]).expect(2);
    ran(&["quick-smoke", "--vus", "0", "--target", &target]).expect(104);
    poor(&target, &[])
        .expect(111)
        .one_error("open files: the limit is 64");
    // Both are wrong: the order of the documentation.
    poor(&target, &["--output", &dir.path("missing/result.json")])
        .expect(112)
        .one_error("cannot create");
    // TEST-NET-3 of RFC 5737, and nobody connects to it: no notice, and no wait, for what is refused.
    let refused = poor("http://203.0.113.1", &[]).expect(111);
    assert!(!refused.stderr.contains("public address"), "{}", refused.stderr);
    assert_eq!(get_json(mock.address, "/mock/stats")["connections"], 1);
}

#[test]
fn whether_the_generator_was_the_limit_is_in_the_document_with_and_without_being_asked_for() {
    let mock = mock(flood());
    let dir = Dir::new();
    let path = dir.write(
        "crowd.yaml",
        &profile(&[Unfit]).replace("require_fit: true\n", ""),
    );
    let cpu = llmload_uring::host::allowed_cpus().pop().unwrap().to_string();
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let output = dir.path("result.json");
    let args = [&path, "--cpus", &cpu, "--target", &target, "-o", &output];
    for (more, code) in [(&[][..], 0), (&["--require-fit"], 113)] {
        let ended = ran(&[&args[..], more].concat()).expect(code);
        let document = document(&output);
        let (run, client) = (&document["run"], &document["client"]);
        assert_eq!(client["limit"], true);
        assert_eq!(client["fit_required"], code == 113);
        let reasons = client["limit_reasons"].as_array().unwrap();
        let reason = reasons.iter().find(|r| r["rule"] == "buffer_shortages").unwrap();
        let found = reason["found"].as_str().unwrap();
        assert!(
            found.ends_with("receives found no free buffer (limit 0.1 %)"),
            "{found}"
        );
        assert_eq!(run["exit_code"], code);
        assert_eq!(
            run["verdict"],
            if code == 113 {
                "not_trustworthy"
            } else {
                "not_judged"
            }
        );
        let line = "exit 113: the generator was not fit (";
        assert_eq!(ended.stdout.contains(line), code == 113, "{}", ended.stdout);
        assert!(
            ended.stdout.contains("\ngenerator  NOT FIT ("),
            "{}",
            ended.stdout
        );
    }
    let mut asked = program();
    asked.env("LLMLOAD_REQUIRE_FIT", "1").args(args);
    Live::spawn(&mut asked).wait().expect(113);
    let paced = crate::common::mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", paced.address);
    let calm = ran(&["quick-smoke", "--require-fit", "--target", &target, "-o", &output]);
    let document = document(&output);
    let reasons = document["client"]["limit_reasons"].as_array().unwrap();
    // What other processes do to this machine may be told as what it is; nothing else may.
    let host = ["stalled", "cpu_taken", "late_sends", "throttled", "suspended"];
    let disturbed = |reason: &Value| host.iter().any(|rule| reason["rule"] == *rule);
    assert!(reasons.iter().all(disturbed), "{reasons:?}");
    assert_eq!(document["client"]["limit"], !reasons.is_empty());
    assert_eq!(
        calm.stdout.contains("NOT FIT"),
        !reasons.is_empty(),
        "{}",
        calm.stdout
    );
    calm.expect(if reasons.is_empty() { 0 } else { 113 });
}

#[test]
fn details_lost_on_a_full_disk_make_the_generator_unfit() {
    let mut options = mock_options();
    options.unpaced = true;
    let (mock, dir) = (mock(options), Dir::new());
    let output = dir.path("result.json");
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let mut command = with_file_limit(300);
    command.args([
        "quick-smoke",
        "--details",
        "-o",
        &output,
        "--target",
        &target,
        "--require-fit",
    ]);
    command.args(["--vus", "4", "--iterations", "3000", "--think-time", "0"]);
    let ended = Live::spawn(&mut command).wait().expect(112);
    let document = document(&output);
    let lost = document["client"]["details_lost"].as_u64().unwrap();
    assert!((1..3000).contains(&lost), "{lost}");
    let generator = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("generator  NOT FIT ("));
    assert!(
        generator.is_some_and(|line| line.contains("details_lost")),
        "{}",
        ended.stdout
    );
    assert_eq!(document["run"]["exit_code"], 112);
}
