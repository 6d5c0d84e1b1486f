//! Both ways to drive sockets: hosts that forbid io_uring run on epoll and say so, and against the same peers both give
//! the same outcomes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use llmload_uring::host::{HostFacts, Io};
use llmload_uring::metrics::Outcome;
use llmload_uring::plan::{ConnectionUse, Plan};
use llmload_uring::tls::{TlsOptions, TlsTarget};
use llmload_uring::units::{MILLISECOND, Nanos, SECOND};
use llmload_uring::workload::{Call, Chat, Prompts, RequestKind};
use rustls::version::TLS13;
use serde_json::Value;

use crate::common::certificates::{Authority, Validity};
use crate::common::gateway;
use crate::common::live::{Dir, Ended, Live, document};
use crate::common::terminator::{Manners, Terminator};
use crate::common::*;
use crate::hosts::{can, deny, short};

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
/// What a stream of the scripted peers says.
const EVENTS: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" there\"},\"finish_reason\":\"stop\"}]}\n\n\
                      data: [DONE]\n\n";

/// Runs the program under a filter that refuses one call.
fn denied(number: libc::c_long, errno: i32, args: &[&str]) -> Ended {
    let tool = deny(number, errno);
    let mut command = Command::new(&tool[0]);
    command.args(&tool[1..]).arg(EXE).args(args);
    command.env_remove("LLMLOAD_IO");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Live::spawn(&mut command).wait()
}

fn can_deny(test: &str) -> bool {
    let tool = deny(libc::SYS_io_uring_setup, libc::EPERM);
    let tool: Vec<&str> = tool.iter().map(String::as_str).collect();
    can(test, "python3 and seccomp", &tool)
}

#[test]
fn a_host_that_forbids_io_uring_runs_on_epoll_and_says_why() {
    const NAME: &str = "a_host_that_forbids_io_uring_runs_on_epoll_and_says_why";
    if !can_deny(NAME) {
        return;
    }
    let mock = mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let dir = Dir::new();
    let output = dir.path("result.json");
    let load = [
        "high-concurrency",
        "--vus",
        "5",
        "--duration",
        "1s",
        "--target",
        &target,
        "-o",
        &output,
    ];
    let refusals = [
        (libc::SYS_io_uring_setup, libc::EPERM, "io_uring_setup is refused"),
        (
            libc::SYS_io_uring_setup,
            libc::ENOSYS,
            "io_uring_setup is refused",
        ),
        (
            libc::SYS_io_uring_register,
            libc::EPERM,
            "io_uring_register is refused",
        ),
        (libc::SYS_io_uring_enter, libc::EPERM, "io_uring_enter is refused"),
    ];
    for (number, errno, why) in refusals {
        if number != libc::SYS_io_uring_setup && HostFacts::read().uring.is_err() {
            // Refused before it comes to these calls.
            skipped(NAME, "io_uring");
            continue;
        }
        let ended = denied(number, errno, &load).expect(0);
        let notes: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|line| line.contains("epoll"))
            .collect();
        assert_eq!(notes.len(), 1, "{}", ended.stderr);
        let says = "sockets are driven by epoll, because io_uring cannot be used here: io_uring: ";
        assert!(notes[0].contains(says) && notes[0].contains(why), "{}", notes[0]);
        assert!(
            ended.stdout.contains("sockets driven by epoll"),
            "{}",
            ended.stdout
        );
        let client = &document(&output)["client"];
        assert_eq!(client["io"]["driver"], "epoll");
        assert!(client["io"]["reason"].as_str().unwrap().contains(why), "{client}");
        assert_eq!(client["stamp_source"], "kernel");
        assert_eq!(client["stamps_missing"], 0);
    }
}

