//! What a smoke profile asks before its load, against good servers and faulty ones.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::{Fault, FaultPlan};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Lines of the validation on stderr.
fn validation(ended: &Ended) -> Vec<&str> {
    let lines = ended.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("validation: "))
        .collect()
}

#[test]
fn the_simulator_passes_all_five_checks_which_its_counts_exclude() {
    let begun = Instant::now();
    let ended = ran(&["quick-smoke", "--summary", "full"]).expect(0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let lines = validation(&ended);
    let starts = [
        "GET /health: 200",
        "GET /openai/v1/models: 200, models ",
        "POST /openai/v1/chat/completions: 200, finished, ",
        "POST /openai/v1/chat/completions streaming: 200, ",
        "POST /openai/v1/responses: 200, completed",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(lines[3].contains(" token events, finished, usage "), "{lines:?}");
    assert!(
        ended
            .stdout
            .contains("server     3 completions, 0 errors by its own count: agrees"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_responses_api_is_asked_for_as_well_and_quiet_hides_the_checks() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let ended = ran(&["quick-smoke", "--target", &target, "--think-time", "0"]).expect(0);
    assert_eq!(
        validation(&ended).last(),
        Some(&"POST /v1/responses: 200, completed")
    );
    assert_eq!(mock_requests(mock.address), 6);
    let ended = ran(&["quick-smoke", "--target", &target, "--think-time", "0", "--quiet"]).expect(0);
    assert_eq!(ended.stderr, "");
    assert_eq!(mock_requests(mock.address), 12);
}

/// The path of a URL, the models list that is asked for, the whole answer and what comes of it, the path of a stream.
#[rustfmt::skip]
const PATHS: [(&str, &str, &str, &str); 12] = [
    ("/v1/completions",       "/v1/models", "/v1/completions: 200, finished, 10", "/v1/completions"),
    ("/v1/responses",         "/v1/models", "/v1/responses: 200, finished, 10", "/v1/responses"),
    ("/v1/messages",          "/v1/models", "/v1/messages: 200, finished, 10", "/v1/messages"),
    ("/completion",           "",           "/completion: 200, finished, 10", "/completion"),
    ("/api/generate",         "/api/tags",  "/api/generate: 200, finished, 10", "/api/generate"),
    ("/api/chat",             "/api/tags",  "/api/chat: 200, finished, 10", "/api/chat"),
    ("/generate",             "",           "/generate: 200, finished, 10", "/generate"),
    ("/generate_stream",      "",           "/generate: 200, finished, 10", "/generate_stream"),
    ("/v2/models/m/generate", "",           "/v2/models/m/generate: 200, finished", "/v2/models/m/generate_stream"),
    ("/v1/embeddings",        "/v1/models", "/v1/embeddings: 200, complete, 8 input tokens", ""),
    ("/v1/rerank",            "/v1/models", "/v1/rerank: 200, complete, 8 input tokens", ""),
    ("/v1/score",             "/v1/models", "/v1/score: 200, complete, 8 input tokens", ""),
];

#[test]
fn each_api_is_validated_and_loaded_at_its_own_path() {
    let mock = mock(mock_options());
    for (path, list, whole, stream) in PATHS {
        let target = format!("http://{}{path}", mock.address);
        let ended = ran(&["quick-smoke", "--target", &target, "--think-time", "0"]).expect(0);
        let lines = validation(&ended);
        let mut starts = vec!["GET /health: 200".to_owned()];
        if !list.is_empty() {
            starts.push(format!("GET {list}: 200, models 1"));
        }
        starts.push(format!("POST {whole}"));
        if !stream.is_empty() {
            starts.push(format!("POST {stream} streaming: 200, 10 token events, finished"));
        }
        assert_eq!(lines.len(), starts.len(), "{path}: {lines:?}");
        for (line, start) in lines.iter().zip(&starts) {
            assert!(line.starts_with(start.as_str()), "{path}: {line}");
        }
        assert!(ended.stdout.contains("ok 3 (100"), "{path}: {}", ended.stdout);
    }
}

#[test]
fn a_profile_enables_validation_and_an_option_disables_it() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let profile = |name: &str, key: &str| {
        let text = format!(
            "executor: per-vu-iterations\niterations: 1\nmodels: [m]\nprompts: [Hi]\n{key}requests:\n  \
             - {{ name: stream, stream: true, max_tokens: 10 }}\n"
        );
        dir.write(name, &text)
    };
    let (plain, asks) = (
        profile("plain.yaml", ""),
        profile("asks.yaml", "validate: true\n"),
    );
    let denies = profile("denies.yaml", "validate: false\n");
    for (args, lines) in [
        (&[&plain, "--target", &target][..], 0),
        (&[&denies, "--target", &target], 0),
        (&[&asks, "--target", &target], 5),
        (&[&asks, "--target", &target, "--no-validate"], 0),
    ] {
        let ended = ran(args).expect(0);
        assert_eq!(validation(&ended).len(), lines, "{args:?}");
    }
    let wrong = profile("wrong.yaml", "validate: maybe\n");
    ran(&[&wrong, "--target", &target])
        .expect(104)
        .one_error("wrong.yaml:5: ");
}

/// A mock whose first completion, or whose second, meets the fault. The first is whole, the second a stream.
fn faulty(fault: Fault, place: u64) -> llmload_uring::mock::Mock {
    let plan = (0..1_000)
        .map(|seed| FaultPlan::new(&[(fault, 1)], 2, seed))
        .find(|plan| plan.fault_for(place).is_some())
        .unwrap();
    let mut options = mock_options();
    options.faults = plan;
    mock(options)
}

#[test]
fn each_fault_of_a_server_has_its_message_and_the_load_does_not_begin() {
    let cases = [
        (
            Fault::Status(503),
            0,
            "status 503; its body begins `{\"error\":{\"message\":\"injected\"",
        ),
        (Fault::Status(429), 0, "status 429; its body begins `{\"error\""),
        (
            Fault::ErrorEvent,
            0,
            "status 200: an error object instead of an answer; its body begins `{\"error\"",
        ),
        (
            Fault::Unfinished,
            0,
            "status 200: no finish_reason; its body begins `{\"id\":\"m\"",
        ),
        (Fault::BadJson, 0, "status 200: answer: not JSON at line 1 column"),
        (Fault::Cut, 0, "status 200: the answer broke off after "),
        (
            Fault::BadChunk,
            0,
            "chat/completions: the response does not begin with an HTTP/1 status line",
        ),
        (
            Fault::Status(500),
            1,
            "streaming: status 500; its body begins `{\"error\"",
        ),
        (
            Fault::ErrorEvent,
            1,
            "streaming: status 200: an error event, `{\"error\":{\"message\":\"injected\"",
        ),
        (
            Fault::Unfinished,
            1,
            "streaming: status 200: no finish_reason, no usage, although it was asked for; its body",
        ),
        (
            Fault::BadJson,
            1,
            "streaming: status 200: answer: not JSON at line 1 column",
        ),
        (
            Fault::Cut,
            1,
            "streaming: status 200: the answer broke off after ",
        ),
        (
            Fault::Reset,
            1,
            "streaming: status 200: the answer broke off after ",
        ),
    ];
    for (fault, place, part) in cases {
        let mock = faulty(fault, place);
        let target = format!("http://{}", mock.address);
        let ended = ran(&["quick-smoke", "--target", &target]).expect(114);
        ended.one_error(&format!("validation: POST {target}/v1/chat/completions"));
        ended.one_error(part);
        assert_eq!(ended.stdout, "", "{fault:?}");
        assert_eq!(
            mock_requests(mock.address),
            place + 1,
            "{fault:?}: the load has begun"
        );
    }
}

/// The pair: nothing was measured, so nothing that the result says can win over 114.
#[test]
fn a_validation_that_fails_is_114_whatever_the_thresholds_and_writes_no_document() {
    let mock = faulty(Fault::Status(503), 0);
    let target = format!("http://{}", mock.address);
    let dir = Dir::new();
    let output = dir.path("result.json");
    ran(&["quick-smoke", "--target", &target, "-o", &output]).expect(114);
    assert_eq!(dir.names(), [""; 0]);
}

/// The address and the text of each request.
type Seen = Arc<Mutex<Vec<(IpAddr, String)>>>;

/// A server that answers everything.
fn recorder() -> (std::net::SocketAddr, Seen) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let shared = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen) = (stream.unwrap(), shared.clone());
            // A probe may have reset it already.
            let Ok(peer) = stream.peer_addr() else { continue };
            let peer = peer.ip();
            std::thread::spawn(move || {
                let mut chunk = [0; 16 << 10];
                while let Ok(read @ 1..) = stream.read(&mut chunk) {
                    let text = String::from_utf8_lossy(&chunk[..read]).into_owned();
                    let streams = text.contains("\"stream\":true");
                    seen.lock().unwrap().push((peer, text));
                    let (kind, body) = match streams {
                        true => (
                            "text/event-stream",
                            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\
                             \"usage\":{\"completion_tokens\":1}}\n\ndata: [DONE]\n\n",
                        ),
                        false => (
                            "application/json",
                            "{\"data\":[],\"status\":\"completed\",\"output\":[{\"type\":\"message\"}],\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"},\
                             \"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":1}}",
                        ),
                    };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}",
                        body.len()
                    );
                    if write!(stream, "{head}\r\n\r\n{body}").is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, seen)
}

