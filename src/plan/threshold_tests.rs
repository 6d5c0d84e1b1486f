use super::*;

fn parse(metric: &str, text: &str) -> Threshold {
    Threshold::parse(metric, text).unwrap()
}

fn refused(metric: &str, text: &str) -> String {
    Threshold::parse(metric, text).unwrap_err().to_string()
}

#[test]
fn the_profiles_thresholds_are_read() {
    let latency = parse("latency", "p(95)<15000");
    assert_eq!(latency.metric, ThresholdMetric::Trend(MetricId::Latency));
    assert_eq!(latency.aggregation, Aggregation::Percentile(95.0));
    assert_eq!((latency.op, latency.value), (Op::Below, 15_000.0));
    assert_eq!(parse("failed", "rate<0.10").value, 0.10);
    assert_eq!(parse("failed", "rate < 10 %").value, 0.10);
    assert_eq!(
        parse("connection_errors", "count<100").aggregation,
        Aggregation::Count
    );
    assert_eq!(parse("requests", "rate>=4.5").aggregation, Aggregation::Rate);
}

#[test]
fn times_are_milliseconds_or_have_a_unit_and_what_looks_like_seconds_is_told() {
    let value = |text: &str| parse("latency", text).value;
    let cases = [
        ("p(95)<200", 200.0),
        ("p(95)<200ms", 200.0),
        ("p(95) < 2s", 2_000.0),
        ("p(95)<1.5s", 1_500.0),
        ("max<1m30s", 90_000.0),
        ("max<250us", 0.25),
    ];
    for (text, ms) in cases {
        assert_eq!(value(text), ms, "{text}");
    }
    assert!(refused("latency", "p(95)<2x").contains("`2x` is not a number"));
    assert!(refused("failed", "rate<2s").contains("`2s` is not a number"));
    assert!(refused("requests", "count<2s").contains("is not a number"));
    assert_eq!(
        parse("latency", "p95<2s").aggregation,
        Aggregation::Percentile(95.0)
    );
    assert_eq!(
        parse("latency", "p99.9<2s").aggregation,
        Aggregation::Percentile(99.9)
    );
    assert!(refused("latency", "p101<2s").contains("not a percentile"));
    assert!(refused("latency", "pp<2s").contains("unknown figure"));
    let told = parse("ttft", "p(95)<2").trap().unwrap();
    assert_eq!(
        told,
        "threshold `ttft: p(95)<2` is in milliseconds; for seconds write `2s`"
    );
    for (metric, text) in [
        ("ttft", "p(95)<2ms"),
        ("ttft", "p(95)<2s"),
        ("ttft", "p(95)<10"),
        ("ttft", "min>0"),
        ("tbt", "p(95)<2"),
        ("failed", "rate<0.1"),
    ] {
        assert_eq!(parse(metric, text).trap(), None, "{metric}: {text}");
    }
}

#[test]
fn every_operator_is_distinguished_from_those_it_begins_with() {
    let op = |text: &str| parse("ttft", text).op;
    assert_eq!(op("max<=1"), Op::AtMost);
    assert_eq!(op("max<1"), Op::Below);
    assert_eq!(op("max>=1"), Op::AtLeast);
    assert_eq!(op("max>1"), Op::Above);
    assert_eq!(op("max===1"), Op::Equal);
    assert_eq!(op("max==1"), Op::Equal);
    assert_eq!(op(" med != 1e3 "), Op::NotEqual);
}

#[test]
fn metric_names_are_unique_and_find_their_metric() {
    let mut seen = std::collections::HashSet::new();
    for metric in ThresholdMetric::all() {
        assert!(seen.insert(metric.name()), "{}", metric.name());
        assert_eq!(ThresholdMetric::named(metric.name()), Some(metric));
    }
}

