//! Servers that the program starts, waits for, watches and stops: a command of the user's, and ports that are
//! somebody else's.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::server::{CommandOptions, CommandServer};
use llmload_uring::units::Masks;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");

/// Nobody listens there, at least not a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn health(address: SocketAddr) -> String {
    format!("http://{address}/health")
}

fn mock_command(address: SocketAddr) -> String {
    format!("'{EXE}' mock --listen {address}")
}

/// A process by the number in a file that it wrote, complete with its line end.
fn pid_in(path: &str) -> u32 {
    let mut pid = None;
    wait_until("the process has written its number", || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        pid = text.strip_suffix('\n').map(|digits| digits.parse().unwrap());
        pid.is_some()
    });
    pid.unwrap()
}

#[test]
fn a_server_of_ones_own_is_started_sampled_and_stopped() {
    let address = free_address();
    let dir = Dir::new();
    let output = dir.path("result.json");
    let ended = ran(&[
        "quick-smoke",
        "--server-cmd",
        &mock_command(address),
        "--health-url",
        &health(address),
        "--think-time",
        "0",
        "--summary",
        "full",
        "-o",
        &output,
    ])
    .expect(0);
    wait_until_refused(address);
    assert!(
        ended
            .stderr
            .contains(&format!("healthy at http://{address} after ")),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("validation: POST /v1/responses: 200, completed"),
        "{}",
        ended.stderr
    );
    let document = document(&output);
    assert_eq!(document["totals"]["ok"], 3);
    assert_eq!(document["run"]["target"], format!("http://{address}"));
    // It does not count for us, but its memory is seen.
    assert!(document["managed_server"]["counts"].is_null());
    let rows = document["managed_server_timeline"].as_array().unwrap();
    assert_eq!(rows[0]["elapsed_seconds"], 0.0);
    assert!(rows[0]["rss_bytes"].as_u64().unwrap() > 100_000, "{rows:?}");
    assert!(ended.stdout.contains("server     CPU mean "), "{}", ended.stdout);
}

#[test]
fn the_simulators_cpu_and_memory_are_in_the_report_once_a_second() {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let args = [
        "high-concurrency",
        "--vus",
        "4",
        "--duration",
        "3s",
        "--think-time",
        "0",
        "-o",
        &output,
    ];
    ran(&args).expect(0);
    let document = document(&output);
    let rows = document["managed_server_timeline"].as_array().unwrap();
    // At 0 s, at each second, and at the end unless that was just then.
    assert!((4..=6).contains(&rows.len()), "{rows:?}");
    let elapsed: Vec<f64> = rows
        .iter()
        .map(|row| row["elapsed_seconds"].as_f64().unwrap())
        .collect();
    assert!(
        elapsed.is_sorted() && elapsed[0] == 0.0 && *elapsed.last().unwrap() >= 2.9,
        "{elapsed:?}"
    );
    assert!(rows[0]["cpu_percent"].is_null());
    // Four users without a pause keep it at work; its memory is tens of megabytes.
    let server = &document["managed_server"]["resources"];
    assert!(server["cpu_percent_mean"].as_f64().unwrap() > 1.0, "{server}");
    assert!(server["rss_bytes_max"].as_u64().unwrap() > 10_000_000, "{server}");
    assert!(
        server["rss_bytes_max"].as_u64() >= server["rss_bytes_end"].as_u64(),
        "{server}"
    );
    let counts = &document["managed_server"]["counts"];
    assert_eq!(counts["requests"], counts["client_requests"]);
}

#[test]
fn with_a_command_and_a_target_the_load_goes_to_the_target() {
    let address = free_address();
    let target = format!("http://{address}/v1/chat/completions");
    let dir = Dir::new();
    let output = dir.path("result.json");
    ran(&[
        "quick-smoke",
        "--server-cmd",
        &mock_command(address),
        "--health-url",
        &health(address),
        "--target",
        &target,
        "-o",
        &output,
    ])
    .expect(0);
    assert_eq!(document(&output)["totals"]["ok"], 3);
    wait_until_refused(address);
}

