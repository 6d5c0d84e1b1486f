//! Times in documents: which may be numbers of seconds, and how large.

use crate::config::document::read_document;
use crate::error::Mistake;

/// Each key that takes a time, in a document that is valid with `10s` in place of `TIME`; the largest number without a
/// unit, if there is one; and what the key needs around it.
const TIMES: [(&str, Option<&str>); 31] = [
    ("executor: trace\ntrace_spread: TIME\n", Some("60")),
    (
        "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5, cancel: {share: 5%, after: TIME}}]\n",
        Some("60"),
    ),
    (
        "executor: constant-arrival-rate\nduration: 1s\nrate: 1\ntime_unit: TIME\n",
        Some("999"),
    ),
    (
        "duration: 1s\nrequests: [{name: r, rate: 1, max_tokens: 1, start_time: TIME}]\n",
        Some("999"),
    ),
    (
        "requests: [{name: r, rate: 1, max_tokens: 1, duration: TIME}]\n",
        Some("999"),
    ),
    ("executor: constant-vus\nduration: TIME\n", Some("999")),
    ("executor: per-vu-iterations\nmax_duration: TIME\n", Some("999")),
    (
        "executor: ramping-vus\nstages: [{duration: TIME, target: 2}]\n",
        Some("999"),
    ),
    (
        "executor: ramping-vus\nstages: [{duration: 1s, target: 2}]\ngraceful_ramp_down: TIME\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\ngraceful_stop: TIME\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nwarmup: TIME\n",
        Some("999"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nthink_time: TIME\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nthink_time: 0-TIME\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5, timeout: TIME}]\n",
        Some("600"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5, connect_timeout: TIME}]\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5, first_token_timeout: TIME}]\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nrequests: [{name: a, max_tokens: 5, idle_timeout: TIME}]\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nanalysis: {p90_latency_max: TIME}\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nanalysis: {ttft_p50_good: TIME, ttft_p50_max: 1h}\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nanalysis: {ttft_p50_max: TIME}\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nthresholds: {failed: {threshold: rate<1, abortOnFail: true, \
         delayAbortEval: TIME}}\n",
        Some("60"),
    ),
    ("workload: {users: 1, duration_seconds: TIME}\n", None),
    (
        "workload: {users: 1, duration_seconds: 40000, ramp_up_seconds: TIME}\n",
        None,
    ),
    (
        "workload: {users: 1, duration_seconds: 5, warmup_seconds: TIME}\n",
        None,
    ),
    (
        "workload: {users: 1, duration_seconds: 5, think_time: TIME}\n",
        Some("60"),
    ),
    (
        "executor: constant-vus\nduration: 1s\nclient: {timeout_seconds: TIME}\n",
        None,
    ),
    (
        "executor: constant-vus\nduration: 1s\nclient: {connect_timeout: TIME}\n",
        None,
    ),
    (
        "executor: constant-vus\nduration: 1s\nprometheus: {push_interval_seconds: TIME}\n",
        None,
    ),
    (
        "executor: constant-vus\nduration: 1s\nthink_time: {enabled: true, distribution: fixed, fixed_seconds: TIME}\n",
        None,
    ),
    (
        "executor: constant-vus\nduration: 1s\nthink_time: {enabled: true, distribution: fixed, mean_seconds: TIME}\n",
        None,
    ),
    (
        "executor: constant-vus\nduration: 1s\nthink_time: {enabled: true, distribution: uniform, max_seconds: TIME}\n",
        None,
    ),
];

fn mistakes(form: &str, time: &str) -> Vec<String> {
    let server = "server: {base_url: 'http://127.0.0.1:1/v1', model_alias: m}\n";
    let text = format!("{server}{}", form.replace("TIME", time));
    let (_, mistakes) = read_document("p", "p.yaml", &text).unwrap();
    mistakes.iter().map(Mistake::to_string).collect()
}

#[test]
fn a_number_without_a_unit_is_believed_where_it_can_be_seconds() {
    for (form, largest) in TIMES {
        assert_eq!(mistakes(form, "10s"), [""; 0], "{form}");
        assert_eq!(mistakes(form, "10"), [""; 0], "{form}");
        assert_eq!(mistakes(form, "1.5"), [""; 0], "{form}");
        match largest {
            Some(largest) => {
                assert_eq!(mistakes(form, largest), [""; 0], "{form}");
                for large in [format!("{largest}.5"), "30000".to_owned()] {
                    let found = mistakes(form, &large);
                    assert_eq!(found.len(), 1, "{form}: {found:?}");
                    assert!(
                        found[0].contains(&format!("`{large}` has no unit")),
                        "{}",
                        found[0]
                    );
                    assert!(
                        found[0].contains(&format!("write `{large}ms` or `{large}s`")),
                        "{}",
                        found[0]
                    );
                }
            }
            // Their names say seconds. Some have a lower limit, which is another matter.
            None => {
                let found = mistakes(form, "30000");
                assert!(found.iter().all(|one| !one.contains("has no unit")), "{found:?}");
            }
        }
    }
}

#[test]
fn the_list_of_times_has_every_key_that_takes_one() {
    // The manual's tables say of which keys the value is a time; another test holds the tables to the keys.
    let manual = crate::documents_tests::document("docs/PROFILES.md");
    let rows = manual.lines().filter(|line| line.starts_with("| `"));
    let timed = rows.filter_map(|row| {
        let mut cells = row.split(" | ");
        let (key, kind) = (cells.next()?, cells.next()?);
        (kind == "time" || kind.starts_with("time or")).then(|| key.trim_start_matches("| ").to_owned())
    });
    let keys: Vec<String> = timed
        .flat_map(|cell| cell.split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(keys.len() > 12, "{keys:?}");
    for key in keys {
        let key = key.trim_matches('`');
        let listed = TIMES
            .iter()
            .any(|(form, _)| form.contains(&format!("{key}: TIME")));
        assert!(listed, "`{key}` is not in the list");
    }
}
