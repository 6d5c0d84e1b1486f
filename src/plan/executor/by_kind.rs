//! An open loop in which each kind of request arrives at a rate of its own, as k6's scenarios do.

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::open::{highest, rate_stage_mistakes};
use crate::error::Reason;
use crate::plan::arrivals::{Arrival, RateCurve, Sequence};
use crate::plan::{Hold, OpenLoop, RateStage, check_run_length};
use crate::units::{Nanos, Rate, fnv, format_duration};
use crate::workload::random::keyed;

/// Separates the seeds of kinds from each other and from the run's.
const KIND_SEED: u64 = 0x006b_696e_6473;

/// The bits of a [`RatesByKind::owner`], as many as the key of a made prompt has for a user.
const OWNER_BITS: u32 = 24;

/// The planned rate of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum KindShape {
    Constant {
        rate: Rate,
        duration: Nanos,
    },
    Ramping {
        start_rate: Rate,
        stages: Vec<RateStage>,
    },
}

/// The arrivals of one kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct KindArrivals {
    /// The kind's name in the mix.
    pub name: String,
    /// When its load begins, since the start of the run.
    pub start_time: Nanos,
    pub shape: KindShape,
    pub arrival: Arrival,
    /// The most of its requests in flight; `None` if it shares the users with the other kinds that have none.
    pub max_vus: Option<u32>,
}

impl KindArrivals {
    /// Returns its rate over time, since its own start.
    pub fn curve(&self) -> RateCurve {
        match &self.shape {
            KindShape::Constant { rate, duration } => {
                let rate = rate.per_second();
                RateCurve::new(rate, [(*duration, rate)])
            }
            KindShape::Ramping { start_rate, stages } => {
                let stages = stages.iter();
                let stages = stages.map(|stage| (stage.duration, stage.target.per_second()));
                RateCurve::new(start_rate.per_second(), stages)
            }
        }
    }

    /// Returns when its load ends, since the start of the run.
    pub fn end(&self) -> Nanos {
        let length = match &self.shape {
            KindShape::Constant { duration, .. } => *duration,
            KindShape::Ramping { stages, .. } => {
                let lengths = stages.iter().map(|stage| stage.duration);
                lengths.fold(0, Nanos::saturating_add)
            }
        };
        self.start_time.saturating_add(length)
    }

    /// Returns the periods in which its rate moves, since the start of the run. A jump is none.
    fn ramps(&self) -> Vec<Hold> {
        let KindShape::Ramping { start_rate, stages } = &self.shape else {
            return Vec::new();
        };
        let (mut before, mut start, mut ramps) = (*start_rate, self.start_time, Vec::new());
        for stage in stages {
            let end = start + stage.duration;
            if stage.target.per_second() != before.per_second() {
                ramps.push(Hold { start, end });
            }
            (before, start) = (stage.target, end);
        }
        ramps
    }

    pub fn highest_rate(&self) -> Rate {
        match &self.shape {
            KindShape::Constant { rate, .. } => *rate,
            KindShape::Ramping { start_rate, stages } => highest(*start_rate, stages),
        }
    }

    /// Returns the kind at its highest rate until `end`; it keeps its start.
    fn until(&self, end: Nanos) -> KindArrivals {
        let rate = self.highest_rate();
        let duration = end.saturating_sub(self.start_time);
        KindArrivals {
            shape: KindShape::Constant { rate, duration },
            ..self.clone()
        }
    }

    fn sequence(&self, kind: u16, seed: u64) -> Sequence {
        let even = self.arrival == Arrival::Constant;
        let period = match &self.shape {
            KindShape::Constant { rate, .. } if even => rate.period(),
            _ => None,
        };
        Sequence::new(self.curve(), period, (self.arrival, seed)).of_kind(kind, self.start_time)
    }

    fn scale_time(&mut self, scale: impl Fn(Nanos) -> Nanos) {
        self.start_time = scale(self.start_time);
        match &mut self.shape {
            KindShape::Constant { duration, .. } => *duration = scale(*duration),
            KindShape::Ramping { stages, .. } => {
                for stage in stages {
                    stage.duration = scale(stage.duration);
                }
            }
        }
    }

