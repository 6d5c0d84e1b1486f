//! Asks a server before the load how many tokens a text is, and how many it counts in a prompt.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::blocking_http::Answer;
use crate::discover::access::Access;
use crate::discover::next_step::{hide, masks};
use crate::discover::{PROBE_LIMIT, VALIDATION_LIMIT, unfit};
use crate::error::{Failure, lossless};
use crate::http1::{Body, Method};
use crate::workload::Target;

/// The time limit for all questions about one model. A vocabulary that has few of the words as one token is asked about
/// 500 of them.
const QUESTIONS_LIMIT: Duration = Duration::from_secs(60);
const NEXT_STEP: &str = "name the model's tokenizer.json instead of `server`, or leave the tokenizer out: prompts then \
                         have about the tokens that are asked for, and the report says how many the server counted";

/// The ways in which servers are asked for the tokens of a text at `/tokenize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// vLLM and SGLang.
    Prompt,
    LlamaCpp,
    /// Text Generation Inference.
    Inputs,
}

impl Form {
    const ALL: [Form; 3] = [Form::Prompt, Form::LlamaCpp, Form::Inputs];

    fn question(self, model: &str, text: &str) -> Value {
        match self {
            Form::Prompt => json!({"model": model, "prompt": text, "add_special_tokens": false}),
            Form::LlamaCpp => json!({"content": text, "add_special": false}),
            Form::Inputs => json!({"inputs": text, "add_special_tokens": false}),
        }
    }

    /// Returns the number of tokens that an answer states; `None` if it answers another question.
    fn count(self, answer: &[u8]) -> Option<u32> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let listed = |list: &Value| list.as_array().map(|tokens| tokens.len() as u64);
        let count = match self {
            Form::Prompt => answer["count"].as_u64().or_else(|| listed(&answer["tokens"])),
            Form::LlamaCpp => listed(&answer["tokens"]),
            Form::Inputs => listed(&answer),
        };
        // No text that is asked about is empty: a server that says so did not read it.
        u32::try_from(count?).ok().filter(|count| *count > 0)
    }
}

/// The tokenizer of a server, for one of its models.
#[derive(Clone, Debug)]
pub struct ServerTokenizer<'a> {
    target: &'a Target,
    access: Access<'a>,
    model: &'a str,
    path: String,
    form: Option<Form>,
    deadline: Instant,
}

impl<'a> ServerTokenizer<'a> {
    pub fn new(target: &'a Target, access: Access<'a>, model: &'a str) -> ServerTokenizer<'a> {
        ServerTokenizer {
            target,
            access,
            model,
            path: format!("{}/tokenize", root(target)),
            form: None,
            deadline: Instant::now() + QUESTIONS_LIMIT,
        }
    }

    /// Returns the tokens of a text, without those that a prompt has besides.
    ///
    /// # Errors
    /// Fails if the server does not say.
    pub fn count(&mut self, text: &str) -> Result<u32, Failure> {
        let mut refused = None;
        let forms = self.form.map_or(Form::ALL.to_vec(), |form| vec![form]);
        for form in forms {
            let answer = self.ask(&form.question(self.model, text))?;
            match (answer.status, form.count(&answer.body)) {
                (200, Some(count)) => {
                    self.form = Some(form);
                    return Ok(count);
                }
                // The first refusal is the one of the usual question.
                _ => drop(refused.get_or_insert(answer)),
            }
        }
        let answer = refused.unwrap_or_default();
        Err(self.failure(&said(self.target, &answer, "no count of tokens")))
    }

    fn ask(&self, question: &Value) -> Result<Answer, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let what = format!(
                "the questions before it took all of the {} s",
                QUESTIONS_LIMIT.as_secs()
            );
            return Err(self.failure(&what));
        }
        let question = question.to_string();
        let limit = left.min(PROBE_LIMIT);
        post(self.target, self.access, &self.path, question.as_bytes(), limit).map_err(|e| self.failure(&e))
    }

    fn failure(&self, what: &str) -> Failure {
        let place = format!("tokenizer: POST {}{}", self.target.origin, self.path);
        unfit(format!("{place}: {what}"), NEXT_STEP)
    }
}

/// Returns what is before all paths of the server: that before the prefix of its API.
fn root(target: &Target) -> &str {
    let row = target.api.row();
    let path = target.api_path.split('?').next().unwrap_or("");
    let path = path.trim_end_matches('/');
    let before = row
        .end_of(path)
        .and_then(|end| path.strip_suffix(end))
        .unwrap_or("");
    // The longest prefix leaves the least.
    let rests = row
        .prefixes
        .iter()
        .filter_map(|prefix| before.strip_suffix(prefix));
    rests.min_by_key(|rest| rest.len()).unwrap_or(before)
}

/// Sends the body of a request as the load would, and returns the tokens that the server counts in its prompt; `None`
/// if it does not say.
///
/// # Errors
/// Fails if the server does not answer it.
pub fn counted_prompt(target: &Target, access: Access<'_>, body: &[u8]) -> Result<Option<u32>, Failure> {
    let row = target.api.row();
    let path = target.api_path.split('?').next().unwrap_or("");
    let failure = |what: &str| {
        let place = format!("tokenizer: POST {}{path}", target.origin);
        let next = "the run asks once what the server adds to a prompt: leave the tokenizer out if it cannot be asked";
        unfit(format!("{place}: {what}"), next)
    };
    let answer = post(target, access, &target.api_path, body, VALIDATION_LIMIT).map_err(|e| failure(&e))?;
    match (row.read_body)(&answer.body) {
        Ok(facts) if answer.status == 200 => {
            let counted = facts.usage.map(|usage| usage.prompt_tokens);
            Ok(counted.filter(|tokens| *tokens > 0))
        }
        _ => Err(failure(&said(target, &answer, "no complete answer"))),
    }
}

fn post(
    target: &Target,
    access: Access<'_>,
    path: &str,
    bytes: &[u8],
    limit: Duration,
) -> Result<Answer, String> {
    let peer = access.peer(target, limit);
    let body = Body {
        bytes,
        content_type: "application/json",
    };
    let mut answer = Answer::default();
    match peer.exchange(&mut answer, Method::Post, path, Some(body)) {
        Ok(()) => Ok(answer),
        Err(e) => Err(e.to_string()),
    }
}

/// Says what an answer was instead of the expected one, with the beginning of its body.
fn said(target: &Target, answer: &Answer, missing: &str) -> String {
    let (_, query) = target.api_path.split_once('?').unwrap_or_default();
    let body = hide(&lossless(&answer.body), &masks(&target.headers, query));
    match answer.status {
        200 => format!("status 200 with {missing}; its body begins `{body}`"),
        404 | 405 | 501 => format!("status {}: the server has nothing there: `{body}`", answer.status),
        status => format!("status {status}; its body begins `{body}`"),
    }
}

#[cfg(test)]
#[path = "tokenize_tests.rs"]
mod tests;
