//! The keys of a load that arrives when the rows of a dataset say.

use crate::config::document::open_loop::read_users;
use crate::config::document::reader::{Fields, Reader};
use crate::plan::{
    DURATION_MAX, Executor, TIME_SCALE, TRACE_SPREAD_MAX, Trace, TraceSettings, parse_rounds, parse_window,
};
use crate::units::MILLISECOND;

pub const TRACE: &str = "trace";

pub const TRACE_KEYS: [&str; 9] = [
    "time_scale",
    "delay_scale",
    "trace_window",
    "trace_loop",
    "trace_spread",
    "duration",
    "pre_allocated_vus",
    "max_vus",
    "when_full",
];

/// Reads the executor. Its rows are not known yet.
pub fn read_trace(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Executor {
    let default = TraceSettings::default();
    let window = "a window such as 10m..20m";
    let rounds = "a number of times, or true";
    let settings = TraceSettings {
        time_scale: reader
            .decimal(fields, "time_scale", TIME_SCALE)
            .unwrap_or(default.time_scale),
        delay_scale: reader
            .decimal(fields, "delay_scale", 0.0..=*TIME_SCALE.end())
            .unwrap_or(default.delay_scale),
        window: reader
            .parsed(fields, "trace_window", window, parse_window)
            .unwrap_or(default.window),
        rounds: reader
            .parsed(fields, "trace_loop", rounds, parse_rounds)
            .unwrap_or(default.rounds),
        spread: reader
            .duration(fields, "trace_spread", 0..=TRACE_SPREAD_MAX)
            .unwrap_or(default.spread),
        duration: reader.duration(fields, "duration", MILLISECOND..=DURATION_MAX),
    };
    Executor::Trace(Trace::new(settings, read_users(reader, fields)))
}
