//! Writes embeddings, and the scores of rerank and score.

use super::{Counted, Dialect};

pub(super) const EMBEDDINGS: Dialect = Dialect {
    body: |counted, finished| {
        let entry =
            |index| format!(r#"{{"object":"embedding","index":{index},"embedding":[0.25,-0.5,0.125,1e-3]}}"#);
        list("data", entry, counted, finished)
    },
    ..Dialect::PLAIN
};

pub(super) const RERANK: Dialect = Dialect {
    body: |counted, finished| {
        let entry = |index| format!(r#"{{"index":{index},"relevance_score":0.75}}"#);
        list("results", entry, counted, finished)
    },
    ..Dialect::PLAIN
};

pub(super) const SCORE: Dialect = Dialect {
    body: |counted, finished| {
        let entry = |index| format!(r#"{{"index":{index},"object":"score","score":0.75}}"#);
        list("data", entry, counted, finished)
    },
    ..Dialect::PLAIN
};

/// Returns a list with an entry for each text.
fn list(member: &str, entry: impl Fn(u32) -> String, counted: &Counted, finished: bool) -> String {
    let texts = if finished { counted.texts } else { 0 };
    let entries: Vec<String> = (0..texts).map(entry).collect();
    let (entries, prompt) = (entries.join(","), counted.prompt);
    format!(
        "{{\"object\":\"list\",\"id\":\"m\",\"model\":\"mock\",\"{member}\":[{entries}],\
         \"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{prompt}}}}}"
    )
}
