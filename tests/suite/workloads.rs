//! The two documents that users bring, against mocks that speak llama.cpp's own API; their ids, their silent servers.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// A profile as it is shipped, with only its hosts and ports changed.
fn shipped(name: &str, addresses: &[SocketAddr]) -> String {
    let path = format!("{}/profiles/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut changed = text.clone();
    for (port, address) in [8080, 8081].iter().zip(addresses) {
        changed = changed.replace(&format!("127.0.0.1:{port}"), &address.to_string());
    }
    assert_eq!(text.lines().count(), changed.lines().count());
    assert!(!changed.contains(":808"), "{changed}");
    changed
}

/// A mock that closes after each stream, unannounced, as llama.cpp does.
fn llama() -> llmload_uring::mock::Mock {
    let mut options = mock_options();
    options.close_after_stream = true;
    mock(options)
}

/// The sections of the Python tool: each number a `#`, each finding of the analysis a `FINDING`.
fn shape(summary: &str) -> Vec<String> {
    let (head, _) = summary
        .split_once("=== Details ===")
        .expect("our rows come after theirs");
    let at = head
        .find("=== Test Summary ===")
        .expect("our head comes before theirs");
    let sections = &head[at..];
    let grades = ["PASS: ", "WARNING: ", "FAIL: "];
    let line = |line: &str| {
        if grades.iter().any(|grade| line.starts_with(grade)) {
            return "FINDING".to_owned();
        }
        let mut shape = String::new();
        for c in line.chars() {
            // `P50` is a name.
            let in_name = shape.ends_with('P') || shape.ends_with("P9") || shape.ends_with("P5");
            match c {
                '0'..='9' if !in_name && shape.ends_with('#') => {}
                '.' if shape.ends_with('#') => {}
                '0'..='9' if !in_name => shape.push('#'),
                c => shape.push(c),
            }
        }
        shape
    };
    sections.lines().map(line).collect()
}

const SECTIONS: &str = "\
=== Test Summary ===
Total Requests: #
Successful: #
Failed: #
Duration: #s
RPS: #
Global Throughput: # tokens/sec

=== Latency (s) ===
P50: #
P90: #
P99: #

=== TTFT (s) ===
P50: #
P90: #
P99: #

=== Automatic Analysis ===
FINDING
FINDING
FINDING
FINDING
FINDING
FINDING
FINDING
";

fn breakdown(name: &str) -> String {
    format!(
        "\n  {name}:\n    Total Requests: #\n    Successful: #\n    Failed: #\n    \
         Latency P50/P90/P99: #s / #s / #s\n    TTFT P50/P90/P99: #s / #s / #s\n    \
         Total Tokens: #\n    Throughput: # tokens/sec\n"
    )
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_document_with_one_server_runs_with_only_its_host_and_port_changed() {
    let llama = llama();
    let dir = Dir::new();
    let file = dir.write("workload.yaml", &shipped("workload", &[llama.address]));
    let results = dir.path("results");
    let words = [
        "run",
        "--config",
        &file,
        "--results-dir",
        &results,
        "--time-scale",
        "0.02",
    ];
    let ended = ran(&words).expect(0);
    assert_eq!(
        shape(&ended.stdout),
        lines(&format!("{SECTIONS}\n")),
        "{}",
        ended.stdout
    );
    let name = std::fs::read_dir(&results)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let result = document(name);
    let requests = result["totals"]["requests"].as_u64().unwrap();
    assert!(requests >= 20, "{requests}");
    assert_eq!(result["totals"]["ok"], requests);
    assert_eq!(mock_requests(llama.address), requests);
    // Ten tokens each by the server's own count, and its times beside ours.
    assert_eq!(result["totals"]["output_tokens"], requests * 10);
    for part in ["prompt", "decode"] {
        let timings = &result["server_timings"][part];
        assert_eq!(
            (&timings["stated"], &timings["compared"]),
            (&requests.into(), &requests.into()),
            "{part}"
        );
    }
    let details = result["details"].as_array().unwrap();
    assert_eq!(details.len() as u64, requests);
    for one in details {
        assert!(one["error"].is_null() && one["ttft"].is_number(), "{one}");
        assert_eq!(
            (&one["output_tokens"], &one["endpoint"]),
            (&10.into(), &"stream".into())
        );
    }
}

#[test]
fn the_document_with_two_servers_splits_each_users_requests_by_weight() {
    let mocks = [llama(), llama()];
    let at = [mocks[0].address, mocks[1].address];
    let dir = Dir::new();
    let file = dir.write("mixed_warfare.yaml", &shipped("mixed_warfare", &at));
    let output = dir.path("result.json");
    let words = ["run", "--config", &file, "--time-scale", "0.02", "-o", &output];
    let results = dir.path("results");
    let ended = ran(&[&words[..], &["--results-dir", &results]].concat()).expect(0);
    let expected = format!(
        "{SECTIONS}\n=== Per-Endpoint Breakdown ===\n{}{}\n",
        breakdown("Thinker"),
        breakdown("Flash")
    );
    assert_eq!(shape(&ended.stdout), lines(&expected), "{}", ended.stdout);
    let result = document(&output);
    let mut users: BTreeMap<u32, Vec<(u64, &str)>> = BTreeMap::new();
    for one in result["details"].as_array().unwrap() {
        let id = one["request_id"].as_str().unwrap().strip_prefix('v').unwrap();
        let (user, iteration) = id.split_once('-').unwrap();
        let of_user = users.entry(user.parse().unwrap()).or_default();
        of_user.push((iteration.parse().unwrap(), one["endpoint"].as_str().unwrap()));
    }
    assert_eq!(users.len(), 20);
    let mut counts = [0u64; 2];
    for (user, requests) in &mut users {
        requests.sort_unstable();
        let mut own = [0i64; 2];
        for (n, (iteration, endpoint)) in (0u64..).zip(requests.iter()) {
            assert_eq!(*iteration, n, "user {user}");
            own[usize::from(*endpoint == "Flash")] += 1;
            // In tenths of a request: a stretch of the turns of all users, never two of them off its share.
            let off = (own[0] * 10 - (n as i64 + 1) * 3).abs();
            assert!(off < 20, "user {user}: {own:?} after {}", n + 1);
        }
        counts = [counts[0] + own[0] as u64, counts[1] + own[1] as u64];
    }
    assert_eq!(at.map(mock_requests), counts);
    for (name, count) in ["Thinker", "Flash"].iter().zip(counts) {
        assert_eq!(result["servers"][name]["totals"]["requests"], count, "{name}");
    }
}

/// Each request's id and server.
fn shared_iterations(at: [SocketAddr; 2], cores: &str) -> BTreeMap<String, String> {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "servers:\n- {{name: Thinker, base_url: 'http://{}/completion', weight: 0.3}}\n\
         - {{name: Flash, base_url: 'http://{}/completion', weight: 0.7}}\n\
         executor: shared-iterations\nvus: 5\niterations: 90\nseed: 9\noutput: '{output}'\ndetails: true\n",
        at[0], at[1],
    );
    let file = dir.write("shared.yaml", &text);
    ran(&[&file, "--cores", cores]).expect(0);
    let result = document(&output);
    let details = result["details"].as_array().unwrap();
    assert_eq!(details.len(), 90);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let pairs = details
        .iter()
        .map(|one| (text(&one["request_id"]), text(&one["endpoint"])));
    pairs.collect()
}

#[test]
fn with_shared_iterations_an_id_means_the_same_request_in_every_run() {
    let mocks = [llama(), llama()];
    let at = [mocks[0].address, mocks[1].address];
    let one = shared_iterations(at, "1");
    let expected: Vec<String> = (0..90).map(|i| format!("i{i}")).collect();
    assert!(
        one.len() == 90 && expected.iter().all(|id| one.contains_key(id)),
        "{one:?}"
    );
    assert_eq!(at.map(mock_requests), [27, 63]);
    if llmload_uring::host::allowed_cpus().len() < 2 {
        skipped(
            "with_shared_iterations_an_id_means_the_same_request_in_every_run",
            "2 CPUs",
        );
        return;
    }
    assert_eq!(shared_iterations(at, "2"), one);
}

/// Healthy, and without a word to any completion.
fn mute() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut start = [0; 4];
            if stream.read_exact(&mut start).is_ok() && &start == b"GET " {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
            }
        }
    });
    address
}

