//! Writes the lines of Ollama's own APIs. The last one reports the server's times, in nanoseconds.

use super::{Counted, DECODE_NS_KEY, Dialect, NS_WIDTH, PROMPT_NS_KEY, line, placeholder, text};

pub(super) const GENERATE: Dialect = Dialect {
    token: |_, extra| token(&generated("tok "), extra),
    finish: |counted| line(&end(&generated(""), counted, true)),
    body: |counted, finished| end(&generated(&text(counted.output)), counted, finished),
    streams_unless_told: true,
    ..Dialect::PLAIN
};

pub(super) const CHAT: Dialect = Dialect {
    token: |_, extra| token(&said("tok "), extra),
    finish: |counted| line(&end(&said(""), counted, true)),
    body: |counted, finished| end(&said(&text(counted.output)), counted, finished),
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

fn end(text: &str, counted: &Counted, done: bool) -> String {
    let (tokens, prompt) = (counted.output, counted.prompt);
    format!(
        "{{\"model\":\"mock\",\"created_at\":\"2026-01-01T00:00:00Z\",{text},\"done\":{done},\
         \"done_reason\":\"stop\",\"total_duration\":1,\"load_duration\":1,\"prompt_eval_count\":{prompt},\
         {PROMPT_NS_KEY}{},\"eval_count\":{tokens},{DECODE_NS_KEY}{}}}",
        placeholder(NS_WIDTH),
        placeholder(NS_WIDTH)
    )
}
