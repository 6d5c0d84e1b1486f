//! Requests that their users cancel: which, where, and what becomes of the figures.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::{MILLISECOND, MINUTE};
use serde_json::{Value, json};

/// 240 streams, of which 30 are cut at the third token. The mock sends ten.
const STREAMS: &str = "\
seed: 7
models: [m]
prompts: { prompt_tokens: 10 }
requests:
  - { name: chat, stream: true, max_tokens: 10, timeout: 20s, cancel: { share: 12.5%, after_tokens: 3 } }
";
const BY_USER: &str = "executor: per-vu-iterations\nvus: 8\niterations: 30\n";
const SHARED: &str = "executor: shared-iterations\nvus: 8\niterations: 240\n";
const AT_A_RATE: &str = "executor: constant-arrival-rate\nrate: 125\nduration: 1920ms\nmax_vus: 512\n";

fn slow_mock() -> Mock {
    mock(MockOptions {
        tokens: 10,
        ttft: 5 * MILLISECOND,
        gap: 20 * MILLISECOND,
        ..mock_options()
    })
}

fn stats(mock: &Mock) -> Value {
    get_json(mock.address, "/mock/stats")
}

/// The ids of the requests that were cancelled, with their outcome and tokens.
fn cancelled(document: &Value) -> Vec<String> {
    let details = document["details"].as_array().unwrap().iter();
    let cut = details.filter(|one| one["error"] == "cancelled");
    let mut ids: Vec<String> = cut
        .map(|one| format!("{} {}", one["request_id"], one["output_tokens"]))
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_share_is_cut_at_its_token_and_counts_as_neither_ok_nor_failed() {
    let dir = Dir::new();
    for shape in [BY_USER, SHARED, AT_A_RATE] {
        let mock = slow_mock();
        let (file, output) = (
            dir.write("c.yaml", &format!("{shape}{STREAMS}")),
            dir.path("r.json"),
        );
        let target = format!("http://{}", mock.address);
        let ended = ran(&[&file, "--target", &target, "--details", "-o", &output]).expect(0);
        let document = document(&output);
        let t = &document["totals"];
        assert_eq!((&t["requests"], &t["ok"]), (&json!(240), &json!(210)), "{shape}");
        assert_eq!(
            (&t["cancelled"], &t["chosen_to_cancel"]),
            (&json!(30), &json!(30))
        );
        assert_eq!((&t["failed"], &t["interrupted"]), (&json!(0), &json!(0)));
        assert_eq!(t["by_outcome"]["cancelled"], 30);
        assert_eq!(document["rates"]["error_rate"], 0.0);
        assert_eq!(
            t["stale_reconnects"], 0,
            "a new connection is no fault of the server"
        );
        // The first token and the gaps up to the cut are figures, the latency is not.
        let count = |metric: &str| document["metrics"][metric]["count"].as_u64().unwrap();
        assert_eq!(
            (count("ttft"), count("latency"), count("latency_ok")),
            (240, 210, 210)
        );
        assert_eq!(count("tbt"), 210 * 9 + 30 * 2);
        assert_eq!(cancelled(&document).len(), 30);
        assert!(cancelled(&document).iter().all(|one| one.ends_with(" 3")));
        // The server saw as many cut, none before that token. On a busy machine it has sent more before it notices.
        wait_until("the mock has noticed all", || stats(&mock)["abandoned"] == 30);
        let server = stats(&mock);
        assert_eq!(server["ok"], 210, "{server}");
        let after = server["abandoned_after"].as_object().unwrap();
        assert!(
            after.keys().all(|sent| sent.parse::<u32>().unwrap() >= 3),
            "{server}"
        );
        assert!(ended.stdout.contains("cancelled 30"), "{}", ended.stdout);
    }
}

#[test]
fn the_same_requests_are_cancelled_on_any_number_of_cores_and_shards() {
    let dir = Dir::new();
    let mock = slow_mock();
    let target = format!("http://{}", mock.address);
    for shape in [BY_USER, SHARED, AT_A_RATE] {
        // Of two kinds by weight each has its share.
        let two = STREAMS.replace("name: chat", "weight: 2, name: chat")
            + "  - { name: other, stream: true, max_tokens: 9, cancel: 50% after 2-4 tokens }\n";
        for requests in [STREAMS, &two] {
            let file = dir.write("c.yaml", &format!("{shape}{requests}"));
            let run = |name: &str, more: &[&str]| {
                let output = dir.path(name);
                let words = [&file, "--target", &target, "--details", "-o", &output];
                ran(&[&words[..], more].concat()).expect(0);
                output
            };
            let whole = cancelled(&document(run("one.json", &["--cores", "1"])));
            assert!(whole.len() >= 30, "{}", whole.len());
            assert_eq!(
                cancelled(&document(run("two.json", &["--cores", "2"]))),
                whole,
                "{shape}"
            );
            let parts =
                [("1.json", "1/2"), ("2.json", "2/2")].map(|(name, shard)| run(name, &["--shard", shard]));
            let merged = dir.path("merged.json");
            ran(&["merge", &parts[0], &parts[1], "-o", &merged]).expect(0);
            let merged = document(&merged);
            assert_eq!(cancelled(&merged), whole, "{shape}");
            assert_eq!(merged["totals"]["cancelled"], whole.len());
        }
    }
}

#[test]
fn a_user_who_waits_no_longer_goes_away_before_the_first_token() {
    let frozen = mock(MockOptions {
        ttft: 10 * MINUTE,
        ..mock_options()
    });
    let dir = Dir::new();
    let (file, output) = (
        dir.write("c.yaml", &format!("{SHARED}{STREAMS}")),
        dir.path("r.json"),
    );
    let target = format!("http://{}", frozen.address);
    let args = [
        &file,
        "--target",
        &target,
        "-o",
        &output,
        "--cancel",
        "100% after 20ms",
    ];
    ran(&args).expect(0);
    let document = document(&output);
    assert_eq!(document["totals"]["cancelled"], 240);
    assert_eq!(document["metrics"]["ttft"]["count"], 0);
    wait_until("the mock has noticed all", || stats(&frozen)["abandoned"] == 240);
    assert_eq!(stats(&frozen)["abandoned_after"], json!({ "0": 240 }));
}

#[test]
fn wrong_shares_and_points_are_refused_with_their_place() {
    let dir = Dir::new();
    let check = |cancel: &str, rest: &str| {
        let text = format!("{SHARED}{STREAMS}").replace("{ share: 12.5%, after_tokens: 3 }", cancel);
        let text = text.replace("stream: true", rest);
        let file = dir.write("c.yaml", &text);
        ran(&["config", "check", &file]).expect(104).stderr
    };
    for (cancel, rest, says) in [
        (
            "{ share: 10% }",
            "stream: true",
            "`requests[0].cancel` does not say after what",
        ),
        (
            "{ after: 5s }",
            "stream: true",
            "missing key `requests[0].cancel.share`",
        ),
        (
            "{ share: 10, after: 5s }",
            "stream: true",
            "may be a share or a percentage",
        ),
        (
            "{ share: 10%, after: 5s, after_tokens: 5 }",
            "stream: true",
            "contradicts",
        ),
        ("{ share: 10%, after_tokens: 0 }", "stream: true", "1 to 10000000"),
        (
            "{ share: 10%, after_token: 5 }",
            "stream: true",
            "did you mean `after_tokens`?",
        ),
        ("10% after 5 tokens", "stream: false", "is not streamed"),
    ] {
        let stderr = check(cancel, rest);
        assert!(
            stderr.contains("c.yaml:") && stderr.contains(says),
            "{cancel}: {stderr}"
        );
    }
    ran(&["smoke", "--target", "http://127.0.0.1:1", "--cancel", "10%"]).expect(2);
    ran(&[
        "smoke",
        "--target",
        "http://127.0.0.1:1",
        "--cancel",
        "10 after 2s",
    ])
    .expect(104);
    let hint = ran(&["smoke", "--request-cancellation-rate", "10"]).expect(2);
    assert!(hint.stderr.contains("--cancel '10% after 2s'"), "{}", hint.stderr);
}
