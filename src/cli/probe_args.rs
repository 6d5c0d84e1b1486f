//! Options of `probe`.

use clap::Args;

use crate::cli::values::number::checked_count;
use crate::host::IoChoice;
use crate::plan::{CORES_MAX, VUS_MAX};

#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// Number of virtual users to check for
    #[arg(
        short = 'u',
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = checked_count(1..=VUS_MAX),
    )]
    pub vus: u32,

    /// Number of worker cores to check for [all that this process may use]
    #[arg(long, value_name = "N", value_parser = checked_count(1..=CORES_MAX))]
    pub cores: Option<u32>,

    /// What drives the sockets
    #[arg(long, env = "LLMLOAD_IO", hide_env = true, value_enum, default_value_t = IoChoice::Auto)]
    pub io: IoChoice,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
