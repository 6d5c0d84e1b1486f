//! Options of the figures that Prometheus scrapes.

use crate::cli::values::listen::listen_address;
use crate::cli::values::number::duration;
use crate::metrics_listen::LINGER;
use crate::units::Nanos;
use clap::Args;
use clap::builder::BoolishValueParser;
use std::net::SocketAddr;

const OUTPUT: &str = "Output";

#[derive(Clone, Debug, Args)]
pub struct MetricsListenArgs {
    /// Answer Prometheus during the run: the figures are at http://ADDR/metrics. Port 0 takes any free port, which is
    /// printed
    #[arg(
        long,
        env = "LLMLOAD_METRICS_LISTEN",
        hide_env = true,
        value_name = "ADDR",
        value_parser = listen_address,
        help_heading = OUTPUT
    )]
    pub metrics_listen: Option<SocketAddr>,

    /// Let --metrics-listen have an address that other hosts can reach
    #[arg(
        long,
        env = "LLMLOAD_METRICS_LISTEN_ANY",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = OUTPUT
    )]
    pub metrics_listen_any: bool,

    /// How long a finished run goes on answering scrapes [until a Prometheus that has asked during the run has read the
    /// last figures, 1m at most]
    #[arg(
        long,
        env = "LLMLOAD_METRICS_LINGER",
        hide_env = true,
        value_name = "DURATION",
        value_parser = duration(LINGER),
        help_heading = OUTPUT
    )]
    pub metrics_linger: Option<Nanos>,
}
