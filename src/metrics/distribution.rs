//! How the values of one metric are spread, in bounded memory.

use crate::units::{MICROSECOND, Nanos, SECOND};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

mod restore;

pub use restore::Exact;

/// 1 h. Longer values are counted in `above`.
pub const HIGHEST_US: u64 = 3_600 * SECOND / MICROSECOND;
/// A bucket is at most 0.1 % of its value wide.
pub const SIGNIFICANT_DIGITS: u8 = 3;
/// A compressed histogram of this shape is at most 23,552 counters of 9 bytes: the bound of what is read back.
const ENCODED_BYTES_MAX: usize = 512 * 1024;

/// Offered values are nanoseconds. They are counted in a histogram of microseconds, rounded to the nearest,
/// 0 included; sum, min and max stay exact. What is over 1 h is not in the histogram, but it is in `above`,
/// `sum`, `max` and the quantiles, so nothing is dropped: `in_range + above = offered`.
///
/// The 190 KB of counters are allocated with the first value.
#[derive(Clone, Default)]
pub struct Distribution {
    histogram: Option<Box<Histogram<u64>>>,
    in_range: u64,
    above: u64,
    /// u128: 2^64 ns are 584 years of latency, which a day of 10,000 VUs at 1 h each does not reach, but a
    /// single absurd value (a stepped clock) would.
    sum_ns: u128,
    /// Meaningless while nothing was offered.
    min_ns: Nanos,
    max_ns: Nanos,
}

impl Distribution {
    pub fn new() -> Self {
        Self::default()
    }

    /// False: the value was over the range and is counted in `above`.
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

    /// The result is the same for any order and grouping of parts.
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

    /// These values without `part`, which are some of them. Counts and sum stay exact; an extreme that was the
    /// part's becomes that of the nearest bucket left, at most 0.1 % off.
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
                .expect("a part holds no value that the whole lacks");
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

    /// Empty again; keeps its memory.
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

    /// Values offered, those out of range included.
    pub fn offered(&self) -> u64 {
        self.in_range + self.above
    }

    /// Values over 1 h. There is no lower bound to fall under: 0 is in range.
    pub fn above(&self) -> u64 {
        self.above
    }

    pub fn is_empty(&self) -> bool {
        self.offered() == 0
    }

    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// Exact.
    pub fn min(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(self.min_ns)
    }

    /// Exact, out of range included.
    pub fn max(&self) -> Option<Nanos> {
        (!self.is_empty()).then_some(self.max_ns)
    }

    /// Exact, in nanoseconds.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum_ns as f64 / self.offered() as f64)
    }

    /// The value of rank `ceil(q * offered)`, at least rank 1: the least value that at least the share `q` of
    /// the values do not exceed (no interpolation). It is the upper end of that value's bucket, at most 0.1 %
    /// above it, kept between the exact min and max. A rank among the values over 1 h gives the max.
    pub fn quantile(&self, q: f64) -> Option<Nanos> {
        let offered = self.offered();
        if offered == 0 {
            return None;
        }
        let rank = rank(q, offered);
        if rank > self.in_range {
            return Some(self.max_ns);
        }
        let h = self.histogram.as_ref()?;
        // The middle of the rank's step, so that rounding of the product can't reach the next rank.
        let us = h.value_at_quantile((rank as f64 - 0.5) / self.in_range as f64);
        Some((us * MICROSECOND).clamp(self.min_ns, self.max_ns))
    }

    /// Adds to `counts[i]` how many values lie above `bounds[i - 1]` up to `bounds[i]`, to 0.1 % of a bound. Bounds
    /// ascend; what is above the last of them is in no count.
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

    /// The values in ascending order, as (value, how often): upper ends of buckets, kept between the exact min and
    /// max as [`Self::quantile`] does; what is over 1 h comes last, as the max.
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

    /// Base64 of the HdrHistogram V2 compressed form, microseconds; what is above the range is not in it.
    pub fn to_v2_compressed_base64(&self) -> String {
        let mut bytes = Vec::new();
        let encoded = match &self.histogram {
            Some(h) => V2DeflateSerializer::new().serialize(h.as_ref(), &mut bytes),
            None => V2DeflateSerializer::new().serialize(empty_histogram().as_ref(), &mut bytes),
        };
        encoded.expect("writing to memory does not fail, and u64 counters fit the format");
        BASE64.encode(bytes)
    }

    /// Reads what [`Self::to_v2_compressed_base64`] wrote, or another tool with the same unit. Sum, min and max
    /// are then those of the buckets, no longer exact.
    pub fn from_v2_compressed_base64(text: &str) -> Result<Distribution, EncodingError> {
        if text.len() > ENCODED_BYTES_MAX {
            return Err(EncodingError::TooLong { bytes: text.len() });
        }
        let bytes = BASE64.decode(text).map_err(|_| EncodingError::NotBase64)?;
        let payload = restore::unpacked(&bytes)?;
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

/// Why a text is no distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodingError {
    TooLong {
        bytes: usize,
    },
    NotBase64,
    NotHdrV2,
    /// The figures beside the histogram are not those of its values.
    Disagrees,
}

impl std::fmt::Display for EncodingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EncodingError::TooLong { bytes } => write!(
                f,
                "encoded histogram of {bytes} bytes: longer than the maximum, {ENCODED_BYTES_MAX}"
            ),
            EncodingError::NotBase64 => write!(f, "encoded histogram: not base64"),
            EncodingError::NotHdrV2 => {
                write!(f, "encoded histogram: not an HdrHistogram V2 compressed form")
            }
            EncodingError::Disagrees => write!(
                f,
                "encoded histogram: count, min, mean or max beside it are not those of its values"
            ),
        }
    }
}

impl std::error::Error for EncodingError {}

/// To the nearest microsecond, halves up.
#[inline]
fn to_us(ns: Nanos) -> u64 {
    ns / MICROSECOND + u64::from(ns % MICROSECOND >= MICROSECOND / 2)
}

fn rank(q: f64, n: u64) -> u64 {
    // The product of a decimal fraction can lie an ulp or two above the whole number it means (0.07 * 100 is
    // 7.000000000000001), and must not be taken for rank 8.
    let product = q.clamp(0.0, 1.0) * n as f64;
    let whole = product.round();
    let rank = if (product - whole).abs() <= 4.0 * f64::EPSILON * product {
        whole
    } else {
        product.ceil()
    };
    (rank as u64).clamp(1, n)
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
