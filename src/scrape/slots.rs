//! How long a server goes on with requests that the client has cut: the mean time until their slots are free.
//!
//! A server that shows its running and waiting requests should hold as many as the client has in flight. What it holds
//! beyond that are requests that are over for the client and not for the server. By Little's law the mean of that
//! excess, times how long it was watched, divided by the number of requests cut, is the mean time that each was still
//! held. The pace of the readings does not move it, only its error.
//!
//! A request on its way to the server is in flight and not yet held, which hides as much excess. So the figure is a
//! lower bound; the upper one counts only requests as the client's whose first token has arrived, and which the server
//! holds for certain. Where none is on its way, both are the same.

use crate::scrape::ServerGauges;
use crate::units::Nanos;

/// Less than half a request is no request.
const NONE_HELD: f64 = 0.5;

/// What both sides said at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub at: Nanos,
    /// Requests that the server holds, running and waiting.
    pub held: f64,
    /// Requests that the client has in flight: the mean of before and after the server was asked.
    pub in_flight: f64,
    /// Of those, the ones with a first token.
    pub answering: f64,
    /// Requests that the client has cut so far.
    pub cut: u64,
}

impl Reading {
    fn excess(&self) -> f64 {
        self.held - self.in_flight
    }

    fn excess_at_most(&self) -> f64 {
        self.held - self.answering
    }

    /// Tells whether the server still holds what is over for the client.
    pub fn has_excess(&self) -> bool {
        self.excess() >= NONE_HELD
    }
}

/// Why the figure cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The server does not answer, or not with a success.
    NoAnswer(String),
    /// It answers without a gauge of running requests.
    NoGauge,
    /// It held requests before the load.
    Others(u64),
    /// Its name has several addresses, each with a part of the load and gauges of its own.
    Addresses(usize),
    /// No request to it is cancelled, so it is not watched.
    NotCancelling,
}

/// What was found out about one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotAccount {
    pub gauges: Option<&'static ServerGauges>,
    pub obstacle: Option<Obstacle>,
    pub readings: u64,
    /// Times that the server was asked without an answer.
    pub failed: u64,
    /// The time between the first reading and the last.
    pub observed: Nanos,
    /// The readings of which `observed` is the time between: one less for each load.
    gaps: u64,
    /// The sum of their squares, in square nanoseconds.
    gaps_squared: f64,
    /// Requests times nanoseconds.
    excess: f64,
    excess_at_most: f64,
    /// Requests that the client cut.
    pub cut: u64,
    /// Requests that the server still held at the end.
    pub still_held: u64,
    first: Option<Reading>,
    last: Option<Reading>,
}

impl SlotAccount {
    /// Returns the account of a server that cannot be watched.
    pub fn without(obstacle: Obstacle) -> SlotAccount {
        SlotAccount {
            obstacle: Some(obstacle),
            ..SlotAccount::default()
        }
    }

    /// Adds a reading, which is later than all others.
    pub fn add(&mut self, reading: Reading) {
        self.readings += 1;
        if let Some(last) = self.last {
            let took = reading.at.saturating_sub(last.at);
            self.observed += took;
            self.gaps += 1;
            self.gaps_squared += (took as f64) * (took as f64);
            // The straight line between both is right on average, because the pace follows nothing that happens.
            let area = |of: fn(&Reading) -> f64| (of(&last) + of(&reading)) / 2.0 * took as f64;
            self.excess += area(Reading::excess);
            self.excess_at_most += area(Reading::excess_at_most);
        }
        let first = *self.first.get_or_insert(reading);
        self.cut = reading.cut.saturating_sub(first.cut);
        self.still_held = reading.excess().max(0.0).round() as u64;
        self.last = Some(reading);
    }

    /// Adds what was found out while a later load ran.
    pub fn append(&mut self, later: SlotAccount) {
        let SlotAccount {
            gauges,
            obstacle,
            readings,
            failed,
            observed,
            gaps,
            gaps_squared,
            excess,
            excess_at_most,
            cut,
            still_held,
            first: _,
            last: _,
        } = later;
        self.gauges = self.gauges.or(gauges);
        self.obstacle = self.obstacle.take().or(obstacle);
        self.readings += readings;
        self.failed += failed;
        self.observed += observed;
        self.gaps += gaps;
        self.gaps_squared += gaps_squared;
        self.excess += excess;
        self.excess_at_most += excess_at_most;
        self.cut += cut;
        self.still_held += still_held;
    }

    /// Returns the mean time for which a request was held after it was cut, in nanoseconds: at least, and at most.
    /// `None` without a request that was cut.
    pub fn mean_held(&self) -> Option<(f64, f64)> {
        if self.cut == 0 || self.gaps == 0 || self.obstacle.is_some() {
            return None;
        }
        let each = |area: f64| (area / self.cut as f64).max(0.0);
        let at_least = each(self.excess);
        Some((at_least, each(self.excess_at_most).max(at_least)))
    }

    /// Returns the mean time between two readings.
    pub fn interval(&self) -> Option<f64> {
        (self.gaps > 0).then(|| self.observed as f64 / self.gaps as f64)
    }

