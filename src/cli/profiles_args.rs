//! Options of `llmload-uring profiles`.

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Args)]
pub struct ProfilesArgs {
    #[command(subcommand)]
    pub action: Option<ProfilesAction>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProfilesAction {
    /// Print a profile's document, to be changed and run from a file
    Show {
        /// One of the names that `llmload-uring profiles` lists
        name: String,
    },
}
