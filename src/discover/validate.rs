//! Validates a server before a run with one small request for each thing the run needs, none of which is measured. A
//! run against a server that cannot answer at all would only report that every request failed.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::{
    BodySettings, Content, Generation, Members, Prompt, ReadEvent, ReadSide, Row, Setting, StreamEnd,
    StreamState, TokenLimitKey, Wording, WriteBody,
};
use crate::blocking_http::Answer;
use crate::discover::access::{Access, Extent};
use crate::discover::find::entries;
use crate::discover::next_step::{hide, hint, is_about_usage, masks, refuses_limit};
use crate::discover::redirected::{self, is_redirect};
use crate::discover::refused::{is_refusal, meaning};
use crate::discover::streamed::{framing_of, read_stream};
use crate::discover::unfit;
use crate::error::{Failure, lossless};
use crate::http1::{Body, Method};
use crate::metrics::{FinishWord, Outcome};
use crate::units::{Masks, Span};
use crate::workload::Target;

/// The time limit for all checks together. A smoke run of ten seconds with validation ends within thirty.
pub const VALIDATION_LIMIT: Duration = Duration::from_secs(18);
/// The token limit of a check: enough for a first token and a finish, and the minimum of the Responses API.
const TOKENS: u32 = 16;

/// The values of a request for a completion.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub model: &'a str,
    pub prompt: &'a str,
    /// The ids out of which prompts are made, if they are no texts.
    pub ids: Option<Span<u32>>,
    /// The wording in the configuration. The server's answers decide the rest.
    pub wording: Wording,
    /// What the bodies of the load have besides.
    pub settings: &'a BodySettings,
}

/// The lowest id and the highest, which show whether the model has all of them.
impl Prompt for Span<u32> {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("[{},{}]", self.min, self.max).as_bytes());
    }
}

impl Question<'_> {
    /// Returns the request, with these members besides.
    fn asked<'q>(&'q self, stream: bool, members: &'q Members) -> Generation<'q> {
        let least = self.settings.value(Setting::MinTokens);
        let least: u32 = least.and_then(|json| json.parse().ok()).unwrap_or(0);
        Generation {
            model: self.model,
            content: match &self.ids {
                Some(ids) => Content::Tokens(ids),
                None => Content::Text(&self.prompt),
            },
            documents: None,
            max_tokens: TOKENS.max(least),
            stream,
            cache_prompt: false,
            wording: self.wording,
            system: self.settings.system().map(|system| system.text.as_ref()),
            members,
        }
    }

    /// Returns the wording that a refusal asks for, and a note on it. Only what the configuration leaves open is
    /// changed, so each member is changed at most once.
    fn reworded(&self, check: &Check, answer: &Answer) -> Option<(Wording, &'static str)> {
        if !matches!(answer.status, 400 | 422) || !matches!(check.judge, Judge::Whole | Judge::Stream(_)) {
            return None;
        }
        let says = lossless(&answer.body).to_lowercase();
        if self.wording.token_limit.is_none() && refuses_limit(&says) {
            let wording = Wording {
                token_limit: Some(TokenLimitKey::MaxCompletionTokens),
                ..self.wording
            };
            return Some((
                wording,
                "the server refuses `max_tokens`, so the run sends `max_completion_tokens`",
            ));
        }
        let streams = matches!(check.judge, Judge::Stream(_));
        if self.wording.stream_options.is_none() && streams && is_about_usage(&says) {
            let wording = Wording {
                stream_options: Some(false),
                ..self.wording
            };
            let note = "the server refuses `stream_options`, so the run does not send it, and counts tokens by events \
                        unless the server counts them anyway";
            return Some((wording, note));
        }
        None
    }
}

const OPEN_CHOICE: &str = "one of several answers has no finish reason";

struct Check {
    method: Method,
    path: String,
    /// The text after the path, if two checks have the same path.
    note: &'static str,
    body: Option<Vec<u8>>,
    /// The check asks for token counts at the end of a stream.
    asks_usage: bool,
    /// How many answers it asks for.
    answers: u32,
    judge: Judge,
}

