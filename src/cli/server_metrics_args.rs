//! Options about the servers' own account of a load.

use clap::Args;
use clap::builder::BoolishValueParser;

const MEASUREMENT: &str = "Measurement";

#[derive(Clone, Debug, Args)]
pub struct ServerMetricsArgs {
    /// Read the servers' own metrics each second: `target` (its /metrics, as without the option where there is one),
    /// and URLs of others, such as http://GPU-HOST:9400/metrics of a DCGM exporter; `none` reads none
    #[arg(
        long,
        env = "LLMLOAD_SERVER_METRICS",
        hide_env = true,
        hide_env_values = true,
        value_name = "URL",
        num_args = 0..,
        value_delimiter = ',',
        help_heading = MEASUREMENT
    )]
    pub server_metrics: Option<Vec<String>>,

    /// Name of a metric that is kept besides the known ones; repeatable
    #[arg(
        long = "server-metrics-name",
        env = "LLMLOAD_SERVER_METRICS_NAME",
        hide_env = true,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = MEASUREMENT
    )]
    pub server_metrics_names: Vec<String>,

    /// Read no server's metrics
    #[arg(
        long,
        env = "LLMLOAD_NO_SERVER_METRICS",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = MEASUREMENT
    )]
    pub no_server_metrics: bool,
}
