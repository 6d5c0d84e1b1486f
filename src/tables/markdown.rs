//! A result in GitHub's Markdown, for the comment of a pull request: the verdict first, then the thresholds and the
//! figures that decide, and everything else behind a fold.

use crate::error::{ExitCode, escape, markdown_escaped, printable};
use crate::metrics::MetricId;
use crate::output::{NOTICED, ThresholdWords, View, summary};
use crate::result::{GroupFigures, MetricFigures, Ordered, RunResult};
use crate::units::{elapsed, grouped, percent, rate, time};
use serde_json::Value;

/// The most bytes of a text: GitHub takes 65,536 characters, and a comment may have a few words of somebody's own.
pub const MARKDOWN_MAX: usize = 60_000;
/// The most bytes before the folds.
const OPEN_MAX: usize = 40_000;
/// How many thresholds are shown, and how many characters of a text from elsewhere: the first with which it fits.
const SIZES: [(usize, usize); 3] = [(40, 300), (12, 120), (4, 40)];
/// The most characters of a name in a table behind a fold.
const NAME_MAX: usize = 100;
const GROUPS_MAX: usize = 40;
const NOTES_MAX: usize = 5;
const PROBES_MAX: usize = 60;

/// A text that is being written.
#[derive(Default)]
struct Comment(String);

impl Comment {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.line("");
        }
        self.line(&format!("| {} |", head.join(" | ")));
        let align = |i: usize| {
            if i == 0 || head[i].is_empty() {
                "---"
            } else {
                "--:"
            }
        };
        let aligned: Vec<&str> = (0..head.len()).map(align).collect();
        self.line(&format!("| {} |", aligned.join(" | ")));
        for row in rows {
            self.line(&format!("| {} |", row.join(" | ")));
        }
        self.line("");
    }

    /// Appends a part behind a fold if there is room for it, with the lines of `text` as they are.
    fn folded_text(&mut self, title: &str, text: &str) {
        let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
        let around = title.len() + 2 * fence.len() + 200;
        let room = MARKDOWN_MAX.saturating_sub(self.0.len() + around);
        let mut shown = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.clone().next() {
            if shown.len() + line.len() + 1 > room {
                break;
            }
            shown.push_str(line);
            shown.push('\n');
            lines.next();
        }
        let left = lines.count();
        if shown.is_empty() {
            return;
        }
        self.line(&format!(
            "<details><summary>{title}</summary>\n\n{fence}text\n{shown}{fence}\n"
        ));
        if left > 0 {
            self.line(&format!(
                "{left} more lines: `llmload-uring show FILE --summary full`\n"
            ));
        }
        self.line("</details>\n");
    }

    /// Appends another part behind a fold if there is room for the whole of it.
    fn folded(&mut self, title: &str, write: impl FnOnce(&mut Comment)) {
        let mut part = Comment::default();
        part.line(&format!("<details><summary>{title}</summary>"));
        write(&mut part);
        part.line("</details>\n");
        if self.0.len() + part.0.len() <= MARKDOWN_MAX {
            self.0.push_str(&part.0);
        }
    }
}

fn longest_run(text: &str, of: char) -> usize {
    let runs = text.split(|c| c != of).map(str::len);
    runs.max().unwrap_or(0)
}

/// Returns the beginning of a text from elsewhere as a cell or within a line.
fn foreign(text: &str, chars: usize) -> String {
    markdown_escaped(&printable(text, chars))
}

fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), time)
}

/// Appends how many rows were left out.
fn more(comment: &mut Comment, shown: usize, all: usize, what: &str) {
    if all > shown {
        comment.line(&format!("and {} more {what}\n", all - shown));
    }
}

/// Writes a run.
pub fn of_run(result: &RunResult) -> String {
    let fits = |open: &Comment| open.0.len() <= OPEN_MAX;
    let open = SIZES.iter().map(|size| open(result, *size));
    let least = || Comment(String::new());
    let mut comment = open.into_iter().find(fits).unwrap_or_else(least);
    if let Some(servers) = &result.servers {
        comment.folded("By server", |part| groups(part, "server", servers));
    }
    if result.kinds.0.len() > 1 {
        comment.folded("By kind of request", |part| groups(part, "kind", &result.kinds));
    }
    comment.folded("All metrics", |part| metrics(part, &result.metrics));
    comment.folded_text("All figures as text", &summary(result, &View::plain(true)));
    comment.0
}

/// Writes what stands before the folds.
fn open(result: &RunResult, (rows, chars): (usize, usize)) -> Comment {
    let mut comment = Comment::default();
    let exit = result.run.exit_code;
    let code = match exit {
        ExitCode::Ok => String::new(),
        _ => format!("exit code {}: ", exit.code()),
    };
    let why = foreign(&result.why(exit), chars);
    comment.line(&format!("**{}** {code}{why}\n", result.word(exit)));
    comment.line(&tested(result, chars));
    thresholds(&mut comment, result, (rows, chars));
    volume(&mut comment, result);
    times(&mut comment, &result.metrics);
    notes(&mut comment, result, chars);
    comment
}

