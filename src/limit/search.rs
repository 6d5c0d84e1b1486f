//! Chooses the next load to try, and says what has been found. It knows neither clocks nor servers: results of probes
//! come in, loads to try go out.

use serde::Serialize;

use crate::limit::evidence::Decision;
use crate::limit::probe::{Probed, decide, pooled};
use crate::limit::slo::Slo;
use crate::units::Nanos;

/// The probability that any decision of a search is wrong.
pub const ERROR: f64 = 0.05;
/// The most probes whose results are used. The probability of error is divided among them.
pub const PROBES_MAX: usize = 30;
/// Confidences, in descending order, with which an end of the interval is looked for that cannot be shown with more.
const LESS_SURE: [f64; 3] = [0.9, 0.8, 0.5];
/// A level at the edge is tried until two probes agree, and at most so often.
const REPEATS_MAX: usize = 4;
/// Rates are tried in steps of three digits.
const DIGITS: i32 = 3;

/// What the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Users in a closed loop.
    Users,
    /// Arrivals per second.
    Rate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub over: Over,
    /// The lowest load to try.
    pub from: f64,
    /// The highest load to try.
    pub to: f64,
    /// The search ends when the highest load that holds and the lowest that does not are this close, as a share.
    pub resolution: f64,
}

/// Why a load is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To find a load that does not hold.
    Doubling,
    /// To halve the distance between what holds and what does not.
    Bisection,
    /// To see whether the same load gives the same result again, after the server was overloaded.
    Repeat,
    /// To narrow the interval where the loads at the edge could not be decided.
    Interval,
}

impl Purpose {
    /// Returns how long a probe may take, of the most. Far from the edge a guess is enough: where it was wrong, the
    /// level is tried again.
    pub fn time_of(self, most: Nanos) -> Nanos {
        match self {
            Purpose::Doubling => most / 4,
            Purpose::Bisection | Purpose::Repeat | Purpose::Interval => most,
        }
    }
}

/// Why the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The edge is known to the resolution, or as well as it can be.
    Found,
    /// Not even the lowest load holds.
    NothingHolds,
    /// The highest load to try holds.
    ReachedTo,
    /// The most probes were made.
    ProbesUsedUp,
    /// The time was over.
    MaxTime,
    Interrupted,
    /// The server ended, or does not answer any more.
    Server,
    /// A rank of several was lost.
    RankLost,
    /// A bug of this program.
    Failure,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    Probe { level: f64, purpose: Purpose },
    Done(End),
}

/// The state of a level after all its probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Every probe that was decided says so.
    Holds,
    Fails,
    /// Probes contradict each other.
    Mixed {
        leans: bool,
    },
    /// No probe was decided, nor are all together.
    Open {
        leans: bool,
    },
}

impl Status {
    fn leans(self) -> bool {
        match self {
            Status::Holds => true,
            Status::Fails => false,
            Status::Mixed { leans } | Status::Open { leans } => leans,
        }
    }
}

/// What the search has found so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The highest load that was tried and holds.
    pub limit: Option<f64>,
    /// The ends of the interval: the highest load that was shown to hold, and the lowest that was shown not to.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// A load that held before the server was overloaded, and did not hold afterwards.
    pub degraded: Option<f64>,
}

/// An end of the interval that is shown with less confidence than others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LessSure {
    pub level: f64,
    pub confidence: f64,
}

/// The ends that can only be shown with less confidence; `None` where there is a better one, or none at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LessSureEnds {
    pub low: Option<LessSure>,
    pub high: Option<LessSure>,
}

#[derive(Clone, Debug)]
pub struct Search {
    range: Range,
    slos: Vec<Slo>,
    /// As many probes as there may be.
    probes_max: usize,
    /// The probability that a single decision is wrong.
    error: f64,
    probes: Vec<Probed>,
    /// Results before this one that hold are out of date, because the server has not recovered from an overload.
    fresh_from: usize,
    degraded: Option<f64>,
}

impl Search {
    /// Begins a search of at most `probes_max` probes. The fewer there may be, the more often each may be wrong.
    pub fn new(range: Range, slos: Vec<Slo>, probes_max: usize) -> Search {
        let probes_max = probes_max.clamp(1, PROBES_MAX);
        Search {
            range,
            slos,
            probes_max,
            error: ERROR / probes_max as f64,
            probes: Vec::new(),
            fresh_from: 0,
            degraded: None,
        }
    }

    /// Returns the probability with which the decision of a probe may be wrong.
    pub fn error_of_probe(&self) -> f64 {
        self.error
    }

    /// Adds the result of a probe.
    pub fn record(&mut self, probed: Probed) {
        let level = probed.level;
        self.probes.push(probed);
        let decided: Vec<Decision> = self.at(level).map(|probe| probe.decision).collect();
        if let [.., Decision::Fails, Decision::Fails] = decided.as_slice()
            && decided.contains(&Decision::Holds)
        {
            self.degraded.get_or_insert(level);
            self.fresh_from = self.probes.len() - 2;
        }
    }

