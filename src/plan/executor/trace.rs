//! An open loop whose requests arrive when the rows of a trace say.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::error::Reason;
use crate::plan::arrivals::{Chains, Follower, RateCurve, Replay, TraceRows, TraceSequence, Window, scaled};
use crate::plan::limits::{DURATION_MAX, TRACE_SCALE};
use crate::plan::{Executor, OpenLoop, check_run_length};
use crate::units::{MINUTE, Nanos, SECOND, decimal, format_duration, grouped, within};

/// The most rows of a table of rates over time: a day of minutes.
const PACE_ROWS_MAX: u64 = 1_440;

/// How often a trace is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    Times(u32),
    /// Until the run's `duration` is over.
    UntilEnd,
}

/// What is asked for about a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSettings {
    /// Factor of the gaps between arrivals: 0.5 is twice as fast.
    pub time_scale: f64,
    /// Factor of the delays within a session.
    pub delay_scale: f64,
    pub window: Window,
    pub rounds: Rounds,
    /// The time within which arrivals are spread from their stamp on.
    pub spread: Nanos,
    /// Ends the load before the trace does.
    pub duration: Option<Nanos>,
}

impl Default for TraceSettings {
    fn default() -> TraceSettings {
        TraceSettings {
            time_scale: 1.0,
            delay_scale: 1.0,
            window: Window::default(),
            rounds: Rounds::Times(1),
            spread: 0,
            duration: None,
        }
    }
}

/// What follows an arrival in its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The number of rows.
    pub following: u64,
    /// The time from the arrival to the last of them that has an instant.
    pub until: Nanos,
    /// The delays after that, all together.
    pub delays: Nanos,
}

/// Arrivals at the instants of a trace, and the users who take them.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub settings: TraceSettings,
    /// Its pattern has no meaning.
    pub open: OpenLoop,
    /// Empty until the dataset has been read.
    rows: Arc<TraceRows>,
    chains: Arc<Chains>,
    /// The arrivals that others follow: their instants, and the delays of all that follow together. Only those that may
    /// be the last to end at some scale: no later one has as much delay.
    tails: Arc<[(Nanos, Nanos)]>,
    /// The number of rows that follow one within the window.
    following: u64,
    dataset_rows: u64,
}

impl Trace {
    /// Makes a trace whose rows are not known yet.
    pub fn new(settings: TraceSettings, open: OpenLoop) -> Trace {
        Trace {
            settings,
            open,
            rows: Arc::default(),
            chains: Arc::default(),
            tails: Arc::default(),
            following: 0,
            dataset_rows: 0,
        }
    }

    /// Takes the instants of those of the dataset's `all` rows that have one. `seed` decides the spread.
    pub fn take_rows(&mut self, all: u32, at: &dyn Fn(u32) -> Option<Nanos>, seed: u64) {
        let TraceSettings { window, spread, .. } = self.settings;
        self.rows = Arc::new(TraceRows::new(all, at, window, (spread, seed)));
        self.dataset_rows = u64::from(all);
    }

    /// Takes the number of the dataset's rows, where each arrival is a session of several.
    pub fn take_count(&mut self, rows: u64) {
        self.dataset_rows = rows;
    }

    /// Returns the number of rows of the dataset, within the window or not.
    pub fn dataset_rows(&self) -> u64 {
        self.dataset_rows
    }

    /// Takes the rows that follow others, once those that arrive are known.
    pub fn take_followers(&mut self, followers: Vec<Follower>) {
        let chains = Chains::new(followers);
        self.take_tails(&|number| {
            let (following, delays) = chains.all_after(number);
            Tail {
                following,
                until: 0,
                delays,
            }
        });
        self.chains = Arc::new(chains);
    }

    /// Takes what follows each arrival, once those are known. `tail` returns it for an arrival's number.
    pub fn take_tails(&mut self, tail: &dyn Fn(u32) -> Tail) {
        let mut tails: Vec<(Nanos, Nanos)> = Vec::new();
        self.following = 0;
        for (position, at) in self.rows.instants().iter().enumerate() {
            let Tail {
                following,
                until,
                delays,
            } = tail(self.rows.number(position));
            if following > 0 {
                tails.push((at.saturating_add(until), delays));
                self.following += following;
            }
        }
        tails.sort_unstable();
        let mut last: Vec<(Nanos, Nanos)> = Vec::new();
        for (at, delays) in tails {
            while last.pop_if(|(_, before)| *before <= delays).is_some() {}
            last.push((at, delays));
        }
        self.tails = last.into();
    }

    /// Returns how many rows follow one that arrives within the window.
    pub fn following(&self) -> u64 {
        self.following
    }

    /// Returns what follows the request with this number: its number, and the time after the end of the answer.
    pub fn follower(&self, number: u64) -> Option<(u64, Nanos)> {
        if self.chains.is_empty() {
            return None;
        }
        let row = number % self.rows.all();
        // A dataset has fewer rows than that.
        let follower = self.chains.after(row as u32)?;
        let delay = scaled(follower.delay, self.settings.delay_scale);
        Some((number - row + u64::from(follower.row), delay))
    }

