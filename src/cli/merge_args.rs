//! Options of `merge`.

use crate::cli::Summary;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct MergeArgs {
    /// Result documents of all shards, in any order; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub documents: Vec<PathBuf>,

    /// File to write the merged document to; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Also write the merged result as one page of HTML with charts; `-` is standard output
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Also write the merged result as tables to this folder: timeline.csv, metrics.csv and, if the documents list
    /// them, requests.csv
    #[arg(long, value_name = "FOLDER")]
    pub csv: Option<PathBuf>,

    /// How much the summary shows
    #[arg(long, value_enum, default_value_t = Summary::Brief)]
    pub summary: Summary,

    /// Merge even if documents of shards are missing
    #[arg(long)]
    pub partial: bool,
}
