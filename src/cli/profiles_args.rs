//! Options of `llmload-uring profiles`.

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Args)]
pub struct ProfilesArgs {
    #[command(subcommand)]
    pub action: Option<ProfilesAction>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProfilesAction {
    /// Print a profile's document, as a starting point for your own
    Show {
        /// Name of the profile, as `llmload-uring profiles` lists it
        name: String,
    },
}
