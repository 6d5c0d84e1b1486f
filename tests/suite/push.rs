//! Pushes to a Pushgateway: what they say, how they are addressed, and gateways that fail.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::certificates::{Authority, Validity};
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, Manner};
use crate::common::live::*;
use crate::common::terminator::{Manners, Terminator};
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use rustix::process::Signal;
use rustls::version::TLS13;
use serde_json::Value;

const OK: Manner = Manner::Answers("200 OK", "");
/// More than a run of a few seconds and every limit of the pusher.
const SOON: Duration = Duration::from_secs(40);

/// Two kinds of request by four users; `more` is the rest of the document.
fn profile(dir: &Dir, duration: &str, more: &str) -> String {
    let text = format!(
        "executor: constant-vus\nvus: 4\nduration: {duration}\ngraceful_stop: 5s\nthink_time: 5ms\nmodels: [m]\n\
         prompts: [Hi]\nrequests:\n  - {{ name: stream, weight: 3, stream: true, max_tokens: 10, timeout: 5s }}\n  \
         - {{ name: plain, weight: 1, max_tokens: 10, timeout: 5s }}\n{more}"
    );
    dir.write("profile.yaml", &text)
}

/// Every second, to `url`.
fn prometheus(url: &str, more: &str) -> String {
    format!("prometheus:\n  pushgateway_url: \"{url}\"\n  push_interval_seconds: 1\n{more}")
}

struct Pushed {
    ended: Ended,
    document: Value,
}

