//! Prompts from the rows of a dataset: which row a request takes, and the body that the row makes.

use std::sync::Arc;

use super::bust::{MARKER_TOKENS, Marker};
use super::costs::WordCosts;
use super::graph::Replaying;
use super::ids::VOCABULARY_DEFAULT;
use super::random::{keyed, permuted, up_to};
use super::row_dialogue::{RowDialogue, RowMessages, RowText};
use super::words::WORDS;
use crate::api::{Api, Content, ContentKind, Generation, Prompt};
use crate::dataset::{self, Blocks, Dataset, Graph, MemberList, Row};
use crate::error::Reason;
use crate::units::Span;
use serde::Serialize;

/// The order in which requests take the rows of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// In the order of the file, again from the beginning after its end.
    #[default]
    Sequential,
    /// Each row once in an order that the seed gives, then each row once in another order, and so on.
    Shuffle,
    /// Any row for each request: drawn with replacement.
    Random,
}

impl Sampling {
    pub const ALL: [Sampling; 3] = [Sampling::Sequential, Sampling::Shuffle, Sampling::Random];

    /// Returns its name in documents and on the command line, which is AIPerf's.
    pub fn name(self) -> &'static str {
        match self {
            Sampling::Sequential => "sequential",
            Sampling::Shuffle => "shuffle",
            Sampling::Random => "random",
        }
    }

    pub fn from_name(name: &str) -> Option<Sampling> {
        Sampling::ALL.into_iter().find(|sampling| sampling.name() == name)
    }
}

/// What the tokens of rows that have only a length are sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokens {
    /// Ids out of [`VOCABULARY_DEFAULT`] where the API takes them, and words elsewhere.
    #[default]
    AsTaken,
    /// Words, whatever the API takes.
    Words,
    /// Ids out of this range, so the API has to take them.
    Ids(Span<u32>),
}

/// The rows of a dataset as the prompts of a kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Not empty in a plan.
    pub dataset: Arc<Dataset>,
    pub sampling: Sampling,
    /// A row's own output length replaces the kind's token limit.
    pub own_lengths: bool,
    /// A whole body keeps the model that it names.
    pub own_model: bool,
    pub tokens: Tokens,
    /// What the tokens of blocks are made from.
    pub seed: u64,
    /// How sessions go whose rows wait for one another.
    pub replaying: Replaying,
}

/// Keeps the orders of shuffled rows apart from other choices under the same seed.
const SHUFFLE: u64 = 0x726f_7773;
/// Keeps the tokens of blocks apart from the tokens at the ends of prompts.
const BLOCK: u64 = 0x626c_6f63;
const END: u64 = 0x656e_6473;

impl Rows {
    /// Returns the index of the row that request `number` of all takes, or of the first row of the session if rows
    /// wait for one another; `bits` are its own. It does not depend on anything else, so any number of cores and shards
    /// takes the same rows. A warm-up takes the rows from the end backwards, so that it does not fill a prompt cache
    /// with what is measured next.
    pub fn pick(&self, seed: u64, number: u64, bits: u64, is_warm_up: bool) -> u64 {
        let index = self.pick_of(self.choices(), (seed, number, bits), is_warm_up);
        match self.dataset.graph() {
            Some(graph) => u64::from(graph.first_row(index as usize)),
            None => index,
        }
    }

    /// Returns how many rows there are to choose from, or sessions.
    pub fn choices(&self) -> u64 {
        let count = self.dataset.graph().map_or(self.dataset.len(), Graph::len);
        (count as u64).max(1)
    }

    /// The same of `count` things.
    pub(super) fn pick_of(&self, count: u64, (seed, number, bits): (u64, u64, u64), is_warm_up: bool) -> u64 {
        let (pass, index) = (number / count, number % count);
        match self.sampling {
            Sampling::Sequential if is_warm_up => count - 1 - index,
            Sampling::Sequential => index,
            Sampling::Shuffle => shuffled(keyed([seed, SHUFFLE, pass, 0]), count, index),
            Sampling::Random => up_to(count - 1, bits),
        }
    }

    /// Says which row has no room for a system prompt before it, if there is one.
    pub fn without_room_for_system(&self) -> Option<String> {
        let named = |row: u64, what: &str| format!("row {} of the dataset {what}", row + 1);
        (0..self.dataset.len() as u64).find_map(|index| {
            let packed = self.dataset.bytes(index).ok()?;
            match packed.row().content {
                dataset::Content::Payload(_) => Some(named(index, "is a whole body, which is sent as it is")),
                dataset::Content::Messages(json) if dataset::begins_with_system(json) => {
                    Some(named(index, "begins with a message of the system already"))
                }
                _ => None,
            }
        })
    }

