//! Everything that is kept of the turns and sessions of a run.

use crate::metrics::{Distribution, GraphEnded, Outcome, SessionEnd, SessionEnded, Sessions, TurnEnded};

/// The most turns that have a row of their own; those after them share the last one. A row takes 190 KB for each of its
/// two distributions, with its first value.
pub const TURN_ROWS_MAX: usize = 64;

/// The figures of the turns with one number.
#[derive(Clone, Debug, Default)]
pub struct TurnTotals {
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    /// Turns that their users cancelled.
    pub cancelled: u64,
    pub output_tokens: u64,
    /// What the server says that it read, and of how many turns it says so.
    pub prompt_tokens: u64,
    pub prompt_counts: u64,
    /// Of the turns that are ok.
    pub ttft: Distribution,
    /// Of the turns that are ok.
    pub latency: Distribution,
}

impl TurnTotals {
    fn add(&mut self, turn: &TurnEnded) {
        self.requests += 1;
        self.output_tokens += u64::from(turn.output_tokens);
        if let Some(tokens) = turn.prompt_tokens {
            self.prompt_tokens += u64::from(tokens);
            self.prompt_counts += 1;
        }
        match turn.outcome {
            Outcome::Ok => {
                self.ok += 1;
                // A value beyond the range of a distribution is counted as such.
                if let Some(ttft) = turn.ttft {
                    self.ttft.record(ttft);
                }
                self.latency.record(turn.latency);
            }
            Outcome::Cancelled => self.cancelled += 1,
            outcome if outcome.is_failure() => self.failed += 1,
            _ => self.interrupted += 1,
        }
    }

    pub fn merge(&mut self, other: &TurnTotals) {
        let TurnTotals {
            requests,
            ok,
            failed,
            interrupted,
            cancelled,
            output_tokens,
            prompt_tokens,
            prompt_counts,
            ttft,
            latency,
        } = other;
        // A document may contain any figures.
        for (mine, theirs) in [
            (&mut self.requests, requests),
            (&mut self.ok, ok),
            (&mut self.failed, failed),
            (&mut self.interrupted, interrupted),
            (&mut self.cancelled, cancelled),
            (&mut self.output_tokens, output_tokens),
            (&mut self.prompt_tokens, prompt_tokens),
            (&mut self.prompt_counts, prompt_counts),
        ] {
            *mine = mine.saturating_add(*theirs);
        }
        self.ttft.merge(ttft);
        self.latency.merge(latency);
    }

    /// Returns the mean of what the server says that it read; `None` if it says nothing.
    pub fn prompt_tokens_mean(&self) -> Option<f64> {
        (self.prompt_counts > 0).then(|| self.prompt_tokens as f64 / self.prompt_counts as f64)
    }
}

/// Counts of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    pub started: u64,
    pub completed: u64,
    pub failed: u64,
    /// Sessions that the end of the load cut.
    pub incomplete: u64,
    /// Sessions of which the user cancelled a turn and went away.
    pub cancelled: u64,
    /// Turns of sessions that have ended.
    pub turns: u64,
    /// The most turns of a session that has ended.
    pub turns_max: u16,
    /// Turns and sessions that there was no room for.
    pub lost: u64,
    /// Of the failed ones, those that ended because there was no memory for their history.
    pub full: u64,
}

impl SessionCounts {
    pub fn merge(&mut self, other: &SessionCounts) {
        let SessionCounts {
            started,
            completed,
            failed,
            incomplete,
            cancelled,
            turns,
            turns_max,
            lost,
            full,
        } = other;
        for (mine, theirs) in [
            (&mut self.started, started),
            (&mut self.completed, completed),
            (&mut self.failed, failed),
            (&mut self.incomplete, incomplete),
            (&mut self.cancelled, cancelled),
            (&mut self.turns, turns),
            (&mut self.lost, lost),
            (&mut self.full, full),
        ] {
            *mine = mine.saturating_add(*theirs);
        }
        self.turns_max = self.turns_max.max(*turns_max);
    }
}

/// What else is known of sessions whose requests wait for one another, and of which all are ok.
#[derive(Clone, Debug, Default)]
pub struct GraphTotals {
    /// How long they took in the trace.
    pub recorded: Distribution,
    /// How long the delays took on their critical paths, and how long the rest: waiting for answers.
    pub delays: Distribution,
    pub answers: Distribution,
}

impl GraphTotals {
    pub fn merge(&mut self, other: &GraphTotals) {
        let GraphTotals {
            recorded,
            delays,
            answers,
        } = other;
        self.recorded.merge(recorded);
        self.delays.merge(delays);
        self.answers.merge(answers);
    }
}

/// The turns and sessions of a run.
#[derive(Clone, Debug, Default)]
pub struct SessionTotals {
    pub counts: SessionCounts,
    /// How long sessions took that were completed, pauses included.
    pub duration: Distribution,
    /// Turn i + 1; the last of [`TURN_ROWS_MAX`] has all after it.
    pub turns: Vec<TurnTotals>,
    /// `None` without such sessions.
    pub graphs: Option<Box<GraphTotals>>,
    /// The most bytes that histories took: the sum over the cores of their peaks, an upper bound.
    pub history_peak: u64,
}

