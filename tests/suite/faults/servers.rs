//! Servers that fail, hang, break off or flood.

use std::time::Duration;

use super::attacker::{FINISH, STREAM, TOKEN, When};
use super::*;

const TICK: Duration = Duration::from_millis(40);

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn count(document: &Value, at: &str) -> u64 {
    document
        .pointer(at)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("{at}"))
}

#[test]
fn resets_are_one_class_and_tell_whether_tokens_had_come() {
    let cases = [
        case("a reset before the head", "reset", 114, |victim| victim.reset()),
        case("a reset in the head", "reset", 114, |victim| {
            victim.say("HTTP/1.1 200 OK\r\nConte");
            victim.reset();
        }),
        case("a reset in the stream", "reset", 115, |victim| {
            victim.say([STREAM, TOKEN, TOKEN].concat());
            // Once it has been read: a reset throws away what is on its way.
            victim.drip(": ping\n\n", TICK / 4);
        }),
    ];
    withstand_all(&cases[..2], |case, run| {
        assert_eq!(count(&run.document, "/metrics/ttft/count"), 0, "{}", case.name);
    });
}

#[test]
fn silence_is_told_from_a_stream_that_never_ends() {
    let cases = [
        case("silence before the head", "timeout_first_token", 114, |victim| {
            victim.hang()
        }),
        case("silence in the stream", "timeout_idle", 115, |victim| {
            victim.say([STREAM, TOKEN].concat());
            victim.hang();
        }),
        case("pings and no token", "timeout_first_token", 115, |victim| {
            victim.say(STREAM);
            victim.drip(": ping\n\n", TICK);
        }),
        case("a token, then pings", "timeout_total", 115, |victim| {
            victim.say([STREAM, TOKEN].concat());
            victim.drip(":\n\n", TICK);
        }),
        case("tokens one byte at a time", "timeout_total", 115, |victim| {
            victim.say([STREAM, TOKEN].concat());
            victim.spell(TOKEN.repeat(100), TICK);
        }),
        case("tokens without an end", "timeout_total", 115, |victim| {
            victim.say(STREAM);
            victim.drip(TOKEN, TICK);
        }),
    ];
    // Limits of seconds: what comes every 40 ms must not be late because this host is busy.
    let profile = PATIENT.replace(
        "timeout: 50s",
        "timeout: 4s, first_token_timeout: 1500ms, idle_timeout: 2s",
    );
    withstand_each(&cases, &profile, |case, run| {
        let ttft = count(&run.document, "/metrics/ttft/count");
        let has_token = case.outcome != "timeout_first_token";
        assert_eq!(ttft > 0, has_token, "{}: {ttft}", case.name);
    });
}

#[test]
fn what_is_no_answer_of_the_api_has_its_class_and_the_run_goes_on() {
    let event = |data: &str| [STREAM, TOKEN, "data: ", data, "\n\n", FINISH].concat();
    let whole = |name, outcome, text: String| {
        case(name, outcome, 115, move |victim| {
            victim.say(&text);
        })
    };
    let cases = [
        whole("words", "malformed", event("{\"choices\": nope}")),
        whole("NaN", "malformed", event("{\"choices\":[],\"usage\":NaN}")),
        whole("100,000 lists", "malformed", event(&"[".repeat(100_000))),
        whole("100,000 objects", "malformed", event(&"{\"a\":".repeat(100_000))),
        whole(
            "an error event",
            "stream_error",
            event("{\"error\":{\"message\":\"no memory\"}}"),
        ),
        whole(
            "a finish that gave up",
            "bad_finish",
            event("{\"choices\":[{\"delta\":{},\"finish_reason\":\"abort\"}]}"),
        ),
        whole("a cut stream", "truncated", [STREAM, TOKEN].concat()),
        whole(
            "a page",
            "not_streamed",
            answer("200 OK", "Content-Type: text/html\r\n", "<html>Hi</html>"),
        ),
    ];
    withstand_all(&cases, |_, _| {});
}

