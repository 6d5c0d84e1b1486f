use crate::result::{read, sample};
use serde_json::{Value, json};

/// Returns the contradiction found in the sample after a change.
fn said(change: impl FnOnce(&mut Value)) -> String {
    let mut document = serde_json::to_value(sample::full()).unwrap();
    change(&mut document);
    let document = read(document.to_string().as_bytes()).unwrap();
    document.check().unwrap_err().to_string()
}

fn set(pointer: &str, value: Value) -> String {
    said(|document| *document.pointer_mut(pointer).unwrap() = value)
}

#[test]
fn the_figures_of_a_run_are_consistent() {
    assert_eq!(sample::full().check(), Ok(()));
}

#[test]
fn counts_that_do_not_add_up_are_reported() {
    let text = set("/totals/requests", json!(1800));
    assert_eq!(
        text,
        "`totals.requests`: 1800 is not the sum of 164 ok, 10 failed, 2 interrupted, 4 cancelled and 0 in flight"
    );
    let text = said(|d| {
        d["totals"]["failed"] = json!(174);
        d["totals"]["ok"] = json!(0);
    });
    assert_eq!(text, "`totals.ok`: 0 is not that of `totals.by_outcome`, 164");
    let text = set("/totals/in_flight", json!(1));
    assert!(text.starts_with("`totals.requests`: 180 is not"), "{text}");
    let text = set("/totals/by_outcome/http_503", json!(7));
    assert_eq!(
        text,
        "`totals.by_outcome`: 181 outcomes of 180 requests that have ended"
    );
    let text = set("/totals/by_status/200", json!(u64::MAX));
    assert!(text.contains("statuses of 180 requests"), "{text}");
    let text = set("/kinds/vllm/totals/requests", json!(59));
    assert!(
        text.starts_with("`kinds.vllm.totals.requests`: 59 is not"),
        "{text}"
    );
    let text = set("/kinds/vllm/totals/output_tokens", json!(1));
    assert!(
        text.starts_with("`kinds.vllm.totals.after_load.output_tokens`"),
        "{text}"
    );
    let text = said(|d| drop(d["servers"].as_object_mut().unwrap().remove("vllm")));
    assert_eq!(text, "`totals.requests`: 180 is not the sum over `servers`, 120");
    let text = said(|d| drop(d["repeats"].as_array_mut().unwrap().pop()));
    assert_eq!(text, "`totals.requests`: 180 is not the sum over `repeats`, 90");
    let text = set("/warmup/ok", json!(1000));
    assert!(text.starts_with("`warmup.requests`: 90 are fewer than"), "{text}");
}

#[test]
fn sessions_that_do_not_add_up_are_reported() {
    for (pointer, value, said) in [
        (
            "/sessions/started",
            json!(5),
            "`sessions.started`: 5 is not the sum of completed, failed, incomplete and cancelled ones, 4",
        ),
        (
            "/sessions/duration/count",
            json!(2),
            "`sessions.duration.count`: 2 of 1 completed sessions",
        ),
        (
            "/sessions/turns/0/requests",
            json!(1000),
            "`sessions.turns`: 1004 turns of 180 requests",
        ),
        (
            "/sessions/turns/1/failed",
            json!(0),
            "`sessions.turns[1].requests`: 3 is not the sum of ok, failed, interrupted and cancelled ones, 2",
        ),
        (
            "/sessions/turns/1/latency/count",
            json!(1),
            "`sessions.turns[1].latency.count`: 1 of 2 turns that are ok",
        ),
    ] {
        assert_eq!(set(pointer, value), said);
    }
}

#[test]
fn pairs_that_do_not_add_up_are_reported() {
    for (pointer, value, said) in [
        (
            "/paired/pairs",
            json!(61),
            "`paired.pairs`: 61 is not the sum of ok, cancelled and failed ones, 60",
        ),
        (
            "/paired/same_length",
            json!(58),
            "`paired.same_length`: 58 of 56 pairs",
        ),
        (
            "/paired/differences/ttft/blocks/0/base_first/pairs",
            json!(0),
            "`paired.differences.ttft.pairs`: 57 is not the sum over its blocks, ",
        ),
        (
            "/paired/differences/latency/base_first/above/count",
            json!(0),
            "`paired.differences.latency.pairs`: 56 is not the sum over its histograms, ",
        ),
        (
            "/paired/differences/ttft/median",
            json!(900.0),
            "`paired.differences.ttft.median`: 900 is not within its interval, ",
        ),
        (
            "/paired/errors/blocks/0/base",
            json!(1),
            "`paired.failed_at_base`: 0 is not the sum over `errors.blocks`, 1",
        ),
    ] {
        let text = set(pointer, value);
        assert!(text.starts_with(said), "{text}");
    }
}

