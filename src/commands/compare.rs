//! The subcommands `compare` and `baseline`, from their arguments to their text and exit code.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::{BaselineAction, BaselineArgs, CompareArgs, CompareFormat};
use crate::commands::held_input::{HeldInput, STANDARD, STANDARD_NAME};
use crate::compare::baseline::{Baselines, Facts, check_name, commit, failure, newest_result};
use crate::compare::fail_on::{Judged, RuleVerdict, judge};
use crate::compare::read::read_run;
use crate::compare::{Comparison, Run, csv, json, markdown, plot, text};
use crate::error::{ExitCode, Failure, Reason, escape, lossless, one_line, shown_path};
use crate::net::clock;
use crate::output::write_whole;

/// The outcome of a comparison, for `main` to print.
#[derive(Debug)]
pub struct Compared {
    pub exit: ExitCode,
    /// The text for standard output.
    pub text: String,
    /// The lines for standard error: what the rules found, if the text is for a program.
    pub notes: Vec<String>,
}

/// Reads the runs, compares them, and judges the rules. `colour` says that standard output is a terminal that shows
/// colours.
pub fn compare(args: &CompareArgs, colour: bool) -> Result<Compared, Failure> {
    if let Some(path) = &args.plot {
        check_plot(path)?;
    }
    let baselines = Baselines::in_folder(&args.folder);
    let runs = std::iter::once(&args.base).chain(&args.new);
    if runs.clone().filter(|name| *name == STANDARD).count() > 1 {
        let reason = Reason::new("standard input is given twice, and can be read once");
        let reason = reason.hint("name the other run by its file");
        return Err(Failure::new(ExitCode::Config, reason.at(STANDARD, 0)));
    }
    let runs: Vec<Run> = runs
        .map(|name| read(name, &baselines))
        .collect::<Result<_, Failure>>()?;
    let comparison = Comparison::new(&runs);
    let judged = judge(&args.fail_on, &comparison, !args.no_significance)?;
    if let Some(path) = &args.plot {
        write_whole(path, plot::svg(&runs).as_bytes())?;
    }
    let failed = judged.iter().any(|j| j.verdict == RuleVerdict::Holds);
    let lines: Vec<String> = judged.iter().map(Judged::line).collect();
    let (text, notes) = match args.format {
        CompareFormat::Text => (text::text(&comparison, &judged, colour), Vec::new()),
        CompareFormat::Md => (markdown::markdown(&comparison, &judged), lines),
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

/// A path, `-` for standard input, or `@NAME` of a baseline.
fn read(name: &OsStr, baselines: &Baselines) -> Result<Run, Failure> {
    let label = lossless(name.as_bytes());
    let path = match label.strip_prefix('@') {
        Some(name) => baselines.document(name)?,
        None if name == STANDARD => {
            let read = read_run(Path::new("/dev/stdin"), "stdin");
            return Ok(read.map_err(|mistake| mistake.reason.at(STANDARD_NAME, 0))?);
        }
        None => PathBuf::from(name),
    };
    Ok(read_run(&path, &label)?)
}

/// A picture is written in one form, and its name has to say so.
fn check_plot(path: &Path) -> Result<(), Failure> {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    let is_device = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_device || ending.as_deref() == Some("svg") {
        return Ok(());
    }
    let what = "--plot draws SVG only, and this name does not end in .svg";
    let stem = path.with_extension("");
    let is_svg = stem
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("svg"));
    let named = if is_svg { stem } else { path.with_extension("svg") };
    let hint = format!("--plot {}", shown_path(named));
    Err(Failure::new(
        ExitCode::Config,
        Reason::new(what).hint(hint).at(shown_path(path), 0),
    ))
}

/// Does what a `baseline` command asks for, and returns the text for standard output.
pub fn baseline(args: &BaselineArgs) -> Result<String, Failure> {
    let baselines = Baselines::in_folder(&args.folder);
    match &args.action {
        BaselineAction::List => Ok(baselines.list()?),
        BaselineAction::Show { name } => show(&baselines, name),
        BaselineAction::Save { name, file, force } => save(&baselines, name, file.as_deref(), *force),
    }
}

/// Saves a baseline. The file is read first, so that every baseline can be compared.
fn save(baselines: &Baselines, name: &str, file: Option<&Path>, force: bool) -> Result<String, Failure> {
    check_name(name)?;
    let newest = || {
        let hint = "name the file: `llmload-uring baseline save NAME FILE`";
        newest_result().ok_or_else(|| failure("there is no results/test_run_*.json in this directory", hint))
    };
    let file = match file {
        Some(file) => file.to_owned(),
        None => newest()?,
    };
    // It is read twice: as a run, and as the file that it is.
    let held = match file.as_os_str() == STANDARD {
        true => Some(HeldInput::read()?),
        false => None,
    };
    let (file, label) = match &held {
        Some(held) => (held.path(), STANDARD_NAME.to_owned()),
        None => {
            let label = lossless(file.as_os_str().as_bytes()).into_owned();
            (file, label)
        }
    };
    let run = read_run(&file, &label)?;
    let facts = Facts {
        name: name.to_owned(),
        file: label.clone(),
        tool: run.facts.tool,
        profile: run.facts.profile,
        commit: commit(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        saved_at: now_rfc3339(),
    };
    let path = baselines.save(&facts, &file, force)?;
    Ok(format!(
        "{} saved as baseline {name}: {}\n",
        one_line(&label),
        shown_path(&path)
    ))
}

fn show(baselines: &Baselines, name: &str) -> Result<String, Failure> {
    let path = baselines.document(name)?;
    let mut text = format!("{name}: {}\n", shown_path(&path));
    if let Some(facts) = baselines.facts(name) {
        let commit = facts.commit.as_deref().map(one_line);
        let commit = commit.as_deref().unwrap_or("none: not in a git repository");
        text.push_str(&format!(
            "saved    {} on {}\ncommit   {commit}\nfrom     {}\n",
            one_line(&facts.saved_at),
            one_line(&facts.host),
            one_line(&facts.file)
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
            text.push_str(&format!("{what:<9}{}\n", one_line(&value)));
        }
    }
    Ok(escape(&text).into_owned())
}

fn now_rfc3339() -> String {
    let seconds = (clock::realtime() / crate::units::SECOND) as i64;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
}
