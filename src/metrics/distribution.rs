//! Keeps the distribution of one metric's values in bounded memory.

use crate::stats::ranks_among;
use crate::units::{MICROSECOND, Nanos, SECOND};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

mod exchanged;
mod restore;

pub use restore::Exact;

/// Largest value in the histogram: 1 h. Longer values are counted in `above`.
pub const HIGHEST_US: u64 = 3_600 * SECOND / MICROSECOND;
/// Precision of the histogram: a bucket is at most 0.1 % of its value wide.
pub const SIGNIFICANT_DIGITS: u8 = 3;
/// Limit of the text that is read back. A compressed histogram of this shape has at most 23,552 counters of 9 bytes.
const ENCODED_BYTES_MAX: usize = 512 * 1024;

/// A distribution of times. Offered values are in nanoseconds. They are counted in a histogram of microseconds, rounded
/// to the nearest, including 0; sum, min and max stay exact. Values over 1 h are not in the histogram, but in `above`,
/// `sum`, `max` and the quantiles, so that nothing is dropped: `in_range + above = offered`.
///
/// The 190 KB of counters are allocated with the first value.
#[derive(Clone, Default)]
pub struct Distribution {
    histogram: Option<Box<Histogram<u64>>>,
    in_range: u64,
    above: u64,
    /// It is a u128 because 2^64 ns are 584 years: a day of 10,000 VUs does not reach that, but a single absurd value
    /// (from a stepped clock) would.
    sum_ns: u128,
    /// Not meaningful while nothing has been offered.
    min_ns: Nanos,
    max_ns: Nanos,
}

impl Distribution {
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a value. Returns false if it is above the range and was counted in `above`.
    #[inline]
    pub fn record(&mut self, ns: Nanos) -> bool {
        if self.offered() == 0 {
            (self.min_ns, self.max_ns) = (ns, ns);
        } else {
            self.min_ns = self.min_ns.min(ns);
            self.max_ns = self.max_ns.max(ns);
        }
        self.sum_ns += u128::from(ns);
        let us = to_us(ns);
        if us > HIGHEST_US {
            self.above += 1;
            return false;
        }
        self.in_range += 1;
        self.histogram
            .get_or_insert_with(empty_histogram)
            .record(us)
            .expect("a value up to HIGHEST_US fits the histogram");
        true
    }

    /// Adds the values of another distribution. The result is the same for any order and grouping.
    pub fn merge(&mut self, other: &Distribution) {
        let Distribution {
            histogram,
            in_range,
            above,
            sum_ns,
            min_ns,
            max_ns,
        } = other;
        if other.offered() == 0 {
            return;
        }
        if self.offered() == 0 {
            (self.min_ns, self.max_ns) = (*min_ns, *max_ns);
        } else {
            self.min_ns = self.min_ns.min(*min_ns);
            self.max_ns = self.max_ns.max(*max_ns);
        }
        self.in_range += in_range;
        self.above += above;
        self.sum_ns += sum_ns;
        if let (Some(from), true) = (histogram, *in_range > 0) {
            self.histogram
                .get_or_insert_with(empty_histogram)
                .add(from.as_ref())
                .expect("both histograms have the same range");
        }
    }

    /// Returns these values without those of `part`, which must be among them. Counts and sum stay exact. An extreme
    /// that belonged to the part becomes that of the nearest bucket left, at most 0.1 % off.
    pub fn minus(&self, part: &Distribution) -> Distribution {
        if part.is_empty() {
            return self.clone();
        }
        let mut rest = self.clone();
        rest.in_range -= part.in_range;
        rest.above -= part.above;
        rest.sum_ns -= part.sum_ns;
        if rest.is_empty() {
            return Distribution::new();
        }
        if let (Some(whole), Some(less)) = (&mut rest.histogram, &part.histogram) {
            whole
                .subtract(less.as_ref())
                .expect("every value of a part is in the whole");
        }
        let buckets = rest.histogram.as_ref().filter(|_| rest.in_range > 0);
        if part.min_ns == self.min_ns {
            let us = buckets.map_or(HIGHEST_US, |h| h.lowest_equivalent(h.min()));
            rest.min_ns = (us * MICROSECOND).clamp(self.min_ns, self.max_ns);
        }
        if part.max_ns == self.max_ns
            && rest.above == 0
            && let Some(h) = buckets
        {
            rest.max_ns = (h.max() * MICROSECOND).clamp(rest.min_ns, self.max_ns);
        }
        rest
    }

