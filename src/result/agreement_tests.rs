use super::*;
use crate::result::{CounterFigures, Ordered, sample};

/// A document of one server whose account says the same as the client.
fn agreed() -> RunResult {
    let mut result = sample::full();
    result.servers = None;
    result.totals.failed = 0;
    result.totals.interrupted = 0;
    result.totals.cancelled = 0;
    result.totals.in_flight = 0;
    let mut account = result.server_metrics[0].clone();
    account.server = None;
    let (ok, tokens) = {
        // The others are none to an engine.
        let with_tokens = result
            .kinds
            .iter()
            .filter(|(_, group)| group.totals.output_tokens > 0 || !group.totals.usage.prompt.is_empty());
        let ok: u64 = with_tokens.map(|(_, group)| group.totals.ok).sum();
        (ok as f64, result.totals.output_tokens as f64)
    };
    let counter = |increase: f64| CounterFigures {
        name: "vllm:counter".to_owned(),
        before: Some(0.0),
        after: Some(increase),
        increase,
        ..CounterFigures::default()
    };
    account.counters =
        Ordered::from_iter([("requests", counter(ok)), ("generation_tokens", counter(tokens))]);
    let times = |metric: &str| {
        let ours = result.metrics.get(metric).unwrap();
        HistogramFigures {
            count: ours.count,
            mean: ours.mean,
            p50: Some([Some(1.0), Some(1_000.0)]),
            ..HistogramFigures::default()
        }
    };
    account.histograms = Ordered::from_iter([("ttft", times("ttft")), ("inter_token_latency", times("tbt"))]);
    result.server_metrics = vec![account];
    result
}

type Rule = fn(&RunResult, &AnalysisLimits) -> Verdict;

fn findings(result: &RunResult) -> Vec<(&'static str, String)> {
    let limits = AnalysisLimits::default();
    let rules: [(&str, Rule); 4] = [
        ("requests", requests),
        ("tokens", tokens),
        ("ttft", ttft),
        ("gaps", gaps),
    ];
    let said = rules.into_iter().filter_map(|(name, rule)| {
        let (grade, message) = rule(result, &limits)?;
        assert_eq!(grade, Grade::Warning);
        Some((name, message))
    });
    said.collect()
}

fn one(result: &RunResult) -> (&'static str, String) {
    let found = findings(result);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn increase(result: &mut RunResult, key: &str, by: f64) {
    let counters = &mut result.server_metrics[0].counters.0;
    let counter = counters.iter_mut().find(|(name, _)| name == key).unwrap();
    counter.1.increase += by;
}

fn slower(result: &mut RunResult, metric: &str, ms: f64) {
    let all = &mut result.metrics.0;
    let ours = all.iter_mut().find(|(name, _)| name == metric).unwrap();
    *ours.1.mean.as_mut().unwrap() += ms;
}

#[test]
fn both_are_silent_where_they_agree() {
    assert_eq!(findings(&agreed()), []);
    // A difference within the limits is none.
    let mut close = agreed();
    increase(&mut close, "requests", 1.0);
    slower(&mut close, "ttft", 9.0);
    slower(&mut close, "tbt", 1.5);
    assert_eq!(findings(&close), []);
    // Without an account there is nothing to compare, and a shard knows only a part.
    let mut none = agreed();
    none.server_metrics.clear();
    assert_eq!(findings(&none), []);
}

#[test]
fn more_requests_than_ours_are_somebody_elses() {
    let mut result = agreed();
    increase(&mut result, "requests", 50.0);
    // Their tokens are no finding of their own.
    increase(&mut result, "generation_tokens", 5_000.0);
    let (rule, message) = one(&result);
    assert_eq!(rule, "requests");
    assert!(message.contains("50 of them are somebody else's"), "{message}");
    // Requests that were cut may have been counted or not.
    result.totals.interrupted = 60;
    assert_eq!(findings(&result), []);
}

#[test]
fn fewer_requests_than_ours_were_answered_elsewhere() {
    let mut result = agreed();
    increase(&mut result, "requests", -30.0);
    let (rule, message) = one(&result);
    assert_eq!(rule, "requests");
    assert!(message.contains("30 were answered elsewhere"), "{message}");
}

#[test]
fn a_server_that_began_anew_has_no_counts() {
    let mut result = agreed();
    increase(&mut result, "requests", 50.0);
    result.server_metrics[0].counters.0[0].1.resets = 2;
    let (rule, message) = one(&result);
    assert!(
        rule == "requests" && message.contains("fell 2 times"),
        "{message}"
    );
    // One that was first read during the load has none either.
    let mut late = agreed();
    increase(&mut late, "requests", 50.0);
    late.server_metrics[0].first_seconds = Some(2.0);
    assert_eq!(findings(&late), []);
}

#[test]
fn tokens_that_are_counted_otherwise_are_found() {
    let mut result = agreed();
    let tokens = result.totals.output_tokens as f64;
    increase(&mut result, "generation_tokens", tokens / 2.0);
    let (rule, message) = one(&result);
    assert!(rule == "tokens" && message.contains("+50.00 %"), "{message}");
    increase(&mut result, "generation_tokens", -tokens);
    let (_, message) = one(&result);
    assert!(message.contains("-50.00 %"), "{message}");
}

#[test]
fn the_cause_of_a_later_token_is_where_the_time_passes() {
    let mut proxied = agreed();
    slower(&mut proxied, "ttft", 80.0);
    let (rule, message) = one(&proxied);
    assert!(
        rule == "ttft" && message.contains("a queue that the engine does not see"),
        "{message}"
    );
    let mut late = agreed();
    slower(&mut late, "ttft", 80.0);
    slower(&mut late, "schedule_lag", 70.0);
    let (_, message) = one(&late);
    assert!(
        message.contains("pass here before a request goes out"),
        "{message}"
    );
    let mut far = agreed();
    slower(&mut far, "ttft", 80.0);
    let connect = far
        .metrics
        .0
        .iter_mut()
        .find(|(name, _)| name == "connect")
        .unwrap();
    connect.1.p50 = Some(60.0);
    let (_, message) = one(&far);
    assert!(
        message.contains("the network's, where a connect takes"),
        "{message}"
    );
    let mut sooner = agreed();
    sooner.server_metrics[0].histograms.0[0].1.mean = Some(500.0);
    let (_, message) = one(&sooner);
    assert!(message.contains("that we do not wait for"), "{message}");
}

#[test]
fn gaps_tell_a_proxy_that_holds_tokens_from_one_that_gathers_them() {
    let mut held = agreed();
    slower(&mut held, "tbt", 30.0);
    let (rule, message) = one(&held);
    assert!(
        rule == "gaps" && message.contains("held back on their way"),
        "{message}"
    );
    let mut gathered = agreed();
    gathered.server_metrics[0].histograms.0[1].1.mean = Some(90.0);
    let (_, message) = one(&gathered);
    assert!(message.contains("gathered on their way"), "{message}");
    // Other counts are of other requests.
    gathered.server_metrics[0].histograms.0[1].1.count /= 2;
    assert_eq!(findings(&gathered), []);
}
