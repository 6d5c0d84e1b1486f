//! Writes SGLang's own answers. As from a server that was told to stream increments, an event has its own text alone;
//! its count of tokens grows.

use super::{COUNT_WIDTH, Counted, DONE, Dialect, SGLANG_COUNT_KEY, event, placeholder, text};

pub(super) const DIALECT: Dialect = Dialect {
    token: |counted, extra| {
        let so_far = placeholder(COUNT_WIDTH);
        event(&answer("tok ", "null", counted, &so_far, extra))
    },
    finish: |counted| {
        let all = counted.output.to_string();
        event(&answer("", r#"{"type":"length","length":1}"#, counted, &all, ""))
    },
    done: Some(DONE),
    body: |counted, finished| {
        let reason = if finished {
            r#"{"type":"length","length":1}"#
        } else {
            "null"
        };
        answer(
            &text(counted.output),
            reason,
            counted,
            &counted.output.to_string(),
            "",
        )
    },
    ..Dialect::PLAIN
};

fn answer(text: &str, reason: &str, counted: &Counted, tokens: &str, extra: &str) -> String {
    let (prompt, cached) = (counted.prompt, counted.cached_or_none());
    format!(
        "{{\"text\":\"{text}\",\"output_ids\":[1],\"meta_info\":{{\"id\":\"m\",\"finish_reason\":{reason},\
         \"prompt_tokens\":{prompt},\"cached_tokens\":{cached},{SGLANG_COUNT_KEY}{tokens},\
         \"e2e_latency\":0.1}}{extra}}}"
    )
}
