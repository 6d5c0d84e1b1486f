//! Documents from outside: `run --config`, `config check`, and what is wrong with documents.

use crate::common::live::*;
use crate::common::*;

/// Ten mistakes, and none that follows from another.
const TEN: &str = "\
servers:
  - name: Thinker
    base_url: 127.0.0.1:8080/completion
    weight: -0.3
  - name: Thinker
    base_url: http://127.0.0.1:8081/completion
    wieght: 0.7
workload:
  users: 0
  duration_seconds: two minutes
  ramp_up: 10
prompts:
  min_tokens: 50
  max_tokens: [200]
  cache_prompt: sometimes
analysis:
  p90_latency: 2s
";

#[test]
fn ten_mistakes_are_reported_with_their_lines_before_anything_is_sent() {
    let dir = Dir::new();
    let file = dir.write("ten.yaml", TEN);
    for words in [
        &["run", "--config", &file][..],
        &["run", &file],
        &["config", "check", &file],
    ] {
        let ended = ran(words).expect(104);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        let lines = ended
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "));
        let at: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix(&format!("{file}:"))?.split(':').next())
            .collect();
        assert_eq!(
            at,
            ["3", "4", "5", "7", "9", "10", "11", "14", "15", "17"],
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn the_output_of_config_check_is_a_valid_document() {
    let dir = Dir::new();
    let first = ran(&["config", "check", "mixed_warfare", "--vus", "7", "--seed", "5"]).expect(0);
    assert!(first.stdout.contains("\nseed: 5\n"), "{}", first.stdout);
    let file = dir.write("again.yaml", &first.stdout);
    let again = ran(&["config", "check", &file]).expect(0);
    let document = |text: &str| text.split_once("\n---\n").map(|(_, yaml)| yaml.to_owned());
    assert!(document(&first.stdout).is_some(), "{}", first.stdout);
    assert_eq!(document(&first.stdout), document(&again.stdout));
}

#[test]
fn a_document_that_cannot_be_read_is_one_error() {
    ran(&["run", "--config", "/not/there.yaml"])
        .expect(104)
        .one_error("/not/there.yaml: cannot be read: No such file");
    // Anchors would let a small file grow without bounds.
    let dir = Dir::new();
    let bomb = dir.write("bomb.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nservers: [*b, *b]\n");
    ran(&["run", "--config", &bomb])
        .expect(104)
        .one_error(":1: anchors and aliases are not supported");
}

#[test]
fn a_document_with_one_server_is_run_against_it() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "server: {{base_url: 'http://{}/v1/chat/completions', model_alias: m}}\n\
         workload: {{users: 3, duration_seconds: 0.5, ramp_up_seconds: 0.1, think_time: 5ms}}\n\
         prompts: {{min_tokens: 8, max_tokens: 10}}\nresults_dir: '{}'\noutput: '{output}'\n",
        mock.address,
        dir.path("results"),
    );
    let file = dir.write("one.yaml", &text);
    let ended = ran(&["run", "--config", &file]).expect(0);
    assert!(!ended.stderr.contains("simulator"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("\n\n=== Test Summary ===\n"),
        "{}",
        ended.stdout
    );
    let results = std::fs::read_dir(dir.path("results")).unwrap();
    let files: Vec<_> = results.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("test_run_") && name.ends_with(".json"), "{name}");
    let result = document(&files[0]);
    let details = result["details"].as_array().unwrap().len() as u64;
    assert_eq!(Some(details), result["totals"]["requests"].as_u64());
    let document = document(&output);
    assert!(document["totals"]["ok"].as_u64().unwrap() >= 3, "{document:#}");
    assert_eq!(document["totals"]["failed"], 0);
    assert_eq!(document["config"]["server"]["model_alias"], "m");
    assert_eq!(document["config"]["requests"][0]["name"], "stream");
}

#[test]
fn a_document_with_two_servers_gives_each_its_share() {
    let (thinker, flash) = (mock(mock_options()), mock(mock_options()));
    let dir = Dir::new();
    let output = dir.path("result.json");
    let text = format!(
        "servers:\n\
         - {{name: Thinker, base_url: 'http://{}/v1/chat/completions', weight: 0.3}}\n\
         - {{name: Flash, base_url: 'http://{}/v1/chat/completions', weight: 0.7}}\n\
         executor: shared-iterations\nvus: 2\niterations: 200\n\
         prompts: {{min_tokens: 8, max_tokens: 10}}\noutput: '{output}'\n",
        thinker.address, flash.address,
    );
    let file = dir.write("two.yaml", &text);
    let ended = ran(&["run", &file]).expect(0);
    assert!(
        ended.stdout.contains("\n=== Per-Endpoint Breakdown ===\n"),
        "{}",
        ended.stdout
    );
    let (a, b) = (mock_requests(thinker.address), mock_requests(flash.address));
    // Each of the two users follows the weights within one request.
    assert!((58..=62).contains(&a), "{a} and {b}");
    assert_eq!(a + b, 200);
    let document = document(&output);
    assert_eq!(document["totals"]["ok"], 200);
    assert_eq!(document["config"]["servers"][0]["weight"], 0.3);
}
