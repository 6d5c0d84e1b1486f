//! Writes the answers of Text Generation Inference, whose last token comes with the details.

use super::{Dialect, PROMPT_TOKENS, event, text};

pub(super) const DIALECT: Dialect = Dialect {
    token: |extra| event(&token("tok ", false, "null", "null", extra)),
    // An end-of-sequence token, which is no text.
    finish: |tokens| {
        let all = format!("\"{}\"", text(tokens));
        event(&token("</s>", true, &all, &details(tokens, "\"eos_token\""), ""))
    },
    body: |tokens, finished| {
        let reason = if finished { "\"eos_token\"" } else { "null" };
        let details = details(tokens, reason);
        format!(
            "{{\"generated_text\":\"{}\",\"details\":{details}}}",
            text(tokens)
        )
    },
    known_by: Some("inputs"),
    ..Dialect::PLAIN
};

fn token(text: &str, special: bool, all: &str, details: &str, extra: &str) -> String {
    format!(
        "{{\"index\":1,\"token\":{{\"id\":1,\"text\":\"{text}\",\"logprob\":-0.5,\"special\":{special}}},\
         \"generated_text\":{all},\"details\":{details}{extra}}}"
    )
}

fn details(tokens: u32, reason: &str) -> String {
    format!(
        "{{\"finish_reason\":{reason},\"generated_tokens\":{tokens},\"input_length\":{PROMPT_TOKENS},\
         \"seed\":null,\"prefill\":[],\"tokens\":[]}}"
    )
}
