//! Decides how long the driver may gather completions before it handles them.
//!
//! Kernel stamps stay correct while we wait, so waiting saves wake-ups without changing arrival times. It costs
//! resolution between events of one connection, and delays our next send. The wait is dropped where either would show:
//! a user that sends again at once gets its answer later by at most [`CYCLE_SHARE`] of its own cycle.

use crate::units::{MICROSECOND, Nanos};

/// Observations of one turn of the driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    pub completions: u32,
    /// Reads that carried more than one token event.
    pub coalesced: u32,
    /// Connects or handshakes are in flight. Each is followed by a send that is already due.
    pub connecting: bool,
    /// Time since the previous turn.
    pub elapsed: Nanos,
}

/// Waiting pays only if at least this many completions are expected in that time.
const GATHER_MIN: f64 = 2.0;
const GROW_US: f64 = 50.0;
/// A shorter wait saves nothing.
const WAIT_MIN_US: f64 = 20.0;
/// Weight of the newest turn in the rate of completions.
const RATE_WEIGHT: f64 = 0.1;
/// The wait is halved when a larger share of completions than this carries several events.
const COALESCED_SHARE_MAX: f64 = 0.02;
/// The largest share of the shortest cycle, from one request of a connection to its next, by which a wait may delay the
/// next request. A closed loop of short answers is limited by us otherwise, and not by the server.
pub const CYCLE_SHARE: f64 = 0.04;

/// The longest by which a minimum wait may pass the end of a pause or of a time limit. Shorter ones would have the loop
/// wake up for every single user where very many pause.
pub const PASSES_TIMERS_BY: Nanos = 100 * MICROSECOND;

/// Returns as much of a minimum wait as may pass while the next timer is so far away.
pub fn before_timer(min_wait_us: u32, left: Option<Nanos>) -> u32 {
    let longest = left.map_or(Nanos::MAX, |left| left.max(PASSES_TIMERS_BY)) / MICROSECOND;
    min_wait_us.min(u32::try_from(longest).unwrap_or(u32::MAX))
}

/// The shortest cycle of late. A cycle that is short enough to limit the wait returns within `window`, so two of them
/// always cover it.
#[derive(Clone, Copy, Debug)]
struct ShortestCycle {
    window: Nanos,
    ends: Nanos,
    now: Nanos,
    before: Nanos,
}

impl ShortestCycle {
    fn of_bound(bound_us: f64) -> ShortestCycle {
        ShortestCycle {
            window: (bound_us / CYCLE_SHARE) as Nanos * MICROSECOND,
            ends: 0,
            now: Nanos::MAX,
            before: Nanos::MAX,
        }
    }

    /// Returns the longest wait in microseconds that the cycles of the last one or two windows allow.
    fn allows_us(&mut self, at: Nanos) -> f64 {
        if at >= self.ends {
            let is_old = at >= self.ends.saturating_add(self.window);
            self.before = if is_old { Nanos::MAX } else { self.now };
            self.now = Nanos::MAX;
            self.ends = at + self.window;
        }
        self.now.min(self.before) as f64 / 1_000.0 * CYCLE_SHARE
    }
}

#[derive(Clone, Copy, Debug)]
pub struct WaitPolicy {
    bound_us: f64,
    wait_us: f64,
    /// Completions per microsecond, smoothed.
    rate: f64,
    cycle: ShortestCycle,
}

impl WaitPolicy {
    pub fn new(bound_us: u32) -> WaitPolicy {
        WaitPolicy {
            bound_us: f64::from(bound_us),
            wait_us: 0.0,
            rate: 0.0,
            cycle: ShortestCycle::of_bound(f64::from(bound_us)),
        }
    }

    /// Takes the time from one request of a connection to its next.
    pub fn note_cycle(&mut self, cycle: Nanos) {
        self.cycle.now = self.cycle.now.min(cycle);
    }