/// Runs to the exit code `code`.
fn pushed(duration: &str, more: &str, options: &[&str], code: i32) -> Pushed {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (path, output) = (profile(&dir, duration, more), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let mut args = vec![path.as_str(), "--target", &target, "--output", &output];
    args.extend(options);
    let ended = ran(&args).expect(code);
    Pushed {
        document: document(&output),
        ended,
    }
}

#[test]
fn figures_are_pushed_every_interval_and_those_of_the_whole_run_at_the_end() {
    let gateway = Gateway::start(OK);
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Status(503), 2)], 10);
    let mock = mock(options);
    let dir = Dir::new();
    // Without a scheme, with a path of its own.
    let push = prometheus(
        &format!("{}/prefix/", gateway.address),
        "  instance_name: \"a b\"\n",
    );
    let (path, output) = (profile(&dir, "3500ms", &push), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let ended = ran(&[
        &path,
        "--target",
        &target,
        "--output",
        &output,
        "--summary",
        "full",
    ])
    .expect(0);
    let document = document(&output);
    let pushes = gateway.pushes();
    assert_eq!(document["pushes"]["sent"], pushes.len());
    assert_eq!(document["pushes"]["failed"], 0);
    assert!(pushes.len() >= 4, "{}", pushes.len());
    assert!(
        ended
            .stdout
            .contains(&format!("pushes     sent {}   failed 0", pushes.len()))
    );
    let mut requests = 0.0;
    for push in &pushes {
        assert_eq!(
            push.line,
            "PUT /prefix/metrics/job/llmload/instance/a%20b HTTP/1.1"
        );
        assert_eq!(
            push.header("Content-Type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        assert_eq!(push.header("Host"), Some(gateway.address.to_string().as_str()));
        assert_eq!(push.header("Authorization"), None);
        let read = Exposition::parse(&push.body);
        let sum: f64 = ["stream", "plain"]
            .iter()
            .map(|e| read.of("llm_requests_total", e).unwrap())
            .sum();
        assert!(sum >= requests, "a counter fell");
        requests = sum;
        assert_eq!(read.buckets("llm_latency_seconds", "stream").len(), 44);
    }
    let (last, before) = pushes.split_last().unwrap();
    assert!(
        before
            .iter()
            .all(|p| Exposition::parse(&p.body).all("llm_run_finished") == Some(0.0))
    );
    let running = Exposition::parse(&before[0].body);
    assert_eq!(running.all("llm_active_users"), Some(4.0));
    the_last_push_agrees(&Exposition::parse(&last.body), &document);
}

/// With the result document, which has milliseconds.
fn the_last_push_agrees(last: &Exposition, document: &Value) {
    assert_eq!(last.all("llm_run_finished"), Some(1.0));
    assert_eq!(last.all("llm_active_users"), Some(0.0));
    let same = |what: &str, pushed: Option<f64>, reported: &Value| {
        let (pushed, reported) = (pushed.unwrap(), reported.as_f64().unwrap());
        assert!(
            (pushed - reported).abs() < 1e-6,
            "{what}: {pushed}, reported {reported}"
        );
    };
    let seconds = |reported: &Value| Value::from(reported.as_f64().unwrap() / 1e3);
    for (name, metric) in [("client_lag", "latency"), ("ttft", "ttft")] {
        for p in ["p50", "p90", "p99"] {
            let name = format!("llm_{name}_{p}_seconds");
            same(&name, last.all(&name), &seconds(&document["metrics"][metric][p]));
            let stream = &document["kinds"]["stream"]["metrics"][metric][p];
            same(&name, last.of(&name, "stream"), &seconds(stream));
        }
    }
    let rates = &document["rates"];
    same(
        "tokens",
        last.all("llm_tokens_per_second"),
        &rates["output_tokens_per_second"],
    );
    same(
        "rate",
        last.all("llm_request_rate_per_second"),
        &rates["requests_per_second"],
    );
    same("errors", last.all("llm_error_rate"), &rates["error_rate"]);
    assert!(last.all("llm_error_rate").unwrap() > 0.1);
    // Every failure is a 503 here.
    same(
        "contention",
        last.all("llm_contention_error_rate"),
        &rates["error_rate"],
    );
    for endpoint in ["stream", "plain"] {
        let reported = &document["kinds"][endpoint];
        let metrics = &reported["metrics"];
        same(
            "tokens",
            last.of("llm_output_tokens_total", endpoint),
            &reported["totals"]["output_tokens"],
        );
        same(
            "failed",
            last.of("llm_failed_requests_total", endpoint),
            &reported["totals"]["failed"],
        );
        for metric in ["latency", "ttft", "tbt"] {
            let count = last.of(&format!("llm_{metric}_seconds_count"), endpoint);
            same(metric, count, &metrics[metric]["count"]);
        }
    }
    // Nothing answers without a stream token by token: no gauge, rather than one of nothing.
    assert_eq!(last.of("llm_ttft_p50_seconds", "plain"), None);
    assert_eq!(last.of("llm_ttft_seconds_count", "plain"), Some(0.0));
}

#[test]
fn a_password_is_sent_and_never_shown() {
    let gateway = Gateway::start(Manner::Answers(
        "401 Unauthorized",
        "no: Basic Ym9iOkNBTkFSWQ== CANARY\n",
    ));
    let mock = mock(mock_options());
    let dir = Dir::new();
    let push = prometheus(
        &gateway.address.to_string(),
        "  job_name: team/a\n  username: bob\n",
    );
    let (path, output) = (profile(&dir, "1500ms", &push), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let mut command = program();
    command
        .args([&path, "--target", &target, "--output", &output])
        .env("LLMLOAD_PUSHGATEWAY_PASSWORD", "CANARY");
    let ended = Live::spawn(&mut command).wait().expect(0);
    let pushes = gateway.pushes();
    assert_eq!(
        pushes[0].line,
        "PUT /metrics/job@base64/dGVhbS9h/instance/".to_owned() + &host() + " HTTP/1.1"
    );
    assert_eq!(pushes[0].header("Authorization"), Some("Basic Ym9iOkNBTkFSWQ=="));
    let text = std::fs::read_to_string(&output).unwrap();
    for shown in [&ended.stdout, &ended.stderr, &text] {
        assert!(
            !shown.contains("CANARY") && !shown.contains("Ym9iOkNBTkFSWQ"),
            "{shown}"
        );
    }
    let document = document(&output);
    assert_eq!(document["pushes"]["last_error"], "status 401: no: *** ***");
    assert_eq!(document["config"]["prometheus"]["password"], "redacted");
    let warnings = ended.stderr.matches("warning: Pushgateway http://").count();
    assert_eq!(
        (warnings, ended.stderr.matches("error: ").count()),
        (1, 0),
        "{}",
        ended.stderr
    );
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[test]
fn failed_pushes_give_one_warning_and_a_count() {
    let refuses = Gateway::start(Manner::Answers("400 Bad Request", "inconsistent\x1b[2J\n"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, says) in [
        (refuses.address, "status 400: inconsistent\\u{1b}[2J"),
        (closed, "connection refused"),
    ] {
        let run = pushed("2500ms", &prometheus(&address.to_string(), ""), &[], 0);
        let line = format!("warning: Pushgateway http://{address}: {says}; the run continues");
        assert_eq!(
            run.ended.stderr.matches("warning: ").count(),
            1,
            "{}",
            run.ended.stderr
        );
        assert!(
            run.ended.stderr.contains(&line),
            "`{line}` is not in: {}",
            run.ended.stderr
        );
        let pushes = &run.document["pushes"];
        // One at each second and one at the end; a busy machine may miss a second.
        let failed = pushes["failed"].as_u64().unwrap();
        assert!(pushes["sent"] == 0 && (1..=3).contains(&failed), "{pushes}");
        assert_eq!(pushes["last_error"], says);
        assert_eq!(run.document["run"]["exit_code"], 0);
        assert!(
            run.ended
                .stdout
                .contains(&format!("pushes     sent 0   failed {failed}   dropped 0"))
        );
    }
}

#[test]
fn a_required_push_that_fails_exits_112_with_the_summary_and_the_document() {
    let gateway = Gateway::start(Manner::Answers("500 Internal Server Error", "disk full"));
    let options = ["--pushgateway", &gateway.address.to_string(), "--push-required"].map(str::to_owned);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let run = pushed("1s", "", &options, 112);
    run.ended.one_error("--push-required: 1 of 1 pushes to http://");
    assert!(
        run.ended.stderr.contains("cause: status 500: disk full"),
        "{}",
        run.ended.stderr
    );
    assert!(run.ended.stdout.contains("requests   "), "{}", run.ended.stdout);
    assert_eq!(run.document["run"]["exit_code"], 112);
    assert_eq!(run.document["run"]["verdict"], "output_not_written");
}

#[test]
fn a_gateway_that_never_answers_delays_neither_the_load_nor_the_end_for_long() {
    // A reporter that other processes keep off its CPU joins rows: it has three tries to show one each second.
    let run = (0..3)
        .map(|_| {
            let gateway = Gateway::start(Manner::Silent);
            let begun = Instant::now();
            let run = pushed("4s", &prometheus(&gateway.address.to_string(), ""), &[], 0);
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
            run
        })
        .find(|run| run.document["timeline"].as_array().unwrap().len() >= 4)
        .expect("a row each second in one run of three");
    let rows = run.document["timeline"].as_array().unwrap();
    // Each second had its share of the requests.
    for row in &rows[..4] {
        let share = row["requests"].as_f64().unwrap() / run.document["totals"]["requests"].as_f64().unwrap();
        assert!(share > 0.05, "{row}");
    }
    assert!(run.document["run"]["duration_seconds"].as_f64().unwrap() < 6.0);
    let pushes = &run.document["pushes"];
    assert_eq!(pushes["sent"], 0);
    assert!(pushes["failed"].as_u64().unwrap() >= 1, "{pushes}");
    assert!(pushes["dropped"].as_u64().unwrap() >= 2, "{pushes}");
    assert!(pushes["last_error"].as_str().unwrap().contains("5 s"), "{pushes}");
}

#[test]
fn a_second_signal_does_not_wait_for_the_last_push() {
    let gateway = Gateway::start(Manner::Silent);
    let mock = mock(mock_options());
    let dir = Dir::new();
    let push = prometheus(&gateway.address.to_string(), "");
    let (path, output) = (profile(&dir, "60s", &push), dir.path("result.json"));
    let target = format!("http://{}", mock.address);
    let mut live = Live::start(&[&path, "--target", &target, "--output", &output]);
    wait_until("a push is under way", || !gateway.pushes().is_empty());
    live.signal(Signal::INT);
    live.wait_for_stderr("stopping: ");
    // No request any more for a tenth of a second: what is waited for is the gateway.
    let mut last = (0, 0);
    wait_until("the load is over", || {
        let requests = mock_requests(mock.address);
        last = if requests == last.0 {
            (requests, last.1 + 1)
        } else {
            (requests, 0)
        };
        last.1 >= 50
    });
    let second = Instant::now();
    live.signal(Signal::INT);
    let ended = live.wait().expect(105);
    assert!(
        second.elapsed() < Duration::from_secs(3),
        "{:?}",
        second.elapsed()
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    // There are 100 ms for the report: whole or absent, as after every second signal.
    if std::path::Path::new(&output).exists() {
        assert_eq!(document(&output)["run"]["stopped_by"], "signal");
        assert_eq!(document(&output)["pushes"]["sent"], 0);
    }
}

#[test]
fn an_https_gateway_is_verified_even_where_the_target_is_not() {
    let authority = Authority::new();
    let dir = Dir::new();
    let cacert = dir.write("ca.pem", &authority.pem);
    let plain = Gateway::start(OK);
    let identity = authority.sign(&["127.0.0.1"], Validity::Now);
    let front = Terminator::new(identity.server(&[&TLS13]), plain.address, Manners::default());
    let url = format!("https://{}", front.address);
    let push = prometheus(&url, "");
    let run = pushed("1200ms", &push, &["--cacert", &cacert], 0);
    assert_eq!(
        run.document["pushes"]["sent"],
        plain.pushes().len(),
        "{}",
        run.ended.stderr
    );
    let run = pushed("500ms", &push, &["--insecure"], 0);
    assert_eq!(run.document["pushes"]["sent"], 0);
    let error = run.document["pushes"]["last_error"].as_str().unwrap();
    assert!(error.starts_with("tls_failed ("), "{error}");
}

#[test]
fn mistakes_about_the_pushgateway_are_reported_before_anything_is_sent() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    for (options, part) in [
        (
            &["--pushgateway", "ftp://gw"][..],
            "--pushgateway: `ftp://gw`: the scheme is not http or https",
        ),
        (&["--push-required"], "--push-required: no Pushgateway is given"),
        (
            &["--pushgateway", "https://gw", "--cacert", "/nowhere/ca.pem"],
            "--cacert",
        ),
    ] {
        let args: Vec<&str> = ["quick-smoke", "--target", &target]
            .iter()
            .chain(options)
            .copied()
            .collect();
        ran(&args).expect(104).one_error(part);
    }
    let ended = ran(&["quick-smoke", "--pushgateway-password", "CANARY"]).expect(2);
    assert!(!ended.stderr.contains("CANARY"), "{}", ended.stderr);
    assert_eq!(get_json(mock.address, "/mock/stats")["connections"], 1);
}

/// The real one, from Debian's package `prometheus-pushgateway`.
#[test]
fn a_real_pushgateway_accepts_and_serves_every_push() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let spawned = Command::new("prometheus-pushgateway")
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = spawned else {
        skipped(
            "a_real_pushgateway_accepts_and_serves_every_push",
            "prometheus-pushgateway",
        );
        return;
    };
    let mut guard = Guard(child);
    wait_until("the Pushgateway listens", || {
        assert!(guard.0.try_wait().unwrap().is_none(), "it ended");
        std::net::TcpStream::connect(&address).is_ok()
    });
    for (instance, label) in [("\"a/b ä\"", "a/b ä"), ("\"\"", ""), ("\"..\"", "..")] {
        let push = prometheus(&address, &format!("  instance_name: {instance}\n"));
        let run = pushed("2200ms", &push, &["--push-required"], 0);
        assert_eq!(run.document["pushes"]["failed"], 0);
        // One at each second and one at the end; a busy machine may miss a second.
        assert!(run.document["pushes"]["sent"].as_u64().unwrap() >= 2);
        let shown = unchunked(&address, "/metrics");
        let line = |name: &str, labels: &str| {
            let start = format!("{name}{{{labels}instance=\"{label}\",job=\"llmload\"}} ");
            let found = shown.lines().find_map(|l| l.strip_prefix(&start));
            found
                .unwrap_or_else(|| panic!("no `{start}` in {shown}"))
                .parse::<f64>()
                .unwrap()
        };
        assert_eq!(line("llm_run_finished", ""), 1.0);
        let requests = line("llm_requests_total", "endpoint=\"stream\",");
        let reported = &run.document["kinds"]["stream"]["totals"]["requests"];
        assert_eq!(requests, reported.as_f64().unwrap());
        assert_eq!(
            line("llm_latency_seconds_count", "endpoint=\"stream\","),
            requests
        );
    }
}

/// The answer to a GET of HTTP/1.0, which has no chunks: a Pushgateway ends one within a character.
fn unchunked(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
