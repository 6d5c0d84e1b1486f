use super::*;
use crate::compare::Run;
use crate::compare::testing_tests::{k6_summary, minute};

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn wrong(text: &str) -> String {
    text.parse::<Rule>().unwrap_err().to_string()
}

fn verdicts(text: &str, runs: &[Run], significance: bool) -> Vec<RuleVerdict> {
    let judged = judge(&[rule(text)], &Comparison::new(runs), significance).unwrap();
    judged.into_iter().map(|j| j.verdict).collect()
}

#[test]
fn rules_are_read() {
    let p95 = rule("latency p95 > +10%");
    assert_eq!(
        (p95.stat, p95.op, p95.limit),
        (Some(Statistic::Percentile(95.0)), Op::Above, 0.1)
    );
    assert_eq!(rule("ttft p99.9>+2.5 %").stat, Some(Statistic::Percentile(99.9)));
    assert_eq!(rule("tbt mean > -1%").limit, -0.01);
    let rate = rule(" requests_per_second < -5% ");
    assert_eq!((rate.stat, rate.op, rate.limit), (None, Op::Below, -0.05));
    let errors = rule("error_rate > +1pp");
    assert_eq!((errors.unit, errors.limit), (Unit::Points, 0.01));
    let pairs = rule("paired_ttft p50 > +1.5 ms");
    assert_eq!((pairs.unit, pairs.limit), (Unit::Millis, 1.5));
}

#[test]
fn a_wrong_rule_says_why() {
    for (text, why) in [
        ("latency p95", "no `<` or `>`"),
        ("> +1%", "no metric"),
        ("latency p95 > 10%", "`10%` has no `+` or `-` sign"),
        ("latency p95 > +10", "ends in none of `%`, `pp` and `ms`"),
        ("latency p95 > +ten%", "`+ten` is not a number"),
        ("latency p95 > +-1%", "is not a number"),
        ("latency p95 > +1e3%", "is not a number"),
        ("latency p95 > +%", "is not a number"),
        ("latency p95 now > +10%", "`now` is one word too many"),
        ("latency p94 > +10%", "unknown statistic `p94`; p50, p90"),
        (
            "latncy p95 > +10%",
            "unknown metric `latncy`; did you mean `latency`?",
        ),
        ("zzz p95 > +10%", "the metrics are"),
        ("latency > +10%", "`latency` needs a statistic"),
        ("failed p95 > +10%", "`failed` is a single number and has no p95"),
        ("error_rate > +10%", "write `pp`"),
        ("latency p95 > +10pp", "write `%`"),
    ] {
        let found = wrong(text);
        assert!(found.contains(why), "{text}: {found}");
    }
}

#[test]
fn a_significant_change_beyond_the_limit_fails() {
    let runs = [minute("a", 1, 0), minute("b", 2, 10), minute("c", 3, 0)];
    use RuleVerdict::{Holds, Within};
    assert_eq!(verdicts("latency p95 > +5%", &runs, true), [Holds, Within]);
    assert_eq!(verdicts("latency p95 > +15%", &runs, true), [Within, Within]);
    assert_eq!(verdicts("latency mean < -5%", &runs, true), [Within, Within]);
}

#[test]
fn a_change_that_may_be_chance_fails_without_significance_only() {
    let runs = [minute("a", 1, 0), minute("b", 2, 0)];
    let change = Comparison::new(&runs).rows[0].cells[0]
        .unwrap()
        .change
        .change
        .unwrap();
    let text = format!("requests_per_second > {:+.6}%", (change - 0.0001) * 100.0);
    assert_eq!(verdicts(&text, &runs, true), [RuleVerdict::NotSignificant]);
    assert_eq!(verdicts(&text, &runs, false), [RuleVerdict::Holds]);
}

#[test]
fn a_metric_that_a_run_does_not_have_is_not_a_pass() {
    let comparison = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 0), k6_summary("k6.json")]);
    let error = judge(&[rule("ttft p95 > +5%")], &comparison, true).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("error: --fail-on: `ttft p95 > +5%`: the figure is not in both A and C\nhint: "),
        "{error}"
    );
    let error = judge(&[rule("tpot p95 > +5%")], &comparison, false).unwrap_err();
    assert!(error.reason.what.ends_with("not in both A and B"), "{error}");
}

#[test]
fn a_rule_that_significance_can_never_decide_is_an_error() {
    let comparison = Comparison::new(&[minute("a", 1, 0), k6_summary("k6.json")]);
    let error = judge(&[rule("service_time p95 > +5%")], &comparison, true).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("only a summary") && text.contains("--no-significance"),
        "{text}"
    );
    assert!(judge(&[rule("service_time p95 > +5%")], &comparison, false).is_ok());
    let counts = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 0)]);
    assert!(
        judge(&[rule("failed > +5%")], &counts, true)
            .unwrap_err()
            .reason
            .what
            .contains("plain count")
    );
    assert!(judge(&[rule("failed > +500%")], &counts, false).is_ok());
}

#[test]
fn too_few_samples_are_reported_as_that() {
    let short = |seed| {
        let mut run = minute("", seed, 0);
        run.trends[0].slices.truncate(5);
        run
    };
    let runs = [short(1), short(2)];
    assert_eq!(verdicts("latency p95 > +5%", &runs, true), [RuleVerdict::TooFew]);
    let judged = judge(&[rule("latency p95 > +5%")], &Comparison::new(&runs), true).unwrap();
    assert!(
        judged[0].line().starts_with("????  latency p95 > +5%  B "),
        "{}",
        judged[0].line()
    );
}
