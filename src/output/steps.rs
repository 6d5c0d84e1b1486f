//! The steps of a run whose thresholds are judged step by step.

use crate::judge::{StepResult, StepTimes, StepsResult};
use crate::output::numbers::{duration, grouped, number};
use crate::output::text::{line, more};

const ROWS_MAX: usize = 8;

/// Appends a row for each step, with the threshold that failed below it, and the peak.
pub(super) fn rows(text: &mut String, steps: &StepsResult) {
    line!(text, "");
    line!(text, "{:<41}{:<18}latency", "steps", "first token");
    line!(
        text,
        "{:>14}{:>11}{:>12}{:>9}{:>9}{:>9}{:>9}",
        "users",
        "req/s",
        "tok/s",
        "p50",
        "p99",
        "p50",
        "p99",
    );
    for step in steps.judged.iter().take(ROWS_MAX) {
        line!(text, "{}", row(step));
        for failed in step.thresholds.iter().filter(|t| !t.ok) {
            let observed = failed.observed.map_or("no samples".to_string(), number);
            let (metric, expression) = (&failed.metric, &failed.expression);
            line!(text, "        {metric}: {expression}, observed {observed}");
        }
    }
    more(text, steps.judged.len().saturating_sub(ROWS_MAX), "steps");
    match steps.peak_vus {
        Some(vus) => line!(
            text,
            "peak        {} users: every threshold holds",
            grouped(u64::from(vus))
        ),
        None if steps.judged.is_empty() => {
            line!(text, "peak        no step lasted long enough to be judged");
        }
        None => line!(text, "peak        none: no step passes"),
    }
}

fn row(step: &StepResult) -> String {
    let mark = if step.ok { "pass" } else { "FAIL" };
    let [ttft50, ttft99] = times(step.ttft.as_ref());
    let [latency50, latency99] = times(step.latency.as_ref());
    format!(
        "  {mark}{:>8}{:>11.1}{:>12.1}{ttft50:>9}{ttft99:>9}{latency50:>9}{latency99:>9}",
        grouped(u64::from(step.vus)),
        step.requests_per_second,
        step.output_tokens_per_second,
    )
}

fn times(times: Option<&StepTimes>) -> [String; 2] {
    let of = |pick: fn(&StepTimes) -> Option<f64>| duration(times.and_then(pick));
    [of(|t| t.p50), of(|t| t.p99)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::ThresholdResult;

    #[test]
    fn each_step_has_its_rates_and_times_and_one_that_fails_says_by_what() {
        let step = |vus: u32, ok: bool| StepResult {
            vus,
            from_seconds: 1.0,
            to_seconds: 30.0,
            requests: 1,
            requests_per_second: f64::from(vus) * 100.0,
            output_tokens: 1,
            output_tokens_per_second: f64::from(vus) * 1_600.0,
            ttft: Some(StepTimes {
                count: 1,
                p50: Some(0.61),
                p90: Some(1.0),
                p99: Some(2.5),
            }),
            latency: None,
            ok,
            thresholds: vec![ThresholdResult {
                metric: "latency{stream:true}".to_owned(),
                expression: "p(99)<50".to_owned(),
                observed: Some(62.5),
                ok,
                not_applicable: false,
                breaking_point: None,
                not_recomputed: None,
            }],
        };
        let mut text = String::new();
        let judged = vec![step(16, true), step(1_024, false)];
        rows(
            &mut text,
            &StepsResult {
                peak_vus: Some(16),
                judged,
            },
        );
        let expected = "
steps                                    first token       latency
         users      req/s       tok/s      p50      p99      p50      p99
  pass      16     1600.0     25600.0    610us   2.50ms        -        -
  FAIL   1,024   102400.0   1638400.0    610us   2.50ms        -        -
        latency{stream:true}: p(99)<50, observed 62.5
peak        16 users: every threshold holds
";
        assert_eq!(text, expected);
    }
}
