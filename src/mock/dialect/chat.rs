//! Writes OpenAI's chat completions.

use super::{Counted, DONE, Dialect, event, text, usage};

pub(super) const DIALECT: Dialect = Dialect {
    opening: Some(|_| chunk(r#"{"role":"assistant","content":""}"#, "null", "")),
    token: |_, extra| chunk(r#"{"content":"tok "}"#, "null", extra),
    finish: |counted| chunk("{}", "\"stop\"", &usage(counted)),
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

fn body(counted: &Counted, finished: bool) -> String {
    let finish = if finished { "\"stop\"" } else { "null" };
    let (text, usage) = (text(counted.output), usage(counted));
    format!(
        "{{\"id\":\"m\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"mock\",\"choices\":[{{\
         \"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]\
         {usage}}}"
    )
}