    /// Empties the distribution and keeps its memory.
    pub fn reset(&mut self) {
        if self.offered() == 0 {
            return;
        }
        let mut histogram = self.histogram.take();
        if self.in_range > 0
            && let Some(h) = &mut histogram
        {
            h.reset();
        }
        *self = Distribution {
            histogram,
            ..Self::default()
        };
    }

    /// Returns the number of values offered, including those out of range.
    pub fn offered(&self) -> u64 {
        self.in_range + self.above
    }

    /// Returns the number of values over 1 h. There is no lower bound: 0 is in range.
    pub fn above(&self) -> u64 {
        self.above
    }

    pub fn is_empty(&self) -> bool {
        self.offered() == 0
    }

    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// Returns the exact minimum.
    pub fn min(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(self.min_ns)
    }

    /// Returns the exact maximum, including values out of range.
    pub fn max(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(self.max_ns)
    }

    /// Returns the exact mean in nanoseconds.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum_ns as f64 / self.offered() as f64)
    }

    /// Returns the value of rank `ceil(q * offered)`, at least rank 1. It is the smallest value that at least a share
    /// `q` of the values do not exceed (without interpolation). The result is the upper end of that value's bucket, at
    /// most 0.1 % above it, and always between the exact min and max. A rank among the values over 1 h gives the max.
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        self.at_rank(rank(q, self.offered()))
    }

    /// Returns the two values between which quantile `q` of all that this is a sample of lies with 95 % confidence, by
    /// order statistics; `None` if there are too few values for that. Of the values only `independent` are independent
    /// of each other. Ends are given as [`Self::quantile`] gives values, which is never outside them.
    pub fn interval(&self, q: f64, independent: u64) -> Option<(Nanos, Nanos)> {
        let (lower, upper) = ranks_among(q, self.offered(), independent)?;
        let own = rank(q, self.offered());
        Some((self.at_rank(lower.min(own))?, self.at_rank(upper.max(own))?))
    }

    /// Returns the value of a rank, from 1 to the number of values.
    pub(super) fn at_rank(&self, rank: u64) -> Option<Nanos> {
        if self.is_empty() {
            return None;
        }
        if rank > self.in_range {
            return Some(self.max_ns);
        }
        let h = self.histogram.as_ref()?;
        // The middle of the rank's step, so that rounding cannot reach the next rank.
        let us = h.value_at_quantile((rank as f64 - 0.5) / self.in_range as f64);
        Some((us * MICROSECOND).clamp(self.min_ns, self.max_ns))
    }

    /// Adds to `counts[i]` the number of values above `bounds[i - 1]` and up to `bounds[i]`, accurate to 0.1 % of a
    /// bound. Bounds must ascend. Values above the last one are not counted.
    pub fn count_into(&self, bounds: &[Nanos], counts: &mut [u64]) {
        let Some(h) = self.histogram.as_ref().filter(|_| self.in_range > 0) else {
            return;
        };
        let mut at = 0;
        for step in h.iter_recorded() {
            let ns = h.lowest_equivalent(step.value_iterated_to()) * MICROSECOND;
            while at < bounds.len() && bounds[at] < ns {
                at += 1;
            }
            if at == bounds.len() {
                return;
            }
            counts[at] += step.count_at_value();
        }
    }

    /// Returns the values in ascending order, as (value, count). Values are upper ends of buckets between the exact min
    /// and max, as in [`Self::quantile`]. Those over 1 h come last, as the max.
    pub fn steps(&self) -> Vec<(Nanos, u64)> {
        let clamped = |us: u64| (us * MICROSECOND).clamp(self.min_ns, self.max_ns);
        let recorded = self.histogram.iter().filter(|_| self.in_range > 0);
        let in_range = recorded.flat_map(|h| h.iter_recorded());
        let mut steps: Vec<(Nanos, u64)> = in_range
            .map(|step| (clamped(step.value_iterated_to()), step.count_at_value()))
            .collect();
        if self.above > 0 {
            steps.push((self.max_ns, self.above));
        }
        steps
    }

    /// Encodes the histogram of microseconds in base64 of HdrHistogram's V2 compressed form, without values above the
    /// range.
    pub fn to_v2_compressed_base64(&self) -> String {
        let mut bytes = Vec::new();
        let encoded = match &self.histogram {
            Some(h) => V2DeflateSerializer::new().serialize(h.as_ref(), &mut bytes),
            None => V2DeflateSerializer::new().serialize(empty_histogram().as_ref(), &mut bytes),
        };
        encoded.expect("writing to memory does not fail, and u64 counters fit the format");
        BASE64.encode(bytes)
    }

    /// Decodes a text from [`Self::to_v2_compressed_base64`] or from another tool with the same unit. Sum, min and max
    /// come from the buckets and are no longer exact.
    pub fn from_v2_compressed_base64(text: &str) -> Result<Distribution, EncodingError> {
        if text.len() > ENCODED_BYTES_MAX {
            return Err(EncodingError::TooLong { bytes: text.len() });
        }
        let bytes = BASE64.decode(text).map_err(|_| EncodingError::NotBase64)?;
        let payload = restore::unpack(&bytes)?;
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut payload.as_slice())
            .map_err(|_| EncodingError::NotHdrV2)?;
        let total = read
            .iter_recorded()
            .try_fold(0u64, |sum, step| sum.checked_add(step.count_at_value()));
        total.ok_or(EncodingError::NotHdrV2)?;
        let mut d = Distribution::new();
        for step in read.iter_recorded() {
            let (us, count) = (step.value_iterated_to(), step.count_at_value());
            d.record_decoded(read.lowest_equivalent(us), count);
        }
        Ok(d)
    }

    fn record_decoded(&mut self, us: u64, count: u64) {
        let ns = us.saturating_mul(MICROSECOND);
        if self.is_empty() {
            (self.min_ns, self.max_ns) = (ns, ns);
        }
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns += u128::from(ns) * u128::from(count);
        if us > HIGHEST_US {
            self.above += count;
            return;
        }
        self.in_range += count;
        self.histogram
            .get_or_insert_with(empty_histogram)
            .record_n(us, count)
            .expect("a value up to HIGHEST_US fits the histogram");
    }
}

