//! A load that ramps and is steady keeps the two apart: a server that is slow until it is warm does not show in the
//! figures of the steady part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::common::live::*;
use crate::common::*;
use serde_json::Value;

/// How long a request takes while the server is cold.
const COLD: Duration = Duration::from_millis(1_500);
/// Requests after which it is warm. The ramp makes 20.
const COLD_REQUESTS: u32 = 15;

/// Starts a server whose first answers take [`COLD`]. It ends with the test's process.
fn cold_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicU32::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, served) = (stream.unwrap(), served.clone());
            std::thread::spawn(move || serve(stream, &served));
        }
    });
    address
}

fn serve(mut stream: TcpStream, served: &AtomicU32) {
    let body = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#;
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        // A request is whole when its head and the body of that length are there.
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, rest)| {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|length| length.split("\r\n").next()?.parse().ok());
            let length: usize = length.unwrap_or(0);
            (rest.len() >= length).then_some((head.len() + 4 + length, head.starts_with("post")))
        });
        if let Some((end, is_asked_for_text)) = whole {
            read.drain(..end);
            if is_asked_for_text && served.fetch_add(1, Ordering::SeqCst) < COLD_REQUESTS {
                std::thread::sleep(COLD); // The server's own time.
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all((head + body).as_bytes()).is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend(&buffer[..n]),
        }
    }
}

/// 20 arrivals in a ramp of 1 s, then 80 in 2 s.
const SHAPE: &str = "executor: ramping-arrival-rate\nstart_rate: 0\nmax_vus: 60\n\
    stages: [{duration: 1s, target: 40}, {duration: 2s, target: 40}]\n";

fn profile(shape: &str, thresholds: &str) -> String {
    format!(
        "{shape}graceful_stop: 20s\nmodels: [m]\nprompts: [Hi]\n\
         requests:\n  - {{ name: plain, stream: false, max_tokens: 4, timeout: 60s }}\n{thresholds}"
    )
}

#[test]
fn a_cold_start_in_the_ramp_is_not_in_the_steady_percentiles() {
    let dir = Dir::new();
    let rules = "thresholds:\n  latency:\n    - p(90)<1200\n    - { threshold: p(90)<1200, steady: true }\n";
    let text = profile(SHAPE, rules);
    let (profile, output) = (dir.write("profile.yaml", &text), dir.path("result.json"));
    let target = format!("http://{}", cold_server());
    let words = [
        &profile,
        "--target",
        &target,
        "--output",
        &output,
        "--summary",
        "full",
    ];
    let more = [
        "--threshold",
        "requests{steady:true}: count==80",
        "--threshold",
        "requests{steady:true}: rate==40",
    ];
    let ended = Live::spawn(program().args(words).args(more)).wait().expect(99);
    let document = document(&output);
    let phases = &document["phases"];
    assert_eq!(
        phases["periods"].to_string(),
        r#"[{"from_seconds":1.0,"to_seconds":3.0}]"#
    );
    let (ramp, steady) = (&phases["ramp"], &phases["steady"]);
    assert_eq!(
        (&ramp["totals"]["requests"], &steady["totals"]["requests"]),
        (&20.into(), &80.into())
    );
    assert_eq!(
        (&ramp["rates"]["load_seconds"], &steady["rates"]["load_seconds"]),
        (&1.0.into(), &2.0.into())
    );
    let at = |figures: &Value, key: &str| figures["metrics"]["latency"][key].as_f64().unwrap();
    let cold = COLD.as_secs_f64() * 1e3;
    assert!(at(ramp, "p50") >= cold, "{ramp}");
    assert!(at(steady, "p90") < 1_200.0, "{steady}");
    assert!(document["metrics"]["latency"]["p90"].as_f64().unwrap() >= cold);
    let verdicts: Vec<(&str, bool)> = document["thresholds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["metric"].as_str().unwrap(), t["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("latency", false),
            ("latency{steady:true}", true),
            ("requests{steady:true}", true),
            ("requests{steady:true}", true)
        ]
    );
    assert!(ended.stdout.contains("while steady"), "{}", ended.stdout);
    assert!(steady["kinds"]["plain"]["totals"]["requests"] == 80, "{steady}");
}

#[test]
fn a_load_without_ramps_is_steady_as_a_whole() {
    let dir = Dir::new();
    let shape = "executor: constant-arrival-rate\nrate: 50\nduration: 1s\n";
    let text = profile(shape, "thresholds: { 'requests{steady:true}': count==50 }\n");
    let (profile, output) = (dir.write("profile.yaml", &text), dir.path("result.json"));
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let words = [&profile, "--target", &target, "--output", &output];
    Live::spawn(program().args(words)).wait().expect(0);
    assert!(document(&output).get("phases").is_none());
}

#[test]
fn the_steady_part_of_a_load_that_never_holds_still_is_refused_before_the_run() {
    let dir = Dir::new();
    let shape = "executor: ramping-vus\nstages: [{duration: 1s, target: 9}, {duration: 1s, target: 0}]\n";
    for (rule, place) in [
        (
            "thresholds: { latency: { threshold: p(95)<1, steady: true } }\n",
            "profile.yaml:8",
        ),
        (
            "thresholds: { 'latency{steady:true}': p(95)<1 }\n",
            "profile.yaml:8",
        ),
    ] {
        let file = dir.write("profile.yaml", &profile(shape, rule));
        let ended = ran(&[&file, "--target", "http://127.0.0.1:9"]).expect(104);
        assert!(
            ended.stderr.contains("the load is never steady"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(place), "{}", ended.stderr);
    }
    let ended = ran(&[
        "smoke",
        "--stages",
        "1s:9",
        "--threshold",
        "ttft{steady:true}: med<1",
    ])
    .expect(104);
    assert!(
        ended.stderr.contains("--threshold: the load is never steady"),
        "{}",
        ended.stderr
    );
    let ended = ran(&["smoke", "--threshold", "ttft{steady:false}: med<1"]).expect(104);
    assert!(ended.stderr.contains("write `steady:true`"), "{}", ended.stderr);
}
