//! Options of a run that several processes share.

use crate::cli::{ShardSpec, StartAt};
use clap::Args;

const SHARDS: &str = "Several processes";

#[derive(Clone, Debug, Default, Args)]
pub struct ShardArgs {
    /// Run part K of N of the plan: all N parts together are the plan. `auto`: from JOB_COMPLETION_INDEX or
    /// SLURM_ARRAY_TASK_ID
    #[arg(long, env = "LLMLOAD_SHARD", hide_env = true, value_name = "K/N", help_heading = SHARDS)]
    pub shard: Option<ShardSpec>,

    /// How many shards there are, for `--shard auto` where the environment does not say
    #[arg(long, env = "LLMLOAD_SHARDS", hide_env = true, value_name = "N", help_heading = SHARDS)]
    pub shards: Option<u32>,

    /// Begin the load at this instant: RFC 3339, seconds since 1970, or +30s
    #[arg(long, env = "LLMLOAD_START_AT", hide_env = true, value_name = "TIME", help_heading = SHARDS)]
    pub start_at: Option<StartAt>,
}
