//! Whether a part lists its own requests, each of them once.

use crate::error::Reason;
use crate::merge::Part;
use crate::merge::part::WRITTEN_BY_OUTPUT;
use crate::result::Detail;
use std::collections::HashMap;

/// Iterations that all VUs share are marked one by one up to here: 128 MiB of bits.
const MARKED_MAX: u64 = 1 << 30;

/// Follows the requests of one part as its document lists them. What it remembers is one number a VU; where all
/// VUs share the iterations, one bit a request.
pub struct Listed<'a> {
    part: &'a Part,
    count: u64,
    /// Of each VU, its next iteration.
    next: HashMap<u32, u64>,
    marked: Vec<u64>,
}

impl<'a> Listed<'a> {
    pub fn new(part: &'a Part) -> Listed<'a> {
        Listed {
            part,
            count: 0,
            next: HashMap::new(),
            marked: Vec::new(),
        }
    }

    /// Takes the next request. `Err`: it is none of this part's, or was there before.
    pub fn take(&mut self, detail: &Detail) -> Result<(), Reason> {
        let id = &detail.request_id;
        let is_new = match self.part.request(id) {
            Some(Request::OfVu { vu, iteration }) => {
                // A VU makes one request after the other, and one core records them all.
                let next = self.next.entry(vu).or_default();
                let is_new = iteration >= *next;
                *next = iteration.saturating_add(1);
                is_new
            }
            Some(Request::OfAll { index }) => self.mark(index),
            None => {
                let what = format!("request `{id}` is not one of shard {}", self.part.shard);
                return Err(self.part.wrong(&self.key(), &what));
            }
        };
        if !is_new {
            let what = format!("request `{id}` is listed twice, or behind a later one of its VU");
            return Err(self.part.wrong(&self.key(), &what));
        }
        self.count += 1;
        Ok(())
    }

    /// False: marked before.
    fn mark(&mut self, index: u64) -> bool {
        if index >= MARKED_MAX {
            return true;
        }
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.marked.len() <= word {
            self.marked.resize(word + 1, 0);
        }
        let is_new = self.marked[word] & bit == 0;
        self.marked[word] |= bit;
        is_new
    }

    fn key(&self) -> String {
        format!("details[{}]", self.count)
    }

    /// All that have ended by the document's count have to be there, but for those that it says it has lost.
    pub fn end(self) -> Result<(), Reason> {
        let document = &self.part.document;
        let (requests, lost) = (document.totals.requests, document.client.details_lost);
        if self.count.checked_add(lost) == requests.checked_sub(document.totals.in_flight) {
            return Ok(());
        }
        let what = format!(
            "{} requests are listed, {requests} were counted and {lost} lost",
            self.count
        );
        Err(Reason::new(format!("{}: `details`: {what}", self.part.name)).hint(WRITTEN_BY_OUTPUT))
    }
}

/// Which one a request is.
pub(super) enum Request {
    OfVu {
        vu: u32,
        iteration: u64,
    },
    /// Of the iterations of this part that its VUs share, by number.
    OfAll {
        index: u64,
    },
}

impl Part {
    /// By its VU where its id is `v12-3`, by its number among those that all VUs share where it is `i12`. `None`: it
    /// is not one of this shard's.
    pub(super) fn request(&self, id: &str) -> Option<Request> {
        if let Some(iteration) = id.strip_prefix('i') {
            let n: u64 = iteration.parse().ok()?;
            let index = n / u64::from(self.shard.count());
            return self.shard.has_iteration(n).then_some(Request::OfAll { index });
        }
        let (vu, iteration) = id.strip_prefix('v')?.split_once('-')?;
        let (vu, iteration) = (vu.parse().ok()?, iteration.parse().ok()?);
        self.shard.has_vu(vu).then_some(Request::OfVu { vu, iteration })
    }
}
