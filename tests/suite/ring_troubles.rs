//! A ring in trouble loses nothing and counts nothing twice: short sends, receives that end or find no buffer,
//! completions that come late, cancellations that cross with what they cancel, interruptions, full queues. What a run
//! says of its requests is what a run without troubles says, and what the mock counts.

use std::collections::BTreeMap;
use std::process::Command;

use llmload_uring::host::HostFacts;
use llmload_uring::mock::fault::Fault;
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::units::MILLISECOND;
use rustix::process::Signal;
use rustls::version::TLS13;
use serde_json::Value;

use crate::common::certificates::{Authority, Validity};
use crate::common::live::*;
use crate::common::terminator::{Manners, Terminator};
use crate::common::*;

const SEEDS: std::ops::RangeInclusive<u32> = 1..=2;
/// All troubles together and each by itself. Some need a ring so small that it is full and its buffers are used up.
const EACH: &[&str] = &[
    "",
    ":short",
    ":shortage",
    ":ends",
    ":late",
    ":race,late",
    ":interrupted",
    ":full,tiny",
    ":tiny",
];
/// The same in fewer runs.
const SOME: &[&str] = &[
    "",
    ":ends,shortage",
    ":race,late",
    ":interrupted",
    ":full,short,tiny",
];

fn seeded(troubles: &[&str]) -> Vec<String> {
    let of = |seed| troubles.iter().map(move |troubles| format!("{seed}{troubles}"));
    SEEDS.flat_map(of).collect()
}

fn has_rings(test: &str) -> bool {
    let has = HostFacts::read().uring.is_ok() && cfg!(debug_assertions);
    if !has {
        skipped(test, "io_uring, in a debug build");
    }
    has
}

/// The program on a ring, in these troubles if there are any.
fn troubled(troubles: Option<&str>) -> Command {
    let mut command = program();
    command
        .env_remove("LLMLOAD_IO")
        .env_remove("LLMLOAD_TEST_RING_TROUBLES");
    if let Some(troubles) = troubles {
        command.env("LLMLOAD_TEST_RING_TROUBLES", troubles);
    }
    command
}

/// Each request by its id, with its outcome, status and tokens.
type Outcomes = BTreeMap<String, (String, u64, u64)>;

fn outcomes(document: &Value) -> Outcomes {
    let details = document["details"].as_array().unwrap();
    let of = |one: &Value| {
        let id = one["request_id"].as_str().unwrap().to_owned();
        let outcome = one["error"].as_str().unwrap_or("ok").to_owned();
        let number = |key: &str| one[key].as_u64().unwrap_or(0);
        (id, (outcome, number("status"), number("output_tokens")))
    };
    let outcomes: Outcomes = details.iter().map(of).collect();
    assert_eq!(outcomes.len(), details.len(), "a request has two lines");
    let totals = &document["totals"];
    assert_eq!(totals["requests"], details.len());
    let count = |key: &str| totals[key].as_u64().unwrap();
    let sum =
        count("ok") + count("failed") + count("interrupted") + totals["cancelled"].as_u64().unwrap_or(0);
    assert_eq!(sum, count("requests"));
    outcomes
}

/// Runs a profile in each of the troubles, for each seed, and without; gives what each run says.
fn in_each(troubles: &[&str], file: &str, args: &[&str], mut check: impl FnMut(&str, &Value)) {
    let dir = Dir::new();
    let output = dir.path("result.json");
    for troubles in std::iter::once(None).chain(seeded(troubles).into_iter().map(Some)) {
        let mut command = troubled(troubles.as_deref());
        command
            .arg(file)
            .args(args)
            .args(["--io", "uring", "--details", "-o", &output]);
        let ended = Live::spawn(&mut command).wait();
        let name = troubles.as_deref().unwrap_or("none");
        assert!(
            [Some(0), Some(99)].contains(&ended.code),
            "troubles {name}: {ended:#?}"
        );
        check(name, &document(&output));
    }
}