    fn mistakes(&self) -> Vec<Reason> {
        let mut wrong = match &self.shape {
            KindShape::Constant { rate, .. } if rate.is_zero() => {
                vec![Reason::new("no request ever arrives").hint("use a rate above 0, or leave the kind out")]
            }
            KindShape::Constant { .. } => Vec::new(),
            KindShape::Ramping { start_rate, stages } => rate_stage_mistakes(*start_rate, stages),
        };
        if wrong.is_empty() && self.end() == self.start_time {
            let hint = "use a duration above 0, and start the kind before the end of the run";
            wrong.push(Reason::new("its load would last 0 s").hint(hint));
        }
        if wrong.is_empty() {
            wrong.extend(check_run_length("a run", self.end()).err());
        }
        wrong.extend(self.arrival.mistake());
        let place = format!("request `{}`", self.name);
        wrong.into_iter().map(|reason| reason.within(&place)).collect()
    }
}

/// The arrivals of all kinds, and the users who take them.
#[derive(Clone, Debug, PartialEq)]
pub struct RatesByKind {
    /// In the order of the mix.
    kinds: Vec<KindArrivals>,
    owners: Vec<u32>,
    /// Its pattern has no meaning: each kind has its own. Its users are those of all kinds together.
    pub open: OpenLoop,
}

impl RatesByKind {
    /// Returns the periods in which no kind's rate moves, of a load of this duration.
    pub(super) fn holds(&self, duration: Nanos) -> Vec<Hold> {
        let mut ramps: Vec<Hold> = self.kinds.iter().flat_map(KindArrivals::ramps).collect();
        ramps.sort_by_key(|ramp| ramp.start);
        let (mut held_from, mut holds) = (0, Vec::new());
        for ramp in ramps {
            if ramp.start > held_from {
                holds.push(Hold {
                    start: held_from,
                    end: ramp.start,
                });
            }
            held_from = held_from.max(ramp.end);
        }
        if held_from < duration {
            holds.push(Hold {
                start: held_from,
                end: duration,
            });
        }
        holds
    }

    /// `kinds` are in the order of the mix.
    pub fn new(kinds: Vec<KindArrivals>, open: OpenLoop) -> RatesByKind {
        let open = OpenLoop {
            arrival: Arrival::Constant,
            ..open
        };
        let owners = owners(kinds.iter().map(|kind| kind.name.as_str()));
        RatesByKind { kinds, owners, open }
    }

    pub fn kinds(&self) -> &[KindArrivals] {
        &self.kinds
    }

    /// Returns the number that stands for the user in the content of a kind's requests. It comes from the kind's name,
    /// so that a kind keeps its arrivals and its requests when others are added or left out.
    pub fn owner(&self, kind: u16) -> u32 {
        self.owners[usize::from(kind)]
    }

    /// Returns the seed of a kind's arrivals.
    pub fn seed(&self, kind: u16, seed: u64) -> u64 {
        keyed([seed, KIND_SEED, u64::from(self.owner(kind)), 0])
    }

    pub fn set_arrival(&mut self, arrival: Arrival) {
        self.kinds.iter_mut().for_each(|kind| kind.arrival = arrival);
    }

    /// Tells whether the rate of every kind stays as it is.
    pub fn is_constant(&self) -> bool {
        let is_constant = |kind: &KindArrivals| matches!(kind.shape, KindShape::Constant { .. });
        self.kinds.iter().all(is_constant)
    }

    pub(super) fn end(&self) -> Nanos {
        self.kinds.iter().map(KindArrivals::end).max().unwrap_or(0)
    }

    pub(super) fn until(&self, end: Nanos) -> RatesByKind {
        let kinds = self.kinds.iter().map(|kind| kind.until(end)).collect();
        RatesByKind {
            kinds,
            ..self.clone()
        }
    }

    /// Returns arrivals at so many per second in all, from the start for `duration`: the kinds keep the proportions of
    /// their highest rates.
    pub(super) fn at_total(&self, per_second: f64, duration: Nanos) -> RatesByKind {
        let highest = |kind: &KindArrivals| kind.highest_rate().per_second();
        let total: f64 = self.kinds.iter().map(highest).sum();
        let kinds = self.kinds.iter().map(|kind| KindArrivals {
            start_time: 0,
            shape: KindShape::Constant {
                rate: Rate::per_second_of(per_second * highest(kind) / total),
                duration,
            },
            ..kind.clone()
        });
        RatesByKind {
            kinds: kinds.collect(),
            ..self.clone()
        }
    }

    /// Returns all kinds at their highest rates from the start, for `duration`.
    pub(super) fn at_peak(&self, duration: Nanos) -> RatesByKind {
        let mut rates = self.clone();
        for kind in &mut rates.kinds {
            kind.start_time = 0;
            *kind = kind.until(duration);
        }
        rates
    }

