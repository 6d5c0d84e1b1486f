//! `--metrics-listen`: what a scraper gets, for how long, and what hostile ones cost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::exposition::Exposition;
use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use rustix::process::Signal;

/// What Prometheus 2.42 sends.
const PROMETHEUS: &str = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                          version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\
                          X-Prometheus-Scrape-Timeout-Seconds: 10\r\nUser-Agent: Prometheus/2.42.0\r\n";
/// Longer than any run here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two kinds of request by four users.
fn profile(dir: &Dir, duration: &str, more: &str) -> String {
    let text = format!(
        "executor: constant-vus\nvus: 4\nduration: {duration}\ngraceful_stop: 5s\nthink_time: 5ms\nmodels: [m]\n\
         prompts: [Hi]\nrequests:\n  - {{ name: stream, weight: 3, stream: true, max_tokens: 10, timeout: 5s }}\n  \
         - {{ name: plain, weight: 1, max_tokens: 10, timeout: 5s }}\n{more}"
    );
    dir.write("profile.yaml", &text)
}

/// A run that is scraped, and where.
fn scraped(profile: &str, target: SocketAddr, more: &[&str]) -> (Live, SocketAddr) {
    let target = format!("http://{target}");
    let mut args = vec![profile, "--target", &target, "--metrics-listen", "127.0.0.1:0"];
    args.extend(more);
    let mut live = Live::start(&args);
    live.wait_for_stderr("/metrics\n");
    let stderr = live.stderr();
    let after = stderr.split_once("metrics http://").unwrap().1;
    let address = after.split_once('/').unwrap().0.parse().unwrap();
    (live, address)
}

/// Head and body of the answer to a request.
fn exchange(address: SocketAddr, line: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The figures, as the older format has them.
fn figures(address: SocketAddr) -> Exposition {
    let (head, body) = exchange(address, "GET /metrics", "");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "),
        "{head}"
    );
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
        "{head}"
    );
    Exposition::parse(&body)
}

fn requests(figures: &Exposition) -> f64 {
    ["stream", "plain"]
        .iter()
        .map(|endpoint| figures.of("llm_requests_total", endpoint).unwrap())
        .sum()
}

#[test]
fn a_run_is_scraped_from_before_its_first_request_until_after_its_last() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Status(503), 2)], 10);
    let mock = mock(options);
    let dir = Dir::new();
    let (path, output) = (profile(&dir, "2500ms", ""), dir.path("result.json"));
    let more = [
        "--output",
        &output,
        "--metrics-linger",
        "10m",
        "--warmup",
        "500ms",
    ];
    let (mut live, address) = scraped(&path, mock.address, &more);
    // The warm-up takes longer than this.
    let first = figures(address);
    assert_eq!(
        (requests(&first), first.all("llm_run_finished")),
        (0.0, Some(0.0))
    );
    assert_eq!(first.of("llm_ttft_seconds_count", "stream"), Some(0.0));
    let mut before = 0.0;
    wait_until("requests are counted during the run", || {
        let now = figures(address);
        assert!(requests(&now) >= before, "a counter fell");
        before = requests(&now);
        now.all("llm_run_finished") == Some(0.0) && before > 0.0 && now.all("llm_active_users") == Some(4.0)
    });
    live.wait_for_stderr("goes on answering 10m; Ctrl-C ends it");
    let last = figures(address);
    let document = document(&output);
    assert_eq!(last.all("llm_run_finished"), Some(1.0));
    assert_eq!(requests(&last), document["totals"]["requests"].as_f64().unwrap());
    let p99 = document["metrics"]["ttft"]["p99"].as_f64().unwrap() / 1e3;
    assert!((last.all("llm_ttft_p99_seconds").unwrap() - p99).abs() < 1e-6);
    let refused =
        [("endpoint", "stream"), ("outcome", "http_503")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let refused = last.samples[&("llm_errors_total".to_owned(), refused.to_vec())];
    assert_eq!(Some(refused), last.of("llm_failed_requests_total", "stream"));
    assert!(refused > 0.0);
    assert!(
        live.stdout().contains("requests"),
        "the summary comes before the wait"
    );
    live.signal(Signal::INT);
    let ended = live.wait().expect(0);
    assert!(!ended.stderr.contains("stopping"), "{}", ended.stderr);
}