#[test]
fn quick_smoke_is_whole_with_its_simulator_where_io_uring_is_forbidden() {
    if !can_deny("quick_smoke_is_whole_with_its_simulator_where_io_uring_is_forbidden") {
        return;
    }
    let ended = denied(
        libc::SYS_io_uring_setup,
        libc::EPERM,
        &["quick-smoke", "--summary", "full"],
    )
    .expect(0);
    assert!(ended.stderr.contains("driven by epoll"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("by its own count: agrees"),
        "{}",
        ended.stdout
    );
    let refused = denied(
        libc::SYS_io_uring_setup,
        libc::EPERM,
        &["quick-smoke", "--io", "uring"],
    )
    .expect(111);
    refused.one_error("io_uring_setup is refused");
}

/// Some filters kill a process that only tries.
#[test]
fn whoever_asks_for_epoll_never_calls_io_uring() {
    const NAME: &str = "whoever_asks_for_epoll_never_calls_io_uring";
    if !can_deny(NAME) {
        return;
    }
    let mock = mock(mock_options());
    // Nor is epoll_pwait2 needed, which old profiles refuse.
    for (number, errno) in [
        (libc::SYS_io_uring_setup, 0),
        (libc::SYS_epoll_pwait2, libc::EPERM),
    ] {
        let tool = deny(number, errno);
        let tool: Vec<&str> = tool.iter().map(String::as_str).collect();
        let ended = Live::spawn(&mut short(&tool, &mock, &["--io", "epoll"]))
            .wait()
            .expect(0);
        assert!(!ended.stderr.contains("io_uring"), "{}", ended.stderr);
    }
}

#[test]
fn a_limit_of_locked_memory_that_is_too_low_for_rings_means_epoll() {
    if HostFacts::read().uring.is_err() {
        let test = "a_limit_of_locked_memory_that_is_too_low_for_rings_means_epoll";
        return skipped(test, "io_uring");
    }
    let mock = mock(mock_options());
    let locked = ["bash", "-c", "ulimit -l 64; exec \"$@\"", "x"];
    let mut command = short(&locked, &mock, &["--io", "uring"]);
    if Live::spawn(&mut command).wait().code == Some(0) {
        let test = "a_limit_of_locked_memory_that_is_too_low_for_rings_means_epoll";
        return skipped(test, "a process whose locked memory is limited");
    }
    let mut command = short(&locked, &mock, &[]);
    let ended = Live::spawn(command.env_remove("LLMLOAD_IO")).wait().expect(0);
    let says = "because io_uring cannot be used here: locked memory: the limit is 64 KiB";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}

/// The limit, what is needed, and for how many cores.
#[test]
fn locked_memory_that_is_too_little_for_rings_is_told_in_numbers_before_anything_is_sent() {
    let test = "locked_memory_that_is_too_little_for_rings_is_told_in_numbers_before_anything_is_sent";
    if HostFacts::read().uring.is_err() {
        return skipped(test, "io_uring");
    }
    let mock = recording_mock();
    for (kib, needed) in [(0, "512 KiB"), (64, "512 KiB"), (511, "512 KiB")] {
        let limit = format!("ulimit -l {kib}; exec \"$@\"");
        let more = ["--io", "uring", "--cores", "1"];
        let mut command = short(&["bash", "-c", &limit, "x"], &mock, &more);
        let ended = Live::spawn(&mut command).wait();
        if ended.code == Some(0) {
            return skipped(test, "a process whose locked memory is limited");
        }
        let ended = ended.expect(111);
        ended.one_error(&format!(
            "locked memory: the limit is {kib} KiB, but {needed} are needed"
        ));
        assert!(ended.stderr.contains("of 1 core"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("hint: sudo prlimit --pid $$ --memlock="),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(received(mock.address).len(), 0);
}

#[test]
fn io_is_an_option_and_a_variable_and_a_wrong_word_is_refused() {
    let ended = ran_with("LLMLOAD_IO", "iocp");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("auto, uring, epoll"), "{}", ended.stderr);
}

fn ran_with(name: &str, value: &str) -> Ended {
    Live::spawn(program().args(["quick-smoke"]).env(name, value)).wait()
}

#[test]
fn comparing_two_runs_says_that_their_sockets_were_driven_differently() {
    let mock = mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let dir = Dir::new();
    let (one, two) = (dir.path("uring.json"), dir.path("epoll.json"));
    let load = [
        "high-concurrency",
        "--vus",
        "2",
        "--iterations",
        "20",
        "--target",
        &target,
    ];
    let args = |more: [&str; 4]| -> Vec<String> { load.into_iter().chain(more).map(str::to_owned).collect() };
    if HostFacts::read().uring.is_err() {
        return skipped(
            "comparing_two_runs_says_that_their_sockets_were_driven_differently",
            "io_uring",
        );
    }
    for (io, path) in [("uring", &one), ("epoll", &two)] {
        Live::spawn(program().args(args(["--io", io, "-o", path])))
            .wait()
            .expect(0);
    }
    let compared = Live::spawn(program().args(["compare", &one, &two])).wait();
    let line = compared
        .stdout
        .lines()
        .find(|line| line.contains("sockets driven by"));
    let line = line.unwrap_or_else(|| panic!("{}", compared.stdout));
    assert!(line.contains("io_uring") && line.contains("epoll"), "{line}");
}

/// How a scripted peer treats a request that it has read, or a connection that it has accepted.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// The whole answer, in writes of so many bytes.
    Pieces(usize),
    /// An answer in whole, larger than any buffer.
    Large,
    /// So many bytes of the answer, and then an end.
    Cut(usize),
    /// So many bytes of the answer, and then a reset.
    Reset(usize),
    /// So many bytes of the answer, and then nothing.
    Hangs(usize),
    /// A reset at once, before anything is read.
    ResetUnread,
    /// An answer before the request has been read, and an end.
    Early,
    /// A whole answer, and an end although it was promised to keep the connection.
    ClosesIdle,
    /// A whole answer, and bytes that nobody asked for.
    SaysMore,
    Status(u16),
    NotHttp,
    /// Reads the request slowly, so that a large one goes out in parts.
    ReadsSlowly,
}

fn answer() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{EVENTS}\r\n0\r\n\r\n", EVENTS.len()).into_bytes()
}

fn large() -> Vec<u8> {
    let filler = "x".repeat(300 << 10);
    let events =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{filler}\"}}}}]}}\n\n{EVENTS}");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{events}", events.len()).into_bytes()
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Serves connections for the rest of the test's process.
fn serve(peer: Peer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || serve_one(stream, peer));
        }
    });
    address
}

