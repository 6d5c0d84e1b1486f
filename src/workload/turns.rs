//! Which endpoint comes next: by weight, exactly, without a coin.
//!
//! Each endpoint has a deadline for its j-th turn, the slot by which its share falls due: `ceil(j / share)`, and an
//! earliest slot, `floor((j - 1) / share) + 1`. Of the endpoints whose next turn may come, the one with the earliest
//! deadline takes the slot. Every turn then falls between its bounds, so that after n slots an endpoint with share s
//! had floor(n s) or ceil(n s) turns: never a whole turn off. (The windows of Baruah and others' P-fair schedules, on
//! one processor; unit jobs, so earliest deadline first finds the schedule that the fluid one proves to exist.)
//!
//! The first slot may be anybody's. A turn 1 may come in slot 1; and in the slots 1 to n the turns of the others that
//! must come by n are at most floor(n (1 - share)), which is below n: one slot was to spare. So users may be spread
//! over the endpoints from their first request on, and each still keeps the bounds.

use super::random::{keyed, up_to};
use super::types::Endpoint;

/// The weights of a workload's endpoints in lowest terms. Shared by all who count turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    weights: Box<[u32]>,
    /// After so many slots everybody had exactly their share, and it begins anew.
    period: u64,
}

impl Shares {
    /// # Panics
    /// Without endpoints, or when one has no weight: the plan has established both.
    pub fn of(endpoints: &[Endpoint]) -> Shares {
        let weights: Vec<u32> = endpoints.iter().map(|endpoint| endpoint.weight).collect();
        assert!(!weights.is_empty() && weights.iter().all(|weight| *weight > 0));
        let common = weights.iter().copied().fold(0, gcd);
        let weights: Box<[u32]> = weights.iter().map(|weight| weight / common).collect();
        Shares {
            period: weights.iter().map(|weight| u64::from(*weight)).sum(),
            weights,
        }
    }

    pub fn endpoints(&self) -> usize {
        self.weights.len()
    }

    /// The slot by which turn `turn`, from 1 on, of `endpoint` must have come.
    fn deadline(&self, endpoint: usize, turn: u64) -> u64 {
        let slots = u128::from(turn) * u128::from(self.period);
        // Lossless: the last turn of a period is due at its end.
        slots.div_ceil(u128::from(self.weights[endpoint])) as u64
    }

    /// Who begins the sequences that all users share: by weight, fixed by the seed.
    pub fn first(&self, seed: u64) -> u16 {
        let mut left = up_to(self.period - 1, keyed([seed, u64::MAX, u64::MAX, FIRST_TURN]));
        for (endpoint, weight) in (0u16..).zip(&self.weights) {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return endpoint,
            }
        }
        0
    }
}

/// In place of `draw`'s numbers of choices, and never one of them.
const FIRST_TURN: u64 = 1 << 32;

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One sequence of endpoints: a pure function of the shares and of who begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    first: u16,
    /// Slots taken in this period.
    taken: u64,
    next: Box<[Next]>,
}

/// Of one endpoint: turns it had in this period, and when its next is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    had: u32,
    deadline: u64,
}

impl Turns {
    pub fn starting_with(first: u16, shares: &Shares) -> Turns {
        debug_assert!(usize::from(first) < shares.endpoints());
        let unset = Next { had: 0, deadline: 0 };
        let mut turns = Turns {
            first,
            taken: 0,
            next: vec![unset; shares.endpoints()].into_boxed_slice(),
        };
        turns.rewind(shares);
        turns
    }

    fn rewind(&mut self, shares: &Shares) {
        self.taken = 0;
        for (endpoint, next) in self.next.iter_mut().enumerate() {
            *next = Next {
                had: 0,
                deadline: shares.deadline(endpoint, 1),
            };
        }
    }

    /// Who has the next slot. `shares` are always the same.
    pub fn next(&mut self, shares: &Shares) -> u16 {
        let chosen = match self.taken {
            0 => usize::from(self.first),
            taken => self.earliest(shares, taken),
        };
        self.taken += 1;
        let turn = &mut self.next[chosen];
        debug_assert!(self.taken <= turn.deadline, "a turn comes by its deadline");
        turn.had += 1;
        turn.deadline = shares.deadline(chosen, u64::from(turn.had) + 1);
        if self.taken == shares.period {
            self.rewind(shares);
        }
        chosen as u16
    }

    /// Of those whose next turn may come in the slot behind `taken` others.
    fn earliest(&self, shares: &Shares, taken: u64) -> usize {
        let slot = u128::from(taken) + 1;
        let mut best = (u64::MAX, 0);
        for (endpoint, (next, weight)) in self.next.iter().zip(&shares.weights).enumerate() {
            // The earliest slot is floor(had / share) + 1.
            let may = u128::from(next.had) * u128::from(shares.period) < slot * u128::from(*weight);
            if may && next.deadline < best.0 {
                best = (next.deadline, endpoint);
            }
        }
        debug_assert!(best.0 != u64::MAX, "somebody is always behind their share");
        best.1
    }
}

/// A sequence that is asked for slots by their number, which mostly grows.
#[derive(Clone, Debug)]
pub struct TurnsAt {
    turns: Turns,
    /// The number of the slot that comes next.
    at: u64,
}

impl TurnsAt {
    pub fn starting_with(first: u16, shares: &Shares) -> TurnsAt {
        TurnsAt {
            turns: Turns::starting_with(first, shares),
            at: 0,
        }
    }

    /// Who has slot `slot`, from 0 on. Costs as much as the slots passed over; a smaller number than the last
    /// begins anew.
    pub fn slot(&mut self, slot: u64, shares: &Shares) -> u16 {
        if slot < self.at {
            self.turns.rewind(shares);
            self.at = 0;
        }
        if slot - self.at >= shares.period {
            // Whole periods change nothing.
            self.at += (slot - self.at) / shares.period * shares.period;
        }
        while self.at < slot {
            self.turns.next(shares);
            self.at += 1;
        }
        self.at += 1;
        self.turns.next(shares)
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