#[test]
fn each_scraper_gets_the_format_that_it_asks_for_and_other_requests_are_refused() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let path = profile(&dir, "20s", "");
    let (live, address) = scraped(&path, mock.address, &[]);
    let (head, body) = exchange(address, "GET /metrics", PROMETHEUS);
    assert!(
        head.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(body.ends_with("\n# EOF\n"));
    assert!(body.contains("# TYPE llm_requests counter\n") && body.contains("\nllm_requests_total{"));
    let (head, nothing) = exchange(address, "HEAD /metrics", PROMETHEUS);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"));
    assert!(!head.contains("\r\nContent-Length: 0\r\n"), "{head}");
    assert_eq!(nothing, "");
    for (line, status) in [
        ("GET /", "404 "),
        ("GET /metrics/x", "404 "),
        ("POST /metrics", "405 "),
        ("GET /metrics HTTP/9.9\r\nX: ", "400 "),
    ] {
        let (head, body) = exchange(address, line, "Content-Length: 3\r\n\r\nabc");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {head}");
        assert!(!body.is_empty(), "{line}");
    }
    live.signal(Signal::INT);
    // No Prometheus-like scraper is known to come again for the last figures: the one above has gone, but it has asked.
    live.signal(Signal::INT);
    live.wait().expect(105);
}

#[test]
fn a_run_that_prometheus_has_scraped_waits_until_its_last_figures_have_been_read() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let path = profile(&dir, "1500ms", "");
    let (mut live, address) = scraped(&path, mock.address, &[]);
    exchange(address, "GET /metrics", PROMETHEUS);
    live.wait_for_stderr("goes on answering until Prometheus has read the last figures, at most 1m;");
    // Somebody else's look does not count.
    assert_eq!(figures(address).all("llm_run_finished"), Some(1.0));
    let (_, body) = exchange(address, "GET /metrics", PROMETHEUS);
    assert!(body.contains("\nllm_run_finished 1\n"), "{body}");
    live.wait().expect(0);
    // Whoever only looks is not waited for.
    let (live, address) = scraped(&path, mock.address, &["--quiet"]);
    figures(address);
    let ended = live.wait().expect(0);
    assert!(!ended.stderr.contains("goes on"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn scrapers_that_say_nothing_or_read_nothing_keep_nobody_from_the_figures() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (path, output) = (profile(&dir, "4s", ""), dir.path("result.json"));
    let (live, address) = scraped(&path, mock.address, &["--output", &output]);
    let mut held = Vec::new();
    for i in 0..200 {
        let mut stream = TcpStream::connect(address).unwrap();
        let part = match i % 4 {
            0 => "",
            1 => "GET /metrics HTTP/1.1\r\nA: b\r\n",
            2 => "GET /metrics HTTP/1.1\r\n\r\n",
            _ => "\u{0}\u{1}nonsense",
        };
        // It may have been closed to make room.
        let _ = stream.write_all(part.as_bytes());
        held.push(stream);
        if i % 10 == 0 {
            figures(address);
        }
    }
    assert!(requests(&figures(address)) >= 0.0);
    live.wait().expect(0);
    assert_eq!(document(&output)["totals"]["failed"], 0);
}

#[test]
fn an_address_that_cannot_or_must_not_be_listened_on_is_refused_before_anything_is_sent() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let path = profile(&dir, "1s", "");
    let target = format!("http://{}", mock.address);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    for (options, code, part) in [
        (
            &["--metrics-listen", &busy][..],
            111,
            "Address already in use (os error 98)",
        ),
        (
            &["--metrics-listen", "0.0.0.0:9464"],
            104,
            "is not a loopback address: other hosts could read the figures",
        ),
        (
            &["--metrics-listen", "127.0.0.1"],
            2,
            "is not an IP address with a port",
        ),
        (
            &["--metrics-listen", "127.0.0.1:70000"],
            104,
            "above the limit of 65535",
        ),
        (
            &["--metrics-linger", "1s"],
            104,
            "has no effect without `--metrics-listen`",
        ),
        (
            &["--metrics-listen-any"],
            104,
            "has no effect without `--metrics-listen`",
        ),
        (
            &["--metrics-listen", &busy, "--metrics-linger", "2h"],
            104,
            "limit",
        ),
        (
            &["--metrics-listen", &busy, "--metrics-linger", "soon"],
            2,
            "soon",
        ),
    ] {
        let mut args = vec![path.as_str(), "--target", &target];
        args.extend(options);
        ran(&args).expect(code).one_error(part);
    }
    let args = [
        "find-limit",
        &path,
        "--target",
        &target,
        "--slo",
        "failed: rate<0.1",
    ];
    let listens = ["--metrics-listen", "127.0.0.1:0"];
    ran(&[&args[..], &listens].concat())
        .expect(104)
        .one_error("--metrics-listen: does not go with `find-limit`");
    assert_eq!(get_json(mock.address, "/mock/stats")["requests"], 0);
}

