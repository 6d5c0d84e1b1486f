//! Options of `baseline`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::compare_args::BASELINES;

const EXAMPLES: &str = "\
Examples:
  llmload-uring baseline save main result.json
      keep a run under a name, with the git commit, this host and the time
  llmload-uring compare @main new.json
      compare with it";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BaselineArgs {
    #[command(subcommand)]
    pub action: BaselineAction,

    /// Folder of the baselines
    #[arg(long, env = "LLMLOAD_BASELINES", value_name = "FOLDER", default_value = BASELINES, global = true)]
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
pub enum BaselineAction {
    /// Keep a result under a name
    Save {
        /// Letters, digits, `.`, `_` and `-`
        name: String,
        /// Anything that `compare` reads [the newest results/test_run_*.json]
        file: Option<PathBuf>,
        /// Replace the one of that name
        #[arg(long)]
        force: bool,
    },
    /// What is kept
    List,
    /// Where one comes from
    Show {
        /// One of the names that `llmload-uring baseline list` shows
        name: String,
    },
}
