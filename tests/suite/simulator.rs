//! The embedded simulator as a user's run has it: another process, started and ended by this one.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llmload_uring::blocking_http::{Answer, Peer, ProbeError};
use llmload_uring::discover::{Approach, Service};
use llmload_uring::error::Place;
use llmload_uring::http1::{Body, Method};
use llmload_uring::server::{ErrorRates, SimOptions, SimulatorServer};
use llmload_uring::tls::TlsOptions;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
const LONG: Duration = Duration::from_secs(60);
const CHAT: &str = "/openai/v1/chat/completions";

fn start(options: &SimOptions) -> SimulatorServer {
    SimulatorServer::start(Path::new(EXE), 0, options).unwrap()
}

fn instant() -> SimOptions {
    SimOptions {
        latency: Some("instant".into()),
        ..Default::default()
    }
}

fn address_of(server: &SimulatorServer) -> std::net::SocketAddr {
    server.url().strip_prefix("http://").unwrap().parse().unwrap()
}

fn post(peer: &Peer<'_>, json: &[u8]) -> Result<Answer, ProbeError> {
    let mut answer = Answer::default();
    let body = Body {
        bytes: json,
        content_type: "application/json",
    };
    peer.exchange(&mut answer, Method::Post, CHAT, Some(body))?;
    Ok(answer)
}

fn chat(address: std::net::SocketAddr, model: &str, stream: bool) -> (u16, String) {
    let peer = Peer {
        address,
        authority: "simulator",
        headers: &[],
        limit: LONG,
        tls: None,
        sources: &[],
    };
    let body =
        format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"Hi"}}]}}"#);
    let answer = post(&peer, body.as_bytes()).unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn is_refused(address: std::net::SocketAddr) -> bool {
    let peer = Peer {
        address,
        authority: "simulator",
        headers: &[],
        limit: LONG,
        tls: None,
        sources: &[],
    };
    peer.get("/health") == Err(ProbeError::Refused)
}

/// Waits for the end of a process that is not ours to reap.
fn assert_ends(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let limit = LONG.try_into().unwrap();
    let ended = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ended, 1, "process {pid:?} still runs");
}

#[test]
fn the_simulator_starts_serves_counts_and_stops() {
    let mut server = start(&SimOptions::default());
    let address = address_of(&server);
    assert!(address.ip().is_loopback());
    server.check().unwrap();
    assert_eq!(server.totals().unwrap(), Default::default());

    // Both vocabularies are loaded before the server is handed over.
    for model in ["gpt-4o", "claude-sonnet-4"] {
        let begin = Instant::now();
        let (status, text) = chat(address, model, true);
        println!("first stream of {model}: {:?}", begin.elapsed());
        assert_eq!(status, 200);
        assert!(text.starts_with("data: {"), "{text}");
        assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
        let events = text.matches("\"content\":").count();
        assert!((10..=60).contains(&events), "{events} events for 20 tokens");
    }
    assert_eq!(chat(address, "gpt-4o", false).0, 200);

    let discovery = llmload_uring::discover::resolve(
        &server.url(),
        &Place::default(),
        None,
        Vec::new(),
        Approach {
            tls: &TlsOptions::default(),
            sources: &[],
        },
    )
    .unwrap();
    assert_eq!(discovery.service, Service::Llmsim);
    assert_eq!(discovery.target.api_path, CHAT);
    let totals = server.totals().unwrap();
    assert_eq!(totals.total_requests, 3);
    assert_eq!((totals.streaming_requests, totals.total_errors), (2, 0));

    let pid = server.pid();
    println!("startup {:?}", server.startup());
    let begin = Instant::now();
    server.stop().unwrap();
    println!("stop {:?}", begin.elapsed());
    assert!(is_refused(address));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn dropping_the_handle_ends_the_simulator_with_a_stream_open() {
    let slow = SimOptions {
        latency: Some("o-series".into()),
        ..Default::default()
    };
    let server = start(&slow);
    let (address, pid) = (address_of(&server), server.pid());
    let body = r#"{"model":"gpt-4o","stream":true,"messages":[]}"#;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    while server.totals().unwrap().streaming_requests == 0 {
        std::thread::yield_now();
    }
    drop(server);
    assert!(is_refused(address));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn stopping_with_an_open_stream_takes_no_longer_than_the_drain() {
    let server = start(&SimOptions {
        latency: Some("o-series".into()),
        ..Default::default()
    });
    let address = address_of(&server);
    let client = std::thread::spawn(move || {
        let peer = Peer {
            address,
            authority: "simulator",
            headers: &[],
            limit: LONG,
            tls: None,
            sources: &[],
        };
        post(&peer, br#"{"model":"gpt-4o","stream":true,"messages":[]}"#)
    });
    while server.totals().unwrap().total_requests == 0 {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    server.stop().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(client.join().unwrap().is_err());
}

#[test]
fn the_death_of_the_simulator_during_a_run_is_an_error_with_the_signal() {
    let mut server = start(&instant());
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_ends(server.pid());
    let error = loop {
        match server.check() {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    let text = error.to_string();
    assert!(
        text.starts_with("error: simulator: was killed by signal 9 during the run"),
        "{text}"
    );
    assert_eq!(error.exit, llmload_uring::error::ExitCode::Target);
    assert!(server.stop().is_err());
}

#[test]
fn ctrl_c_on_the_group_does_not_end_the_simulator_but_sigterm_does() {
    let mut server = start(&instant());
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(chat(address_of(&server), "gpt-4o", false).0, 200);
    server.check().unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_ends(server.pid());
}

#[test]
fn a_taken_port_is_an_error_with_the_childs_last_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = SimulatorServer::start(Path::new(EXE), port, &instant()).unwrap_err();
    assert_eq!(error.exit, llmload_uring::error::ExitCode::Target);
    let text = error.to_string();
    for part in [
        "exit code 114 before it was ready".to_owned(),
        format!("cannot listen on 127.0.0.1:{port}"),
    ] {
        assert!(text.contains(&part), "{text}");
    }
}

#[test]
fn a_binary_that_cannot_be_started_is_named() {
    let error = SimulatorServer::start(Path::new("/nonexistent"), 0, &instant()).unwrap_err();
    assert_eq!(error.exit, llmload_uring::error::ExitCode::Target);
    assert!(
        error
            .to_string()
            .starts_with("error: simulator: cannot be started: "),
        "{error}"
    );
}

#[test]
fn injected_errors_are_in_the_counts_of_the_simulator() {
    let server = start(&SimOptions {
        errors: Some(ErrorRates {
            rate_limit: 1.0,
            server_error: 0.0,
            timeout: 0.0,
        }),
        ..instant()
    });
    assert_eq!(chat(address_of(&server), "gpt-4o", true).0, 429);
    let totals = server.totals().unwrap();
    assert_eq!((totals.total_requests, totals.rate_limit_errors), (1, 1));
}

/// Not a test of its own: the process that is killed below.
#[test]
#[ignore = "holds a server until it is killed; run by another test"]
fn holder() {
    let server = start(&instant());
    println!("\nholding {} {}", server.pid(), address_of(&server));
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

#[test]
fn the_simulator_ends_after_kill_9_of_its_parent() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "simulator::holder",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find(|line| line.starts_with("holding "))
        .unwrap();
    let mut words = line.split(' ').skip(1);
    let pid: u32 = words.next().unwrap().parse().unwrap();
    let address = words.next().unwrap().parse().unwrap();
    assert!(!is_refused(address));
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_ends(pid);
    assert!(is_refused(address));
}
