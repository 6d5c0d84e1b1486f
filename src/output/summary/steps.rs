//! The steps of a run whose thresholds are judged step by step.

use super::Room;
use super::page::{Ink, Page};
use super::thresholds::{observed, rule};
use crate::judge::{StepResult, StepTimes, StepsResult};
use crate::output::numbers::{duration, grouped};
use crate::units::rate;

/// The columns of a figure, the last ones left out on a narrow page.
const COLUMNS: [(&str, usize); 7] = [
    ("users", 8),
    ("req/s", 10),
    ("tok/s", 11),
    ("ttft p50", 10),
    ("p99", 8),
    ("latency p50", 13),
    ("p99", 8),
];
/// The columns before the figures: an indent and the mark.
const BEFORE: usize = 6;

/// The number of rows above which the first step that failed says why. The thresholds say it as well.
const EXPLAINED_FROM: usize = 6;

/// Appends a row for each step, and the peak. The thresholds that failed are below the first step that failed, or below
/// each of them if there is room for everything.
pub(super) fn write(page: &mut Page, steps: &StepsResult, rows_max: usize) {
    let first_failed = steps.judged.iter().position(|step| !step.ok);
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    let first = "steps".to_owned() + &" ".repeat(BEFORE - "steps".len());
    let line = format!("{first}{}", row(page.width, &titles));
    page.line(&line);
    let shown = Room::shown(rows_max, steps.judged.len());
    for (i, step) in steps.judged.iter().enumerate().take(shown) {
        let mark = match step.ok {
            true => (Ink::Green, "PASS"),
            false => (Ink::Red, "FAIL"),
        };
        let line = row(page.width, &cells(step));
        page.marked(BEFORE - mark.1.len(), mark, &line);
        let is_first = Some(i) == first_failed && rows_max >= EXPLAINED_FROM;
        let is_explained = is_first || rows_max == Room::ALL.steps;
        for failed in step.thresholds.iter().filter(|t| !t.ok && is_explained) {
            let text = format!("{}: {}", rule(failed), observed(failed));
            page.indented(BEFORE + 2, &[text]);
        }
    }
    super::more(page, steps.judged.len() - shown, "steps");
    let peak = match steps.peak_vus {
        Some(vus) => format!("{} users: every threshold holds", grouped(u64::from(vus))),
        None if steps.judged.is_empty() => "no step lasted long enough to be judged".to_owned(),
        None => "none: no step passes".to_owned(),
    };
    page.prose("peak", &peak);
}

fn row(width: usize, cells: &[String; COLUMNS.len()]) -> String {
    let mut line = String::new();
    for (cell, (_, columns)) in cells.iter().zip(COLUMNS) {
        if BEFORE + line.len() + columns <= width {
            line.push_str(&format!("{cell:>columns$}"));
        }
    }
    line
}

fn cells(step: &StepResult) -> [String; COLUMNS.len()] {
    let [ttft50, ttft99] = times(step.ttft.as_ref());
    let [latency50, latency99] = times(step.latency.as_ref());
    [
        grouped(u64::from(step.vus)),
        rate(step.requests_per_second),
        rate(step.output_tokens_per_second),
        ttft50,
        ttft99,
        latency50,
        latency99,
    ]
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
                ..ThresholdResult::default()
            }],
        };
        let found = StepsResult {
            peak_vus: Some(16),
            judged: vec![step(16, true), step(1_024, false)],
        };
        let text = |width| {
            let mut page = Page::new(width, false);
            write(&mut page, &found, 8);
            page.into_text()
        };
        let expected = "\
steps    users     req/s      tok/s  ttft p50     p99  latency p50     p99
  PASS      16     1,600     25,600     610us  2.50ms            -       -
  FAIL   1,024   102,400  1,638,400     610us  2.50ms            -       -
        latency{stream:true} p99 < 50 ms: 62.5 ms
peak       16 users: every threshold holds
";
        assert_eq!(text(80), expected);
        assert!(text(50).lines().all(|line| line.len() <= 50), "{}", text(50));
    }
}
