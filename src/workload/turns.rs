//! Decides which server comes next: exactly by weight, without random numbers.
//!
//! The j-th turn of a server has a deadline, the slot by which its share falls due, `ceil(j / share)`, and an
//! earliest slot, `floor((j - 1) / share) + 1`. Of the servers whose next turn may come, the one with the earliest
//! deadline takes the slot. Every turn then falls between its bounds, so after n slots a server with share s
//! has had floor(n s) or ceil(n s) turns and is never a whole turn off. (These are the windows of the P-fair schedules
//! of Baruah and others, on one processor. Jobs have unit length, so earliest deadline first finds the schedule that
//! the fluid schedule proves to exist.)
//!
//! Any server may have the first slot. A turn 1 may come in slot 1; and the turns of the others that must come by
//! slot n are at most floor(n (1 - share)), which is below n and leaves one slot free. So seeds can begin with any.
//!
//! Users share one sequence: the i-th request of user k has slot k + i. So the i-th requests of all users fall on the
//! servers by weight, whatever i is; if each user had a sequence from its own start, users in step would all go to one
//! server at once. The requests of one user are a stretch of the sequence, at both ends of which a server is less than
//! a turn off its share: the stretch is less than two off.

use super::random::{by_weight, keyed, up_to};
use super::types::Server;

/// The weights of a workload's servers in lowest terms, shared by all sequences of turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    weights: Box<[u32]>,
    /// Number of slots after which every server has had exactly its share, and the sequence repeats.
    period: u64,
}

impl Shares {
    /// # Panics
    /// Panics if there is no server, or if one has no weight. The plan has excluded both.
    pub fn new(servers: &[Server]) -> Shares {
        let weights: Vec<u32> = servers.iter().map(|server| server.weight).collect();
        assert!(!weights.is_empty() && weights.iter().all(|weight| *weight > 0));
        let common = weights.iter().copied().fold(0, gcd);
        let weights: Box<[u32]> = weights.iter().map(|weight| weight / common).collect();
        Shares {
            period: weights.iter().map(|weight| u64::from(*weight)).sum(),
            weights,
        }
    }

    pub fn servers(&self) -> usize {
        self.weights.len()
    }

    /// Returns the slot by which turn `turn`, counted from 1, of `server` must have come.
    fn deadline(&self, server: usize, turn: u64) -> u64 {
        let slots = u128::from(turn) * u128::from(self.period);
        // Lossless, because the last turn of a period is due at its end.
        slots.div_ceil(u128::from(self.weights[server])) as u64
    }

    /// Chooses the server that begins the sequences that all users share: by weight, fixed by the seed.
    pub fn first(&self, seed: u64) -> u16 {
        let at = up_to(self.period - 1, keyed([seed, u64::MAX, u64::MAX, FIRST_TURN]));
        by_weight((0..).zip(self.weights.iter().copied()), at).unwrap_or(0)
    }
}

/// A word of the key that no choice of `draw` uses.
const FIRST_TURN: u64 = 1 << 32;

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A sequence of servers, which depends only on the shares and on the server that begins it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    first: u16,
    /// Number of slots taken in this period.
    taken: u64,
    next: Box<[Next]>,
}

/// The state of one server: the turns it had in this period, and the deadline of its next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    had: u32,
    deadline: u64,
}

impl Turns {
    pub fn starting_with(first: u16, shares: &Shares) -> Turns {
        debug_assert!(usize::from(first) < shares.servers());
        let unset = Next { had: 0, deadline: 0 };
        let mut turns = Turns {
            first,
            taken: 0,
            next: vec![unset; shares.servers()].into_boxed_slice(),
        };
        turns.rewind(shares);
        turns
    }

    fn rewind(&mut self, shares: &Shares) {
        self.taken = 0;
        for (server, next) in self.next.iter_mut().enumerate() {
            *next = Next {
                had: 0,
                deadline: shares.deadline(server, 1),
            };
        }
    }

    /// Returns the server that has the next slot. `shares` must always be the same.
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

    /// Finds the earliest deadline among the servers whose next turn may come in the slot after `taken` others.
    fn earliest(&self, shares: &Shares, taken: u64) -> usize {
        let slot = u128::from(taken) + 1;
        let mut best = (u64::MAX, 0);
        for (server, (next, weight)) in self.next.iter().zip(&shares.weights).enumerate() {
            // The earliest slot is floor(had / share) + 1.
            let may = u128::from(next.had) * u128::from(shares.period) < slot * u128::from(*weight);
            if may && next.deadline < best.0 {
                best = (next.deadline, server);
            }
        }
        debug_assert!(best.0 != u64::MAX, "some server is always behind its share");
        best.1
    }
}

/// A sequence that is asked for slots by number, usually in ascending order.
#[derive(Clone, Debug)]
pub struct TurnsAt {
    turns: Turns,
    /// Number of the next slot.
    at: u64,
}

impl TurnsAt {
    pub fn starting_with(first: u16, shares: &Shares) -> TurnsAt {
        TurnsAt {
            turns: Turns::starting_with(first, shares),
            at: 0,
        }
    }

    /// Returns the server that has slot `slot`, counted from 0. The cost grows with the slots passed over; a smaller
    /// number than the last one starts from the beginning.
    pub fn slot(&mut self, slot: u64, shares: &Shares) -> u16 {
        self.go_to(slot, shares);
        self.at += 1;
        self.turns.next(shares)
    }

    /// Returns the sequence from slot `slot` on. Its cost is that of [`Self::slot`].
    pub fn from_slot(&mut self, slot: u64, shares: &Shares) -> Turns {
        self.go_to(slot, shares);
        self.turns.clone()
    }

    fn go_to(&mut self, slot: u64, shares: &Shares) {
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
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
