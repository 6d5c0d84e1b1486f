//! How long a server goes on with requests that were cancelled, by what it shows itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::capacity::{Capacity, CapacityOptions};
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::prometheus::{Line, lines};
use llmload_uring::scrape::held;
use llmload_uring::units::{MILLISECOND, MINUTE, Nanos};
use serde_json::{Value, json};

/// Answers to `GET /metrics`: how many samples and types they have, and the gauge of running requests.
const SHOWN: [(&str, usize, usize, &str); 2] = [
    ("vllm/metrics.raw", 522, 92, "vllm:num_requests_running"),
    ("llamacpp/get_metrics.raw", 15, 15, "llamacpp:requests_processing"),
];

/// About 120 streams, of which a half is cut at the third of ten tokens.
const LOAD: &str = "\
executor: constant-arrival-rate
rate: 60
duration: 2s
max_vus: 128
seed: 7
models: [m]
prompts: { prompt_tokens: 10 }
requests:
  - { name: chat, stream: true, max_tokens: 10, timeout: 20s, cancel: { share: 50%, after_tokens: 3 } }
";

/// A server that notices after `goes_on` that a client has gone.
fn server(goes_on: Nanos) -> Mock {
    let options = CapacityOptions {
        goes_on,
        ..CapacityOptions::default()
    };
    mock(MockOptions {
        ttft: 2 * MILLISECOND,
        gap: 10 * MILLISECOND,
        capacity: Arc::new(Capacity::new(options)),
        ..mock_options()
    })
}

/// Runs the load with more arguments. Returns the document and what was printed.
fn cancelled(address: SocketAddr, more: &[&str]) -> (Value, String) {
    let dir = Dir::new();
    let (file, output) = (dir.write("c.yaml", LOAD), dir.path("r.json"));
    let target = format!("http://{address}");
    let ended = ran(&[&[&file, "--target", &target, "-o", &output], more].concat()).expect(0);
    (document(&output), ended.stdout)
}

#[test]
fn the_time_for_which_slots_are_held_is_the_servers() {
    let goes_on = 400.0;
    let late = server(400 * MILLISECOND);
    let (found, stdout) = cancelled(late.address, &[]);
    let slots = &found["slot_free"][0];
    let cut = found["totals"]["cancelled"].as_u64().unwrap();
    assert!(cut > 50, "{found}");
    assert_eq!(
        (&slots["cut"], &slots["still_held"]),
        (&json!(cut), &json!(0)),
        "{slots}"
    );
    let figure = |key: &str| slots[key].as_f64().unwrap();
    // A busy machine makes everything take longer, never shorter.
    assert!(
        figure("mean_at_most") + 2.0 * figure("error") >= goes_on,
        "{slots}"
    );
    assert!(figure("mean") <= figure("mean_at_most"), "{slots}");
    assert_eq!(
        slots["gauges"],
        json!(["mock:requests_running", "mock:requests_waiting"])
    );
    assert!(stdout.contains("slot free"), "{stdout}");
    assert!(stdout.contains(&format!("mean of {cut} requests")), "{stdout}");
}

#[test]
fn a_slot_that_never_becomes_free_is_still_held() {
    let stubborn = server(10 * MINUTE);
    let (found, stdout) = cancelled(stubborn.address, &[]);
    let slots = &found["slot_free"][0];
    let cut = &found["totals"]["cancelled"];
    assert_eq!((&slots["cut"], &slots["still_held"]), (cut, cut), "{slots}");
    assert!(
        stdout.contains(&format!("{cut} still held at the end")),
        "{stdout}"
    );
}

#[test]
fn a_server_that_others_use_or_that_shows_nothing_is_not_judged() {
    let shared = mock(MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    });
    // Somebody else's request stays in flight for all of the run.
    let mut other = TcpStream::connect(shared.address).unwrap();
    let body = r#"{"messages":[],"stream":true}"#;
    write!(
        other,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    other.read_exact(&mut [0; 12]).unwrap();
    let (found, stdout) = cancelled(
        shared.address,
        &["--cancel", "100% after 20ms", "--summary", "full"],
    );
    let slots = &found["slot_free"][0];
    assert_eq!(slots["mean"], Value::Null);
    let why = slots["not_judged"].as_str().unwrap();
    assert!(why.contains("held 1 requests before the load"), "{why}");
    assert!(
        stdout.contains("slot free") && stdout.contains("not judged"),
        "{stdout}"
    );
}

#[test]
fn shards_say_that_they_cannot_judge_and_so_does_what_they_are_merged_into() {
    let dir = Dir::new();
    let mock = server(0);
    let (file, target) = (dir.write("c.yaml", LOAD), format!("http://{}", mock.address));
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", &shard[..1]));
        ran(&[&file, "--target", &target, "-o", &output, "--shard", shard]).expect(0);
        output
    });
    let merged = dir.path("merged.json");
    ran(&["merge", &parts[0], &parts[1], "-o", &merged]).expect(0);
    for name in [&parts[0], &merged] {
        let slots = &document(name)["slot_free"][0];
        assert_eq!(slots["mean"], Value::Null, "{slots}");
        assert!(
            slots["not_judged"]
                .as_str()
                .unwrap()
                .contains("several processes"),
            "{slots}"
        );
    }
}

#[test]
fn a_load_that_cancels_nothing_asks_for_no_metrics() {
    let recording = mock(MockOptions {
        record: 100,
        ..mock_options()
    });
    let (found, _) = cancelled(recording.address, &["--cancel", "none"]);
    assert_eq!(found["slot_free"], Value::Null);
}

/// What real servers show is read line by line, and their gauges are known.
#[test]
fn the_metrics_of_real_servers_are_read() {
    let name = "the_metrics_of_real_servers_are_read";
    for (file, samples, types, running) in SHOWN {
        let Some(path) = shared_material(name, &format!("wire-samples/{file}")) else {
            return;
        };
        let answer = std::fs::read(path).unwrap();
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = &answer[head + 4..];
        let all: Vec<Line<'_>> = lines(body).map(Result::unwrap).collect();
        let of_samples = all.iter().filter(|line| matches!(line, Line::Sample(_))).count();
        assert_eq!((of_samples, all.len() - of_samples), (samples, types), "{file}");
        let found = held(body).unwrap();
        assert_eq!((found.gauges.running, found.all()), (running, 0.0), "{file}");
    }
}