    /// Returns the minimum wait of the next turn, which begins at `now`, in microseconds. 0 means the first completion
    /// ends the wait.
    ///
    /// `due` is the next instant of a plan at which the loop wakes up anyway. The wait never passes it: the kernel does
    /// not look at a timeout before the minimum wait is over. Where there is one, sends follow the plan and not the
    /// answers, so that cycles do not matter, and to gather up to it costs no wake-up, however little is expected.
    pub fn next(&mut self, turn: Turn, now: Nanos, due: Option<Nanos>) -> u32 {
        if self.bound_us == 0.0 {
            return 0;
        }
        let elapsed_us = (turn.elapsed as f64 / 1_000.0).max(1.0);
        let rate = f64::from(turn.completions) / elapsed_us;
        // A long turn has the weight of the short turns that would fit into it.
        let weight = 1.0 - (1.0 - RATE_WEIGHT).powf((elapsed_us / 100.0).clamp(0.1, 50.0));
        self.rate += (rate - self.rate) * weight;
        let share = f64::from(turn.coalesced) / f64::from(turn.completions.max(1));
        if share > COALESCED_SHARE_MAX {
            self.wait_us /= 2.0;
        } else {
            self.wait_us = (self.wait_us + GROW_US).min(self.bound_us);
        }
        let Some(due) = due else {
            self.wait_us = self.wait_us.min(self.cycle.allows_us(now));
            return self.if_it_pays(turn, self.wait_us);
        };
        let left_us = due.saturating_sub(now) as f64 / 1_000.0;
        match left_us <= self.wait_us && !turn.connecting {
            true => left_us as u32,
            false => self.if_it_pays(turn, self.wait_us.min(left_us)),
        }
    }

