//! The rules of the warnings, on figures that are made for them.

use super::*;
use crate::documents_tests::{document, quoted_words, rows, sources};
use crate::result::sample;

#[test]
fn unusual_answers_are_warned_about_with_their_counts() {
    let mut odd = sample::full();
    let told = |result: &RunResult, rule: &str| {
        let found = find(result).into_iter().find(|warning| warning.rule == rule);
        found.map(|warning| warning.message)
    };
    for rule in ["no_text", "unknown_finish", "untyped_streams"] {
        assert_eq!(told(&odd, rule), None);
    }
    (
        odd.totals.ok,
        odd.totals.ok_without_text,
        odd.totals.tokens_without_text,
    ) = (9, 4, 120);
    let words = [("content_filter", 1), ("pondered", 2), ("stop", 6)];
    odd.totals.by_finish = words.into_iter().collect();
    odd.totals.untyped_streams = 9;
    assert_eq!(
        told(&odd, "no_text").unwrap(),
        "4 of 9 good answers carried no text: no ttft, and their 120 tokens are only the server's claim"
    );
    let unknown = told(&odd, "unknown_finish").unwrap();
    assert!(unknown.ends_with(": `pondered` 2"), "{unknown}");
    assert!(
        told(&odd, "untyped_streams")
            .unwrap()
            .starts_with("9 event streams")
    );
    odd.failures.clear();
    odd.totals.by_cause = [("done_without_finish", 2), ("events_run_together", 1)]
        .into_iter()
        .collect();
    let summary = crate::output::summary(&odd, &crate::output::View::plain(true));
    for line in [
        "causes     [DONE] without a finish reason x 2   two data lines run together x 1",
        "finishes   content_filter 1   pondered 2   stop 6",
    ] {
        assert!(summary.lines().any(|found| found == line), "{line}: {summary}");
    }
}

#[test]
fn the_decisive_warning_comes_first_and_a_detail_last() {
    let mut result = sample::full();
    result.run.start = None;
    let first = |result: &RunResult| find(result)[0].rule.clone();
    assert_ne!(first(&result), "interrupted");
    assert!(find(&result).is_sorted_by_key(|warning| weight(&warning.rule, &result)));
    result.totals.interrupted = result.totals.requests / 10;
    assert_eq!(first(&result), "interrupted");
    assert_eq!(find(&result).last().unwrap().rule, "few_samples");
}

#[test]
fn the_manual_lists_every_rule_with_its_limit_and_its_subject() {
    let manual = document("docs/METRICS.md");
    let rows = rows(&manual, "## Warnings");
    let row = |name: &str| {
        let found = rows
            .iter()
            .find(|row| quoted_words(&row[0]).iter().any(|word| word == name));
        found.unwrap_or_else(|| panic!("{name} has no row"))
    };
    for rule in &RULES {
        assert_eq!(row(rule.name)[2] == "generator", rule.generator, "{}", rule.name);
    }
    let limits = [
        ("worker_busy", format!("more than {BUSY_PERCENT_MAX} %")),
        ("suspended", format!("more than {SUSPENDED_SECONDS_MAX} s")),
        ("stalled", format!("more than {} s", STALL_MS_MAX / 1_000.0)),
        ("throttled", format!("more than {THROTTLED_PERCENT_MAX} %")),
        ("cpu_taken", format!("more than {RUN_DELAY_PERCENT_MAX} %")),
        ("late_sends", format!("above {SCHEDULE_LAG_MS_P99_MAX} ms")),
        (
            "buffer_shortages",
            format!("more than {} %", BUFFER_SHORTAGE_SHARE_MAX * 100.0),
        ),
        ("reap_lag", format!("above {REAP_LAG_MS_P99_MAX} ms")),
        ("late_reads", format!("above {REAP_LAG_MS_P99_MAX} ms")),
        (
            "coalesced_events",
            format!("more than {} %", COALESCED_SHARE_MAX * 100.0),
        ),
        ("few_samples", format!("fewer than {P99_SAMPLES_MIN} latencies")),
    ];
    for (name, limit) in limits {
        assert!(row(name)[1].contains(&limit), "{name}: {limit}");
    }
    let advice = document("docs/TROUBLESHOOTING.md");
    assert!(advice.contains(&format!("fewer than {P99_SAMPLES_MIN} requests")));
}

/// What a test cannot make happen to a machine that it shares: the figures are made.
#[test]
fn causes_that_a_test_cannot_bring_about_apply_above_their_limit() {
    type Change = fn(&mut RunResult);
    let causes: [(&str, Change, Change); 4] = [
        (
            "suspended",
            |r| r.client.suspended_seconds = SUSPENDED_SECONDS_MAX,
            |r| r.client.suspended_seconds = SUSPENDED_SECONDS_MAX + 0.01,
        ),
        (
            "completion_queue_overflow",
            |r| {
                r.client
                    .cores
                    .iter_mut()
                    .for_each(|core| core.completion_queue_overflows = 0)
            },
            |r| r.client.cores[0].completion_queue_overflows = 1,
        ),
        (
            "stamps_missing",
            |r| r.client.stamps_missing = 0,
            |r| r.client.stamps_missing = 1,
        ),
        (
            "clock_stepped",
            |r| r.client.clock_steps = 0,
            |r| r.client.clock_steps = 1,
        ),
    ];
    let mut result = sample::full();
    for (rule, at_the_limit, above) in causes {
        let applies = |result: &RunResult| find(result).iter().any(|warning| warning.rule == rule);
        at_the_limit(&mut result);
        assert!(!applies(&result), "{rule}");
        above(&mut result);
        assert!(applies(&result), "{rule}");
    }
}

#[test]
fn the_evidence_names_a_test_for_each_rule_about_the_generator() {
    let (sources, rows) = (
        sources(),
        rows(&document("docs/EVIDENCE.md"), "### Warnings provoked"),
    );
    let told: Vec<String> = rows.iter().flat_map(|row| quoted_words(&row[0])).collect();
    for rule in RULES.iter().filter(|rule| rule.generator) {
        assert!(
            told.iter().any(|name| name == rule.name),
            "{} has no row",
            rule.name
        );
    }
    for row in rows {
        let tests = quoted_words(&row[2]);
        assert!(!tests.is_empty(), "{row:?}");
        for test in tests {
            assert!(
                sources.contains(&format!("fn {test}()")),
                "{}: there is no test `{test}`",
                row[0]
            );
        }
    }
}
