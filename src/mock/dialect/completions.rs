//! Writes OpenAI's older text completions, in which an event and a whole answer look alike.

use super::{DONE, Dialect, event, text, usage};

pub(super) const DIALECT: Dialect = Dialect {
    token: |extra| event(&answer("tok ", "null", extra)),
    finish: |tokens| event(&answer("", "\"length\"", &usage(tokens))),
    done: Some(DONE),
    body: |tokens, finished| {
        let finish = if finished { "\"stop\"" } else { "null" };
        answer(&text(tokens), finish, &usage(tokens))
    },
    ..Dialect::PLAIN
};

fn answer(text: &str, finish: &str, extra: &str) -> String {
    format!(
        "{{\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{finish}}}],\
         \"created\":1,\"model\":\"mock\",\"object\":\"text_completion\"{extra},\"id\":\"m\"}}"
    )
}
