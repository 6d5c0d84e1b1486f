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
/// if the VUs share the iterations, one bit per request, and one number per session or pair.
pub struct DetailCheck<'a> {
    part: &'a Part,
    count: u64,
    /// The last request of each VU: its iteration, and which turn or half of that it is.
    last: HashMap<u32, (u64, u16)>,
    /// The last turn or half of each of those that have some and are numbered over all VUs, by kind and number.
    last_parts: HashMap<(usize, u64), u16>,
    /// One bit for each request that is numbered over all VUs, by its kind if each kind has numbers of its own.
    marked: Vec<Vec<u64>>,
}

impl<'a> DetailCheck<'a> {
    pub fn new(part: &'a Part) -> DetailCheck<'a> {
        DetailCheck {
            part,
            count: 0,
            last: HashMap::new(),
            last_parts: HashMap::new(),
            marked: Vec::new(),
        }
    }

    /// Takes the next request. Fails if it is not one of this part's, or was listed before.
    pub fn take(&mut self, detail: &Detail) -> Result<(), Reason> {
        let id = &detail.request_id;
        // The turns of a session and the halves of a pair are numbered from 1, and come one after the other.
        let (group, part) = match id.split_once('.') {
            Some((group, part)) => (group, part.parse::<u16>().ok().filter(|part| *part > 0)),
            None => (id.as_str(), Some(0)),
        };
        let is_new = match self.part.request(group).zip(part) {
            Some((Request::ByVu { vu, iteration }, part)) => {
                // A VU makes one request after the other, and one core records them all.
                let now = (iteration, part);
                let before = self.last.insert(vu, now);
                before.is_none_or(|before| before < now)
            }
            Some((Request::Shared { kind, index }, 0)) => self.mark(kind, index),
            Some((Request::Shared { kind, index }, part)) => {
                let before = self.last_parts.insert((kind, index), part);
                before.is_none_or(|before| before < part)
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
