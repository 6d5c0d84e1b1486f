//! The built program from outside: what it prints where, its files, its exit codes.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Nobody but the question itself has connected.
#[track_caller]
fn untouched(mock: SocketAddr) {
    assert_eq!(get_json(mock, "/mock/stats")["connections"], 1);
}

/// Of so many requests that one user makes at once.
fn profile(requests: u32, more: &str) -> String {
    format!(
        "executor: per-vu-iterations\nvus: 1\niterations: {requests}\nmax_duration: 30s\n\
         models: [m]\nprompts: [Hi]\n\
         requests:\n  - {{ name: stream, weight: 1, kind: chat, stream: true, max_tokens: 10, timeout: 20s }}\n{more}"
    )
}

#[test]
fn quick_smoke_starts_a_simulator_reports_on_stdout_notes_on_stderr_and_leaves_none_behind() {
    let mut live = Live::start(&["quick-smoke", "--think-time", "0", "--summary", "full"]);
    let simulator = live.simulator();
    let ended = live.wait().expect(0);
    let first = ended.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("the built-in simulator was tested"), "{first}");
    assert!(ended.stdout.contains("\nquick-smoke  "), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("requests   3   ok 3 (100.00 %)   failed 0   interrupted 0")
    );
    assert!(
        ended
            .stdout
            .contains("server     3 completions, 0 errors by its own count: agrees")
    );
    assert!(!ended.stdout.contains("simulator llmsim at"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("error: "), "{}", ended.stderr);
    wait_until_refused(simulator);
}

#[test]
fn a_server_named_by_url_or_by_port_is_asked_exactly_as_often_as_reported() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let port = mock.address.port().to_string();
    let places = [
        vec!["--target".to_owned(), url(mock.address)],
        vec!["--no-server".to_owned(), "--port".to_owned(), port],
    ];
    for (round, place) in places.iter().enumerate() {
        let output = dir.path("result.json");
        let mut args = vec![
            "quick-smoke",
            "--vus",
            "4",
            "--iterations",
            "40",
            "--think-time",
            "0",
            "--no-validate",
        ];
        args.extend(place.iter().map(String::as_str));
        args.extend(["--output", &output]);
        let ended = ran(&args).expect(0);
        assert!(!ended.stderr.contains("simulator"), "{}", ended.stderr);
        let document = document(&output);
        assert_eq!(document["totals"]["requests"], 40);
        assert_eq!(document["totals"]["ok"], 40);
        assert_eq!(mock_requests(mock.address), 40 * (round as u64 + 1));
    }
    assert_eq!(dir.names(), ["result.json"]);
}

#[test]
fn a_healthy_server_on_the_port_is_used_instead_of_a_simulator() {
    let mock = mock(mock_options());
    let port = mock.address.port().to_string();
    let ended = ran(&["quick-smoke", "--port", &port, "--think-time", "0"]).expect(0);
    assert!(!ended.stderr.contains("simulator"), "{}", ended.stderr);
    // Three, and three of the validation before them: a whole answer, a stream, and `/v1/responses`.
    assert_eq!(mock_requests(mock.address), 6);
}

#[test]
fn a_threshold_that_fails_exits_99_with_the_summary() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let path = dir.write(
        "fast.yaml",
        &profile(3, "thresholds:\n  latency: \"p(95)<0.001\"\n"),
    );
    let ended = ran(&[&path, "--target", &url(mock.address)]).expect(99);
    assert!(
        ended
            .stdout
            .lines()
            .any(|l| l.contains("FAIL") && l.contains("p95 < 1 us")),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_server_that_refuses_everything_with_503_fails_the_threshold() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Status(503), 10)], 10);
    let mock = mock(options);
    let dir = Dir::new();
    let output = dir.path("result.json");
    let target = url(mock.address);
    ran(&["quick-smoke", "--no-validate", "--target", &target, "-o", &output]).expect(99);
    let document = document(&output);
    assert_eq!(document["totals"]["by_outcome"]["http_503"], 3);
    assert_eq!(document["run"]["exit_code"], 99);
    assert_eq!(document["run"]["verdict"], "threshold_failed");
}

#[test]
fn a_bad_command_line_exits_2() {
    for args in [
        &["quick-smoke", "--vus", "many"][..],
        &["quick-smoke", "--no-such-option"],
        &["quick-smoke", "--stages", "10s"],
        &["quick-smoke", "--duration", "5 parsecs"],
        &["quick-smoke", "--api-key", "hush-hush"],
        &["run", "quick-smoke", "--api-key", "hush-hush"],
        &["mock", "--listen", "nowhere"],
        &[],
    ] {
        let ended = ran(args).expect(2);
        assert_eq!(ended.stdout, "", "{args:?}");
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hush-hush"), "{}", ended.stderr);
    }
}

