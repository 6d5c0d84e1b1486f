//! OpenAI's older text completions. Their answers are read like chat completions: a choice has its text in `text`
//! instead of `delta` or `message`, and no other difference matters here.

use super::Generation;
use super::body::{begin_body, write_openai_end};

pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    let mut body = begin_body(out, asked);
    body.member("prompt", |out| asked.content.write_prompt(out, asked.system));
    write_openai_end(body, asked);
}
