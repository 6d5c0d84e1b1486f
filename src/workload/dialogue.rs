//! What a turn of a conversation sends: everything that was said so far, written from what is kept of it.
//!
//! Of a session only the server's answers are kept. What the user and the system said is made again from the keys of
//! their choices whenever it is sent, as every prompt is.

use super::bust::Marker;
use super::content::{Counted, Spelled};
use super::conversation::{Conversation, HistoryMode, SessionKey};
use super::costs::WordCosts;
use super::prompts::push_words;
use super::types::{Chat, Draw, Workload};
use crate::api::{Prompt, write_string};

/// The answers of a session so far.
#[derive(Debug, Default)]
pub struct History {
    /// The texts of the answers one after another, as the inside of JSON strings.
    replies: Vec<u8>,
    /// Each turn that was answered, and where its answer ends.
    answered: Vec<(u16, usize)>,
}

impl History {
    /// Keeps the answer to a turn, which is the inside of a JSON string.
    pub fn keep(&mut self, turn: u16, reply: &[u8]) {
        self.replies.extend_from_slice(reply);
        self.answered.push((turn, self.replies.len()));
    }

    /// Returns the memory that it takes, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.replies.capacity() + self.answered.capacity() * size_of::<(u16, usize)>()
    }

    /// Iterates over the turns that were answered, with the answers.
    pub(super) fn each(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut from = 0;
        self.answered.iter().map(move |&(turn, to)| {
            let reply = &self.replies[from..to];
            from = to;
            (turn, reply)
        })
    }
}

/// A turn that is sent now, of a conversation or of a session whose requests wait for one another.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    pub key: SessionKey,
    /// Its number in its session, from 0.
    pub number: u16,
    pub history: &'a History,
    /// Names the session in the affinity header.
    pub id: &'a str,
}

impl Turn<'_> {
    /// Returns the header that names the session.
    pub(super) fn affinity<'w>(&'w self, workload: &'w Workload) -> Option<(&'w str, &'w str)> {
        let name = workload.affinity_header(self.key.kind)?;
        Some((name, self.id))
    }
}

/// The words of a turn and of all before it.
pub(super) struct Dialogue<'a> {
    pub workload: &'a Workload,
    pub chat: &'a Chat,
    pub conversation: &'a Conversation,
    pub turn: Turn<'a>,
    pub now: &'a Draw,
    /// Begins the session, if no two begin alike.
    pub marker: Option<Marker<'a>>,
}

/// Writes a dialogue as messages, for APIs that have them.
pub(super) struct AsMessages<'a>(pub Dialogue<'a>);

/// Writes a dialogue as one text, for the others: each answer follows what it answers, and a blank line ends it.
pub(super) struct AsText<'a>(pub Dialogue<'a>);

impl Dialogue<'_> {
    /// Returns the answers that are sent along.
    fn before(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let is_sent = self.conversation.history == HistoryMode::Full;
        self.turn.history.each().filter(move |_| is_sent)
    }

    /// Appends what the user said in a turn, as a JSON string.
    fn write_user(&self, draw: &Draw, out: &mut Vec<u8>) {
        let counted = self.chat.costs(draw).map_or(Counted::No, Counted::Part);
        Spelled::of(&self.chat.prompts, draw, counted).write_json(out);
    }

    /// Puts the marker before what begins at `from`. Made words that begin a session vary by themselves.
    fn mark(&self, out: &mut Vec<u8>, from: usize) {
        let begins_with_text = self.conversation.has_system() || self.chat.prompts.begin_with_text();
        if let Some(marker) = self.marker.filter(|_| begins_with_text) {
            marker.mark(out, from);
        }
    }

    fn write_past(&self, turn: u16, out: &mut Vec<u8>) {
        self.write_user(&self.workload.draw_turn(self.turn.key, turn), out);
    }

    fn write_system(&self, out: &mut Vec<u8>) {
        write_system((self.turn.key, self.conversation), self.chat.costs(self.now), out);
    }
}

/// Appends the message of the system that a session begins with, as a JSON string.
pub(super) fn write_system(
    (session, conversation): (SessionKey, &Conversation),
    costs: Option<&WordCosts>,
    out: &mut Vec<u8>,
) {
    let Conversation {
        system,
        system_tokens,
        ..
    } = conversation;
    let begin = out.len() + 1;
    write_string(out, system);
    out.pop();
    let (own, own_tokens) = session.own_words(conversation);
    for (key, tokens) in [(session.common_words(), *system_tokens), (own, own_tokens)] {
        if tokens == 0 {
            continue;
        }
        let is_begin = out.len() == begin;
        if let Some(costs) = costs {
            costs.push_text(out, key, tokens, is_begin);
            continue;
        }
        if !is_begin {
            out.push(b' ');
        }
        push_words(out, key, tokens);
    }
    out.push(b'"');
}

impl Prompt for AsMessages<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let AsMessages(dialogue) = self;
        let begin = out.len();
        out.push(b'[');
        if dialogue.conversation.has_system() {
            out.extend_from_slice(b"{\"role\":\"system\",\"content\":");
            dialogue.write_system(out);
            out.extend_from_slice(b"},");
        }
        for (turn, reply) in dialogue.before() {
            out.extend_from_slice(b"{\"role\":\"user\",\"content\":");
            dialogue.write_past(turn, out);
            out.extend_from_slice(b"},{\"role\":\"assistant\",\"content\":\"");
            out.extend_from_slice(reply);
            out.extend_from_slice(b"\"},");
        }
        out.extend_from_slice(b"{\"role\":\"user\",\"content\":");
        dialogue.write_user(dialogue.now, out);
        out.extend_from_slice(b"}]");
        dialogue.mark(out, begin);
    }
}

impl Prompt for AsText<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        const BLANK_LINE: &[u8] = b"\\n\\n";
        let AsText(dialogue) = self;
        let begin = out.len();
        out.push(b'"');
        // Strings are written one after the other, and the quotes between them go.
        let join = |out: &mut Vec<u8>, write: &mut dyn FnMut(&mut Vec<u8>)| {
            let at = out.len();
            write(out);
            out.remove(at);
            out.pop();
        };
        if dialogue.conversation.has_system() {
            join(out, &mut |out| dialogue.write_system(out));
            out.extend_from_slice(BLANK_LINE);
        }
        for (turn, reply) in dialogue.before() {
            join(out, &mut |out| dialogue.write_past(turn, out));
            out.extend_from_slice(reply);
            out.extend_from_slice(BLANK_LINE);
        }
        join(out, &mut |out| dialogue.write_user(dialogue.now, out));
        out.push(b'"');
        debug_assert!(out.len() > begin + 1);
        dialogue.mark(out, begin);
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
pub(super) mod tests;
