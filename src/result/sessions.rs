//! Conversations: how sessions ended, what each turn took, and how much memory the histories took.

use crate::result::MetricFigures;
use crate::sessions::{
    GraphTotals, Growth, GrowthPoint, SessionCounts, SessionTotals, TURN_ROWS_MAX, TurnTotals, growth,
};
use crate::units::is_zero;
use crate::workload::PlannedHistories;
use serde::{Deserialize, Serialize};

/// The section of the document, if a kind of request is a conversation. `started` is the sum of the sessions that were
/// completed, failed, cancelled, or were cut by the end of the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionFigures {
    pub started: u64,
    /// Sessions of which all turns are ok.
    pub completed: u64,
    /// Sessions of which a turn failed.
    pub failed: u64,
    /// Sessions that the end of the load cut.
    pub incomplete: u64,
    /// Sessions of which the user cancelled a turn and went away.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Sessions per second of the load.
    pub started_per_second: f64,
    pub completed_per_second: f64,
    /// Turns of sessions that have ended, and the most of one.
    pub turns_made: u64,
    pub turns_max: u16,
    /// Turns and sessions that are missing here, because the reporter was too slow.
    pub lost: u64,
    /// From when the first turn was due to the end of the last, pauses included, of completed sessions.
    pub duration: MetricFigures,
    /// By the number of the turn.
    pub turns: Vec<TurnFigures>,
    /// The slope of the medians of `ttft` over the number of the turn; null with fewer than two turns.
    pub ttft_per_turn: Option<f64>,
    /// The same over what the server says that it read.
    pub ttft_per_1000_prompt_tokens: Option<f64>,
    /// Of sessions whose requests wait for one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphs: Option<GraphFigures>,
    pub histories: HistoryFigures,
}

/// What completed sessions waited for whose requests wait for one another. The critical path of a session leads from
/// its beginning to its end: each request on it waited for the one before it, and a delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphFigures {
    /// How long the sessions took in the trace.
    pub recorded: MetricFigures,
    /// How long all took together, divided by how long they took in the trace; null if that is not known.
    pub of_recorded: Option<f64>,
    /// The delays on the critical path.
    pub delays: MetricFigures,
    /// The rest of the duration: waiting for the answers on it.
    pub answers: MetricFigures,
}

/// The turns with one number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnFigures {
    /// From 1.
    pub turn: u32,
    /// The row has the later turns as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub and_later: bool,
    pub requests: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    pub output_tokens: u64,
    /// Mean of what the server says that it read; null if it says nothing.
    pub prompt_tokens_mean: Option<f64>,
    /// Turns of which the server says it.
    pub prompt_tokens_known: u64,
    pub ttft: MetricFigures,
    pub latency: MetricFigures,
}

/// The memory of what servers have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFigures {
    /// Sessions at a time.
    pub sessions: u64,
    pub planned_bytes_per_session: u64,
    pub planned_bytes: u64,
    /// Sum over the cores of the most that each held, an upper bound.
    pub peak_bytes: u64,
    /// Sessions that ended because there was no memory for their history.
    pub full: u64,
}

impl HistoryFigures {
    pub(crate) fn planned(&self) -> PlannedHistories {
        PlannedHistories {
            sessions: self.sessions,
            each: self.planned_bytes_per_session,
            all: self.planned_bytes,
            // A document does not say, and nothing that is merged depends on it.
            requests: 0,
        }
    }
}