#[test]
fn an_impossible_threshold_is_refused_with_a_suggestion() {
    assert!(refused("latencey", "max<1").contains("did you mean `latency`?"));
    assert!(refused("latency", "rate<1").contains("`rate` is not a figure of `latency`"));
    assert!(refused("failed", "count<1").contains("rate<0.10"));
    assert!(refused("ok", "p(95)<1").contains("not a figure of `ok`"));
    assert!(refused("latency", "p(101)<1").contains("from 0 to 100"));
    assert!(refused("latency", "q95<1").contains("unknown figure `q95`"));
    assert!(refused("latency", "max").contains("no comparison"));
    assert!(refused("latency", "max<").contains("not a number"));
    assert!(refused("latency", "max<inf").contains("not a number"));
    assert!(refused("latency", "max<10%").contains("not a number"));
    assert!(refused("latency", "max<1=").contains("not a number"));
    assert!(refused("latency", "p(NaN)<1").contains("from 0 to 100"));
    assert!(refused("latency", "max=1").contains("no comparison"));
}

#[test]
fn k6s_names_of_metrics_are_accepted() {
    for (alias, name) in [
        ("http_req_duration", "service_time"),
        ("http_req_waiting", "ttfb"),
        ("http_req_connecting", "connect"),
        ("http_req_tls_handshaking", "tls"),
    ] {
        let threshold = parse(alias, "p(95)<1");
        assert_eq!(threshold.metric, parse(name, "p(95)<1").metric);
        assert_eq!(threshold.key, alias);
    }
    assert_eq!(
        parse("http_req_failed", "rate<0.01").metric,
        ThresholdMetric::Failed
    );
    assert_eq!(parse("http_reqs", "count>10").metric, ThresholdMetric::Requests);
    assert_eq!(
        parse("iterations", "count>10").metric,
        ThresholdMetric::Iterations
    );
    assert_eq!(parse("checks", "rate>0.95").metric, ThresholdMetric::Checks);
}

#[test]
fn blanks_are_tolerated_where_k6_tolerates_them() {
    for text in ["p(95)<500", "p(95) < 500", "  p(95)<  500 ", "p( 95 )<500"] {
        let threshold = parse("latency", text);
        assert_eq!(threshold.aggregation, Aggregation::Percentile(95.0), "{text}");
        assert_eq!(threshold.value, 500.0, "{text}");
    }
    assert_eq!(
        parse("latency", "p(99.9)<1").aggregation,
        Aggregation::Percentile(99.9)
    );
    assert_eq!(parse("latency", "med<1").aggregation, Aggregation::Med);
}

#[test]
fn tags_are_kept_with_the_metric() {
    let threshold = parse("http_req_duration{expected_response:true}", "p(99)<500");
    assert_eq!(threshold.metric, ThresholdMetric::Trend(MetricId::ServiceTime));
    assert_eq!(threshold.selector.expected_response, Some(true));
    assert_eq!(threshold.key, "http_req_duration{expected_response:true}");
    assert!(refused("latencey{stream:true}", "max<1").contains("did you mean `latency`?"));
}

#[test]
fn tags_that_cannot_apply_to_a_metric_are_refused() {
    for metric in ["tbt", "connect", "tls"] {
        let key = format!("{metric}{{expected_response:true}}");
        assert!(
            refused(&key, "max<1").contains("before the outcome is known"),
            "{key}"
        );
        parse(&format!("{metric}{{stream:true}}"), "max<1");
    }
    assert!(refused("server_rss_growth{stream:true}", "value<1").contains("so it has no tags"));
}

#[test]
fn the_growth_of_a_servers_memory_is_a_gauge() {
    assert_eq!(
        parse("server_rss_growth", "value<1024").aggregation,
        Aggregation::Value
    );
    assert!(refused("server_rss_growth", "p(95)<1").contains("value<1024"));
    assert!(refused("latency", "value<1").contains("not a figure of `latency`"));
}

#[test]
fn no_threshold_holds_for_nan() {
    assert!(!parse("ttft", "p(99)!=0").holds(f64::NAN));
    assert!(parse("ttft", "p(99)<500").holds(499.9));
    assert!(!parse("ttft", "p(99)<500").holds(500.0));
}

