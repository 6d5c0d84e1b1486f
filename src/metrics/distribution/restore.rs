//! Restores a distribution from a result document.

use super::{Distribution, EncodingError};
use crate::units::{MICROSECOND, Nanos};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// The first four bytes of HdrHistogram's V2 forms, compressed and plain.
const COOKIE_COMPRESSED: u32 = 0x1c84_9314;
const COOKIE: u32 = 0x1c84_9313;
/// Limit of the unpacked form. Ours has 40 bytes and at most 23,552 counters of 9 bytes; other tools have wider ranges.
const UNPACKED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest accepted precision. Five digits over 64 bits would take 50 MB of counters.
const DIGITS_MAX: u32 = 4;

/// The exact figures that a document gives with a histogram, whose buckets are not exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    /// Number of values, including those out of range.
    pub count: u64,
    /// Number of those over 1 h, which are not in the histogram.
    pub above: u64,
    pub min: Nanos,
    pub max: Nanos,
    /// Mean in nanoseconds.
    pub mean: f64,
}

impl Distribution {
    /// Restores the distribution as it was when the document was written. The sum has the precision of a float.
    pub fn restored(text: &str, exact: Exact) -> Result<Distribution, EncodingError> {
        let mut d = Distribution::from_v2_compressed_base64(text)?;
        let total = d.offered().checked_add(exact.above);
        let (min, max) = (exact.min as f64, exact.max as f64);
        // Rounding of the mean by an ulp is not a mismatch.
        let is_mean = exact.mean >= min * (1.0 - 1e-12) && exact.mean <= max * (1.0 + 1e-12);
        // The start of a bucket differs from its values by at most its width and the rounding to a microsecond.
        let near = |bucket: Nanos, ns: Nanos| bucket.abs_diff(ns) <= ns / 500 + 2 * MICROSECOND;
        let is_min = d.min().is_none_or(|least| near(least, exact.min));
        let is_max = exact.above > 0 || d.max().is_none_or(|most| near(most, exact.max));
        if total != Some(exact.count) || exact.count == 0 || !is_mean || !is_min || !is_max {
            return Err(EncodingError::Disagrees);
        }
        (d.min_ns, d.max_ns, d.above) = (exact.min, exact.max, exact.above);
        d.sum_ns = (exact.mean * exact.count as f64).round() as u128;
        Ok(d)
    }

    /// Returns the width of the bucket that [`Self::quantile`] uses, which is the largest possible error. It is 0 if
    /// the result is the exact min or max.
    pub fn bucket_width_at(&self, q: f64) -> Option<Nanos> {
        let value = self.quantile(q)?;
        if self.max() == Some(value) || self.min() == Some(value) {
            return Some(0);
        }
        let h = self.histogram.as_ref()?;
        let us = super::to_us(value);
        Some((h.highest_equivalent(us) - h.lowest_equivalent(us) + 1) * MICROSECOND)
    }
}

/// Unpacks the plain V2 form and checks what its decoder trusts: with a damaged length, it would reserve 4 GiB.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, EncodingError> {
    let read_u32 = |bytes: &[u8], at: usize| {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(four))
    };
    if read_u32(bytes, 0) != Some(COOKIE_COMPRESSED) {
        return Err(EncodingError::NotHdrV2);
    }
    let packed = bytes.get(8..).ok_or(EncodingError::NotHdrV2)?;
    let mut plain = Vec::new();
    ZlibDecoder::new(packed)
        .take(UNPACKED_BYTES_MAX as u64)
        .read_to_end(&mut plain)
        .map_err(|_| EncodingError::NotHdrV2)?;
    let counters = read_u32(&plain, 4).map(|n| n as usize);
    let is_sound = read_u32(&plain, 0) == Some(COOKIE)
        && counters.is_some_and(|n| plain.len() == 40 + n)
        && read_u32(&plain, 12).is_some_and(|digits| digits <= DIGITS_MAX)
        // This is the only number that the decoder cannot negate.
        && !plain[40..].windows(9).any(|w| w == [0xff; 9]);
    if is_sound {
        Ok(plain)
    } else {
        Err(EncodingError::NotHdrV2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Distribution {
        let mut d = Distribution::new();
        for ns in [
            1_500,
            2_000_400,
            3_999_999_999,
            3_600_000_000_001,
            4_000_000_000_000,
        ] {
            d.record(ns);
        }
        d
    }

    fn exact(d: &Distribution) -> Exact {
        Exact {
            count: d.offered(),
            above: d.above(),
            min: d.min().unwrap(),
            max: d.max().unwrap(),
            mean: d.mean().unwrap(),
        }
    }

    #[test]
    fn a_restored_distribution_is_the_one_that_was_written() {
        let d = some();
        let again = Distribution::restored(&d.to_v2_compressed_base64(), exact(&d)).unwrap();
        assert_eq!(exact(&again), exact(&d));
        for q in [0.0, 0.3, 0.5, 0.61, 0.9, 1.0] {
            assert_eq!(again.quantile(q), d.quantile(q));
        }
    }

    #[test]
    fn figures_of_other_values_are_refused() {
        let d = some();
        let text = d.to_v2_compressed_base64();
        let right = exact(&d);
        for wrong in [
            Exact { count: 6, ..right },
            Exact { above: 0, ..right },
            Exact { min: 9_000, ..right },
            Exact { mean: 1e15, ..right },
            Exact {
                mean: f64::NAN,
                ..right
            },
        ] {
            assert_eq!(
                Distribution::restored(&text, wrong).err(),
                Some(EncodingError::Disagrees),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_damaged_length_reserves_no_gigabytes() {
        use base64::Engine as _;
        use std::io::Write as _;
        let b64 = &super::super::BASE64;
        let bytes = b64.decode(some().to_v2_compressed_base64()).unwrap();
        let mut plain = unpack(&bytes).unwrap();
        plain[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut packed = bytes[..8].to_vec();
        let mut writer = flate2::write::ZlibEncoder::new(&mut packed, flate2::Compression::fast());
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
        let text = b64.encode(packed);
        assert_eq!(
            Distribution::from_v2_compressed_base64(&text).err(),
            Some(EncodingError::NotHdrV2)
        );
    }

    #[test]
    fn a_bucket_is_a_thousandth_wide_and_the_extremes_are_exact() {
        let mut d = Distribution::new();
        for ms in 1..=1000u64 {
            d.record(ms * 1_000_000);
        }
        assert_eq!(d.bucket_width_at(1.0), Some(0));
        let width = d.bucket_width_at(0.5).unwrap();
        assert_eq!(
            width, 256_000,
            "500 ms lies in 2^18 to 2^19 us: buckets of 256 us"
        );
    }
}
