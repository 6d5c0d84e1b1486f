//! Options of `report`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::error::ExitCode;

const EXAMPLES: &str = "\
Examples:
  llmload-uring report result.json -o page.html
      one page for a run, to send to a colleague
  llmload-uring report base.json new.json -o both.html
      two runs side by side, with the verdict of `compare`
  llmload-uring report limit.json -o limit.html
      the answer of find-limit, with its curves

The page is one file: no script, no font, nothing loaded from elsewhere. It
holds what the documents hold: names, the configuration without its secrets,
and the beginnings of answers that failed.";

fn exit_codes() -> String {
    format!(
        "Exit codes: {}; {} if a file is wrong; {} if the page can't be written.",
        ExitCode::Ok.code(),
        ExitCode::Config.code(),
        ExitCode::Output.code()
    )
}

#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit_codes()))]
pub struct ReportArgs {
    /// Result documents of runs, of `merge` or of find-limit; `-` is standard input
    #[arg(value_name = "FILE", required = true, num_args = 1..=26)]
    pub documents: Vec<OsString>,

    /// File to write the page to; `-` is standard output
    #[arg(short, long, value_name = "PAGE", required = true)]
    pub output: PathBuf,
}