#[test]
fn a_command_that_cannot_be_started_or_dies_exits_114_with_its_last_words() {
    let address = free_address();
    let url = health(address);
    let cases = [
        (
            "/nonexistent/llama-server -m x",
            "server `llama-server`: cannot be started: No such file",
        ),
        (
            "sh -c 'echo loading; printf \"\\033[31mno such model\\n\" >&2; exit 3'",
            "server `sh`: ended with exit code 3 before it was healthy",
        ),
        (
            "sh -c 'kill -SEGV $$'",
            "server `sh`: was killed by signal 11 before it was healthy",
        ),
    ];
    for (command, part) in cases {
        let ended = ran(&["quick-smoke", "--server-cmd", command, "--health-url", &url]).expect(114);
        ended.one_error(part);
        assert_eq!(ended.stdout, "");
        assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
        if command.contains("loading") {
            assert!(ended.stderr.contains("loading\n"), "{}", ended.stderr);
            assert!(
                ended.stderr.contains("\\u{1b}[31mno such model"),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_server_that_never_becomes_ready_exits_114_and_is_stopped() {
    let dir = Dir::new();
    let pid = dir.path("pid");
    let address = free_address();
    let command = format!("sh -c 'echo warming up; echo $$ > {pid}; exec sleep 1000'");
    let url = health(address);
    let args = [
        "quick-smoke",
        "--server-cmd",
        &command,
        "--health-url",
        &url,
        "--server-wait",
        "300ms",
    ];
    let ended = ran(&args).expect(114);
    ended.one_error("server `sh`: not healthy within 0.3 s");
    assert!(ended.stderr.contains("connection refused"), "{}", ended.stderr);
    assert!(ended.stderr.contains("warming up"), "{}", ended.stderr);
    wait_until_gone(pid_in(&pid));
}

/// Everything is answered with 503, `times` times, then with 200.
fn load_for(listener: TcpListener, times: usize) {
    for (n, stream) in listener.incoming().enumerate() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let status = if n < times { 503 } else { 200 };
        let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    }
}

/// Not a test of its own: the server that is started below.
#[test]
#[ignore = "serves until it is ended; run by another test"]
fn loading() {
    let address = std::env::var("LOADING_ADDRESS").unwrap();
    load_for(TcpListener::bind(address).unwrap(), 3);
}

#[test]
fn a_server_that_is_still_loading_is_waited_for() {
    let address = free_address();
    let own = std::env::current_exe()
        .unwrap()
        .into_os_string()
        .into_string()
        .unwrap();
    let place = format!("LOADING_ADDRESS={address}");
    let words = [
        "env",
        &place,
        &own,
        "--exact",
        "managed::loading",
        "--ignored",
        "--nocapture",
    ];
    let options = CommandOptions {
        words: words.map(str::to_owned).to_vec(),
        health_url: format!("http://{address}"),
        wait: Duration::from_secs(60),
    };
    let mut server = CommandServer::start(EXE.as_ref(), &options, &[], &Masks::new()).unwrap();
    // Three answers that it is not ready, and a tenth of a second after each.
    assert!(
        server.startup() >= Duration::from_millis(300),
        "{:?}",
        server.startup()
    );
    server.check().unwrap();
    server.stop().unwrap();
    wait_until_refused(address);
}

#[test]
fn a_port_that_is_taken_is_refused_before_the_command_is_started() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let trace = dir.path("trace");
    let command = format!("touch {trace}");
    let url = health(mock.address);
    let ended = ran(&["quick-smoke", "--server-cmd", &command, "--health-url", &url]).expect(114);
    ended.one_error(&format!("--server-cmd: http://{} is in use", mock.address));
    assert!(ended.stderr.contains("--no-server --target"), "{}", ended.stderr);
    assert!(!std::path::Path::new(&trace).exists());
}

/// A server with a child in its group and one that has left it, both deaf to SIGTERM. Their numbers are in files.
fn stubborn(dir: &Dir, address: SocketAddr) -> (String, [String; 2]) {
    let (inside, outside) = (dir.path("inside"), dir.path("outside"));
    let deaf = "trap \"\" TERM INT HUP; echo $$ > $1; while :; do sleep 1000; done";
    let script = dir.write(
        "server.sh",
        &format!(
            "sh -c '{deaf}' x {inside} &\nsetsid sh -c '{deaf}' x {outside} &\nexec '{EXE}' mock --listen {address}\n"
        ),
    );
    (format!("sh {script}"), [inside, outside])
}

fn start_stubborn(dir: &Dir, address: SocketAddr, more: &[&str]) -> (Live, [u32; 2]) {
    let (command, files) = stubborn(dir, address);
    let url = health(address);
    let args = [
        "high-concurrency",
        "--vus",
        "2",
        "--duration",
        "1h",
        "--server-cmd",
        &command,
    ];
    let args = [&args[..], &["--health-url", &url], more].concat();
    let live = Live::start(&args);
    let pids = files.each_ref().map(|file| pid_in(file));
    wait_until("requests flow", || {
        std::net::TcpStream::connect(address).is_ok() && mock_requests(address) >= 4
    });
    (live, pids)
}

fn all_gone(address: SocketAddr, pids: [u32; 2]) {
    wait_until_refused(address);
    for pid in pids {
        wait_until_gone(pid);
    }
}

#[test]
fn grandchildren_that_hide_and_ignore_signals_end_with_a_graceful_stop() {
    let (dir, address) = (Dir::new(), free_address());
    let (live, pids) = start_stubborn(&dir, address, &[]);
    live.signal(Signal::INT);
    live.wait().expect(105);
    all_gone(address, pids);
}

#[test]
fn kill_9_of_the_program_leaves_neither_server_nor_grandchildren() {
    let (dir, address) = (Dir::new(), free_address());
    let (live, pids) = start_stubborn(&dir, address, &[]);
    live.signal(Signal::KILL);
    assert_eq!(live.wait().code, None);
    all_gone(address, pids);
}

#[test]
fn a_second_signal_ends_the_program_at_once_and_the_server_soon_after() {
    let (dir, address) = (Dir::new(), free_address());
    let output = dir.path("result.json");
    let (mut live, pids) = start_stubborn(&dir, address, &["-o", &output]);
    live.signal(Signal::INT);
    live.wait_for_stderr("stopping: ");
    let begun = Instant::now();
    live.signal(Signal::INT);
    live.wait().expect(105);
    println!("out after {:?}", begun.elapsed());
    // There was little time for it: whole, or not at all.
    if std::path::Path::new(&output).exists() {
        document(&output);
    }
    all_gone(address, pids);
}

#[test]
fn a_signal_while_the_server_loads_leaves_nothing() {
    let (dir, address) = (Dir::new(), free_address());
    let pid = dir.path("pid");
    let command = format!("sh -c 'echo $$ > {pid}; exec sleep 1000'");
    let live = Live::start(&[
        "quick-smoke",
        "--server-cmd",
        &command,
        "--health-url",
        &health(address),
    ]);
    let server = pid_in(&pid);
    live.signal(Signal::INT);
    live.wait().expect(105);
    wait_until_gone(server);
}

#[test]
fn a_server_of_your_own_that_dies_in_the_run_ends_it_with_114_and_a_report() {
    let (dir, address) = (Dir::new(), free_address());
    let (pid, output) = (dir.path("pid"), dir.path("result.json"));
    let script = dir.write(
        "server.sh",
        &format!("echo $$ > {pid}\necho last words\nexec '{EXE}' mock --listen {address}\n"),
    );
    let (command, url) = (format!("sh {script}"), health(address));
    let args = [
        "high-concurrency",
        "--vus",
        "2",
        "--duration",
        "1h",
        "-o",
        &output,
    ];
    let live = Live::start(&[&args[..], &["--server-cmd", &command, "--health-url", &url]].concat());
    let server = pid_in(&pid);
    wait_until("requests flow", || {
        std::net::TcpStream::connect(address).is_ok() && mock_requests(address) >= 4
    });
    let server = rustix::process::Pid::from_raw(server as i32).unwrap();
    rustix::process::kill_process(server, Signal::KILL).unwrap();
    let ended = live.wait().expect(114);
    ended.one_error("server `sh`: was killed by signal 9 during the run");
    assert!(ended.stderr.contains("last words"), "{}", ended.stderr);
    assert_eq!(document(&output)["run"]["stopped_by"], "server");
}

#[test]
fn killing_the_supervisor_ends_its_server() {
    let address = free_address();
    let (command, url) = (mock_command(address), health(address));
    let args = ["high-concurrency", "--vus", "2", "--duration", "1h"];
    let live = Live::start(&[&args[..], &["--server-cmd", &command, "--health-url", &url]].concat());
    wait_until("requests flow", || {
        std::net::TcpStream::connect(address).is_ok() && mock_requests(address) >= 4
    });
    let supervisor = live.children()[0];
    let supervisor = rustix::process::Pid::from_raw(supervisor as i32).unwrap();
    rustix::process::kill_process(supervisor, Signal::KILL).unwrap();
    live.wait()
        .expect(114)
        .one_error("was killed by signal 9 during the run");
    wait_until_refused(address);
}

#[test]
fn a_server_that_died_is_114_despite_a_failed_threshold() {
    let (dir, address) = (Dir::new(), free_address());
    let pid = dir.path("pid");
    let profile = dir.write(
        "slow.yaml",
        "executor: constant-vus\nvus: 2\nduration: 1h\nmodels: [m]\nprompts: [Hi]\nrequests:\n  \
         - { name: stream, stream: true, max_tokens: 10, timeout: 20s }\n\
         thresholds:\n  latency: \"p(95)<0.001\"\n",
    );
    let script = dir.write(
        "server.sh",
        &format!("echo $$ > {pid}\nexec '{EXE}' mock --listen {address}\n"),
    );
    let (command, url) = (format!("sh {script}"), health(address));
    let live = Live::start(&[&profile, "--server-cmd", &command, "--health-url", &url]);
    let server = pid_in(&pid);
    wait_until("requests flow", || {
        std::net::TcpStream::connect(address).is_ok() && mock_requests(address) >= 4
    });
    let server = rustix::process::Pid::from_raw(server as i32).unwrap();
    rustix::process::kill_process(server, Signal::KILL).unwrap();
    let ended = live.wait().expect(114);
    assert!(
        ended.stdout.contains("FAIL  latency p95 < 1 us"),
        "{}",
        ended.stdout
    );
}

#[test]
fn contradicting_options_of_a_command_are_104() {
    let cases: [(&[&str], &str); 5] = [
        (&["--server-cmd", "x"], "--server-cmd: needs `--health-url`"),
        (
            &["--health-url", "http://127.0.0.1:1/"],
            "--health-url: has no effect without",
        ),
        (
            &["--server-cmd", "a 'b", "--health-url", "http://127.0.0.1:1/"],
            "--server-cmd: is not a command line",
        ),
        (
            &["--server-cmd", "a", "--health-url", "nowhere"],
            "--health-url: `nowhere`: http:// or https:// is missing",
        ),
        (
            &[
                "--server-cmd",
                "a",
                "--health-url",
                "http://127.0.0.1:1/",
                "--no-server",
            ],
            "--no-server: contradicts `--server-cmd`",
        ),
    ];
    for (more, part) in cases {
        ran(&[&["quick-smoke"], more].concat())
            .expect(104)
            .one_error(part);
    }
}

#[test]
fn a_port_in_use_by_something_unhealthy_is_one_error_that_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let loading = listener.local_addr().unwrap();
    // Both end with the test's process.
    std::thread::spawn(move || load_for(listener, usize::MAX));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_address = other.local_addr().unwrap();
    // Not HTTP.
    std::thread::spawn(move || {
        for stream in other.incoming() {
            let _ = stream.unwrap().write_all(b"SSH-2.0-x\r\n");
        }
    });
    for (address, says) in [
        (loading, "GET /health answers 503"),
        (other_address, "GET /health fails: "),
    ] {
        let port = address.port().to_string();
        let ended = ran(&["quick-smoke", "--port", &port]).expect(114);
        ended.one_error(&format!(
            "--port {port}: the port is in use, but not by a healthy server: {says}"
        ));
        let hint = format!("--no-server --target http://127.0.0.1:{port}");
        assert!(ended.stderr.contains(&hint), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_free_port_gets_the_simulator_and_a_second_run_uses_it() {
    let address = free_address();
    let port = address.port().to_string();
    let mut first = Live::start(&[
        "high-concurrency",
        "--vus",
        "1",
        "--duration",
        "1h",
        "--port",
        &port,
    ]);
    assert_eq!(first.simulator(), address);
    wait_until("requests flow", || simulator_requests(address) >= 1);
    let second = ran(&["quick-smoke", "--port", &port, "--think-time", "0"]).expect(0);
    assert!(
        !second.stderr.contains("simulator llmsim at"),
        "{}",
        second.stderr
    );
    // It is the first run's: still there.
    assert!(simulator_requests(address) >= 4);
    first.signal(Signal::INT);
    first.wait().expect(105);
    wait_until_refused(address);
}

#[test]
fn a_failed_validation_stops_the_managed_server() {
    let address = free_address();
    let command = format!("{} --faults 503=1 --fault-cycle 1", mock_command(address));
    let url = health(address);
    let ended = ran(&["quick-smoke", "--server-cmd", &command, "--health-url", &url]).expect(114);
    ended.one_error("validation: POST ");
    wait_until_refused(address);
}