    pub(super) fn scale_time(&mut self, scale: impl Fn(Nanos) -> Nanos) {
        self.kinds.iter_mut().for_each(|kind| kind.scale_time(&scale));
    }

    /// Returns the rate of all kinds together.
    pub(super) fn curve(&self) -> RateCurve {
        let curves: Vec<(Nanos, RateCurve)> = self
            .kinds
            .iter()
            .map(|kind| (kind.start_time, kind.curve()))
            .collect();
        RateCurve::sum(&curves)
    }

    pub(super) fn sequences(&self, seed: u64) -> Vec<Sequence> {
        let kinds = (0u16..).zip(&self.kinds);
        kinds
            .map(|(index, kind)| kind.sequence(index, self.seed(index, seed)))
            .collect()
    }

    pub(super) fn mistakes(&self) -> Vec<Reason> {
        let mut wrong: Vec<Reason> = self.kinds.iter().flat_map(KindArrivals::mistakes).collect();
        wrong.extend(self.open.mistakes());
        wrong.extend(self.shares_mistake());
        wrong
    }

    /// Returns why the limits that kinds have of their own do not fit into the limit of all.
    fn shares_mistake(&self) -> Option<Reason> {
        let own: u64 = self
            .kinds
            .iter()
            .filter_map(|kind| kind.max_vus)
            .map(u64::from)
            .sum();
        let without = self.kinds.iter().find(|kind| kind.max_vus.is_none());
        let max = u64::from(self.open.max_vus);
        let what = match without {
            Some(kind) if own >= max => format!(
                "the kinds of request with a `max_vus` of their own have {own} of the {max} users, and none is left for \
                 `{}`",
                kind.name
            ),
            None if own > max => {
                format!("`max_vus` of the kinds of request add up to {own} users, more than the {max} of all")
            }
            _ => return None,
        };
        let hint = "raise `max_vus` outside of the kinds (--max-in-flight), or lower theirs";
        Some(Reason::new(what).hint(hint))
    }
}

/// Returns a number of `OWNER_BITS` for each name: its FNV-1a hash, or the next free number if two names have the same
/// one.
fn owners<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mask = (1u64 << OWNER_BITS) - 1;
    let mut taken: Vec<u32> = Vec::new();
    for name in names {
        let hash = fnv(name.as_bytes());
        // Folding keeps all bits of the hash in those that are left.
        let mut owner = (hash ^ (hash >> OWNER_BITS) ^ (hash >> (2 * OWNER_BITS))) & mask;
        while taken.contains(&(owner as u32)) {
            owner = (owner + 1) & mask;
        }
        taken.push(owner as u32);
    }
    taken
}

impl KindArrivals {
    /// Writes the keys that a document has next to the kind's others.
    pub fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match &self.shape {
            KindShape::Constant { rate, duration } => {
                map.serialize_entry("rate", rate)?;
                map.serialize_entry("duration", &format_duration(*duration))?;
            }
            KindShape::Ramping { start_rate, stages } => {
                map.serialize_entry("start_rate", start_rate)?;
                map.serialize_entry("stages", stages)?;
            }
        }
        if self.start_time > 0 {
            map.serialize_entry("start_time", &format_duration(self.start_time))?;
        }
        if let Some(max_vus) = self.max_vus {
            map.serialize_entry("max_vus", &max_vus)?;
        }
        map.serialize_entry("arrival", &self.arrival)
    }
}

/// Serialises what stands outside the kinds: the executor's name, and the users.
impl Serialize for RatesByKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let OpenLoop {
            arrival: _,
            pre_allocated_vus,
            max_vus,
            when_full,
        } = &self.open;
        let mut fields = to.serialize_struct("RatesByKind", 4)?;
        fields.serialize_field("executor", self.name())?;
        fields.serialize_field("pre_allocated_vus", pre_allocated_vus)?;
        fields.serialize_field("max_vus", max_vus)?;
        fields.serialize_field("when_full", when_full)?;
        fields.end()
    }
}

impl RatesByKind {
    pub(super) fn name(&self) -> &'static str {
        match self.is_constant() {
            true => "constant-arrival-rate",
            false => "ramping-arrival-rate",
        }
    }
}

#[cfg(test)]
#[path = "by_kind_tests.rs"]
mod tests;
