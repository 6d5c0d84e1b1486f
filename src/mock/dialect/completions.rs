//! Writes OpenAI's older text completions, in which an event and a whole answer look alike.

use super::{DONE, Dialect, event, text, usage};

pub(super) const DIALECT: Dialect = Dialect {
    token: |_, extra| event(&answer("tok ", "null", extra)),
    finish: |counted| event(&answer("", "\"length\"", &usage(counted))),
    done: Some(DONE),
    body: |counted, finished| {
        let finish = if finished { "\"stop\"" } else { "null" };
        answer(&text(counted.output), finish, &usage(counted))
    },
    ..Dialect::PLAIN
};

fn answer(text: &str, finish: &str, extra: &str) -> String {
    format!(
        "{{\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}],\
         \"created\":1,\"model\":\"mock\",\"object\":\"text_completion\"{extra},\"id\":\"m\"}}"
    )
}
