//! Writes OpenAI's chat completions.

use super::{DONE, Dialect, event, text, usage};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|| chunk(r#"{"role":"assistant","content":""}"#, "null", "")),
    token: |extra| chunk(r#"{"content":"tok "}"#, "null", extra),
    finish: |tokens| chunk("{}", "\"stop\"", &usage(tokens)),
    done: Some(DONE),
    body,
    ..Dialect::PLAIN
};

fn chunk(delta: &str, finish: &str, extra: &str) -> String {
    event(&format!(
        "{{\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"mock\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]{extra}}}"
    ))
}

fn body(tokens: u32, finished: bool) -> String {
    let finish = if finished { "\"stop\"" } else { "null" };
    let (text, usage) = (text(tokens), usage(tokens));
    format!(
        "{{\"id\":\"m\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\",\"choices\":[{{\
         \"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]\
         {usage}}}"
    )
}