#[test]
fn bad_configurations_exit_104_with_one_error_and_nothing_sent() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let typo = dir.write("typo.yaml", &profile(3, "graceful_stopp: 5s\n"));
    let broken = dir.write("broken.yaml", "executor: [constant-vus\n");
    let target = url(mock.address);
    let port = mock.address.port().to_string();
    let https = format!("https://{}", mock.address);
    let missing = dir.path("missing.yaml");
    let cases: [(&[&str], &str); 12] = [
        (&["quick-smok"], "`quick-smok`: unknown profile"),
        (&[&missing], "missing.yaml: cannot be read"),
        (&[&typo], "typo.yaml:9: unknown key `graceful_stopp`"),
        (&[&broken], "broken.yaml:"),
        (&["quick-smoke", "--no-server"], "--no-server: "),
        (&["quick-smoke", "--target", "nowhere"], "--target: `nowhere`: "),
        (
            &["quick-smoke", "--target", &https, "--cacert", &missing],
            "--cacert: `",
        ),
        (&["quick-smoke", "--target", &target, "--port", &port], "--port: "),
        (
            &["quick-smoke", "--target", &target, "--cores", "1", "--cpus", "0"],
            "--cores: ",
        ),
        (&["quick-smoke", "--target", &target, "--vus", "0"], "--vus: "),
        (
            &["quick-smoke", "--target", &target, "--streaming-ratio", "1.5"],
            "--streaming-ratio",
        ),
        (&["quick-smoke", "--target", &target, "--header", "x"], "--header"),
    ];
    for (args, part) in cases {
        let ended = ran(args).expect(104);
        ended.one_error(part);
        assert_eq!(ended.stdout, "");
    }
    untouched(mock.address);
}

#[test]
fn all_mistakes_of_a_document_are_reported_at_once() {
    let dir = Dir::new();
    let path = dir.write("two.yaml", &profile(0, "graceful_stopp: 5s\n"));
    let ended = ran(&[&path, "--vus", "0"]).expect(104);
    assert_eq!(ended.stderr.matches("error: ").count(), 3, "{}", ended.stderr);
}

#[test]
fn a_closed_port_exits_114() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let ended = ran(&["quick-smoke", "--target", &url(address)]).expect(114);
    ended.one_error(&format!("{address} connection refused"));
}

#[test]
fn an_output_that_cannot_be_written_exits_112_and_the_summary_is_still_printed() {
    let mock = mock(mock_options());
    let ended = ran(&[
        "quick-smoke",
        "--target",
        &url(mock.address),
        "--output",
        "/dev/full",
    ])
    .expect(112);
    ended.one_error("/dev/full: cannot write");
    assert!(ended.stdout.contains("requests   3   ok 3"), "{}", ended.stdout);
}

#[test]
fn an_output_in_a_missing_directory_or_on_a_directory_is_refused_before_anything_is_sent() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    for output in [dir.path("missing/result.json"), dir.path("")] {
        let ended = ran(&["quick-smoke", "--target", &url(mock.address), "-o", &output]).expect(112);
        ended.one_error("cannot create");
        assert_eq!(ended.stdout, "");
    }
    untouched(mock.address);
    assert_eq!(dir.names(), [""; 0]);
}

#[test]
fn too_few_open_files_exit_111_with_the_numbers_and_nothing_sent() {
    let mock = mock(mock_options());
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            "ulimit -n 64; ulimit -Hn 64; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_llmload-uring"),
        ])
        .args(["high-concurrency", "--vus", "1000", "--target"])
        .arg(url(mock.address))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let ended = Live::spawn(&mut command).wait().expect(111);
    ended.one_error("open files: the limit is 64");
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
    untouched(mock.address);
}

