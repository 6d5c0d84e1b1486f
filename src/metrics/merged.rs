//! The sum of all snapshots.

use crate::metrics::{CoreCounters, Distribution, MetricId, SeriesTotals, Snapshot};

/// One core since the start.
#[derive(Clone, Debug, Default)]
pub struct CoreTotals {
    pub counters: CoreCounters,
    pub reap_lag: Distribution,
    pub stamp_lag: Distribution,
    pub schedule_lag: Distribution,
}

/// Everything since the start. The order in which the snapshots of different cores come does not matter;
/// those of one core come in their own order (only its gauges depend on it).
#[derive(Clone, Debug)]
pub struct Merged {
    /// All series together.
    pub total: SeriesTotals,
    pub series: Vec<SeriesTotals>,
    pub cores: Vec<CoreTotals>,
}

impl Merged {
    pub fn new(cores: usize, series_count: usize) -> Merged {
        Merged {
            total: SeriesTotals::new(),
            series: (0..series_count).map(|_| SeriesTotals::new()).collect(),
            cores: vec![CoreTotals::default(); cores],
        }
    }

    /// Takes in what a core saw since its previous snapshot. `snapshot.core` and its series are of this shape. Details
    /// are the caller's.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        let Snapshot {
            core,
            series,
            counters,
            reap_lag,
            stamp_lag,
            ..
        } = snapshot;
        assert_eq!(series.len(), self.series.len(), "a snapshot of another shape");
        let core = &mut self.cores[usize::from(*core)];
        for (mine, theirs) in self.series.iter_mut().zip(series) {
            mine.merge(theirs);
            self.total.merge(theirs);
            core.schedule_lag.merge(theirs.metric(MetricId::ScheduleLag));
        }
        core.counters.append(counters);
        core.reap_lag.merge(reap_lag);
        core.stamp_lag.merge(stamp_lag);
    }

    /// Takes in a later run on the same cores.
    pub fn append(&mut self, later: &Merged) {
        let Merged { total, series, cores } = later;
        assert_eq!(series.len(), self.series.len(), "a run of another shape");
        self.total.merge(total);
        for (mine, theirs) in self.series.iter_mut().zip(series) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.cores.iter_mut().zip(cores) {
            mine.counters.append(&theirs.counters);
            mine.reap_lag.merge(&theirs.reap_lag);
            mine.stamp_lag.merge(&theirs.stamp_lag);
            mine.schedule_lag.merge(&theirs.schedule_lag);
        }
    }

    /// Requests with no outcome yet.
    pub fn in_flight(&self) -> u64 {
        self.total
            .started
            .checked_sub(self.total.finished())
            .expect("a request starts before it finishes")
    }

    /// All cores together; peaks are sums of the cores' own peaks, an upper bound.
    pub fn counters(&self) -> CoreCounters {
        let mut sum = CoreCounters::default();
        for core in &self.cores {
            sum.merge(&core.counters);
        }
        sum
    }

    pub fn reap_lag(&self) -> Distribution {
        merge_all(self.cores.iter().map(|c| &c.reap_lag))
    }

    pub fn stamp_lag(&self) -> Distribution {
        merge_all(self.cores.iter().map(|c| &c.stamp_lag))
    }

    /// Started = ok + failed by class + interrupted + in flight, per series and over all.
    pub fn invariants(&self) {
        for s in self.series.iter().chain([&self.total]) {
            assert!(s.started >= s.finished(), "finished more than started");
            assert_eq!(s.ok() + s.failed() + s.interrupted(), s.finished());
        }
        let started: u64 = self.series.iter().map(|s| s.started).sum();
        assert_eq!(started, self.total.started, "the series' sum is the total");
    }

    /// At the end of a run nothing is in flight.
    pub fn invariants_at_end(&self) {
        self.invariants();
        assert_eq!(self.in_flight(), 0, "requests without an outcome");
    }
}

fn merge_all<'a>(parts: impl Iterator<Item = &'a Distribution>) -> Distribution {
    let mut all = Distribution::new();
    for part in parts {
        all.merge(part);
    }
    all
}