/// Runs it in each of the troubles: the requests end as without.
fn same_in_each(troubles: &[&str], file: &str, args: &[&str], mut check: impl FnMut(&str, &Value)) {
    let mut without = None;
    in_each(troubles, file, args, |name, document| {
        let outcomes = outcomes(document);
        assert_eq!(
            without.get_or_insert_with(|| outcomes.clone()),
            &outcomes,
            "troubles {name}"
        );
        check(name, document);
    });
}

/// What the mock has counted since the last time.
struct Since<'m> {
    mock: &'m Mock,
    last: BTreeMap<&'static str, u64>,
}

impl Since<'_> {
    fn of(mock: &Mock) -> Since<'_> {
        Since {
            mock,
            last: BTreeMap::new(),
        }
    }

    fn count(&mut self, key: &'static str) -> u64 {
        let now = get_json(self.mock.address, "/mock/stats")[key].as_u64().unwrap();
        now - self.last.insert(key, now).unwrap_or(0)
    }

    /// What was counted until the last time.
    fn seen(&self, key: &'static str) -> u64 {
        self.last.get(key).copied().unwrap_or(0)
    }
}

const LOAD: &str = "\
executor: per-vu-iterations
vus: 16
graceful_stop: 30s
iterations: 6
seed: 7
models: [m]
prompts: { prompt_tokens: 300 }
requests:
  - { name: chat, stream: true, max_tokens: 10, timeout: 120s, connect_timeout: 60s }
";

fn quick_mock() -> Mock {
    mock(MockOptions {
        ttft: MILLISECOND,
        gap: MILLISECOND / 4,
        ..mock_options()
    })
}

#[test]
fn a_ring_in_trouble_changes_no_outcome_and_the_mock_counts_the_same() {
    if !has_rings("a_ring_in_trouble_changes_no_outcome_and_the_mock_counts_the_same") {
        return;
    }
    let dir = Dir::new();
    let file = dir.write("load.yaml", LOAD);
    let mock = quick_mock();
    let mut since = Since::of(&mock);
    for connection in ["keep-alive", "per-request"] {
        let target = format!("http://{}", mock.address);
        let args = ["--target", &target, "--connection", connection];
        same_in_each(EACH, &file, &args, |name, document| {
            let totals = &document["totals"];
            assert_eq!(totals["ok"], 96, "{connection}, troubles {name}");
            assert_eq!(totals["stale_reconnects"], 0, "{connection}, troubles {name}");
            let counted = ["requests", "ok", "tokens"].map(|key| since.count(key));
            assert_eq!(counted, [96, 96, 960], "{connection}, troubles {name}");
            let connections = if connection == "keep-alive" { 16 } else { 96 };
            let made = document["metrics"]["connect"]["count"].as_u64().unwrap();
            // An answer may come before the end of its request's send does; its connection is not used again then.
            let is_late = !["none", "short", "tiny"].iter().any(|calm| name.ends_with(calm));
            assert!(
                made == connections || (is_late && made > connections),
                "{connection}, troubles {name}: {made}"
            );
        });
    }
}