#[test]
fn the_document_has_every_key_in_order_and_each_request_once() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let mut args = vec!["high-concurrency", "--vus", "5", "--iterations", "60"];
    let target = url(mock.address);
    args.extend([
        "--think-time",
        "0",
        "--target",
        &target,
        "--output",
        &output,
        "--details",
    ]);
    let ended = ran(&args).expect(0);
    let text = std::fs::read_to_string(&output).unwrap();
    let places: Vec<usize> = [
        "schema",
        "config",
        "details",
        "host",
        "run",
        "totals",
        "rates",
        "metrics",
        "kinds",
        "timeline",
        "client",
        "thresholds",
        "warnings",
        "summary",
    ]
    .iter()
    .map(|key| {
        let start = format!("\n  \"{key}\": ");
        assert_eq!(text.matches(&start).count(), 1, "{key}");
        text.find(&start).unwrap()
    })
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    let document = document(&output);
    assert_eq!(document["schema"], "llmload-uring/2");
    assert_eq!(document["totals"]["requests"], 60);
    assert_eq!(document["summary"], ended.stdout.as_str());
    let details = document["details"].as_array().unwrap();
    let ids: std::collections::HashSet<&str> = details
        .iter()
        .map(|d| d["request_id"].as_str().unwrap())
        .collect();
    assert_eq!((details.len(), ids.len()), (60, 60));
    assert!(details.iter().all(|d| d["error"].is_null()));
    // Neither the spool nor the temporary file is left.
    assert_eq!(dir.names(), ["result.json"]);
}

#[test]
fn without_details_the_document_replaces_the_old_one_and_has_none() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.write("result.json", "old");
    ran(&["quick-smoke", "--target", &url(mock.address), "-o", &output]).expect(0);
    assert_eq!(document(&output)["details"], Value::Null);
    assert_eq!(dir.names(), ["result.json"]);
}

#[test]
fn a_pipe_as_output_gets_the_whole_document_with_its_details() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let pipe = dir.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let path = pipe.clone();
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).unwrap());
    let target = url(mock.address);
    ran(&["quick-smoke", "--target", &target, "--details", "-o", &pipe]).expect(0);
    let document: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert_eq!(document["totals"]["requests"], 3);
    assert_eq!(document["details"].as_array().unwrap().len(), 3);
    assert_eq!(dir.names(), ["pipe"]);
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let fails = dir.write(
        "fails.yaml",
        &profile(3, "thresholds:\n  latency: \"p(95)<0.001\"\n"),
    );
    for (what, code) in [("quick-smoke", 0), (&fails, 99)] {
        let mut child = program()
            .args([what, "--target", &url(mock.address)])
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        let mut child = Guard(child);
        assert_eq!(child.0.wait().unwrap().code(), Some(code), "{what}");
    }
}

#[test]
fn quiet_prints_nothing_at_all() {
    let mock = mock(mock_options());
    let ended = ran(&["quick-smoke", "--target", &url(mock.address), "--quiet"]).expect(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn the_mock_prints_its_address_serves_and_ends_with_0_on_sigterm() {
    let mut child = Guard(program().arg("mock").spawn().unwrap());
    let mut line = String::new();
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening http://").unwrap();
    let address: SocketAddr = address.parse().unwrap();
    ran(&["quick-smoke", "--target", &url(address), "--no-validate"]).expect(0);
    assert_eq!(mock_requests(address), 3);
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    wait_until_refused(address);
}

#[test]
fn the_mock_ends_by_itself_when_its_time_is_over() {
    let ended = ran(&["mock", "--max-seconds", "1"]).expect(0);
    assert!(
        ended.stdout.starts_with("listening http://127.0.0.1:"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_mock_on_a_taken_port_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = ran(&["mock", "--listen", &address]).expect(111);
    ended.one_error(&format!("--listen: `{address}`: "));
}

#[test]
fn help_shows_examples_and_exit_codes_and_version_the_version() {
    let help = ran(&["--help"]).expect(0).stdout;
    for part in [
        "Examples:",
        "llmload-uring high-concurrency --vus 1000",
        "Exit codes:",
        "LLMLOAD_VUS",
    ] {
        assert!(help.contains(part), "`{part}` is not in {help}");
    }
    assert!(ran(&["-h"]).expect(0).stdout.contains("Examples:"));
    let version = format!("llmload-uring {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(ran(&["-V"]).expect(0).stdout, version);
    let long = ran(&["--version"]).expect(0).stdout;
    let rows = long.strip_prefix(&version).expect("the same first line");
    let rows: Vec<(&str, &str)> = rows.lines().map(|row| row.split_at(10)).collect();
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.trim_end()).collect();
    assert_eq!(names, ["commit", "target", "features", "profile", "compiler"]);
    let hash = rows[0].1.strip_suffix("-dirty").unwrap_or(rows[0].1);
    let is_hash = hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(is_hash || hash.starts_with("not known"), "{long}");
    assert!(
        rows[1].1.starts_with(&format!("{}-", std::env::consts::ARCH)),
        "{long}"
    );
    assert!(rows[4].1.starts_with("rustc 1."), "{long}");
}

#[test]
fn options_come_from_the_environment_and_the_command_line_wins() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    for (more, vus) in [(&[][..], 3), (&["--vus", "2"], 2)] {
        let mut command = program();
        command
            .env("LLMLOAD_VUS", "3")
            .env("LLMLOAD_OUTPUT", &output)
            .env("K6_TARGET_URL", url(mock.address))
            .args(["quick-smoke", "--think-time", "0"])
            .args(more);
        Live::spawn(&mut command).wait().expect(0);
        let document = document(&output);
        assert_eq!(document["config"]["vus"], vus, "{}", document["config"]);
        assert_eq!(document["totals"]["requests"], vus * 3);
    }
}

const CANARY: &str = "sk-canary-5f1d7c";

/// Answers everything with what it was sent as the key, in the body, a header and the reason.
fn echo_server(chat_status: u16) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, keys) = std::sync::mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut lines, mut length) = (Vec::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                if let Some(n) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = n.trim().parse().unwrap();
                }
                lines.push(line.trim_end().to_owned());
            }
            let Some(first) = lines.first() else { continue };
            let status = if first.starts_with("POST") {
                chat_status
            } else {
                200
            };
            let _ = stream.read_exact(&mut vec![0; length]);
            let key = lines
                .iter()
                .find(|l| l.to_lowercase().starts_with("authorization:"))
                .map_or("", |l| l.split_once(' ').unwrap().1)
                .to_owned();
            let body = format!("{{\"error\":{{\"message\":\"bad key {key}\"}}}}");
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 {status} {key}\r\nX-Key: {key}\r\nContent-Type: application/json\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = tell.send(key);
        }
    });
    (address, keys)
}

