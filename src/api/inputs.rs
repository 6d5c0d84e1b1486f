//! The APIs whose answer is no text: OpenAI's embeddings, rerank as Jina, Cohere and most servers speak it, and vLLM's
//! score. An answer comes in one piece and counts the tokens of the input.

use serde_json::Value;

use super::body::{begin_body, write_string};
use super::chat::fast::{Seen, counts, is_error as says_error};
use super::chat::plain::{any_document, count, document, is_error};
use super::scan::Scan;
use super::{BodyFacts, Generation, Malformed, Usage};
use crate::metrics::FinishWord;

pub(super) fn write_embeddings(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("input", |out| asked.content.write_prompt(out, None));
    body.member("encoding_format", |out| write_string(out, "float"));
    body.end();
}

pub(super) fn write_rerank(out: &mut Vec<u8>, asked: &Generation) {
    write_pair(out, asked, "query", "documents");
}

pub(super) fn write_score(out: &mut Vec<u8>, asked: &Generation) {
    write_pair(out, asked, "text_1", "text_2");
}

/// Writes a text, and those that it is compared with: itself if there are none.
fn write_pair(out: &mut Vec<u8>, asked: &Generation, one: &'static str, many: &'static str) {
    let mut body = begin_body(out, asked);
    body.member(one, |out| asked.content.write_prompt(out, None));
    body.member(many, |out| match asked.documents {
        Some(documents) => documents.write_json(out),
        None => {
            out.push(b'[');
            asked.content.write_prompt(out, None);
            out.push(b']');
        }
    });
    body.end();
}

/// Reads an answer with an embedding in each entry of its `data`. Such a list is long and of numbers alone, so it is
/// scanned, and only what a scan is not sure of becomes a document.
pub fn read_embeddings(body: &[u8]) -> Result<BodyFacts, Malformed> {
    match read_embeddings_fast(body) {
        Some(facts) => Ok(facts),
        None => read_embeddings_plain(body),
    }
}

/// Reads with the fast reader alone; `None` if it is not sure. Allocates nothing.
pub fn read_embeddings_fast(body: &[u8]) -> Option<BodyFacts> {
    let (mut entries, mut with_embedding) = (0u32, 0u32);
    let (mut error, mut usage) = (false, None);
    let mut seen = Seen::default();
    let mut scan = Scan::new(body);
    scan.object(|scan, key| match key {
        b"data" => {
            seen.first(0)?;
            scan.array(|scan| {
                entries += 1;
                with_embedding += u32::from(has_embedding(scan)?);
                Some(())
            })
        }
        b"usage" => {
            seen.first(1)?;
            let [prompt, total] = counts(scan, [b"prompt_tokens", b"total_tokens"])?;
            usage = input_tokens(prompt.or(total));
            Some(())
        }
        b"object" => {
            seen.first(2)?;
            error |= says_error(scan)?;
            Some(())
        }
        b"type" => {
            seen.first(3)?;
            error |= says_error(scan)?;
            Some(())
        }
        b"error" => {
            seen.first(4)?;
            scan.null()
        }
        _ => scan.skip(),
    })?;
    scan.end()?;
    Some(facts(entries > 0 && entries == with_embedding, usage, error))
}

/// Reads an entry; true if its `embedding` is a list of numbers that is not empty, or their bytes as text.
fn has_embedding(scan: &mut Scan) -> Option<bool> {
    let mut found = false;
    let mut seen = Seen::default();
    scan.object(|scan, key| {
        if key != b"embedding" {
            return scan.skip();
        }
        seen.first(0)?;
        if scan.peek()? == b'"' {
            found = !scan.string()?.raw.is_empty();
            return Some(());
        }
        scan.array(|scan| {
            found = true;
            scan.skip()
        })
    })?;
    Some(found)
}

/// Reads with the plain reader alone.
pub fn read_embeddings_plain(body: &[u8]) -> Result<BodyFacts, Malformed> {
    let document = document(body)?;
    let is_there = |entry: &Value| match &entry["embedding"] {
        Value::Array(numbers) => !numbers.is_empty(),
        Value::String(bytes) => !bytes.is_empty(),
        _ => false,
    };
    Ok(read_list(&document["data"], &document, is_there))
}

/// Reads the scores of a rerank or score answer: in `results`, in `data`, or in a list that is the whole answer (Text
/// Embeddings Inference).
pub fn read_scores(body: &[u8]) -> Result<BodyFacts, Malformed> {
    let document = any_document(body)?;
    let list = match &document {
        Value::Array(_) => &document,
        Value::Object(members) if members.contains_key("results") => &document["results"],
        Value::Object(_) => &document["data"],
        _ => return Err(Malformed::NotAnObject),
    };
    let is_there = |entry: &Value| entry["relevance_score"].is_number() || entry["score"].is_number();
    Ok(read_list(list, &document, is_there))
}

fn read_list(list: &Value, document: &Value, is_there: impl Fn(&Value) -> bool) -> BodyFacts {
    let usage = &document["usage"];
    let tokens = count(&usage["prompt_tokens"]).or_else(|| count(&usage["total_tokens"]));
    let entries = list.as_array().map_or(&[][..], Vec::as_slice);
    let is_complete = !entries.is_empty() && entries.iter().all(is_there);
    facts(is_complete, input_tokens(tokens), is_error(document))
}

fn input_tokens(tokens: Option<u32>) -> Option<Usage> {
    Some(Usage {
        prompt_tokens: tokens?,
        ..Usage::default()
    })
}

fn facts(is_complete: bool, usage: Option<Usage>, error: bool) -> BodyFacts {
    BodyFacts {
        text: is_complete,
        is_no_text: true,
        finish: is_complete.then_some(FinishWord::STOP),
        usage,
        error,
        ..BodyFacts::default()
    }
}