    pub fn rows(&self) -> &TraceRows {
        &self.rows
    }

    /// Returns how long all rounds last, or one of those that go on until the end.
    fn length(&self) -> Nanos {
        let rounds = match self.settings.rounds {
            Rounds::Times(rounds) => u64::from(rounds),
            Rounds::UntilEnd => 1,
        };
        let TraceSettings {
            time_scale,
            delay_scale,
            ..
        } = self.settings;
        let length = scaled(self.rows.length().saturating_mul(rounds), time_scale);
        // The last session of the last round may go on for longer than its rows arrive.
        let before = self.rows.length().saturating_mul(rounds - 1);
        let end = |(at, tail): &(Nanos, Nanos)| {
            scaled(before.saturating_add(*at), time_scale).saturating_add(scaled(*tail, delay_scale))
        };
        length.max(self.tails.iter().map(end).max().unwrap_or(0))
    }

    pub(super) fn duration(&self) -> Nanos {
        match (self.settings.rounds, self.settings.duration) {
            (Rounds::Times(_), Some(duration)) => duration.min(self.length()),
            (Rounds::Times(_), None) => self.length(),
            (Rounds::UntilEnd, duration) => duration.unwrap_or(0),
        }
    }

    pub(super) fn sequence(&self) -> TraceSequence {
        let replay = Replay {
            scale: self.settings.time_scale,
            rounds: match self.settings.rounds {
                Rounds::Times(rounds) => Some(rounds),
                Rounds::UntilEnd => None,
            },
            end: self.settings.duration.unwrap_or(Nanos::MAX),
        };
        TraceSequence::new(self.rows.clone(), replay)
    }

    /// Returns the trace with its load ended after `duration`.
    pub(super) fn until(&self, duration: Nanos) -> Trace {
        let settings = TraceSettings {
            duration: Some(duration),
            ..self.settings
        };
        Trace {
            settings,
            ..self.clone()
        }
    }

    /// Returns the trace, again and again for `duration`.
    pub(super) fn repeated_until(&self, duration: Nanos) -> Trace {
        let mut trace = self.until(duration);
        trace.settings.rounds = Rounds::UntilEnd;
        trace
    }

    /// Returns the trace at the scale at which so many requests arrive per second on average.
    pub(super) fn at_rate(&self, per_second: f64) -> Trace {
        let mut trace = self.clone();
        trace.settings.time_scale = self.mean_rate() / per_second;
        trace
    }

    /// Returns how many rows per second the trace has, in its own time.
    pub fn mean_rate(&self) -> f64 {
        match self.rows.length() {
            0 => 0.0,
            length => self.rows.len() as f64 * SECOND as f64 / length as f64,
        }
    }

    /// Makes this the factor of the gaps, as the key of a document does; the time after which the load ends stays.
    pub(super) fn scale_time(&mut self, factor: f64) {
        self.settings.time_scale = factor;
    }

    /// Returns the length of a row in a table of rates over time, in the trace's time: a minute, or several if there
    /// would be too many rows.
    pub fn pace_row(&self) -> Nanos {
        let minutes = self.duration() as f64 / (self.settings.time_scale * MINUTE as f64);
        (minutes as u64 / PACE_ROWS_MAX + 1) * MINUTE
    }

    /// Returns the same length in the run's time, and the number of rows.
    pub fn pace_rows(&self) -> (Nanos, usize) {
        let length = scaled(self.pace_row(), self.settings.time_scale).max(1);
        (length, self.duration().div_ceil(length).max(1) as usize)
    }

    /// Returns the planned rate over time: that of each minute of the trace, or that of all of it if there are too many
    /// minutes.
    pub(super) fn curve(&self) -> RateCurve {
        let (length, bin) = (self.rows.length(), self.pace_row());
        let end = self.duration();
        let round = scaled(length, self.settings.time_scale).max(1);
        let rounds = match self.settings.rounds {
            Rounds::Times(rounds) => end.div_ceil(round).min(u64::from(rounds)),
            Rounds::UntilEnd => end.div_ceil(round),
        };
        let bins = length.div_ceil(bin).max(1);
        if bins.saturating_mul(rounds) > 2 * PACE_ROWS_MAX {
            let rate = self.mean_rate() / self.settings.time_scale;
            return RateCurve::new(rate, [(end, rate)]);
        }
        let instants = self.rows.instants();
        let mut stages: Vec<(Nanos, f64)> = Vec::new();
        let mut elapsed = 0;
        for round in 0..rounds {
            for index in 0..bins {
                let (from, to) = (index * bin, ((index + 1) * bin).min(length));
                let before = |at: Nanos| instants.partition_point(|instant| *instant < at);
                // What is spread beyond a window's end still belongs to its last minute.
                let upper = if to == length { instants.len() } else { before(to) };
                let count = upper - before(from);
                let until = scaled(round * length + to, self.settings.time_scale).min(end);
                let part = scaled(to - from, self.settings.time_scale).max(1);
                let rate = count as f64 * SECOND as f64 / part as f64;
                stages.extend([(0, rate), (until.saturating_sub(elapsed), rate)]);
                elapsed = until.max(elapsed);
            }
        }
        let first = stages.first().map_or(0.0, |(_, rate)| *rate);
        RateCurve::new(first, stages)
    }