#[test]
fn one_of_several_servers_that_never_answers_is_named_and_exits_114() {
    let (llama, mute) = (llama(), mute());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "servers:\n- {{name: Thinker, base_url: 'http://{mute}/completion', weight: 1}}\n\
         - {{name: Flash, base_url: 'http://{}/completion', weight: 1}}\n\
         executor: shared-iterations\nvus: 2\niterations: 40\noutput: '{output}'\n",
        llama.address,
    );
    let file = dir.write("mute.yaml", &text);
    let ended = ran(&[&file]).expect(114);
    ended.one_error(&format!(
        "server `Thinker`, http://{mute}: no response during the whole run"
    ));
    // What the other one said is there all the same.
    let result = document(&output);
    assert_eq!(
        (&result["totals"]["ok"], &result["totals"]["failed"]),
        (&20.into(), &20.into())
    );
    assert_eq!(result["run"]["exit_code"], 114);
    assert!(
        ended.stdout.contains("=== Per-Endpoint Breakdown ==="),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_path_of_another_api_is_refused_at_its_line_with_the_other_mistakes() {
    let dir = Dir::new();
    let text = "server:\n  base_url: http://127.0.0.1:8080/v1/audio/speech\nworkload:\n  users: 0\n  duration_seconds: 1\n";
    let file = dir.write("speech.yaml", text);
    let ended = ran(&["run", "--config", &file]).expect(104);
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|l| l.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 2, "{}", ended.stderr);
    let what = "`server.base_url`: path `/v1/audio/speech`: the API `/audio/speech` is not supported";
    assert!(
        errors[0].starts_with(&format!("error: {file}:2: {what}")),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].starts_with(&format!("error: {file}:4: ")),
        "{}",
        errors[1]
    );
}

