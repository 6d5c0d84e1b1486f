//! The figures that the reporter keeps.

use crate::metrics::{CoreCounters, Merged, RankSnapshot, Snapshot};
use crate::paired::PairTotals;
use crate::report::Sliding;
use crate::report::timeline::{Spread, Timeline, TimelineRow};
use crate::report::window::{Slot, WindowFigures};
use crate::sessions::SessionTotals;
use crate::units::Nanos;

/// The aggregator merges snapshots and closes a row per tick.
///
/// ```text
/// once a second:  append_snapshot(of core 0), append_snapshot(of core 1), ..., tick(elapsed, vus planned)
/// at the end:     append_snapshot(of each core), tick(elapsed, 0)
/// ```
/// A snapshot that comes late goes into the next row. Memory is bounded by [`super::TIMELINE_ROWS_MAX`] rows.
#[derive(Debug)]
pub struct Aggregator {
    merged: Merged,
    /// Pairs of requests, if every request goes to two servers.
    pairs: PairTotals,
    /// Turns and sessions of conversations.
    sessions: SessionTotals,
    timeline: Timeline,
    window: Sliding<Slot>,
    /// Figures since the last tick.
    open: Slot,
    /// Peaks of each core since the last tick.
    peaks: Vec<Peaks>,
    peak_vus: u64,
    peak_connections: u64,
    peak_waiting: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peaks {
    vus: u64,
    connections: u64,
    waiting: u64,
    histories: u64,
}

impl Peaks {
    fn raise(&mut self, counters: &CoreCounters) {
        self.vus = self.vus.max(counters.vus_peak);
        self.connections = self.connections.max(counters.connections_peak);
        self.waiting = self.waiting.max(counters.waiting_peak);
    }
}

impl Aggregator {
    pub fn new(cores: usize, series_count: usize) -> Aggregator {
        Aggregator {
            merged: Merged::new(cores, series_count),
            pairs: PairTotals::default(),
            sessions: SessionTotals::default(),
            timeline: Timeline::new(),
            window: Sliding::new(),
            open: Slot::default(),
            peaks: vec![Peaks::default(); cores],
            peak_vus: 0,
            peak_connections: 0,
            peak_waiting: 0,
        }
    }

    /// Adds a snapshot. Afterwards the caller spools `snapshot.details`, resets the snapshot and sends it back.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.merged.append_snapshot(snapshot);
        self.pairs.add(&snapshot.pairs);
        self.sessions.add(&snapshot.sessions);
        self.open.append_snapshot(snapshot);
        let peaks = &mut self.peaks[usize::from(snapshot.core)];
        peaks.raise(&snapshot.counters);
        peaks.histories = peaks.histories.max(snapshot.sessions.history_peak);
    }

    /// Adds the figures of another process, whose cores are those from `first` on. It has no pairs and no sessions.
    pub fn append_rank(&mut self, first: usize, snapshot: &RankSnapshot) {
        self.merged.append_rank(first, snapshot);
        self.open.append_snapshot(snapshot.all());
        self.peaks.resize(self.merged.cores.len(), Peaks::default());
        for (peaks, counters) in self.peaks[first..].iter_mut().zip(snapshot.cores()) {
            peaks.raise(counters);
        }
    }

    /// Closes the row that ends at `elapsed` since the start. Rows ascend: a tick that does not come after the
    /// previous one counts as the next nanosecond, so that everything added is in a row.
    pub fn tick(&mut self, elapsed: Nanos, vus_planned: u64) {
        let elapsed = elapsed.max(self.window.end() + 1);
        let vus: u64 = self.peaks.iter().map(|p| p.vus).sum();
        let connections: u64 = self.peaks.iter().map(|p| p.connections).sum();
        self.peak_vus = self.peak_vus.max(vus);
        self.peak_connections = self.peak_connections.max(connections);
        let waiting: u64 = self.peaks.iter().map(|p| p.waiting).sum();
        self.peak_waiting = self.peak_waiting.max(waiting);
        let histories = self.peaks.iter().map(|p| p.histories).sum();
        self.sessions.history_peak = self.sessions.history_peak.max(histories);
        self.peaks.fill(Peaks::default());
        let counters = self.merged.counters();
        self.timeline.push(TimelineRow {
            elapsed,
            vus_planned,
            vus_running: counters.vus_running,
            connections: counters.connections_open,
            requests: self.open.requests,
            errors: self.open.errors,
            output_tokens: self.open.output_tokens,
            prompt_tokens: self.open.prompt_tokens,
            cached_tokens: self.open.cached_tokens,
            goodput: self.open.goodput,
            dropped: self.open.dropped,
            cancelled: self.open.cancelled,
            waiting: counters.waiting,
            latency: Spread::from_distribution(&self.open.latency),
            ttft: Spread::from_distribution(&self.open.ttft),
            tbt: Spread::from_distribution(&self.open.tbt),
        });
        let closed = std::mem::take(&mut self.open);
        self.open = self.window.push(closed, elapsed).unwrap_or_default();
        self.open.reset();
    }

    /// Appends all figures of another run of the same shape, as if it had begun when this one ended.
    pub fn append(&mut self, later: &Aggregator) {
        let offset = self.window.end();
        self.merged.append(&later.merged);
        self.pairs.append(&later.pairs, offset);
        self.sessions.append(&later.sessions);
        for row in later.timeline.rows() {
            let mut row = *row;
            row.elapsed += offset;
            self.timeline.push(row);
        }
        self.window.skip_to(offset + later.window.end());
        self.peak_vus = self.peak_vus.max(later.peak_vus);
        self.peak_connections = self.peak_connections.max(later.peak_connections);
        self.peak_waiting = self.peak_waiting.max(later.peak_waiting);
    }

    pub fn merged(&self) -> &Merged {
        &self.merged
    }

    pub fn pairs(&self) -> &PairTotals {
        &self.pairs
    }

    pub fn sessions(&self) -> &SessionTotals {
        &self.sessions
    }

    pub fn timeline(&self) -> &[TimelineRow] {
        self.timeline.rows()
    }

    /// Returns the figures of the ten seconds before the last tick.
    pub fn window(&self) -> WindowFigures {
        WindowFigures::from_window(&self.window)
    }

    /// Returns the largest sum over the cores of their peaks within one second. It is exact if VUs change slowly;
    /// otherwise it is an upper bound, too high by at most what changed within that second.
    pub fn peak_vus(&self) -> u64 {
        self.peak_vus
    }

    pub fn peak_connections(&self) -> u64 {
        self.peak_connections
    }

    /// Returns the longest queue of arrivals, in the same way.
    pub fn peak_waiting(&self) -> u64 {
        self.peak_waiting
    }
}

#[cfg(test)]
#[path = "aggregator_tests.rs"]
mod tests;
