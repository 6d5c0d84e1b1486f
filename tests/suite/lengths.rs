//! The lengths that were asked for: what the server receives, whatever the number of cores.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::live::*;
use serde_json::{Value, json};

/// A server of completions that keeps every body and counts the tokens of prompts: ids, or words.
struct Counter {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Counter {
    fn start() -> Counter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = bodies.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || serve(&stream, &kept));
            }
        });
        Counter { address, bodies }
    }

    /// Returns the prompts of the load, in no order.
    fn prompts(&self) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| body["prompt"].clone()).collect()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let answer = answer(&head, &body, kept);
        let mut out = stream;
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(head: &str, body: &[u8], kept: &Mutex<Vec<Value>>) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let (status, text) = if head.starts_with("POST /v1/completions ") {
        let count = match &body["prompt"] {
            Value::Array(ids) => ids.len(),
            text => text.as_str().unwrap().split_whitespace().count(),
        };
        let limit = body["max_tokens"].as_u64().unwrap();
        kept.lock().unwrap().push(body);
        let usage =
            json!({"prompt_tokens": count, "completion_tokens": limit, "total_tokens": count as u64 + limit});
        let choices = json!([{"index": 0, "text": "x", "finish_reason": "length"}]);
        (
            200,
            json!({"choices": choices, "usage": usage, "model": "m"}).to_string(),
        )
    } else {
        (404, "{}".to_owned())
    };
    format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// Runs 40 requests of one kind whose `prompts` have these keys. Returns the prompts and the document.
fn run(keys: &str, more: &[&str]) -> (Vec<Value>, Value) {
    let counter = Counter::start();
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "server: {{ base_url: 'http://{}/v1/completions' }}\nexecutor: shared-iterations\nvus: 4\niterations: 40\n\
         models: [m]\nseed: 7\nprompts: {{ {keys} }}\nrequests: [{{ name: r, max_tokens: 5-9 }}]\n",
        counter.address
    );
    let file = dir.write("doc.yaml", &text);
    let mut args = vec!["run", &file, "--no-validate", "--output", &output];
    args.extend(more);
    ran(&args).expect(0);
    (counter.prompts(), document(&output))
}

fn ids(prompt: &Value) -> Vec<u64> {
    let ids = prompt.as_array().unwrap_or_else(|| panic!("{prompt}"));
    ids.iter().map(|id| id.as_u64().unwrap()).collect()
}

#[test]
fn the_server_receives_exactly_as_many_ids_as_were_asked_for() {
    let (prompts, _) = run("prompt_tokens: 300, token_ids: true", &[]);
    assert_eq!(prompts.len(), 40);
    for prompt in &prompts {
        let ids = ids(prompt);
        assert_eq!(ids.len(), 300);
        assert!(ids.iter().all(|id| (1000..=30_000).contains(id)), "{ids:?}");
    }
    let different: BTreeSet<String> = prompts.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), 40, "no two prompts are equal");
}

#[test]
fn lengths_and_ids_are_the_same_on_any_number_of_cores() {
    let sorted = |cores: &str| {
        let keys = "prompt_tokens: 'lognormal(median=60,sigma=0.5,max=400)', token_ids: 5-90";
        let (prompts, _) = run(keys, &["--cores", cores]);
        let texts: BTreeSet<String> = prompts.iter().map(Value::to_string).collect();
        assert_eq!(texts.len(), 40);
        texts
    };
    assert_eq!(sorted("1"), sorted("2"));
}

#[test]
fn groups_share_their_prefix_and_nothing_else() {
    for (form, words) in [("token_ids: true", false), ("", true)] {
        let keys = format!("prefix_groups: 3, prefix_tokens: 50, prompt_tokens: 10, {form}");
        let (prompts, _) = run(&keys, &[]);
        let tokens = |prompt: &Value| -> Vec<String> {
            match words {
                true => prompt.as_str().unwrap().split(' ').map(str::to_owned).collect(),
                false => ids(prompt).iter().map(u64::to_string).collect(),
            }
        };
        let mut prefixes = BTreeSet::new();
        let mut questions = BTreeSet::new();
        for prompt in &prompts {
            let tokens = tokens(prompt);
            assert_eq!(tokens.len(), 60, "{prompt}");
            prefixes.insert(tokens[..50].to_vec());
            questions.insert(tokens[50..].to_vec());
        }
        assert_eq!((prefixes.len(), questions.len()), (3, 40), "{form}");
    }
}

#[test]
fn a_group_has_as_many_prompts_as_asked_for_and_the_first_groups_are_asked_most() {
    let keys = "prefix_groups: 50, prefix_tokens: 20, prompts_per_group: 2, prompt_tokens: 9, token_ids: true, \
                group_distribution: zipf(alpha=3)";
    let (prompts, _) = run(keys, &[]);
    let mut by_prefix = std::collections::BTreeMap::<Vec<u64>, Vec<Vec<u64>>>::new();
    for prompt in &prompts {
        let ids = ids(prompt);
        by_prefix
            .entry(ids[..20].to_vec())
            .or_default()
            .push(ids[20..].to_vec());
    }
    for questions in by_prefix.values() {
        let different: BTreeSet<_> = questions.iter().collect();
        assert!(different.len() <= 2, "{questions:?}");
    }
    // With an exponent of 3 the first of 50 groups has 83 % of the requests.
    let most = by_prefix.values().map(Vec::len).max().unwrap();
    assert!(most >= 25, "{most} of 40");
}

#[test]
fn an_api_that_takes_no_ids_is_refused_before_anything_is_sent() {
    let args = [
        "run",
        "smoke",
        "--target",
        "http://127.0.0.1:1/v1/chat/completions",
        "--token-ids",
    ];
    let ended = ran(&args).expect(104);
    assert!(
        ended
            .stderr
            .contains("sends token ids, which chat completions do not take")
            && ended.stderr.contains("`completions` (/completions)"),
        "{}",
        ended.stderr
    );
}

#[test]
fn validation_asks_with_the_lowest_and_the_highest_id() {
    let counter = Counter::start();
    let dir = Dir::new();
    let text = format!(
        "server: {{ base_url: 'http://{}/v1/completions' }}\nexecutor: shared-iterations\nvus: 1\niterations: 1\n\
         models: [m]\nvalidate: true\nprompts: {{ token_ids: 7-4000 }}\n",
        counter.address
    );
    // It streams nothing, so that validation fails and nothing of the load is sent.
    ran(&["run", &dir.write("doc.yaml", &text)]).expect(114);
    let prompts = counter.prompts();
    assert!(
        !prompts.is_empty() && prompts.iter().all(|prompt| *prompt == json!([7, 4000])),
        "{prompts:?}"
    );
}
