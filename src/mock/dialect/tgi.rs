//! Writes the answers of Text Generation Inference, whose last token comes with the details.

use super::{Counted, Dialect, event, text};

pub(super) const DIALECT: Dialect = Dialect {
    token: |_, extra| event(&token("tok ", false, "null", "null", extra)),
    // An end-of-sequence token, which is no text.
    finish: |counted| {
        let all = format!("\"{}\"", text(counted.output));
        event(&token("</s>", true, &all, &details(counted, "\"eos_token\""), ""))
    },
    body: |counted, finished| {
        let reason = if finished { "\"eos_token\"" } else { "null" };
        let details = details(counted, reason);
        format!(
            "{{\"generated_text\":\"{}\",\"details\":{details}}}",
            text(counted.output)
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

fn details(counted: &Counted, reason: &str) -> String {
    let (tokens, prompt) = (counted.output, counted.prompt);
    format!(
        "{{\"finish_reason\":{reason},\"generated_tokens\":{tokens},\"input_length\":{prompt},\
         \"seed\":null,\"prefill\":[],\"tokens\":[]}}"
    )
}
