//! Gathers the text of an answer, for conversations that carry it on.

use super::{Expected, ResponseReader};
use crate::api::{Reply, ReplyText};

/// The text of one answer so far, as the inside of a JSON string.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// How texts are read; `None` for a response that has none.
    reply: Option<Reply>,
    text: ReplyText,
}

impl Gathered {
    pub fn begin(&mut self, expected: Expected) {
        self.reply = match expected {
            Expected::Stream(api) | Expected::Whole(api) => Some(api.row().reply),
            Expected::Light => None,
        };
        self.text.clear();
    }

    pub fn event(&mut self, data: &[u8]) {
        if let Some(reply) = self.reply {
            reply.event(data, &mut self.text);
        }
    }

    pub fn body(&mut self, data: &[u8]) {
        if let Some(reply) = self.reply {
            reply.body(data, &mut self.text);
        }
    }

    pub fn held_bytes(&self) -> usize {
        self.text.held_bytes()
    }
}

impl ResponseReader {
    /// Says whether the texts of the answers to come are gathered.
    pub fn gather(&mut self, wanted: bool) {
        match wanted {
            true => drop(self.gathered.get_or_insert_default()),
            false => self.gathered = None,
        }
    }

    /// Returns the text of the last answer, as the inside of a JSON string; empty if none was gathered.
    pub fn gathered(&self) -> &[u8] {
        self.gathered
            .as_ref()
            .map_or(&[], |gathered| gathered.text.as_bytes())
    }
}
