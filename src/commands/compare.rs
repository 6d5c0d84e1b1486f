//! The subcommands `compare` and `baseline`, from their arguments to their text and exit code.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::{BaselineAction, BaselineArgs, CompareArgs, CompareFormat};
use crate::commands::held_input::{HeldInput, STANDARD, STANDARD_NAME};
use crate::compare::baseline::{Baselines, Facts, check_name, commit, failure, newest_result};
use crate::compare::fail_on::{Judged, RuleVerdict, judge};
use crate::compare::read::{Choice, Wanted, align, read_run, read_wanted};
use crate::compare::{Comparison, Run, Tool, csv, json, markdown, plot, text};
use crate::error::{ExitCode, Failure, Reason, escape, lossless, nearest, one_line, quoted, shown_path};
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
    let names = std::iter::once(&args.base).chain(&args.new).chain(&args.from);
    let sources: Vec<Source> = names.map(|name| source(name)).collect::<Result<_, Failure>>()?;
    if sources.iter().filter(|source| source.file == STANDARD).count() > 1 {
        let reason = Reason::new("standard input is given twice, and can be read once");
        let reason = reason.hint("name the other run by its file");
        return Err(Failure::new(ExitCode::Config, reason.at(STANDARD, 0)));
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut paths = Vec::new();
    for source in &sources {
        let (run, path) = read(source, &baselines)?;
        runs.push(run);
        paths.push(path);
    }
    align(&mut runs, &paths)?;
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

/// A run as it is named on the command line.
struct Source {
    /// The whole name, for the table.
    label: String,
    /// A path, `-` for standard input, or `@NAME` of a baseline.
    file: OsString,
    wanted: Wanted,
}

/// Takes a name apart: `TOOL:FILE` says who wrote the file, and `FILE#2` which of its runs is meant. A file that has
/// the whole name is that file.
fn source(name: &OsStr) -> Result<Source, Failure> {
    let mut found = Source {
        label: lossless(name.as_bytes()).into_owned(),
        file: name.to_owned(),
        wanted: Wanted::default(),
    };
    let Some(mut rest) = name.to_str().filter(|_| !Path::new(name).exists()) else {
        return Ok(found);
    };
    if let Some((tool, file)) = rest.split_once(':') {
        match Tool::from_name(tool) {
            Some(tool) => (found.wanted.tool, rest) = (Some(tool), file),
            None if Path::new(file).exists() => return Err(unknown_tool(tool, name)),
            None => {}
        }
    }
    if let Some((file, number)) = rest.rsplit_once('#').filter(|_| !Path::new(rest).exists())
        && let Ok(number) = number.parse()
    {
        (found.wanted.choice, rest) = (Choice(Some(number)), file);
    }
    found.file = OsString::from(rest);
    Ok(found)
}

fn unknown_tool(tool: &str, name: &OsStr) -> Failure {
    let names = Tool::ALL.map(Tool::name);
    let hint = match nearest(tool, &names) {
        Some(near) => format!("did you mean `{near}`? The names are {}", names.join(", ")),
        None => format!("the names are {}", names.join(", ")),
    };
    let reason = Reason::new(format!("{} is no tool whose results are read", quoted(tool))).hint(hint);
    Failure::new(ExitCode::Config, reason.at(lossless(name.as_bytes()), 0))
}

/// Reads a run. The path is that of a file that can be read again.
fn read(source: &Source, baselines: &Baselines) -> Result<(Run, Option<PathBuf>), Failure> {
    let (file, label) = (&source.file, &source.label);
    let path = match lossless(file.as_bytes()).strip_prefix('@') {
        Some(name) => baselines.document(name)?,
        None if *file == STANDARD => {
            let read = read_wanted(Path::new("/dev/stdin"), "stdin", source.wanted);
            return Ok((read.map_err(|mistake| mistake.reason.at(STANDARD_NAME, 0))?, None));
        }
        None => PathBuf::from(file),
    };
    let run = read_wanted(&path, label, source.wanted)?;
    Ok((run, path.is_file().then_some(path)))
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
