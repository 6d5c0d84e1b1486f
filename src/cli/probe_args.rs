//! Options of `probe`.

use clap::Args;
use clap::builder::RangedU64ValueParser;

#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// Number of virtual users to check for
    #[arg(
        short = 'u',
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(crate::plan::VUS_MAX)),
    )]
    pub vus: u32,

    /// Number of worker cores to check for [all that this process may use]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1024))]
    pub cores: Option<u32>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