impl SessionTotals {
    /// Adds what a core has finished since its last snapshot. Peaks are the caller's.
    pub fn add(&mut self, sessions: &Sessions) {
        self.counts.started += sessions.started;
        self.counts.lost += sessions.lost;
        self.counts.full += sessions.full;
        for turn in &sessions.turns {
            self.row(turn.turn).add(turn);
        }
        for SessionEnded {
            end,
            turns,
            duration,
            graph,
        } in &sessions.ended
        {
            let graphs = graph.map(|graph| (graph, self.graphs.get_or_insert_default()));
            match end {
                SessionEnd::Completed => {
                    self.counts.completed += 1;
                    self.duration.record(*duration);
                    if let Some((GraphEnded { recorded, delays }, totals)) = graphs {
                        totals.recorded.record(recorded);
                        totals.delays.record(delays);
                        totals.answers.record(duration.saturating_sub(delays));
                    }
                }
                SessionEnd::Failed => self.counts.failed += 1,
                SessionEnd::Incomplete => self.counts.incomplete += 1,
                SessionEnd::Cancelled => self.counts.cancelled += 1,
            }
            self.counts.turns += u64::from(*turns);
            self.counts.turns_max = self.counts.turns_max.max(*turns);
        }
    }

    fn row(&mut self, turn: u16) -> &mut TurnTotals {
        let index = usize::from(turn.saturating_sub(1)).min(TURN_ROWS_MAX - 1);
        if self.turns.len() <= index {
            self.turns.resize_with(index + 1, TurnTotals::default);
        }
        &mut self.turns[index]
    }

    /// Adds the figures of a later pass. Its histories took their memory when these took none.
    pub fn append(&mut self, later: &SessionTotals) {
        self.merge_figures(later);
        self.history_peak = self.history_peak.max(later.history_peak);
    }

    /// Adds the figures of another part of the same load, whose histories took their memory at the same time.
    pub fn merge(&mut self, other: &SessionTotals) {
        self.merge_figures(other);
        self.history_peak = self.history_peak.saturating_add(other.history_peak);
    }

    fn merge_figures(&mut self, other: &SessionTotals) {
        let SessionTotals {
            counts,
            duration,
            turns,
            graphs,
            history_peak: _,
        } = other;
        self.counts.merge(counts);
        self.duration.merge(duration);
        if let Some(graphs) = graphs {
            self.graphs.get_or_insert_default().merge(graphs);
        }
        if self.turns.len() < turns.len() {
            self.turns.resize_with(turns.len(), TurnTotals::default);
        }
        for (mine, theirs) in self.turns.iter_mut().zip(turns) {
            mine.merge(theirs);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts == SessionCounts::default() && self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, Nanos};

    fn turn(turn: u16, outcome: Outcome, ttft: Nanos, prompt_tokens: Option<u32>) -> TurnEnded {
        TurnEnded {
            turn,
            outcome,
            ttft: Some(ttft),
            latency: 2 * ttft,
            prompt_tokens,
            output_tokens: 4,
        }
    }

    fn session(end: SessionEnd, turns: u16) -> SessionEnded {
        SessionEnded {
            end,
            turns,
            duration: 9 * MILLISECOND,
            graph: None,
        }
    }

    #[test]
    fn turns_are_counted_by_their_number_and_only_good_ones_give_times() {
        let ms = MILLISECOND;
        let mut totals = SessionTotals::default();
        totals.add(&Sessions {
            turns: vec![
                turn(1, Outcome::Ok, 3 * ms, Some(10)),
                turn(1, Outcome::Ok, 5 * ms, None),
                turn(2, Outcome::Http503, ms, None),
                turn(2, Outcome::Interrupted, ms, None),
                turn(900, Outcome::Ok, ms, Some(7)),
            ],
            ended: vec![session(SessionEnd::Completed, 2), session(SessionEnd::Failed, 5)],
            started: 3,
            ..Sessions::default()
        });
        let first = &totals.turns[0];
        assert_eq!((first.requests, first.ok, first.ttft.offered()), (2, 2, 2));
        assert_eq!((first.prompt_tokens_mean(), first.output_tokens), (Some(10.0), 8));
        let second = &totals.turns[1];
        assert_eq!(
            (second.failed, second.interrupted, second.ttft.offered()),
            (1, 1, 0)
        );
        assert_eq!(
            (totals.turns.len(), totals.turns[TURN_ROWS_MAX - 1].ok),
            (TURN_ROWS_MAX, 1)
        );
        let counts = totals.counts;
        assert_eq!((counts.started, counts.completed, counts.failed), (3, 1, 1));
        assert_eq!(
            (counts.turns, counts.turns_max, totals.duration.offered()),
            (7, 5, 1)
        );
    }

    #[test]
    fn only_completed_graphs_give_times_and_parts_add_up() {
        let graph = |end| SessionEnded {
            graph: Some(GraphEnded {
                recorded: 12 * MILLISECOND,
                delays: 4 * MILLISECOND,
            }),
            ..session(end, 2)
        };
        let mut part = SessionTotals::default();
        part.add(&Sessions {
            ended: vec![graph(SessionEnd::Completed), graph(SessionEnd::Failed)],
            started: 2,
            ..Sessions::default()
        });
        let mut sum = SessionTotals::default();
        sum.merge(&part);
        sum.merge(&part);
        let found = sum.graphs.unwrap();
        let [recorded, delays, answers] = [&found.recorded, &found.delays, &found.answers];
        assert_eq!(
            (recorded.offered(), delays.offered(), answers.offered()),
            (2, 2, 2)
        );
        assert_eq!(sum.duration.offered(), 2);
    }

    #[test]
    fn parts_add_their_peaks_and_passes_take_the_higher() {
        let part = |peak| SessionTotals {
            history_peak: peak,
            ..SessionTotals::default()
        };
        let mut parts = part(5);
        parts.merge(&part(7));
        let mut passes = part(5);
        passes.append(&part(7));
        assert_eq!((parts.history_peak, passes.history_peak), (12, 7));
    }
}