fn serve_one(mut stream: TcpStream, peer: Peer) {
    match peer {
        Peer::ResetUnread => return reset(stream),
        Peer::Early => {
            let _ = stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            // Reads until the client goes, so that no reset takes the answer from it.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            return;
        }
        Peer::ReadsSlowly => {
            let (mut some, mut all) = ([0; 32 << 10], 0);
            while let Ok(read @ 1..) = stream.read(&mut some) {
                all += read;
                // A body ends with its object, which may end within a read at no other place.
                if all > 1 << 20 && some[..read].ends_with(b"}") {
                    let _ = stream.write_all(&answer());
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        _ => {}
    }
    let whole = answer();
    while gateway::read(&mut stream).is_some() {
        let result = match peer {
            Peer::Pieces(bytes) => whole.chunks(bytes).try_for_each(|piece| stream.write_all(piece)),
            Peer::Large => stream.write_all(&large()),
            Peer::Cut(bytes) => return drop(stream.write_all(&whole[..bytes])),
            Peer::Reset(bytes) => {
                let _ = stream.write_all(&whole[..bytes]);
                // Read before the reset, which takes what is unread from a socket's queue.
                std::thread::sleep(Duration::from_millis(20));
                return reset(stream);
            }
            Peer::Hangs(bytes) => stream.write_all(&whole[..bytes]),
            Peer::ClosesIdle => return drop(stream.write_all(&whole)),
            Peer::SaysMore => {
                stream.write_all(&[&whole[..], b"HTTP/1.1 408 Request Timeout\r\n\r\n"].concat())
            }
            Peer::Status(status) => write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n{{}}"),
            Peer::NotHttp => return drop(stream.write_all(b"220 mail.example ESMTP\r\n")),
            Peer::ResetUnread | Peer::Early | Peer::ReadsSlowly => Ok(()),
        };
        if result.is_err() {
            return;
        }
    }
}

/// What a run gives that does not depend on time: each request with its outcome, status and tokens, by user.
type Outcomes = Vec<(u32, u64, Outcome, u16, u32)>;

fn outcomes(io: Io, plan: &Plan, address: SocketAddr, tls: Option<TlsTarget>) -> Outcomes {
    let mut options = engine_options(1);
    options.io = io;
    options.verify_stamps = false;
    options.tls = vec![tls];
    let ran = run(plan.clone(), address, options, |_| {});
    let of = |s: &llmload_uring::metrics::Sample| (s.vu, s.iteration, s.outcome, s.status, s.output_tokens);
    let mut all: Vec<_> = ran.samples.iter().map(of).collect();
    all.sort_by_key(|(vu, iteration, ..)| (*vu, *iteration));
    all
}

/// Four users with three requests each, of this many bytes.
fn load(prompt_bytes: usize, total: Nanos, connection: ConnectionUse) -> Plan {
    let kind = RequestKind {
        call: Call::Chat(Chat {
            stream: true,
            models: vec!["m".into()],
            prompts: Prompts::List(vec!["y".repeat(prompt_bytes).as_str().into()]),
            ..Chat::default()
        }),
        ..kind("r", 1, true, total)
    };
    let executor = llmload_uring::plan::Executor::PerVuIterations {
        vus: 4,
        iterations: 3,
        max_duration: 60 * SECOND,
    };
    let mut plan = plan(executor, vec![kind]);
    plan.connection = connection;
    plan
}

#[test]
fn both_drivers_give_every_request_the_same_outcome() {
    const NAME: &str = "both_drivers_give_every_request_the_same_outcome";
    if HostFacts::read().uring.is_err() {
        return skipped(NAME, "io_uring");
    }
    let half = answer().len() / 2;
    let peers = [
        (Peer::Pieces(1), true),
        (Peer::Pieces(7), true),
        (Peer::Pieces(usize::MAX), true),
        (Peer::Large, true),
        (Peer::Cut(0), false),
        (Peer::Cut(40), false),
        (Peer::Cut(half), false),
        (Peer::Reset(0), false),
        (Peer::Reset(half), false),
        (Peer::Hangs(0), false),
        (Peer::Hangs(half), false),
        (Peer::ResetUnread, false),
        (Peer::Early, false),
        (Peer::ClosesIdle, true),
        (Peer::SaysMore, true),
        (Peer::Status(429), false),
        (Peer::Status(503), false),
        (Peer::NotHttp, false),
        (Peer::ReadsSlowly, true),
    ];
    for (peer, is_ok) in peers {
        let address = serve(peer);
        for connection in [ConnectionUse::KeepAlive, ConnectionUse::PerRequest] {
            let bytes = if matches!(peer, Peer::ReadsSlowly) {
                1 << 20
            } else {
                20
            };
            let total = match peer {
                Peer::Hangs(_) => 300 * MILLISECOND,
                _ => 20 * SECOND,
            };
            let plan = load(bytes, total, connection);
            let of_uring = outcomes(Io::Uring, &plan, address, None);
            let of_epoll = outcomes(Io::Epoll, &plan, address, None);
            let expected =
                |(_, _, outcome, ..): &(u32, u64, Outcome, u16, u32)| (*outcome == Outcome::Ok) == is_ok;
            assert!(
                of_uring.iter().all(expected),
                "{peer:?} {connection:?}: {of_uring:?}"
            );
            assert_eq!(of_uring, of_epoll, "{peer:?} {connection:?}");
        }
    }
}

#[test]
fn both_drivers_tell_a_refused_connection_and_a_tls_peer_alike() {
    const NAME: &str = "both_drivers_tell_a_refused_connection_and_a_tls_peer_alike";
    if HostFacts::read().uring.is_err() {
        return skipped(NAME, "io_uring");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plan = load(20, 20 * SECOND, ConnectionUse::KeepAlive);
    let [of_uring, of_epoll] = [Io::Uring, Io::Epoll].map(|io| outcomes(io, &plan, closed, None));
    assert!(
        of_uring
            .iter()
            .all(|(_, _, outcome, ..)| *outcome == Outcome::ConnectFailed)
    );
    assert_eq!(of_uring, of_epoll);
    let authority = Authority::new();
    let dir = Dir::new();
    dir.write("ca.pem", &authority.pem);
    let identity = authority.sign(&["127.0.0.1"], Validity::Now);
    let options = TlsOptions {
        cacert: Some(dir.path("ca.pem").into()),
        insecure: false,
    };
    for (piece, peer) in [
        (1, Peer::Pieces(50)),
        (usize::MAX, Peer::Large),
        (33, Peer::Cut(100)),
    ] {
        let manners = Manners {
            piece,
            ..Manners::default()
        };
        let terminator = Terminator::new(identity.server(&[&TLS13]), serve(peer), manners);
        let tls = || Some(TlsTarget::new("127.0.0.1", &options).unwrap());
        let [of_uring, of_epoll] =
            [Io::Uring, Io::Epoll].map(|io| outcomes(io, &plan, terminator.address, tls()));
        assert_eq!(of_uring, of_epoll, "{piece} {peer:?}");
        assert_eq!(
            of_uring[0].2 == Outcome::Ok,
            !matches!(peer, Peer::Cut(_)),
            "{of_uring:?}"
        );
    }
}

/// Parts of reads and sends, calls that would block, signals and wake-ups for nothing, by chance.
#[test]
fn a_kernel_that_gives_epoll_trouble_changes_no_outcome() {
    let mock = recording_mock();
    let dir = Dir::new();
    let output = dir.path("result.json");
    let target = format!("http://{}/v1/chat/completions", mock.address);
    for seed in ["1", "2", "3"] {
        let load = [
            "high-concurrency",
            "--vus",
            "20",
            "--iterations",
            "200",
            "--io",
            "epoll",
            "-o",
            &output,
        ];
        let mut command = program();
        command.env("LLMLOAD_TEST_EPOLL_TROUBLES", seed);
        command
            .args(load)
            .args(["--target", &target, "--think-time", "0"]);
        let ended = Live::spawn(&mut command).wait().expect(0);
        let totals: Value = document(&output)["totals"].clone();
        assert_eq!(
            (&totals["ok"], &totals["requests"]),
            (&200.into(), &200.into()),
            "{}",
            ended.stdout
        );
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}
