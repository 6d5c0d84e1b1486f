//! `requests.csv`: a row for each request.

use super::cells::{Cell, Column, head, line};
use crate::result::Detail;
use std::io::{Result, Write};

const COLUMNS: [Column<Detail>; 27] = [
    ("request_id", |detail| Cell::text(&detail.request_id)),
    ("x_request_id", |detail| text(&detail.x_request_id)),
    ("pair", |detail| text(&detail.pair)),
    ("session", |detail| text(&detail.session)),
    ("turn", |detail| detail.turn.map(u64::from).into()),
    ("endpoint", |detail| Cell::text(&detail.endpoint)),
    ("start_ts_seconds", |detail| detail.start_ts.into()),
    ("end_ts_seconds", |detail| detail.end_ts.into()),
    ("status", |detail| detail.status.map(u64::from).into()),
    ("sent_seconds", |detail| detail.sent.into()),
    ("connecting_seconds", |detail| detail.connecting.into()),
    ("first_byte_seconds", |detail| detail.first_byte.into()),
    ("ttft_seconds", |detail| detail.ttft.into()),
    ("ttfa_seconds", |detail| detail.ttfa.into()),
    ("last_token_seconds", |detail| detail.last_token.into()),
    ("gaps_seconds", |detail| gaps(detail)),
    ("latency_seconds", |detail| detail.latency.into()),
    ("asked_prompt_tokens", |detail| detail.asked_prompt_tokens.into()),
    ("prompt_tokens", |detail| detail.prompt_tokens.into()),
    ("cached_tokens", |detail| detail.cached_tokens.into()),
    ("asked_output_tokens", |detail| detail.asked_output_tokens.into()),
    ("output_tokens", |detail| detail.output_tokens.into()),
    ("reasoning_tokens", |detail| detail.reasoning_tokens.into()),
    ("tps_per_second", |detail| detail.tps.into()),
    ("error", |detail| text(&detail.error)),
    ("good", |detail| detail.good.map_or(Cell::Empty, Cell::Flag)),
    ("cause", |detail| text(&detail.cause)),
];

fn text(text: &Option<String>) -> Cell {
    text.as_deref().map_or(Cell::Empty, Cell::text)
}

/// Returns the gaps in one cell, with a blank between them.
fn gaps(detail: &Detail) -> Cell {
    let Some(gaps) = &detail.gaps else {
        return Cell::Empty;
    };
    let gaps: Vec<String> = gaps.iter().map(f64::to_string).collect();
    Cell::Text(gaps.join(" "))
}

/// Returns the names of the columns.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}

/// The table of requests, which is written row by row because it may be longer than the memory.
pub struct Requests<'a>(&'a mut dyn Write);

impl<'a> Requests<'a> {
    /// Begins the table.
    pub fn begin(out: &'a mut dyn Write) -> Result<Requests<'a>> {
        head(names(), out)?;
        Ok(Requests(out))
    }

    pub fn row(&mut self, detail: &Detail) -> Result<()> {
        line(COLUMNS.iter().map(|(_, cell)| cell(detail)), self.0)
    }
}