/// Returns what was tested, and when.
fn tested(result: &RunResult, chars: usize) -> String {
    let run = &result.run;
    let foreign = |text: &str| foreign(text, chars);
    let mut facts = vec![foreign(&run.profile), foreign(&run.target)];
    facts.extend(
        run.models
            .iter()
            .flatten()
            .take(NOTES_MAX)
            .map(|name| foreign(name)),
    );
    facts.push(foreign(&run.started_at));
    facts.push(elapsed(run.duration_seconds));
    let versions = run.versions.iter().take(NOTES_MAX);
    facts.extend(versions.map(|(program, version)| foreign(&format!("{program} {version}"))));
    format!("Tested: {}", facts.join(" · "))
}

fn thresholds(comment: &mut Comment, result: &RunResult, (rows, chars): (usize, usize)) {
    if result.thresholds.is_empty() {
        return;
    }
    let mut all: Vec<_> = result.thresholds.iter().collect();
    all.sort_by_key(|threshold| threshold.ok);
    let foreign = |text: &str| foreign(text, chars);
    let shown = all.iter().take(rows).map(|threshold| {
        let words = ThresholdWords::of(threshold);
        let mark = match words.mark {
            "FAIL" => "**FAIL**",
            mark => mark,
        };
        let notes = words.notes.join(", ");
        vec![
            mark.to_owned(),
            foreign(&words.rule),
            foreign(&words.observed),
            foreign(&notes),
        ]
    });
    comment.table(&["threshold", "limit", "observed", ""], shown);
    more(comment, rows, all.len(), "thresholds");
}

fn volume(comment: &mut Comment, result: &RunResult) {
    let (totals, rates) = (&result.totals, &result.rates);
    let mut cells = vec![
        ("requests", grouped(totals.requests)),
        ("ok", grouped(totals.ok)),
        ("failed", grouped(totals.failed)),
        ("error rate", percent(rates.error_rate)),
        ("requests/s", rate(rates.requests_per_second)),
        ("output tokens/s", rate(rates.output_tokens_per_second)),
    ];
    let optional = [
        ("offered/s", rates.offered_per_second.map(rate)),
        ("goodput", rates.goodput.map(percent)),
        (
            "dropped",
            Some(totals.dropped_iterations).filter(|n| *n > 0).map(grouped),
        ),
        (
            "cancelled",
            Some(totals.cancelled).filter(|n| *n > 0).map(grouped),
        ),
        (
            "interrupted",
            Some(totals.interrupted).filter(|n| *n > 0).map(grouped),
        ),
        ("peak users", Some(grouped(totals.peak_vus))),
    ];
    cells.extend(
        optional
            .into_iter()
            .filter_map(|(name, cell)| Some((name, cell?))),
    );
    let (names, row): (Vec<&str>, Vec<String>) = cells.into_iter().unzip();
    comment.table(&names, [row]);
}

fn times(comment: &mut Comment, metrics: &Ordered<MetricFigures>) {
    let rows: Vec<Vec<String>> = NOTICED
        .iter()
        .filter_map(|(id, name)| Some((name, metrics.get(id.key()).filter(|m| m.count > 0)?)))
        .map(|(name, m)| figures(name, m))
        .collect();
    if !rows.is_empty() {
        comment.table(&["time", "mean", "p50", "p90", "p95", "p99", "max"], rows);
    }
}

fn figures(name: &str, m: &MetricFigures) -> Vec<String> {
    let times = [m.mean, m.p50, m.p90, m.p95, m.p99, m.max].map(ms);
    std::iter::once(name.to_owned()).chain(times).collect()
}

/// Appends failures, warnings and findings, the weightiest first.
fn notes(comment: &mut Comment, result: &RunResult, chars: usize) {
    let foreign = |text: &str| foreign(text, chars);
    let mut notes = Vec::new();
    let failures = result.failures.iter();
    notes.extend(
        failures
            .take(NOTES_MAX)
            .map(|failure| format!("failed: {}", foreign(&failure.in_words()))),
    );
    let warnings = result.warnings.iter().take(NOTES_MAX);
    notes.extend(warnings.map(|warning| {
        let text = foreign(&format!("{}: {}", warning.message, warning.advice));
        format!("**warning** {text}")
    }));
    let findings = result.analysis.iter().filter(|found| found.blames_the_server());
    notes.extend(findings.take(NOTES_MAX).map(|found| {
        let text = foreign(&found.message);
        format!("{} {}: {text}", found.grade.name(), markdown_escaped(&found.rule))
    }));
    for note in &notes {
        comment.line(&format!("* {note}"));
    }
    if !notes.is_empty() {
        comment.line("");
    }
}

