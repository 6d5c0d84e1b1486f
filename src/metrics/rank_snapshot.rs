//! What all cores of one process have recorded, as it goes to the process that shows and judges the whole.

use super::failures::{Evidence, FailureKind, Failures};
use crate::metrics::{Cause, CoreCounters, Distribution, METRICS, Outcome, SeriesTotals, Snapshot};
use serde::{Deserialize, Serialize, Serializer};

/// The figures of all cores of a process since its previous snapshot. They are exact and add up in any order, but for
/// the gauges of each core. What only a finished document has is not in it: pairs, sessions, the pace of a trace, and
/// the texts of failed answers.
#[derive(Clone, Debug)]
pub struct RankSnapshot {
    /// All cores together; its counters are not used.
    all: Box<Snapshot>,
    /// The counters of each core.
    cores: Vec<CoreCounters>,
}

/// A snapshot in its form for others, which leaves out what is empty.
#[derive(Serialize)]
struct Sent<'a> {
    phased: bool,
    slots: usize,
    series: Vec<(usize, &'a SeriesTotals)>,
    cores: &'a [CoreCounters],
    reap_lag: &'a Distribution,
    failures: Vec<CountedFailure>,
    further_failures: u64,
}

/// The same as it is read.
#[derive(Deserialize)]
pub struct ReceivedSnapshot {
    phased: bool,
    slots: usize,
    series: Vec<(usize, SeriesTotals)>,
    cores: Vec<CoreCounters>,
    reap_lag: Distribution,
    failures: Vec<CountedFailure>,
    further_failures: u64,
}

#[derive(Serialize, Deserialize)]
struct CountedFailure {
    server: u16,
    outcome: String,
    status: u16,
    cause: Option<String>,
    count: u64,
}

impl RankSnapshot {
    /// Makes an empty one for cores whose snapshots have this many series, with phases apart if they are `phased`.
    pub fn new(cores: usize, series_count: usize, phased: bool) -> RankSnapshot {
        RankSnapshot {
            all: Snapshot::of_phases(0, series_count, phased, false),
            cores: vec![CoreCounters::default(); cores],
        }
    }

    /// Adds the figures of a core since its previous snapshot.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        for (mine, theirs) in self.all.series.iter_mut().zip(&snapshot.series) {
            mine.merge(theirs);
        }
        self.all.reap_lag.merge(&snapshot.reap_lag);
        self.all.failures.merge(&snapshot.failures);
        if let Some(core) = self.cores.get_mut(usize::from(snapshot.core)) {
            core.append(&snapshot.counters);
        }
    }

    /// Returns the figures of all cores, without their counters.
    pub fn all(&self) -> &Snapshot {
        &self.all
    }

    pub fn cores(&self) -> &[CoreCounters] {
        &self.cores
    }

    /// Begins the next snapshot: counts start at 0, and gauges keep their values.
    pub fn restart(&mut self) {
        self.all.reset();
        for core in &mut self.cores {
            *core = core.next_interval();
        }
    }
}

fn is_empty(series: &SeriesTotals) -> bool {
    let counted = [
        series.started,
        series.dropped_iterations,
        series.sending.offered,
        series.finished(),
    ];
    counted == [0; 4] && METRICS.iter().all(|metric| series.metric(metric.id).is_empty())
}

impl Serialize for RankSnapshot {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let series = self.all.series.iter().enumerate();
        let failures = self.all.failures.by_count().into_iter();
        let sent = Sent {
            phased: self.all.phased,
            slots: self.all.series.len(),
            series: series.filter(|(_, series)| !is_empty(series)).collect(),
            cores: &self.cores,
            reap_lag: &self.all.reap_lag,
            failures: failures
                .map(|failed| CountedFailure {
                    server: failed.kind.server,
                    outcome: failed.kind.outcome.name().to_owned(),
                    status: failed.kind.status,
                    cause: failed.kind.cause.map(|cause| cause.name().to_owned()),
                    count: failed.count,
                })
                .collect(),
            further_failures: self.all.failures.further,
        };
        sent.serialize(to)
    }
}

