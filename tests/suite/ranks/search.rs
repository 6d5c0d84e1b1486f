//! A search for the limit by several ranks: rank 0 decides on the requests of all.

use super::*;
use crate::find_limit::cliff;
use llmload_uring::mock::MockOptions;

const CHAT: &str = "executor: constant-vus\nvus: 1\nduration: 10s\nthink_time: 0s\nmodels: [m]\nprompts: [Hi]\n\
                    requests: [{ name: chat, kind: chat, stream: true, max_tokens: 10 }]\n";
const SLO: [&str; 2] = ["--slo", "ttft: p(90)<60"];
/// A time that decides a mock whose answers differ by a factor of ten.
const TIMES: [&str; 2] = ["--probe-time", "5s-5s"];
/// Every request counts.
const AT_ONCE: [&str; 2] = ["--settle", "0"];

/// Returns a server that holds so many users, and where the answer goes.
fn search(at: u32) -> Scene {
    let options = MockOptions {
        stamp: false,
        ..cliff(at)
    };
    let mut scene = Scene::on(mock(options), CHAT);
    scene.output = scene.dir.path("limit.json");
    scene
}

impl Scene {
    /// Returns the words that every rank of a search is started with.
    fn words_of_search<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let words = ["find-limit", &self.profile, "--target", &self.target];
        let rest = ["--no-validate", "--cores", "1", "-o", &self.output];
        [&words[..], &rest, &TIMES, more].concat()
    }

    /// Starts ranks, and waits until rank 0 has made the first probe and all count requests of the second.
    fn within_second_probe(&self, ranks: usize, more: &[&str]) -> Vec<Live> {
        let mut team = team(ranks, &self.words_of_search(&[&SLO[..], &AT_ONCE, more].concat()));
        team[0].wait_for_stderr("probe 1: 3 users ");
        let before = self.requested();
        wait_until("the next probe makes requests", || self.requested() > before + 50);
        team
    }

    fn answer(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.output).unwrap()).unwrap()
    }
}

/// The limit of a server that holds five users.
fn assert_five(found: &Value) {
    let answer = &found["answer"];
    assert_eq!(
        (&answer["limit"], &answer["low"], &answer["high"]),
        (&json!(5.0), &json!(5.0), &json!(6.0)),
        "{found}"
    );
}

fn levels(found: &Value, key: &str) -> Vec<f64> {
    let probes = found[key].as_array().into_iter().flatten();
    probes.map(|probe| probe["level"].as_f64().unwrap()).collect()
}

