//! The accounting of `scripts/soak.sh` in seconds: every fault of the mock and users who cancel, at the same time.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::mock::MockOptions;
use llmload_uring::mock::fault::Fault;
use llmload_uring::units::MILLISECOND;
use serde_json::Value;

/// The names of the mock's faults by what we call them, but for time-outs.
const CLASSES: [(&str, &[&str]); 8] = [
    ("http_429", &["429"]),
    ("http_5xx", &["500"]),
    ("http_503", &["503"]),
    ("http_4xx", &["404"]),
    ("reset", &["reset"]),
    ("truncated", &["cut", "unfinished"]),
    ("stream_error", &["error_event"]),
    ("malformed", &["bad_json", "bad_chunk"]),
];
const TIMEOUTS: [&str; 4] = [
    "timeout_connect",
    "timeout_first_token",
    "timeout_idle",
    "timeout_total",
];
const LOAD: &str = "\
executor: per-vu-iterations
vus: 200
iterations: 5
models: [m]
prompts: [Hi]
requests:
  - { name: stream, weight: 8, stream: true, max_tokens: 20, timeout: 50s, first_token_timeout: 4s,
      idle_timeout: 4s, cancel: { share: 10%, after_tokens: 2-3 } }
  - { name: plain, weight: 2, stream: false, max_tokens: 20, timeout: 50s, first_token_timeout: 4s, idle_timeout: 4s }
";

fn count(document: &Value, key: &str) -> u64 {
    document[key].as_u64().unwrap_or(0)
}

/// Each class with our count and the mock's, without the requests whose user had gone before the fault.
fn by_class(outcomes: &Value, stats: &Value) -> Vec<(&'static str, u64, u64)> {
    let came = |names: &[&str]| -> u64 {
        let came = names.iter().map(|name| {
            let (all, missed) = (&stats["faults"], &stats["left_before_fault"]);
            count(all, name) - count(missed, name)
        });
        came.sum()
    };
    let timeouts = TIMEOUTS.iter().map(|name| count(outcomes, name)).sum();
    let mut classes = vec![
        ("ok", count(outcomes, "ok"), count(stats, "ok")),
        ("timeout", timeouts, came(&["hang", "stall"])),
    ];
    classes.extend(CLASSES.map(|(class, names)| (class, count(outcomes, class), came(names))));
    classes
}

#[test]
fn every_fault_among_users_who_cancel_is_counted_as_the_mock_counts_it() {
    let names = Fault::names().map(|name| Fault::parse(name).unwrap());
    let each: Vec<(Fault, u32)> = [429, 500, 503, 404]
        .map(Fault::Status)
        .into_iter()
        .chain(names)
        .map(|fault| (fault, 1))
        .collect();
    for io in [&[][..], &["--io", "epoll"]] {
        let mock = mock(MockOptions {
            faults: faults(&each, 100),
            ttft: 20 * MILLISECOND,
            gap: 40 * MILLISECOND,
            tokens: 20,
            ..mock_options()
        });
        let dir = Dir::new();
        let (file, output) = (dir.write("soak.yaml", LOAD), dir.path("r.json"));
        let target = format!("http://{}", mock.address);
        let words = [&[&file, "--target", &target, "-o", &output][..], io].concat();
        ran(&words).expect(0);
        // The mock counts a client that has gone when it sees so, which may be after the end of the run.
        wait_until("the mock has nothing to do", || {
            let shown = get_text(mock.address, "/metrics");
            shown.lines().any(|line| line == "mock:requests_running 0")
        });
        let stats = get_json(mock.address, "/mock/stats");
        let document = document(&output);
        let (totals, outcomes) = (&document["totals"], &document["totals"]["by_outcome"]);
        assert_eq!(
            (count(totals, "requests"), count(&stats, "requests")),
            (1_000, 1_000)
        );
        let classes = by_class(outcomes, &stats);
        let cancelled = count(outcomes, "cancelled");
        let known: u64 = classes.iter().map(|(_, ours, _)| ours).sum();
        assert_eq!(known + cancelled, 1_000, "{outcomes}");
        // On a busy host a user may cancel in the moment in which the answer fails: never the other way round.
        for (class, ours, theirs) in &classes {
            assert!(
                ours <= theirs,
                "{class}: ours {ours}, the mock's {theirs}: {outcomes} {stats}"
            );
            assert!(*theirs > 0, "{class}");
        }
        let theirs: u64 = classes.iter().map(|(_, _, theirs)| theirs).sum();
        assert!(
            cancelled >= 1_000 - theirs && cancelled > 40,
            "{cancelled}: {stats}"
        );
    }
}