#[test]
fn rates_that_do_not_follow_from_the_counts_are_reported() {
    let text = set("/rates/error_rate", json!(0.0));
    assert!(
        text.starts_with("`rates.error_rate`: 0 is not failed over ok and failed, 0.057"),
        "{text}"
    );
    let text = set("/rates/error_rate", json!(7.0));
    assert!(text.starts_with("`rates.error_rate`: 7 is not"), "{text}");
    let text = set("/rates/requests_per_second", json!(296.0));
    assert!(
        text.starts_with("`rates.requests_per_second`: 296 is not"),
        "{text}"
    );
    let text = set("/repeats/0/rates/contention_error_rate", json!(0.5));
    assert!(
        text.starts_with("`repeats[0].rates.contention_error_rate`"),
        "{text}"
    );
    let text = set("/contention/servers/1/alone/contention_error_rate", json!(1.5));
    assert_eq!(
        text,
        "`contention.servers[1].alone.contention_error_rate`: 1.5 is not a share from 0 to 1"
    );
    let text = set("/rates/goodput", json!(0.5));
    assert!(
        text.starts_with("`rates.goodput`: 0.5 is not good over judged"),
        "{text}"
    );
    let text = set("/rates/good_requests_per_second", json!(null));
    assert!(
        text.contains("`rates.good_requests_per_second`: absent is not good ones"),
        "{text}"
    );
    // The sample's load is shorter than its run, and some of its requests ended later.
    let sample = sample::full();
    assert_eq!(sample.rates.load_seconds, Some(5.0));
    assert!(sample.totals.after_load.ok > 0);
    let text = set("/rates/load_seconds", json!(6.0));
    assert!(text.starts_with("`rates.requests_per_second`: "), "{text}");
    let text = set("/rates/load_seconds", json!(6.1));
    assert_eq!(text, "`rates.load_seconds`: 6.1 of a run of 6");
    let text = set("/totals/after_load/ok", json!(0));
    assert!(text.starts_with("`rates."), "{text}");
    let text = set("/totals/after_load/failed", json!(1_000));
    assert!(text.starts_with("`totals.after_load.failed`: 1000 of "), "{text}");
    let text = set("/run/duration_seconds", json!(-6.0));
    assert_eq!(text, "`run.duration_seconds`: -6 is negative");
}

#[test]
fn percentiles_out_of_order_or_unlike_their_histogram_are_reported() {
    let text = set("/metrics/latency/p90", json!(1.0));
    assert!(
        text.starts_with("`metrics.latency.p90`: 1 is less than p50, "),
        "{text}"
    );
    let text = set("/metrics/latency/p95", json!(75.0));
    assert_eq!(
        text,
        "`metrics.latency.p95`: 75 is not that of its histogram, 78.015"
    );
    let text = set("/metrics/ttft/p99", json!(null));
    assert_eq!(text, "`metrics.ttft.p99`: is null, but `count` is 110");
    let text = set("/kinds/vllm/metrics/tbt/count", json!(0));
    assert_eq!(text, "`kinds.vllm.metrics.tbt.min`: is present, but `count` is 0");
    let text = set("/metrics/latency/hdr", json!("AAAA"));
    assert!(text.starts_with("`metrics.latency`: encoded histogram"), "{text}");
    let text = said(|d| d["metrics"]["latency"] = d["metrics"]["latency_ok"].clone());
    assert_eq!(
        text,
        "`metrics.latency.count`: 164 values of 174 ok and failed requests"
    );
    let text = said(|d| d["kinds"]["vllm"]["metrics"]["tbt"] = d["metrics"]["tbt"].clone());
    assert_eq!(text, "`metrics.tbt.count`: 220 is not the sum over `kinds`, 332");
    let text = set("/client/reap_lag/min", json!(-1.0));
    assert!(
        text.starts_with("`client.reap_lag.min`: -1 is less than 0"),
        "{text}"
    );
    let text = set("/client/cores/0/reap_lag_p99", json!(0.01));
    assert!(
        text.starts_with("`client.cores[0].reap_lag_p50`: 0.04 with a p99 of 0.01"),
        "{text}"
    );
    let text = set("/server_timings/decode/compared", json!(200));
    assert!(text.starts_with("`server_timings.decode.stated`"), "{text}");
}

