//! One probe: what its requests show of each SLO, and whether that is enough to end it.

use crate::limit::evidence::{Decision, Period};
use crate::limit::slo::Slo;
use crate::units::Nanos;

/// How long a probe may take, and how sure it has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeRules {
    /// The least and the most time in which requests are counted.
    pub min: Nanos,
    pub max: Nanos,
    /// The probability with which its decision may be wrong.
    pub error: f64,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    pub level: f64,
    pub decision: Decision,
    /// What each SLO has seen, in their order.
    pub periods: Vec<Vec<Period>>,
}

/// Watches the SLOs of a probe while it runs.
#[derive(Clone, Debug)]
pub struct ProbeWatch {
    rules: ProbeRules,
    periods: Vec<Vec<Period>>,
}

impl ProbeWatch {
    pub fn new(rules: ProbeRules, slos: &[Slo]) -> ProbeWatch {
        ProbeWatch {
            rules,
            periods: vec![Vec::new(); slos.len()],
        }
    }

    /// Adds what each SLO has seen in a further second.
    pub fn push(&mut self, seen: Vec<Period>) {
        for (periods, period) in self.periods.iter_mut().zip(seen) {
            if period != Period::default() {
                periods.push(period);
            }
        }
    }

    /// Returns true if no further request has to be counted, `elapsed` after the first one.
    pub fn is_enough(&self, slos: &[Slo], elapsed: Nanos) -> bool {
        let Some(least) = slos.iter().map(|slo| slo.least_time()).max() else {
            return true;
        };
        if elapsed >= self.rules.max {
            return true;
        }
        let decision = self.decision(slos);
        let least = self.rules.min.max(least).min(self.rules.max);
        match decision {
            Decision::Fails => elapsed >= self.rules.min,
            Decision::Holds => elapsed >= least,
            Decision::Open => false,
        }
    }

    pub fn decision(&self, slos: &[Slo]) -> Decision {
        decide(slos, &self.periods, self.rules.error)
    }

    /// Tells which SLOs have been shown to fail, or, if none has, which seem to.
    pub fn broken(&self, slos: &[Slo]) -> Vec<bool> {
        let error = self.rules.error / slos.len().max(1) as f64;
        let all = || slos.iter().zip(&self.periods);
        let shown: Vec<bool> = all()
            .map(|(slo, periods)| slo.decide(periods, error) == Decision::Fails)
            .collect();
        match shown.contains(&true) {
            true => shown,
            false => all().map(|(slo, periods)| !slo.seems_to_hold(periods)).collect(),
        }
    }

    pub fn into_probed(self, level: f64, slos: &[Slo]) -> Probed {
        Probed {
            level,
            decision: self.decision(slos),
            periods: self.periods,
        }
    }
}

/// A load holds if every SLO does, and fails if one does.
pub fn decide(slos: &[Slo], periods: &[Vec<Period>], error: f64) -> Decision {
    let error = error / slos.len().max(1) as f64;
    let decisions: Vec<Decision> = slos
        .iter()
        .zip(periods)
        .map(|(slo, periods)| slo.decide(periods, error))
        .collect();
    if decisions.contains(&Decision::Fails) {
        return Decision::Fails;
    }
    match decisions.iter().all(|decision| *decision == Decision::Holds) {
        true => Decision::Holds,
        false => Decision::Open,
    }
}

/// Decides from several probes of a level together. Returns the decision, and whether the SLOs seem to hold.
pub fn pooled<'a>(probes: impl Iterator<Item = &'a Probed>, slos: &[Slo], error: f64) -> (Decision, bool) {
    let mut periods: Vec<Vec<Period>> = vec![Vec::new(); slos.len()];
    for probe in probes {
        for (all, more) in periods.iter_mut().zip(&probe.periods) {
            all.extend(more);
        }
    }
    let seems = slos
        .iter()
        .zip(&periods)
        .all(|(slo, periods)| slo.seems_to_hold(periods));
    (decide(slos, &periods, error), seems)
}
