//! Sessions whose turns are rows of a dataset: which row is a turn, and when it follows the one before it.

use super::conversation::SessionKey;
use super::rows::Rows;
use super::types::{Call, Chat, Draw, Prompts, Workload};
use crate::dataset::{Content, RowBytes};
use crate::units::Nanos;

/// What a dataset says about when a turn follows the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Follows {
    /// The time after the end of the answer before it.
    pub delay: Option<Nanos>,
    /// The time from the instant of the session's first turn to its own.
    pub since_first: Option<Nanos>,
}

impl Workload {
    /// Returns the rows that the turns of a kind's sessions are; `None` if they are drawn, or if no row was read.
    fn rows_of_turns(&self, kind: u16) -> Option<&Rows> {
        match &self.kinds[usize::from(kind)].call {
            Call::Chat(Chat {
                prompts: Prompts::Rows(rows),
                conversation: Some(_),
                ..
            }) if !rows.dataset.is_empty() => Some(rows),
            _ => None,
        }
    }

    /// Returns how many turns the dataset has for a session, if it is one of a dataset.
    pub(super) fn turns_of_dataset(&self, key: SessionKey) -> Option<u32> {
        let rows = self.rows_of_turns(key.kind)?;
        Some(rows.dataset.sessions().turns(key.of_dataset))
    }

    /// Returns the session number `number` of `all` that are spread evenly over those of the dataset; 0 if the kind has
    /// none.
    pub(super) fn any_of_dataset(&self, kind: u16, (number, all): (u64, u64)) -> u32 {
        let Some(rows) = self.rows_of_turns(kind) else {
            return 0;
        };
        let sessions = u64::from(rows.dataset.sessions().len());
        // Below the number of sessions.
        (number * sessions / all.max(1)) as u32
    }

    /// Gives the draw of a turn its row, with the row's own length, if the session is one of a dataset.
    pub(super) fn with_row_of_turn(&self, draw: Draw, key: SessionKey, turn: u16) -> Draw {
        let Some(rows) = self.rows_of_turns(key.kind) else {
            return draw;
        };
        let row = rows.turn(key, turn);
        // Of a row with only what is new nobody knows how long the prompt becomes.
        let is_whole = !rows.packed(row).row().is_delta;
        Draw {
            prompt: row,
            prompt_tokens: if is_whole {
                rows.dataset.input_tokens(row)
            } else {
                0
            },
            max_tokens: rows.output_tokens(row).unwrap_or(draw.max_tokens),
            ..draw
        }
    }

    /// Returns what the dataset says about when a turn follows the one before it. `turn` is from 0.
    pub fn follows(&self, key: SessionKey, turn: u16) -> Follows {
        let Some(rows) = self.rows_of_turns(key.kind) else {
            return Follows::default();
        };
        let row = rows.turn(key, turn);
        let first = rows.dataset.at(rows.turn(key, 0));
        Follows {
            delay: rows.packed(row).row().delay,
            since_first: rows
                .dataset
                .at(row)
                .zip(first)
                .map(|(at, first)| at.saturating_sub(first)),
        }
    }

    /// Tells whether the answer to a turn is sent again, if a history is: not where the next row has all that was said
    /// before it.
    pub fn keeps_answer(&self, key: SessionKey, turn: u16) -> bool {
        let Some(rows) = self.rows_of_turns(key.kind) else {
            return true;
        };
        u32::from(turn) + 1 < rows.dataset.sessions().turns(key.of_dataset)
            && rows.packed(rows.turn(key, turn + 1)).row().is_delta
    }
}

impl Rows {
    /// Returns the row that a turn of a session is.
    pub(super) fn turn(&self, key: SessionKey, turn: u16) -> u64 {
        self.dataset.sessions().row(key.of_dataset, u32::from(turn))
    }

    /// Returns the bytes of a row.
    ///
    /// # Panics
    /// Panics if the file of rows was changed by someone else: it is this process's own, and no name leads to it.
    pub(super) fn packed(&self, row: u64) -> RowBytes<'_> {
        let bytes = self.dataset.bytes(row);
        bytes.expect("the rows of a dataset can be read back")
    }

    /// Returns about how many bytes a row takes in a request.
    pub(super) fn request_bytes(&self, row: u64) -> u64 {
        let packed = self.packed(row);
        let row = packed.row();
        let content = match &row.content {
            Content::Text(json) | Content::Messages(json) | Content::Payload(json) => json.len() as u64,
            Content::Blocks(blocks) => u64::from(blocks.input_tokens) * super::conversation::BYTES_PER_TOKEN,
        };
        let more = [row.answer, row.tools, row.extra].into_iter().flatten();
        content + more.map(|json| json.len() as u64).sum::<u64>()
    }
}

#[cfg(test)]
#[path = "row_sessions_tests.rs"]
mod tests;