#[test]
fn the_api_key_is_sent_and_never_shown_not_even_by_a_server_that_echoes_it() {
    let (address, keys) = echo_server(401);
    let dir = Dir::new();
    let output = dir.path("result.json");
    let mut command = program();
    command.env("LLMLOAD_API_KEY", CANARY).args([
        "quick-smoke",
        "--no-validate",
        "--details",
        "-o",
        &output,
        "--target",
        &url(address),
    ]);
    let ended = Live::spawn(&mut command).wait().expect(99);
    let sent: Vec<String> = keys.try_iter().collect();
    assert!(
        sent.len() >= 3 && sent.iter().all(|key| *key == format!("Bearer {CANARY}")),
        "{sent:?}"
    );
    document(&output);
    let written = std::fs::read_to_string(&output).unwrap();
    for (what, text) in [
        ("stdout", ended.stdout),
        ("stderr", ended.stderr),
        ("the document", written),
    ] {
        assert!(!text.contains(CANARY), "the key is in {what}: {text}");
    }
}

#[test]
fn the_api_key_is_on_no_command_line_and_in_no_error() {
    let mut command = program();
    command
        .env("LLMLOAD_API_KEY", CANARY)
        .args(["quick-smoke", "--vus", "1", "--duration", "30s"]);
    let mut live = Live::spawn(&mut command);
    live.simulator();
    let children = live.children();
    assert_eq!(children.len(), 1);
    for pid in [live.pid(), children[0]] {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(line.contains("quick-smoke") || line.contains("llmsim"), "{line}");
        assert!(!line.contains(CANARY), "{line}");
    }
    drop(live);
    wait_until_gone(children[0]);
    let closed = url("127.0.0.1:1".parse().unwrap());
    for (key, args) in [
        (format!("{CANARY}\n"), &["quick-smoke"][..]),
        (CANARY.to_owned(), &["quick-smoke", "--target", &closed]),
        (CANARY.to_owned(), &["quick-smoke", "--vus", "0"]),
        (CANARY.to_owned(), &["quick-smoke", "--vus", "x"]),
        (CANARY.to_owned(), &["--help"]),
    ] {
        let mut command = program();
        command.env("LLMLOAD_API_KEY", key).args(args);
        let ended = Live::spawn(&mut command).wait();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(CANARY), "{said}");
    }
}

#[test]
fn a_password_or_a_key_in_the_url_is_never_shown() {
    let (address, _keys) = echo_server(200);
    let dir = Dir::new();
    for target in [
        format!("http://user:{CANARY}@{address}"),
        format!("http://{address}/v1/chat/completions?key={CANARY}"),
        format!("http://127.0.0.1:1/?key={CANARY}"),
        format!("ftp://user:{CANARY}@x"),
    ] {
        let output = dir.path("result.json");
        let ended = ran(&["quick-smoke", "--target", &target, "-o", &output]);
        let written = std::fs::read_to_string(&output).unwrap_or_default();
        let said = format!("{}{}{written}", ended.stdout, ended.stderr);
        assert!(!said.contains(CANARY), "{target}: {said}");
    }
}
