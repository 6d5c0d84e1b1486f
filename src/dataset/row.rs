//! One row of a dataset: what one request asks for.

use super::packed::{Unpacker, push_count, push_text};
use crate::units::Nanos;

/// A row says what one request asks for. All JSON in it was checked when the file was read, and is kept as it was
/// written.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// Time after the end of the row before it in its session.
    pub delay: Option<Nanos>,
    /// The name of its session; `None` if it belongs to none.
    pub session: Option<&'a str>,
    pub content: Content<'a>,
    /// The content is only what is new in its session; what came before, with the server's answers, goes before it.
    pub is_delta: bool,
    /// What the dataset has as the answer to it: a JSON string, or messages as they stand in a JSON array, without its
    /// brackets. Kept only where it is asked for.
    pub answer: Option<&'a str>,
    /// A JSON array.
    pub tools: Option<&'a str>,
    /// A JSON object, whose members go into the body.
    pub extra: Option<&'a str>,
    /// Name and value of each header. Values may be secrets: never printed.
    pub headers: Vec<(&'a str, &'a str)>,
}

/// What a row asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// A JSON string.
    Text(&'a str),
    /// A JSON array of chat messages.
    Messages(&'a str),
    /// A JSON object: the whole body.
    Payload(&'a str),
    /// So many tokens, made of blocks.
    Blocks(Blocks<'a>),
}

/// A prompt of which only the lengths are known, and which of its parts equal those of other prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocks<'a> {
    /// The number of tokens of the whole prompt.
    pub input_tokens: u32,
    /// The number of tokens of a block; the last one may be shorter.
    pub block: u32,
    /// Equal ids stand for equal blocks. If they cover less than the whole prompt, its end is like no other's.
    pub ids: Ids<'a>,
}

/// The ids of blocks, in order.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    List(&'a [u64]),
    /// As differences, so that ids that follow one another take a byte each.
    Packed {
        count: usize,
        bytes: &'a [u8],
    },
}

impl<'a> Ids<'a> {
    pub fn len(&self) -> usize {
        match self {
            Ids::List(list) => list.len(),
            Ids::Packed { count, .. } => *count,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (list, packed) = match self {
            Ids::List(list) => (list.iter(), None),
            Ids::Packed { bytes, .. } => ([].iter(), Some(Unpacker::new(bytes))),
        };
        list.copied().chain(packed.into_iter().flat_map(differences))
    }
}

impl PartialEq for Ids<'_> {
    fn eq(&self, other: &Ids<'_>) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Yields the ids whose differences these are.
fn differences(mut packed: Unpacker<'_>) -> impl Iterator<Item = u64> {
    let mut last = 0u64;
    std::iter::from_fn(move || {
        let folded = packed.next_count()?;
        // Undoes the folding of `push_ids`.
        let difference = (folded >> 1) ^ (folded & 1).wrapping_neg();
        last = last.wrapping_add(difference);
        Some(last)
    })
}

fn push_ids(out: &mut Vec<u8>, ids: Ids<'_>) {
    let mut packed = Vec::with_capacity(ids.len());
    let mut last = 0u64;
    for id in ids.iter() {
        let difference = id.wrapping_sub(last) as i64;
        // Folds small differences of either sign into small numbers.
        push_count(
            &mut packed,
            (difference.wrapping_shl(1) ^ (difference >> 63)) as u64,
        );
        last = id;
    }
    push_count(out, ids.len() as u64);
    push_count(out, packed.len() as u64);
    out.extend_from_slice(&packed);
}

const TEXT: u8 = 0;
const MESSAGES: u8 = 1;
const PAYLOAD: u8 = 2;
const BLOCKS: u8 = 3;

const HAS_DELAY: u8 = 1;
const HAS_SESSION: u8 = 2;
const IS_DELTA: u8 = 4;
const HAS_TOOLS: u8 = 8;
const HAS_EXTRA: u8 = 16;
const HAS_HEADERS: u8 = 32;
const HAS_ANSWER: u8 = 64;

impl<'a> Row<'a> {
    /// Returns a row that has nothing but its content.
    pub fn of(content: Content<'a>) -> Row<'a> {
        Row {
            delay: None,
            session: None,
            content,
            is_delta: false,
            answer: None,
            tools: None,
            extra: None,
            headers: Vec::new(),
        }
    }

    /// Appends the compact form of the row.
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.delay.is_some(), HAS_DELAY)
            | flag(self.session.is_some(), HAS_SESSION)
            | flag(self.is_delta, IS_DELTA)
            | flag(self.tools.is_some(), HAS_TOOLS)
            | flag(self.extra.is_some(), HAS_EXTRA)
            | flag(!self.headers.is_empty(), HAS_HEADERS)
            | flag(self.answer.is_some(), HAS_ANSWER);
        let tag = match self.content {
            Content::Text(_) => TEXT,
            Content::Messages(_) => MESSAGES,
            Content::Payload(_) => PAYLOAD,
            Content::Blocks(_) => BLOCKS,
        };
        out.extend_from_slice(&[tag, flags]);
        if let Some(delay) = self.delay {
            push_count(out, delay);
        }
        if let Some(session) = self.session {
            push_text(out, session);
        }
        for json in [self.answer, self.tools, self.extra].into_iter().flatten() {
            push_text(out, json);
        }
        if !self.headers.is_empty() {
            push_count(out, self.headers.len() as u64);
            for (name, value) in &self.headers {
                push_text(out, name);
                push_text(out, value);
            }
        }
        match &self.content {
            Content::Text(json) | Content::Messages(json) | Content::Payload(json) => push_text(out, json),
            Content::Blocks(blocks) => {
                push_count(out, u64::from(blocks.input_tokens));
                push_count(out, u64::from(blocks.block));
                push_ids(out, blocks.ids);
            }
        }
    }

    /// Reads the compact form. `None` if the bytes are none.
    pub(super) fn unpack(bytes: &'a [u8]) -> Option<Row<'a>> {
        let (&[tag, flags], rest) = bytes.split_first_chunk::<2>()?;
        let mut from = Unpacker::new(rest);
        let has = |flag: u8| flags & flag != 0;
        let delay = has(HAS_DELAY).then(|| from.next_count());
        let session = has(HAS_SESSION).then(|| from.next_text());
        let answer = has(HAS_ANSWER).then(|| from.next_text());
        let tools = has(HAS_TOOLS).then(|| from.next_text());
        let extra = has(HAS_EXTRA).then(|| from.next_text());
        let mut headers = Vec::new();
        if has(HAS_HEADERS) {
            for _ in 0..from.next_count()? {
                headers.push((from.next_text()?, from.next_text()?));
            }
        }
        let content = match tag {
            TEXT => Content::Text(from.next_text()?),
            MESSAGES => Content::Messages(from.next_text()?),
            PAYLOAD => Content::Payload(from.next_text()?),
            _ => Content::Blocks(Blocks {
                input_tokens: from.next_count()? as u32,
                block: from.next_count()? as u32,
                ids: Ids::Packed {
                    count: from.next_count()? as usize,
                    bytes: from.next_bytes()?,
                },
            }),
        };
        Some(Row {
            // The outer option says whether the row has one, the inner whether the bytes did.
            delay: delay.map_or(Some(None), |delay| delay.map(Some))?,
            session: session.map_or(Some(None), |name| name.map(Some))?,
            content,
            is_delta: has(IS_DELTA),
            answer: answer.map_or(Some(None), |json| json.map(Some))?,
            tools: tools.map_or(Some(None), |json| json.map(Some))?,
            extra: extra.map_or(Some(None), |json| json.map(Some))?,
            headers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(row: &Row<'_>) {
        let mut bytes = Vec::new();
        row.pack(&mut bytes);
        assert_eq!(Row::unpack(&bytes).as_ref(), Some(row));
    }

    #[test]
    fn a_row_with_everything_survives_packing() {
        round_trip(&Row::of(Content::Text("\"Hi\"")));
        round_trip(&Row {
            delay: Some(1_500_000_000),
            session: Some("s1"),
            content: Content::Messages("[{\"role\":\"user\",\"content\":\"\\u00e9\"}]"),
            is_delta: true,
            answer: Some("\"Well\""),
            tools: Some("[]"),
            extra: Some("{\"temperature\":0}"),
            headers: vec![("x-tenant", "a"), ("x-empty", "")],
        });
        round_trip(&Row::of(Content::Payload("{}")));
    }

    #[test]
    fn ids_that_follow_one_another_take_a_byte_each() {
        let ids: Vec<u64> = (1_000_000..1_000_100).collect();
        let mut bytes = Vec::new();
        let row = Row::of(Content::Blocks(Blocks {
            input_tokens: 51_100,
            block: 512,
            ids: Ids::List(&ids),
        }));
        row.pack(&mut bytes);
        assert!(bytes.len() < 115, "{}", bytes.len());
        assert_eq!(Row::unpack(&bytes), Some(row));
    }

    proptest! {
        #[test]
        fn any_ids_survive_packing(ids in proptest::collection::vec(any::<u64>(), 0..50)) {
            let blocks = Blocks { input_tokens: 7, block: 16, ids: Ids::List(&ids) };
            let row = Row::of(Content::Blocks(blocks));
            let mut bytes = Vec::new();
            row.pack(&mut bytes);
            prop_assert_eq!(Row::unpack(&bytes), Some(row));
        }

        #[test]
        fn bytes_that_are_no_row_are_refused_or_read_but_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Some(row) = Row::unpack(&bytes) && let Content::Blocks(blocks) = &row.content {
                let _ = blocks.ids.iter().count();
            }
        }
    }
}
