//! Options of the Pushgateway.

use crate::units::Secret;
use clap::Args;
use clap::builder::BoolishValueParser;

const OUTPUT: &str = "Output";

#[derive(Clone, Debug, Args)]
pub struct PushArgs {
    /// Push figures to this Prometheus Pushgateway during the run: [http://]HOST:PORT
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY",
        hide_env = true,
        hide_env_values = true,
        value_name = "URL",
        help_heading = OUTPUT
    )]
    pub pushgateway: Option<String>,

    /// Exit with 112 if a push fails
    #[arg(
        long,
        env = "LLMLOAD_PUSH_REQUIRED",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = OUTPUT
    )]
    pub push_required: bool,

    /// The user name for the Pushgateway, from the environment like the password.
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY_USERNAME",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub pushgateway_username: Option<String>,

    /// The password, from the environment only: every user of the host can read a command line.
    #[arg(
        long,
        env = "LLMLOAD_PUSHGATEWAY_PASSWORD",
        hide_env = true,
        hide_env_values = true,
        hide = true
    )]
    pub pushgateway_password: Option<Secret>,
}