#[test]
fn rows_that_do_not_cover_all_requests_are_reported() {
    let text = said(|d| drop(d["timeline"].as_array_mut().unwrap().remove(2)));
    assert_eq!(text, "`timeline[].requests`: 150 in its rows, 180 in the totals");
    let text = set("/timeline/1/errors", json!(9));
    assert!(text.starts_with("`timeline[].errors`: "), "{text}");
    let text = set("/timeline/1/latency/sum", json!(1.0));
    assert!(text.starts_with("`timeline[].latency.sum`: "), "{text}");
    let text = set("/timeline/1/latency/count", json!(31));
    assert_eq!(text, "`timeline[1].latency.count`: 31 values of 30 requests");
    let text = set("/timeline/1/elapsed_seconds", json!(0.5));
    assert_eq!(text, "`timeline[1].elapsed_seconds`: 0.5 does not come after 1");
    let text = set("/repeats/1/timeline/0/output_tokens", json!(0));
    assert!(
        text.starts_with("`repeats[1].timeline[].output_tokens`: "),
        "{text}"
    );
    let text = set("/managed_server_timeline/2/elapsed_seconds", json!(0.0));
    assert_eq!(
        text,
        "`managed_server_timeline[2].elapsed_seconds`: 0 comes after 1"
    );
}

#[test]
fn a_verdict_that_contradicts_the_thresholds_is_reported() {
    let text = set("/run/verdict", json!("passed"));
    assert_eq!(
        text,
        "`run.verdict`: `passed` is not that of exit code 113, `not_trustworthy`"
    );
    let text = said(|d| {
        d["run"]["verdict"] = json!("passed");
        d["run"]["exit_code"] = json!(0);
    });
    assert_eq!(text, "`run.exit_code`: 0 although `thresholds[1]` is not ok");
    let text = set("/steps/judged/0/ok", json!(true));
    assert_eq!(text, "`steps.judged[0].ok`: true is not what its thresholds say");
    let text = set("/client/limit", json!(false));
    assert_eq!(text, "`client.limit`: false with 1 reasons");
}

#[test]
fn a_list_of_requests_has_all_except_those_counted_as_lost() {
    let with = |listed: u64, lost: u64| {
        let mut document = sample::full();
        document.run.merged = None;
        document.details = Some(listed);
        document.client.details_lost = lost;
        document
    };
    assert_eq!(with(180, 0).check(), Ok(()));
    assert_eq!(with(170, 10).check(), Ok(()));
    let text = with(179, 0).check().unwrap_err().to_string();
    assert_eq!(
        text,
        "`details`: 179 requests are listed, `totals.requests` is 180 and 0 were lost"
    );
    assert!(with(181, 0).check().is_err() && with(0, 0).check().is_err() && with(180, 1).check().is_err());
    // A core that failed leaves requests without an end.
    let mut cut = with(180, 0);
    (cut.totals.requests, cut.totals.in_flight) = (183, 3);
    assert_eq!(cut.check_details(), Ok(()));
    // Requests of servers that were loaded alone are in the list, but not in the totals.
    let mut contended = with(400, 0);
    contended.config["contention"] = json!(true);
    assert_eq!(contended.check(), Ok(()));
    let mut merged = with(90, 0);
    merged.run.merged = sample::full().run.merged;
    assert_eq!(merged.check(), Ok(()));
    merged.details = Some(181);
    assert!(merged.check().is_err());
}

#[test]
fn what_servers_state_of_tokens_agrees_with_its_sums_and_rates() {
    let usage = sample::full().totals.usage;
    assert!(usage.cached.tokens > 0 && usage.reasoning.tokens > 0);
    let text = set("/totals/usage/cached/of", json!(usage.prompt.tokens + 1));
    assert!(text.starts_with("`totals.usage.cached`: "), "{text}");
    let text = set("/totals/usage/prompt/requests", json!(usage.prompt.requests + 1));
    assert!(text.starts_with("`totals.usage.prompt.requests`: "), "{text}");
    let text = set("/rates/cached_share", json!(0.99));
    assert!(
        text.starts_with("`rates.cached_share`: 0.99 is not cached over prompt tokens"),
        "{text}"
    );
    let text = set("/rates/total_tokens_per_second", json!(1.0));
    assert!(text.starts_with("`rates.total_tokens_per_second`: "), "{text}");
}