#[test]
fn a_threshold_is_decided_if_its_verdict_is_the_same_all_over_the_interval() {
    for (text, interval, decided) in [
        ("p(95)<500", [470.0, 499.0], true),
        ("p(95)<500", [470.0, 500.0], false),
        ("p(95)<=500", [470.0, 500.0], true),
        ("p(95)<500", [501.0, 512.0], true),
        ("p(95)>=500", [499.0, 512.0], false),
        ("med==500", [470.0, 512.0], false),
        ("med!=500", [470.0, 512.0], false),
        ("med!=500", [501.0, 512.0], true),
        ("med==500", [500.0, 500.0], true),
    ] {
        assert_eq!(
            parse("ttft", text).is_decided(interval),
            decided,
            "{text} {interval:?}"
        );
    }
}

#[test]
fn only_percentiles_within_the_values_have_a_quantile() {
    let quantile = |text: &str| parse("latency", text).quantile();
    assert_eq!([quantile("med<1"), quantile("p(95)<1")], [Some(0.5), Some(0.95)]);
    for text in ["avg<1", "max<1", "p(100)<1", "p(0)<1"] {
        assert_eq!(quantile(text), None, "{text}");
    }
    assert_eq!(parse("failed", "rate<0.1").quantile(), None);
}

#[test]
fn the_differences_of_pairs_have_a_median_a_mean_and_a_share() {
    for (key, expression, metric, aggregation, value) in [
        (
            "paired_ttft",
            "p(50)<5",
            ThresholdMetric::Paired(MetricId::Ttft),
            Aggregation::Percentile(50.0),
            5.0,
        ),
        (
            "paired.tpot",
            "med<500us",
            ThresholdMetric::Paired(MetricId::Tpot),
            Aggregation::Med,
            0.5,
        ),
        (
            "paired_latency",
            "avg>-1.5s",
            ThresholdMetric::Paired(MetricId::Latency),
            Aggregation::Avg,
            -1500.0,
        ),
        (
            "paired.failed",
            "rate<1%",
            ThresholdMetric::PairedFailed,
            Aggregation::Rate,
            0.01,
        ),
    ] {
        let parsed = parse(key, expression);
        assert_eq!(
            (parsed.metric, parsed.aggregation, parsed.value),
            (metric, aggregation, value)
        );
    }
    assert_eq!(parse("ttft", "p(95) < 500 ms").value, 500.0);
    assert!(refused("TTFT", "p(95)<500").contains("did you mean `ttft`?"));
    assert!(refused("paired_ttft", "p(95)<5").contains("not a figure of `paired_ttft`"));
    assert!(refused("paired_ttft", "max<5").contains("med, p(50) or avg"));
    assert!(refused("paired_ttft{stream:true}", "med<5").contains("so it has no tags"));
    assert!(refused("paired_ttfb", "med<5").contains("unknown metric"));
    assert!(refused("paired_ttft", "med<--5ms").contains("is not a number"));
    // Only differences may be negative times with a unit.
    assert!(refused("ttft", "med<-5ms").contains("is not a number"));
    let threshold = parse("paired_ttft", "med<5");
    assert_eq!(threshold.says(), "paired_ttft p50 < 5 ms");
    assert_eq!(threshold.shown(-2.0), "-2.00 ms");
    assert_eq!(parse("paired_failed", "rate<0.01").shown(-0.005), "-0.50 %");
}

#[test]
fn a_share_of_tokens_is_a_rate_or_a_value_and_knows_no_outcomes() {
    for text in ["rate>0.5", "value>0.5", "value>50%", "rate > 50 %"] {
        let threshold = parse("cached_share", text);
        assert_eq!(
            (threshold.metric, threshold.value),
            (ThresholdMetric::CachedShare, 0.5),
            "{text}"
        );
        assert_eq!(threshold.says(), "cached_share > 50 %");
        assert_eq!(threshold.shown(0.25), "25.00 %");
    }
    assert_eq!(parse("total_tokens", "rate>100").says(), "total_tokens > 100/s");
    assert!(refused("cached_share", "p(95)>0.5").contains("rate or value"));
    assert!(refused("failed", "value<0.5").contains("is not a figure of `failed`"));
    let text = refused("input_tokens{expected_response:true}", "count>1");
    assert!(text.contains("tokens of all requests"), "{text}");
}
