//! OpenAI's older text completions. Their answers are read like chat completions: a choice has its text in `text`
//! instead of `delta` or `message`, and no other difference matters here.

use super::Generation;
use super::body::{write_model, write_openai_end};

pub(super) fn write_body(out: &mut Vec<u8>, asked: &Generation) {
    write_model(out, asked.model);
    out.extend_from_slice(b",\"prompt\":");
    asked.content.write_prompt(out);
    write_openai_end(out, asked);
}