#[test]
fn what_looks_odd_and_can_be_read_is_an_answer() {
    let event = |data: &str| [STREAM, TOKEN, "data: ", data, "\n\n", FINISH].concat();
    let escapes = r#"{"choices":[{"delta":{"content":"\ud800"},"finish_reason":null}]}"#;
    let twice = r#"{"choices":[{"delta":{"content":"a"}}],"choices":[{"delta":{"content":"b"}}]}"#;
    let good = |name, text: String| {
        case(name, "ok", 0, move |victim| {
            victim.say(&text);
        })
    };
    withstand_all(
        &[
            good("half a pair of escapes", event(escapes)),
            good("a key twice", event(twice)),
        ],
        |_, _| {},
    );
}

#[test]
fn refusals_are_counted_by_status_and_never_tried_again() {
    let later = |value: &'static str| {
        case("429 and when to come back", "http_429", 115, move |victim| {
            let header = format!("Retry-After: {value}\r\n");
            victim.say(answer(
                "429 Too Many Requests",
                &header,
                "{\"error\":{\"message\":\"slow down\"}}",
            ));
        })
    };
    let mut cases: Vec<Case> = [
        "1",
        "-5",
        "99999999999999999999",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "soon",
    ]
    .map(later)
    .into();
    let refused = |name, outcome, status: &'static str| {
        case(name, outcome, 115, move |victim| {
            victim.say(answer(status, "", "{\"error\":{\"message\":\"Loading model\"}}"));
        })
    };
    cases.push(refused("500", "http_5xx", "500 Internal Server Error"));
    cases.push(refused("503", "http_503", "503 Service Unavailable"));
    cases.push(refused("413", "http_4xx", "413 Content Too Large"));
    withstand_all(&cases, |case, run| {
        let requests = count(&run.document, "/totals/requests");
        assert!(
            run.asked + VUS >= requests,
            "{}: {} of {requests}",
            case.name,
            run.asked
        );
    });
}

#[test]
fn floods_end_at_their_limit_in_little_memory() {
    let cases = [
        case("a head without an end", "too_large", 114, |victim| {
            victim.say("HTTP/1.1 200 OK\r\nA: ");
            victim.flood("a");
        }),
        case("fields without an end", "too_large", 114, |victim| {
            victim.say("HTTP/1.1 200 OK\r\n");
            victim.flood("A: b\r\n");
        }),
        case("interim answers without an end", "too_large", 114, |victim| {
            victim.flood("HTTP/1.1 102 Processing\r\n\r\n");
        }),
        case("a chunk extension without an end", "malformed", 115, |victim| {
            victim.say(CHUNKED);
            victim.say("1;a=");
            victim.flood("a");
        }),
        case("trailers without an end", "too_large", 115, |victim| {
            victim.say([CHUNKED, "0\r\n"].concat());
            victim.flood("A: b\r\n");
        }),
        case(
            "compressed bytes without an end",
            "unsupported_encoding",
            115,
            |victim| {
                victim.say(
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/event-stream\r\n\r\n",
                );
                victim.flood("\x1f\u{8}a");
            },
        ),
    ];
    withstand_all(&cases, |_, _| {});
    let large = [
        case("an event without an end", "too_large", 115, |victim| {
            victim.say([STREAM, "data: "].concat());
            victim.flood("a");
        }),
        case("depth without an end", "too_large", 115, |victim| {
            victim.say([STREAM, "data: "].concat());
            victim.flood("[");
        }),
    ];
    withstand_each(&large, PATIENT, |_, _| {});
}

