//! Figures of all ranks while the load goes on.

use super::*;
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, Manner};

#[test]
fn a_threshold_of_the_whole_ends_the_load_of_all_ranks() {
    // Each rank alone makes far fewer requests in that time.
    let rule = "requests: [{ threshold: count<300, abortOnFail: true, delayAbortEval: 2s }]";
    let scene = Scene::of(&format!("{LONG}{MIX}thresholds: {{ {rule} }}\n"));
    let team = team(4, &scene.words(&["--cores", "1"]));
    for (number, run) in team.into_iter().enumerate() {
        let ended = run.wait().expect(if number == 0 { 99 } else { 0 });
        assert!(
            ended
                .stderr
                .contains("stopping: threshold `requests < 300` does not hold ("),
            "{number}: {}",
            ended.stderr
        );
        let own = scene.own(number);
        assert_eq!(own["run"]["stopped_by"], "threshold", "{number}");
    }
    let found = scene.whole();
    assert_eq!(
        (&found["run"]["stopped_by"], &found["run"]["exit_code"]),
        (&json!("threshold"), &json!(99))
    );
    assert_eq!(found["run"]["merged"]["missing_shards"], Value::Null);
    let threshold = &found["thresholds"][0];
    assert_eq!(
        (&threshold["ok"], &threshold["not_recomputed"]),
        (&json!(false), &Value::Null)
    );
    let (observed, all) = (
        threshold["observed"].as_f64(),
        found["totals"]["requests"].as_f64(),
    );
    assert!(
        observed >= Some(300.0) && observed <= all,
        "the figure at that time: {observed:?} of {all:?}"
    );
    let lasted = found["run"]["duration_seconds"].as_f64().unwrap();
    assert!((2.0..60.0).contains(&lasted), "{lasted}");
}

#[test]
fn what_rank_0_shows_are_the_figures_of_all_ranks() {
    let scene = Scene::of(&format!("{}{MIX}warmup: 1s\n", LONG.replace("60s", "12s")));
    let listen = [
        "--metrics-listen",
        "127.0.0.1:0",
        "--metrics-linger",
        "10m",
        "--cores",
        "1",
    ];
    let mut team = team(3, &scene.words(&listen));
    team[0].wait_for_stderr("[Progress @ 10s] Active Users: 8 |");
    let ended = |run: Live| run.wait().expect(0).stderr;
    for (number, run) in team.drain(1..).enumerate() {
        let stderr = ended(run);
        assert!(
            stderr.contains(&format!(" | rank {} of 3\n", number + 1)),
            "{stderr}"
        );
        assert!(!stderr.contains("/metrics"), "only rank 0 is scraped: {stderr}");
    }
    let mut first = team.remove(0);
    first.wait_for_stderr(" goes on answering ");
    let stderr = first.stderr();
    assert!(stderr.contains(" | 3 ranks\n"), "{stderr}");
    let address = stderr.split_once("metrics http://").unwrap().1;
    let address = address.split_once('/').unwrap().0.parse().unwrap();
    let shown = Exposition::parse(&get_text(address, "/metrics"));
    let found = scene.whole();
    for (metric, key) in [
        ("llm_requests_total", "/totals/requests"),
        ("llm_output_tokens_total", "/totals/output_tokens"),
        ("llm_ttft_seconds_count", "/metrics/ttft/count"),
        ("llm_latency_seconds_count", "/metrics/latency/count"),
    ] {
        let names = shown.endpoints(metric);
        let sum: f64 = names.iter().filter_map(|name| shown.of(metric, name)).sum();
        assert_eq!(Some(sum), found.pointer(key).and_then(Value::as_f64), "{metric}");
    }
    assert!(found["totals"]["requests"].as_u64() > Some(100));
    first.signal(Signal::INT);
    ended(first);
}

#[test]
fn what_rank_0_pushes_are_the_figures_of_all_ranks_and_the_others_push_nothing() {
    let gateway = Gateway::start(Manner::Answers("200 OK", ""));
    let push = format!(
        "prometheus: {{ pushgateway_url: \"http://{}\", push_interval_seconds: 1, instance_name: one }}\n",
        gateway.address
    );
    let scene = Scene::of(&format!("{}{MIX}{push}", LONG.replace("60s", "4s")));
    for run in team(3, &scene.words(&["--cores", "1"])) {
        run.wait().expect(0);
    }
    let (found, pushes) = (scene.whole(), gateway.pushes());
    // Those of rank 0 are all that came.
    let sent = &scene.own(0)["pushes"];
    assert_eq!(
        (&sent["sent"], &sent["failed"]),
        (&json!(pushes.len()), &json!(0))
    );
    assert!(pushes.len() >= 4, "{}", pushes.len());
    let counted: Vec<f64> = pushes
        .iter()
        .map(|push| {
            let shown = Exposition::parse(&push.body);
            let names = shown.endpoints("llm_requests_total");
            names
                .iter()
                .filter_map(|name| shown.of("llm_requests_total", name))
                .sum()
        })
        .collect();
    assert!(counted.is_sorted(), "a counter fell: {counted:?}");
    assert_eq!(counted.last(), found["totals"]["requests"].as_f64().as_ref());
    assert!(requests(&found) > requests(&scene.own(0)));
}

#[test]
fn a_rank_that_falls_silent_is_known_within_seconds_and_named_in_the_document() {
    let scene = Scene::of(&format!("{LONG}{MIX}"));
    let mut team = scene.under_load(3, &["--on-rank-loss", "continue", "--cores", "1"]);
    team[2].signal(Signal::STOP);
    team[0].wait_for_stderr("rank 2 was lost: nothing came from it for 5s; the others go on");
    team[0].wait_for_stderr(" | 2 of 3 ranks\n");
    team[0].signal(Signal::INT);
    for run in team.drain(..2) {
        run.wait().expect(105);
    }
    let found = scene.whole();
    assert_eq!(found["run"]["merged"]["missing_shards"], json!([3]));
    assert_eq!(
        requests(&found),
        requests(&scene.own(0)) + requests(&scene.own(1))
    );
    // It finds rank 0 gone when it goes on, and keeps what it has measured.
    let third = team.remove(0);
    third.signal(Signal::CONT);
    wait_until("it has heard it", || third.stderr().contains("rank 0 was lost: "));
    third.signal(Signal::INT);
    third.wait().expect(105);
    assert!(requests(&scene.own(2)) > 0);
}
