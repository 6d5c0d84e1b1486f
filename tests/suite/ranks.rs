//! Several processes that make one run: rank 0 coordinates, and writes one result.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::Mock;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

mod details;
mod live;
mod losses;
mod networks;
mod search;

const SECRET: &str = "a secret of the tests";
const BY_USER: &str = "executor: per-vu-iterations\nvus: 8\niterations: 12\nmax_duration: 60s\n";
const LONG: &str = "executor: constant-vus\nvus: 8\nduration: 60s\nthink_time: 20ms\ngraceful_stop: 1s\n";
const MIX: &str = "models: [m, n]\nprompts: [Hi, Why]\nrequests:\n  - { name: stream, weight: 2, kind: chat, \
                   stream: true, max_tokens: 10-99, timeout: 20s }\n  - { name: light, weight: 1, kind: light, timeout: 20s }\n";

fn url(mock: &Mock) -> String {
    format!("http://{}", mock.address)
}

fn quick_mock() -> Mock {
    let mut options = mock_options();
    options.stamp = false;
    mock(options)
}

/// Starts one rank as an engine would.
fn rank(number: usize, ranks: usize, words: &[&str]) -> Live {
    let mut command = program();
    command.args(words).env("LLMLOAD_COORDINATE_SECRET", SECRET);
    command
        .env("OMPI_COMM_WORLD_RANK", number.to_string())
        .env("OMPI_COMM_WORLD_SIZE", ranks.to_string());
    Live::spawn(&mut command)
}

/// Returns where rank 0 listens.
pub(crate) fn address_of(first: &mut Live) -> String {
    first.wait_for_stderr(" for the others");
    let text = first.stderr();
    let after = text.split_once(" waits at ").unwrap().1;
    after.split_once(' ').unwrap().0.to_owned()
}

/// Starts rank 0. Returns it with the address at which it listens.
fn rank_0_of(ranks: usize, words: &[&str]) -> (Live, String) {
    let words = [words, &["--coordinate", "127.0.0.1:0"]].concat();
    let mut first = rank(0, ranks, &words);
    let address = address_of(&mut first);
    (first, address)
}

/// Starts all ranks with the same words.
fn team(ranks: usize, words: &[&str]) -> Vec<Live> {
    let (first, address) = rank_0_of(ranks, words);
    let words = [words, &["--coordinate", &address]].concat();
    let others = (1..ranks).map(|number| rank(number, ranks, &words));
    std::iter::once(first).chain(others).collect()
}

fn read(path: &str) -> Value {
    document(Path::new(path))
}

fn requests(document: &Value) -> u64 {
    document["totals"]["requests"].as_u64().unwrap()
}

/// A server, a profile to load it with, and where the result of the whole goes.
struct Scene {
    mock: Mock,
    dir: Dir,
    profile: String,
    target: String,
    output: String,
}

impl Scene {
    fn of(profile: &str) -> Scene {
        Scene::on(quick_mock(), profile)
    }

    fn on(mock: Mock, profile: &str) -> Scene {
        let dir = Dir::new();
        Scene {
            profile: dir.write("profile.yaml", profile),
            target: url(&mock),
            output: dir.path("out.json"),
            mock,
            dir,
        }
    }