    /// Returns what an API cannot carry of the rows, if there is such a thing: `has_system` says that a system prompt
    /// goes before them.
    pub fn refused_by(&self, api: Api, has_system: bool) -> Option<Reason> {
        let carries = |kind| api.row().carries.contains(&kind);
        if has_system && self.dataset.has_lengths() && self.ids_for(api).is_some() {
            let what = format!(
                "prompts are sent as token ids to {}, which no system prompt can stand before",
                api.row().title
            );
            let hint = "leave `system` out, or send words: `token_ids: false`";
            return Some(Reason::new(what).hint(hint));
        }
        if let Tokens::Ids(_) = self.tokens
            && self.dataset.has_lengths()
            && !carries(ContentKind::Tokens)
        {
            let what = format!("prompts are token ids, which {} cannot carry", api.row().title);
            let hint = "use a path that takes them, such as /v1/completions, or leave `token_ids` (`--token-ids`) out: \
                        the tokens are words then";
            return Some(Reason::new(what).hint(hint));
        }
        let row = self.dataset.first_messages()?;
        if carries(ContentKind::Messages) {
            return None;
        }
        let (name, title) = (ContentKind::Messages.name(), api.row().title);
        let what = format!(
            "row {} of the dataset is a list of {name}, which {title} cannot carry",
            row + 1
        );
        Some(Reason::new(what).hint("use a path that takes them, such as /v1/chat/completions"))
    }

    /// Returns which ids the tokens of a row are sent as; `None` if they are words.
    pub fn ids_for(&self, api: Api) -> Option<Span<u32>> {
        match self.tokens {
            Tokens::AsTaken if api.row().carries.contains(&ContentKind::Tokens) => Some(VOCABULARY_DEFAULT),
            Tokens::AsTaken | Tokens::Words => None,
            Tokens::Ids(vocabulary) => Some(vocabulary),
        }
    }

    /// Returns how many tokens a row asks for, if the kind uses that.
    pub fn output_tokens(&self, row: u64) -> Option<u32> {
        self.dataset.output_tokens(row).filter(|_| self.own_lengths)
    }
}

/// Returns the place of `index` in a permutation of `0..count`: a Feistel network of four rounds over the next even
/// number of bits, walked on until it ends below `count` (Black and Rogaway, "Ciphers with arbitrary finite domains",
/// 2002). On average that takes fewer than four steps.
fn shuffled(key: u64, count: u64, index: u64) -> u64 {
    let bits = (u64::BITS - (count - 1).leading_zeros()).max(2).div_ceil(2);
    let mask = (1u64 << bits) - 1;
    let mut at = index;
    loop {
        let (mut left, mut right) = (at >> bits, at & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (permuted(key ^ round, right) & mask));
        }
        at = left << bits | right;
        if at < count {
            return at;
        }
    }
}

/// JSON that is written as it is, with a marker before its first text if no two prompts begin alike.
struct Json<'a>(&'a str, Option<Marker<'a>>);

impl Prompt for Json<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(self.0.as_bytes());
        if let Some(marker) = &self.1 {
            marker.mark(out, from);
        }
    }
}

/// The tokens of a prompt that is made of blocks. Equal ids give equal blocks; tokens beyond the last block are like no
/// other row's.
pub(super) struct MadeTokens<'a> {
    pub blocks: &'a Blocks<'a>,
    pub seed: u64,
    pub row: u64,
    /// What the first tokens are made from instead, if no two prompts begin alike.
    pub bust: Option<u64>,
}

