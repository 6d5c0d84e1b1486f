//! Options of several processes that make one run together.

use crate::cli::Coordinate;
use crate::cli::values::number::duration;
use crate::coordination::{OnLoss, WAIT};
use crate::units::{Nanos, Secret};
use clap::builder::{BoolishValueParser, PossibleValue};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const SHARDS: &str = "Several processes";
const WAIT_DEFAULT: &str = "60s";

#[derive(Clone, Debug, Args)]
pub struct CoordinateArgs {
    /// Make one run with the other ranks: rank 0 listens there, the others connect, all begin together, and rank 0
    /// writes one result. `auto` takes the host from Slurm or torchrun [port 7117]
    #[arg(long, env = "LLMLOAD_COORDINATE", hide_env = true, value_name = "HOST[:PORT]", help_heading = SHARDS)]
    pub coordinate: Option<Coordinate>,

    /// File with the secret that the ranks share, 16 bytes or more; or set LLMLOAD_COORDINATE_SECRET
    #[arg(
        long,
        env = "LLMLOAD_COORDINATE_SECRET_FILE",
        hide_env = true,
        value_name = "FILE",
        help_heading = SHARDS
    )]
    pub coordinate_secret_file: Option<PathBuf>,

    /// The secret, from the environment only: every user of the host can read a command line.
    #[arg(
        long,
        env = "LLMLOAD_COORDINATE_SECRET",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub coordinate_secret: Option<Secret>,

    /// How long ranks wait for each other before anything is sent
    #[arg(
        long,
        env = "LLMLOAD_WAIT_FOR_RANKS",
        hide_env = true,
        value_name = "DURATION",
        default_value = WAIT_DEFAULT,
        value_parser = duration(WAIT),
        help_heading = SHARDS
    )]
    pub wait_for_ranks: Nanos,

    /// What the others do when a rank is lost during the load
    #[arg(
        long,
        env = "LLMLOAD_ON_RANK_LOSS",
        hide_env = true,
        value_enum,
        default_value_t = OnLoss::Stop,
        help_heading = SHARDS
    )]
    pub on_rank_loss: OnLoss,

    /// After the load, write the details of all ranks into rank 0's document (needs --details and --output)
    #[arg(
        long,
        env = "LLMLOAD_GATHER_DETAILS",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = SHARDS
    )]
    pub gather_details: bool,
}

impl ValueEnum for OnLoss {
    fn value_variants<'a>() -> &'a [OnLoss] {
        &[OnLoss::Stop, OnLoss::Continue]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            OnLoss::Stop => {
                PossibleValue::new("stop").help("end the load, keep what was measured, exit with 117")
            }
            OnLoss::Continue => PossibleValue::new("continue").help("go on without it"),
        })
    }
}
