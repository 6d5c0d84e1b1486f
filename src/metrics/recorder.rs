//! Records the figures of one core, and hands them out in snapshots.

use crate::metrics::{
    ClientErrors, CoreCounters, Differences, Distribution, Evidence, FailureKind, Failures, MetricId, Pace,
    Pair, Pairs, Periods, Sample, SeriesTotals, SessionEnded, Sessions,
};
use crate::units::Nanos;

/// Largest number of requests with details between two snapshots: 262,144 in up to 42 MB, of which a host gives what is
/// used. At half of it a snapshot is due ([`Recorder::details_due`]), so that the rest is there while it changes hands.
/// Only where no empty snapshot has come back by then are further ones counted in `details_lost`.
pub const DETAILS_PER_SNAPSHOT_MAX: usize = 1 << 18;

/// Largest number of gaps between tokens with the details between two snapshots: 4 million, in up to 32 MB. It is kept
/// like [`DETAILS_PER_SNAPSHOT_MAX`]; a request whose gaps have no room is counted in `details_lost`.
pub const GAPS_PER_SNAPSHOT_MAX: usize = 1 << 22;

/// The figures of one core since its previous snapshot. Snapshots are created before the run and reused throughout it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Index of the core, from 0.
    pub core: u16,
    /// One for each series of the plan; if phases are kept apart, first those of what was due while the load ramped,
    /// then again those of what was due while it was steady.
    pub series: Vec<SeriesTotals>,
    /// Phases are kept apart.
    pub phased: bool,
    pub counters: CoreCounters,
    /// Time from the kernel's stamp to the moment at which the loop took the data. It shows how late the loop was; the
    /// stamps are correct nevertheless.
    pub reap_lag: Distribution,
    /// Time from the mock's send stamp to our arrival stamp, with `--verify-stamps`.
    pub stamp_lag: Distribution,
    /// How far our figures are from the mock's, with `--verify-stamps`.
    pub errors: ClientErrors,
    /// What failed requests showed.
    pub failures: Failures,
    /// Finished requests, in order. The capacity never changes; it is 0 without details.
    pub details: Vec<Sample>,
    details_max: usize,
    /// The gaps between the tokens of these requests, one request after the other; empty if they are not kept.
    pub gaps: Vec<Nanos>,
    /// Pairs of requests that have ended, in order.
    pub pairs: Pairs,
    /// Turns and sessions that have ended, in order.
    pub sessions: Sessions,
    /// The pace of a trace.
    pub pace: Pace,
}

impl Snapshot {
    pub fn new(core: u16, series_count: usize, details: bool) -> Box<Snapshot> {
        Snapshot::of_phases(core, series_count, false, details)
    }

    /// Makes a snapshot that keeps phases apart if it is `phased`.
    pub fn of_phases(core: u16, series_count: usize, phased: bool, details: bool) -> Box<Snapshot> {
        let slots = if phased { 2 * series_count } else { series_count };
        let details_max = if details { DETAILS_PER_SNAPSHOT_MAX } else { 0 };
        Box::new(Snapshot {
            core,
            series: (0..slots).map(|_| SeriesTotals::new()).collect(),
            phased,
            counters: CoreCounters::default(),
            reap_lag: Distribution::new(),
            stamp_lag: Distribution::new(),
            errors: ClientErrors::default(),
            failures: Failures::with_all_memory(),
            details: Vec::with_capacity(details_max),
            details_max,
            gaps: Vec::new(),
            pairs: Pairs::default(),
            sessions: Sessions::default(),
            pace: Pace::default(),
        })
    }

    /// Iterates over the figures with the index of their series in the plan, and whether the load was steady.
    pub fn each(&self) -> impl Iterator<Item = (usize, bool, &SeriesTotals)> {
        let count = self.series_count();
        let slots = self.series.iter().enumerate();
        slots.map(move |(slot, series)| match slot.checked_sub(count) {
            Some(index) => (index, true, series),
            None => (slot, false, series),
        })
    }

    /// Returns the number of series of the plan.
    pub fn series_count(&self) -> usize {
        match self.phased {
            true => self.series.len() / 2,
            false => self.series.len(),
        }
    }

    /// Empties the snapshot and keeps its memory. The reporter calls this before it sends the box back, because a core
    /// with connections should not spend its time on clearing megabytes of counters.
    pub fn reset(&mut self) {
        let Snapshot {
            core: _,
            series,
            phased: _,
            counters,
            reap_lag,
            stamp_lag,
            errors,
            failures,
            details,
            details_max: _,
            gaps,
            pairs,
            sessions,
            pace,
        } = self;
        series.iter_mut().for_each(SeriesTotals::reset);
        *counters = CoreCounters::default();
        reap_lag.reset();
        stamp_lag.reset();
        errors.reset();
        failures.reset();
        details.clear();
        gaps.clear();
        pairs.reset();
        sessions.reset();
        pace.reset();
    }