#[test]
fn a_document_that_validates_asks_each_server_in_its_own_api() {
    let mocks = [llama(), llama()];
    let at = [mocks[0].address, mocks[1].address];
    let dir = Dir::new();
    let text = format!(
        "servers:\n- {{name: Thinker, base_url: 'http://{}/completion'}}\n\
         - {{name: Flash, base_url: 'http://{}/v1/completions'}}\n\
         executor: shared-iterations\nvus: 1\niterations: 2\nvalidate: true\n",
        at[0], at[1],
    );
    let file = dir.write("validate.yaml", &text);
    let ended = ran(&[&file]).expect(0);
    let asked: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("validation: "))
        .collect();
    let tokens = "10 token events, finished, usage 10 tokens";
    let expected = [
        "server `Thinker`, validation: GET /health: 200".to_owned(),
        "server `Thinker`, validation: POST /completion: 200, finished, 10 tokens".to_owned(),
        format!("server `Thinker`, validation: POST /completion streaming: 200, {tokens}"),
        "server `Flash`, validation: GET /health: 200".to_owned(),
        "server `Flash`, validation: GET /v1/models: 200, models 1".to_owned(),
        "server `Flash`, validation: POST /v1/completions: 200, finished, 10 tokens".to_owned(),
        format!("server `Flash`, validation: POST /v1/completions streaming: 200, {tokens}"),
    ];
    assert_eq!(asked, expected, "{}", ended.stderr);
    // A server of chat alone has no such path.
    let wrong = text.replace("/v1/completions", "/v2/completions");
    let wrong = dir.write("wrong.yaml", &wrong);
    let ended = ran(&[&wrong]).expect(114);
    ended.one_error(&format!(
        "server `Flash`: validation: POST http://{}/v2/completions: status 404",
        at[1]
    ));
}

#[test]
fn a_summary_that_cannot_be_printed_is_112_and_the_document_is_written() {
    let llama = llama();
    let dir = Dir::new();
    let file = dir.write("workload.yaml", &shipped("workload", &[llama.address]));
    let results = dir.path("results");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let words = [
        "run",
        "--config",
        &file,
        "-d",
        "300ms",
        "--vus",
        "1",
        "--results-dir",
        &results,
    ];
    let output = program().args(words).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(112));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("error: standard output: cannot write: No space left"),
        "{errors}"
    );
    let name = std::fs::read_dir(&results)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert!(document(name)["totals"]["ok"].as_u64() > Some(0));
}

#[test]
fn tls_options_without_effect_on_a_plain_target_are_noted() {
    let llama = llama();
    let dir = Dir::new();
    let file = dir.write("workload.yaml", &shipped("workload", &[llama.address]));
    for (words, given, other) in [
        (&["--cacert", "/no/such.pem"][..], "--cacert", "--insecure"),
        (&["--insecure"], "--insecure", "--cacert"),
    ] {
        let run = ["run", &file, "-d", "100ms", "--vus", "1"];
        let ended = ran(&[&run[..], words].concat()).expect(0);
        let note = format!(
            "http://{}: {given} has no effect, because the target is plain http",
            llama.address
        );
        assert!(ended.stderr.contains(&note), "{}", ended.stderr);
        assert!(!ended.stderr.contains(other), "{}", ended.stderr);
    }
}

