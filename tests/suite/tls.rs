//! https: the same figures as over plain text, and each way a server can be unfit with its own reason.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use crate::common::certificates::{Authority, Identity, Validity};
use crate::common::live::{Dir, document, ran};
use crate::common::terminator::{Manners, Terminator, says};
use crate::common::*;
use llmload_uring::discover::{Approach, resolve};
use llmload_uring::error::Place;
use llmload_uring::metrics::{MetricId, Outcome, TlsFailure};
use llmload_uring::mock::fault::Fault;
use llmload_uring::plan::Executor;
use llmload_uring::tls::{TlsOptions, TlsTarget};
use llmload_uring::units::Span;
use llmload_uring::units::{MILLISECOND, SECOND};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// An authority and the file that a user would name.
struct Trust {
    authority: Authority,
    dir: Dir,
}

impl Trust {
    fn new() -> Trust {
        let authority = Authority::new();
        let dir = Dir::new();
        dir.write("ca.pem", &authority.pem);
        Trust { authority, dir }
    }

    fn cacert(&self) -> String {
        self.dir.path("ca.pem")
    }

    fn options(&self) -> TlsOptions {
        TlsOptions {
            cacert: Some(self.cacert().into()),
            insecure: false,
        }
    }

    fn good(&self) -> Identity {
        let names = ["localhost", "127.0.0.1", "::1"];
        self.authority.sign(&names, Validity::Now)
    }

    fn target(&self, host: &str) -> TlsTarget {
        TlsTarget::new(host, &self.options()).unwrap()
    }
}

fn run_over(tls: Option<TlsTarget>, executor: Executor, kinds: Vec<Kind>, address: SocketAddr) -> Ran {
    let mut options = engine_options(1);
    options.tls = vec![tls];
    run(plan(executor, kinds), address, options, |_| {})
}

type Kind = llmload_uring::workload::RequestKind;

fn streams_and_answers() -> Vec<Kind> {
    vec![
        kind("stream", 2, true, 30 * SECOND),
        kind("whole", 1, false, 30 * SECOND),
        light(1),
    ]
}

/// Everything that must not depend on the transport.
fn figures(ran: &Ran, mock: SocketAddr) -> Vec<u64> {
    let mut figures: Vec<u64> = Outcome::ALL
        .into_iter()
        .map(|outcome| ran.merged.total.outcome(outcome))
        .collect();
    let counters = ran.merged.counters();
    figures.extend([ran.merged.total.output_tokens, counters.token_events]);
    figures.extend([MetricId::Ttft, MetricId::Tbt, MetricId::Latency].map(|id| {
        let distribution = ran.merged.total.metric(id);
        distribution.offered()
    }));
    let digest = get_json(mock, "/mock/stats")["bodies_digest"].to_string();
    figures.push(
        digest
            .bytes()
            .fold(0u64, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(b))),
    );
    figures
}

fn per_vu() -> Executor {
    Executor::PerVuIterations {
        vus: 8,
        iterations: 25,
        max_duration: 60 * SECOND,
    }
}

#[test]
fn streams_and_whole_answers_over_tls_are_counted_as_over_plain_text() {
    same_as_plain(&[], per_vu(), &streams_and_answers());
}

#[test]
fn faulty_streams_have_the_same_outcomes_over_tls_as_over_plain_text() {
    let faulty = [
        (Fault::Status(503), 5),
        (Fault::Unfinished, 6),
        (Fault::ErrorEvent, 3),
    ];
    let streams = [kind("stream", 1, true, 30 * SECOND)];
    same_as_plain(&faulty, shared(8, 200), &streams);
}

fn same_as_plain(faulty: &[(Fault, u32)], executor: Executor, kinds: &[Kind]) {
    let behind = || {
        let mut options = mock_options();
        options.faults = faults(faulty, 50);
        mock(options)
    };
    let trust = Trust::new();
    let plain = behind();
    let expected = run_over(None, executor.clone(), kinds.to_vec(), plain.address);
    assert!(expected.merged.total.ok() > 100);
    assert_eq!(expected.merged.total.metric(MetricId::Tls).offered(), 0);
    let expected = figures(&expected, plain.address);
    for (version, updates_keys) in [(&TLS12, false), (&TLS13, false), (&TLS13, true)] {
        let behind = behind();
        let manners = Manners {
            updates_keys,
            ..Manners::default()
        };
        let front = Terminator::new(trust.good().server(&[version]), behind.address, manners);
        let target = trust.target("localhost");
        let ran = run_over(Some(target), executor.clone(), kinds.to_vec(), front.address);
        assert_eq!(figures(&ran, behind.address), expected, "{version:?}");
        let counters = ran.merged.counters();
        assert_eq!(counters.tls_handshakes, counters.connections_opened);
        assert_eq!(counters.stale_reconnects, 0);
        let timed = ran.merged.total.metric(MetricId::Tls).offered();
        assert_eq!(timed, counters.tls_handshakes);
        assert_eq!(counters.tls_failures, [0; TlsFailure::COUNT]);
    }
}