/// Bodies of many sends, of which the server has to get each byte: a digest of all of them is the same.
#[test]
fn large_bodies_go_out_whole_by_short_sends() {
    if !has_rings("large_bodies_go_out_whole_by_short_sends") {
        return;
    }
    let dir = Dir::new();
    let file = dir.write(
        "load.yaml",
        &LOAD.replace("prompt_tokens: 300", "prompt_tokens: 60000"),
    );
    let mock = quick_mock();
    let target = format!("http://{}", mock.address);
    let mut digests = Vec::new();
    let mut sum = 0;
    same_in_each(
        SOME,
        &file,
        &["--target", &target, "--vus", "4", "--iterations", "12"],
        |_, _| {
            let stats = get_json(mock.address, "/mock/stats");
            let digest = u64::from_str_radix(stats["bodies_digest"].as_str().unwrap(), 16).unwrap();
            digests.push(digest.wrapping_sub(std::mem::replace(&mut sum, digest)));
        },
    );
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_ring_in_trouble_changes_no_outcome_over_tls() {
    if !has_rings("a_ring_in_trouble_changes_no_outcome_over_tls") {
        return;
    }
    let dir = Dir::new();
    let file = dir.write("load.yaml", LOAD);
    let authority = Authority::new();
    let ca = dir.write("ca.pem", &authority.pem);
    let mock = quick_mock();
    let mut since = Since::of(&mock);
    let identity = authority.sign(&["127.0.0.1"], Validity::Now);
    let front = Terminator::new(identity.server(&[&TLS13]), mock.address, Manners::default());
    let target = format!("https://{}", front.address);
    for connection in ["keep-alive", "per-request"] {
        let args = ["--target", &target, "--cacert", &ca, "--connection", connection];
        same_in_each(SOME, &file, &args, |name, document| {
            assert_eq!(document["totals"]["ok"], 96, "{connection}, troubles {name}");
            let counted = ["requests", "ok", "tokens"].map(|key| since.count(key));
            assert_eq!(counted, [96, 96, 960], "{connection}, troubles {name}");
        });
    }
}

/// Closes in the middle of answers: each cancels a receive that is armed.
#[test]
fn requests_that_are_cancelled_are_the_same_in_trouble() {
    if !has_rings("requests_that_are_cancelled_are_the_same_in_trouble") {
        return;
    }
    let dir = Dir::new();
    let file = dir.write(
        "load.yaml",
        &LOAD.replace(
            "timeout: 120s",
            "timeout: 120s, cancel: { share: 50%, after_tokens: 3 }",
        ),
    );
    // A gap as long as any trouble takes: the answer must not be over before it is cut.
    let mock = mock(MockOptions {
        gap: 20 * MILLISECOND,
        ..mock_options()
    });
    let target = format!("http://{}", mock.address);
    let mut since = Since::of(&mock);
    same_in_each(SOME, &file, &["--target", &target], |name, document| {
        let totals = &document["totals"];
        assert_eq!(
            (&totals["ok"], &totals["cancelled"]),
            (&48.into(), &48.into()),
            "troubles {name}"
        );
        // On a busy machine the mock has sent all of an answer before it notices.
        let (mut answered, mut abandoned) = (0, 0);
        wait_until("the mock has noticed all", || {
            answered += since.count("ok");
            abandoned += since.count("abandoned");
            answered + abandoned == 96
        });
        assert!(answered >= 48, "troubles {name}");
    });
}

/// Each fault as often as the mock made it.
#[test]
fn faults_of_the_server_are_told_from_troubles_of_the_ring() {
    if !has_rings("faults_of_the_server_are_told_from_troubles_of_the_ring") {
        return;
    }
    let expected = [
        (Fault::Status(503), "http_503"),
        (Fault::Reset, "reset"),
        (Fault::Cut, "truncated"),
        (Fault::Unfinished, "truncated"),
        (Fault::ErrorEvent, "stream_error"),
        (Fault::BadJson, "malformed"),
        (Fault::Close, "ok"),
    ];
    let counts = expected.map(|(fault, _)| (fault, 8));
    let dir = Dir::new();
    let file = dir.write("load.yaml", LOAD);
    let mock = mock(MockOptions {
        faults: faults(&counts, 96),
        ..mock_options()
    });
    let target = format!("http://{}", mock.address);
    in_each(SOME, &file, &["--target", &target], |name, document| {
        let mut by_outcome: BTreeMap<String, u64> = BTreeMap::new();
        for (outcome, ..) in outcomes(document).into_values() {
            *by_outcome.entry(outcome).or_default() += 1;
        }
        let mut wanted: BTreeMap<String, u64> = BTreeMap::from([("ok".to_owned(), 40)]);
        for (_, outcome) in expected {
            *wanted.entry(outcome.to_owned()).or_default() += 8;
        }
        assert_eq!(by_outcome, wanted, "troubles {name}");
    });
}

/// At a rate a send is a call of its own, and the ring sends what the socket did not take.
#[test]
fn arrivals_at_a_rate_are_all_answered_in_trouble() {
    if !has_rings("arrivals_at_a_rate_are_all_answered_in_trouble") {
        return;
    }
    let dir = Dir::new();
    let load = LOAD.replace(
        "executor: per-vu-iterations\nvus: 16\ngraceful_stop: 30s\niterations: 6\n",
        "executor: constant-arrival-rate\nrate: 100\nduration: 500ms\nmax_vus: 64\ngraceful_stop: 30s\n",
    );
    let file = dir.write("load.yaml", &load);
    let mock = quick_mock();
    let target = format!("http://{}", mock.address);
    let mut since = Since::of(&mock);
    same_in_each(SOME, &file, &["--target", &target], |name, document| {
        assert_eq!(document["totals"]["ok"], 50, "troubles {name}");
        assert_eq!(since.count("ok"), 50, "troubles {name}");
    });
}

/// Users who never stop, against answers that take longer than the run.
const ENDLESS: &str = "executor: constant-vus
vus: 24
duration: 700ms
graceful_stop: 300ms
seed: 7
models: [m]
prompts: { prompt_tokens: 30 }
requests:
  - { name: quick, stream: true, max_tokens: 10, timeout: 120s, connect_timeout: 60s }
";

fn long_mock() -> Mock {
    mock(MockOptions {
        ttft: 5 * MILLISECOND,
        gap: 40 * MILLISECOND,
        ..mock_options()
    })
}

/// Checks that no request was lost and none counted twice, if so many were in flight at the end of the load.
fn whole(document: &Value, name: &str, since: &mut Since<'_>) {
    let outcomes = outcomes(document);
    let of = |outcome: &str| outcomes.values().filter(|one| one.0 == outcome).count() as u64;
    let (ok, interrupted) = (of("ok"), of("interrupted"));
    assert_eq!(
        ok + interrupted,
        outcomes.len() as u64,
        "troubles {name}: {outcomes:?}"
    );
    assert!(
        outcomes.values().all(|one| one.0 != "ok" || one.2 == 10),
        "troubles {name}"
    );
    // Of those that were cut, one may have been answered whole while the cut was on its way; one may not have gone out.
    let (mut asked, mut answered, mut abandoned) = (0, 0, 0);
    wait_until("the mock is done", || {
        abandoned += since.count("abandoned");
        answered += since.count("ok");
        asked += since.count("requests");
        asked == answered + abandoned
    });
    assert!(
        (ok..=ok + interrupted).contains(&answered),
        "troubles {name}: {ok} and {answered}"
    );
    assert!(
        (ok..=ok + interrupted).contains(&asked),
        "troubles {name}: {asked}"
    );
}

#[test]
fn a_drain_and_a_ctrl_c_in_trouble_lose_nothing_and_end_in_time() {
    if !has_rings("a_drain_and_a_ctrl_c_in_trouble_lose_nothing_and_end_in_time") {
        return;
    }
    let dir = Dir::new();
    let mock = long_mock();
    let target = format!("http://{}", mock.address);
    let mut since = Since::of(&mock);
    let drains = dir.write("drains.yaml", ENDLESS);
    in_each(SOME, &drains, &["--target", &target], |name, document| {
        whole(document, name, &mut since)
    });
    let stopped = dir.write("stopped.yaml", &ENDLESS.replace("700ms", "60s"));
    let output = dir.path("stopped.json");
    for troubles in seeded(SOME) {
        let mut command = troubled(Some(&troubles));
        command.args([
            &stopped,
            "--target",
            &target,
            "--io",
            "uring",
            "--details",
            "-o",
            &output,
        ]);
        let live = Live::spawn(&mut command);
        let mut asked = 0;
        wait_until("some requests are in flight", || {
            asked = get_json(mock.address, "/mock/stats")["requests"]
                .as_u64()
                .unwrap()
                - since.seen("requests");
            asked >= 48
        });
        live.signal(Signal::INT);
        live.wait().expect(105);
        whole(&document(&output), &troubles, &mut since);
    }
}
