//! Options of the Pushgateway.

use crate::units::Secret;
use clap::Args;
use clap::builder::BoolishValueParser;

const OUTPUT: &str = "Output";

#[derive(Clone, Debug, Args)]
pub struct PushArgs {
    /// Push figures to this Prometheus Pushgateway while it runs: [http://]HOST:PORT
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY",
        hide_env = true,
        hide_env_values = true,
        value_name = "URL",
        help_heading = OUTPUT
    )]
    pub pushgateway: Option<String>,

    /// A push that fails is exit code 112
    #[arg(
        long,
        env = "LLMLOAD_PUSH_REQUIRED",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = OUTPUT
    )]
    pub push_required: bool,

    /// From the environment, beside the password.
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY_USERNAME",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub pushgateway_username: Option<String>,

    /// From the environment; on a command line every user of the host could read it.
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY_PASSWORD",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub pushgateway_password: Option<Secret>,
}
