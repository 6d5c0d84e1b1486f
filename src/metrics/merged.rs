//! Adds up all snapshots.

use crate::metrics::{
    Account, ClientErrors, CoreCounters, Distribution, Failures, Ledger, MetricId, Pace, RankSnapshot,
    SeriesTotals, Snapshot,
};

/// The figures of one core since the start.
#[derive(Clone, Debug, Default)]
pub struct CoreTotals {
    pub account: Account,
    pub counters: CoreCounters,
    pub reap_lag: Distribution,
    pub stamp_lag: Distribution,
    pub errors: ClientErrors,
    pub schedule_lag: Distribution,
}

/// All figures since the start. The order of snapshots of different cores does not matter. Those of one core must come
/// in their own order, because its gauges depend on it.
#[derive(Clone, Debug)]
pub struct Merged {
    /// All series together.
    pub total: SeriesTotals,
    pub series: Vec<SeriesTotals>,
    /// The same requests by phase, if phases are kept apart.
    pub phases: Option<ByPhase>,
    pub cores: Vec<CoreTotals>,
    pub failures: Failures,
    /// The pace of a trace.
    pub pace: Pace,
}

/// The figures of what was due while the load ramped, and of what was due while it was steady.
#[derive(Clone, Debug)]
pub struct ByPhase {
    pub ramp: SeriesTotals,
    /// By series.
    pub steady: Vec<SeriesTotals>,
}

impl ByPhase {
    fn new(series_count: usize) -> ByPhase {
        ByPhase {
            ramp: SeriesTotals::new(),
            steady: (0..series_count).map(|_| SeriesTotals::new()).collect(),
        }
    }
}

impl Merged {
    pub fn new(cores: usize, series_count: usize) -> Merged {
        Merged {
            total: SeriesTotals::new(),
            series: (0..series_count).map(|_| SeriesTotals::new()).collect(),
            phases: None,
            cores: vec![CoreTotals::default(); cores],
            failures: Failures::default(),
            pace: Pace::default(),
        }
    }

    /// Adds the figures of a core since its previous snapshot. The snapshot must have the same series and a known core.
    /// Its details are left to the caller.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        let core = usize::from(snapshot.core);
        self.append_figures(core, snapshot);
        self.cores[core].counters.append(&snapshot.counters);
    }

    /// Adds the figures of a process since its previous snapshot. Its cores are those from `first` on; only their
    /// counters are kept apart, and the rest is added to core 0.
    pub fn append_rank(&mut self, first: usize, snapshot: &RankSnapshot) {
        let cores = snapshot.cores();
        if self.cores.len() < first + cores.len() {
            self.cores.resize(first + cores.len(), CoreTotals::default());
        }
        for (mine, theirs) in self.cores[first..].iter_mut().zip(cores) {
            mine.counters.append(theirs);
        }
        if !self.cores.is_empty() {
            self.append_figures(0, snapshot.all());
        }
    }

    /// Adds everything but counters.
    fn append_figures(&mut self, core: usize, snapshot: &Snapshot) {
        let Snapshot {
            reap_lag,
            stamp_lag,
            errors,
            failures,
            pace,
            ..
        } = snapshot;
        self.failures.merge(failures);
        self.pace.merge(pace);
        let count = self.series.len();
        assert_eq!(
            snapshot.series_count(),
            count,
            "the snapshot has a different number of series"
        );
        let core = &mut self.cores[core];
        for (index, is_steady, theirs) in snapshot.each() {
            self.series[index].merge(theirs);
            self.total.merge(theirs);
            core.account.merge(&theirs.account());
            core.schedule_lag.merge(theirs.metric(MetricId::ScheduleLag));
            if snapshot.phased {
                let phases = self.phases.get_or_insert_with(|| ByPhase::new(count));
                match is_steady {
                    true => phases.steady[index].merge(theirs),
                    false => phases.ramp.merge(theirs),
                }
            }
        }
        core.reap_lag.merge(reap_lag);
        core.stamp_lag.merge(stamp_lag);
        core.errors.merge(errors);
    }

    /// Adds a later run on the same cores.
    pub fn append(&mut self, later: &Merged) {
        let Merged {
            total,
            series,
            phases,
            cores,
            failures,
            pace,
        } = later;
        self.failures.merge(failures);
        self.pace.merge(pace);
        assert_eq!(
            series.len(),
            self.series.len(),
            "the run has a different number of series"
        );
        self.total.merge(total);
        for (mine, theirs) in self.series.iter_mut().zip(series) {
            mine.merge(theirs);
        }
        if let Some(theirs) = phases {
            let mine = self.phases.get_or_insert_with(|| ByPhase::new(series.len()));
            mine.ramp.merge(&theirs.ramp);
            for (mine, theirs) in mine.steady.iter_mut().zip(&theirs.steady) {
                mine.merge(theirs);
            }
        }
        for (mine, theirs) in self.cores.iter_mut().zip(cores) {
            mine.account.merge(&theirs.account);
            mine.counters.append(&theirs.counters);
            mine.reap_lag.merge(&theirs.reap_lag);
            mine.stamp_lag.merge(&theirs.stamp_lag);
            mine.errors.merge(&theirs.errors);
            mine.schedule_lag.merge(&theirs.schedule_lag);
        }
    }

    /// Returns the number of requests without an outcome so far.
    pub fn in_flight(&self) -> u64 {
        self.total.started.saturating_sub(self.total.finished())
    }

    /// Returns the counters of all cores together. Peaks are sums of the cores' own peaks, an upper bound.
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

    pub fn errors(&self) -> ClientErrors {
        let mut all = ClientErrors::default();
        self.cores.iter().for_each(|core| all.merge(&core.errors));
        all
    }

    /// Returns the requests by series and by core. `names` has the names of the series, in order. `is_over` means that
    /// every core has sent its last snapshot, so that no request can be in flight.
    pub fn ledger(&self, names: &[String], is_over: bool) -> Ledger {
        let in_flight = if is_over { 0 } else { self.in_flight() };
        let series = self.series.iter().enumerate().map(|(index, series)| {
            let name = names
                .get(index)
                .map_or_else(|| index.to_string(), |name| format!("`{name}`"));
            (format!("kind of request {name}"), series.account())
        });
        let cores = self.cores.iter().enumerate();
        let cores = cores.map(|(index, core)| (format!("core {index}"), core.account));
        Ledger::new(self.total.account(), in_flight)
            .with_division("kinds of request", series)
            .with_division("cores", cores)
    }
}

fn merge_all<'a>(distributions: impl Iterator<Item = &'a Distribution>) -> Distribution {
    let mut all = Distribution::new();
    for distribution in distributions {
        all.merge(distribution);
    }
    all
}
