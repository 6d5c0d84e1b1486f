//! The first lines: the verdict, what was tested, and when.

use super::View;
use super::page::{Ink, Page};
use crate::error::{ExitCode, FINDINGS_FAILED, NOT_JUDGED, one_line};
use crate::result::{Finding, MergedFigures, Run, RunResult, ShardFigures};
use crate::units::elapsed;
use serde_json::Value;

/// The columns between the left and the right part of a line.
const GUTTER: usize = 2;
/// The longest path that is shown; of a longer one only the file's name is.
const PATH_MAX: usize = 24;

pub(super) fn write(page: &mut Page, result: &RunResult, view: &View) {
    let exit = view.exit.unwrap_or(result.run.exit_code);
    let (ink, word, mut why) = verdict(result, exit);
    if result.loaded_the_simulator() {
        why.push_str("; the built-in simulator was tested");
    }
    let why = format!("  {why}");
    let version = result.run.versions.iter().next();
    let version = version.map_or(String::new(), |(name, version)| format!("{name} {version}"));
    let columns = word.len() + one_line(&why).chars().count();
    let fits = columns + GUTTER + version.chars().count() <= page.width;
    match fits {
        true => {
            let left = page.width - word.len();
            let right = version.chars().count();
            let why = one_line(&why);
            page.marked(0, (ink, word), &format!("{why:<0$}{version}", left - right));
        }
        false => explained(page, (ink, word), &why),
    }
    tested(page, result, if fits { None } else { Some(&version) });
    parts(page, &result.run);
}

/// Appends a verdict that does not leave room for the version, wrapped.
fn explained(page: &mut Page, mark: (Ink, &str), why: &str) {
    let indent = mark.1.len() + GUTTER;
    let lines = super::page::wrapped(why, page.width.saturating_sub(indent));
    for (i, line) in lines.iter().enumerate() {
        match i {
            0 => page.marked(0, mark, &format!("  {line}")),
            _ => page.line(&format!("{}{line}", " ".repeat(indent))),
        }
    }
}

/// Returns the verdict in a word and its reason.
fn verdict(result: &RunResult, exit: ExitCode) -> (Ink, &'static str, String) {
    let why = result.why(exit);
    let (code, word) = (exit.code(), result.word(exit));
    match exit {
        ExitCode::Ok if result.run.verdict == NOT_JUDGED => (Ink::Plain, word, why),
        ExitCode::Ok => (Ink::Green, word, why),
        ExitCode::Interrupted => (Ink::Yellow, word, format!("exit {code}: {why}")),
        _ => (Ink::Red, word, format!("exit {code}: {why}")),
    }
}

/// Appends what was tested at the left, and when at the right if there is room.
fn tested(page: &mut Page, result: &RunResult, version: Option<&str>) {
    let run = &result.run;
    let mut what = vec![one_line(&run.profile).into_owned()];
    if what[0].chars().count() > PATH_MAX
        && let Some((_, name)) = run.profile.rsplit_once('/')
    {
        what[0] = one_line(name).into_owned();
    }
    if !result.loaded_the_simulator() {
        what.push(match run.target.split(", ").count() {
            1 => one_line(&run.target).into_owned(),
            n => format!("{n} servers"),
        });
    }
    what.extend(model(result).map(|name| one_line(&name).into_owned()));
    let mut when = vec![minute(&run.started_at), elapsed(run.duration_seconds)];
    when.extend(version.map(|version| one_line(version).into_owned()));
    let columns = |cells: &[String]| cells.join("  ").chars().count();
    let gap = page.width.checked_sub(columns(&what) + columns(&when));
    match gap.filter(|gap| *gap >= GUTTER) {
        Some(gap) => {
            let (what, when) = (what.join("  "), when.join("  "));
            page.line(&format!("{what}{}{when}", " ".repeat(gap)));
        }
        None => {
            page.items(&what);
            page.items(&when);
        }
    }
}

/// Returns the model that was asked for, or how many there were; `None` if requests name none.
fn model(result: &RunResult) -> Option<String> {
    match &result.run.models {
        Some(models) => named(&models.iter().map(String::as_str).collect::<Vec<_>>()),
        None => model_of_config(&result.config),
    }
}

/// Returns it for a document of an earlier version, which only has its configuration.
fn model_of_config(config: &Value) -> Option<String> {
    let of_requests = config["requests"].as_array().into_iter().flatten();
    let listed = of_requests.flat_map(|kind| kind["models"].as_array().into_iter().flatten());
    let aliases = config["servers"].as_array().into_iter().flatten();
    let aliases = aliases.chain(std::iter::once(&config["server"]));
    let aliases: Vec<&str> = aliases
        .filter_map(|server| server["model_alias"].as_str())
        .collect();
    let mut models = match aliases.is_empty() {
        true => listed.filter_map(Value::as_str).collect(),
        false => aliases,
    };
    models.sort_unstable();
    models.dedup();
    named(&models)
}

fn named(models: &[&str]) -> Option<String> {
    match models {
        [] => None,
        [only] => Some((*only).to_owned()),
        several => Some(format!("{} models", several.len())),
    }
}

/// Shortens an instant to the minute: `2026-01-02T03:04:05Z` is `2026-01-02 03:04Z`.
fn minute(started_at: &str) -> String {
    match (
        started_at.get(..10),
        started_at.get(11..16),
        started_at.ends_with('Z'),
    ) {
        (Some(date), Some(time), true) => format!("{date} {time}Z"),
        _ => one_line(started_at).into_owned(),
    }
}

/// Appends the shard or the merged parts of a run that several processes share.
fn parts(page: &mut Page, run: &Run) {
    if let Some(ShardFigures { number, count }) = run.shard {
        let text = format!(
            "shard {number} of {count}: figures and thresholds of its own requests; `merge` joins all"
        );
        page.paragraph(&text);
    }
    if let Some(MergedFigures {
        shards,
        missing_shards,
        start_skew_seconds,
        ..
    }) = &run.merged
    {
        let there = *shards as usize - missing_shards.len();
        page.paragraph(&format!(
            "merged from {there} of {shards} shards, which began {start_skew_seconds:.3} s apart"
        ));
    }
}

/// Appends the findings that failed the run.
pub(super) fn findings(page: &mut Page, result: &RunResult) {
    if result.run.verdict != FINDINGS_FAILED {
        return;
    }
    let blaming = result.analysis.iter().filter(|found| found.blames_the_server());
    for Finding { rule, grade, message } in blaming {
        page.prose("finding", &format!("{} {rule}: {message}", grade.name()));
    }
}
