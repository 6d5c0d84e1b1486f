//! How far another host's clock is from ours, by round trips.

use crate::units::Nanos;

/// The number of round trips of a measurement. The fastest one of several met the least delay on its way.
pub const EXCHANGES: u32 = 16;

/// The four instants of a round trip (RFC 5905, section 8): sent and arrived by our clock, received and answered by
/// the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub sent: Nanos,
    pub received: Nanos,
    pub answered: Nanos,
    pub arrived: Nanos,
}

/// The other clock minus ours, and the most that it may be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    pub offset: i64,
    pub error: Nanos,
}

impl Offset {
    /// Returns the instant of our clock at which the other one shows `theirs`; 0 if that was before ours began.
    pub fn ours(self, theirs: Nanos) -> Nanos {
        let ours = i128::from(theirs) - i128::from(self.offset);
        ours.clamp(0, i128::from(Nanos::MAX)) as Nanos
    }
}

impl Exchange {
    /// Returns the time that both ways took together; `None` if the instants contradict each other.
    fn delay(&self) -> Option<Nanos> {
        let away = self.arrived.checked_sub(self.sent)?;
        let there = self.answered.checked_sub(self.received)?;
        away.checked_sub(there)
    }

    /// Returns the offset, ((received - sent) + (answered - arrived)) / 2. Were one way to take all of the delay, it
    /// would be off by half of that.
    fn offset(&self) -> Option<Offset> {
        let delay = self.delay()?;
        let there = i128::from(self.received) - i128::from(self.sent);
        let back = i128::from(self.answered) - i128::from(self.arrived);
        Some(Offset {
            offset: i64::try_from((there + back) / 2).ok()?,
            error: delay.div_ceil(2),
        })
    }
}

/// The best of several round trips: that of the least delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Best {
    best: Option<Offset>,
    exchanges: u32,
}

impl Best {
    /// Adds a round trip. One that contradicts itself counts, so that a measurement ends, and says nothing.
    pub fn add(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        let found = exchange.offset();
        if found.is_some_and(|new| self.best.is_none_or(|old| new.error < old.error)) {
            self.best = found;
        }
    }

    /// Returns the result once there were enough round trips.
    pub fn result(&self) -> Option<Offset> {
        (self.exchanges >= EXCHANGES).then(|| self.best.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    fn exchange(sent: Nanos, ahead: i64, there: Nanos, back: Nanos) -> Exchange {
        let theirs = |ours: Nanos| ours.strict_add_signed(ahead);
        Exchange {
            sent,
            received: theirs(sent + there),
            answered: theirs(sent + there) + 10,
            arrived: sent + there + 10 + back,
        }
    }

    #[test]
    fn the_fastest_round_trip_decides_and_its_half_bounds_the_error() {
        for ahead in [0, 3_000_000_000, -7_000_000_123] {
            let mut best = Best::default();
            for n in 0..u64::from(EXCHANGES) {
                assert_eq!(best.result(), None);
                // Congested on the way back, but for one.
                let back = if n == 9 { MILLISECOND } else { 40 * MILLISECOND };
                best.add(&exchange(20 * SECOND + n * SECOND, ahead, MILLISECOND, back));
            }
            let found = best.result().unwrap();
            assert_eq!(found.offset, ahead);
            assert_eq!(found.error, MILLISECOND);
            assert_eq!(found.ours((60 * SECOND).strict_add_signed(ahead)), 60 * SECOND);
        }
    }

    #[test]
    fn an_uneven_way_is_within_the_error() {
        let mut best = Best::default();
        for _ in 0..EXCHANGES {
            best.add(&exchange(SECOND, -500, 30 * MILLISECOND, MILLISECOND));
        }
        let found = best.result().unwrap();
        assert!(found.offset.abs_diff(-500) <= found.error, "{found:?}");
    }

    #[test]
    fn instants_that_contradict_each_other_say_nothing() {
        let mut best = Best::default();
        let lies = [
            Exchange {
                sent: 9,
                received: 0,
                answered: 0,
                arrived: 3,
            },
            Exchange {
                sent: 0,
                received: 9,
                answered: 3,
                arrived: 10,
            },
            Exchange {
                sent: 0,
                received: 0,
                answered: 90,
                arrived: 3,
            },
            Exchange {
                sent: 0,
                received: u64::MAX,
                answered: u64::MAX,
                arrived: 1,
            },
        ];
        for lie in lies.iter().cycle().take(EXCHANGES as usize) {
            best.add(lie);
        }
        assert_eq!(best.result(), Some(Offset::default()));
    }
}
