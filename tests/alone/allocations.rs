//! What the engine allocates: nothing per event, a handful per request.
//! The counting allocator counts all threads, so that a figure may hold a stranger's allocation, such as the test
//! harness's: of several tries the smallest counts.

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use llmload_uring::api::Api;
use llmload_uring::engine::RequestIds;
use llmload_uring::engine::response::{Expected, Progress, ResponseReader, TokenSink};
use llmload_uring::lengths::Lengths;
use llmload_uring::metrics::{NumberedBy, Outcome, Recorder, RequestId, Sample, TokenSource};
use llmload_uring::mock::Mock;
use llmload_uring::plan::{ConnectionUse, Executor};
use llmload_uring::tls::{Pool, TlsConnection, TlsOptions, TlsTarget};
use llmload_uring::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use llmload_uring::workload::{Call, Chat, Prompts, RequestKind, SentId, Server, Target, encode_request};
use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::alone;
use crate::load::{self, engine_options, kind, light, mock, mock_options, plan, shared, target};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TRIES: usize = 5;
/// 6.2 KB are taken by TLS 1.3, 4.7 KB by TLS 1.2: a buffer of 4 KiB a connection would not fit.
const TLS_USER_BYTES_MAX: isize = 8_000;

/// Allocations and reallocations on all threads while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

/// Bytes that all threads allocate while `work` runs, whether they are freed or not.
pub fn allocated_bytes(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    region.change().bytes_allocated
}

/// The smallest of several tries; the work allocates the same each time.
fn steady_allocations(mut work: impl FnMut()) -> usize {
    (0..TRIES)
        .map(|_| allocations(&mut work))
        .min()
        .unwrap_or(usize::MAX)
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn event(delta: &str, rest: &str) -> String {
    chunk(&format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795291632,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta}{rest}}}]}}\n\n"
    ))
}

fn streamed_answer(events: usize) -> Vec<u8> {
    let mut bytes = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    bytes += &event("{\"role\":\"assistant\"}", "");
    (0..events).for_each(|i| bytes += &event(&format!("{{\"content\":\"word {i} \\n\"}}"), ""));
    bytes += &event("{}", ",\"finish_reason\":\"stop\"");
    bytes += &chunk("data: [DONE]\n\n");
    bytes += "0\r\n\r\n";
    bytes.into_bytes()
}

/// As llama.cpp's own API streams it; 1.7 KB of settings come with the end.
fn native_answer(events: usize) -> Vec<u8> {
    let mut bytes = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for i in 1..=events {
        bytes += &chunk(&format!(
            "data: {{\"index\":0,\"content\":\" word {i}\",\"tokens\":[28],\"stop\":false,\"id_slot\":-1,\
             \"tokens_predicted\":{i},\"tokens_evaluated\":4}}\n\n"
        ));
    }
    let settings: String = (0..50)
        .map(|i| format!("\"key_{i}\":0.949999988079071,"))
        .collect();
    bytes += &chunk(&format!(
        "data: {{\"index\":0,\"content\":\"\",\"tokens\":[],\"stop\":true,\"tokens_predicted\":{events},\
         \"generation_settings\":{{{settings}\"stop\":[]}},\"timings\":{{\"prompt_n\":4,\"prompt_ms\":239.71,\
         \"predicted_n\":{events},\"predicted_ms\":1684.047}}}}\n\n"
    ));
    bytes += "0\r\n\r\n";
    bytes.into_bytes()
}

/// Records as the engine does.
struct Sink<'a>(&'a mut Recorder);

impl TokenSink for Sink<'_> {
    fn gap(&mut self, gap: Nanos) {
        self.0.gap(0, gap);
    }
    fn coalesced(&mut self) {
        self.0.counters().coalesced_events += 1;
    }
    fn token(&mut self, _: &[u8], _: Nanos) {
        self.0.counters().token_events += 1;
    }
}

