//! How connections to the target are made.

use crate::host::SourceList;
use crate::plan::ConnectionUse;
use clap::Args;

const TARGET: &str = "Target";

#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// Whether a user keeps its connection, or opens one for each request [document's, or keep-alive]
    #[arg(
        long,
        env = "LLMLOAD_CONNECTION",
        hide_env = true,
        value_name = "USE",
        value_parser = ConnectionUse::NAMES,
        help_heading = TARGET
    )]
    pub connection: Option<String>,

    /// Addresses of this host to connect from, in turn by user: 10.0.0.5, 10.0.0.5-10.0.0.8 or 10.0.0.0/28, separated
    /// by commas; repeatable. One address makes about 28,000 connections to one target [the system chooses]
    #[arg(
        long = "source-address",
        env = "LLMLOAD_SOURCE_ADDRESS",
        hide_env = true,
        value_name = "ADDRESSES",
        help_heading = TARGET
    )]
    pub source_addresses: Vec<SourceList>,
}