impl std::fmt::Debug for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distribution")
            .field("in_range", &self.in_range)
            .field("above", &self.above)
            .field("min_ns", &self.min())
            .field("max_ns", &self.max())
            .finish()
    }
}

/// The reason why a text is not a valid distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodingError {
    TooLong {
        bytes: usize,
    },
    NotBase64,
    NotHdrV2,
    /// The figures given with the histogram do not match its values.
    Disagrees,
}

impl std::fmt::Display for EncodingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EncodingError::TooLong { bytes } => write!(
                f,
                "encoded histogram: has {bytes} bytes; the limit is {ENCODED_BYTES_MAX}"
            ),
            EncodingError::NotBase64 => write!(f, "encoded histogram: not base64"),
            EncodingError::NotHdrV2 => {
                write!(f, "encoded histogram: not in HdrHistogram's V2 compressed form")
            }
            EncodingError::Disagrees => write!(
                f,
                "encoded histogram: its values do not match the count, min, mean or max given with it"
            ),
        }
    }
}

impl std::error::Error for EncodingError {}

/// Rounds to the nearest microsecond, halves up.
#[inline]
fn to_us(ns: Nanos) -> u64 {
    ns / MICROSECOND + u64::from(ns % MICROSECOND >= MICROSECOND / 2)
}

pub(super) fn rank(q: f64, n: u64) -> u64 {
    // The product of a decimal fraction can be an ulp or two above the exact whole number (0.07 * 100 is
    // 7.000000000000001), and must not become rank 8.
    let product = q.clamp(0.0, 1.0) * n as f64;
    let whole = product.round();
    let rank = if (product - whole).abs() <= 4.0 * f64::EPSILON * product {
        whole
    } else {
        product.ceil()
    };
    (rank as u64).clamp(1, n.max(1))
}

fn empty_histogram() -> Box<Histogram<u64>> {
    Box::new(
        Histogram::new_with_bounds(1, HIGHEST_US, SIGNIFICANT_DIGITS)
            .expect("1 us to 1 h with 3 digits is a valid histogram"),
    )
}

#[cfg(test)]
#[path = "distribution_tests.rs"]
mod tests;
