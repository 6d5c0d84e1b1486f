use super::*;
use crate::compare::Rule;
use crate::compare::fail_on::judge;
use crate::compare::testing_tests::{k6_summary, minute};

fn words(comparison: &Comparison, judged: &[Judged]) -> Vec<(&'static str, String)> {
    let lines = opening(comparison, judged).into_iter();
    lines.map(|line| (line.word, line.text)).collect()
}

fn judged(comparison: &Comparison, rules: &[&str]) -> Vec<Judged> {
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    judge(&rules, comparison, true).unwrap()
}

#[test]
fn the_first_word_is_the_verdict_of_the_rules_and_the_rules_follow_it() {
    let comparison = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 8)]);
    let (worse, rate) = ("latency p95 > +5%", "requests_per_second < -5%");
    let found = words(&comparison, &judged(&comparison, &[worse, rate]));
    assert_eq!(found[0], ("FAILED", "1 of 2 rules (exit code 99)".to_owned()));
    assert!(found[1].1.starts_with("FAIL  latency p95 > +5%"), "{found:?}");
    assert!(
        found[2].1.starts_with("PASS  requests_per_second < -5%"),
        "{found:?}"
    );
    let passed = words(&comparison, &judged(&comparison, &[rate]));
    assert_eq!(passed[0], ("PASSED", "1 of 1 rule".to_owned()));
    let mut few = judged(&comparison, &[rate, worse]);
    few[1].verdict = RuleVerdict::TooFew;
    assert_eq!(
        words(&comparison, &few)[0],
        ("UNDECIDED", "1 of 2 rules: too few samples".to_owned())
    );
    assert_eq!(Ruling::from_rules(&[]), Ruling::NotJudged);
}

#[test]
fn without_rules_the_first_word_is_the_direction_and_what_decides_is_said() {
    let slower = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 8)]);
    let found = words(&slower, &[]);
    assert_eq!(found[0].0, "WORSE");
    assert!(found[0].1.starts_with("B against A: "), "{found:?}");
    assert!(found[0].1.ends_with("worse (latency), none better"), "{found:?}");
    assert_eq!(found[1].0, "rules");
    assert!(
        found[1].1.contains("95 % interval") && found[1].1.contains("--fail-on"),
        "{found:?}"
    );
    let faster = Comparison::new(&[minute("a", 2, 8), minute("b", 1, 0)]);
    assert_eq!(words(&faster, &[])[0].0, "BETTER");
    let same = Comparison::new(&[minute("a", 1, 0), minute("b", 1, 0)]);
    assert_eq!(words(&same, &[])[0].0, "NO CHANGE SHOWN");
    let only = Comparison::new(&[k6_summary("a"), k6_summary("b")]);
    let found = words(&only, &[]);
    assert_eq!(
        found[0],
        ("CANNOT TELL", "B against A: only a summary".to_owned())
    );
    let three = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 8), minute("c", 3, 0)]);
    let words: Vec<&str> = words(&three, &[]).iter().map(|(word, _)| *word).collect();
    assert_eq!(words, ["WORSE", "NO CHANGE SHOWN", "rules"]);
}

#[test]
fn counts_and_rows_that_repeat_others_are_left_out_and_named() {
    let comparison = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 8)]);
    let found = shown(&comparison);
    let metrics: Vec<&str> = found.rows.iter().map(|row| row.metric).collect();
    for metric in ["requests", "failed", "service_time", "ttft"] {
        assert!(!metrics.contains(&metric), "{metric}");
        assert!(found.left_out.as_ref().unwrap().contains(metric), "{metric}");
    }
    assert!(metrics.contains(&"latency") && metrics.contains(&"error_rate"));
    // Of what repeats in one run and not in another, every row stays.
    let mut other = minute("c", 3, 4);
    other.trends.retain(|trend| trend.metric != "latency");
    let comparison = Comparison::new(&[minute("a", 1, 0), minute("b", 2, 8), other]);
    let metrics: Vec<&str> = shown(&comparison).rows.iter().map(|row| row.metric).collect();
    assert!(metrics.contains(&"service_time"), "{metrics:?}");
}
