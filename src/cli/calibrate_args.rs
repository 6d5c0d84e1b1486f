//! Options of `calibrate`.

use crate::calibrate::{DURATION_MAX, DURATION_MIN};
use crate::cli::values::number::duration;
use crate::error::{Mistake, Reason};
use crate::host::{CpuList, IoChoice};
use crate::units::{Nanos, check_duration};
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// Time for all measurements together; longer ones have steadier high percentiles
    #[arg(
        short,
        long,
        value_name = "DURATION",
        value_parser = duration(DURATION_MIN..=DURATION_MAX),
        default_value = "20s",
    )]
    pub duration: Nanos,

    /// CPU for the client's worker; the mock gets the others [the first that this process may use]
    #[arg(long, value_name = "CPU")]
    pub cpus: Option<CpuList>,

    /// What drives the sockets
    #[arg(long, env = "LLMLOAD_IO", hide_env = true, value_enum, default_value_t = IoChoice::Auto)]
    pub io: IoChoice,

    /// Write the calibration as JSON, for `--calibration FILE` of a run (`-`: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl CalibrateArgs {
    /// Checks every value against its limits, and returns all that are outside.
    pub fn check(&self) -> Vec<Mistake> {
        let limits = DURATION_MIN..=DURATION_MAX;
        let duration = check_duration(self.duration, &limits).err();
        let mut mistakes: Vec<Mistake> = duration
            .map(|reason| reason.at("--duration", 0))
            .into_iter()
            .collect();
        if let Some(cpus) = self.cpus.as_ref().filter(|cpus| cpus.0.len() > 1) {
            let what = format!("{} CPUs are too many: the maximum is 1", cpus.0.len());
            let hint = "name the CPU of one worker; workers do not share anything, so several can do as much as their sum";
            mistakes.push(Reason::new(what).hint(hint).at("--cpus", 0));
        }
        mistakes
    }
}