    fn if_it_pays(&self, turn: Turn, wait_us: f64) -> u32 {
        if turn.connecting || self.rate * wait_us < GATHER_MIN || wait_us < WAIT_MIN_US {
            return 0;
        }
        wait_us as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    fn busy(completions: u32) -> Turn {
        Turn {
            completions,
            elapsed: MILLISECOND,
            ..Turn::default()
        }
    }

    #[test]
    fn a_busy_loop_raises_the_wait_to_its_bound() {
        let mut policy = WaitPolicy::new(1_000);
        let waits: Vec<u32> = (0..100).map(|_| policy.next(busy(20), 0, None)).collect();
        assert!(waits.is_sorted(), "{waits:?}");
        assert_eq!(waits.last(), Some(&1_000));
    }

    #[test]
    fn a_minimum_wait_hardly_passes_the_end_of_a_pause() {
        assert_eq!(before_timer(1_000, None), 1_000);
        for min_wait_us in [0, 20, 99, 100, 101, 1_000, u32::MAX] {
            for left in (0..3_000).map(|n| n * 997).chain([SECOND, u64::MAX]) {
                let wait = before_timer(min_wait_us, Some(left));
                assert!(wait <= min_wait_us);
                let ends = Nanos::from(wait) * MICROSECOND;
                assert!(ends <= left.max(PASSES_TIMERS_BY), "{left}: {wait}");
                let is_cut = wait < min_wait_us;
                assert!(!is_cut || ends + MICROSECOND > left, "{left}: {wait}");
            }
        }
    }

    #[test]
    fn one_user_is_never_made_to_wait() {
        let mut policy = WaitPolicy::new(1_000);
        let turn = Turn {
            completions: 1,
            elapsed: 10 * MILLISECOND,
            ..Turn::default()
        };
        assert!((0..1_000).all(|_| policy.next(turn, 0, None) == 0));
    }

    #[test]
    fn there_is_no_wait_while_a_connect_is_in_flight() {
        let mut policy = WaitPolicy::new(1_000);
        for _ in 0..100 {
            policy.next(busy(20), 0, None);
        }
        let connecting = Turn {
            connecting: true,
            ..busy(20)
        };
        assert_eq!(policy.next(connecting, 0, None), 0);
        assert_eq!(policy.next(busy(20), 0, None), 1_000);
    }

    #[test]
    fn reads_with_several_events_shorten_the_wait() {
        let mut policy = WaitPolicy::new(1_000);
        for _ in 0..100 {
            policy.next(busy(20), 0, None);
        }
        let coalesced = Turn {
            coalesced: 10,
            ..busy(20)
        };
        let waits: Vec<u32> = (0..10).map(|_| policy.next(coalesced, 0, None)).collect();
        assert_eq!(waits.last(), Some(&0), "{waits:?}");
    }

    /// Waits of a busy loop of users that send again after `cycle`, for half a second.
    fn waits_with(policy: &mut WaitPolicy, cycle: Nanos, from: Nanos) -> Vec<u32> {
        let turns = (1..=500u64).map(|n| {
            let now = from + n * MILLISECOND;
            if n.is_multiple_of((cycle / MILLISECOND).max(1)) {
                policy.note_cycle(cycle);
            }
            policy.next(busy(200), now, None)
        });
        turns.collect()
    }

    #[test]
    fn a_wait_delays_the_next_request_by_at_most_the_documented_share_of_its_cycle() {
        for (cycle, longest) in [
            (100 * MICROSECOND, 0),
            (400 * MICROSECOND, 0),
            (MILLISECOND, 40),
            (10 * MILLISECOND, 400),
            (20 * MILLISECOND, 800),
            (200 * MILLISECOND, 1_000),
        ] {
            let waits = waits_with(&mut WaitPolicy::new(1_000), cycle, 0);
            assert_eq!(waits.last(), Some(&longest), "{cycle}");
            let after_the_first = &waits[(cycle / MILLISECOND) as usize..];
            assert!(
                after_the_first.iter().all(|wait| *wait <= longest),
                "{cycle}: {waits:?}"
            );
        }
    }

    #[test]
    fn at_a_rate_the_wait_ends_with_the_next_instant_and_cycles_do_not_limit_it() {
        let mut policy = WaitPolicy::new(1_000);
        waits_with(&mut policy, 200 * MILLISECOND, 0);
        policy.note_cycle(100 * MICROSECOND);
        let now = 500 * MILLISECOND;
        let mut wait = |turn, left| policy.next(turn, now, Some(now + left));
        assert_eq!(wait(busy(200), 10 * MILLISECOND), 1_000);
        assert_eq!(wait(busy(200), 300 * MICROSECOND), 300);
        // However little is expected, the loop wakes up then anyway.
        let idle = Turn {
            elapsed: SECOND,
            ..Turn::default()
        };
        assert_eq!(wait(idle, 300 * MICROSECOND), 300);
        assert_eq!(wait(idle, 10 * MILLISECOND), 0);
        let connecting = Turn {
            connecting: true,
            ..busy(200)
        };
        assert_eq!(wait(connecting, 300 * MICROSECOND), 0);
        assert_eq!(wait(busy(200), 0), 0);
        let mut none = WaitPolicy::new(0);
        assert_eq!(none.next(busy(200), now, Some(now + 300 * MICROSECOND)), 0);
    }

    #[test]
    fn the_fastest_user_limits_the_wait_until_it_is_gone() {
        let mut policy = WaitPolicy::new(1_000);
        policy.note_cycle(300 * MICROSECOND);
        policy.note_cycle(MILLISECOND * 900);
        assert_eq!(policy.next(busy(20), MILLISECOND, None), 0);
        let waits = waits_with(&mut policy, 200 * MILLISECOND, MILLISECOND);
        assert_eq!((waits[0], waits.last()), (0, Some(&1_000)));
    }

    #[test]
    fn the_page_on_the_architecture_states_the_share() {
        let page = crate::documents_tests::document("docs/ARCHITECTURE.md");
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&format!("{} % of the shortest cycle", CYCLE_SHARE * 100.0)));
        assert!(page.contains(&format!("at most {} us after it", PASSES_TIMERS_BY / MICROSECOND)));
    }

    #[test]
    fn a_bound_of_zero_switches_it_off() {
        let mut policy = WaitPolicy::new(0);
        assert!((0..100).all(|_| policy.next(busy(100), 0, None) == 0));
    }

    #[test]
    fn the_manual_gives_this_limit_and_the_two_others_on_coalesced_events() {
        let manual = crate::documents_tests::document("docs/METRICS.md");
        let rows = crate::documents_tests::rows(&manual, "### Coalesced events");
        let limits: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        let own = format!("{} % of the completions", COALESCED_SHARE_MAX * 100.0);
        let verdict = crate::plan::AnalysisLimits::default().coalesced_max * 100.0;
        assert!(limits[2].starts_with(&own), "{limits:?}");
        assert_eq!(limits[1], format!("{verdict} %"));
    }
}
