//! Options of `show`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::Summary;
use crate::error::ExitCode;
use crate::export::{Export, parse_export};

/// The form in which a saved result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// The summary, as at the end of the run
    Text,
    /// Markdown, for a pull request
    Md,
    /// The document, for programs
    Json,
    /// CSV: counts, rates and metrics, with a line for each
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  llmload-uring show result.json
      print the summary of a run once more
  llmload-uring show result.json --summary full
      print all its figures
  llmload-uring show result.json --format md -o comment.md
      write it as Markdown, for a pull request
  llmload-uring show result.json --csv tables/
      write tables for a spreadsheet: by second, by metric, by request
  llmload-uring show result.json --export vllm=bench.json
      write it as `vllm bench serve` would
  ssh HOST cat result.json | llmload-uring show -
      print the summary of a run on another host

A document that holds several runs is one result: those of `merge`, of repeated
runs and of find-limit are shown as they were at their end.";

fn exit_codes() -> String {
    format!(
        "Exit codes: {}, whatever the verdict of the run; {} if the file is wrong;\n{} if the output can't be written.",
        ExitCode::Ok.code(),
        ExitCode::Config.code(),
        ExitCode::Output.code()
    )
}

#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{}", exit_codes()))]
pub struct ShowArgs {
    /// Document of a run, of `merge`, find-limit or `compare --format json`; `-` is standard input
    #[arg(value_name = "FILE")]
    pub document: OsString,

    /// Format of the output [by the ending of --output, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ShowFormat>,

    /// File to write it to [standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write tables to this folder: timeline.csv, metrics.csv and, if the document lists them, requests.csv
    #[arg(long, value_name = "FOLDER")]
    pub csv: Option<PathBuf>,

    /// Write a run as another tool would: vllm=FILE, vllm-detailed=FILE, aiperf=DIR, llm-d=FILE, k6=FILE,
    /// k6-summary=FILE; repeatable, or separated by `;`
    #[arg(long = "export", value_name = "FORMAT=PATH", value_delimiter = ';', value_parser = parse_export)]
    pub exports: Vec<Export>,

    /// How much the text of a run shows [as much as at its end]
    #[arg(long, value_enum)]
    pub summary: Option<Summary>,
}

impl ShowArgs {
    /// Returns the format that was asked for, or that the name of the output ends in.
    pub fn format(&self) -> ShowFormat {
        let ending = || self.output.as_deref()?.extension()?.to_str();
        let by_name = || ShowFormat::from_str(ending()?, true).ok();
        self.format.or_else(by_name).unwrap_or(ShowFormat::Text)
    }

    /// Tells whether it is to be printed, or written to a file, besides being written as tables or for other tools.
    pub fn is_printed(&self) -> bool {
        let is_written = self.csv.is_some() || !self.exports.is_empty();
        !is_written || self.format.is_some() || self.output.is_some() || self.summary.is_some()
    }
}
