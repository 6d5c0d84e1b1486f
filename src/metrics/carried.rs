//! Forms in which figures go from one process to another: exact, and without what is empty.

/// Counts of which most are 0: those that are not, with their places.
pub mod counts {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(counts: &[u64; N], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(counts.iter().enumerate().filter(|(_, n)| **n > 0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u64; N], D::Error> {
        let mut counts = [0; N];
        for (place, n) in Vec::<(usize, u64)>::deserialize(from)? {
            let count = counts.get_mut(place);
            *count.ok_or_else(|| D::Error::custom(format!("there is no count {place} of {N}")))? = n;
        }
        Ok(counts)
    }
}

/// Distributions of which most are empty: those that are not, with their places.
pub mod distributions {
    use crate::metrics::Distribution;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(
        all: &[Distribution; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().enumerate().filter(|(_, values)| !values.is_empty()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[Distribution; N], D::Error> {
        let mut all = std::array::from_fn(|_| Distribution::new());
        for (place, values) in Vec::<(usize, Distribution)>::deserialize(from)? {
            let known = all.get_mut(place);
            *known.ok_or_else(|| D::Error::custom(format!("there is no distribution {place} of {N}")))? =
                values;
        }
        Ok(all)
    }
}

/// Sums of 128 bits, which JSON does not have: their upper and their lower half.
pub mod wide {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(sum: &u128, to: S) -> Result<S::Ok, S::Error> {
        [(sum >> 64) as u64, *sum as u64].serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let [upper, lower] = <[u64; 2]>::deserialize(from)?;
        Ok(u128::from(upper) << 64 | u128::from(lower))
    }
}
