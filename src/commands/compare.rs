//! `compare` and `baseline`, from what was typed to the text and the exit code.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::{BaselineAction, BaselineArgs, CompareArgs, CompareFormat};
use crate::compare::baseline::{BaselineError, Baselines, Facts, check_name, commit, newest_result};
use crate::compare::fail_on::{Judged, RuleError, RuleVerdict, judge};
use crate::compare::read::{ReadError, read_run};
use crate::compare::{Comparison, Run, csv, json, markdown, plot, text};
use crate::error::ExitCode;
use crate::error::Failure;
use crate::error::escape;
use crate::net::clock;

/// What `main` prints.
#[derive(Debug)]
pub struct Compared {
    pub exit: ExitCode,
    /// For standard output.
    pub text: String,
    /// For standard error: what the rules found, where the text is for a program.
    pub notes: Vec<String>,
}

/// `colour`: standard output is a terminal that takes it.
pub fn compare(args: &CompareArgs, colour: bool) -> Result<Compared, Failure> {
    let baselines = Baselines::in_folder(&args.folder);
    let runs = std::iter::once(&args.base).chain(&args.new);
    let runs: Vec<Run> = runs
        .map(|name| read(name, &baselines))
        .collect::<Result<_, Failure>>()?;
    let comparison = Comparison::of(&runs);
    let judged = judge(&args.fail_on, &comparison, !args.no_significance)?;
    if let Some(path) = &args.plot {
        write(path, &plot::svg(&runs))?;
    }
    let failed = judged.iter().any(|j| j.verdict == RuleVerdict::Holds);
    let lines: Vec<String> = judged.iter().map(Judged::line).collect();
    let (text, notes) = match args.format {
        CompareFormat::Text => (with_lines(text::text(&comparison, colour), &lines), Vec::new()),
        CompareFormat::Md => (markdown::markdown(&comparison), lines),
        CompareFormat::Json => (json::json(&comparison, &judged), lines),
        CompareFormat::Csv => (csv::csv(&comparison), lines),
    };
    Ok(Compared {
        exit: if failed {
            ExitCode::ThresholdFailed
        } else {
            ExitCode::Ok
        },
        text,
        notes,
    })
}

fn with_lines(mut text: String, lines: &[String]) -> String {
    if !lines.is_empty() {
        text.push('\n');
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A path, or `@NAME` of a baseline.
fn read(name: &OsStr, baselines: &Baselines) -> Result<Run, Failure> {
    let label = name.to_string_lossy();
    let path = match label.strip_prefix('@') {
        Some(name) => baselines.document(name)?,
        None => PathBuf::from(name),
    };
    Ok(read_run(&path, &label)?)
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    std::fs::write(path, content).map_err(|e| {
        let what = format!("{}: cannot write: {e}", path.display());
        Failure::new(ExitCode::Output, what, None, "name another file with --plot")
    })
}

/// The text for standard output.
pub fn baseline(args: &BaselineArgs) -> Result<String, Failure> {
    let baselines = Baselines::in_folder(&args.folder);
    match &args.action {
        BaselineAction::List => Ok(baselines.list()?),
        BaselineAction::Show { name } => show(&baselines, name),
        BaselineAction::Save { name, file, force } => save(&baselines, name, file.as_deref(), *force),
    }
}

/// A baseline is a file that can be compared: it is read before it is kept.
fn save(baselines: &Baselines, name: &str, file: Option<&Path>, force: bool) -> Result<String, Failure> {
    check_name(name)?;
    let newest = || {
        let hint = "name the file: `llmload-uring baseline save NAME FILE`";
        newest_result().ok_or_else(|| BaselineError::wrong("no results/test_run_*.json here", hint))
    };
    let file = match file {
        Some(file) => file.to_owned(),
        None => newest()?,
    };
    let label = file.display().to_string();
    let run = read_run(&file, &label)?;
    let facts = Facts {
        name: name.to_owned(),
        file: label.clone(),
        tool: run.facts.tool,
        profile: run.facts.profile,
        commit: commit(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        saved_at: now(),
    };
    let path = baselines.save(&facts, &file, force)?;
    let text = format!("{label} is baseline {name}: {}\n", path.display());
    Ok(escape(&text).into_owned())
}

fn show(baselines: &Baselines, name: &str) -> Result<String, Failure> {
    let path = baselines.document(name)?;
    let mut text = format!("{name}: {}\n", path.display());
    if let Some(facts) = baselines.facts(name) {
        let commit = facts.commit.as_deref().unwrap_or("none: not in a git repository");
        text.push_str(&format!(
            "saved    {} on {}\ncommit   {commit}\nfrom     {}\n",
            facts.saved_at, facts.host, facts.file
        ));
    }
    let run = read_run(&path, &format!("@{name}"))?;
    let f = &run.facts;
    let lines = [
        ("tool", f.tool.clone()),
        ("profile", f.profile.clone()),
        ("target", f.target.clone()),
        ("host", f.host.clone()),
        ("started", f.started_at.clone()),
        ("length", f.duration_seconds.map(|s| format!("{s:.1} s"))),
        ("VUs", f.peak_vus.map(|n| n.to_string())),
        ("requests", f.requests.map(|n| n.to_string())),
    ];
    for (what, value) in lines {
        if let Some(value) = value {
            text.push_str(&format!("{what:<9}{}\n", value.replace('\n', " ")));
        }
    }
    Ok(escape(&text).into_owned())
}

fn now() -> String {
    let seconds = (clock::realtime() / crate::units::SECOND) as i64;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::new(ExitCode::Config, &error, None, error.hint())
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Failure {
        Failure::new(ExitCode::Config, &error.what, None, &error.hint)
    }
}

impl From<BaselineError> for Failure {
    fn from(error: BaselineError) -> Failure {
        match error {
            BaselineError::Wrong { what, hint } => Failure::new(ExitCode::Config, what, None, &hint),
            BaselineError::Unwritable { what, hint } => Failure::new(ExitCode::Output, what, None, &hint),
        }
    }
}
