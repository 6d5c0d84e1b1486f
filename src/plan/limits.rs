//! The largest plan that is accepted. A document or an option beyond these is refused before anything is sent.

use crate::error::Reason;
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND, format_duration};

/// More than the memory of any host carries, at 6 KiB a user: what a run needs is compared with what its host has
/// before it begins.
pub const VUS_MAX: u32 = 10_000_000;
/// The longest stage, and the longest run.
pub const DURATION_MAX: Nanos = 24 * 60 * MINUTE;
pub const STAGES_MAX: usize = 1_000;
/// The most changes of the VU count in one schedule: 320 MB of steps, or the most VUs up and down once.
pub const STEPS_MAX: u64 = 2 * VUS_MAX as u64 + 1;
pub const ITERATIONS_MAX: u64 = 1_000_000_000_000;
pub const KINDS_MAX: usize = 64;
/// The most servers in one run.
pub const SERVERS_MAX: usize = 16;
pub const WEIGHT_MAX: u32 = 10_000;
pub const THRESHOLDS_MAX: usize = 256;
/// The factor by which an option may stretch the times. A thousandth of a day is still a minute and a half.
pub const TIME_SCALE: std::ops::RangeInclusive<f64> = 0.001..=1_000.0;
/// The factor by which the gaps of a trace may be stretched in all: a day becomes a second, or a second ten days.
pub const TRACE_SCALE: std::ops::RangeInclusive<f64> = 0.000_001..=1_000_000.0;
/// The most times that a trace is replayed.
pub const TRACE_ROUNDS_MAX: u32 = 1_000_000;
/// The longest time within which the arrivals of a stamp are spread.
pub const TRACE_SPREAD_MAX: Nanos = 60 * MINUTE;
pub const THINK_TIME_MAX: Nanos = 60 * MINUTE;
pub const MAX_TOKENS_MAX: u32 = 10_000_000;
/// The longest made prompt: about 5 MB of words, or as many ids of tokens.
pub const PROMPT_TOKENS_MAX: u32 = 1_000_000;
pub const REPEAT_MAX: u32 = 100;
pub const CORES_MAX: u32 = 1_024;
/// The longest minimum wait. Longer waits cost resolution between the events of one connection.
pub const MIN_WAIT_MAX: Nanos = 100 * MILLISECOND;
/// How long a run may wait for a server that it starts.
pub const SERVER_WAIT_MIN: Nanos = 100 * MILLISECOND;
pub const SERVER_WAIT_MAX: Nanos = 60 * MINUTE;
/// The shortest wait for a server that others start; the longest is that of a run.
pub const TARGET_WAIT_MIN: Nanos = SECOND;
/// The most distributions (a metric with its tags) that thresholds look at. Each is kept for every second of the
/// sliding window and three times more: 190 KB x 19, so 115 MB at most.
pub const THRESHOLD_TRENDS_MAX: usize = 32;

/// Refuses a duration above [`DURATION_MAX`]; `what` names the thing that lasts that long.
pub fn check_run_length(what: &str, length: Nanos) -> Result<(), Reason> {
    if length <= DURATION_MAX {
        return Ok(());
    }
    let (is, most) = (format_duration(length), format_duration(DURATION_MAX));
    Err(Reason::new(format!(
        "{what} of {is} is longer than the limit of {most}"
    )))
}