impl SessionFigures {
    /// Makes the section. `loaded_seconds` is the time that rates divide by.
    pub fn from_totals(
        totals: &SessionTotals,
        planned: &PlannedHistories,
        loaded_seconds: f64,
    ) -> SessionFigures {
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
        } = totals.counts;
        let rows: Vec<TurnFigures> = (1u32..)
            .zip(&totals.turns)
            .map(|(turn, row)| TurnFigures::from_totals(turn, row))
            .collect();
        let Growth {
            per_turn,
            per_1000_tokens,
        } = growth(&rows.iter().filter_map(TurnFigures::point).collect::<Vec<_>>());
        let per_second = |count: u64| match loaded_seconds > 0.0 {
            true => count as f64 / loaded_seconds,
            false => 0.0,
        };
        let duration = figures(&totals.duration);
        let graphs = totals
            .graphs
            .as_deref()
            .map(|graphs| GraphFigures::from_totals(graphs, &duration));
        SessionFigures {
            started,
            completed,
            failed,
            incomplete,
            cancelled,
            started_per_second: per_second(started),
            completed_per_second: per_second(completed),
            turns_made: turns,
            turns_max,
            lost,
            duration,
            turns: rows,
            ttft_per_turn: per_turn,
            ttft_per_1000_prompt_tokens: per_1000_tokens,
            graphs,
            histories: HistoryFigures {
                sessions: planned.sessions,
                planned_bytes_per_session: planned.each,
                planned_bytes: planned.all,
                peak_bytes: totals.history_peak,
                full,
            },
        }
    }

    /// Returns what the figures are computed from. The error is the key of what is wrong, and what is wrong with it.
    pub(crate) fn totals(&self) -> Result<SessionTotals, (String, String)> {
        let mut turns = Vec::with_capacity(self.turns.len());
        for (index, row) in self.turns.iter().enumerate() {
            let key = |name: &str, what: String| (format!("turns[{index}].{name}"), what);
            if row.turn as usize != index + 1 || index >= TURN_ROWS_MAX {
                let what = format!("{} is not the number of the row, {}", row.turn, index + 1);
                return Err(key("turn", what));
            }
            turns.push(TurnTotals {
                requests: row.requests,
                ok: row.ok,
                failed: row.failed,
                interrupted: row.interrupted,
                cancelled: row.cancelled,
                output_tokens: row.output_tokens,
                prompt_tokens: row.prompt_tokens_sum(),
                prompt_counts: row.prompt_tokens_known,
                ttft: row.ttft.distribution().map_err(|what| key("ttft", what))?,
                latency: row.latency.distribution().map_err(|what| key("latency", what))?,
            });
        }
        let duration = self.duration.distribution();
        let graphs = self.graphs.as_ref().map(GraphFigures::totals).transpose()?;
        Ok(SessionTotals {
            counts: SessionCounts {
                started: self.started,
                completed: self.completed,
                failed: self.failed,
                incomplete: self.incomplete,
                cancelled: self.cancelled,
                turns: self.turns_made,
                turns_max: self.turns_max,
                lost: self.lost,
                full: self.histories.full,
            },
            duration: duration.map_err(|what| ("duration".to_owned(), what))?,
            turns,
            graphs: graphs.map(Box::new),
            history_peak: self.histories.peak_bytes,
        })
    }
}

impl GraphFigures {
    fn from_totals(totals: &GraphTotals, duration: &MetricFigures) -> GraphFigures {
        let recorded = figures(&totals.recorded);
        let of_recorded = match (duration.mean, recorded.mean) {
            (Some(took), Some(recorded)) if recorded > 0.0 => Some(took / recorded),
            _ => None,
        };
        GraphFigures {
            recorded,
            of_recorded,
            delays: figures(&totals.delays),
            answers: figures(&totals.answers),
        }
    }

    /// Returns what the figures are computed from, or the key of what is wrong, and what is wrong with it.
    fn totals(&self) -> Result<GraphTotals, (String, String)> {
        let read = |name: &str, figures: &MetricFigures| {
            let read = figures.distribution();
            read.map_err(|what| (format!("graphs.{name}"), what))
        };
        Ok(GraphTotals {
            recorded: read("recorded", &self.recorded)?,
            delays: read("delays", &self.delays)?,
            answers: read("answers", &self.answers)?,
        })
    }
}

impl TurnFigures {
    fn from_totals(turn: u32, row: &TurnTotals) -> TurnFigures {
        TurnFigures {
            turn,
            and_later: turn as usize == TURN_ROWS_MAX,
            requests: row.requests,
            ok: row.ok,
            failed: row.failed,
            interrupted: row.interrupted,
            cancelled: row.cancelled,
            output_tokens: row.output_tokens,
            prompt_tokens_mean: row.prompt_tokens_mean(),
            prompt_tokens_known: row.prompt_counts,
            ttft: figures(&row.ttft),
            latency: figures(&row.latency),
        }
    }

    fn prompt_tokens_sum(&self) -> u64 {
        let mean = self.prompt_tokens_mean.unwrap_or(0.0);
        (mean * self.prompt_tokens_known as f64).round() as u64
    }

