//! Defines the faults that the mock injects in exact counts.

use crate::workload::random::{keyed, up_to};

/// A fault of one completion request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this status and a JSON error.
    Status(u16),
    /// RST after part of the answer.
    Reset,
    /// FIN after part of the answer.
    Cut,
    /// A clean end without a finish reason.
    Unfinished,
    /// An error event (or error body) at status 200.
    ErrorEvent,
    /// An event (or body) that is not JSON.
    BadJson,
    /// A chunk size that is not a number (or an invalid status line).
    BadChunk,
    /// No answer at all, until the client closes the connection.
    Hang,
    /// Part of the answer, then nothing.
    Stall,
    /// A connection closed after a complete answer that promised keep-alive.
    Close,
}

const NAMED: [(&str, Fault); 9] = [
    ("reset", Fault::Reset),
    ("cut", Fault::Cut),
    ("unfinished", Fault::Unfinished),
    ("error_event", Fault::ErrorEvent),
    ("bad_json", Fault::BadJson),
    ("bad_chunk", Fault::BadChunk),
    ("hang", Fault::Hang),
    ("stall", Fault::Stall),
    ("close", Fault::Close),
];

impl Fault {
    pub fn name(self) -> String {
        match self {
            Fault::Status(code) => code.to_string(),
            other => NAMED
                .iter()
                .find(|(_, f)| *f == other)
                .map_or(String::new(), |(n, _)| (*n).to_string()),
        }
    }

    /// Returns the names of all faults except statuses.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Parses a status from 300 to 599, or a name.
    pub fn parse(text: &str) -> Option<Fault> {
        if let Ok(code) = text.parse::<u16>() {
            return (300..=599).contains(&code).then_some(Fault::Status(code));
        }
        NAMED.iter().find(|(n, _)| *n == text).map(|(_, f)| *f)
    }
}

/// Assigns faults to requests: `cycle[i]` to completion request number i, repeated endlessly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    cycle: Vec<Option<Fault>>,
}

impl FaultPlan {
    /// Creates a cycle of `requests` with the given count of each fault, at places drawn from the seed.
    ///
    /// # Panics
    ///
    /// Panics if the counts don't fit into the cycle.
    pub fn new(counts: &[(Fault, u32)], requests: u32, seed: u64) -> FaultPlan {
        let mut cycle = Vec::with_capacity(requests as usize);
        for (fault, count) in counts {
            cycle.extend(std::iter::repeat_n(Some(*fault), *count as usize));
        }
        assert!(
            cycle.len() <= requests as usize,
            "more faults than requests in a cycle"
        );
        cycle.resize(requests as usize, None);
        shuffle(&mut cycle, seed);
        FaultPlan { cycle }
    }

    pub fn fault_for(&self, request: u64) -> Option<Fault> {
        if self.cycle.is_empty() {
            return None;
        }
        self.cycle[(request % self.cycle.len() as u64) as usize]
    }
}

/// Shuffles with the algorithm of Fisher and Yates (Durstenfeld's form), from the end.
fn shuffle<T>(items: &mut [T], seed: u64) {
    for i in (1..items.len()).rev() {
        let j = up_to(i as u64, keyed([seed, i as u64, 0, 0])) as usize;
        items.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_has_exactly_the_requested_counts() {
        let counts = [(Fault::Status(503), 37), (Fault::Reset, 11), (Fault::Cut, 5)];
        let plan = FaultPlan::new(&counts, 1_000, 7);
        let count = |f| (0..1_000).filter(|i| plan.fault_for(*i) == f).count();
        for (fault, n) in counts {
            assert_eq!(count(Some(fault)), n as usize);
        }
        assert_eq!(count(None), 947);
        assert_eq!(plan, FaultPlan::new(&counts, 1_000, 7));
        assert_ne!(plan, FaultPlan::new(&counts, 1_000, 8));
        assert_eq!(plan.fault_for(1_003), plan.fault_for(3));
    }

    #[test]
    fn names_are_read_back() {
        for fault in NAMED.map(|(_, f)| f).into_iter().chain([Fault::Status(503)]) {
            assert_eq!(Fault::parse(&fault.name()), Some(fault));
        }
        assert_eq!(Fault::parse("200"), None);
        assert_eq!(Fault::parse("bang"), None);
    }
}
