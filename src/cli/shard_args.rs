//! Options of a run that several processes share.

use crate::cli::values::number::checked_count;
use crate::cli::{ShardSpec, StartAt};
use crate::plan::SHARDS_MAX;
use clap::Args;

const SHARDS: &str = "Several processes";

#[derive(Clone, Debug, Default, Args)]
pub struct ShardArgs {
    /// Run part K of N of the plan; all N parts together are the plan. `auto` takes both from Slurm, an MPI launcher,
    /// torchrun or a Kubernetes Indexed Job
    #[arg(long, env = "LLMLOAD_SHARD", hide_env = true, value_name = "K/N", help_heading = SHARDS)]
    pub shard: Option<ShardSpec>,

    /// Number of this process, from 0, with `--ranks N`: the same as `--shard R+1/N`
    #[arg(
        long,
        env = "LLMLOAD_RANK",
        hide_env = true,
        value_name = "R",
        value_parser = checked_count(0..=SHARDS_MAX - 1),
        help_heading = SHARDS
    )]
    pub rank: Option<u32>,

    /// Number of shards, for `--rank`, and for `--shard auto` if the environment does not give it
    #[arg(
        long,
        visible_alias = "ranks",
        env = "LLMLOAD_SHARDS",
        hide_env = true,
        value_name = "N",
        value_parser = checked_count(1..=SHARDS_MAX),
        help_heading = SHARDS
    )]
    pub shards: Option<u32>,

    /// Start the load at this time: RFC 3339, seconds since 1970, or +30s from now
    #[arg(long, env = "LLMLOAD_START_AT", hide_env = true, value_name = "TIME", help_heading = SHARDS)]
    pub start_at: Option<StartAt>,
}