#[test]
fn records_of_16_kib_cut_at_odd_places_lose_nothing() {
    let trust = Trust::new();
    for (version, piece) in [(&TLS13, 1_237), (&TLS12, 777), (&TLS13, usize::MAX)] {
        let mut options = mock_options();
        options.unpaced = true;
        options.events_per_write = 40;
        options.event_bytes = 1_500;
        options.tokens = 200;
        let mock = mock(options);
        let manners = Manners {
            piece,
            ..Manners::default()
        };
        let front = Terminator::new(trust.good().server(&[version]), mock.address, manners);
        let kinds = vec![kind("stream", 1, true, 60 * SECOND)];
        let ran = run_over(
            Some(trust.target("localhost")),
            shared(4, 40),
            kinds,
            front.address,
        );
        assert_eq!(ran.merged.total.ok(), 40);
        assert_eq!(ran.merged.total.output_tokens, 40 * 200);
        assert_eq!(ran.merged.counters().token_events, 40 * 200);
        assert!(ran.merged.counters().bytes_received > 40 * 200 * 1_500);
        // Events that came with one read share its stamp, whatever records they were in.
        assert!(ran.merged.counters().coalesced_events > 0);
    }
}

#[test]
fn a_user_that_reconnects_resumes_its_own_session() {
    let trust = Trust::new();
    for version in VERSIONS {
        let mut options = mock_options();
        options.faults = faults(&[(Fault::Close, 100)], 100);
        let mock = mock(options);
        let server = trust.good().server(&[version]);
        let front = Terminator::new(server, mock.address, Manners::default());
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let ran = run_over(
            Some(trust.target("localhost")),
            shared(4, 100),
            kinds,
            front.address,
        );
        assert_eq!(ran.merged.total.ok(), 100, "{version:?}");
        let counters = ran.merged.counters();
        assert_eq!(counters.tls_handshakes, counters.connections_opened);
        assert!(counters.tls_handshakes >= 100, "{}", counters.tls_handshakes);
        let whole = counters.tls_handshakes - counters.tls_resumed;
        assert_eq!(whole, 4, "each of 4 users has one whole handshake, its first");
    }
}

#[test]
fn data_that_arrives_between_two_requests_is_read_during_think_time() {
    let trust = Trust::new();
    let thinking = |tls, address| {
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let mut plan = plan(per_vu(), kinds);
        plan.workload.think_time = Span {
            min: 5 * MILLISECOND,
            max: 10 * MILLISECOND,
        };
        let mut options = engine_options(1);
        options.tls = vec![tls];
        run(plan, address, options, |_| {}).merged
    };
    // New keys behind each answer: the connection stays.
    let behind = mock(mock_options());
    let manners = Manners {
        updates_keys: true,
        ..Manners::default()
    };
    let front = Terminator::new(trust.good().server(&[&TLS13]), behind.address, manners);
    let merged = thinking(Some(trust.target("localhost")), front.address);
    assert_eq!(merged.total.ok(), 200);
    let counters = merged.counters();
    assert_eq!((counters.connections_opened, counters.stale_reconnects), (8, 0));
    // A close behind each answer: stale, unless it came in one read with the answer.
    let closing = || {
        let mut options = mock_options();
        options.faults = faults(&[(Fault::Close, 1)], 1);
        mock(options)
    };
    let behind = closing();
    let front = Terminator::new(trust.good().server(&VERSIONS), behind.address, Manners::default());
    let plain = closing();
    let targets = [
        (None, plain.address),
        (Some(trust.target("localhost")), front.address),
    ];
    for (tls, address) in targets {
        let merged = thinking(tls, address);
        assert_eq!(merged.total.ok(), 200);
        let counters = merged.counters();
        assert_eq!(counters.connections_opened, 200);
        assert!(counters.stale_reconnects <= 192);
    }
}

