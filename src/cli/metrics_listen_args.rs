//! Options of the figures that Prometheus scrapes.

use crate::cli::values::listen::listen_address;
use crate::cli::values::number::duration;
use crate::error::ValueError;
use crate::metrics_listen::LINGER;
use crate::units::Nanos;
use clap::Args;
use clap::builder::BoolishValueParser;
use std::net::SocketAddr;

const OUTPUT: &str = "Output";

/// Reads an address to listen on. `localhost`, which scrape configurations have, is the loopback address.
fn metrics_address(text: &str) -> Result<SocketAddr, ValueError> {
    match text.strip_prefix("localhost:") {
        Some(port) if !port.contains(':') => listen_address(&format!("127.0.0.1:{port}")),
        _ => listen_address(text),
    }
}

#[derive(Clone, Debug, Args)]
pub struct MetricsListenArgs {
    /// Answer Prometheus during the run: the figures are at http://ADDR/metrics. Port 0 takes any free port, which is
    /// printed
    #[arg(
        long,
        env = "LLMLOAD_METRICS_LISTEN",
        hide_env = true,
        value_name = "ADDR",
        value_parser = metrics_address,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_the_loopback_address_and_other_names_are_none() {
        for (text, address) in [
            ("localhost:9464", "127.0.0.1:9464"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(metrics_address(text).unwrap(), address.parse().unwrap());
        }
        for text in [
            "localhost",
            "localhost:",
            "localhost:a:1",
            "host:1",
            ":9464",
            "9464",
            "",
        ] {
            assert_eq!(metrics_address(text).unwrap_err().exit().code(), 2, "{text}");
        }
        assert_eq!(metrics_address("localhost:65536").unwrap_err().exit().code(), 104);
    }
}
