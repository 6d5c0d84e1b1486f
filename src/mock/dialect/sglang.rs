//! Writes SGLang's own answers. As from a server that was told to stream increments, an event has its own text alone;
//! its count of tokens grows.

use super::{COUNT_WIDTH, DONE, Dialect, PROMPT_TOKENS, SGLANG_COUNT_KEY, event, placeholder, text};

pub(super) const DIALECT: Dialect = Dialect {
    token: |extra| event(&answer("tok ", "null", &placeholder(COUNT_WIDTH), extra)),
    finish: |tokens| {
        event(&answer(
            "",
            r#"{"type":"length","length":1}"#,
            &tokens.to_string(),
            "",
        ))
    },
    done: Some(DONE),
    body: |tokens, finished| {
        let reason = if finished {
            r#"{"type":"length","length":1}"#
        } else {
            "null"
        };
        answer(&text(tokens), reason, &tokens.to_string(), "")
    },
    ..Dialect::PLAIN
};

fn answer(text: &str, reason: &str, tokens: &str, extra: &str) -> String {
    format!(
        "{{\"text\":\"{text}\",\"output_ids\":[1],\"meta_info\":{{\"id\":\"m\",\"finish_reason\":{reason},\
         \"prompt_tokens\":{PROMPT_TOKENS},\"cached_tokens\":0,{SGLANG_COUNT_KEY}{tokens},\
         \"e2e_latency\":0.1}}{extra}}}"
    )
}