#[test]
fn two_endpoints_over_tls_and_one_in_plain_text_each_keep_a_connection_per_user() {
    let trust = Trust::new();
    let mocks = [(); 3].map(|()| mock(mock_options()));
    let front = |index: usize| {
        let server = trust.good().server(&VERSIONS);
        Terminator::new(server, mocks[index].address, Manners::default())
    };
    let fronts = [front(0), front(1)];
    let at = [fronts[0].address, fronts[1].address, mocks[2].address];
    let kinds = (0..3).map(|endpoint| Kind {
        server: endpoint,
        ..kind("stream", 1, true, 30 * SECOND)
    });
    let mut plan = plan(per_vu(), kinds.collect());
    let endpoint = plan.workload.servers[0].clone();
    plan.workload.servers = vec![endpoint; 3];
    let mut options = engine_options(1);
    options.tls = vec![
        Some(trust.target("localhost")),
        Some(trust.target("localhost")),
        None,
    ];
    let merged = run_against(plan, &at.map(target), options, |_| {}).merged;
    assert_eq!(merged.total.ok(), 200);
    let counters = merged.counters();
    assert_eq!((counters.connections_opened, counters.stale_reconnects), (24, 0));
    assert_eq!((counters.tls_handshakes, counters.tls_resumed), (16, 0));
}

#[test]
fn unfit_servers_are_tls_failed_each_with_its_reason() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let sign = |name, validity| trust.authority.sign(&[name], validity);
    for (identity, reason) in [
        (sign("example.org", Validity::Now), TlsFailure::WrongHost),
        (sign("localhost", Validity::Past), TlsFailure::Expired),
        (sign("localhost", Validity::Future), TlsFailure::NotYetValid),
        (
            Identity::self_signed(&["localhost"], false),
            TlsFailure::SelfSigned,
        ),
        (
            Authority::new().sign(&["localhost"], Validity::Now),
            TlsFailure::UnknownIssuer,
        ),
    ] {
        let front = Terminator::new(identity.server(&VERSIONS), mock.address, Manners::default());
        fails(&trust, front.address, reason);
    }
    let bad_request = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    fails(&trust, says(bad_request), TlsFailure::PlainText);
    fails(&trust, says(b""), TlsFailure::Closed);
    fails(
        &trust,
        says(&[21, 3, 1, 0, 2, 2, 70]),
        TlsFailure::ProtocolMismatch,
    );
}

#[track_caller]
fn fails(trust: &Trust, address: SocketAddr, reason: TlsFailure) {
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run_over(Some(trust.target("localhost")), shared(2, 6), kinds, address);
    let counters = ran.merged.counters();
    assert_eq!(ran.merged.total.outcome(Outcome::TlsFailed), 6, "{reason:?}");
    let mut expected = [0; TlsFailure::COUNT];
    expected[reason as usize] = 6;
    assert_eq!(counters.tls_failures, expected, "{reason:?}");
    assert_eq!((counters.tls_handshakes, counters.connections_opened), (0, 6));
    // What a failed request took is kept, and is no lag of ours.
    assert_eq!(ran.merged.total.metric(MetricId::Latency).offered(), 6);
    assert_eq!(ran.merged.total.metric(MetricId::Connect).offered(), 6);
}

#[test]
fn a_silent_port_times_out_as_a_connect_does() {
    let trust = Trust::new();
    // Connects wait in its queue; nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut request = kind("stream", 1, true, 30 * SECOND);
    request.timeouts.connect = Some(100 * MILLISECOND);
    let address = listener.local_addr().unwrap();
    let ran = run_over(
        Some(trust.target("localhost")),
        shared(2, 2),
        vec![request],
        address,
    );
    assert_eq!(ran.merged.total.outcome(Outcome::TimeoutConnect), 2);
    assert_eq!(ran.merged.counters().tls_failures, [0; TlsFailure::COUNT]);
}

#[test]
fn a_plain_request_to_a_tls_port_is_recognised() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let front = Terminator::new(trust.good().server(&VERSIONS), mock.address, Manners::default());
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run_over(None, shared(2, 6), kinds, front.address);
    assert_eq!(ran.merged.total.outcome(Outcome::Malformed), 6);
    let url = format!("http://{}", front.address);
    ran_program(
        &["quick-smoke", "--no-server", "--target", &url],
        114,
        "the server speaks TLS on this port",
    );
}