#[test]
fn other_hosts_may_be_let_in_and_a_shard_says_which_it_is() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (path, target) = (profile(&dir, "20s", ""), format!("http://{}", mock.address));
    let listens = [
        "--metrics-listen",
        "0.0.0.0:0",
        "--metrics-listen-any",
        "--shard",
        "1/2",
    ];
    let mut live = Live::start(&[&[path.as_str(), "--target", &target][..], &listens].concat());
    live.wait_for_stderr("metrics http://0.0.0.0:");
    live.wait_for_stderr("/metrics\n");
    let stderr = live.stderr();
    let port = stderr
        .split_once("http://0.0.0.0:")
        .unwrap()
        .1
        .split_once('/')
        .unwrap()
        .0;
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let shown = figures(address);
    let (_, labels) = shown
        .samples
        .keys()
        .find(|(name, _)| name == "llm_run_info")
        .unwrap();
    assert!(
        labels.contains(&("shard".to_owned(), "1/2".to_owned())),
        "{labels:?}"
    );
    live.signal(Signal::INT);
    live.signal(Signal::INT);
    live.wait();
}

#[test]
fn counts_go_on_over_repetitions() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (path, output) = (profile(&dir, "1200ms", ""), dir.path("result.json"));
    let more = ["--repeat", "3", "--output", &output, "--metrics-linger", "10m"];
    let (mut live, address) = scraped(&path, mock.address, &more);
    let mut before = 0.0;
    wait_until("the run is over", || {
        let now = figures(address);
        assert!(requests(&now) >= before, "a counter fell");
        before = requests(&now);
        now.all("llm_run_finished") == Some(1.0)
    });
    live.wait_for_stderr("goes on answering 10m;");
    assert_eq!(before, document(&output)["totals"]["requests"].as_f64().unwrap());
    live.signal(Signal::TERM);
    live.wait().expect(0);
}

/// A real Prometheus, from Debian's package `prometheus`, that scrapes an address every second; `None` without one.
fn prometheus(dir: &Dir, scrapes: SocketAddr) -> Option<(Guard, SocketAddr)> {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = SocketAddr::from(([127, 0, 0, 1], port));
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: llmload\n    static_configs: [{{ targets: \
         [\"{scrapes}\"] }}]\n"
    );
    let spawned = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.write("prometheus.yml", &config)))
        .arg(format!("--storage.tsdb.path={}", dir.path("data")))
        .arg(format!("--web.listen-address={url}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut guard = Guard(spawned.ok()?);
    wait_until(
        "Prometheus is ready, which it is not as soon as it listens",
        || {
            assert!(guard.0.try_wait().unwrap().is_none(), "Prometheus ended");
            let listens = TcpStream::connect(url).is_ok();
            listens
                && exchange(url, "GET /-/ready", "Connection: close\r\n")
                    .0
                    .starts_with("HTTP/1.1 200")
        },
    );
    Some((guard, url))
}

#[test]
fn a_real_prometheus_scrapes_a_run_to_its_last_figures() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (path, output) = (profile(&dir, "60s", ""), dir.path("result.json"));
    let (live, address) = scraped(&path, mock.address, &["--output", &output]);
    let Some((_guard, url)) = prometheus(&dir, address) else {
        skipped(
            "a_real_prometheus_scrapes_a_run_to_its_last_figures",
            "prometheus",
        );
        return;
    };
    let count = |query: &str| {
        let answer = get_json(url, &format!("/api/v1/query?query={query}"));
        answer["data"]["result"][0]["value"][1]
            .as_str()
            .map(str::to_owned)
    };
    wait_until("a scrape is stored", || {
        let counted = count("sum(llm_requests_total)");
        counted.is_some_and(|n| n != "0")
    });
    live.signal(Signal::INT);
    let ended = live.wait().expect(105);
    assert!(
        ended
            .stderr
            .contains("until Prometheus has read the last figures"),
        "{}",
        ended.stderr
    );
    let totals = &document(&output)["totals"];
    let requests = totals["ok"].as_u64().unwrap() + totals["failed"].as_u64().unwrap();
    wait_until("the last scrape is stored", || {
        count("sum(last_over_time(llm_requests_total[1m]))") == Some(requests.to_string())
    });
    let observed = count("sum(last_over_time(llm_latency_seconds_bucket%7Ble=%22%2BInf%22%7D[1m]))");
    assert_eq!(observed, Some(requests.to_string()));
    // In the older format the metric would be described by its whole name.
    let described = get_json(url, "/api/v1/metadata?metric=llm_requests");
    assert_eq!(
        described["data"]["llm_requests"][0]["type"], "counter",
        "{described}"
    );
}
