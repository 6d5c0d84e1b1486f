//! Options of `compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::compare::{Rule, Tool};
use crate::error::{ExitCode, Reason, ValueError, nearest, quoted};

/// The folder of the baselines if `--folder` is not given.
pub const BASELINES: &str = ".llmload/baselines";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// A table for a terminal
    Text,
    /// Markdown, for a pull request
    Md,
    /// JSON, for programs
    Json,
    /// CSV, with a line for each figure of each NEW
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  llmload-uring compare base.json new.json
      show each change with its 95 % interval
  llmload-uring compare k6-summary.json result.json --format md
      compare a k6 run with one of ours, as Markdown
  llmload-uring compare @main new.json --fail-on 'latency p95 > +10%' \\
      --fail-on 'error_rate > +1pp'
      fail if the p95 rose by more than 10 %, or the error rate by more than 1
      point, and not by chance
  llmload-uring compare monday.json tuesday.json friday.json --plot week.svg
      compare three runs, and plot their distributions

  llmload-uring compare vllm.json result.json
      compare a run of `vllm bench serve` with one of ours; the footnotes say
      where a figure of theirs is of something else
  llmload-uring compare benchmarks.json#1 benchmarks.json#3
      compare two runs that one file of guidellm, vLLM or SGLang holds

A file is a result document of llmload-uring, what k6 writes with
--summary-export, handleSummary, --out json or --out csv, or a result of oha,
vllm, sglang, guidellm, aiperf, inference-perf or vegeta, plain or gzipped. It
is recognized by what is in it; NAME:FILE (vllm:out.json) says which tool wrote
it.";

fn exit_codes() -> String {
    format!(
        "Exit codes: {}; {} if a --fail-on rule holds; {} if a file or a rule is wrong;\n{} if the plot can't be written.",
        ExitCode::Ok.code(),
        ExitCode::ThresholdFailed.code(),
        ExitCode::Config.code(),
        ExitCode::Output.code()
    )
}

#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit_codes()))]
pub struct CompareArgs {
    /// Run to compare the others with: a file, or @NAME for a baseline
    #[arg(value_name = "BASE")]
    pub base: OsString,

    /// Runs to compare with BASE: files, or @NAME for a baseline
    #[arg(value_name = "NEW", required_unless_present = "from", num_args = 1..=25)]
    pub new: Vec<OsString>,

    /// Another NEW, with the tool that wrote it: vllm, sglang, guidellm, aiperf, inference-perf, vegeta, oha, k6 or
    /// llmload-uring; repeatable. BASE and NEW may be written so as well
    #[arg(long, value_name = "NAME:FILE", value_parser = from)]
    pub from: Vec<OsString>,

    /// Format of the output
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: CompareFormat,

    /// Plot the distributions of latency and TTFT to this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,

    /// Exit with 99 if this holds for any NEW: METRIC [STAT] > +N%, or < -N%; repeatable
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub fail_on: Vec<Rule>,

    /// Let --fail-on fail for changes that may be due to chance as well
    #[arg(long)]
    pub no_significance: bool,

    /// Folder that holds the baselines
    #[arg(long, env = "LLMLOAD_BASELINES", value_name = "FOLDER", default_value = BASELINES)]
    pub folder: PathBuf,
}

/// Checks the name of the tool. The file is looked for when it is read.
fn from(text: &str) -> Result<OsString, ValueError> {
    let names = Tool::ALL.map(Tool::name);
    let hint = |name: &str| match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`? The names are {}", names.join(", ")),
        None => format!("the names are {}", names.join(", ")),
    };
    let Some((name, file)) = text.split_once(':') else {
        let what = format!("{} does not say the tool: write NAME:FILE", quoted(text));
        return Err(Reason::new(what).hint(hint("")).into());
    };
    if Tool::from_name(name).is_none() {
        let what = format!("{} is no tool whose results are read", quoted(name));
        return Err(Reason::new(what).hint(hint(name)).into());
    }
    if file.is_empty() {
        let what = format!("{} does not say the file: write NAME:FILE", quoted(text));
        return Err(Reason::new(what).hint("`-` is standard input").into());
    }
    Ok(OsString::from(text))
}

/// A rule is to `compare` what a threshold is to a run, and what is wrong with it has the same exit code.
fn rule(text: &str) -> Result<Rule, ValueError> {
    text.parse().map_err(ValueError::Refused)
}
