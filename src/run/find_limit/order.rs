//! What the ranks of a search tell each other: what all have to agree on, and the load that rank 0 asks for next.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asked::{Asked, first_settling};
use crate::limit::{Over, load};
use crate::plan::Shard;
use crate::units::{Nanos, decimal};

/// The load of a probe, of which each rank that is left has its part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The number of the probe; `None` for the load before the first one.
    number: Option<usize>,
    /// As text, because a fraction in JSON may be read as its neighbour.
    level: String,
    pub settle: Nanos,
    /// The longest time in which requests are counted.
    pub counted: Nanos,
    /// The ranks that were lost.
    lost: Vec<u32>,
}

impl Order {
    pub fn new(number: Option<usize>, level: f64, times: [Nanos; 2], lost: Vec<u32>) -> Order {
        let [settle, counted] = times;
        Order {
            number,
            level: level.to_string(),
            settle,
            counted,
            lost,
        }
    }

    /// Reads what rank 0 asks for. An error says in a few words what is wrong.
    pub fn read(value: Value, asked: &Asked) -> Result<Order, String> {
        let order: Order = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let (from, to) = (asked.range.from, asked.range.to);
        if !order.level().is_some_and(|level| (from..=to).contains(&level)) {
            let [from, to] = [from, to].map(decimal);
            return Err(format!("a load of {:?}, outside of {from} to {to}", order.level));
        }
        let longest = asked.max_time.max(first_settling(&asked.config, asked.settle));
        if order.settle > longest || order.counted > longest {
            return Err("a load for longer than --max-time".to_owned());
        }
        Ok(order)
    }

    pub fn level(&self) -> Option<f64> {
        self.level.parse().ok()
    }

    /// Returns the part of a rank: the load is divided among those that are left.
    pub fn part_of(&self, rank: Shard) -> Option<Shard> {
        let is_before = |lost: &&u32| **lost < rank.index();
        let before = self.lost.iter().filter(is_before).count() as u32;
        let left = rank.count().saturating_sub(self.lost.len() as u32);
        Shard::new(rank.index().checked_sub(before)?, left)
    }

    /// Returns the ranks that were lost: each of the others has more to do than was planned.
    pub fn lost(&self) -> &[u32] {
        &self.lost
    }

    /// Returns what lines about this load begin with, if it is a probe.
    pub fn label(&self, over: Over) -> Option<String> {
        let (number, level) = (self.number?, self.level()?);
        Some(format!("probe {number}: {}", load(over, level)))
    }

    pub fn into_value(self) -> Value {
        // It has no map whose keys are no text, and no number that JSON has not.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Returns the settings of a search, which have to be those of every rank.
pub fn agreed(asked: &Asked) -> Value {
    let slos: Vec<String> = asked.slos.iter().map(|slo| slo.text()).collect();
    json!({
        "over": asked.range.over,
        "from": asked.range.from,
        "to": asked.range.to,
        "resolution": asked.range.resolution,
        "settle": asked.settle,
        "probe_time": [asked.probe.min, asked.probe.max],
        "max_time": asked.max_time,
        "slos": slos,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;

    fn order(level: f64, lost: &[u32]) -> Order {
        Order::new(Some(3), level, [SECOND, 5 * SECOND], lost.to_vec())
    }

    #[test]
    fn a_level_is_the_same_to_the_last_digit_once_it_is_read() {
        for level in [1.0, 0.1 + 0.2, 1.0 / 3.0, 123_456.789, 2.0f64.powi(-30)] {
            let text = order(level, &[]).into_value().to_string();
            let read: Order = serde_json::from_str(&text).unwrap();
            assert_eq!(read, order(level, &[]));
            assert_eq!(read.level(), Some(level));
        }
    }

    #[test]
    fn the_load_is_divided_among_the_ranks_that_are_left() {
        let parts = |lost: &[u32]| -> Vec<Option<String>> {
            let left = (0..4).filter(|rank| !lost.contains(rank));
            left.map(|rank| {
                let part = order(8.0, lost).part_of(Shard::new(rank, 4).unwrap());
                part.map(|part| part.to_string())
            })
            .collect()
        };
        let of =
            |all: &[&str]| -> Vec<Option<String>> { all.iter().map(|part| Some((*part).into())).collect() };
        assert_eq!(parts(&[]), of(&["1/4", "2/4", "3/4", "4/4"]));
        assert_eq!(parts(&[2]), of(&["1/3", "2/3", "3/3"]));
        assert_eq!(parts(&[1, 3]), of(&["1/2", "2/2"]));
    }
}
