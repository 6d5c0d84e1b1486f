//! Writes embeddings, and the scores of rerank and score.

use super::{Dialect, PROMPT_TOKENS};

pub(super) const EMBEDDINGS: Dialect = Dialect {
    body: |_, finished| {
        let entry = r#"{"object":"embedding","index":0,"embedding":[0.25,-0.5,0.125,1e-3]}"#;
        list("data", entry, finished)
    },
    ..Dialect::PLAIN
};

pub(super) const RERANK: Dialect = Dialect {
    body: |_, finished| list("results", r#"{"index":0,"relevance_score":0.75}"#, finished),
    ..Dialect::PLAIN
};

pub(super) const SCORE: Dialect = Dialect {
    body: |_, finished| list("data", r#"{"index":0,"object":"score","score":0.75}"#, finished),
    ..Dialect::PLAIN
};

fn list(member: &str, entry: &str, finished: bool) -> String {
    let entries = if finished { entry } else { "" };
    format!(
        "{{\"object\":\"list\",\"id\":\"m\",\"model\":\"mock\",\"{member}\":[{entries}],\
         \"usage\":{{\"prompt_tokens\":{PROMPT_TOKENS},\"total_tokens\":{PROMPT_TOKENS}}}}}"
    )
}
