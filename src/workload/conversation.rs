//! Conversations: kinds of request that are a sequence of turns, each with what was said before. A session is one
//! conversation that is carried out.

use super::cancel::Share;
use super::draw::{Choice, Key};
use super::pauses::Pauses;
use super::random::{keyed, up_to};
use super::types::{Call, Chat, Draw, Prompts, Workload};
use crate::lengths::Lengths;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The most turns of a session.
pub const TURNS_MAX: u32 = 1_000;
/// The word for as many turns as the sessions of a dataset have.
pub const ALL_TURNS: &str = "all";
/// The bits of a turn's number in the key of its choices. 2^30 sessions of a user are left, and no run has more.
const TURN_BITS: u32 = 10;
/// Separates the choices of turns from those of requests that belong to no conversation.
const TURN_SEED: u64 = 0x7475_726e;
/// Separates the words that all sessions begin with, and those that one begins with, from all others.
const SYSTEM_SEED: u64 = 0x7379_7374;
/// The bytes of JSON that a token of an answer is assumed to take in a history. English text takes between 4 and 5.
pub const BYTES_PER_TOKEN: u64 = 8;
/// The bytes of memory of a session besides its history: its task, its key, its allocations.
const SESSION_BYTES: u64 = 1_024;
/// The bytes of a message besides its text, and of the rest of a body.
const MESSAGE_BYTES: u64 = 64;
/// The most sessions that are drawn to find out how long histories become.
const DRAWN_MAX: u64 = 2_000;

const _: () = assert!(TURNS_MAX < 1 << TURN_BITS);

/// What a turn sends of the turns before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HistoryMode {
    /// Everything, with the server's own answers.
    #[default]
    Full,
    /// Nothing: the server keeps the conversation, or a gateway does.
    Delta,
    /// Everything, with the answers that a dataset has.
    Dataset,
}

impl HistoryMode {
    pub const NAMES: [&'static str; 3] = ["full", "delta", "dataset"];

    pub fn of_name(name: &str) -> Option<HistoryMode> {
        match name {
            "full" => Some(HistoryMode::Full),
            "dataset" => Some(HistoryMode::Dataset),
            "delta" => Some(HistoryMode::Delta),
            _ => None,
        }
    }
}

/// What becomes of a session when a turn fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It ends: the user gives up.
    #[default]
    End,
    /// The next turn follows. What was not answered is left out of the history.
    Continue,
}

impl OnFailure {
    pub const NAMES: [&'static str; 2] = ["end", "continue"];

    pub fn of_name(name: &str) -> Option<OnFailure> {
        match name {
            "end" => Some(OnFailure::End),
            "continue" => Some(OnFailure::Continue),
            _ => None,
        }
    }
}

/// What becomes of a session when its user cancels a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCancel {
    /// It ends: the user goes away.
    #[default]
    End,
    /// The next turn follows, after what had arrived of the answer: the user had read enough.
    Continue,
}

impl OnCancel {
    pub const NAMES: [&'static str; 2] = ["end", "continue"];

    pub fn of_name(name: &str) -> Option<OnCancel> {
        match name {
            "end" => Some(OnCancel::End),
            "continue" => Some(OnCancel::Continue),
            _ => None,
        }
    }
}

/// Turns that are the results of tools rather than the words of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct Tools {
    /// The share of the turns after the first.
    pub share: Share,
    /// How long a tool takes.
    pub time: Pauses,
}

/// How the sessions of a kind of request go. Documents and plans share this type.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// The most turns of a session; `None`: as many as the session of the dataset has, from which they are.
    pub turns: Option<Lengths>,
    pub history: HistoryMode,
    /// Text that every session begins with, as the system's message; may be empty.
    pub system: String,
    /// Length of made text that every session of the run begins with; 0: none.
    pub system_tokens: u32,
    /// Length of made text that each session begins with and no other has; 0: none.
    pub session_tokens: Lengths,
    /// The pause between an answer and the next turn; `None`: the think time of the load.
    pub think: Option<Pauses>,
    /// Factor of the delays that the rows of a dataset have; `None`: that of the trace, or 1.
    pub delay_scale: Option<f64>,
    pub tools: Option<Tools>,
    pub on_failure: OnFailure,
    pub on_cancel: OnCancel,
    /// The header that names the session to a load balancer.
    pub affinity_header: Option<String>,
}

impl Default for Conversation {
    fn default() -> Conversation {
        Conversation {
            turns: None,
            history: HistoryMode::Full,
            system: String::new(),
            system_tokens: 0,
            session_tokens: Lengths::fixed(0),
            think: None,
            delay_scale: None,
            tools: None,
            on_failure: OnFailure::End,
            on_cancel: OnCancel::End,
            affinity_header: None,
        }
    }
}

impl Conversation {
    /// Returns true if a session begins with a message of the system.
    pub fn has_system(&self) -> bool {
        !self.system.is_empty() || self.system_tokens > 0 || self.session_tokens.max() > 0
    }
}