/// One exchange, from the head to the sample.
fn exchange(
    reader: &mut ResponseReader,
    recorder: &mut Recorder,
    (api, bytes): (Api, &[u8]),
    cut: usize,
    iteration: u64,
) {
    reader.begin(Expected::Stream(api));
    recorder.started(0);
    let mut at = 1_000;
    let mut over = None;
    for part in bytes.chunks(cut) {
        at += 100 * MICROSECOND;
        recorder.reap_lag(MICROSECOND);
        if let Progress::Over { outcome, .. } = reader.read(part, at, &mut Sink(recorder)) {
            over = Some(outcome);
        }
    }
    assert_eq!(over, Some(Outcome::Ok));
    let arrivals = reader.arrivals;
    let (output_tokens, token_source) = reader.output_tokens();
    let expected = match api {
        Api::LlamaCpp => TokenSource::Server,
        _ => TokenSource::Events,
    };
    assert_eq!(token_source, expected);
    let times = reader.server_times();
    recorder.finish(&Sample {
        chosen_to_cancel: false,
        vu: 0,
        iteration,
        series: 0,
        half: None,
        turn: 0,
        outcome: Outcome::Ok,
        status: reader.status,
        due: 0,
        sent: Some(1),
        connecting: 0,
        first_byte: arrivals.first_byte,
        first_event: arrivals.first_event,
        first_token: arrivals.first_token,
        first_answer: arrivals.first_answer,
        first_thought: None,
        first_call: None,
        last_token: arrivals.last_token,
        done: at,
        schedule_lag: 1,
        queue_wait: None,
        output_tokens,
        asked: Default::default(),
        tokens_at_first: reader.tokens_at_first(),
        gaps: arrivals.gaps,
        token_source,
        prompt_tokens: None,
        cached_tokens: None,
        reasoning_tokens: None,
        server_prompt: times.prompt,
        server_decode: times.decode,
        answer: reader.answer(Outcome::Ok),
        good: None,
    });
}

#[test]
fn reading_and_recording_a_stream_of_1000_events_allocates_nothing_after_the_first() {
    let _alone = alone();
    let (chat, native) = (streamed_answer(1_000), native_answer(1_000));
    for (answer, details) in [
        ((Api::Chat, &*chat), false),
        ((Api::Chat, &*chat), true),
        ((Api::LlamaCpp, &*native), true),
    ] {
        // What a buffer of the ring holds, one segment, and cuts that leave a part of nearly every event over.
        for cut in [1_448, 1_968, 97, 7] {
            let mut reader = ResponseReader::new();
            let mut recorder = Recorder::new(0, 1, details);
            let first = allocations(|| exchange(&mut reader, &mut recorder, answer, cut, 0));
            let mut iteration = 0;
            let later = steady_allocations(|| {
                iteration += 1;
                exchange(&mut reader, &mut recorder, answer, cut, iteration);
            });
            println!(
                "{:?} cut at {cut}, details {details}: first stream {first}, later {later} allocations",
                answer.0
            );
            assert_eq!(later, 0, "reads of {cut} bytes");
        }
    }
}

#[test]
fn gathering_the_text_of_an_answer_takes_one_buffer() {
    let _alone = alone();
    let answer = streamed_answer(1_000);
    let mut reader = ResponseReader::new();
    let mut recorder = Recorder::new(0, 1, false);
    exchange(&mut reader, &mut recorder, (Api::Chat, &answer), 1_448, 0);
    assert!(reader.gathered().is_empty());
    reader.gather(true);
    let first = allocations(|| exchange(&mut reader, &mut recorder, (Api::Chat, &answer), 1_448, 1));
    assert!(reader.gathered().starts_with(b"word 0 \\nword 1 \\n"));
    assert!(reader.held_bytes() > reader.gathered().len() && reader.gathered().len() > 9_000);
    let later = steady_allocations(|| exchange(&mut reader, &mut recorder, (Api::Chat, &answer), 1_448, 2));
    println!("first answer {first}, later {later} allocations");
    // The buffer doubles from a few bytes to 16 KiB.
    assert!(first < 20 && later == 0, "{first}, {later}");
}

/// A kind with prompts made anew for each request.
fn made() -> RequestKind {
    let mut made = kind("made", 2, true, 60 * SECOND);
    if let Call::Chat(Chat { prompts, .. }) = &mut made.call {
        *prompts = Prompts::Made {
            prefix: "Sum up: ".into(),
            tokens: Lengths::fixed(300),
        };
    }
    made
}