    /// Returns true if nothing was started, finished or counted.
    pub fn is_empty(&self) -> bool {
        self.counters == CoreCounters::default()
            && self.details.is_empty()
            && self.pairs.is_empty()
            && self.sessions.is_empty()
            && self.pace.is_empty()
            && self.reap_lag.is_empty()
            && self
                .series
                .iter()
                .all(|s| s.started == 0 && s.finished() == 0 && s.dropped_iterations == 0)
    }
}

/// The recorder of one core. It allocates nothing after the first value of each distribution.
#[derive(Debug)]
pub struct Recorder {
    current: Box<Snapshot>,
    /// CLOCK_MONOTONIC.
    load_begin: Nanos,
    load_end: Nanos,
    /// The periods in which the load is steady, in order, on CLOCK_MONOTONIC; empty if phases are not kept apart.
    steady: Vec<[Nanos; 2]>,
    /// The periods of a trace.
    periods: Option<Periods>,
}

impl Recorder {
    pub fn new(core: u16, series_count: usize, details: bool) -> Recorder {
        Recorder::of_phases(core, series_count, false, details)
    }

    /// Makes a recorder that keeps phases apart if it is `phased`.
    pub fn of_phases(core: u16, series_count: usize, phased: bool, details: bool) -> Recorder {
        Recorder {
            current: Snapshot::of_phases(core, series_count, phased, details),
            load_begin: 0,
            load_end: Nanos::MAX,
            steady: Vec::new(),
            periods: None,
        }
    }

    /// Says that requests are counted by period as well.
    pub fn keep_pace(&mut self, periods: Periods) {
        self.periods = Some(periods);
    }

    /// Says in which periods (CLOCK_MONOTONIC) the load is steady, if phases are kept apart.
    pub fn hold(&mut self, steady: Vec<[Nanos; 2]>) {
        if self.current.phased {
            self.steady = steady;
        }
    }

    /// Returns where the figures of a request of `series` go that was due at `due`: the phase of a request is that of
    /// the instant at which it was due.
    #[inline]
    pub fn slot(&self, series: u16, due: Nanos) -> u16 {
        let next = self.steady.partition_point(|[_, end]| *end <= due);
        match self.steady.get(next) {
            Some([start, _]) if *start <= due => series + self.current.series_count() as u16,
            _ => series,
        }
    }

    /// Says that the load begins at `at` (CLOCK_MONOTONIC).
    pub fn begin_load(&mut self, at: Nanos) {
        self.load_begin = at;
    }

    /// Says that the load ends at `at` (CLOCK_MONOTONIC), if it does not end earlier. Requests that end later are
    /// counted as `after_load`.
    pub fn end_load(&mut self, at: Nanos) {
        self.load_end = self.load_end.min(at);
    }

    /// Returns the counters, to which the engine adds directly.
    #[inline]
    pub fn counters(&mut self) -> &mut CoreCounters {
        &mut self.current.counters
    }

    /// Counts a request that has become due. Here and below, `slot` is from [`Self::slot`].
    #[inline]
    pub fn started(&mut self, slot: u16) {
        self.current.series[usize::from(slot)].started += 1;
    }

    /// Counts an arrival that was due at `due` and that a VU has taken; it is `started` as well.
    #[inline]
    pub fn arrived(&mut self, slot: u16, due: Nanos) {
        self.current.series[usize::from(slot)].sending.offered += 1;
        if let Some(periods) = &self.periods {
            periods.arrived(&mut self.current.pace, due, false);
        }
    }

    /// Counts an arrival that was due at `due` and that no VU could take.
    pub fn dropped(&mut self, slot: u16, due: Nanos) {
        if let Some(periods) = &self.periods {
            periods.arrived(&mut self.current.pace, due, true);
        }
        let series = &mut self.current.series[usize::from(slot)];
        series.sending.offered += 1;
        series.dropped_iterations += 1;
    }

    /// Records a request that has its outcome. It must be called once for each request that was `started`.
    pub fn finish(&mut self, sample: &Sample) {
        self.finish_with_gaps(sample, &[]);
    }

    /// Records a request as [`Self::finish`] does, with the gaps between its tokens for the details: all of them, or
    /// none.
    pub fn finish_with_gaps(&mut self, sample: &Sample, gaps: &[Nanos]) {
        if cfg!(debug_assertions) {
            sample.invariants();
        }
        let slot = self.slot(sample.series, sample.due);
        let snapshot = &mut *self.current;
        if let (Some(periods), Some(sent)) = (&self.periods, sample.sent) {
            periods.sent(&mut snapshot.pace, sent);
        }
        let series = &mut snapshot.series[usize::from(slot)];
        snapshot.counters.out_of_range += series.finish(sample);
        snapshot.sessions.push_turn(sample);
        if sample.done > self.load_end {
            series.after_load.count(sample);
        }
        if snapshot.details_max == 0 {
            return;
        }
        let has_room = snapshot.gaps.len() + gaps.len() <= GAPS_PER_SNAPSHOT_MAX;
        if snapshot.details.len() < snapshot.details_max && has_room {
            snapshot.details.push(*sample);
            snapshot.gaps.extend_from_slice(gaps);
        } else {
            snapshot.counters.details_lost += 1;
        }
    }