#[test]
fn streams_of_nothing_and_streams_without_an_end_are_timeouts() {
    let endless = [
        case(
            "tiny events without an end",
            "timeout_first_token",
            115,
            |victim| {
                victim.say(STREAM);
                victim.flood("data:\n\n");
            },
        ),
        case("a comment without an end", "timeout_first_token", 115, |victim| {
            victim.say([STREAM, ":"].concat());
            victim.flood("a");
        }),
        case("comments without an end", "timeout_first_token", 115, |victim| {
            victim.say(STREAM);
            victim.flood(":\n\n");
        }),
    ];
    withstand_all(&endless, |_, _| {});
    // A peer that is kept from its CPU pauses as if it were idle, so nothing but the whole time is limited here.
    let patient = LOAD.replace(", first_token_timeout: 300ms, idle_timeout: 400ms", "");
    assert_ne!(patient, LOAD);
    let tokens = case(
        "tokens as fast as they are read",
        "timeout_total",
        115,
        |victim| {
            victim.say(STREAM);
            victim.flood(TOKEN);
        },
    );
    withstand_each(&[tokens], &patient, |_, _| {});
}

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn other_protocols_are_named() {
    let cases = [
        case("HTTP/2", "http2_only", 114, |victim| {
            victim.say(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff");
        }),
        case("TLS", "malformed", 114, |victim| {
            victim.say(b"\x15\x03\x01\0\x02\x02\x46");
        }),
        case("noise", "malformed", 114, |victim| {
            victim.say("220 mail.example.com ESMTP\r\n");
        }),
    ];
    withstand_all(&cases, |_, _| {});
}

#[test]
fn a_redirect_is_never_followed_wherever_it_leads() {
    let elsewhere = Attacker::start(Arc::new(|victim| {
        victim.say(answer("200 OK", "", "{}"));
    }));
    let other = elsewhere.address;
    let leads = |to: String| {
        case("a redirect", "redirect", 115, move |victim| {
            victim.say(answer(
                "307 Temporary Redirect",
                &format!("Location: {to}\r\n"),
                "",
            ));
        })
    };
    let nowhere = case("a redirect to nowhere", "redirect", 115, |victim| {
        victim.say(answer("302 Found", "", ""));
    });
    let cases = [
        leads(format!("http://{other}/v1/chat/completions")),
        leads(format!("https://{other}/")),
        leads("/v1/chat/completions".to_owned()),
        leads("http://169.254.169.254/latest/meta-data/".to_owned()),
        leads("file:///etc/passwd".to_owned()),
        nowhere,
    ];
    withstand_all(&cases, |_, _| {});
    // Its own end is the first connection that it gets.
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn an_answer_before_the_request_is_whole_is_read() {
    let early = |victim: &mut Victim| {
        victim.say(answer("413 Content Too Large", "", "too much"));
        // A close with bytes unread would be a reset, which may overtake the answer.
        victim.hang();
    };
    let attacker = Attacker::when(When::Begun, Arc::new(early));
    let target = format!("http://{}/v1/chat/completions", attacker.address);
    let dir = Dir::new();
    // More than the sockets of both sides hold.
    let prompt = "a".repeat(15 << 20);
    let dataset = dir.write(
        "d.jsonl",
        &format!("{{\"prompt\":\"{prompt}\",\"output_tokens\":3}}\n"),
    );
    let dataset = format!("custom:{dataset}");
    let more = ["--target", &target, "--dataset", &dataset];
    let (ended, document, _) = run_load("413", LOAD, &more);
    assert_in_order("413", &ended, &document, 0);
    let names: Vec<String> = outcomes(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["http_4xx"], "{}", ended.stdout);
}

#[test]
fn interim_answers_stand_before_the_answer() {
    withstand_all(
        &[case("100, 102 and 103", "ok", 0, |victim| {
            let interim = ["100 Continue", "102 Processing", "103 Early Hints"];
            for status in interim {
                victim.say(format!("HTTP/1.1 {status}\r\nLink: <a>\r\n\r\n"));
            }
            victim.say([STREAM, TOKEN, FINISH].concat());
        })],
        |_, run| assert_eq!(count(&run.document, "/totals/failed"), 0),
    );
}

/// The first questions go to the same server as the load, by another client of ours.
#[test]
fn who_attacks_the_first_question_ends_the_program_before_the_load() {
    let deeds: [(&str, Deed); 8] = [
        ("a reset", Arc::new(|victim| victim.reset())),
        (
            "a head without an end",
            Arc::new(|victim| {
                victim.say("HTTP/1.1 200 OK\r\nA: ");
                victim.flood("a");
            }),
        ),
        (
            "a body without an end",
            Arc::new(|victim| {
                victim.say("HTTP/1.1 200 OK\r\n\r\n[");
                victim.flood("{\"id\": 1},");
            }),
        ),
        (
            "depth without an end",
            Arc::new(|victim| {
                victim.say("HTTP/1.1 200 OK\r\n\r\n");
                victim.flood("[");
            }),
        ),
        (
            "interim answers without an end",
            Arc::new(|victim| victim.flood("HTTP/1.1 102 Processing\r\n\r\n")),
        ),
        (
            "extensions without an end",
            Arc::new(|victim| {
                victim.say([CHUNKED, "1;a="].concat());
                victim.flood("a");
            }),
        ),
        (
            "trailers without an end",
            Arc::new(|victim| {
                victim.say([CHUNKED, "0\r\n"].concat());
                victim.flood("A: b\r\n");
            }),
        ),
        (
            "compressed bytes",
            Arc::new(|victim| {
                victim.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
                victim.flood("\x1f\u{8}a");
            }),
        ),
    ];
    for (name, deed) in deeds {
        let attacker = Attacker::when(When::Asked, deed);
        let target = format!("http://{}", attacker.address);
        let mut live = Live::start(&["quick-smoke", "--target", &target]);
        let mut memory = 0;
        wait_until(name, || {
            memory = peak_memory(live.pid()).unwrap_or(0).max(memory);
            live.is_over()
        });
        let ended = live.wait();
        assert_eq!(ended.code, Some(114), "{name}: {ended:?}");
        ended.one_error(&target);
        assert!(memory < MEMORY_KIB, "{name}: held {memory} KiB");
        assert_eq!(attacker.requests(), 0, "{name}: a load was sent");
    }
}

#[test]
fn a_server_that_goes_away_is_refused_without_spinning() {
    let attacker = Attacker::start(Arc::new(|victim| {
        victim.say([STREAM, TOKEN, FINISH].concat());
    }));
    let target = format!("http://{}/v1/chat/completions", attacker.address);
    let (ended, document, memory) = std::thread::scope(|scope| {
        scope.spawn(move || {
            wait_until("requests flow", || attacker.requests() > 2 * VUS);
            drop(attacker);
        });
        run_load("a server that goes away", LOAD, &["--target", &target])
    });
    assert_in_order("a server that goes away", &ended, &document, memory);
    let refused = count(&document, "/totals/by_outcome/connect_failed");
    // Each user pauses for 50 ms after each; a run of one second has room for 20, and one more begins at its edge.
    assert!((VUS..=VUS * 21).contains(&refused), "{refused}: {}", ended.stdout);
    assert!(count(&document, "/totals/ok") > 0, "{}", ended.stdout);
}

/// Its queue has room for two; further connects get no answer.
#[test]
fn a_server_that_accepts_nobody_any_more_is_a_timeout_of_the_connect() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(1).unwrap();
    let listener: std::net::TcpListener = socket.into();
    let target = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
    // Answers questions until the load begins, and then never again.
    let (done, ends) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut chunk = [0; 4096];
            let n = std::io::Read::read(&mut stream, &mut chunk).unwrap_or(0);
            if chunk[..n].starts_with(b"POST") {
                // Nobody is accepted from here on.
                let _ = ends.recv();
                return;
            }
            let body = "{\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}";
            let _ = std::io::Write::write_all(&mut stream, answer("200 OK", "", body).as_bytes());
        }
    });
    let (ended, document, memory) = run_load("a full queue", LOAD, &["--target", &target]);
    drop(done);
    server.join().unwrap();
    assert_in_order("a full queue", &ended, &document, memory);
    let outcomes = outcomes(&document);
    let expected = ["timeout_connect", "timeout_first_token"];
    assert!(
        outcomes.iter().all(|(name, _)| expected.contains(&name.as_str())),
        "{outcomes:?}"
    );
    assert!(
        count(&document, "/totals/by_outcome/timeout_connect") > 0,
        "{outcomes:?}"
    );
    assert_eq!(ended.code, Some(114), "{ended:?}");
}