fn groups(part: &mut Comment, what: &str, groups: &Ordered<GroupFigures>) {
    let rows = groups.iter().take(GROUPS_MAX).map(|(name, group)| {
        let at = |id: MetricId, pick: fn(&MetricFigures) -> Option<f64>| {
            ms(group.metrics.get(id.key()).and_then(pick))
        };
        vec![
            foreign(name, NAME_MAX),
            grouped(group.totals.ok),
            grouped(group.totals.failed),
            rate(group.rates.requests_per_second),
            rate(group.rates.output_tokens_per_second),
            at(MetricId::Latency, |m| m.p50),
            at(MetricId::Latency, |m| m.p99),
            at(MetricId::Ttft, |m| m.p50),
            at(MetricId::Ttft, |m| m.p99),
        ]
    });
    let head = [
        what,
        "ok",
        "failed",
        "requests/s",
        "tokens/s",
        "latency p50",
        "latency p99",
        "ttft p50",
        "ttft p99",
    ];
    part.table(&head, rows);
    more(part, GROUPS_MAX, groups.0.len(), "rows");
}

fn metrics(part: &mut Comment, metrics: &Ordered<MetricFigures>) {
    let rows = metrics.iter().filter(|(_, m)| m.count > 0).map(|(name, m)| {
        let mut row = figures(&foreign(name, NAME_MAX), m);
        row.push(grouped(m.count));
        row
    });
    let head = ["metric", "mean", "p50", "p90", "p95", "p99", "max", "values"];
    part.table(&head, rows);
}

/// Writes a search for the limit; `None` if the document has no text.
pub fn of_search(document: &Value) -> Option<String> {
    let text = document["summary"].as_str()?;
    let mut lines = text.lines();
    let verdict = lines.next().unwrap_or_default();
    let (word, verdict) = verdict.split_once("  ").unwrap_or(("LIMIT", verdict));
    let mut comment = Comment::default();
    let foreign = |text: &str| foreign(text, SIZES[0].1);
    comment.line(&format!("**{}** {}\n", foreign(word), foreign(verdict)));
    comment.line(&format!("Tested: {}", foreign(lines.next().unwrap_or_default())));
    let answer = &document["answer"];
    let broke: Vec<&str> = answer["broke_first"]["slos"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|slo| slo["slo"].as_str())
        .collect();
    let slos = document["search"]["slos"].as_array().into_iter().flatten();
    let rows = slos.take(SIZES[1].0).map(|slo| {
        let text = |key: &str| slo[key].as_str().unwrap_or_default();
        let whole = format!("{}: {}", text("metric"), text("expression"));
        let mark = match broke.contains(&whole.as_str()) {
            true => "broke first",
            false => "",
        };
        vec![foreign(&whole), mark.to_owned()]
    });
    comment.table(&["SLO", ""], rows);
    let probes: Vec<&Value> = document["probes"].as_array().into_iter().flatten().collect();
    comment.folded("Every load that was tried", |part| {
        let rows = probes.iter().take(PROBES_MAX).map(|probe| tried(probe));
        let head = [
            "load",
            "decision",
            "s",
            "requests",
            "failed",
            "ok/s",
            "ttft p50",
            "ttft p95",
            "latency p95",
        ];
        part.table(&head, rows);
        more(part, PROBES_MAX, probes.len(), "loads");
    });
    comment.folded_text("The answer as text", &escape(text));
    Some(comment.0)
}

fn tried(probe: &Value) -> Vec<String> {
    let number = |path: &str| probe.pointer(path).and_then(Value::as_f64);
    let count = |path: &str| number(path).unwrap_or(0.0);
    let failed = count("/failed") + count("/cut") + count("/dropped");
    vec![
        number("/level").map_or("-".to_owned(), |level| level.to_string()),
        foreign(probe["decision"].as_str().unwrap_or("-"), NAME_MAX),
        number("/counted_seconds").map_or("-".to_owned(), |s| format!("{s:.0}")),
        grouped(count("/requests") as u64),
        grouped(failed as u64),
        rate(count("/ok_per_second")),
        ms(number("/ttft/p50")),
        ms(number("/ttft/p95")),
        ms(number("/latency/p95")),
    ]
}

/// Writes what `compare` has found; `None` if the document has no text.
pub fn of_comparison(document: &Value) -> Option<String> {
    let text = document["summary"].as_str()?;
    let verdict = text.lines().next().unwrap_or_default();
    let (word, verdict) = verdict.split_once("  ").unwrap_or(("", verdict));
    let foreign = |text: &str| foreign(text, SIZES[0].1);
    let mut comment = Comment::default();
    comment.line(&format!("**{}** {}\n", foreign(word), foreign(verdict)));
    comment.folded_text("The comparison", &escape(text));
    Some(comment.0)
}
