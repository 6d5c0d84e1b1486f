//! The pace of a trace in the document: what the trace asked for in each of its minutes, and what was sent.

use crate::metrics::{Pace, PaceCounts};
use crate::plan::Executor;
use crate::units::{Nanos, seconds};
use serde::{Deserialize, Serialize};

/// A trace that was replayed. Its times are its own, since its first row; `time_scale` makes the run's of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceFigures {
    /// Rows of the dataset.
    pub rows: u64,
    /// Those of them that are within the window.
    pub rows_in_window: u64,
    /// Rows that follow one of these in its session, after a delay.
    pub rows_following: u64,
    /// Rows that stand below one with a later instant; they arrived when they say.
    pub rows_out_of_order: u64,
    /// The time from the first row of the dataset to the last.
    pub span_seconds: f64,
    /// Where the window begins.
    pub from_seconds: f64,
    /// Rows per second within the window, in the trace's own time.
    pub mean_per_second: f64,
    /// Factor of all gaps.
    pub time_scale: f64,
    /// Time within which arrivals were spread from their stamp on.
    pub spread_seconds: f64,
    /// Each minute of the trace, in order; each row is several minutes if there would be more than 1,440.
    pub minutes: Vec<PaceFigures>,
}

/// A minute of a trace. Counts are of all repetitions of a run together, rates of one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaceFigures {
    /// In the trace's time, from where the replay begins; repetitions of a trace follow one another.
    pub from_seconds: f64,
    pub to_seconds: f64,
    /// Requests that were due.
    pub arrivals: u64,
    /// Those of them that no user could take.
    pub dropped: u64,
    /// Requests that were sent, whenever they were due.
    pub sent: u64,
    /// Rate of the rows in the trace's own time.
    pub trace_per_second: f64,
    /// Rate at which requests were due in the run.
    pub asked_per_second: f64,
    /// Rate at which requests were sent in the run.
    pub made_per_second: f64,
}

impl TraceFigures {
    /// Returns the figures of a trace, if the executor replays one, after a load that went on for `loaded` in `runs`
    /// runs together.
    pub fn new(executor: &Executor, pace: &Pace, loaded: Nanos, runs: u64) -> Option<TraceFigures> {
        let trace = executor.trace()?;
        let (settings, rows) = (&trace.settings, trace.rows());
        let (row, (length, count)) = (trace.pace_row(), trace.pace_rows());
        let runs = runs.max(1);
        let end = executor.duration().min(loaded / runs);
        let count = (end.div_ceil(length) as usize).clamp(pace.rows().len(), count.max(pace.rows().len()));
        let minutes = (0..count as u64).map(|index| {
            let counts = pace.rows().get(index as usize).copied().unwrap_or_default();
            // The load may end within the last minute.
            let part = ((end.saturating_sub(index * length)) as f64 / length as f64).clamp(0.0, 1.0);
            let from = seconds(index * row);
            PaceFigures::new(
                [from, from + seconds(row) * part],
                &counts,
                (settings.time_scale, runs),
            )
        });
        Some(TraceFigures {
            rows: trace.dataset_rows(),
            rows_in_window: rows.len() as u64,
            rows_following: trace.following(),
            rows_out_of_order: rows.unsorted(),
            span_seconds: seconds(rows.span()),
            from_seconds: seconds(settings.window.from),
            mean_per_second: trace.mean_rate(),
            time_scale: settings.time_scale,
            spread_seconds: seconds(settings.spread),
            minutes: minutes.collect(),
        })
    }

    /// Adds the counts of another shard, which replayed its part of the same rows.
    pub fn merge(mut self, other: &TraceFigures) -> TraceFigures {
        for (index, theirs) in other.minutes.iter().enumerate() {
            match self.minutes.get_mut(index) {
                Some(mine) => mine.merge(theirs, self.time_scale),
                None => self.minutes.push(*theirs),
            }
        }
        self
    }

    /// Returns the minute in which the rate that was made fell furthest behind the rate that was asked for.
    pub fn furthest_behind(&self) -> Option<&PaceFigures> {
        let behind = |minute: &PaceFigures| minute.asked_per_second - minute.made_per_second;
        let minutes = self.minutes.iter().filter(|minute| behind(minute) > 0.0);
        minutes.max_by(|a, b| behind(a).total_cmp(&behind(b)))
    }
}

impl PaceFigures {
    /// `counts` are those of all `runs`.
    fn new(
        [from_seconds, to_seconds]: [f64; 2],
        counts: &PaceCounts,
        (time_scale, runs): (f64, u64),
    ) -> PaceFigures {
        let length = (to_seconds - from_seconds) * time_scale * runs as f64;
        let rate = |count: u64| if length > 0.0 { count as f64 / length } else { 0.0 };
        PaceFigures {
            from_seconds,
            to_seconds,
            arrivals: counts.arrivals,
            dropped: counts.dropped,
            sent: counts.sent,
            trace_per_second: rate(counts.arrivals) * time_scale,
            asked_per_second: rate(counts.arrivals),
            made_per_second: rate(counts.sent),
        }
    }

    fn merge(&mut self, other: &PaceFigures, time_scale: f64) {
        let counts = PaceCounts {
            arrivals: self.arrivals + other.arrivals,
            dropped: self.dropped + other.dropped,
            sent: self.sent + other.sent,
        };
        let to = self.to_seconds.max(other.to_seconds);
        *self = PaceFigures::new([self.from_seconds, to], &counts, (time_scale, 1));
    }
}

/// Makes the pace of a trace of 300 s that was replayed a hundred times as fast, `runs` times, each for `loaded`.
#[cfg(test)]
pub(super) fn sample(load: &crate::report::Aggregator, runs: u64, loaded: Nanos) -> Option<TraceFigures> {
    use crate::plan::{OpenLoop, Trace, TraceSettings};
    use crate::units::SECOND;
    let settings = TraceSettings {
        time_scale: 0.01,
        ..TraceSettings::default()
    };
    let mut trace = Trace::new(settings, OpenLoop::default());
    trace.take_rows(100, &|number| Some(u64::from(99 - number) * 3 * SECOND), 1);
    TraceFigures::new(&Executor::Trace(trace), &load.merged().pace, runs * loaded, runs)
}
