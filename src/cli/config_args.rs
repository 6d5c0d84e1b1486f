//! Options for what a document can also say: the document itself, warm-up, repetitions, contention, result files.

use crate::cli::RunArgs;
use crate::cli::values::number::{count, duration};
use crate::plan::{DURATION_MAX, PairedPrompts, REPEAT_MAX};
use crate::units::Nanos;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const LOAD: &str = "Load";
const OUTPUT: &str = "Output";

#[derive(Clone, Debug, Args)]
pub struct DocumentArgs {
    /// YAML document to run instead of a profile; writes every request to a file under `results`
    #[arg(
        long,
        env = "LLMLOAD_CONFIG",
        hide_env = true,
        value_name = "FILE",
        help_heading = LOAD,
    )]
    pub config: Option<PathBuf>,

    /// How long to warm up before the measured load; the warm-up is excluded from all results [document's, or 0]
    #[arg(
        long,
        env = "LLMLOAD_WARMUP",
        hide_env = true,
        value_name = "DURATION",
        value_parser = duration(0..=DURATION_MAX),
        help_heading = LOAD,
    )]
    pub warmup: Option<Nanos>,

    /// Run N times, 1 to 100, and report mean and spread [document's, or 1]
    #[arg(
        long,
        env = "LLMLOAD_REPEAT",
        hide_env = true,
        value_name = "N",
        value_parser = count(1..=REPEAT_MAX),
        help_heading = LOAD,
    )]
    pub repeat: Option<u32>,

    /// Load each server of the document alone, then all together, and report what sharing costs each of them
    #[arg(
        long,
        env = "LLMLOAD_CONTENTION",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = LOAD,
    )]
    pub contention: bool,

    /// Send every request to both of the document's two servers, in random order, and report how they differ request by
    /// request
    #[arg(
        long,
        env = "LLMLOAD_PAIRED",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = LOAD,
    )]
    pub paired: bool,

    /// What the two requests of a pair ask for: `same` prompt, or `distinct` made prompts of the same length, which a
    /// prompt cache behind both servers does not know [document's, or same]
    #[arg(
        long,
        env = "LLMLOAD_PAIRED_PROMPTS",
        hide_env = true,
        value_name = "WHAT",
        value_parser = PairedPrompts::NAMES,
        help_heading = LOAD,
    )]
    pub paired_prompts: Option<String>,
}

/// Where a run writes its files, each of its own name.
#[derive(Clone, Debug, Args)]
pub struct FilesArgs {
    /// Write each run to a file of its own in this directory [document's; with --config `results`]
    #[arg(
        long,
        env = "LLMLOAD_RESULTS_DIR",
        hide_env = true,
        value_name = "DIR",
        help_heading = OUTPUT,
    )]
    pub results_dir: Option<PathBuf>,

    /// Do not write single requests to the result files
    #[arg(
        long,
        env = "LLMLOAD_NO_DETAILS",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = OUTPUT,
    )]
    pub no_details: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub action: ConfigAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigAction {
    /// Check a profile or a document, and print the run it describes; nothing is sent (exit code 0 or 104)
    Check(Box<RunArgs>),
}