    /// Returns the load to try next, or why there is none.
    pub fn next(&self) -> Next {
        use Purpose::{Bisection, Doubling, Interval, Repeat};
        let probe = |level, purpose| Next::Probe { level, purpose };
        if self.probes.len() >= self.probes_max {
            return Next::Done(self.cut_by(End::ProbesUsedUp));
        }
        if let Some(level) = self.contradicted() {
            return probe(level, Repeat);
        }
        let Range { from, to, .. } = self.range;
        match self.bracket() {
            (None, None) => probe(from, Doubling),
            (None, Some(high)) if high > from => {
                let half = self.rounded(high / 2.0).max(from);
                probe(if half < high { half } else { from }, Bisection)
            }
            (None, Some(high)) if !self.is_confirmed(high) => probe(high, Repeat),
            (None, Some(_)) => Next::Done(End::NothingHolds),
            (Some(low), None) if low < to => probe(self.rounded(low * 2.0).min(to), Doubling),
            (Some(low), None) if !self.is_confirmed(low) => probe(low, Repeat),
            (Some(_), None) => Next::Done(End::ReachedTo),
            (Some(low), Some(high)) => {
                if let Some(between) = self.between(low, high) {
                    return probe(between, Bisection);
                }
                if let Some(end) = [low, high].into_iter().find(|end| !self.is_confirmed(*end)) {
                    return probe(end, Repeat);
                }
                match self.beside(low, high) {
                    Some(level) => probe(level, Interval),
                    None => Next::Done(End::Found),
                }
            }
        }
    }

    /// Returns how a search ends that `end` cuts: what would only have been repeated is known all the same.
    pub fn cut_by(&self, end: End) -> End {
        let Range { from, to, .. } = self.range;
        match self.bracket() {
            (None, Some(high)) if high <= from => End::NothingHolds,
            (Some(low), None) if low >= to => End::ReachedTo,
            _ => end,
        }
    }

    pub fn found(&self) -> Found {
        let levels = self.levels();
        let of = |wanted: fn(Status) -> bool| {
            levels
                .iter()
                .copied()
                .filter(move |level| wanted(self.status(*level)))
        };
        let failing = of(|s| matches!(s, Status::Fails | Status::Mixed { .. })).reduce(f64::min);
        let holding = of(|s| matches!(s, Status::Holds | Status::Mixed { .. })).reduce(f64::max);
        let below = |level: &f64| failing.is_none_or(|failing| *level < failing);
        let above = |level: &f64| holding.is_none_or(|holding| *level > holding);
        let (limit, next) = self.bracket();
        let low = of(|s| s == Status::Holds).filter(below).reduce(f64::max);
        let high = of(|s| s == Status::Fails).filter(above).reduce(f64::min);
        let together = |level: &f64, holds| self.is_shown_together(*level, limit, next, holds);
        let levels = || levels.iter().copied();
        let low_together = levels().filter(below).rfind(|level| together(level, true));
        let high_together = levels().filter(above).find(|level| together(level, false));
        Found {
            limit,
            low: [low, low_together].into_iter().flatten().reduce(f64::max),
            high: [high, high_together].into_iter().flatten().reduce(f64::min),
            degraded: self.degraded,
        }
    }

    /// Looks for each end that [`Self::found`] does not have with less and less confidence.
    pub fn less_sure(&self) -> LessSureEnds {
        let Found { limit, low, high, .. } = self.found();
        let mut ends = LessSureEnds::default();
        for confidence in LESS_SURE {
            let found = self.with_confidence(confidence).found();
            let sure = |level: f64| LessSure { level, confidence };
            let below = found.low.filter(|low| limit.is_some_and(|limit| *low <= limit));
            let above = found.high.filter(|high| limit.is_none_or(|limit| *high > limit));
            if low.is_none() {
                ends.low = ends.low.or(below.map(sure));
            }
            if high.is_none() {
                ends.high = ends.high.or(above.map(sure));
            }
        }
        ends
    }

    /// Returns the same search as if so much confidence had been asked for.
    fn with_confidence(&self, confidence: f64) -> Search {
        let error = (1.0 - confidence) / self.probes_max as f64;
        let probes = self.probes.iter().map(|probe| Probed {
            decision: decide(&self.slos, &probe.periods, error),
            ..probe.clone()
        });
        Search {
            error,
            probes: probes.collect(),
            ..self.clone()
        }
    }

    /// Tells whether all probes from `level` to the limit together show that `level` holds, or all from the next level
    /// to `level` that it fails: if it did not hold, no higher load would either, so each of them speaks against that.
    fn is_shown_together(&self, level: f64, limit: Option<f64>, next: Option<f64>, holds: bool) -> bool {
        let (from, to) = match (holds, limit, next) {
            (true, Some(limit), _) => (level, limit),
            (false, _, Some(next)) => (next, level),
            _ => return false,
        };
        let levels = self
            .levels()
            .into_iter()
            .filter(|other| (from..=to).contains(other));
        let probes: Vec<&Probed> = levels.flat_map(|other| self.at(other)).collect();
        let error = self.error / self.slos.len().max(1) as f64;
        let shown = |index: usize| {
            let slo = &self.slos[index];
            let weights = probes.iter().map(|probe| slo.weigh(&probe.periods[index], error));
            let odds = weights.map(|weight| match weight.holds == holds {
                true => weight.log_odds,
                false => -weight.log_odds.abs(),
            });
            odds.sum::<f64>() >= -error.ln()
        };
        let mut slos = 0..self.slos.len();
        match holds {
            true => !probes.is_empty() && slos.all(shown),
            false => slos.any(shown),
        }
    }