/// A request's id in its header is written into the request, and into nothing else.
#[test]
fn drawing_and_encoding_requests_allocates_nothing_after_warm_up() {
    let _alone = alone();
    let kinds = vec![
        kind("whole", 7, false, 30 * SECOND),
        kind("stream", 2, true, 60 * SECOND),
        made(),
        light(1),
    ];
    let plan = plan(shared(1, 1), kinds);
    let mut target = target("127.0.0.1:1".parse().unwrap());
    target.headers.push(("Authorization".into(), "Bearer x".into()));
    let (mut bytes, mut body) = (Vec::new(), Vec::new());
    let mut encode = |from: u64| {
        for iteration in from..from + 1_000 {
            let draw = plan
                .workload
                .draw(plan.seed, 3, iteration, 0, target.light_paths.len());
            let sent = SentId {
                header: "X-Request-Id",
                prefix: "5f0c21a97be4-r2-",
                id: RequestId {
                    by: NumberedBy::Vu(3),
                    iteration,
                    half: None,
                    turn: 0,
                },
            };
            bytes.clear();
            encode_request(
                &mut bytes,
                &mut body,
                &target,
                &plan.workload,
                (&draw, None),
                Some(&sent),
            );
        }
    };
    let first = allocations(|| encode(0));
    let mut from = 0;
    let later = steady_allocations(|| {
        from += 1_000;
        encode(from);
    });
    println!("1000 requests: first {first}, later {later} allocations");
    assert_eq!(later, 0);
    let line = format!("\r\nX-Request-Id: 5f0c21a97be4-r2-v3-{}\r\n", from + 999);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(&line), "{line}: {text}");
}

fn quick_mock(tokens: u32) -> Mock {
    let mut options = mock_options();
    options.tokens = tokens;
    options.ttft = MILLISECOND;
    options.gap = 5 * MICROSECOND;
    mock(options)
}

/// Allocations of a whole run, mock and reporter included.
fn run_against_mock(tokens: u32, requests: u64) -> usize {
    let mock = quick_mock(tokens);
    allocations(|| {
        let plan = plan(shared(20, requests), vec![kind("stream", 1, true, 60 * SECOND)]);
        let mut options = engine_options(1);
        options.details = false;
        options.request_ids = Some(RequestIds {
            header: "X-Request-Id".into(),
            prefix: "5f0c21a97be4-".into(),
        });
        let ran = load::run(plan, mock.address, options, |_| {});
        assert_eq!(ran.merged.total.ok(), requests);
        assert!(ran.samples.is_empty(), "no details were asked for");
        println!("{requests} requests of {tokens} tokens: {:?}", ran.elapsed);
    })
}

