//! A distribution on its way to another process, in which it is the same: counts, sum and extremes stay exact.

use super::{Distribution, EncodingError};
use crate::metrics::carried::wide;
use crate::units::Nanos;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The parts of a distribution.
#[derive(Serialize, Deserialize)]
struct Parts {
    /// HdrHistogram's V2 compressed form, in base64.
    histogram: String,
    /// The number of values over 1 h, which are not in the histogram.
    above: u64,
    #[serde(with = "wide")]
    sum: u128,
    min: Nanos,
    max: Nanos,
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let parts = Parts {
            histogram: self.to_v2_compressed_base64(),
            above: self.above,
            sum: self.sum_ns,
            min: self.min().unwrap_or(0),
            max: self.max().unwrap_or(0),
        };
        parts.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Distribution, D::Error> {
        Parts::deserialize(from)?.joined().map_err(de::Error::custom)
    }
}

impl Parts {
    fn joined(self) -> Result<Distribution, EncodingError> {
        let mut whole = Distribution::from_v2_compressed_base64(&self.histogram)?;
        let offered = whole.in_range.checked_add(self.above);
        // Ours has no values above its range in the histogram.
        if offered.is_none() || whole.above > 0 || self.min > self.max {
            return Err(EncodingError::Disagrees);
        }
        whole.above = self.above;
        (whole.sum_ns, whole.min_ns, whole.max_ns) = (self.sum, self.min, self.max);
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SECOND;
    use serde_json::{Value, json};

    fn sent(values: &[Nanos]) -> (Distribution, Distribution) {
        let mut d = Distribution::new();
        values.iter().for_each(|ns| {
            d.record(*ns);
        });
        let text = serde_json::to_value(&d).unwrap();
        let there = serde_json::from_value(text).unwrap();
        (d, there)
    }

    #[test]
    fn a_distribution_arrives_as_it_was_sent() {
        for values in [
            &[][..],
            &[0],
            &[1_499, 1_501, 2_000_400, 3_999_999_999],
            &[5, 3_600 * SECOND, 3_601 * SECOND, Nanos::MAX, Nanos::MAX],
        ] {
            let (d, there) = sent(values);
            assert_eq!(there.sum_ns(), d.sum_ns(), "{values:?}");
            assert_eq!((there.min(), there.max()), (d.min(), d.max()), "{values:?}");
            assert_eq!((there.offered(), there.above()), (d.offered(), d.above()));
            assert_eq!(there.steps(), d.steps(), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_distribution_is_an_error() {
        let mut d = Distribution::new();
        d.record(SECOND);
        let good = serde_json::to_value(&d).unwrap();
        for (key, wrong) in [
            ("histogram", json!("no base64")),
            ("histogram", json!("AAAA")),
            ("above", json!(u64::MAX)),
            ("above", json!(-1)),
            ("sum", json!([1])),
            ("min", json!(2 * SECOND)),
        ] {
            let mut bad = good.clone();
            bad[key] = wrong;
            let read: Result<Distribution, _> = serde_json::from_value::<Distribution>(bad.clone());
            assert!(read.is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<Distribution>(Value::Null).is_err());
    }
}
