//! The instants at which a request has waited too long. Knows neither sockets nor clocks.

use super::response::ResponseReader;
use crate::metrics::Outcome;
use crate::units::Nanos;
use crate::workload::{Cut, Timeouts};

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// It went out, or was about to.
    start: Nanos,
    total: Nanos,
    first_token: Nanos,
    /// The longest silence.
    idle: Option<Nanos>,
    /// Its user goes.
    cut: Nanos,
}

impl Limits {
    /// Takes the limits of a request for which a user was free at `ready`, and whose answer is awaited from `start` on.
    pub fn new(timeouts: &Timeouts, ready: Nanos, start: Nanos, cut: Option<Cut>) -> Limits {
        Limits {
            start,
            total: ready + timeouts.total,
            first_token: timeouts.first_token.map_or(Nanos::MAX, |t| start + t),
            idle: timeouts.idle,
            cut: match cut {
                Some(Cut::After(time)) => start + time,
                Some(Cut::Tokens(_)) | None => Nanos::MAX,
            },
        }
    }

    /// Returns when the request ends if nothing more arrives.
    pub fn deadline(&self, reader: &ResponseReader) -> Nanos {
        let silence = self.idle.map(|t| self.start.max(reader.arrivals.last) + t);
        self.whatever_arrives(reader).min(silence.unwrap_or(Nanos::MAX))
    }

    /// Tells whether what has arrived says itself that the request took too long. Of a server that never pauses, no
    /// look finds nothing.
    pub fn have_passed(&self, reader: &ResponseReader) -> bool {
        reader.arrivals.last >= self.whatever_arrives(reader)
    }

    fn whatever_arrives(&self, reader: &ResponseReader) -> Nanos {
        let limit = self.total.min(self.cut);
        match reader.awaits_token() {
            true => limit.min(self.first_token),
            false => limit,
        }
    }

    /// Returns the outcome of a request that ends at `now` because it took too long.
    pub fn outcome(&self, reader: &ResponseReader, now: Nanos) -> Outcome {
        if now >= self.cut {
            return reader.refusal().unwrap_or(Outcome::Cancelled);
        }
        if now >= self.total {
            return Outcome::TimeoutTotal;
        }
        match reader.awaits_token() && now >= self.first_token {
            true => Outcome::TimeoutFirstToken,
            false => Outcome::TimeoutIdle,
        }
    }

    /// Returns the outcome of an answer that is over. Who looks late, because the process or its CPU stood still, sees
    /// answers whole that were not in time.
    pub fn of_answer(&self, reader: &ResponseReader, outcome: Outcome) -> Outcome {
        let last = reader.arrivals.last;
        match outcome {
            Outcome::Ok if last > self.cut && self.cut < self.total => Outcome::Cancelled,
            Outcome::Ok if last > self.total => Outcome::TimeoutTotal,
            outcome => outcome,
        }
    }
}