    /// Returns the error of the mean by the pace of the readings, at two standard deviations at most: between readings
    /// at random a time is off by up to a half of the gap in which it begins or ends, either way. A long gap has more
    /// of them, so each gap has the weight of its length. The errors of several requests average out, unless they are
    /// in the same gap.
    pub fn error(&self) -> Option<f64> {
        if self.cut == 0 || self.observed == 0 {
            return None;
        }
        let gap = self.gaps_squared / self.observed as f64;
        Some(gap / (self.cut.min(self.gaps) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    /// A load with known times: each request is (sent, first token, end for the client, end for the server, cut).
    type Life = (Nanos, Nanos, Nanos, Nanos, bool);

    /// Reads it at instants whose distances are those of the watch, until `until`.
    fn account(lives: &[Life], each: Nanos, until: Nanos) -> SlotAccount {
        let mut account = SlotAccount::default();
        let (mut at, mut turn) = (0, 0);
        while at <= until {
            let count = |is: &dyn Fn(&Life) -> bool| lives.iter().filter(|life| is(life)).count() as f64;
            // A request is at the server 1 ms after it was sent.
            let held = count(&|(sent, _, _, end, _)| sent + MILLISECOND <= at && at < *end);
            account.add(Reading {
                at,
                held,
                in_flight: count(&|(sent, _, end, _, _)| *sent <= at && at < *end),
                answering: count(&|(_, token, end, _, _)| *token <= at && at < *end),
                cut: count(&|(_, _, end, _, cut)| *cut && *end <= at) as u64,
            });
            at += super::super::watch::paced(each, turn);
            turn += 1;
        }
        account
    }

    /// 400 requests, one every 10 ms, of which every fourth is cut after 60 ms and held for 250 ms more.
    fn lives() -> Vec<Life> {
        let each = 0..400_u64;
        let life = |number: u64| {
            let sent = SECOND / 2 + number * 10 * MILLISECOND;
            let (token, cut) = (sent + 20 * MILLISECOND, number.is_multiple_of(4));
            match cut {
                true => (
                    sent,
                    token,
                    sent + 60 * MILLISECOND,
                    sent + 310 * MILLISECOND,
                    true,
                ),
                false => (
                    sent,
                    token,
                    sent + 200 * MILLISECOND,
                    sent + 200 * MILLISECOND,
                    false,
                ),
            }
        };
        each.map(life).collect()
    }

    #[test]
    fn the_mean_time_of_known_lives_is_found_at_any_pace() {
        for pace in [7, 50, 200] {
            let found = account(&lives(), pace * MILLISECOND, 6 * SECOND);
            assert_eq!((found.cut, found.still_held), (100, 0));
            let (at_least, at_most) = found.mean_held().unwrap();
            let error = found.error().unwrap() + 2.0 * MILLISECOND as f64;
            // 4 requests on their way for 1 ms each hide 4 ms for each that is cut.
            let expected = 246.0 * MILLISECOND as f64;
            assert!(
                (at_least - expected).abs() <= error,
                "{pace} ms: {at_least}, {error}"
            );
            // Each of 4 requests waits for 20 ms for its first token, 19 of them at the server.
            let expected = 326.0 * MILLISECOND as f64;
            assert!((at_most - expected).abs() <= 2.0 * error, "{pace} ms: {at_most}");
        }
    }

    #[test]
    fn slots_that_are_free_at_once_take_no_time() {
        let free: Vec<Life> = lives()
            .into_iter()
            .map(|(sent, token, end, _, cut)| (sent, token, end, end, cut))
            .collect();
        let found = account(&free, 20 * MILLISECOND, 6 * SECOND);
        assert_eq!(found.mean_held().unwrap().0, 0.0);
    }

    #[test]
    fn one_that_never_ends_is_still_held() {
        let never = [(SECOND, SECOND, 2 * SECOND, 100 * SECOND, true)];
        let found = account(&never, 50 * MILLISECOND, 5 * SECOND);
        assert_eq!((found.cut, found.still_held), (1, 1));
        let (at_least, _) = found.mean_held().unwrap();
        assert!((at_least / SECOND as f64 - 3.0).abs() < 0.1, "{at_least}");
    }

    #[test]
    fn loads_add_up_and_an_obstacle_of_one_is_one_of_all() {
        let each = account(&lives(), 50 * MILLISECOND, 6 * SECOND);
        let mut both = each.clone();
        both.append(each.clone());
        assert_eq!(both.cut, 200);
        assert_eq!(both.mean_held(), each.mean_held());
        assert!(both.error() < each.error());
        both.append(SlotAccount::without(Obstacle::Others(3)));
        assert_eq!(both.mean_held(), None);
        assert_eq!(both.obstacle, Some(Obstacle::Others(3)));
    }

    #[test]
    fn without_a_cut_there_is_no_figure() {
        let whole = [(SECOND, SECOND, 2 * SECOND, 2 * SECOND, false)];
        let found = account(&whole, 50 * MILLISECOND, 5 * SECOND);
        assert_eq!((found.cut, found.mean_held(), found.error()), (0, None, None));
        assert_eq!(SlotAccount::default().mean_held(), None);
    }
}