impl MadeTokens<'_> {
    /// Calls `token` with 32 bits for each token.
    fn each(&self, mut token: impl FnMut(u32)) {
        let own = self.bust.into_iter().flat_map(bits_of);
        let mut own = own.take(MARKER_TOKENS as usize);
        let mut token = |bits| token(own.next().unwrap_or(bits));
        let mut left = self.blocks.input_tokens;
        for id in self.blocks.ids.iter() {
            let size = left.min(self.blocks.block);
            each_of(keyed([self.seed, BLOCK, id, 0]), size, &mut token);
            left -= size;
        }
        each_of(keyed([self.seed, END, self.row, 0]), left, &mut token);
    }

    /// Appends the words of the blocks, so that the prompt has its tokens with what the server adds. That is taken from
    /// the end, because equal blocks are equal texts.
    fn write_counted(&self, costs: &WordCosts, out: &mut Vec<u8>) {
        out.push(b'"');
        costs.push_prompt(out, 0, 0);
        let mut left = self.blocks.input_tokens.saturating_sub(costs.base());
        let push = |out: &mut Vec<u8>, key: u64, tokens: u32| {
            let words = bits_of(key).map(|bits| (bits & 0xff) as u8);
            costs.push_chosen(out, words, tokens);
        };
        let mut own = match self.bust {
            Some(key) => {
                let own = left.min(MARKER_TOKENS);
                push(out, key, own);
                own
            }
            None => 0,
        };
        for id in self.blocks.ids.iter() {
            let size = left.min(self.blocks.block);
            push(out, keyed([self.seed, BLOCK, id, 0]), size.saturating_sub(own));
            own = own.saturating_sub(size);
            left -= size;
        }
        push(
            out,
            keyed([self.seed, END, self.row, 0]),
            left.saturating_sub(own),
        );
        out.push(b'"');
    }
}

/// Iterates without end over 32 bits for each token under one key, of which a count takes the beginning.
fn bits_of(key: u64) -> impl Iterator<Item = u32> {
    (0u64..).flat_map(move |pair| {
        let bits = permuted(key, pair);
        [bits as u32, (bits >> 32) as u32]
    })
}

/// Calls `token` with 32 bits for each of `count` tokens under one key. Of two counts the smaller gives the beginning
/// of the larger.
fn each_of(key: u64, count: u32, token: &mut impl FnMut(u32)) {
    for pair in 0..count.div_ceil(2) {
        let bits = permuted(key, u64::from(pair));
        token(bits as u32);
        if 2 * pair + 1 < count {
            token((bits >> 32) as u32);
        }
    }
}

/// Tokens as a list of their ids, which are out of the vocabulary.
struct TokenIds<'a>(MadeTokens<'a>, Span<u32>);

impl Prompt for TokenIds<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        let Span { min, max } = self.1;
        let count = u64::from(max - min) + 1;
        let mut separator = b'[';
        self.0.each(|bits| {
            out.push(std::mem::replace(&mut separator, b','));
            let id = min + ((u64::from(bits) * count) >> u32::BITS) as u32;
            out.extend_from_slice(id.to_string().as_bytes());
        });
        out.push(b']');
    }
}

/// Tokens as words, each of which is a token to usual tokenizers unless they are counted.
pub(super) struct TokenWords<'a>(pub MadeTokens<'a>, pub Option<&'a WordCosts>);

impl Prompt for TokenWords<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        if let Some(costs) = self.1 {
            return self.0.write_counted(costs, out);
        }
        let mut separator = b'"';
        self.0.each(|bits| {
            out.push(std::mem::replace(&mut separator, b' '));
            out.extend_from_slice(WORDS[(bits & 0xff) as usize].as_bytes());
        });
        out.push(b'"');
    }
}

/// Appends the body of a turn of a session, which is `row`. Of `asked` everything but the content counts.
pub(super) fn write_turn(
    body: &mut Vec<u8>,
    dialogue: RowDialogue<'_>,
    (index, row): (u64, &Row<'_>),
    asked: Generation<'_>,
    api: Api,
) {
    let is_whole = match row.content {
        dataset::Content::Payload(_) => true,
        // It may be ids of tokens, to which no text can be added.
        dataset::Content::Blocks(_) => !row.is_delta,
        dataset::Content::Text(_) | dataset::Content::Messages(_) => false,
    };
    if is_whole {
        let of_row = (index, row, dialogue.costs);
        return write_row(body, dialogue.rows, of_row, dialogue.marker, (asked, api));
    }
    let write = |body: &mut Vec<u8>, content: Content<'_>| {
        (api.row().write_body)(body, &Generation { content, ..asked });
    };
    match api.row().carries.contains(&ContentKind::Messages) {
        true => write(body, Content::Messages(&RowMessages(dialogue))),
        false => write(body, Content::Text(&RowText(dialogue))),
    }
    merge_members(body, row, &[]);
}

