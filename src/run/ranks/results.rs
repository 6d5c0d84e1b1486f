//! The results of the ranks after the load, and their requests if rank 0 gathers them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::{Ranks, Reaction};
use crate::coordination::RankDetails;
use crate::coordinator::Command;
use crate::error::one_line;
use crate::json::JsonError;
use crate::result::each_detail;

/// The most bytes of requests in one message.
const LINES_BYTES_MAX: usize = 256 << 10;
/// The size of one read of a document.
const READ_BYTES: usize = 256 << 10;

/// Why a document that lists no requests is of no use.
pub const NO_DETAILS: &str = "its document has no details";

/// Opens the document of this rank, which lists its requests. An error says why it cannot.
pub fn own_document(own: Option<&Path>) -> Result<impl BufRead, String> {
    let path = own.ok_or("it has no document of its own")?;
    let file = File::open(path).map_err(|e| format!("its document cannot be read: {e}"))?;
    Ok(BufReader::with_capacity(READ_BYTES, file))
}

/// Why no more requests can be given.
struct Unread(String);

impl From<JsonError> for Unread {
    fn from(error: JsonError) -> Unread {
        Unread(format!("its document cannot be read: {error}"))
    }
}

impl Ranks {
    /// Waits for the results of all ranks that are left, and returns what has arrived.
    pub fn results(&self, wait: bool, say: &mut dyn FnMut(&str)) -> BTreeMap<u32, Value> {
        while wait && !self.missing_results().is_empty() {
            match self.events().recv() {
                Ok(event) => match self.take(event) {
                    Reaction::Say(text) => say(&text),
                    Reaction::Stop(why) => say(&one_line(&why.to_string())),
                    _ => {}
                },
                Err(_) => break,
            }
        }
        std::mem::take(&mut self.state.borrow_mut().documents)
    }

    fn missing_results(&self) -> Vec<u32> {
        let state = self.state.borrow();
        let ranks = 1..self.config.shard.count();
        let open = ranks.filter(|rank| !state.lost.contains_key(rank) && !state.documents.contains_key(rank));
        open.collect()
    }

    /// Gives rank 0 the result of this one, and waits until it has it and all others. Returns false if rank 0 was lost.
    /// Its requests, which rank 0 may want, are in the document at `own`.
    pub fn deliver(&self, document: Value, own: Option<&Path>, say: &mut dyn FnMut(&str)) -> bool {
        self.ask(Command::Document(document));
        loop {
            if self.state.borrow().verdict.is_some() {
                return true;
            }
            if self.state.borrow().lost.contains_key(&0) {
                return false;
            }
            match self.events().recv() {
                Ok(event) => match self.take(event) {
                    Reaction::Say(text) => say(&text),
                    Reaction::WantDetails => self.give_details(own),
                    Reaction::Over(_) | Reaction::Abort => return false,
                    _ => {}
                },
                Err(_) => return false,
            }
        }
    }

    /// Gives rank 0 the requests that this rank's document lists, as many at a time as one message has room for.
    fn give_details(&self, own: Option<&Path>) {
        let (lines, missing) = match self.give_document(own) {
            Ok(rest) => (rest, None),
            Err(Unread(why)) => (String::new(), Some(why)),
        };
        self.ask(Command::Details {
            lines,
            is_last: true,
            missing,
        });
    }

    /// Gives all requests of a document but the last ones, which are returned.
    fn give_document(&self, own: Option<&Path>) -> Result<String, Unread> {
        let document = own_document(own).map_err(Unread)?;
        let mut lines = String::new();
        let count = each_detail(document, |json, _| -> Result<(), Unread> {
            if lines.len() + json.len() > LINES_BYTES_MAX {
                self.ask(Command::Details {
                    lines: std::mem::take(&mut lines),
                    is_last: false,
                    missing: None,
                });
                self.wait_until_wanted()?;
            }
            // Line ends are only between tokens, because JSON escapes them in strings.
            let text = String::from_utf8_lossy(json);
            lines.extend(text.chars().filter(|c| !matches!(c, '\n' | '\r')));
            lines.push('\n');
            Ok(())
        })?;
        match count {
            Some(_) => Ok(lines),
            None => Err(Unread(NO_DETAILS.to_owned())),
        }
    }

    fn wait_until_wanted(&self) -> Result<(), Unread> {
        let gone = || Unread("rank 0 is gone".to_owned());
        loop {
            match self.take(self.events().recv().map_err(|_| gone())?) {
                Reaction::WantDetails => return Ok(()),
                Reaction::Over(_) | Reaction::Abort => return Err(gone()),
                _ if self.state.borrow().verdict.is_some() => return Err(gone()),
                _ if self.state.borrow().lost.contains_key(&0) => return Err(gone()),
                _ => {}
            }
        }
    }

    /// Asks a rank for the next of its requests. Returns their lines, and whether these are the last ones; an error
    /// says why there are no more.
    pub fn next_details(&self, of: u32, say: &mut dyn FnMut(&str)) -> Result<(String, bool), String> {
        self.ask(Command::WantDetails { rank: of });
        loop {
            let event = self.events().recv();
            match self.take(event.map_err(|_| "the thread of the ranks has ended".to_owned())?) {
                Reaction::Details(RankDetails {
                    rank,
                    lines,
                    is_last,
                    missing,
                }) if rank == of => {
                    return match missing {
                        Some(why) => Err(one_line(&why).into_owned()),
                        None => Ok((lines, is_last)),
                    };
                }
                Reaction::Say(text) => say(&text),
                _ => {}
            }
            if let Some(why) = self.state.borrow().lost.get(&of) {
                return Err(format!("it was lost: {}", one_line(why)));
            }
        }
    }
}
