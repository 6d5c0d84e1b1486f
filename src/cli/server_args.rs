//! Options of the server that a run starts itself.

use crate::cli::values::number::{count, duration};
use crate::plan::{SERVER_WAIT_MAX, SERVER_WAIT_MIN};
use crate::server::args::{LATENCY_PROFILES, TARGET_TOKENS_MAX};
use crate::units::Nanos;
use crate::units::Secret;
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;

const SERVER: &str = "Managed server";

#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Let the simulator fail on purpose: 10 % of completions get a 429, 5 % a 5xx, 2 % a 504
    #[arg(
        long,
        env = "LLMLOAD_CHAOS",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = SERVER
    )]
    pub chaos: bool,

    /// Latency profile of the simulator: instant, fast, gpt-4o, claude-sonnet, ... [fast]
    #[arg(
        long,
        env = "LLMLOAD_SIM_LATENCY",
        hide_env = true,
        value_name = "NAME",
        value_parser = LATENCY_PROFILES,
        hide_possible_values = true,
        help_heading = SERVER
    )]
    pub sim_latency: Option<String>,

    /// Tokens in each of the simulator's answers [20]
    #[arg(
        long,
        env = "LLMLOAD_SIM_TOKENS",
        hide_env = true,
        value_name = "N",
        value_parser = count(1..=TARGET_TOKENS_MAX),
        help_heading = SERVER
    )]
    pub sim_tokens: Option<usize>,

    /// llmsim's own TOML file; the options above override it
    #[arg(long, env = "LLMLOAD_SIM_CONFIG", hide_env = true, value_name = "FILE", help_heading = SERVER)]
    pub sim_config: Option<PathBuf>,

    /// Start this server instead of the simulator, and stop it at the end; run without a shell
    #[arg(
        long,
        env = "LLMLOAD_SERVER_CMD",
        hide_env = true,
        hide_env_values = true,
        value_name = "COMMAND",
        help_heading = SERVER
    )]
    pub server_cmd: Option<Secret>,

    /// URL at which that server answers 200 once it is ready
    #[arg(
        long,
        env = "LLMLOAD_HEALTH_URL",
        hide_env = true,
        hide_env_values = true,
        value_name = "URL",
        help_heading = SERVER
    )]
    pub health_url: Option<String>,

    /// How long to wait for the health URL to answer 200 [120s]
    #[arg(
        long,
        env = "LLMLOAD_SERVER_WAIT",
        hide_env = true,
        value_name = "DURATION",
        value_parser = duration(SERVER_WAIT_MIN..=SERVER_WAIT_MAX),
        help_heading = SERVER
    )]
    pub server_wait: Option<Nanos>,

    /// Start the load of a smoke profile without checking first that each server answers
    #[arg(
        long,
        env = "LLMLOAD_NO_VALIDATE",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = SERVER
    )]
    pub no_validate: bool,
}
