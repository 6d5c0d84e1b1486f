//! Writes the lines of Ollama's own APIs. The last one reports the server's times, in nanoseconds.

use super::{DECODE_NS_KEY, Dialect, NS_WIDTH, PROMPT_NS_KEY, PROMPT_TOKENS, line, placeholder, text};

pub(super) const GENERATE: Dialect = Dialect {
    token: |extra| token(&generated("tok "), extra),
    finish: |tokens| line(&end(&generated(""), tokens, true)),
    body: |tokens, finished| end(&generated(&text(tokens)), tokens, finished),
    streams_unless_told: true,
    ..Dialect::PLAIN
};

pub(super) const CHAT: Dialect = Dialect {
    token: |extra| token(&said("tok "), extra),
    finish: |tokens| line(&end(&said(""), tokens, true)),
    body: |tokens, finished| end(&said(&text(tokens)), tokens, finished),
    ..GENERATE
};

fn generated(text: &str) -> String {
    format!("\"response\":\"{text}\"")
}

fn said(text: &str) -> String {
    format!("\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}}")
}

fn token(text: &str, extra: &str) -> String {
    line(&format!(
        "{{\"model\":\"mock\",\"created_at\":\"2026-01-01T00:00:00Z\",{text},\"done\":false{extra}}}"
    ))
}

fn end(text: &str, tokens: u32, done: bool) -> String {
    format!(
        "{{\"model\":\"mock\",\"created_at\":\"2026-01-01T00:00:00Z\",{text},\"done\":{done},\
         \"done_reason\":\"stop\",\"total_duration\":1,\"load_duration\":1,\"prompt_eval_count\":{PROMPT_TOKENS},\
         {PROMPT_NS_KEY}{},\"eval_count\":{tokens},{DECODE_NS_KEY}{}}}",
        placeholder(NS_WIDTH),
        placeholder(NS_WIDTH)
    )
}