/// The requirements for an answer.
enum Judge {
    Health,
    Models,
    Whole,
    Stream(ReadEvent),
    /// The answer to a further question, with its reader.
    Side(ReadSide),
}

#[derive(Debug, PartialEq)]
enum Judgement {
    Good(String),
    /// The server does not have it, which is allowed.
    Absent,
    /// The reason; empty if the status says it all.
    Bad(String),
}
use Judgement::{Absent, Bad, Good};

/// Asks for health and models and, if there is a question, for a completion, for a streamed one, and for whatever else
/// the row of the API has. `say` gets a line for each. Returns the wording that the server accepts: if it refuses a
/// member of the body by name, the other wording is tried.
///
/// # Errors
/// Fails with the first check that fails.
pub fn validate(
    target: &Target,
    access: Access<'_>,
    mut question: Option<Question<'_>>,
    extent: Extent,
    limit: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<Wording, Failure> {
    let deadline = Instant::now() + limit;
    let row = target.api.row();
    let mut all = checks(row, target, question, extent);
    let mut next = 0;
    while let Some(check) = all.get(next) {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer =
            ask(target, access, check, left).map_err(|(answer, what)| check.error(target, &answer, &what))?;
        let what = check.shown("");
        if let Some(asked) = &mut question
            && let Some((wording, note)) = asked.reworded(check, &answer)
        {
            say(&format!("{what}: {}, {note}", answer.status));
            asked.wording = wording;
            all = checks(row, target, question, extent);
            continue;
        }
        match check.judge.of(row, &answer, check) {
            Good(found) if found.is_empty() => say(&format!("{what}: {}", answer.status)),
            Good(found) => say(&format!("{what}: {}, {found}", answer.status)),
            Absent => say(&format!("{what}: not there ({})", answer.status)),
            Bad(why) => return Err(check.error(target, &answer, &why)),
        }
        next += 1;
    }
    Ok(question.map_or(target.wording, |question| question.wording))
}

/// A refusal comes at once: a server that takes longer has accepted the body.
const WORDING_LIMIT: Duration = Duration::from_secs(2);

/// Asks for one completion before a load that is not validated, and returns the wording that the server accepts. An
/// answer that refuses no member by name changes nothing: the load will show it.
pub fn find_wording(
    target: &Target,
    access: Access<'_>,
    mut question: Question<'_>,
    say: &mut dyn FnMut(&str),
) -> Wording {
    let one = Extent::Completion { stream: true };
    // Each of the two members is changed once at most.
    for _ in 0..3 {
        let all = checks(target.api.row(), target, Some(question), one);
        let Some(check) = all.first() else { break };
        let (Ok(answer) | Err((answer, _))) = ask(target, access, check, WORDING_LIMIT);
        let what = check.shown("");
        match question.reworded(check, &answer) {
            Some((wording, note)) => {
                say(&format!("{what}: {}, {note}", answer.status));
                question.wording = wording;
            }
            None => {
                match answer.status {
                    0 => {}
                    200 => say(&format!("{what}: 200")),
                    status => {
                        let said = hide(&lossless(&answer.body), &masks_of(target));
                        say(&format!("{what}: {status}, the load starts anyway: {said}"));
                    }
                }
                break;
            }
        }
    }
    question.wording
}

fn checks(row: &Row, target: &Target, question: Option<Question<'_>>, extent: Extent) -> Vec<Check> {
    let (path, query) = match target.api_path.find('?') {
        Some(at) => target.api_path.split_at(at),
        None => (target.api_path.as_str(), ""),
    };
    let whole = path.trim_end_matches('/');
    let prefix = whole.strip_suffix(row.end).unwrap_or(whole);
    let get = |path: String, judge: Judge| Check {
        method: Method::Get,
        path,
        note: "",
        body: None,
        asks_usage: false,
        answers: 1,
        judge,
    };
    let mut checks = vec![get("/health".to_owned(), Judge::Health)];
    if let Some(list) = row.models {
        checks.push(get(format!("{prefix}{list}{query}"), Judge::Models));
    }
    let Some(question) = question else { return checks };
    if extent != Extent::All {
        checks.clear();
    }
    let members = question.settings.members(target.api);
    let mut post = |path: String, write: WriteBody, stream: bool, judge: Judge| {
        // What the load asks for besides is in its own API's words, not in those of a side question.
        let members = match judge {
            Judge::Side(_) => Members::none(),
            _ => members,
        };
        let mut body = Vec::new();
        write(&mut body, &question.asked(stream, members));
        checks.push(Check {
            method: Method::Post,
            path,
            note: if stream { " streaming" } else { "" },
            body: Some(body),
            asks_usage: row.has_usage && question.wording.asks_usage() && !members.has("stream_options"),
            answers: question.settings.answers(target.api),
            judge,
        });
    };
    post(target.api_path.clone(), row.write_body, false, Judge::Whole);
    if let Some(read) = row.read_event {
        post(
            target.stream_path.clone(),
            row.write_body,
            true,
            Judge::Stream(read),
        );
    }
    if let Some(side) = &row.side_question {
        post(
            format!("{prefix}{}{query}", side.end),
            side.write_body,
            false,
            Judge::Side(side.read),
        );
    }
    if let Extent::Completion { stream } = extent {
        let wanted = stream && row.read_event.is_some();
        checks.retain(|check| {
            matches!(
                (&check.judge, wanted),
                (Judge::Stream(_), true) | (Judge::Whole, false)
            )
        });
    }
    checks
}

/// Asks a question. The error holds what had arrived by then, and why there is no more.
fn ask(
    target: &Target,
    access: Access<'_>,
    check: &Check,
    limit: Duration,
) -> Result<Answer, (Answer, String)> {
    let mut answer = Answer::default();
    if limit.is_zero() {
        let seconds = VALIDATION_LIMIT.as_secs();
        return Err((
            answer,
            format!("not asked, because the checks before it took all of the {seconds} s"),
        ));
    }
    let peer = access.peer(target, limit);
    let body = check.body.as_deref().map(|bytes| Body {
        bytes,
        content_type: "application/json",
    });
    match peer.exchange(&mut answer, check.method, &check.path, body) {
        Ok(()) => Ok(answer),
        Err(e) if answer.status == 0 => Err((answer, e.to_string())),
        Err(e) => {
            let what = format!("the answer broke off after {} bytes: {e}", answer.body.len());
            Err((answer, what))
        }
    }
}

impl Check {
    /// Returns the path without the query, which may be a secret.
    fn shown_path(&self) -> &str {
        self.path.split('?').next().unwrap_or("")
    }

    /// Returns the beginning of a message about the check, with `origin` before its path.
    fn shown(&self, origin: &str) -> String {
        let (method, path) = (self.method.as_str(), self.shown_path());
        format!("validation: {method} {origin}{path}{}", self.note)
    }

    fn error(&self, target: &Target, answer: &Answer, why: &str) -> Failure {
        let masks = masks_of(target);
        let mut message = self.shown(&target.origin);
        if answer.status != 0 {
            message.push_str(&format!(": status {}", answer.status));
        }
        if is_refusal(answer.status) {
            message.push_str(&format!(": {}", meaning(answer.status, &target.headers)));
        }
        if !why.is_empty() {
            message.push_str(&format!(": {}", hide(why, &masks)));
        }
        if is_redirect(answer.status) {
            let location = answer.location.as_deref();
            message.push_str(&format!(": {}", redirected::meaning(location, &masks)));
            let next = redirected::next_step(location, &target.origin, &self.path, &masks);
            return unfit(message, hide(&next, &masks));
        }
        if answer.status != 0 {
            let body = hide(&lossless(&answer.body), &masks);
            message.push_str(&match body.as_str() {
                "" => "; its body is empty".to_owned(),
                body => format!("; its body begins `{body}`"),
            });
        }
        let says = lossless(&answer.body);
        unfit(message, hint(answer.status, &says, &target.headers))
    }
}

fn masks_of(target: &Target) -> Masks {
    let (_, query) = target.api_path.split_once('?').unwrap_or_default();
    masks(&target.headers, query)
}

impl Judge {
    fn of(&self, row: &Row, answer: &Answer, check: &Check) -> Judgement {
        match self {
            Judge::Health => judge_health(answer),
            Judge::Models => judge_models(answer),
            Judge::Whole => judge_whole(row, answer),
            Judge::Stream(read) => judge_stream(row, *read, answer, check),
            Judge::Side(read) => judge_side(*read, answer),
        }
    }
}

fn judge_health(answer: &Answer) -> Judgement {
    match answer.status {
        200..=299 => Good(String::new()),
        // A gateway may hide it, or send browsers somewhere else.
        301 | 302 | 303 | 307 | 308 | 401 | 403 | 404 | 405 | 501 => Absent,
        _ => Bad(String::new()),
    }
}

fn judge_models(answer: &Answer) -> Judgement {
    match answer.status {
        200 => {}
        404 | 405 | 501 => return Absent,
        _ => return Bad(String::new()),
    }
    let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match entries(&list) {
        Some(models) => Good(format!("models {}", models.len())),
        None => Bad("the body is not a list of models".to_owned()),
    }
}

fn judge_whole(row: &Row, answer: &Answer) -> Judgement {
    if answer.status != 200 {
        return Bad(String::new());
    }
    match (row.read_body)(&answer.body) {
        Ok(facts) => match facts.outcome() {
            Outcome::Ok => Good(match facts.usage {
                Some(usage) if facts.is_no_text => format!("complete, {} input tokens", usage.prompt_tokens),
                None if facts.is_no_text => "complete".to_owned(),
                Some(usage) => format!("finished, {} tokens", usage.completion_tokens),
                None => "finished".to_owned(),
            }),
            Outcome::StreamError => Bad("an error object instead of an answer".to_owned()),
            Outcome::BadFinish => Bad(given_up(facts.finish)),
            _ if facts.finish.is_some() => Bad(OPEN_CHOICE.to_owned()),
            _ => Bad(format!("no {}", row.finish.unwrap_or("text"))),
        },
        Err(e) => Bad(e.to_string()),
    }
}

fn judge_stream(row: &Row, read: ReadEvent, answer: &Answer, check: &Check) -> Judgement {
    if answer.status != 200 {
        return Bad(String::new());
    }
    let framing = match framing_of(row, answer) {
        Ok(framing) => framing,
        Err(why) => return Bad(why.to_owned()),
    };
    match read_stream(read, framing, &answer.body, check.answers) {
        Ok((stream, tokens)) => judge_end(row, &stream, tokens, check.asks_usage),
        Err(why) => Bad(why),
    }
}

fn judge_end(row: &Row, stream: &StreamState, tokens: u32, asks_usage: bool) -> Judgement {
    let end = stream.verdict_at_end();
    if end == StreamEnd::Error {
        return Bad("an error in the stream".to_owned());
    }
    if end == StreamEnd::OpenChoice {
        return Bad(OPEN_CHOICE.to_owned());
    }
    if end == StreamEnd::BadFinish {
        return Bad(given_up(stream.finish()));
    }
    let no_finish = format!("no {}", row.finish.unwrap_or("text"));
    let usage = stream.usage();
    let missing: Vec<&str> = [
        (tokens > 0, "no token (no event has text)"),
        (end == StreamEnd::Ok, no_finish.as_str()),
        (
            usage.is_some() || !asks_usage,
            "no usage, although it was asked for",
        ),
    ]
    .iter()
    .filter(|(there, _)| !there)
    .map(|(_, what)| *what)
    .collect();
    if !missing.is_empty() {
        return Bad(missing.join(", "));
    }
    let usage = usage.map_or(String::new(), |usage| {
        format!(", usage {} tokens", usage.completion_tokens)
    });
    Good(format!("{tokens} token events, finished{usage}"))
}

/// Returns the reason for a finish reason that is not a success.
fn given_up(word: Option<FinishWord>) -> String {
    let word = word.map_or(String::new(), |word| format!(" `{}`", word.as_str()));
    format!("the server gave up the request: its finish reason is{word}")
}

fn judge_side(read: ReadSide, answer: &Answer) -> Judgement {
    match answer.status {
        200 => {}
        404 | 405 | 501 => return Absent,
        _ => return Bad(String::new()),
    }
    match read(&answer.body) {
        Ok(says) => Good(says),
        Err(why) => Bad(why.to_owned()),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
pub(in crate::discover) mod tests;
