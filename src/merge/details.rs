//! The check that a part lists its own requests, each of them once.

use crate::error::Reason;
use crate::merge::Part;
use crate::merge::part::WRITTEN_BY_OUTPUT;
use crate::plan::KINDS_MAX;
use crate::result::Detail;
use std::collections::HashMap;

/// The number of shared iterations up to which each is marked: 128 MiB of bits. Beyond it repetitions go unnoticed.
const MARKED_MAX: u64 = 1 << 30;

/// Checks the requests of one part in the order in which its document lists them. It remembers one number per VU or,
/// if the VUs share the iterations, one bit per request, and for each session or pair which of its requests came.
pub struct DetailCheck<'a> {
    part: &'a Part,
    count: u64,
    /// The last iteration of each VU, and which of its requests were listed.
    last: HashMap<u32, (u64, Parts)>,
    /// The requests of each session or pair that is numbered over all VUs, by kind and number.
    parts: HashMap<(usize, u64), Parts>,
    /// One bit for each request that is numbered over all VUs, by its kind if each kind has numbers of its own.
    marked: Vec<Vec<u64>>,
}

impl<'a> DetailCheck<'a> {
    pub fn new(part: &'a Part) -> DetailCheck<'a> {
        DetailCheck {
            part,
            count: 0,
            last: HashMap::new(),
            parts: HashMap::new(),
            marked: Vec::new(),
        }
    }

    /// Takes the next request. Fails if it is not one of this part's, or was listed before.
    pub fn take(&mut self, detail: &Detail) -> Result<(), Reason> {
        let id = &detail.request_id;
        // The requests of a session or pair are numbered from 1. Those of a session may be in flight side by side, so
        // they need not end in that order.
        let (group, part) = match id.split_once('.') {
            Some((group, part)) => (group, part.parse::<u16>().ok().filter(|part| *part > 0)),
            None => (id.as_str(), Some(0)),
        };
        let is_new = match self.part.request(group).zip(part) {
            Some((Request::ByVu { vu, iteration }, part)) => {
                // A VU makes one iteration after the other, and one core records them all.
                let (last, parts) = self.last.entry(vu).or_default();
                if iteration > *last {
                    (*last, *parts) = (iteration, Parts::default());
                }
                iteration == *last && parts.take(part)
            }
            Some((Request::Shared { kind, index }, 0)) => self.mark(kind, index),
            Some((Request::Shared { kind, index }, part)) => {
                self.parts.entry((kind, index)).or_default().take(part)
            }
            None => {
                let what = format!("request `{id}` is not one of shard {}", self.part.shard);
                return Err(self.part.bad_figure(&self.key(), &what));
            }
        };
        if !is_new {
            let what = format!("request `{id}` is listed twice, or after a later request of its VU");
            return Err(self.part.bad_figure(&self.key(), &what));
        }
        self.count += 1;
        Ok(())
    }

    /// Marks a shared iteration; returns false if it was marked before.
    fn mark(&mut self, kind: usize, index: u64) -> bool {
        if index >= MARKED_MAX {
            return true;
        }
        if self.marked.len() <= kind {
            self.marked.resize(kind + 1, Vec::new());
        }
        let marked = &mut self.marked[kind];
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if marked.len() <= word {
            marked.resize(word + 1, 0);
        }
        let is_new = marked[word] & bit == 0;
        marked[word] |= bit;
        is_new
    }

    fn key(&self) -> String {
        format!("details[{}]", self.count)
    }

    /// Checks that all requests that have ended by the document's count were listed, except for those that it reports
    /// as lost.
    pub fn finish(self) -> Result<(), Reason> {
        let document = &self.part.document;
        let (requests, lost) = (document.totals.requests, document.client.details_lost);
        if self.count.checked_add(lost) == requests.checked_sub(document.totals.in_flight) {
            return Ok(());
        }
        let what = format!(
            "{} requests are listed, but {requests} were counted, of which {lost} were lost",
            self.count
        );
        Err(Reason::new(format!("{}: `details`: {what}", self.part.name)).hint(WRITTEN_BY_OUTPUT))
    }
}

/// Which requests of an iteration were listed, by their numbers in it.
#[derive(Default)]
struct Parts {
    /// So many of the first ones were: of a session whose turns come one after the other, all.
    first: u16,
    /// The others, of which there are at most as many as are in flight side by side.
    others: Vec<u16>,
    /// It was listed as one request without a number.
    whole: bool,
}

impl Parts {
    /// Takes the request with this number, 0 for one that has none; returns false if it was listed before.
    fn take(&mut self, part: u16) -> bool {
        if part == 0 {
            let is_new = !self.whole && self.first == 0 && self.others.is_empty();
            self.whole = true;
            return is_new;
        }
        if self.whole || part <= self.first || self.others.contains(&part) {
            return false;
        }
        self.others.push(part);
        while let Some(next) = self
            .others
            .iter()
            .position(|other| Some(*other) == self.first.checked_add(1))
        {
            self.others.swap_remove(next);
            self.first += 1;
        }
        true
    }
}

/// The identity of a request within its part.
pub(super) enum Request {
    ByVu {
        vu: u32,
        iteration: u64,
    },
    /// One of the iterations that the VUs of this part share, by its number, and by its kind if kinds are numbered
    /// apart.
    Shared {
        kind: usize,
        index: u64,
    },
}

impl Part {
    /// Reads an id: `v12-3` is iteration 3 of VU 12, `i12` is number 12 of the iterations that all VUs share, `k2-12`
    /// number 12 of those of kind 2. Returns `None` if the request is not one of this shard's.
    pub(super) fn request(&self, id: &str) -> Option<Request> {
        if let Some(iteration) = id.strip_prefix('i') {
            let n: u64 = iteration.parse().ok()?;
            let index = n / u64::from(self.shard.count());
            return self
                .shard
                .has_iteration(n)
                .then_some(Request::Shared { kind: 0, index });
        }
        if let Some(id) = id.strip_prefix('k') {
            let (kind, n) = id.split_once('-')?;
            let (kind, n): (usize, u64) = (kind.parse().ok()?, n.parse().ok()?);
            let index = n / u64::from(self.shard.count());
            // As in `plan::Arrivals`, each kind begins with another shard.
            let turn = n.checked_add(kind as u64)?;
            let is_mine = kind < KINDS_MAX && self.shard.has_iteration(turn);
            return is_mine.then_some(Request::Shared { kind, index });
        }
        let (vu, iteration) = id.strip_prefix('v')?.split_once('-')?;
        let (vu, iteration) = (vu.parse().ok()?, iteration.parse().ok()?);
        self.shard.has_vu(vu).then_some(Request::ByVu { vu, iteration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(parts: &[u16]) -> Vec<bool> {
        let mut seen = Parts::default();
        parts.iter().map(|part| seen.take(*part)).collect()
    }

    #[test]
    fn requests_of_a_session_are_listed_once_each_in_any_order() {
        assert_eq!(taken(&[1, 2, 3]), [true; 3]);
        assert_eq!(taken(&[1, 3, 4, 2, 5]), [true; 5]);
        assert_eq!(
            taken(&[2, 3, 2, 1, 3, 1]),
            [true, true, false, true, false, false]
        );
        assert_eq!(taken(&[u16::MAX, 1, u16::MAX]), [true, true, false]);
    }

    #[test]
    fn an_iteration_is_one_request_or_has_numbered_ones() {
        assert_eq!(taken(&[0, 0]), [true, false]);
        assert_eq!(taken(&[0, 1]), [true, false]);
        assert_eq!(taken(&[1, 0]), [true, false]);
    }

    #[test]
    fn what_came_in_order_takes_no_memory() {
        let mut seen = Parts::default();
        assert!((1..=u16::MAX).all(|part| seen.take(part)));
        assert!(seen.others.is_empty() && !seen.take(u16::MAX));
    }
}