    /// Returns the point of the turn for the growth of its TTFT; `None` without one. The last row has turns of several
    /// numbers, and says nothing about one.
    fn point(&self) -> Option<GrowthPoint> {
        let ttft = self.ttft.p50.filter(|_| !self.and_later)?;
        Some(GrowthPoint {
            turn: self.turn,
            ttft,
            prompt_tokens: self.prompt_tokens_mean,
            count: self.ttft.count,
        })
    }
}

/// Turns of one session are not independent of each other in a way that could be stated, so there are no intervals.
fn figures(values: &crate::metrics::Distribution) -> MetricFigures {
    MetricFigures::from_distribution(values, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{GraphEnded, Outcome, SessionEnd, SessionEnded, Sessions, TurnEnded};
    use crate::units::MILLISECOND;

    fn totals() -> SessionTotals {
        let mut totals = SessionTotals::default();
        let turn = |turn: u16| TurnEnded {
            turn,
            outcome: Outcome::Ok,
            ttft: Some(u64::from(10 + 2 * turn) * MILLISECOND),
            latency: 50 * MILLISECOND,
            prompt_tokens: Some(100 * u32::from(turn)),
            output_tokens: 7,
        };
        let ended = SessionEnded {
            end: SessionEnd::Completed,
            turns: 3,
            duration: 900 * MILLISECOND,
            graph: Some(GraphEnded {
                recorded: 1_800 * MILLISECOND,
                delays: 300 * MILLISECOND,
            }),
        };
        totals.add(&Sessions {
            turns: (0..2).flat_map(|_| (1..=3).map(turn)).collect(),
            ended: vec![ended, ended],
            started: 2,
            ..Sessions::default()
        });
        totals.history_peak = 4_000;
        totals
    }

    const PLANNED: PlannedHistories = PlannedHistories {
        sessions: 2,
        each: 3_000,
        all: 6_000,
        requests: 7_000,
    };

    #[test]
    fn the_growth_is_that_of_the_medians() {
        let found = SessionFigures::from_totals(&totals(), &PLANNED, 2.0);
        assert_eq!((found.started, found.completed, found.turns_made), (2, 2, 6));
        assert!((found.completed_per_second - 1.0).abs() < 1e-12);
        // 2 ms a turn, within the resolution of the medians.
        assert!((found.ttft_per_turn.unwrap() - 2.0).abs() < 0.02, "{found:?}");
        assert!((found.ttft_per_1000_prompt_tokens.unwrap() - 20.0).abs() < 0.2);
        assert_eq!(found.turns[2].prompt_tokens_mean, Some(300.0));
        assert_eq!(
            (found.histories.planned_bytes, found.histories.peak_bytes),
            (6_000, 4_000)
        );
        let graphs = found.graphs.unwrap();
        assert!((graphs.of_recorded.unwrap() - 0.5).abs() < 0.01, "{graphs:?}");
        assert!((graphs.delays.mean.unwrap() - 300.0).abs() < 3.0);
        assert!((graphs.answers.mean.unwrap() - 600.0).abs() < 6.0);
    }

    #[test]
    fn figures_read_back_and_two_halves_make_the_whole() {
        let half = SessionFigures::from_totals(&totals(), &PLANNED, 2.0);
        let text = serde_json::to_string(&half).unwrap();
        let read: SessionFigures = serde_json::from_str(&text).unwrap();
        assert_eq!(read, half);
        let mut sum = read.totals().unwrap();
        sum.merge(&half.totals().unwrap());
        let whole = SessionFigures::from_totals(&sum, &PLANNED, 2.0);
        assert_eq!(
            (whole.started, whole.turns[1].requests, whole.turns[1].ttft.count),
            (4, 4, 4)
        );
        assert_eq!(whole.turns[1].ttft.p50, half.turns[1].ttft.p50);
        assert_eq!(whole.histories.peak_bytes, 8_000);
        assert_eq!(whole.graphs.map(|graphs| graphs.delays.count), Some(4));
    }

    #[test]
    fn a_row_out_of_place_is_named() {
        let mut found = SessionFigures::from_totals(&totals(), &PLANNED, 2.0);
        found.turns[1].turn = 7;
        let (key, what) = found.totals().unwrap_err();
        assert_eq!(key, "turns[1].turn");
        assert_eq!(what, "7 is not the number of the row, 2");
    }
}