    pub(super) fn mistakes(&self) -> Vec<Reason> {
        let mut wrong = Vec::new();
        let TraceSettings {
            time_scale,
            window,
            rounds,
            duration,
            ..
        } = self.settings;
        if let Err(reason) = within(Some(time_scale), &decimal(time_scale), &TRACE_SCALE) {
            wrong.push(reason.within("the time scale"));
        }
        if let (Rounds::UntilEnd, None) = (rounds, duration) {
            let what = "a trace that is repeated until the end needs one";
            wrong.push(Reason::new(what).hint("add `duration` (`--duration 1h`), or say how often: 3"));
        }
        if self.rows.is_empty() && wrong.is_empty() {
            wrong.push(match self.rows.all() {
                0 => Reason::new("the trace has no row")
                    .hint("name a dataset whose rows have instants, such as `--dataset mooncake:FILE`"),
                _ => {
                    let span = format_duration(self.rows.span());
                    let what =
                        format!("no row of the trace is within the window {window}: it ends after {span}");
                    Reason::new(what).hint("use an earlier window; it counts from the first row")
                }
            });
        }
        if wrong.is_empty() && self.duration() > DURATION_MAX {
            let too_long = check_run_length("a run", self.duration()).err();
            let hint = "replay a part of the trace with `trace_window` (`--trace-window 0m..60m`), or use a lower time \
                        scale";
            wrong.extend(too_long.map(|reason| reason.hint(hint)));
        }
        wrong.extend(self.open.mistakes());
        wrong
    }

    /// `2,000 requests as a trace has them, for 10m (window 10m..20m, time scale 0.5)`.
    pub(super) fn in_words(&self) -> String {
        let TraceSettings {
            time_scale,
            window,
            rounds,
            spread,
            ..
        } = self.settings;
        let mut more: Vec<String> = Vec::new();
        if window != Window::default() {
            more.push(format!("window {window}"));
        }
        if time_scale != 1.0 {
            more.push(format!("time scale {}", decimal(time_scale)));
        }
        match rounds {
            Rounds::Times(1) => {}
            Rounds::Times(rounds) => more.push(format!("{rounds} times")),
            Rounds::UntilEnd => more.push("again and again".to_owned()),
        }
        if spread > 0 {
            more.push(format!("spread within {}", format_duration(spread)));
        }
        let rows = grouped(self.rows.len() as u64 + self.following);
        let duration = format_duration(self.duration());
        let mut out = format!("a trace of {rows} requests, for {duration}");
        if !more.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(out, " ({})", more.join(", "));
        }
        out
    }

    /// Writes the lines of a profile that make it, except for the dataset's.
    pub(super) fn as_profile(&self) -> String {
        let TraceSettings {
            time_scale,
            delay_scale,
            window,
            rounds,
            spread,
            duration,
        } = self.settings;
        let mut out = format!("time_scale: {time_scale}\ndelay_scale: {delay_scale}\ntrace_loop: {rounds}\n");
        let mut line = |key: &str, value: String| {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{key}: {value}");
        };
        if window != Window::default() {
            line("trace_window", window.to_string());
        }
        if spread > 0 {
            line("trace_spread", format_duration(spread));
        }
        if let Some(duration) = duration {
            line("duration", format_duration(duration));
        }
        out
    }
}

impl Executor {
    /// Returns the trace whose rows arrive, if one is replayed.
    pub fn trace(&self) -> Option<&Trace> {
        match self {
            Executor::Trace(trace) => Some(trace),
            _ => None,
        }
    }

    pub fn trace_mut(&mut self) -> Option<&mut Trace> {
        match self {
            Executor::Trace(trace) => Some(trace),
            _ => None,
        }
    }
}

/// Serialises it as a document writes it. The rows are those of the dataset.
impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let TraceSettings {
            time_scale,
            delay_scale,
            window,
            rounds,
            spread,
            duration,
        } = &self.settings;
        let OpenLoop {
            arrival: _,
            pre_allocated_vus,
            max_vus,
            when_full,
        } = &self.open;
        let mut fields = to.serialize_struct("Trace", 9)?;
        fields.serialize_field("time_scale", time_scale)?;
        fields.serialize_field("delay_scale", delay_scale)?;
        if *window != Window::default() {
            fields.serialize_field("trace_window", &window.to_string())?;
        }
        match rounds {
            Rounds::Times(rounds) => fields.serialize_field("trace_loop", rounds)?,
            Rounds::UntilEnd => fields.serialize_field("trace_loop", &true)?,
        }
        if *spread > 0 {
            fields.serialize_field("trace_spread", &format_duration(*spread))?;
        }
        if let Some(duration) = duration {
            fields.serialize_field("duration", &format_duration(*duration))?;
        }
        fields.serialize_field("pre_allocated_vus", pre_allocated_vus)?;
        fields.serialize_field("max_vus", max_vus)?;
        fields.serialize_field("when_full", when_full)?;
        fields.end()
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
