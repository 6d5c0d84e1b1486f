//! How connections are made: kept or one for each request, and from which addresses of this host.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::certificates::{Authority, Validity};
use crate::common::live::{Dir, Live, document, ran};
use crate::common::terminator::{Manners, Terminator};
use crate::common::*;
use llmload_uring::metrics::MetricId;
use llmload_uring::plan::{ConnectionUse, Executor};
use llmload_uring::units::{Rate, SECOND};
use serde_json::Value;

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
const TINY: &str = "graceful_stop: 20s\nmodels: [m]\nprompts: [Hi]\nrequests:\n  \
                    - { name: stream, stream: true, max_tokens: 4, timeout: 20s }\n";

/// What a server saw: each connection's peer, with the heads of its requests.
type Seen = Arc<Mutex<Vec<(IpAddr, Vec<String>)>>>;

/// A server that keeps every connection open, whatever the request says. It ends with the test's process.
fn stubborn() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let shared = seen.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (mut stream, seen) = (stream.unwrap(), shared.clone());
            seen.lock()
                .unwrap()
                .push((stream.peer_addr().unwrap().ip(), Vec::new()));
            std::thread::spawn(move || {
                let mut chunk = [0; 16 << 10];
                while let Ok(read @ 1..) = stream.read(&mut chunk) {
                    let head = String::from_utf8_lossy(&chunk[..read]).into_owned();
                    seen.lock().unwrap()[number].1.push(head);
                    let body = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#;
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
                    if write!(stream, "{head} {}\r\n\r\n{body}", body.len()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, seen)
}

fn whole(vus: u32, iterations: u64, connection: ConnectionUse) -> llmload_uring::plan::Plan {
    let mut plan = plan(shared(vus, iterations), vec![kind("r", 1, false, 20 * SECOND)]);
    plan.connection = connection;
    plan
}

#[test]
fn a_connection_for_each_request_is_closed_by_us_if_the_server_keeps_it() {
    for (connection, opened) in [(ConnectionUse::PerRequest, 12), (ConnectionUse::KeepAlive, 3)] {
        let (address, seen) = stubborn();
        let ran = run(whole(3, 12, connection), address, engine_options(1), |_| {});
        let counters = ran.merged.counters();
        assert_eq!((ran.merged.total.ok(), counters.stale_reconnects), (12, 0));
        assert!(counters.connections_opened <= opened, "{connection:?}");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len() as u64, counters.connections_opened);
        if connection.is_per_request() {
            assert_eq!(seen.len(), 12);
            assert!(seen.iter().all(|(_, heads)| heads.len() == 1));
        }
        let connects = ran.merged.total.metric(MetricId::Connect).offered();
        assert_eq!(connects, counters.connections_opened);
    }
}

#[test]
fn over_tls_each_request_has_a_handshake_and_at_a_rate_connecting_is_latency_but_not_our_lag() {
    let authority = Authority::new();
    let dir = Dir::new();
    let cacert = dir.write("ca.pem", &authority.pem);
    let identity = authority.sign(&["localhost", "127.0.0.1"], Validity::Now);
    let behind = mock(mock_options());
    let front = Terminator::new(
        identity.server(&[&rustls::version::TLS13]),
        behind.address,
        Manners::default(),
    );
    let mut open = plan(
        Executor::ConstantArrivalRate {
            rate: Rate::per_second_of(40.0),
            duration: SECOND,
            open: Default::default(),
        },
        vec![kind("r", 1, true, 20 * SECOND)],
    );
    open.connection = ConnectionUse::PerRequest;
    if let Some(open) = open.executor.open_loop_mut() {
        open.max_vus = 100;
    }
    let mut options = engine_options(1);
    let tls = llmload_uring::tls::TlsOptions {
        cacert: Some(cacert.into()),
        insecure: false,
    };
    options.tls = vec![Some(
        llmload_uring::tls::TlsTarget::new("localhost", &tls).unwrap(),
    )];
    let ran = run(open, front.address, options, |_| {});
    assert_eq!(ran.merged.total.ok(), 40);
    let counters = ran.merged.counters();
    assert_eq!((counters.connections_opened, counters.tls_handshakes), (40, 40));
    for sample in &ran.samples {
        let sent = sample.sent.unwrap();
        let connecting = sent - sample.due - sample.schedule_lag;
        // A handshake takes longer than nothing, and what it takes is not ours.
        assert!(connecting > 20_000, "{connecting}");
        assert!(sample.first_token.unwrap() - sample.due >= connecting);
    }
}

/// Runs the program with a small profile over a mock, and returns its document.
fn run_small(shape: &str, options: &[&str]) -> (Value, Value) {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{shape}{TINY}"));
    let (target, output) = (format!("http://{}", mock.address), dir.path("result.json"));
    let words = [&profile, "--target", &target, "--output", &output, "--details"];
    Live::spawn(program().args(words).args(options)).wait().expect(0);
    (document(&output), get_json(mock.address, "/mock/stats"))
}

#[test]
fn the_option_and_the_key_open_a_connection_for_each_request_in_both_loops() {
    let closed = "executor: shared-iterations\nvus: 4\niterations: 20\n";
    let open = "executor: constant-arrival-rate\nrate: 20\nduration: 1s\n";
    let keyed = format!("{closed}connection: per-request\n");
    for (shape, options) in [
        (closed, &["--connection", "per-request"][..]),
        (open, &["--connection", "per-request"]),
        (&keyed, &[]),
    ] {
        let (document, _) = run_small(shape, options);
        assert_eq!(document["totals"]["ok"], 20);
        assert_eq!(document["totals"]["connections_opened"], 20, "{shape}");
        assert_eq!(document["metrics"]["connect"]["count"], 20);
        assert_eq!(document["config"]["connection"], "per-request");
    }
    let (document, _) = run_small(&keyed, &["--connection", "keep-alive"]);
    assert_eq!(document["totals"]["connections_opened"], 4);
    assert_eq!(document["config"].get("connection"), None);
}

#[test]
fn requests_say_close_only_if_the_connection_is_for_one() {
    for (connection, expected) in [("per-request", true), ("keep-alive", false)] {
        let (address, seen) = stubborn();
        let dir = Dir::new();
        let whole = TINY.replace("stream: true", "stream: false");
        let shape = "executor: shared-iterations\nvus: 1\niterations: 2\n";
        let profile = dir.write("profile.yaml", &format!("{shape}{whole}"));
        let target = format!("http://{address}/v1/chat/completions");
        ran(&[
            &profile,
            "--target",
            &target,
            "--connection",
            connection,
            "--quiet",
        ])
        .expect(0);
        let seen = seen.lock().unwrap();
        let heads: Vec<&String> = seen.iter().flat_map(|(_, heads)| heads).collect();
        let posts = heads.iter().filter(|head| head.starts_with("POST"));
        let closing: Vec<bool> = posts
            .map(|head| head.to_lowercase().contains("\r\nconnection: close\r\n"))
            .collect();
        assert_eq!(closing, [expected; 2], "{heads:?}");
    }
}

#[test]
fn users_take_turns_with_the_source_addresses() {
    let (address, seen) = stubborn();
    let mut options = engine_options(1);
    options.source_addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
        .map(|a| a.parse().unwrap())
        .to_vec();
    let mut each = whole(6, 6, ConnectionUse::KeepAlive);
    each.executor = Executor::PerVuIterations {
        vus: 6,
        iterations: 2,
        max_duration: 60 * SECOND,
    };
    let ran = run(each, address, options, |_| {});
    assert_eq!(ran.merged.total.ok(), 12);
    let mut peers: BTreeMap<IpAddr, u32> = BTreeMap::new();
    for (peer, _) in seen.lock().unwrap().iter() {
        *peers.entry(*peer).or_default() += 1;
    }
    let expected = [2, 3, 4].map(|last| (IpAddr::from([127, 0, 0, last]), 2));
    assert_eq!(peers, BTreeMap::from(expected));
}

#[test]
fn wrong_source_addresses_are_refused_before_anything_is_sent() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    for (sources, exit, expected) in [
        (
            "192.0.2.7",
            104,
            "error: --source-address: 192.0.2.7 is not an address of this host",
        ),
        (
            "::1",
            104,
            "error: --source-address: ::1 is an IPv6 address, but the target has only IPv4 ones",
        ),
        (
            "127.0.0.2,::1",
            104,
            "error: --source-address: ::1 is never used: no server has an IPv4",
        ),
        ("127.0.0.2,127.0.0.2", 104, "127.0.0.2 is listed twice"),
        ("127.0.0.9-127.0.0.2", 104, "begins above its end"),
        ("10.0.0.0/8", 104, "more addresses than the limit of 1024"),
        ("eth0", 2, "`eth0` is not an IP address"),
        ("", 2, "is not an IP address"),
    ] {
        let ended = ran(&["smoke", "--target", &target, "--source-address", sources]);
        // Without IPv6 the address is not this host's, which is as good a reason.
        if sources.contains(':') && ended.stderr.contains("not an address of this host") {
            continue;
        }
        let expected = expected.replace("no server has an IPv4", "no server has an IPv6");
        let ended = ended.expect(exit);
        assert!(ended.stderr.contains(&expected), "{sources}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "{sources}: {}", ended.stderr);
    }
    assert_eq!(get_json(mock.address, "/mock/stats")["requests"], 0);
}

/// A network of its own, in which each address has 20 ports for connections, then the program there.
const TWENTY_PORTS: &str = "
import fcntl, os, socket, struct, sys
any = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(any, 0x8914, struct.pack('16sh14x', b'lo', 1))
open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40019')
any.close()
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn two_source_addresses_make_twice_as_many_connections_to_one_target() {
    let test = "two_source_addresses_make_twice_as_many_connections_to_one_target";
    let tool = ["-rn", "python3", "-c", "pass"];
    let can = Command::new("unshare").args(tool).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return skipped(test, "python3, user and network namespaces");
    }
    let dir = Dir::new();
    let output = dir.path("result.json");
    let slow = "executor: constant-vus\nduration: 1s\n";
    let profile = dir.write("profile.yaml", &format!("{slow}{TINY}"));
    let run = |vus: &str, sources: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-rn", "python3", "-c", TWENTY_PORTS, EXE, &profile]);
        // The simulator's own port is outside of the range, or it would be one less for each address.
        command
            .args(["--port", "50000", "--vus", vus, "--output", &output])
            .args(sources);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Live::spawn(&mut command).wait()
    };
    let two = ["--source-address", "127.0.0.2-127.0.0.3"];
    run("40", &two).expect(0);
    let found = document(&output);
    assert_eq!(found["totals"]["connections_opened"], 40);
    assert_eq!(found["totals"]["failed"], 0);
    for (vus, sources, expected) in [
        (
            "41",
            &two[..],
            "21 are needed for each of 1 target address and 2 source addresses",
        ),
        ("21", &[], "21 are needed for each of 1 target address\n"),
    ] {
        let ended = run(vus, sources).expect(111);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("--source-address"), "{}", ended.stderr);
    }
}

#[test]
fn a_connection_for_each_request_goes_to_each_of_several_servers() {
    let first = mock(mock_options());
    let second = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "executor: shared-iterations\nvus: 3\niterations: 20\nconnection: per-request\n\
         source_address: [127.0.0.2, 127.0.0.3]\nservers:\n  - {{ name: a, base_url: 'http://{}' }}\n  \
         - {{ name: b, base_url: 'http://{}' }}\n{TINY}",
        first.address, second.address
    );
    let profile = dir.write("profile.yaml", &text);
    ran(&[
        "run",
        "--config",
        &profile,
        "--output",
        &output,
        "--results-dir",
        &dir.path("results"),
    ])
    .expect(0);
    let found = document(&output);
    assert_eq!(
        (&found["totals"]["ok"], &found["totals"]["connections_opened"]),
        (&20.into(), &20.into())
    );
    assert_eq!(found["config"]["source_address"], "127.0.0.2,127.0.0.3");
}