#[test]
fn a_body_that_ends_with_the_connection_needs_close_notify_to_be_complete() {
    let trust = Trust::new();
    let upstream = says(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
          {\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\
           \"usage\":{\"completion_tokens\":1}}",
    );
    for (announces, outcome) in [(true, Outcome::Ok), (false, Outcome::Truncated)] {
        let manners = Manners {
            announces,
            ..Manners::default()
        };
        let front = Terminator::new(trust.good().server(&VERSIONS), upstream, manners);
        let kinds = vec![kind("whole", 1, false, 30 * SECOND)];
        let ran = run_over(
            Some(trust.target("localhost")),
            shared(2, 6),
            kinds,
            front.address,
        );
        assert_eq!(ran.merged.total.outcome(outcome), 6, "{announces}");
    }
}

#[test]
fn connecting_and_the_handshake_are_not_schedule_lag() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let front = Terminator::new(trust.good().server(&VERSIONS), mock.address, Manners::default());
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let ran = run_over(
        Some(trust.target("localhost")),
        shared(1, 1),
        kinds,
        front.address,
    );
    let sample = ran.samples[0];
    let total = &ran.merged.total;
    let shaking = total.metric(MetricId::Tls).min().unwrap() + total.metric(MetricId::Connect).min().unwrap();
    let sent = sample.sent.unwrap() - sample.due;
    // Distributions round to three digits.
    assert!(
        sent + sent / 100 >= shaking,
        "sent after {sent} ns, handshakes took {shaking} ns"
    );
    assert!(sample.schedule_lag + shaking <= sent + sent / 50, "{sample:?}");
}

#[test]
fn names_and_addresses_of_both_families_are_resolved_over_tls() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let v4 = Terminator::new(trust.good().server(&VERSIONS), mock.address, Manners::default());
    let v6 = Terminator::on(
        Ipv6Addr::LOCALHOST.into(),
        trust.good().server(&VERSIONS),
        mock.address,
        Manners::default(),
    );
    for url in [
        format!("https://localhost:{}", v4.address.port()),
        format!("https://{}/v1", v4.address),
        format!("https://{}", v6.address),
    ] {
        let approach = Approach {
            tls: &trust.options(),
            sources: &[],
        };
        let found = resolve(&url, &Place::default(), None, Vec::new(), approach).unwrap();
        assert_eq!(found.target.origin, url.trim_end_matches("/v1"));
        assert_eq!(found.target.api_path, "/v1/chat/completions");
        assert!(found.tls.unwrap().verified);
    }
}

#[track_caller]
fn ran_program(args: &[&str], code: i32, part: &str) {
    let ended = ran(args).expect(code);
    ended.one_error(part);
}

#[test]
fn the_program_runs_over_https_and_marks_what_was_not_verified() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let front = Terminator::new(trust.good().server(&VERSIONS), mock.address, Manners::default());
    let url = format!("https://localhost:{}", front.address.port());
    let output = trust.dir.path("result.json");
    let smoke = ["quick-smoke", "--target", &url, "-o", &output];
    for (how, verified) in [
        (vec!["--cacert".to_owned(), trust.cacert()], true),
        (vec!["--insecure".to_owned()], false),
    ] {
        let mut args = smoke.to_vec();
        args.extend(how.iter().map(String::as_str));
        let ended = ran(&args).expect(0);
        // The summary may wrap the words.
        let summary: Vec<&str> = ended.stdout.split_whitespace().collect();
        assert_eq!(
            summary.join(" ").contains("NOT VERIFIED"),
            !verified,
            "{}",
            ended.stdout
        );
        assert_eq!(
            ended.stderr.contains("NOT VERIFIED"),
            !verified,
            "{}",
            ended.stderr
        );
        let document = document(&output);
        assert_eq!(document["client"]["tls"]["verified"], verified);
        assert_eq!(document["client"]["tls"]["handshakes"], 1);
        assert_eq!(document["config"]["run"]["insecure"], !verified);
        assert_eq!(document["metrics"]["tls"]["count"], 1);
    }
}

#[test]
fn the_program_reports_why_a_certificate_is_not_trusted() {
    let trust = Trust::new();
    let mock = mock(mock_options());
    let front = Terminator::new(trust.good().server(&VERSIONS), mock.address, Manners::default());
    let url = format!("https://localhost:{}", front.address.port());
    let plain = format!(
        "https://{}",
        says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    );
    let empty = trust.dir.write("empty.pem", "nothing");
    let ca = trust.cacert();
    for (args, code, part) in [
        (vec!["--target", &url], 114, "tls_failed (unknown_issuer)"),
        (
            vec!["--target", &plain, "--insecure"],
            114,
            "tls_failed (plain_text)",
        ),
        (
            vec!["--target", &url, "--cacert", "no/such.pem"],
            104,
            "cannot be read",
        ),
        (
            vec!["--target", &url, "--cacert", &empty],
            104,
            "contains no certificate",
        ),
        (
            vec!["--target", &url, "--cacert", &ca, "--insecure"],
            104,
            "contradicts `--cacert`",
        ),
    ] {
        let mut all = vec!["quick-smoke", "--no-server"];
        all.extend(args);
        ran_program(&all, code, part);
    }
}