impl ReceivedSnapshot {
    /// Returns the snapshot, if it has the series of `like`. An error says in a few words what is wrong.
    pub fn checked(self, like: &RankSnapshot) -> Result<RankSnapshot, String> {
        if self.phased != like.all.phased || self.slots != like.all.series.len() {
            return Err("it has other kinds of requests".to_owned());
        }
        let mut all = Snapshot::of_phases(0, like.all.series_count(), self.phased, false);
        for (index, series) in self.series {
            let slot = all.series.get_mut(index);
            *slot.ok_or_else(|| format!("it has a kind of request {index}, which is none"))? = series;
        }
        all.reap_lag = self.reap_lag;
        all.failures = failures(self.failures, self.further_failures)?;
        let cores = self.cores;
        Ok(RankSnapshot { all, cores })
    }
}

fn failures(counted: Vec<CountedFailure>, further: u64) -> Result<Failures, String> {
    let mut failures = Failures::default();
    failures.further = further;
    for failed in counted {
        let outcome = Outcome::ALL.into_iter().find(|o| o.name() == failed.outcome);
        let cause = failed.cause.as_deref().map(|name| {
            let known = Cause::of_name(name);
            known.ok_or_else(|| format!("it has an unknown cause of failures: {name}"))
        });
        let kind = FailureKind {
            server: failed.server,
            outcome: outcome.ok_or_else(|| format!("it has an unknown outcome: {}", failed.outcome))?,
            status: failed.status,
            cause: cause.transpose()?,
        };
        failures.add(kind, failed.count, &Evidence::default());
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Recorder, Sample};
    use crate::units::SECOND;
    use serde_json::{Value, json};

    fn sent(snapshot: &RankSnapshot) -> Value {
        serde_json::to_value(snapshot).unwrap()
    }

    fn received(value: Value, like: &RankSnapshot) -> Result<RankSnapshot, String> {
        let received: ReceivedSnapshot = serde_json::from_value(value).map_err(|e| e.to_string())?;
        received.checked(like)
    }

    #[test]
    fn gauges_stay_and_counts_begin_again_with_the_next_snapshot() {
        let mut recorder = Recorder::new(1, 2, false);
        let mut all = RankSnapshot::new(2, 2, false);
        recorder.counters().set_vus_running(7);
        recorder.counters().set_vus_running(3);
        let failed = Sample::ended(Outcome::Http503, SECOND);
        recorder.started(0);
        recorder.finish(&failed);
        let secret = Evidence {
            text: b"sk-SECRET",
            ..Evidence::default()
        };
        recorder.show_failure(0, &failed, &secret);
        all.append_snapshot(&recorder.take(Snapshot::new(0, 2, false)));
        let like = RankSnapshot::new(0, 2, false);
        assert!(!sent(&all).to_string().contains("SECRET"), "no text of a server");
        let there = received(sent(&all), &like).unwrap();
        assert_eq!(there.cores(), all.cores());
        assert_eq!((there.cores()[1].vus_running, there.cores()[1].vus_peak), (3, 7));
        assert_eq!(there.all().series[0].failed(), 1);
        assert_eq!(there.all().failures.by_count()[0].count, 1);
        assert!(is_empty(&there.all().series[1]));
        all.restart();
        assert_eq!((all.cores()[1].vus_running, all.cores()[1].vus_peak), (3, 3));
        assert!(is_empty(&all.all().series[0]) && all.all().failures.by_count().is_empty());
    }

    #[test]
    fn a_snapshot_of_another_plan_or_with_unknown_words_is_refused() {
        let one = RankSnapshot::new(1, 1, false);
        let wrong = |change: fn(&mut Value)| {
            let mut value = sent(&one);
            change(&mut value);
            received(value, &one).map(|_| ()).unwrap_err()
        };
        let two = RankSnapshot::new(1, 2, false);
        assert!(received(sent(&one), &two).is_err());
        assert!(received(sent(&two), &RankSnapshot::new(1, 1, true)).is_err());
        assert!(wrong(|v| v["reap_lag"] = json!(7)).contains("invalid type"));
        let text = wrong(|v| {
            v["failures"] =
                json!([{ "server": 0, "outcome": "bored", "status": 0, "cause": null, "count": 1 }]);
        });
        assert!(text.contains("unknown"), "{text}");
    }
}
