//! Options of a trace that is replayed in its own time.

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::cli::values::number::{number, part_of_load};
use crate::plan::{Rounds, TIME_SCALE, TRACE_SPREAD_MAX, Window, read_rounds, read_window};
use crate::units::Nanos;

const LOAD: &str = "Load";

#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    /// Send the rows of --dataset when their timestamps say, instead of at the profile's load; --time-scale 0.5 sends
    /// them twice as fast
    #[arg(
        long,
        env = "LLMLOAD_REPLAY",
        hide_env = true,
        value_parser = BoolishValueParser::new(),
        help_heading = LOAD
    )]
    pub replay: bool,

    /// Part of the trace to replay, in its own time since its first row: 10m..20m, 10m.. or ..20m
    #[arg(
        long,
        env = "LLMLOAD_TRACE_WINDOW",
        hide_env = true,
        value_name = "FROM..TO",
        value_parser = read_window,
        help_heading = LOAD
    )]
    pub trace_window: Option<Window>,

    /// Replay the trace N times, one after the other, or with `true` until --duration is over
    #[arg(
        long,
        env = "LLMLOAD_TRACE_LOOP",
        hide_env = true,
        value_name = "N",
        value_parser = read_rounds,
        help_heading = LOAD
    )]
    pub trace_loop: Option<Rounds>,

    /// Spread rows with the same timestamp evenly over this time, for traces whose clock was coarse (Mooncake: 3s)
    #[arg(
        long,
        env = "LLMLOAD_TRACE_SPREAD",
        hide_env = true,
        value_name = "DURATION",
        value_parser = part_of_load(0..=TRACE_SPREAD_MAX),
        help_heading = LOAD
    )]
    pub trace_spread: Option<Nanos>,

    /// Multiply the delays between the requests of a session by F; --time-scale leaves them as they are
    #[arg(
        long,
        env = "LLMLOAD_DELAY_SCALE",
        hide_env = true,
        value_name = "F",
        value_parser = number(0.0..=*TIME_SCALE.end()),
        help_heading = LOAD
    )]
    pub delay_scale: Option<f64>,
}

impl TraceArgs {
    /// Returns the options that were given and have a meaning only for a trace.
    pub fn given(&self) -> Vec<&'static str> {
        let options = [
            ("--trace-window", self.trace_window.is_some()),
            ("--trace-loop", self.trace_loop.is_some()),
            ("--trace-spread", self.trace_spread.is_some()),
            ("--delay-scale", self.delay_scale.is_some()),
        ];
        let given = options.into_iter().filter(|(_, given)| *given);
        given.map(|(option, _)| option).collect()
    }
}
