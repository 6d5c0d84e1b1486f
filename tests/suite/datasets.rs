//! Prompts from datasets: what the server receives is what the file has.

use crate::common::gateway::{Gateway, Manner, Push};
use crate::common::live::*;
use crate::common::*;
use serde_json::Value;

/// A server that keeps what it receives, and answers every question as a chat.
fn keeping() -> Gateway {
    Gateway::start(Manner::Answers(
        "200 OK\r\nContent-Type: application/json",
        r#"{"object":"list","data":[{"id":"m"}],"choices":[{"index":0,"finish_reason":"stop","text":"x","message":
        {"role":"assistant","content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
    ))
}

/// The completions that a server received, in their order.
fn posts(server: &Gateway) -> Vec<Push> {
    let all = server.pushes();
    all.into_iter()
        .filter(|request| request.line.starts_with("POST"))
        .collect()
}

/// Their bodies.
fn bodies(server: &Gateway) -> Vec<Value> {
    let all = posts(server);
    all.iter()
        .map(|request| serde_json::from_str(&request.body).unwrap())
        .collect()
}

/// A profile with one kind of request and nothing else to ask the server for.
const PROFILE: &str = "executor: constant-vus\nvus: 1\nduration: 20s\nmodels: [m]\nrequests: [{ name: a, max_tokens: 7, prompts: [x] }]\n";

fn prompts(count: usize) -> String {
    (0..count)
        .map(|i| format!("{{\"prompt\":\"prompt {i}\",\"output_tokens\":{}}}\n", i % 3 + 1))
        .collect()
}

/// The number in `prompt 17`.
fn number(body: &Value) -> usize {
    let text = body["messages"][0]["content"].as_str().unwrap();
    text.strip_prefix("prompt ").unwrap().parse().unwrap()
}

/// Runs a profile against a target with the rows of a dataset.
fn ran_rows(profile: &str, target: &str, dataset: &str, more: &[&str]) -> Ended {
    ran(&[&[profile, "--target", target, "--dataset", dataset], more].concat())
}

/// The numbers of all prompts that a server received, in ascending order.
fn numbers(server: &Gateway) -> Vec<usize> {
    let mut numbers: Vec<usize> = bodies(server).iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn each_row_is_sent_once_in_order_with_its_own_length() {
    let (dir, mock) = (Dir::new(), keeping());
    let profile = dir.write("p.yaml", PROFILE);
    let dataset = format!("custom:{}", dir.write("d.jsonl", &prompts(30)));
    let target = format!("http://{}", mock.address);
    let ended = ran_rows(&profile, &target, &dataset, &["-i", "30"]).expect(0);
    assert!(
        ended.stderr.contains("30 rows, vLLM's own prompts"),
        "{}",
        ended.stderr
    );
    let bodies = bodies(&mock);
    let expected: Vec<Value> = (0..30)
        .map(|i| {
            serde_json::json!({
                "model": "m",
                "messages": [{"role": "user", "content": format!("prompt {i}")}],
                "max_tokens": i % 3 + 1,
                "stream": false,
            })
        })
        .collect();
    assert_eq!(bodies, expected);
}

#[test]
fn an_option_for_the_length_and_the_model_wins_over_rows() {
    let (dir, mock) = (Dir::new(), keeping());
    let profile = dir.write("p.yaml", PROFILE);
    let text = "{\"payload\":{\"model\":\"own\",\"messages\":[],\"max_tokens\":3,\"seed\":1}}\n";
    let dataset = format!("raw:{}", dir.write("d.jsonl", text));
    let target = format!("http://{}", mock.address);
    let one = ["-i", "1", "-u", "1"];
    ran_rows(&profile, &target, &dataset, &one).expect(0);
    let other = [&one[..], &["--max-tokens", "9", "--model", "m"]].concat();
    ran_rows(&profile, &target, &dataset, &other).expect(0);
    let bodies: Vec<String> = bodies(&mock).iter().map(Value::to_string).collect();
    assert_eq!(
        bodies,
        [
            r#"{"max_tokens":3,"messages":[],"model":"own","seed":1,"stream":false}"#,
            r#"{"max_tokens":9,"messages":[],"model":"m","seed":1,"stream":false}"#
        ]
    );
}

#[test]
fn shuffled_rows_are_sent_once_each_over_users_cores_and_shards() {
    let dir = Dir::new();
    let profile = dir.write(
        "p.yaml",
        &PROFILE
            .replace("constant-vus", "per-vu-iterations\niterations: 6")
            .replace("duration", "max_duration"),
    );
    let dataset = format!("custom:{}", dir.write("d.jsonl", &prompts(60)));
    let run = |sample: &str, more: &[&[&str]]| -> Vec<usize> {
        let mock = keeping();
        let target = format!("http://{}", mock.address);
        for own in more {
            let load = [&["--dataset-sample", sample, "-u", "10"], *own].concat();
            ran_rows(&profile, &target, &dataset, &load).expect(0);
        }
        numbers(&mock)
    };
    let all: Vec<usize> = (0..60).collect();
    for sample in ["sequential", "shuffle"] {
        assert_eq!(run(sample, &[&["--cores", "1"]]), all, "{sample}");
        assert_eq!(run(sample, &[&["--cores", "2"]]), all, "{sample}");
        assert_eq!(
            run(
                sample,
                &[&["--shard", "1/3"], &["--shard", "2/3"], &["--shard", "3/3"]]
            ),
            all,
            "{sample}"
        );
    }
    let random = run("random", &[&["--cores", "1"]]);
    assert_ne!(random, all, "with replacement");
    assert_eq!(run("random", &[&["--shard", "1/2"], &["--shard", "2/2"]]), random);
}

#[test]
fn rows_of_a_rate_are_the_same_over_shards() {
    let dir = Dir::new();
    let profile = dir.write("p.yaml", PROFILE);
    let dataset = format!("custom:{}", dir.write("d.jsonl", &prompts(50)));
    let run = |more: &[&[&str]]| -> Vec<usize> {
        let mock = keeping();
        let target = format!("http://{}", mock.address);
        let load = ["--rate", "100", "-d", "500ms", "--dataset-sample", "shuffle"];
        for own in more {
            ran_rows(&profile, &target, &dataset, &[&load[..], own].concat()).expect(0);
        }
        numbers(&mock)
    };
    assert_eq!(run(&[&[]]), (0..50).collect::<Vec<_>>());
    assert_eq!(
        run(&[&["--shard", "1/2"], &["--shard", "2/2"]]),
        (0..50).collect::<Vec<_>>()
    );
}

#[test]
fn token_ids_go_to_apis_that_take_them_and_words_to_others() {
    let dir = Dir::new();
    let profile = dir.write("p.yaml", PROFILE);
    let trace = "{\"timestamp\":0,\"input_length\":600,\"output_length\":3,\"hash_ids\":[1,2]}\n\
                 {\"timestamp\":9,\"input_length\":700,\"output_length\":4,\"hash_ids\":[1,3]}\n";
    let dataset = format!("mooncake:{}", dir.write("d.jsonl", trace));
    let run = |path: &str| {
        let mock = keeping();
        let target = format!("http://{}{path}", mock.address);
        ran_rows(&profile, &target, &dataset, &["-i", "2", "-u", "1"]).expect(0);
        bodies(&mock)
    };
    let ids = run("/v1/completions");
    let list = |i: usize| ids[i]["prompt"].as_array().unwrap();
    assert_eq!((list(0).len(), list(1).len()), (600, 700));
    assert_eq!(list(0)[..512], list(1)[..512]);
    assert_ne!(list(0)[512..600], list(1)[512..600]);
    assert_eq!(
        (&ids[0]["max_tokens"], &ids[1]["max_tokens"]),
        (&3.into(), &4.into())
    );
    let words = run("/v1/chat/completions");
    let text = words[0]["messages"][0]["content"].as_str().unwrap();
    assert_eq!(text.split(' ').count(), 600);
}

#[test]
fn the_ids_of_a_trace_are_those_of_the_vocabulary_that_is_named() {
    let dir = Dir::new();
    let profile = dir.write("p.yaml", PROFILE);
    let trace = "{\"timestamp\":0,\"input_length\":600,\"output_length\":3,\"hash_ids\":[1,2]}\n";
    let lengths = format!("mooncake:{}", dir.write("d.jsonl", trace));
    let texts = format!("custom:{}", dir.write("t.jsonl", "{\"prompt\":\"a\"}\n"));
    let (mock, output) = (keeping(), dir.path("result.json"));
    let run = |path: &str, dataset: &str| {
        let target = format!("http://{}{path}", mock.address);
        let asked = ["-i", "1", "-u", "1", "--token-ids=3-511", "--output", &output];
        ran_rows(&profile, &target, dataset, &asked)
    };
    let refused = run("/v1/chat/completions", &lengths).expect(104);
    let what =
        "error: --dataset: prompts are token ids, which chat completions cannot carry\nhint: use a path";
    assert!(refused.stderr.contains(what), "{}", refused.stderr);
    let refused = run("/v1/completions", &texts).expect(104);
    let what = "error: --token-ids: `token_ids` has no effect: no row of";
    assert!(refused.stderr.contains(what), "{}", refused.stderr);
    assert!(bodies(&mock).is_empty(), "nothing was sent");
    run("/v1/completions", &lengths).expect(0);
    let all = bodies(&mock);
    let ids = all[0]["prompt"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap());
    let ids: Vec<u64> = ids.collect();
    assert_eq!(ids.len(), 600);
    assert!(ids.iter().all(|id| (3..=511).contains(id)), "{ids:?}");
    let lengths = &document(&output)["totals"]["lengths"]["prompt"];
    assert_eq!(
        (&lengths["asked"], &lengths["served"]),
        (&600.into(), &1.into()),
        "as the server states"
    );
}

#[test]
fn ids_that_the_model_does_not_have_are_refused_before_the_load() {
    const MODEL: &str = r#"{"object":"list","data":[{"id":"m","meta":{"n_vocab":512}}]}"#;
    let server = Gateway::start(Manner::Answers("200 OK\r\nContent-Type: application/json", MODEL));
    let target = format!("http://{}/v1/completions", server.address);
    let refused = ran(&["load", "--target", &target, "--token-ids", "-i", "1"]).expect(104);
    let what = "error: --token-ids: request `stream` sends token ids up to 30000, but the server's model has only \
                512, 0 to 511\nhint: write `--token-ids=51-511`";
    assert!(refused.stderr.contains(what), "{}", refused.stderr);
    assert!(posts(&server).is_empty());
}

#[test]
fn what_is_wrong_with_a_file_is_said_before_anything_is_sent() {
    let (dir, mock) = (Dir::new(), keeping());
    let profile = dir.write("p.yaml", PROFILE);
    let target = format!("http://{}", mock.address);
    let run = |dataset: &str| ran_rows(&profile, &target, dataset, &["-i", "1"]);
    let file = dir.write(
        "d.jsonl",
        "{\"prompt\":\"a\"}\n{\"prompt\":\n{\"prompt\":\"b\",\"output_tokens\":0}\n",
    );
    let ended = run(&format!("custom:{file}")).expect(104);
    assert!(
        ended
            .stderr
            .contains(&format!("error: {file}:2: ends within a JSON value")),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains(&format!("error: {file}:3: `output_tokens`")),
        "{}",
        ended.stderr
    );
    let ended = run("custom:no-such-file").expect(104);
    assert!(
        ended
            .stderr
            .contains("error: --dataset: `no-such-file` cannot be read"),
        "{}",
        ended.stderr
    );
    let ended = run(&file).expect(2);
    assert!(
        ended
            .stderr
            .contains("the first record looks like `custom`; formats are"),
        "{}",
        ended.stderr
    );
    let messages = dir.write(
        "m.jsonl",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n",
    );
    let target = format!("http://{}/v1/completions", mock.address);
    let dataset = format!("openai:{messages}");
    let ended = ran_rows(&profile, &target, &dataset, &["-i", "1"]).expect(104);
    assert!(
        ended
            .stderr
            .contains("row 1 of the dataset is a list of messages"),
        "{}",
        ended.stderr
    );
    assert!(posts(&mock).is_empty());
}

#[test]
fn headers_of_rows_replace_those_of_the_run_and_standard_input_is_read() {
    let (dir, mock) = (Dir::new(), keeping());
    let profile = dir.write("p.yaml", PROFILE);
    let target = format!("http://{}", mock.address);
    let text = "{\"body\":{\"messages\":[]},\"headers\":{\"X-Tenant\":\"row\",\"X-Request-Id\":\"row\"}}\n{\"body\":{\"messages\":[1]}}\n";
    let file = dir.write("in.jsonl", text);
    let mut command = program();
    command.args([
        &profile,
        "--target",
        &target,
        "--dataset",
        "workload_trace:-",
        "-i",
        "2",
        "-u",
        "1",
    ]);
    command.args(["--header", "x-tenant: run"]);
    command.stdin(std::fs::File::open(&file).unwrap());
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let posts = posts(&mock);
    let tenants: Vec<&str> = posts.iter().map(|r| r.header("x-tenant").unwrap()).collect();
    assert_eq!(tenants, ["row", "run"]);
    // The details give this one.
    let ids: Vec<&str> = posts.iter().map(|r| r.header("x-request-id").unwrap()).collect();
    assert!(!ids.contains(&"row") && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn shards_with_a_dataset_are_merged_without_it() {
    let (dir, mock) = (Dir::new(), keeping());
    let profile = dir.write("p.yaml", PROFILE);
    let file = dir.write("d.jsonl", &prompts(8));
    let dataset = format!("custom:{file}");
    let target = format!("http://{}", mock.address);
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", shard.replace('/', "-")));
        let load = ["-i", "8", "-u", "2", "--shard", shard, "-o", &output];
        ran_rows(&profile, &target, &dataset, &load).expect(0);
        output
    });
    std::fs::remove_file(&file).unwrap();
    let merged = dir.path("merged.json");
    ran(&["merge", &parts[0], &parts[1], "-o", &merged]).expect(0);
    let document = document(&merged);
    assert_eq!(document["totals"]["ok"], 8);
    assert_eq!(document["config"]["requests"][0]["dataset"]["format"], "custom");
}