    /// Returns the words that every rank is started with.
    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let words = [&self.profile, "--target", &self.target, "-o", &self.output];
        [&words[..], more].concat()
    }

    /// Starts ranks, and waits until they make requests.
    fn under_load(&self, ranks: usize, more: &[&str]) -> Vec<Live> {
        let team = team(ranks, &self.words(more));
        wait_until("requests are made", || self.requested() > 50);
        team
    }

    /// Returns how many requests the server has had.
    fn requested(&self) -> u64 {
        mock_requests(self.mock.address)
    }

    /// Returns how many streams the server has had, as a document has it.
    fn streams(&self) -> Value {
        get_json(self.mock.address, "/mock/stats")["streams"].clone()
    }

    fn whole(&self) -> Value {
        read(&self.output)
    }

    fn own_path(&self, rank: usize) -> String {
        self.dir.path(&format!("out.rank-{rank}.json"))
    }

    fn own(&self, rank: usize) -> Value {
        read(&self.own_path(rank))
    }

    /// Merges the documents of all ranks, whose verdict is this exit code.
    fn merged(&self, ranks: usize, code: i32) -> Value {
        let own: Vec<String> = (0..ranks).map(|rank| self.own_path(rank)).collect();
        let again = self.dir.path("again.json");
        let words = ["merge", "--output", &again].into_iter();
        ran(&words.chain(own.iter().map(String::as_str)).collect::<Vec<_>>()).expect(code);
        read(&again)
    }
}

#[test]
fn four_ranks_make_the_requests_and_the_document_of_one_process() {
    let text = format!("{BY_USER}{MIX}thresholds: {{ failed: rate<0.01, requests: count==96 }}\n");
    let (alone, shared) = (Scene::of(&text), Scene::of(&text));
    Live::start(&alone.words(&[])).wait().expect(0);
    let team = team(4, &shared.words(&[]));
    for (number, run) in team.into_iter().enumerate() {
        let ended = run.wait().expect(0);
        match number {
            0 => assert!(
                ended.stdout.contains("merged from 4 of 4 shards"),
                "{}",
                ended.stdout
            ),
            _ => assert!(
                ended.stdout.contains(&format!("rank {number} of 4: 24 requests")),
                "{}",
                ended.stdout
            ),
        }
    }
    let digest = |scene: &Scene| get_json(scene.mock.address, "/mock/stats")["bodies_digest"].clone();
    assert_eq!(digest(&alone), digest(&shared), "the same bodies");
    let (one, many) = (alone.whole(), shared.whole());
    for key in [
        "/totals/requests",
        "/totals/ok",
        "/kinds/stream/totals/requests",
        "/run/verdict",
        "/run/exit_code",
    ] {
        assert_eq!(one.pointer(key), many.pointer(key), "{key}");
    }
    assert_eq!(many["thresholds"][1]["ok"], true, "judged on the whole");
    assert_eq!(many["thresholds"], one["thresholds"], "breaking points included");
    assert_eq!(many["run"]["merged"]["shards"], 4);
    assert_eq!(many["run"]["merged"]["missing_shards"], Value::Null);
    // Each rank keeps its own, from which the same can be made again.
    let again = shared.merged(4, 0);
    for key in ["/totals", "/metrics", "/timeline"] {
        assert_eq!(again.pointer(key), many.pointer(key), "{key}");
    }
    let point = "no breaking point: windows are only judged during a run";
    assert_eq!(again["thresholds"][1]["not_recomputed"], point);
    let skew = many["run"]["merged"]["start_skew_seconds"].as_f64().unwrap();
    assert!(skew < 10.0, "{skew}");
}