/// Allocations of the mock for each request: one connection, a client that allocates nothing.
fn mock_per_request(tokens: u32) -> f64 {
    const REQUESTS: usize = 500;
    let mock = quick_mock(tokens);
    let mut stream = TcpStream::connect(mock.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let plan = plan(shared(1, 1), vec![kind("stream", 1, true, SECOND)]);
    let (mut request, mut body) = (Vec::new(), Vec::new());
    let draw = plan.workload.draw(1, 0, 0, 0, 1);
    encode_request(
        &mut request,
        &mut body,
        &target(mock.address),
        &plan.workload,
        (&draw, None),
        None,
    );
    let mut answer = vec![0; 1 << 20];
    let mut exchanges = || {
        for _ in 0..REQUESTS {
            stream.write_all(&request).unwrap();
            let mut filled = 0;
            while !answer[..filled].ends_with(b"\r\n0\r\n\r\n") {
                match stream.read(&mut answer[filled..]) {
                    // A read with a time limit is not begun again after a signal (signal(7)), such as that of a timer.
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    read => filled += read.unwrap(),
                }
            }
        }
    };
    exchanges();
    steady_allocations(exchanges) as f64 / REQUESTS as f64
}

#[test]
fn a_run_with_ten_times_the_events_or_requests_allocates_next_to_nothing_more() {
    let _alone = alone();
    run_against_mock(10, 100);
    let base = run_against_mock(50, 200);
    let events = run_against_mock(500, 200);
    let requests = run_against_mock(50, 2_000);
    let per_event = events.saturating_sub(base) as f64 / (200.0 * 450.0);
    let per_request = requests.saturating_sub(base) as f64 / 1_800.0;
    let mocks = mock_per_request(50);
    println!("allocations: 200 requests of 50 events {base}, of 500 {events}; 2000 of 50 {requests}");
    println!("per event {per_event:.5}; per request {per_request:.2}, of which the mock's {mocks:.2}");
    assert!(per_event < 0.005, "{per_event} per event");
    assert!(
        per_request - mocks < 1.0,
        "{per_request} per request, the mock's {mocks}"
    );
}

/// What a user takes that connects in vain: its task, its connection's state and its place in the tables. A request and
/// an open connection take another 1 KB, so that a user in the middle of a stream stays below 6 KiB.
const USER_BYTES_MAX: f64 = 3_500.0;

/// Bytes that a run allocates in which each of these users connects in vain, once to each of so many servers: in less
/// than a second, before the figures of one go to the reporter.
fn bytes_of_users(users: u32, servers: u16) -> usize {
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let iterations = u64::from(servers);
    let executor = Executor::PerVuIterations {
        vus: users,
        iterations,
        max_duration: 60 * SECOND,
    };
    let kinds = (0..servers).map(|server| RequestKind {
        server,
        ..kind(&format!("stream {server}"), 1, true, 60 * SECOND)
    });
    let mut plan = plan(executor, kinds.collect());
    let server = Server {
        name: None,
        weight: 1,
    };
    plan.workload.servers = vec![server; usize::from(servers)];
    plan.connection = ConnectionUse::PerRequest;
    let targets: Vec<Target> = (0..servers).map(|_| target(nobody)).collect();
    allocated_bytes(|| {
        let mut options = engine_options(1);
        options.details = false;
        let ran = load::run_against(plan, &targets, options, |_| {});
        let failed = ran.merged.total.outcome(Outcome::ConnectFailed);
        assert_eq!(failed, u64::from(users) * iterations);
    })
}

#[test]
fn a_user_takes_little_memory_also_with_several_servers() {
    let _alone = alone();
    for servers in [1, 6] {
        let bytes = |users| (0..TRIES).map(|_| bytes_of_users(users, servers)).min();
        let (few, many) = (bytes(100).unwrap(), bytes(1_100).unwrap());
        let each = many.saturating_sub(few) as f64 / 1_000.0;
        println!(
            "{servers} servers: a run of 100 users allocates {few} bytes, of 1100 {many}: {each} a user"
        );
        assert!(each < USER_BYTES_MAX, "{each} a user with {servers} servers");
    }
}

/// Bytes that the client of one connection still has when it has shaken hands, sent a request, taken the tickets and
/// read an answer: `TlsConnection` itself, the user's own target, and what they point to.
fn tls_user_bytes(server: &TlsTarget, config: &Arc<rustls::ServerConfig>, pool: &Pool) -> isize {
    let mut held = 0;
    let mut client = |work: &mut dyn FnMut()| {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        held += change.bytes_allocated as isize - change.bytes_deallocated as isize;
    };
    let mut server_side = rustls::ServerConnection::new(config.clone()).unwrap();
    let (mut user, mut tls) = (None, None);
    client(&mut || {
        let own = user.insert(Box::new(server.for_user()));
        tls = Some(Box::new(TlsConnection::new(own, pool).unwrap()));
    });
    let mut tls = tls.unwrap();
    // Filled by the client, as long as ever needed: the core's own buffers are in no user's bytes.
    let (mut output, mut plain) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
    for round in 0..4 {
        output.clear();
        client(&mut || match tls.is_handshaking() {
            true => tls.take_output(&mut output),
            false => tls.encrypt(b"GET / HTTP/1.1\r\n\r\n", &mut output),
        });
        let mut rest = &output[..];
        while !rest.is_empty() {
            server_side.read_tls(&mut rest).unwrap();
            server_side.process_new_packets().unwrap();
        }
        if round > 1 {
            server_side.writer().write_all(&[b'x'; 5_000]).unwrap();
        }
        let mut answer = Vec::new();
        while server_side.wants_write() {
            server_side.write_tls(&mut answer).unwrap();
        }
        for piece in answer.chunks_mut(2_000) {
            client(&mut || tls.feed(piece, &mut plain));
        }
    }
    assert_eq!((plain.len(), tls.end(), pool.lent()), (10_000, None, 0));
    held
}

fn tls_server(
    identity: &CertifiedKey<KeyPair>,
    version: &'static rustls::SupportedProtocolVersion,
) -> rustls::ServerConfig {
    let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
    rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap()
}

#[test]
fn a_user_over_tls_holds_memory_for_its_session_but_no_buffer() {
    let _alone = alone();
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let options = TlsOptions {
        cacert: None,
        insecure: true,
    };
    let target = TlsTarget::new("localhost", &options).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (config, pool) = (Arc::new(tls_server(&identity, version)), Pool::default());
        // The first has the pool's buffers made.
        let bytes = (0..=TRIES).map(|_| tls_user_bytes(&target, &config, &pool));
        let bytes = bytes.skip(1).min().unwrap();
        println!("{version:?}: {bytes} bytes");
        assert!(
            (1_000..TLS_USER_BYTES_MAX).contains(&bytes),
            "{version:?}: {bytes}"
        );
    }
}
