//! The figures of one metric, and maps that keep their order.

use crate::metrics::{Distribution, Exact};
use crate::units::{MILLISECOND, millis};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

/// The figures of one metric in the document: milliseconds, null if there are no values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricFigures {
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub max: Option<f64>,
    pub p50: Option<f64>,
    /// Where the true percentile lies with 95 % confidence; `None` if there are too few values to say.
    #[serde(default)]
    pub p50_interval: Option<[f64; 2]>,
    pub p90: Option<f64>,
    #[serde(default)]
    pub p90_interval: Option<[f64; 2]>,
    pub p95: Option<f64>,
    #[serde(default)]
    pub p95_interval: Option<[f64; 2]>,
    pub p99: Option<f64>,
    #[serde(default)]
    pub p99_interval: Option<[f64; 2]>,
    pub p999: Option<f64>,
    #[serde(default)]
    pub p999_interval: Option<[f64; 2]>,
    /// How many independent values the intervals assume; `None` if all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub independent: Option<u64>,
    /// How many of `count` are over one hour. They are in every figure here, but not in `hdr`.
    pub out_of_range: u64,
    /// Histogram in microseconds: base64 of HdrHistogram's V2 compressed form.
    pub hdr: Option<String>,
}

impl MetricFigures {
    /// Makes the figures of values of which `independent` are independent of each other; 0 if that is not known, so
    /// that there are no intervals.
    pub fn from_distribution(d: &Distribution, independent: u64) -> MetricFigures {
        let quantile = |q| d.quantile(q).map(millis);
        let interval = |q| {
            let (low, high) = d.interval(q, independent)?;
            Some([low, high].map(millis))
        };
        MetricFigures {
            count: d.offered(),
            min: d.min().map(millis),
            mean: d.mean().map(|ns| ns / 1e6),
            max: d.max().map(millis),
            p50: quantile(0.5),
            p50_interval: interval(0.5),
            p90: quantile(0.9),
            p90_interval: interval(0.9),
            p95: quantile(0.95),
            p95_interval: interval(0.95),
            p99: quantile(0.99),
            p99_interval: interval(0.99),
            p999: quantile(0.999),
            p999_interval: interval(0.999),
            independent: (independent < d.offered()).then_some(independent),
            out_of_range: d.above(),
            hdr: (!d.is_empty()).then(|| d.to_v2_compressed_base64()),
        }
    }
}

impl MetricFigures {
    /// Returns how many of the values are independent of each other.
    pub fn independent(&self) -> u64 {
        self.independent.unwrap_or(self.count)
    }

    /// Restores the distribution, with the exact figures that are stored next to the histogram. The sum has the
    /// precision of the mean's 15 digits.
    pub fn distribution(&self) -> Result<Distribution, String> {
        if self.count == 0 {
            return Ok(Distribution::new());
        }
        let (Some(hdr), Some(min), Some(mean), Some(max)) = (&self.hdr, self.min, self.mean, self.max) else {
            return Err(format!(
                "counts {} values, but has no figures of them",
                self.count
            ));
        };
        let ns = |ms: f64| (ms * MILLISECOND as f64).round() as u64;
        let exact = Exact {
            count: self.count,
            above: self.out_of_range,
            min: ns(min),
            max: ns(max),
            mean: mean * MILLISECOND as f64,
        };
        Distribution::restored(hdr, exact).map_err(|e| e.to_string())
    }
}

/// A JSON object whose keys are names, in the order in which they were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<T> Ordered<T> {
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v))
    }
}

impl<K: Into<String>, T> FromIterator<(K, T)> for Ordered<T> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(items: I) -> Self {
        Ordered(items.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OrderedVisitor(PhantomData))
    }
}

struct OrderedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrderedVisitor<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
        let mut items: Vec<(String, T)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("`{name}` appears twice")));
            }
            items.push((name, map.next_value()?));
        }
        Ok(Ordered(items))
    }
}
