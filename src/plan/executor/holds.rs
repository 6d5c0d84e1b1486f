//! When an executor holds its number of users or its rate.

use crate::plan::{Executor, Hold, Plateau};

impl Executor {
    /// Returns the periods in which the number of users or the rate stays the same, and is not 0.
    pub fn holds(&self) -> Vec<Hold> {
        match self {
            Executor::RampingVus { .. } => {
                let plateaus = self.plateaus().into_iter();
                plateaus
                    .map(|Plateau { start, end, .. }| Hold { start, end })
                    .collect()
            }
            Executor::RampingArrivalRate { .. } => self.held_rates(),
            Executor::RatesByKind(rates) => rates.holds(self.duration()),
            _ => vec![Hold {
                start: 0,
                end: self.duration(),
            }],
        }
    }

    /// Returns the periods in which a ramp of rates holds its rate.
    fn held_rates(&self) -> Vec<Hold> {
        let Executor::RampingArrivalRate {
            start_rate, stages, ..
        } = self
        else {
            return Vec::new();
        };
        let (mut before, mut start, mut holds) = (*start_rate, 0, Vec::new());
        for stage in stages {
            let end = start + stage.duration;
            if stage.target.per_second() == before.per_second() && !stage.target.is_zero() {
                holds.push(Hold { start, end });
            }
            (before, start) = (stage.target, end);
        }
        holds
    }
}
