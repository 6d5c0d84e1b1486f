//! The recorder of one core, and the snapshots it hands out.

use crate::metrics::{CoreCounters, Distribution, MetricId, Sample, SeriesTotals};
use crate::units::Nanos;

/// Requests with details between two snapshots: 65,536 a second and core, 10 MB. More are counted in
/// `details_lost`.
pub const DETAILS_PER_SNAPSHOT_MAX: usize = 1 << 16;

/// What one core saw since its previous snapshot. Built before the run, recycled all through it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Index of the core, from 0.
    pub core: u16,
    pub series: Vec<SeriesTotals>,
    pub counters: CoreCounters,
    /// Reaped minus kernel stamp: how late the loop came, while the stamps stay true.
    pub reap_lag: Distribution,
    /// How wide the bracket was in which the two clocks were compared: the doubt in a converted stamp.
    pub stamp_lag: Distribution,
    /// Finished requests, in order. Its capacity, 0 without details, never changes.
    pub details: Vec<Sample>,
    details_max: usize,
}

impl Snapshot {
    pub fn new(core: u16, series_count: usize, details: bool) -> Box<Snapshot> {
        let details_max = if details { DETAILS_PER_SNAPSHOT_MAX } else { 0 };
        Box::new(Snapshot {
            core,
            series: (0..series_count).map(|_| SeriesTotals::new()).collect(),
            counters: CoreCounters::default(),
            reap_lag: Distribution::new(),
            stamp_lag: Distribution::new(),
            details: Vec::with_capacity(details_max),
            details_max,
        })
    }

    /// Empty again, memory kept. The reporter calls this before it sends the box back: clearing megabytes of
    /// counters is no work for a core that holds connections.
    pub fn reset(&mut self) {
        let Snapshot {
            core: _,
            series,
            counters,
            reap_lag,
            stamp_lag,
            details,
            details_max: _,
        } = self;
        series.iter_mut().for_each(SeriesTotals::reset);
        *counters = CoreCounters::default();
        reap_lag.reset();
        stamp_lag.reset();
        details.clear();
    }

    /// Started and finished nothing, and counted nothing about itself.
    pub fn is_empty(&self) -> bool {
        self.counters == CoreCounters::default()
            && self.details.is_empty()
            && self.reap_lag.is_empty()
            && self.series.iter().all(|s| s.started == 0 && s.finished() == 0)
    }
}

/// One per core; allocates nothing after the first value of each distribution.
#[derive(Debug)]
pub struct Recorder {
    current: Box<Snapshot>,
}

impl Recorder {
    pub fn new(core: u16, series_count: usize, details: bool) -> Recorder {
        Recorder {
            current: Snapshot::new(core, series_count, details),
        }
    }

    /// The engine adds to these directly.
    #[inline]
    pub fn counters(&mut self) -> &mut CoreCounters {
        &mut self.current.counters
    }

    /// A request has become due.
    #[inline]
    pub fn started(&mut self, series: u16) {
        self.current.series[usize::from(series)].started += 1;
    }

    /// A request has its outcome. Every request that was `started` comes here once.
    pub fn finish(&mut self, sample: &Sample) {
        if cfg!(debug_assertions) {
            sample.invariants();
        }
        let snapshot = &mut *self.current;
        snapshot.counters.out_of_range += snapshot.series[usize::from(sample.series)].finish(sample);
        if snapshot.details_max == 0 {
            return;
        }
        if snapshot.details.len() < snapshot.details_max {
            snapshot.details.push(*sample);
        } else {
            snapshot.counters.details_lost += 1;
        }
    }

    /// Time between two consecutive token-bearing events of a request (`tbt`); 0 within one read.
    #[inline]
    pub fn gap(&mut self, series: u16, ns: Nanos) {
        self.offer(series, MetricId::Tbt, ns);
    }

    /// A connection was made in `ns`.
    pub fn connect(&mut self, series: u16, ns: Nanos) {
        self.offer(series, MetricId::Connect, ns);
    }

    /// A TLS handshake was done in `ns`.
    pub fn tls(&mut self, series: u16, ns: Nanos) {
        self.offer(series, MetricId::Tls, ns);
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

    #[inline]
    fn offer(&mut self, series: u16, metric: MetricId, ns: Nanos) {
        let in_range = self.current.series[usize::from(series)].offer(metric, ns);
        self.current.counters.out_of_range += u64::from(!in_range);
    }

    /// Hands out what was recorded and goes on in `empty`, which must be fresh or reset and of this shape.
    /// Gauges go on with their values.
    pub fn take(&mut self, mut empty: Box<Snapshot>) -> Box<Snapshot> {
        assert_eq!(
            empty.series.len(),
            self.current.series.len(),
            "a snapshot of another shape"
        );
        debug_assert!(empty.is_empty(), "a snapshot that was not reset");
        empty.core = self.current.core;
        empty.counters = self.current.counters.next_interval();
        std::mem::replace(&mut self.current, empty)
    }

    /// For tests: what was recorded since the last snapshot.
    #[cfg(test)]
    pub fn into_snapshot(self) -> Box<Snapshot> {
        self.current
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