    /// Records two requests for the same thing, which have been recorded one by one. `other_first`: the other server
    /// was asked before the base.
    pub fn pair(&mut self, base: &Sample, other: &Sample, other_first: bool) {
        let pair = Pair::of(base, other, other_first, self.load_begin);
        self.current.pairs.push(pair);
    }

    /// Counts a session that begins.
    pub fn session_started(&mut self) {
        self.current.sessions.started += 1;
    }

    /// Records a session that has ended; its turns have been recorded one by one.
    pub fn session_ended(&mut self, ended: SessionEnded) {
        self.current.sessions.push_session(ended);
    }

    /// Counts a session that ends because there is no memory for its history.
    pub fn history_full(&mut self) {
        self.current.sessions.full += 1;
    }

    /// Notes how many bytes the histories of this core take.
    pub fn histories(&mut self, bytes: u64) {
        let sessions = &mut self.current.sessions;
        sessions.history_now = bytes;
        sessions.history_peak = sessions.history_peak.max(bytes);
    }

    /// Counts a pair whose second request was never sent.
    pub fn half_a_pair(&mut self) {
        self.current.pairs.incomplete += 1;
    }

    /// Keeps what a failed request showed, which was sent to this server.
    pub fn show_failure(&mut self, server: u16, sample: &Sample, evidence: &Evidence<'_>) {
        let kind = FailureKind::of(server, sample);
        self.current.failures.add(kind, 1, evidence);
    }

    /// Tells whether the snapshot should be handed out before its time, because its room for details or for pairs
    /// becomes short.
    #[inline]
    pub fn details_due(&self) -> bool {
        let Snapshot {
            details,
            details_max,
            gaps,
            pairs,
            sessions,
            ..
        } = &*self.current;
        let is_full = details.len() >= *details_max / 2 || gaps.len() >= GAPS_PER_SNAPSHOT_MAX / 2;
        *details_max > 0 && is_full || pairs.is_due() || sessions.is_due()
    }

    /// Records the time between two consecutive token events of a request (`tbt`); 0 within one read.
    #[inline]
    pub fn gap(&mut self, slot: u16, ns: Nanos) {
        self.record(slot, MetricId::Tbt, ns);
    }

    /// Records that a connect took `ns`.
    pub fn connect(&mut self, slot: u16, ns: Nanos) {
        self.record(slot, MetricId::Connect, ns);
    }

    /// Records that a TLS handshake took `ns`.
    pub fn tls(&mut self, slot: u16, ns: Nanos) {
        self.record(slot, MetricId::Tls, ns);
    }

    #[inline]
    pub fn reap_lag(&mut self, ns: Nanos) {
        let in_range = self.current.reap_lag.record(ns);
        self.current.counters.out_of_range += u64::from(!in_range);
    }

    #[inline]
    pub fn stamp_lag(&mut self, ns: Nanos) {
        let in_range = self.current.stamp_lag.record(ns);
        self.current.counters.out_of_range += u64::from(!in_range);
    }

    /// Records by how much a reported time differs from the true one.
    #[inline]
    pub fn error(&mut self, pick: fn(&mut ClientErrors) -> &mut Differences, reported: Nanos, truth: Nanos) {
        let in_range = pick(&mut self.current.errors).record(reported.wrapping_sub(truth).cast_signed());
        self.current.counters.out_of_range += u64::from(!in_range);
    }

    #[inline]
    fn record(&mut self, slot: u16, metric: MetricId, ns: Nanos) {
        let in_range = self.current.series[usize::from(slot)].record(metric, ns);
        self.current.counters.out_of_range += u64::from(!in_range);
    }

    /// Hands out the recorded figures and continues in `empty`, which must be new or reset and have the same series.
    /// Gauges keep their values.
    pub fn take(&mut self, mut empty: Box<Snapshot>) -> Box<Snapshot> {
        assert_eq!(
            empty.series.len(),
            self.current.series.len(),
            "the snapshot has a different number of series"
        );
        debug_assert!(empty.is_empty(), "the snapshot was not reset");
        empty.core = self.current.core;
        empty.counters = self.current.counters.next_interval();
        let histories = self.current.sessions.history_now;
        (empty.sessions.history_now, empty.sessions.history_peak) = (histories, histories);
        std::mem::replace(&mut self.current, empty)
    }

    /// Returns the figures recorded since the last snapshot, for tests.
    #[cfg(test)]
    pub fn into_snapshot(self) -> Box<Snapshot> {
        self.current
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
