//! What a turn sends that is a row of a dataset: the rows before it and their answers, if the row has only what is new.

use super::bust::Marker;
use super::conversation::{Conversation, HistoryMode};
use super::costs::WordCosts;
use super::dialogue::{Turn, write_system};
use super::rows::{MadeTokens, Rows, TokenWords};
use crate::api::Prompt;
use crate::dataset::{Content, Row};

/// The rows of a turn and of all before it.
pub(super) struct RowDialogue<'a> {
    pub rows: &'a Rows,
    pub conversation: &'a Conversation,
    pub turn: Turn<'a>,
    /// What words are in tokens, if they are counted.
    pub costs: Option<&'a WordCosts>,
    /// Begins the session, if no two begin alike.
    pub marker: Option<Marker<'a>>,
}

/// Writes rows as messages, for APIs that have them.
pub(super) struct RowMessages<'a>(pub RowDialogue<'a>);

/// Writes rows as one text, for the others: each answer follows what it answers, and a blank line ends it.
pub(super) struct RowText<'a>(pub RowDialogue<'a>);

/// Something that was said.
enum Said<'a> {
    System,
    /// The row with this index.
    Row(u64, Row<'a>),
    /// The inside of a JSON string.
    ServersAnswer(&'a [u8]),
    /// What the dataset has as an answer.
    OwnAnswer(&'a str),
}

impl Said<'_> {
    /// Tells whether it is made of tokens.
    fn is_made(&self) -> bool {
        matches!(self, Said::Row(_, row) if matches!(row.content, Content::Blocks(_)))
    }
}

impl RowDialogue<'_> {
    /// Returns the turn from which on rows are sent: the last one that has all that was said before it.
    fn begin(&self) -> u16 {
        let is_whole = |turn: &u16| {
            let packed = self.rows.packed(self.rows.turn(self.turn.key, *turn));
            !packed.row().is_delta
        };
        let mut back = (0..=self.turn.number).rev();
        back.find(is_whole).unwrap_or(0)
    }

    /// Calls `say` with everything that is sent, in order.
    fn each(&self, say: &mut dyn FnMut(Said<'_>)) {
        if self.conversation.has_system() {
            say(Said::System);
        }
        let Turn {
            key, number, history, ..
        } = self.turn;
        match self.conversation.history {
            HistoryMode::Delta => {}
            HistoryMode::Full => {
                let begin = self.begin();
                for (turn, reply) in history.each().filter(|(turn, _)| *turn >= begin) {
                    self.say_row(self.rows.turn(key, turn), say);
                    say(Said::ServersAnswer(reply));
                }
            }
            HistoryMode::Dataset => {
                for turn in self.begin()..number {
                    let row = self.rows.turn(key, turn);
                    self.say_row(row, say);
                    if let Some(answer) = self.rows.packed(row).row().answer {
                        say(Said::OwnAnswer(answer));
                    }
                }
            }
        }
        self.say_row(self.rows.turn(key, number), say);
    }

    fn say_row(&self, row: u64, say: &mut dyn FnMut(Said<'_>)) {
        say(Said::Row(row, self.rows.packed(row).row()));
    }

    fn write_system(&self, out: &mut Vec<u8>) {
        write_system((self.turn.key, self.conversation), self.costs, out);
    }

    /// Appends the tokens of a row as words. Those that begin the session vary instead of having a marker before them.
    fn write_words(&self, index: u64, row: &Row<'_>, is_first: bool, out: &mut Vec<u8>) {
        if let Content::Blocks(blocks) = &row.content {
            let tokens = MadeTokens {
                blocks,
                seed: self.rows.seed,
                row: index,
                bust: self.marker.filter(|_| is_first).map(|marker| marker.key),
            };
            TokenWords(tokens, self.costs).write_json(out);
        }
    }
}

impl Prompt for RowMessages<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let RowMessages(dialogue) = self;
        out.push(b'[');
        let begin = out.len();
        let mut marker = dialogue.marker;
        dialogue.each(&mut |said| {
            let is_first = out.len() == begin;
            if !is_first {
                out.push(b',');
            }
            if is_first && said.is_made() {
                marker = None;
            }
            let mut message = |role: &str, content: &mut dyn FnMut(&mut Vec<u8>)| {
                out.extend_from_slice(b"{\"role\":\"");
                out.extend_from_slice(role.as_bytes());
                out.extend_from_slice(b"\",\"content\":");
                content(out);
                out.push(b'}');
            };
            match said {
                Said::System => message("system", &mut |out| dialogue.write_system(out)),
                Said::Row(index, row) => match row.content {
                    Content::Messages(json) => out.extend_from_slice(inside(json)),
                    Content::Text(json) => message("user", &mut |out| out.extend_from_slice(json.as_bytes())),
                    _ => message("user", &mut |out| {
                        dialogue.write_words(index, &row, is_first, out)
                    }),
                },
                Said::ServersAnswer(reply) => message("assistant", &mut |out| {
                    out.push(b'"');
                    out.extend_from_slice(reply);
                    out.push(b'"');
                }),
                Said::OwnAnswer(json) => match json.starts_with('"') {
                    true => message("assistant", &mut |out| out.extend_from_slice(json.as_bytes())),
                    false => out.extend_from_slice(json.as_bytes()),
                },
            }
        });
        out.push(b']');
        if let Some(marker) = marker {
            marker.mark(out, begin - 1);
        }
    }
}

impl Prompt for RowText<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        const BLANK_LINE: &[u8] = b"\\n\\n";
        let RowText(dialogue) = self;
        out.push(b'"');
        let begin = out.len();
        let mut follows_answer = false;
        let mut marker = dialogue.marker;
        dialogue.each(&mut |said| {
            let is_first = out.len() == begin;
            if is_first && said.is_made() {
                marker = None;
            }
            let is_answer = matches!(said, Said::ServersAnswer(_) | Said::OwnAnswer(_));
            // A question after one that has no answer is a paragraph of its own as well.
            if !is_first && (!is_answer || follows_answer) {
                out.extend_from_slice(BLANK_LINE);
            }
            follows_answer = is_answer;
            let mut text = Vec::new();
            match said {
                Said::System => dialogue.write_system(&mut text),
                Said::Row(index, row) => match row.content {
                    Content::Text(json) => text.extend_from_slice(json.as_bytes()),
                    _ => dialogue.write_words(index, &row, is_first, &mut text),
                },
                Said::ServersAnswer(reply) => return out.extend_from_slice(reply),
                Said::OwnAnswer(json) => text.extend_from_slice(json.as_bytes()),
            }
            // The inside of a string.
            out.extend_from_slice(text.get(1..text.len().saturating_sub(1)).unwrap_or_default());
        });
        out.push(b'"');
        if let Some(marker) = marker {
            marker.mark(out, begin - 1);
        }
    }
}

/// Returns what stands between the brackets of a JSON array.
fn inside(json: &str) -> &[u8] {
    let json = json.trim().as_bytes();
    json.get(1..json.len().saturating_sub(1)).unwrap_or_default()
}
