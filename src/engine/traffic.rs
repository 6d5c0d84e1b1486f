//! What is in flight at each target, for threads that look from outside while the load goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::Outcome;

/// The counts of a target on one core. Only that core writes them.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answering: AtomicU64,
    answered: AtomicU64,
    ended: AtomicU64,
    cut: AtomicU64,
}

/// The counts of one core, by target. Each core has its own memory, so that no two write to one cache line.
#[derive(Clone, Debug)]
pub struct CoreTraffic(Arc<[Counts]>);

/// How far a request has come in the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    Nothing,
    Sent,
    Answering,
}

/// What the client knows of its requests to one target at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were sent and whose end has not been seen.
    pub in_flight: u64,
    /// Of those, requests whose first token has arrived: the server has begun them for certain.
    pub answering: u64,
    /// Requests so far that the client cut: cancelled, out of time, or at the end of the load.
    pub cut: u64,
}

impl CoreTraffic {
    /// Returns the accounts of so many cores.
    pub(super) fn of_cores(cores: usize, targets: usize) -> Vec<CoreTraffic> {
        (0..cores).map(|_| CoreTraffic::new(targets)).collect()
    }

    fn new(targets: usize) -> CoreTraffic {
        CoreTraffic((0..targets).map(|_| Counts::default()).collect())
    }

    /// Notes that a request goes out. One that is sent again on another connection is noted once.
    pub(super) fn sent(&self, target: u16, noted: &mut Noted) {
        if *noted == Noted::Nothing {
            *noted = Noted::Sent;
            add_one(&self.0[usize::from(target)].sent);
        }
    }

    /// Notes that the first token of an answer has arrived.
    pub(super) fn answering(&self, target: u16, noted: &mut Noted) {
        if *noted == Noted::Sent {
            *noted = Noted::Answering;
            add_one(&self.0[usize::from(target)].answering);
        }
    }

    /// Notes the end of a request, if it went out.
    pub(super) fn ended(&self, target: u16, noted: Noted, outcome: Outcome) {
        if noted == Noted::Nothing {
            return;
        }
        let counts = &self.0[usize::from(target)];
        // First, so that whoever sees that the request has ended sees why.
        if is_cut(outcome) {
            add_one(&counts.cut);
        }
        if noted == Noted::Answering {
            add_one(&counts.answered);
        }
        add_one(&counts.ended);
    }
}

/// Tells whether the client ended the request, and not the server.
fn is_cut(outcome: Outcome) -> bool {
    outcome.is_cut()
        || matches!(
            outcome,
            Outcome::TimeoutFirstToken | Outcome::TimeoutIdle | Outcome::TimeoutTotal
        )
}

/// Adds to what only this thread writes, without the price of an atomic addition.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
}

/// Returns the sum over all cores for one target. Ends are read before beginnings, so that a request that ends
/// meanwhile counts as in flight, and nothing counts below 0.
pub fn traffic_to(cores: &[CoreTraffic], target: u16) -> Traffic {
    let counts = || cores.iter().map(|core| &core.0[usize::from(target)]);
    let sum =
        |pick: fn(&Counts) -> &AtomicU64| counts().map(|c| pick(c).load(Ordering::Acquire)).sum::<u64>();
    let ended = sum(|c| &c.ended);
    let answered = sum(|c| &c.answered);
    let answering = sum(|c| &c.answering);
    let sent = sum(|c| &c.sent);
    Traffic {
        in_flight: sent.saturating_sub(ended),
        answering: answering.saturating_sub(answered),
        cut: sum(|c| &c.cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_from_their_send_to_their_end_on_all_cores_together() {
        let cores = [CoreTraffic::new(2), CoreTraffic::new(2)];
        assert_eq!(traffic_to(&cores, 1), Traffic::default());
        let mut noted = [Noted::Nothing; 3];
        cores[0].sent(1, &mut noted[0]);
        cores[0].sent(1, &mut noted[0]);
        cores[1].sent(1, &mut noted[1]);
        cores[1].sent(0, &mut noted[2]);
        cores[0].answering(1, &mut noted[0]);
        let seen = traffic_to(&cores, 1);
        assert_eq!((seen.in_flight, seen.answering, seen.cut), (2, 1, 0));
        cores[0].ended(1, noted[0], Outcome::Cancelled);
        cores[1].ended(1, noted[1], Outcome::Ok);
        cores[1].ended(1, Noted::Nothing, Outcome::Interrupted);
        let seen = traffic_to(&cores, 1);
        assert_eq!((seen.in_flight, seen.answering, seen.cut), (0, 0, 1));
        assert_eq!(traffic_to(&cores, 0).in_flight, 1);
    }
}
