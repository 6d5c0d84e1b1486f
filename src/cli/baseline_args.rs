//! Options of `baseline`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::compare_args::BASELINES;

const EXAMPLES: &str = "\
Examples:
  llmload-uring baseline save main result.json
      save a run under a name, with the git commit, the host and the time
  llmload-uring compare @main new.json
      compare another run with it";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BaselineArgs {
    #[command(subcommand)]
    pub action: BaselineAction,

    /// Folder that holds the baselines
    #[arg(long, env = "LLMLOAD_BASELINES", value_name = "FOLDER", default_value = BASELINES, global = true)]
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
pub enum BaselineAction {
    /// Save a result under a name
    Save {
        /// Name of the baseline: letters, digits, `.`, `_` and `-`
        name: String,
        /// File to save, of any kind that `compare` reads; `-` is standard input [the newest results/test_run_*.json]
        file: Option<PathBuf>,
        /// Replace the baseline of that name, if there is one
        #[arg(long)]
        force: bool,
    },
    /// List the baselines
    List,
    /// Show which run a baseline holds, and when and where it was saved
    Show {
        /// Name of the baseline, as `llmload-uring baseline list` shows it
        name: String,
    },
}