#[test]
fn the_same_seed_sends_the_same_bodies_from_any_number_of_cores_and_shards() {
    let dir = Dir::new();
    let digest_of = |more: &[&[&str]]| {
        let llama = llama();
        let text = format!(
            "server: {{base_url: 'http://{}/completion', model_alias: m}}\nexecutor: per-vu-iterations\nvus: 5\n\
             iterations: 6\nseed: 42\nprompts: {{min_tokens: 10, max_tokens: 60, prefix: 'Sum up: '}}\n",
            llama.address
        );
        let file = dir.write("p.yaml", &text);
        for more in more {
            ran(&[&[file.as_str()], *more].concat()).expect(0);
        }
        assert_eq!(mock_requests(llama.address), 30);
        get_json(llama.address, "/mock/stats")["bodies_digest"].clone()
    };
    let one = digest_of(&[&["--cores", "1"]]);
    assert!(one.is_string() || one.is_number(), "{one}");
    assert_eq!(one, digest_of(&[&["--cores", "2"]]));
    assert_eq!(one, digest_of(&[&["--shard", "1/2"], &["--shard", "2/2"]]));
    assert_eq!(
        one,
        digest_of(&[
            &["--shard", "1/3"],
            &["--shard", "2/3"],
            &["--shard", "3/3", "--cores", "2"]
        ])
    );
    assert_ne!(one, digest_of(&[&["--seed", "43"]]));
}

#[test]
fn the_clients_timeout_ends_requests_and_none_is_sent_again() {
    let mut options = mock_options();
    options.faults = faults(&[(Fault::Hang, 1)], 4);
    options.close_after_stream = true;
    let llama = mock(options);
    let dir = Dir::new();
    let output = dir.path("r.json");
    let text = format!(
        "server: {{base_url: 'http://{}/completion', model_alias: null}}\nexecutor: shared-iterations\nvus: 4\n\
         iterations: 8\nprompts: {{min_tokens: 10, max_tokens: 60}}\nprometheus: {{enabled: False, username: null}}\n\
         client: {{timeout_seconds: 0.3, connect_timeout: 0.2, retries: 5, backoff_factor: 2.0}}\n",
        llama.address
    );
    let file = dir.write("p.yaml", &text);
    let ended = ran(&[&file, "--output", &output]);
    assert!(
        ended
            .stderr
            .contains("p.yaml:7: `client.retries` and `backoff_factor` are not carried over"),
        "{}",
        ended.stderr
    );
    let result = document(&output);
    assert_eq!(result["totals"]["requests"], 8, "{result:#}");
    assert_eq!(result["totals"]["ok"], 6);
    assert_eq!(mock_requests(llama.address), 8);
    assert_eq!(result["config"]["requests"][0]["timeout"], "300ms");
    assert_eq!(result["config"]["requests"][0]["connect_timeout"], "200ms");
}

#[test]
fn prompts_of_a_json_list_are_asked_one_by_one() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let bodies = |name: &str, prompts: &str| {
        let prompts = dir.write(name, prompts);
        let text = format!(
            "server: {{base_url: 'http://{}/v1/chat/completions', model_alias: m}}\nexecutor: shared-iterations\n\
             iterations: 12\nprompts: {{file: '{prompts}', max_tokens: 5}}\n",
            mock.address
        );
        let file = dir.write("p.yaml", &text);
        ran(&[&file, "--quiet"])
    };
    let digest = || get_json(mock.address, "/mock/stats")["bodies_digest"].clone();
    let before = digest();
    bodies(
        "list.json",
        "[\n\"What is a bridge?\",\n{\"prompt\": \"What is a tunnel?\"}\n]\n",
    )
    .expect(0);
    let of_list = digest();
    assert_ne!(before, of_list);
    let talk = "[\n[{\"role\": \"user\", \"content\": \"Hi\"}]\n]\n";
    bodies("talk.json", talk)
        .expect(104)
        .one_error("talk.json:2: entry 1: a list, neither a string nor an object");
    assert_eq!(digest(), of_list, "nothing was sent");
    assert_eq!(mock_requests(mock.address), 12);
}
