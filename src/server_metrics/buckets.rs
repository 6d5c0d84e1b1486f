//! The buckets of a histogram, and what can be said of a quantile that lies in them: no more than its bucket.

/// Counts of values by bucket: each holds what is above the end before it and not above its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Upper ends, ascending; the last one is infinite.
    pub ends: Vec<f64>,
    /// One for each end.
    pub counts: Vec<u64>,
    pub sum: f64,
}

impl Buckets {
    /// Makes buckets of the counts at or below each end, as Prometheus shows them, in any order. A count below the one
    /// before it is taken for the same, because servers read their buckets one after another. The count of all values
    /// is that of the infinite end; where that is missing, `count`.
    pub fn from_cumulative(mut below: Vec<(f64, u64)>, sum: f64, count: Option<u64>) -> Option<Buckets> {
        below.sort_by(|a, b| a.0.total_cmp(&b.0));
        below.dedup_by(|later, kept| later.0 == kept.0);
        if below.last().is_none_or(|(end, _)| end.is_finite()) {
            below.push((f64::INFINITY, count?));
        }
        let mut before = 0;
        let mut buckets = Buckets {
            sum,
            ..Buckets::default()
        };
        for (end, at_or_below) in below {
            let so_far = at_or_below.max(before);
            buckets.ends.push(end);
            buckets.counts.push(so_far - before);
            before = so_far;
        }
        Some(buckets)
    }

    pub fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the mean, which is exact: servers add up their values.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// Returns between which values the quantile lies: the ends of the bucket that has its rank. The first bucket
    /// begins at 0; the last one has no end.
    pub fn bounds(&self, q: f64) -> Option<(f64, Option<f64>)> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count);
        let mut below = 0;
        for (index, in_bucket) in self.counts.iter().enumerate() {
            below += in_bucket;
            if below >= rank {
                let low = index.checked_sub(1).map_or(0.0, |before| self.ends[before]);
                let high = Some(self.ends[index]).filter(|end| end.is_finite());
                return Some((low.min(high.unwrap_or(low)), high));
            }
        }
        None
    }

    /// Returns what came since `earlier`, and whether the server has begun anew since: then all that it has came since.
    pub fn since(&self, earlier: &Buckets) -> (Buckets, bool) {
        let falls = |(now, before): (&u64, &u64)| now < before;
        if self.ends != earlier.ends || self.counts.iter().zip(&earlier.counts).any(falls) {
            return (self.clone(), true);
        }
        let pairs = self.counts.iter().zip(&earlier.counts);
        let since = Buckets {
            ends: self.ends.clone(),
            counts: pairs.map(|(now, before)| now - before).collect(),
            sum: self.sum - earlier.sum,
        };
        (since, false)
    }

    /// Adds other values. Returns false, and adds nothing, if they were counted in other buckets.
    pub fn add(&mut self, other: &Buckets) -> bool {
        if self.ends.is_empty() {
            *self = other.clone();
            return true;
        }
        if self.ends != other.ends {
            return false;
        }
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum = sum.saturating_add(*more);
        }
        self.sum += other.sum;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(below: &[(f64, u64)], sum: f64) -> Buckets {
        Buckets::from_cumulative(below.to_vec(), sum, None).unwrap()
    }

    #[test]
    fn a_quantile_lies_in_its_bucket_and_nothing_more_is_said() {
        let found = buckets(&[(0.1, 50), (0.25, 90), (0.5, 99), (f64::INFINITY, 100)], 20.0);
        assert_eq!(found.counts, [50, 40, 9, 1]);
        for (q, expected) in [
            (0.0, (0.0, Some(0.1))),
            (0.5, (0.0, Some(0.1))),
            (0.51, (0.1, Some(0.25))),
            (0.9, (0.1, Some(0.25))),
            (0.99, (0.25, Some(0.5))),
            (1.0, (0.5, None)),
        ] {
            assert_eq!(found.bounds(q), Some(expected), "{q}");
        }
        assert_eq!(found.mean(), Some(0.2));
        assert_eq!(Buckets::default().bounds(0.5), None);
        assert_eq!(Buckets::default().mean(), None);
    }

    #[test]
    fn what_a_server_shows_in_any_order_or_without_its_last_bucket_is_read() {
        let expected = buckets(&[(1.0, 2), (2.0, 3), (f64::INFINITY, 5)], 9.0);
        let mixed = vec![(2.0, 3), (f64::INFINITY, 5), (1.0, 2)];
        assert_eq!(
            Buckets::from_cumulative(mixed, 9.0, Some(7)),
            Some(expected.clone())
        );
        let open = vec![(1.0, 2), (2.0, 3)];
        assert_eq!(
            Buckets::from_cumulative(open.clone(), 9.0, Some(5)),
            Some(expected)
        );
        assert_eq!(Buckets::from_cumulative(open, 9.0, None), None);
        // Buckets that were read one after another may fall.
        assert_eq!(
            buckets(&[(1.0, 4), (2.0, 3), (f64::INFINITY, 5)], 0.0).counts,
            [4, 0, 1]
        );
    }

    #[test]
    fn differences_see_a_server_that_began_anew() {
        let first = buckets(&[(1.0, 2), (f64::INFINITY, 5)], 9.0);
        let later = buckets(&[(1.0, 2), (f64::INFINITY, 8)], 30.0);
        let (since, anew) = later.since(&first);
        assert_eq!((since.counts.clone(), since.sum, anew), (vec![0, 3], 21.0, false));
        let (since, anew) = first.since(&later);
        assert_eq!((since, anew), (first.clone(), true));
        let mut sum = Buckets::default();
        assert!(sum.add(&first) && sum.add(&later));
        assert_eq!((sum.count(), sum.sum), (13, 39.0));
        assert!(!sum.add(&buckets(&[(2.0, 2), (f64::INFINITY, 5)], 9.0)));
    }
}