#[test]
fn questions_have_the_headers_of_each_kind_and_come_from_the_source_address() {
    let (address, seen) = recorder();
    let dir = Dir::new();
    let file = dir.write(
        "tenants.yaml",
        &format!(
            "executor: shared-iterations\nvus: 1\niterations: 1\nvalidate: true\nsource_address: 127.0.0.5\n\
             server: {{ base_url: 'http://{address}/v1', headers: {{ X-Tenant: all, X-Team: load }} }}\n\
             models: [m]\nprompts: [Hi]\nrequests:\n  \
             - {{ name: a, stream: true, max_tokens: 5, headers: {{ x-tenant: first }} }}\n  \
             - {{ name: b, stream: true, max_tokens: 5, headers: {{ X-Tenant: second }} }}\n  \
             - {{ name: c, stream: false, max_tokens: 5, headers: {{ X-Tenant: third }} }}\n  \
             - {{ name: d, stream: false, max_tokens: 5, headers: {{ x-tenant: first }} }}\n"
        ),
    );
    let ended = ran(&[&file]).expect(0);
    let seen = seen.lock().unwrap();
    assert!(
        seen.iter().all(|(peer, _)| peer.to_string() == "127.0.0.5"),
        "{seen:?}"
    );
    let asked = |tenant: &str, stream: bool| {
        let header = format!("x-tenant: {tenant}\r\n");
        let of_tenant = seen.iter().filter(|(_, text)| {
            let text = text.to_lowercase();
            text.contains(&header) && text.contains("x-team: load\r\n") && text.contains("\"max_tokens\":16")
        });
        let all: Vec<&String> = of_tenant.map(|(_, text)| text).collect();
        all.iter()
            .filter(|text| text.contains("\"stream\":true") == stream)
            .count()
    };
    assert_eq!((asked("first", false), asked("first", true)), (1, 1), "{seen:?}");
    assert_eq!(
        (asked("second", false), asked("second", true)),
        (0, 1),
        "{seen:?}"
    );
    assert_eq!((asked("third", false), asked("third", true)), (1, 0), "{seen:?}");
    assert_eq!((asked("all", false), asked("all", true)), (0, 0), "{seen:?}");
    let line = "request `b`, validation: POST /v1/chat/completions streaming: 200";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}
