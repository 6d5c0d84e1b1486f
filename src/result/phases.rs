//! The phases of a load in the document: what was due while it ramped, and what was due while it was steady.

use crate::metrics::{ByPhase, SeriesTotals};
use crate::plan::{Executor, Hold, Phases};
use crate::result::groups::{metrics, rates, traffic};
use crate::result::{GroupFigures, Grouping, MetricFigures, Ordered, Rates, Traffic};
use crate::units::{Nanos, seconds};
use serde::{Deserialize, Serialize};

/// The figures of a load that both ramped and was steady, by phase. Each request belongs to the phase in which it was
/// due, whenever it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// The planned periods in which the load is steady, in order.
    pub periods: Vec<SteadyPeriod>,
    pub ramp: RampFigures,
    pub steady: SteadyFigures,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyPeriod {
    /// Since the start of the load.
    pub from_seconds: f64,
    pub to_seconds: f64,
}

/// What was due while the load ramped. `rates.load_seconds` is how long it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RampFigures {
    pub totals: Traffic,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
}

/// What was due while the load was steady. `rates.load_seconds` is how long it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyFigures {
    pub totals: Traffic,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
    /// By the name of the kind of request, as in the document's own `kinds`.
    pub kinds: Ordered<GroupFigures>,
}

/// The times of the phases, which their figures do not contain.
#[derive(Clone, Debug, Default)]
pub struct PhaseTimes {
    /// Of the load's time, how long it was steady.
    pub steady: Nanos,
    pub holds: Vec<Hold>,
}

impl PhaseTimes {
    /// Returns the times of a plan that was steady for so long.
    pub fn new(executor: &Executor, steady: Nanos) -> PhaseTimes {
        PhaseTimes {
            steady,
            holds: Phases::of(executor).holds().to_vec(),
        }
    }
}

impl PhaseFigures {
    /// `loaded`: how long the load went on.
    pub fn new(phases: &ByPhase, grouping: &Grouping, times: &PhaseTimes, loaded: Nanos) -> PhaseFigures {
        let mut steady = SeriesTotals::new();
        phases.steady.iter().for_each(|series| steady.merge(series));
        let ramped = loaded.saturating_sub(times.steady);
        PhaseFigures {
            periods: times
                .holds
                .iter()
                .map(|hold| SteadyPeriod {
                    from_seconds: seconds(hold.start),
                    to_seconds: seconds(hold.end),
                })
                .collect(),
            ramp: RampFigures {
                totals: traffic(&phases.ramp),
                rates: rates(&phases.ramp, ramped),
                metrics: metrics(&phases.ramp),
            },
            steady: SteadyFigures {
                totals: traffic(&steady),
                rates: rates(&steady, times.steady),
                metrics: metrics(&steady),
                kinds: grouping.by_kind(&phases.steady, times.steady),
            },
        }
    }
}