#[test]
fn a_rank_that_does_not_belong_is_refused_before_anything_is_sent() {
    let mock = quick_mock();
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{BY_USER}{MIX}"));
    let target = url(&mock);
    let words = [profile.as_str(), "--target", &target];
    let (mut first, address) = rank_0_of(3, &words);
    let base = [&words[..], &["--coordinate", &address]].concat();
    let second = rank(1, 3, &base);
    first.wait_for_stderr("rank 1 on ");
    let refused = |number: usize, ranks: usize, more: &[&str], secret: &str| {
        let mut command = program();
        command
            .args(&base)
            .args(more)
            .env("LLMLOAD_COORDINATE_SECRET", secret);
        command
            .env("PMI_RANK", number.to_string())
            .env("PMI_SIZE", ranks.to_string());
        Live::spawn(&mut command).wait().expect(104).stderr
    };
    let text = refused(1, 3, &[], SECRET);
    assert!(text.contains("rank 1 is there already"), "{text}");
    let text = refused(2, 4, &[], SECRET);
    assert!(
        text.contains("rank 0 is one of 3 ranks, and this is rank 2 of 4"),
        "{text}"
    );
    let text = refused(2, 3, &[], "another secret of some length");
    assert!(
        text.contains("its secret is not rank 0's") && text.contains("hint: "),
        "{text}"
    );
    assert!(!text.contains("another secret of"), "{text}");
    // Another plan ends the run for all: without this rank there is none.
    let text = refused(2, 3, &["--seed", "7"], SECRET);
    assert!(
        text.contains("rank 2 has another plan than rank 0: config.seed is "),
        "{text}"
    );
    for run in [first, second] {
        let ended = run.wait().expect(117);
        assert!(
            ended.stderr.contains("rank 2 has another plan than rank 0"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(mock_requests(mock.address), 0);
}

#[test]
fn ranks_that_do_not_come_are_named_when_the_time_is_over() {
    let mock = quick_mock();
    let target = url(&mock);
    let words = ["quick-smoke", "--target", &target, "--wait-for-ranks", "1s"];
    let (first, address) = rank_0_of(4, &words);
    let ended = first.wait().expect(117);
    ended.one_error("--coordinate: ranks 1, 2, 3 of 4 did not come within 1s");
    // Nobody listens there any more.
    let second = rank(1, 4, &[&words[..], &["--coordinate", &address]].concat());
    let ended = second.wait().expect(117);
    ended.one_error("could not be joined within 1s");
    assert_eq!(mock_requests(mock.address), 0);
}

#[test]
fn a_killed_rank_ends_the_load_of_all_or_not_as_asked() {
    for (on_loss, code) in [("stop", 117), ("continue", 105)] {
        let scene = Scene::of(&format!("{LONG}{MIX}"));
        let mut team = scene.under_load(3, &["--on-rank-loss", on_loss]);
        team[2].signal(Signal::KILL);
        team[0].wait_for_stderr("rank 2 was lost: ");
        if on_loss == "continue" {
            let before = scene.requested();
            wait_until("the others go on", || scene.requested() > before + 50);
            team[0].signal(Signal::INT);
        }
        for run in team.drain(..2) {
            run.wait().expect(code);
        }
        let found = scene.whole();
        assert_eq!(found["run"]["merged"]["missing_shards"], json!([3]), "{on_loss}");
        assert_eq!(found["run"]["exit_code"], code);
        let warnings = found["warnings"].as_array().unwrap();
        let missing = warnings.iter().find(|w| w["rule"] == "shards_missing").unwrap();
        assert!(
            missing["message"]
                .as_str()
                .unwrap()
                .contains("lost were rank 2 ("),
            "{missing}"
        );
        assert_eq!(
            requests(&found),
            requests(&scene.own(0)) + requests(&scene.own(1))
        );
    }
}

#[test]
fn without_rank_0_the_others_end_and_keep_their_results() {
    let scene = Scene::of(&format!("{LONG}{MIX}"));
    let team = scene.under_load(3, &[]);
    team[0].signal(Signal::KILL);
    for (number, run) in team.into_iter().enumerate().skip(1) {
        let ended = run.wait().expect(117);
        assert!(ended.stderr.contains("rank 0 was lost: "), "{}", ended.stderr);
        let own = scene.own(number);
        assert!(requests(&own) > 0);
        assert_eq!(own["run"]["stopped_by"], "rank");
    }
    assert!(!Path::new(&scene.output).exists());
}

#[test]
fn a_signal_at_any_rank_is_graceful_for_all() {
    for interrupted in 0..3 {
        let scene = Scene::of(&format!("{LONG}{MIX}"));
        let team = scene.under_load(3, &[]);
        team[interrupted].signal(Signal::TERM);
        for run in team {
            run.wait().expect(105);
        }
        let found = scene.whole();
        assert_eq!(found["run"]["stopped_by"], "signal");
        assert_eq!(found["run"]["merged"]["missing_shards"], Value::Null);
        // Every stream that the mock has seen is in the one document.
        assert_eq!(found["kinds"]["stream"]["totals"]["requests"], scene.streams());
    }
}

#[test]
fn a_rank_that_dies_while_others_are_awaited_is_started_again() {
    let mock = quick_mock();
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{BY_USER}{MIX}"));
    let target = url(&mock);
    let words = [profile.as_str(), "--target", &target];
    let (mut first, address) = rank_0_of(3, &words);
    let words = [&words[..], &["--coordinate", &address]].concat();
    let second = rank(1, 3, &words);
    first.wait_for_stderr("rank 1 on ");
    second.signal(Signal::KILL);
    second.wait();
    first.wait_for_stderr(" is gone: ");
    let team = [first, rank(1, 3, &words), rank(2, 3, &words)];
    for run in team {
        run.wait().expect(0);
    }
}

#[test]
fn strangers_at_the_port_do_no_harm() {
    use std::io::{Read, Write};
    let mock = quick_mock();
    let dir = Dir::new();
    let profile = dir.write("profile.yaml", &format!("{BY_USER}{MIX}"));
    let target = url(&mock);
    let words = [profile.as_str(), "--target", &target];
    let (mut first, address) = rank_0_of(2, &words);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 4096],
        b"\x16\x03\x01\xff\xff",
        b"",
    ] {
        let mut stranger = std::net::TcpStream::connect(&address).unwrap();
        let _ = stranger.write_all(bytes);
        let _ = stranger.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stranger.read_to_end(&mut answer);
        assert!(answer.len() < 100, "an alert at most");
    }
    first.wait_for_stderr(" was no rank: ");
    let second = rank(1, 2, &[&words[..], &["--coordinate", &address]].concat());
    for run in [first, second] {
        run.wait().expect(0);
    }
}

#[test]
fn wrong_settings_are_refused_with_the_next_step() {
    let refused = |words: &[&str], vars: &[(&str, &str)], code: i32| {
        let mut command = program();
        command.arg("quick-smoke").args(words);
        command.envs(vars.iter().copied());
        Live::spawn(&mut command).wait().expect(code)
    };
    let secret = ("LLMLOAD_COORDINATE_SECRET", SECRET);
    let slurm = [secret, ("SLURM_PROCID", "1"), ("SLURM_NTASKS", "4")];
    refused(&["--coordinate", "http://x:1"], &slurm, 2);
    refused(&["--coordinate", "h:99999"], &slurm, 104).one_error("above the limit of 65535");
    refused(&["--coordinate", "auto"], &slurm, 104).one_error("names the host of rank 0");
    refused(&["--coordinate", "h:1"], &slurm[1..], 104).one_error("there is no secret");
    refused(&["--coordinate", "h:1"], &[secret], 104).one_error("no engine's variables are set");
    let short = [("LLMLOAD_COORDINATE_SECRET", "hunter2"), slurm[1], slurm[2]];
    let ended = refused(&["--coordinate", "h:1"], &short, 104);
    ended.one_error("the secret has 7 bytes, and needs 16");
    assert!(!ended.stderr.contains("hunter2"));
    let elsewhere = [secret, ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
    refused(&["--coordinate", "192.0.2.1:7117"], &elsewhere, 104).one_error("is no address of this host");
    refused(&["--wait-for-ranks", "0s"], &[], 104).one_error("--wait-for-ranks");
    refused(&["--on-rank-loss", "panic"], &[], 2).one_error("--on-rank-loss");
    refused(&["--gather-details"], &[], 104).one_error("has no effect without `--coordinate`");
    let first = [secret, ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
    let here = ["--coordinate", "127.0.0.1:0", "--gather-details"];
    refused(&here, &first, 104).one_error("there are no details to gather");
    let without_file = [&here[..], &["--export", "vllm=/dev/null"]].concat();
    refused(&without_file, &first, 104).one_error("the ranks have no files with their details");
}