#[test]
fn three_ranks_find_the_limit_of_one_process() {
    let search = search(5);
    let range = ["--from", "4", "--to", "8", "--expect", ">=5", "--settle", "1s"];
    let team = team(3, &search.words_of_search(&[&SLO[..], &range].concat()));
    let mut said = Vec::new();
    for run in team {
        said.push(run.wait().expect(0));
    }
    assert!(
        said[0].stdout.starts_with("LIMIT  5 users hold ("),
        "{}",
        said[0].stdout
    );
    assert!(said[0].stdout.contains(", by 3 ranks\n"), "{}", said[0].stdout);
    let found = search.answer();
    assert_five(&found);
    assert_eq!(found["answer"]["ended_by"], "found");
    let ranks: Vec<u64> = found["run"]["ranks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rank| {
            assert!(!rank["host"].as_str().unwrap().is_empty());
            assert_eq!(rank["lost"], Value::Null);
            rank["rank"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(ranks, [0, 1, 2]);
    // The others have made requests of every probe, and write nothing.
    let probes = found["probes"].as_array().unwrap().len();
    for (number, ended) in said.iter().enumerate().skip(1) {
        let line = format!(" requests of rank {number} of 3\n");
        let lines = ended.stderr.matches(&line);
        assert_eq!(lines.count(), probes, "{}", ended.stderr);
        let last = format!(" in {probes} probes; rank 0 has the answer\n");
        assert!(ended.stdout.ends_with(&last), "{}", ended.stdout);
    }
    assert_eq!(search.dir.names(), ["limit.json", "profile.yaml"]);
}

#[test]
fn the_ranks_divide_a_rate_among_them() {
    let search = search(500);
    let load = [
        "--over", "rate", "--from", "60/s", "--to", "60/s", "--expect", ">=60",
    ];
    for run in team(3, &search.words_of_search(&[&SLO[..], &AT_ONCE, &load].concat())) {
        run.wait().expect(0);
    }
    let found = search.answer();
    assert_eq!(found["answer"]["limit"], 60.0, "{found}");
    for probe in found["probes"].as_array().unwrap() {
        let figure = |key: &str| probe[key].as_f64().unwrap();
        let requests = figure("requests") + figure("cut");
        // Each rank alone would make a third of them, and three that do not divide them three times as many.
        assert!(requests > 0.9 * 60.0 * figure("counted_seconds"), "{probe}");
        assert!(requests < 1.1 * 60.0 * figure("seconds"), "{probe}");
    }
}

#[test]
fn a_killed_rank_ends_the_search_with_what_was_known_before() {
    for (lost, on_loss) in [(2, "stop"), (0, "stop"), (0, "continue")] {
        let search = search(50);
        let team = search.within_second_probe(3, &["--from", "3", "--on-rank-loss", on_loss]);
        team[lost].signal(Signal::KILL);
        for (number, run) in team.into_iter().enumerate() {
            let ended = run.wait();
            match number == lost {
                true => assert_eq!(ended.code, None),
                false => {
                    let ended = ended.expect(117);
                    let why = format!("rank {lost} was lost: ");
                    assert!(ended.stderr.contains(&why), "{number}: {}", ended.stderr);
                    // The others end with the verdict of rank 0, if there is one.
                    if number == 0 || lost == 0 {
                        ended.one_error(&why);
                    }
                }
            }
        }
        if lost == 0 {
            assert!(!Path::new(&search.output).exists());
            continue;
        }
        let found = search.answer();
        let answer = &found["answer"];
        assert_eq!(
            (&answer["ended_by"], &answer["limit"], &answer["high"]),
            (&json!("rank_lost"), &json!(3.0), &Value::Null)
        );
        assert_eq!(found["run"]["exit_code"], 117);
        assert!(found["run"]["ranks"][2]["lost"].is_string(), "{found}");
        // What it took part in last is no evidence, and not lost either.
        assert_eq!(
            (levels(&found, "probes"), levels(&found, "lost_probes")),
            (vec![3.0], vec![6.0])
        );
        assert!(found["lost_probes"][0]["requests"].as_u64() > Some(0), "{found}");
    }
}

#[test]
fn the_ranks_that_are_left_go_on_and_make_the_whole_load() {
    let search = search(5);
    let more = ["--from", "3", "--to", "8", "--on-rank-loss", "continue"];
    let mut team = search.within_second_probe(3, &more);
    team[1].signal(Signal::KILL);
    team[0].wait_for_stderr("it is tried again without that rank");
    let killed = team.remove(1);
    for run in team {
        run.wait().expect(0);
    }
    assert_eq!(killed.wait().code, None);
    let found = search.answer();
    // Of six users, two ranks would have had four, and these would hold.
    assert_five(&found);
    assert_eq!(levels(&found, "lost_probes"), [6.0]);
    assert_eq!(levels(&found, "probes")[..2], [3.0, 6.0]);
    assert!(found["run"]["ranks"][1]["lost"].is_string(), "{found}");
}

#[test]
fn a_signal_at_any_rank_ends_the_search_with_what_is_known() {
    for interrupted in 0..2 {
        let search = search(50);
        let team = search.within_second_probe(2, &["--from", "3"]);
        team[interrupted].signal(Signal::INT);
        for run in team {
            run.wait().expect(105);
        }
        let found = search.answer();
        assert_eq!(found["answer"]["ended_by"], "interrupted");
        let probes = found["probes"].as_array().unwrap();
        // What is known is what the first probe has shown: nothing, if others took the CPU meanwhile.
        let low = match probes[0]["decision"] == "holds" {
            true => json!(3.0),
            false => Value::Null,
        };
        assert_eq!(found["answer"]["low"], low, "{found}");
        if probes[0]["seems_to_hold"] == true {
            assert!(found["answer"]["limit"].as_f64() >= Some(3.0), "{found}");
        }
        let early: Vec<&Value> = probes.iter().map(|probe| &probe["ended_early"]).collect();
        assert_eq!(early, [false, true]);
        assert_eq!(found["lost_probes"], Value::Null);
        assert!(probes[1]["requests"].as_u64() > Some(0), "{found}");
    }
}

#[test]
fn a_generator_that_is_the_limit_at_another_rank_is_told() {
    let search = search(5000);
    let load = [
        "--over",
        "rate",
        "--from",
        "400000/s",
        "--to",
        "400000/s",
        "--require-fit",
    ];
    let more = ["--slo", "ttft: p(90)<5000", "--max-time", "10s"];
    for run in team(2, &search.words_of_search(&[&more[..], &AT_ONCE, &load].concat())) {
        run.wait().expect(113);
    }
    let found = search.answer();
    let reasons = found["probes"][0]["generator_limits"].as_array().unwrap();
    assert!(
        reasons
            .iter()
            .any(|reason| reason["found"].as_str().unwrap().starts_with("rank 1 (")),
        "{found}"
    );
}

#[test]
fn ranks_of_other_searches_are_refused_before_anything_is_sent() {
    let search = search(5);
    let words = search.words_of_search(&[&SLO[..], &["--from", "2"]].concat());
    let refused = |words: &[&str], what: &str| {
        let (first, address) = rank_0_of(2, &search.words_of_search(&SLO));
        let second = rank(1, 2, &[words, &["--coordinate", &address]].concat());
        let ended = second.wait().expect(104);
        assert!(ended.stderr.contains(what), "{}", ended.stderr);
        first.wait().expect(117);
    };
    refused(&words, "search.from is 1.0 for rank 0, and 2.0 here");
    // A run is no search.
    refused(
        &[&search.profile, "--target", &search.target],
        "rank 1 has another plan than rank 0: ",
    );
    assert_eq!(mock_requests(search.mock.address), 0);
}

#[test]
fn one_rank_alone_is_refused() {
    let rank = ["--rank", "1", "--ranks", "2"];
    for (words, option) in [(&rank[..], "--rank"), (&["--shard", "1/2"], "--shard")] {
        let search = ["find-limit", "smoke", "--target", "http://127.0.0.1:9"];
        let ended = ran(&[&search[..], &SLO, words].concat()).expect(104);
        ended.one_error(&format!(
            "{option}: does not go with `find-limit` alone: what all shards have measured decides"
        ));
        assert!(
            ended.stderr.contains("hint: add `--coordinate HOST:PORT`"),
            "{}",
            ended.stderr
        );
    }
}