    /// Returns the probes of a level that are still true.
    fn at(&self, level: f64) -> impl Iterator<Item = &Probed> {
        let fresh = move |(index, probe): &(usize, &Probed)| {
            *index >= self.fresh_from || probe.decision == Decision::Fails
        };
        let fresh = self.probes.iter().enumerate().filter(fresh);
        fresh
            .map(|(_, probe)| probe)
            .filter(move |probe| probe.level == level)
    }

    /// Returns the levels with probes, in ascending order.
    fn levels(&self) -> Vec<f64> {
        let mut levels: Vec<f64> = self.probes.iter().map(|probe| probe.level).collect();
        levels.retain(|level| self.at(*level).next().is_some());
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        levels
    }

    fn count(&self, level: f64, decision: Decision) -> usize {
        self.at(level).filter(|probe| probe.decision == decision).count()
    }

    fn status(&self, level: f64) -> Status {
        let (holds, fails) = (
            self.count(level, Decision::Holds),
            self.count(level, Decision::Fails),
        );
        match (holds, fails) {
            (0, 0) => match pooled(self.at(level), &self.slos, self.error) {
                (Decision::Holds, _) => Status::Holds,
                (Decision::Fails, _) => Status::Fails,
                (Decision::Open, leans) => Status::Open { leans },
            },
            (_, 0) => Status::Holds,
            (0, _) => Status::Fails,
            _ => Status::Mixed { leans: holds > fails },
        }
    }

    /// Returns the highest load that seems to hold below the lowest that seems not to, and the latter.
    fn bracket(&self) -> (Option<f64>, Option<f64>) {
        let levels = self.levels();
        let high = levels.iter().copied().find(|level| !self.status(*level).leans());
        let low = levels
            .into_iter()
            .rfind(|level| high.is_none_or(|high| *level < high) && self.status(*level).leans());
        (low, high)
    }

    /// Returns a level that has held and failed equally often.
    fn contradicted(&self) -> Option<f64> {
        let tied = |level: &f64| {
            let (holds, fails) = (
                self.count(*level, Decision::Holds),
                self.count(*level, Decision::Fails),
            );
            holds > 0 && holds == fails && self.at(*level).count() < REPEATS_MAX
        };
        self.levels().into_iter().find(tied)
    }

    /// Two probes agree, or there are as many as there may be.
    fn is_confirmed(&self, level: f64) -> bool {
        let (holds, fails) = (
            self.count(level, Decision::Holds),
            self.count(level, Decision::Fails),
        );
        holds.abs_diff(fails) >= 2 || self.at(level).count() >= REPEATS_MAX
    }

    fn is_narrow(&self, low: f64, high: f64) -> bool {
        (high - low) / high <= self.range.resolution
    }

    /// Returns a level between two that are further apart than the resolution.
    fn between(&self, low: f64, high: f64) -> Option<f64> {
        if self.is_narrow(low, high) {
            return None;
        }
        let middle = self.rounded((low * high).sqrt());
        let middle = match self.range.over {
            Over::Users => middle.clamp(low + 1.0, (high - 1.0).max(low + 1.0)),
            Over::Rate => middle,
        };
        (middle > low && middle < high && self.at(middle).next().is_none()).then_some(middle)
    }

    /// Returns a level that may narrow the interval, where its ends are further apart than the levels at the edge.
    fn beside(&self, low: f64, high: f64) -> Option<f64> {
        let found = self.found();
        let is_undecided = |level: &f64| {
            matches!(self.status(*level), Status::Open { .. }) && self.at(*level).count() < REPEATS_MAX
        };
        let inside = |level: &f64| found.low.is_none_or(|bottom| *level > bottom) && *level < low;
        let levels = self.levels();
        let undecided = levels
            .into_iter()
            .rfind(|level| inside(level) && is_undecided(level));
        let bottom = found.low.filter(|bottom| *bottom < low);
        let below = bottom.and_then(|bottom| self.between(bottom, low));
        let top = found.high.filter(|top| *top > high);
        below
            .or(undecided)
            .or_else(|| top.and_then(|top| self.between(high, top)))
    }

    fn rounded(&self, level: f64) -> f64 {
        match self.range.over {
            Over::Users => level.round().max(1.0),
            Over::Rate => to_digits(level),
        }
    }
}

/// Rounds to three digits.
pub fn to_digits(level: f64) -> f64 {
    if level <= 0.0 {
        return level;
    }
    let places = DIGITS - 1 - level.log10().floor() as i32;
    // A power of ten below 1 is not exact, so it is multiplied or divided by one above.
    let power = 10f64.powi(places.abs());
    match places >= 0 {
        true => (level * power).round() / power,
        false => (level / power).round() * power,
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