/// Appends the prompt of row `index`, if it is made of blocks, as words. Returns the tokens that it asks for.
pub(super) fn write_words(
    out: &mut Vec<u8>,
    rows: &Rows,
    (index, row, costs): (u64, &Row<'_>, Option<&WordCosts>),
    marker: Option<Marker<'_>>,
) -> Option<u32> {
    let dataset::Content::Blocks(blocks) = &row.content else {
        return None;
    };
    let tokens = MadeTokens {
        blocks,
        seed: rows.seed,
        row: index,
        bust: marker.map(|marker| marker.key),
    };
    TokenWords(tokens, costs).write_json(out);
    Some(blocks.input_tokens)
}

/// Appends the body of the request that takes row `index`, which is `row`. Of `asked` everything but the content
/// counts.
pub(super) fn write_row(
    body: &mut Vec<u8>,
    rows: &Rows,
    (index, row, costs): (u64, &Row<'_>, Option<&WordCosts>),
    marker: Option<Marker<'_>>,
    (asked, api): (Generation<'_>, Api),
) {
    let vocabulary = rows.ids_for(api);
    let api = api.row();
    let write = |body: &mut Vec<u8>, content: Content<'_>| {
        (api.write_body)(body, &Generation { content, ..asked });
    };
    match &row.content {
        dataset::Content::Payload(json) => {
            return write_payload(body, rows, json, row, &asked, api.streams());
        }
        dataset::Content::Text(json) => write(body, Content::Text(&Json(json, marker))),
        dataset::Content::Messages(json) => write(body, Content::Messages(&Json(json, marker))),
        dataset::Content::Blocks(blocks) => {
            let tokens = MadeTokens {
                blocks,
                seed: rows.seed,
                row: index,
                bust: marker.map(|marker| marker.key),
            };
            match vocabulary {
                Some(ids) => write(body, Content::Tokens(&TokenIds(tokens, ids))),
                None => write(body, Content::Text(&TokenWords(tokens, costs))),
            }
        }
    }
    merge_members(body, row, &[]);
}

/// Appends a whole body as it is, but for the members that the run decides.
fn write_payload(
    body: &mut Vec<u8>,
    rows: &Rows,
    json: &str,
    row: &Row<'_>,
    asked: &Generation<'_>,
    streams: bool,
) {
    asked.members.write_over(body, json);
    let stream = asked.stream.to_string();
    let model = dataset::json_string(asked.model);
    let limit = asked.max_tokens.to_string();
    let mut ours = Vec::new();
    if streams {
        ours.push(Ours::always("stream", &stream));
    }
    ours.push(match rows.own_model {
        true => Ours::if_absent("model", &model),
        false => Ours::always("model", &model),
    });
    if !rows.own_lengths {
        ours.push(Ours::always(dataset::limit_of(json), &limit));
    }
    merge_members(body, row, &ours);
}

/// A member that the run puts into a body.
struct Ours<'a> {
    key: &'a str,
    json: &'a str,
    only_if_absent: bool,
}

impl<'a> Ours<'a> {
    fn always(key: &'a str, json: &'a str) -> Ours<'a> {
        Ours {
            key,
            json,
            only_if_absent: false,
        }
    }

    fn if_absent(key: &'a str, json: &'a str) -> Ours<'a> {
        Ours {
            only_if_absent: true,
            ..Ours::always(key, json)
        }
    }
}

/// Puts members into a body, in place of those of the same name: the row's tools, its other members, then `ours`. A
/// body that has them already stays as it is, byte for byte.
fn merge_members(body: &mut Vec<u8>, row: &Row<'_>, ours: &[Ours<'_>]) {
    if row.tools.is_none() && row.extra.is_none() && ours.is_empty() {
        return;
    }
    let text = std::mem::take(body);
    // Whatever writes a body writes JSON, and rows were checked when they were read.
    let text = String::from_utf8(text).expect("a body is text");
    let mut members = dataset::members_of(&text).expect("a body is an object");
    let before = members.clone();
    let extra = row
        .extra
        .map(|json| dataset::members_of(json).expect("the members of a row are an object"));
    // How an answer is read is the kind's decision.
    let extra = extra.map(|list| {
        list.into_iter()
            .filter(|(key, _)| key != "stream")
            .collect::<MemberList<'_>>()
    });
    let rows = row.tools.map(|json| ("tools", json)).into_iter();
    for (key, json) in rows.chain(extra.iter().flatten().map(|(key, json)| (&**key, *json))) {
        set(&mut members, key, json);
    }
    for our in ours {
        let has = members.iter().any(|(key, _)| key == our.key);
        if !(has && our.only_if_absent) {
            set(&mut members, our.key, our.json);
        }
    }
    match members == before {
        true => body.extend_from_slice(text.as_bytes()),
        false => dataset::write_members(body, &members),
    }
}

fn set<'a>(members: &mut MemberList<'a>, key: &str, json: &'a str) {
    match members.iter_mut().find(|(other, _)| other == key) {
        Some((_, value)) => *value = json,
        None => members.push((key.to_owned().into(), json)),
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