impl Conversation {
    /// Says in words how its sessions go.
    pub fn in_words(&self) -> String {
        let mut words = vec![match &self.turns {
            Some(turns) => format!("{} turns", turns.in_words()),
            None => "all turns of the dataset".to_owned(),
        }];
        words.push(match self.history {
            HistoryMode::Full => "each with what was said before".to_owned(),
            HistoryMode::Dataset => "each with what was said before, and the dataset's answers".to_owned(),
            HistoryMode::Delta => "each alone".to_owned(),
        });
        if self.system_tokens > 0 {
            words.push(format!("all after {} tokens in common", self.system_tokens));
        }
        if self.session_tokens.max() > 0 {
            words.push(format!(
                "each session after {} of its own",
                self.session_tokens.in_words()
            ));
        }
        if let Some(think) = &self.think {
            words.push(format!("pauses of {}", think.in_words()));
        }
        if let Some(Tools { share, time }) = &self.tools {
            words.push(format!(
                "{share} of later turns after a tool of {}",
                time.in_words()
            ));
        }
        words.push(match self.on_failure {
            OnFailure::End => "a failed turn ends the session".to_owned(),
            OnFailure::Continue => "a failed turn is left out".to_owned(),
        });
        words.join(", ")
    }
}

/// Serialises the conversation as in a document: a mapping of the keys that say something.
impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match &self.turns {
            Some(turns) => map.serialize_entry("turns", turns)?,
            None => map.serialize_entry("turns", ALL_TURNS)?,
        }
        map.serialize_entry("history", &self.history)?;
        if !self.system.is_empty() {
            map.serialize_entry("system", &self.system)?;
        }
        if self.system_tokens > 0 {
            map.serialize_entry("system_tokens", &self.system_tokens)?;
        }
        if self.session_tokens.max() > 0 {
            map.serialize_entry("session_tokens", &self.session_tokens)?;
        }
        if let Some(think) = &self.think {
            map.serialize_entry("think_time", think)?;
        }
        if let Some(scale) = self.delay_scale {
            map.serialize_entry("delay_scale", &scale)?;
        }
        if let Some(Tools { share, time }) = &self.tools {
            map.serialize_entry("tool_time", time)?;
            map.serialize_entry("tool_share", &share.to_string())?;
        }
        map.serialize_entry("on_failure", &self.on_failure)?;
        if self.on_cancel != OnCancel::End {
            map.serialize_entry("on_cancel", &self.on_cancel)?;
        }
        if let Some(name) = &self.affinity_header {
            map.serialize_entry("affinity_header", name)?;
        }
        map.end()
    }
}

/// What the choices of a session depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    pub seed: u64,
    /// The VU, or what stands for it.
    pub owner: u32,
    /// The number of the session among those of its owner.
    pub session: u64,
    pub kind: u16,
    /// The model that all its turns ask for.
    pub model: u32,
    /// The session of the dataset whose rows are its turns; 0 if its turns are drawn.
    pub of_dataset: u32,
}

impl SessionKey {
    /// Returns the key of the session that a draw begins.
    pub fn of(seed: u64, owner: u32, session: u64, draw: &Draw) -> SessionKey {
        SessionKey {
            seed,
            owner,
            session,
            kind: draw.kind,
            model: draw.model,
            // The draw that begins a session of a dataset has its number, and no other uses this.
            of_dataset: draw.prompt as u32,
        }
    }

    /// Returns the key of the choices about a turn. `turn` is from 0.
    fn turn(&self, turn: u16) -> Key {
        Key {
            seed: keyed([self.seed, TURN_SEED, 0, 0]),
            vu: self.owner,
            iteration: self.session << TURN_BITS | u64::from(turn),
        }
    }

    /// Returns the key of the words that all sessions of the run begin with.
    pub(super) fn common_words(&self) -> u64 {
        keyed([self.seed, SYSTEM_SEED, u64::from(self.kind), 0])
    }

    /// Returns the key and the number of the words that this session begins with.
    pub(super) fn own_words(&self, conversation: &Conversation) -> (u64, u32) {
        let key = self.turn(0);
        let tokens = conversation.session_tokens.draw(key.bits(Choice::SessionTokens));
        (
            keyed([key.seed, SYSTEM_SEED, u64::from(key.vu), key.iteration]),
            tokens,
        )
    }
}

impl Workload {
    /// Returns how the sessions of a kind go; `None` if its requests are single ones.
    pub fn conversation(&self, kind: u16) -> Option<&Conversation> {
        self.kinds[usize::from(kind)].call.conversation()
    }

    /// Draws the number of turns of a session.
    pub fn turns(&self, key: SessionKey) -> u16 {
        let Some(conversation) = self.conversation(key.kind) else {
            return 1;
        };
        let most = conversation.turns.as_ref();
        let most = most.map(|turns| turns.draw(key.turn(0).bits(Choice::Turns)));
        let of_dataset = self.turns_of_dataset(key);
        let turns = match (most, of_dataset) {
            (Some(most), Some(own)) => most.min(own),
            (most, own) => most.or(own).unwrap_or(1),
        };
        // Drawn ones are at most so many, and a plan has no longer ones of a dataset.
        turns.min(TURNS_MAX) as u16
    }

