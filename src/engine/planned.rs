//! When a request was to begin, and which one it is.

use crate::metrics::Half;
use crate::units::Nanos;
use crate::workload::Cut;

/// When a request was to begin.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Its number, which the details give.
    pub iteration: u64,
    /// The sequence of arrivals that it is from; 0 where users wait for their answers.
    pub sequence: u16,
    /// Latency counts from here.
    pub due: Nanos,
    /// A user was free for it: `due`, or later if it waited for one. Our own delay and the limits of time count from
    /// here.
    pub ready: Nanos,
    /// Which of a pair it is, if requests come in pairs.
    pub half: Option<Half>,
    /// Its number in its session, from 1; 0 if it belongs to no conversation.
    pub turn: u16,
    /// Where its user cancels it.
    pub cut: Option<Cut>,
}

impl Planned {
    /// Plans a request that is no part of a pair or a session and is not cut, due when a user is free for it.
    pub fn at(due: Nanos, (sequence, iteration): (u16, u64)) -> Planned {
        Planned {
            iteration,
            sequence,
            due,
            ready: due,
            half: None,
            turn: 0,
            cut: None,
        }
    }
}
