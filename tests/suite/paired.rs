//! Every request at both of two servers: the differences request by request, and what is said about them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::fault::Fault;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MILLISECOND;
use rustix::process::Signal;
use serde_json::{Value, json};

fn two(other: impl FnOnce(&mut MockOptions)) -> [Mock; 2] {
    let mut options = mock_options();
    other(&mut options);
    [mock(mock_options()), mock(options)]
}

/// Two servers, and users for so long.
fn document_of(at: [SocketAddr; 2], users: u32, seconds: f64, more: &str) -> String {
    format!(
        "servers:\n- {{name: direct, base_url: 'http://{}/v1/chat/completions'}}\n\
         - {{name: gateway, base_url: 'http://{}/v1/chat/completions'}}\n\
         workload: {{users: {users}, duration_seconds: {seconds}, ramp_up_seconds: 0}}\n\
         models: [mock]\nprompts: {{min_tokens: 8, max_tokens: 10}}\n{more}\n",
        at[0], at[1]
    )
}

struct Ran {
    document: Value,
    ended: Ended,
}

fn run(mocks: &[Mock; 2], users: u32, seconds: f64, more: &[&str]) -> Ran {
    let dir = Dir::new();
    let output = dir.path("result.json");
    let at = [mocks[0].address, mocks[1].address];
    let file = dir.write("doc.yaml", &document_of(at, users, seconds, ""));
    let mut args = vec!["run", &file, "--paired", "--output", &output];
    args.extend(more);
    let ended = ran(&args).expect(0);
    Ran {
        document: document(&output),
        ended,
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Every request belongs to a pair, and both servers got the same number.
fn assert_counts(document: &Value, mocks: &[Mock; 2]) {
    let paired = &document["paired"];
    let pairs = count(&paired["pairs"]);
    let incomplete = count(&paired["incomplete"]);
    let requests = count(&document["totals"]["requests"]);
    assert!(
        (2 * pairs + incomplete..=2 * (pairs + incomplete)).contains(&requests),
        "{pairs} pairs, {incomplete} incomplete, {requests} requests"
    );
    let [direct, gateway] = [0, 1].map(|i| mock_requests(mocks[i].address));
    assert_eq!(direct + gateway, requests);
    assert!(direct.abs_diff(gateway) <= incomplete, "{direct} and {gateway}");
    let kinds = ["both_ok", "failed_at_base", "failed_at_other", "failed_at_both"];
    let sum: u64 = kinds.iter().map(|kind| count(&paired[kind])).sum();
    assert_eq!(sum, pairs);
}

#[test]
fn a_server_that_is_20_ms_slower_to_the_first_token_is_found() {
    let mocks = two(|other| other.ttft += 20 * MILLISECOND);
    let Ran { document, ended } = run(&mocks, 4, 3.0, &[]);
    assert_counts(&document, &mocks);
    let paired = &document["paired"];
    assert_eq!(
        (&paired["base"], &paired["other"]),
        (&"direct".into(), &"gateway".into())
    );
    let ttft = &paired["differences"]["ttft"];
    assert_eq!(ttft["verdict"], "slower", "{}", paired["verdict"]);
    let figure = |key: &str| ttft[key].as_f64().unwrap();
    // Of a busy machine the scatter is unknown, not on which side of half the truth the interval lies.
    assert!(
        figure("median_low") > 10.0 && figure("median") < 40.0,
        "{}",
        paired["verdict"]
    );
    assert_eq!(paired["difference_shown"], true);
    let verdict = paired["verdict"].as_str().unwrap();
    assert!(
        verdict.starts_with("gateway is slower than direct: TTFT by "),
        "{verdict}"
    );
    let orders = ["base_first", "other_first"].map(|order| {
        ["below", "above"]
            .iter()
            .map(|sign| count(&ttft[order][sign]["count"]))
            .sum::<u64>()
    });
    assert_eq!(orders[0] + orders[1], count(&ttft["pairs"]));
    // Two pairs of a user that follow one another begin at different servers.
    assert!(orders[0].abs_diff(orders[1]) <= 4, "{orders:?}");
    assert!(ended.stdout.contains("=== Pairs ===\n"), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("\nverdict    gateway is slower than direct: "),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_server_that_fails_a_tenth_of_its_requests_is_told_from_the_other() {
    let mocks = two(|other| other.faults = faults(&[(Fault::Status(503), 10)], 100));
    let Ran { document, .. } = run(&mocks, 4, 3.0, &[]);
    assert_counts(&document, &mocks);
    let paired = &document["paired"];
    let failed = count(&paired["failed_at_other"]);
    assert_eq!(failed, count(&document["servers"]["gateway"]["totals"]["failed"]));
    assert_eq!(paired["failed_at_base"], 0);
    assert_eq!(paired["errors"]["verdict"], "more", "{}", paired["verdict"]);
    let share = paired["errors"]["difference"].as_f64().unwrap();
    assert!((share - failed as f64 / count(&paired["pairs"]) as f64).abs() < 1e-12);
    let verdict = paired["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("gateway fails more requests than direct: "),
        "{verdict}"
    );
}

#[test]
fn the_requests_of_a_pair_have_its_id_and_follow_one_another() {
    let mocks = two(|_| {});
    let Ran { document, .. } = run(&mocks, 3, 0.6, &["--details"]);
    assert_counts(&document, &mocks);
    let mut pairs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for entry in document["details"].as_array().unwrap() {
        pairs
            .entry(entry["pair"].as_str().unwrap())
            .or_default()
            .push(entry);
    }
    assert_eq!(pairs.len() as u64, count(&document["paired"]["pairs"]));
    let mut first_at_gateway = 0;
    for (pair, requests) in &pairs {
        let [first, second] = requests[..] else {
            panic!("{pair} has {} requests", requests.len());
        };
        assert_eq!(first["request_id"], format!("{pair}.1"));
        assert_eq!(second["request_id"], format!("{pair}.2"));
        assert_ne!(first["endpoint"], second["endpoint"]);
        assert!(second["start_ts"].as_f64() >= first["end_ts"].as_f64(), "{pair}");
        first_at_gateway += usize::from(first["endpoint"] == "gateway");
    }
    assert!(
        (1..pairs.len()).contains(&first_at_gateway),
        "{first_at_gateway} of {}",
        pairs.len()
    );
}

#[test]
fn the_same_seed_begins_the_same_pairs_at_the_same_servers() {
    let first_at = |cores: &str| -> BTreeMap<String, String> {
        let mocks = two(|_| {});
        let ran = run(
            &mocks,
            2,
            5.0,
            &["--iterations", "40", "--seed", "7", "--details", "--cores", cores],
        );
        assert_eq!(
            (
                &ran.document["paired"]["pairs"],
                &ran.document["totals"]["requests"]
            ),
            (&40.into(), &80.into())
        );
        let firsts = ran.document["details"].as_array().unwrap().iter();
        let firsts = firsts.filter(|entry| entry["request_id"].as_str().unwrap().ends_with(".1"));
        firsts
            .map(|entry| (entry["pair"].to_string(), entry["endpoint"].to_string()))
            .collect()
    };
    let one = first_at("1");
    assert_eq!(one.len(), 40);
    assert_eq!(one, first_at("1"));
}

#[test]
fn at_a_rate_a_pair_is_one_arrival() {
    let mocks = two(|_| {});
    let Ran { document, .. } = run(&mocks, 1, 1.0, &["--rate", "50", "--duration", "1s"]);
    assert_counts(&document, &mocks);
    let dropped = count(&document["totals"]["dropped_iterations"]);
    let paired = &document["paired"];
    assert_eq!(
        count(&paired["pairs"]) + count(&paired["incomplete"]) + dropped,
        50
    );
}

#[test]
fn shards_of_a_run_with_pairs_are_merged() {
    let mocks = two(|other| other.ttft += 20 * MILLISECOND);
    let dir = Dir::new();
    let at = [mocks[0].address, mocks[1].address];
    let file = dir.write("doc.yaml", &document_of(at, 4, 1.5, "paired: true"));
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", &shard[..1]));
        let args = ["run", &file, "--shard", shard, "--output", &output];
        ran(&args).expect(0);
        output
    });
    let merged = dir.path("merged.json");
    let ended = ran(&["merge", &parts[0], &parts[1], "--output", &merged]).expect(0);
    let documents = parts.each_ref().map(|part| document(part));
    let whole = document(&merged);
    assert_counts(&whole, &mocks);
    let sum = |pick: &dyn Fn(&Value) -> u64| documents.iter().map(pick).sum::<u64>();
    assert_eq!(
        count(&whole["paired"]["pairs"]),
        sum(&|d| count(&d["paired"]["pairs"]))
    );
    let ttft = |d: &Value| count(&d["paired"]["differences"]["ttft"]["pairs"]);
    assert_eq!(ttft(&whole), sum(&ttft));
    assert!(
        ended.stdout.contains("gateway is slower than direct"),
        "{}",
        ended.stdout
    );
    // What merge wrote is read again.
    ran(&["compare", &merged, &merged]).expect(0);
}

#[test]
fn thresholds_on_pairs_decide_the_exit_code_also_of_merged_shards() {
    let mocks = two(|other| other.ttft += 20 * MILLISECOND);
    let dir = Dir::new();
    let at = [mocks[0].address, mocks[1].address];
    let rules = "paired: true\nthresholds:\n  paired_ttft: [med>10, med<5]\n  paired_failed: rate<1%\n";
    let file = dir.write("doc.yaml", &document_of(at, 4, 1.5, rules));
    let parts = ["1/2", "2/2"].map(|shard| {
        let output = dir.path(&format!("{}.json", &shard[..1]));
        let ended = ran(&["run", &file, "--shard", shard, "--output", &output]).expect(99);
        assert!(
            ended.stdout.contains("paired_ttft p50 < 5 ms"),
            "{}",
            ended.stdout
        );
        output
    });
    let merged = dir.path("merged.json");
    ran(&["merge", &parts[0], &parts[1], "--output", &merged]).expect(99);
    for output in parts.iter().chain([&merged]) {
        let document = document(output);
        let [more, less, failed] = &document["thresholds"].as_array().unwrap()[..] else {
            panic!("{}", document["thresholds"]);
        };
        assert_eq!(
            [more, less, failed].map(|result| result["ok"].as_bool()),
            [Some(true), Some(false), Some(true)],
            "{output}"
        );
        let ttft = &document["paired"]["differences"]["ttft"];
        assert_eq!(less["observed"], ttft["median"], "{output}");
        let interval = json!([ttft["median_low"], ttft["median_high"]]);
        assert_eq!((&less["interval"], &less["decided"]), (&interval, &true.into()));
        assert_eq!(failed["observed"], document["paired"]["errors"]["difference"]);
    }
    let file = dir.write("doc.yaml", &document_of(at, 4, 1.0, ""));
    let ended = ran(&["run", &file, "--threshold", "paired_ttft: med<5"]).expect(104);
    ended.one_error("`paired_ttft` compares two servers, and this run has no pairs");
    let ended = ran(&[
        "run",
        &file,
        "--paired",
        "--threshold",
        "ttft{server:gatewy}: med<5",
    ])
    .expect(104);
    ended.one_error("no endpoint `gatewy` in the mix");
    assert!(
        ended.stderr.contains("did you mean `gateway`?"),
        "{}",
        ended.stderr
    );
    let aborts = "paired: true\nthresholds:\n  paired_ttft: [{ threshold: med<5, abortOnFail: true }]\n";
    let file = dir.write("aborts.yaml", &document_of(at, 4, 1.0, aborts));
    let ended = ran(&["run", &file]).expect(104);
    ended.one_error("`paired_ttft` is known at the end of the run, so it cannot end it");
    assert!(ended.stderr.contains("aborts.yaml:"), "{}", ended.stderr);
}

#[test]
fn the_differences_of_two_runs_are_compared() {
    let dir = Dir::new();
    let outputs = [0, 30].map(|slower| {
        let mocks = two(|other| other.ttft += slower * MILLISECOND);
        let output = dir.path(&format!("{slower}.json"));
        let at = [mocks[0].address, mocks[1].address];
        let file = dir.write("doc.yaml", &document_of(at, 4, 1.5, "paired: true"));
        ran(&["run", &file, "--output", &output]).expect(0);
        output
    });
    let rule = ["--fail-on", "paired_ttft p50 > +10ms", "--format", "json"];
    let ended = ran(&[&["compare", &outputs[0], &outputs[1]], &rule[..]].concat()).expect(99);
    let compared: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rows = compared["rows"].as_array().unwrap();
    let is_it = |row: &&Value| row["metric"] == "paired_ttft" && row["stat"] == "p50";
    let row = rows.iter().find(is_it).unwrap();
    let ttft = |output: &str| document(output)["paired"]["differences"]["ttft"].clone();
    let [base, new] = outputs.each_ref().map(|output| ttft(output));
    let cell = &row["runs"][0];
    assert_eq!((&row["base"], &cell["value"]), (&base["median"], &new["median"]));
    assert_eq!(
        cell["value_interval"],
        json!([new["median_low"], new["median_high"]])
    );
    assert_eq!(
        (&row["change_unit"], &cell["verdict"]),
        (&"ms".into(), &"worse".into())
    );
    let change = new["median"].as_f64().unwrap() - base["median"].as_f64().unwrap();
    assert!((cell["change"].as_f64().unwrap() - change).abs() < 1e-9);
    // The other way round it is better, and no rule fails.
    let ended = ran(&[
        "compare",
        &outputs[1],
        &outputs[0],
        "--fail-on",
        "paired_ttft p50 > +10ms",
    ])
    .expect(0);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("paired_ttft p50"));
    assert!(line.unwrap().contains("better"), "{}", ended.stdout);
}

#[test]
fn a_signal_leaves_the_pairs_that_were_complete() {
    let mocks = two(|other| other.ttft += 50 * MILLISECOND);
    let dir = Dir::new();
    let output = dir.path("result.json");
    let at = [mocks[0].address, mocks[1].address];
    let file = dir.write(
        "doc.yaml",
        &document_of(at, 4, 600.0, "paired: true\ngraceful_stop: 0s"),
    );
    let live = Live::start(&["run", &file, "--output", &output]);
    wait_until("some pairs were sent", || mock_requests(mocks[0].address) > 20);
    live.signal(Signal::INT);
    live.wait().expect(105);
    let document = document(&output);
    assert_counts(&document, &mocks);
    assert!(count(&document["paired"]["pairs"]) > 5);
}

#[test]
fn whatever_pairs_cannot_be_is_refused_with_place_and_next_step() {
    let dir = Dir::new();
    let server = |name: &str| format!("- {{name: {name}, base_url: 'http://127.0.0.1:1/completion'}}\n");
    let rest = "workload: {users: 2, duration_seconds: 1}\nprompts: [one, two]\n";
    let of = |names: &[&str]| {
        let servers: String = names.iter().map(|name| server(name)).collect();
        format!("servers:\n{servers}{rest}")
    };
    let one = of(&["a"]);
    let (two, three) = (of(&["a", "b"]), of(&["a", "b", "c"]));
    for (text, option, wanted) in [
        (
            one.clone(),
            "--paired",
            "--paired: pairs need exactly two servers, but the document has 1",
        ),
        (
            three,
            "--paired",
            "pairs need exactly two servers, but the document has 3",
        ),
        (
            format!("{one}paired: true\n"),
            "--no-validate",
            "pairs need exactly two servers",
        ),
        (
            format!("{two}contention: true\n"),
            "--paired",
            "`paired` contradicts `contention`",
        ),
        (
            two.clone(),
            "--paired-prompts=distinct",
            "`distinct` prompts are for pairs, and the run has none",
        ),
        (
            format!("{two}paired: true\n"),
            "--paired-prompts=distinct",
            "`distinct` prompts must be made from the seed, but request",
        ),
        (
            format!("{two}paired: true\npaired_prompts: some\n"),
            "--no-validate",
            "paired_prompts",
        ),
    ] {
        let file = dir.write("doc.yaml", &text);
        let ended = ran(&["run", &file, option]).expect(104);
        assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("\nhint: ") || ended.stderr.contains("  hint: "),
            "{}",
            ended.stderr
        );
        if option.starts_with("--paired") && wanted.starts_with("--") {
            assert!(
                ended.stderr.contains("list two under `servers`"),
                "{}",
                ended.stderr
            );
        } else if option == "--no-validate" {
            assert!(ended.stderr.contains("doc.yaml:"), "{}", ended.stderr);
        }
    }
    ran(&["run", "smoke", "--paired-prompts", "other"]).expect(2);
}

#[test]
fn weights_have_no_effect_on_pairs_which_is_noted() {
    let dir = Dir::new();
    let text = document_of(["127.0.0.1:1".parse().unwrap(); 2], 2, 1.0, "");
    let weighted = text.replacen("completions'}", "completions', weight: 3}", 1);
    let file = dir.write("weights.yaml", &weighted);
    let ended = ran(&["config", "check", &file, "--paired"]).expect(0);
    let said = ended.stdout + &ended.stderr;
    assert!(
        said.contains("`weight` of the servers has no effect with `paired`"),
        "{said}"
    );
    assert!(said.contains("paired: true"), "{said}");
    assert!(
        said.contains("server    gateway: every request, http://"),
        "{said}"
    );
}