    /// Draws turn `turn` of a session, from 0. Its pause is the one before the next turn.
    pub fn draw_turn(&self, key: SessionKey, turn: u16) -> Draw {
        let of_turn = key.turn(turn);
        let draw = self.draw_rest(of_turn, key.kind, (0, 0));
        let Some(conversation) = self.conversation(key.kind) else {
            return draw;
        };
        let draw = self.with_row_of_turn(draw, key, turn);
        let by_tool = |tools: &Tools| up_to(999_999, of_turn.bits(Choice::Tool)) < tools.share.millionths();
        let pause = match (&conversation.tools, &conversation.think) {
            (Some(tools), _) if by_tool(tools) => Some(&tools.time),
            (_, think) => think.as_ref(),
        };
        Draw {
            model: key.model,
            bust: self.bust(key.kind, key.turn(0)).unwrap_or(0),
            think: pause.map_or(draw.think, |pause| pause.draw(of_turn.bits(Choice::Think))),
            ..draw
        }
    }

    /// Returns the bytes that the history of a session takes at its last turn, if answers are as long as they may be,
    /// and those of the request that sends it.
    fn session_bytes(&self, key: SessionKey, conversation: &Conversation) -> [u64; 2] {
        let turns = self.turns(key);
        let (_, own_tokens) = key.own_words(conversation);
        let made = u64::from(conversation.system_tokens) + u64::from(own_tokens);
        let system = conversation.system.len() as u64 + made * BYTES_PER_TOKEN;
        let (mut replies, mut said) = (0, 0);
        for turn in 0..turns {
            let draw = self.draw_turn(key, turn);
            let is_last = turn + 1 == turns;
            if conversation.history != HistoryMode::Delta || is_last {
                said += MESSAGE_BYTES + self.said_bytes(&draw);
            }
            if conversation.history == HistoryMode::Full && !is_last && self.keeps_answer(key, turn) {
                replies += u64::from(draw.max_tokens) * BYTES_PER_TOKEN;
            }
        }
        [SESSION_BYTES + replies, MESSAGE_BYTES + system + said + replies]
    }

    /// Returns about how many bytes the user says in a turn.
    fn said_bytes(&self, draw: &Draw) -> u64 {
        match &self.kinds[usize::from(draw.kind)].call {
            Call::Chat(Chat {
                prompts: Prompts::List(texts),
                ..
            }) => texts
                .get(draw.prompt as usize)
                .map_or(0, |text| text.len() as u64),
            Call::Chat(Chat {
                prompts: Prompts::Rows(rows),
                ..
            }) => rows.request_bytes(draw.prompt),
            _ => u64::from(draw.prompt_tokens) * BYTES_PER_TOKEN,
        }
    }

    /// Plans the memory of the histories of `sessions` sessions at a time: what the first ones take that users draw,
    /// when all are at their last turn. `None` if no kind of request is a conversation.
    pub fn planned_histories(&self, seed: u64, sessions: u64) -> Option<PlannedHistories> {
        let kinds = || (0u16..).zip(&self.kinds).map(|(index, _)| index);
        kinds().find_map(|kind| self.conversation(kind))?;
        let drawn = sessions.clamp(1, DRAWN_MAX);
        let (mut histories, mut requests) = (0u64, 0u64);
        for owner in 0..drawn {
            // The kind with the longest histories: a mix may give every user that one at the same time.
            let bytes = kinds().filter_map(|kind| {
                let key = SessionKey {
                    seed,
                    owner: owner as u32,
                    session: 0,
                    kind,
                    model: 0,
                    of_dataset: self.any_of_dataset(kind, (owner, drawn)),
                };
                Some(self.session_bytes(key, self.conversation(kind)?))
            });
            let [history, request] = bytes.max().unwrap_or_default();
            histories = histories.saturating_add(history);
            requests = requests.saturating_add(request);
        }
        let each = histories.div_ceil(drawn);
        Some(PlannedHistories {
            sessions,
            each,
            all: each.saturating_mul(sessions),
            requests: requests.div_ceil(drawn).saturating_mul(sessions),
        })
    }
}

/// The memory that histories are planned to take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedHistories {
    /// Sessions at a time.
    pub sessions: u64,
    /// The mean of a session at its last turn.
    pub each: u64,
    pub all: u64,
    /// What the requests of all sessions take besides, when each sends its whole history.
    pub requests: u64,
}

impl PlannedHistories {
    /// Returns the plan that takes more, where each session may be one of both.
    pub fn or_more(self, other: PlannedHistories) -> PlannedHistories {
        let [own, others] = [self, other].map(|plan| plan.all.saturating_add(plan.requests));
        if others > own { other } else { self }
    }

    /// Adds what another process plans for its part of the sessions.
    pub fn merge(self, other: PlannedHistories) -> PlannedHistories {
        let sessions = self.sessions.saturating_add(other.sessions);
        let all = self.all.saturating_add(other.all);
        PlannedHistories {
            sessions,
            each: all.div_ceil(sessions.max(1)),
            all,
            requests: self.requests.saturating_add(other.requests),
        }
    }
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
pub(super) mod tests;
