//! Options of `compare`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::compare::Rule;
use crate::error::ExitCode;

/// Where baselines are kept when nothing else is said.
pub const BASELINES: &str = ".llmload/baselines";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// For a terminal
    Text,
    /// Markdown, for a pull request
    Md,
    /// For programs
    Json,
    /// A line for each figure of each NEW
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  llmload-uring compare base.json new.json
      did it get worse? changes with their 95 % intervals
  llmload-uring compare k6-summary.json result.json --format md
      a k6 run beside ours, as Markdown
  llmload-uring compare @main new.json --fail-on 'latency p95 > +10%' --fail-on 'error_rate > +1pp'
      fail where the p95 rose by more than a tenth, or errors by more than a point, and not by chance
  llmload-uring compare monday.json tuesday.json friday.json --plot week.svg
      three runs, and their distributions in a picture

A file is a result document, k6's --summary-export, handleSummary or --out json or csv (gz too), or oha's JSON.";

fn exit_codes() -> String {
    format!(
        "Exit codes: {}, {} a rule of --fail-on holds, {} a file or a rule is wrong, {} the plot could not be written.",
        ExitCode::Ok.code(),
        ExitCode::ThresholdFailed.code(),
        ExitCode::Config.code(),
        ExitCode::Output.code()
    )
}

#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit_codes()))]
pub struct CompareArgs {
    /// What the others are compared with: a file, or @NAME of a baseline
    #[arg(value_name = "BASE")]
    pub base: OsString,

    /// Files, or @NAME
    #[arg(value_name = "NEW", required = true, num_args = 1..=25)]
    pub new: Vec<OsString>,

    /// What to print
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: CompareFormat,

    /// Draw the distributions of latency and TTFT into this file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,

    /// Exit code 99 if this holds for any NEW: METRIC [STAT] > +N%, or < -N%; several times for more
    #[arg(long, value_name = "RULE")]
    pub fail_on: Vec<Rule>,

    /// Let --fail-on look at the figures alone, also where a change may be chance
    #[arg(long)]
    pub no_significance: bool,

    /// Folder of the baselines
    #[arg(long, env = "LLMLOAD_BASELINES", value_name = "FOLDER", default_value = BASELINES)]
    pub folder: PathBuf,
}
