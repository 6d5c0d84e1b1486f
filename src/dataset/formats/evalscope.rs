//! evalscope's `workload_trace`: requests that were recorded.

use super::output_tokens;
use super::raw::LIMITS;
use crate::dataset::members::{Members, string};
use crate::dataset::read::Sink;
use crate::dataset::row::{Content, Row};
use crate::dataset::time_of_day;
use crate::error::{Reason, quoted};
use crate::http1::request::{check_header, is_ours};
use crate::units::SECOND;
use std::borrow::Cow;

/// Headers that belong to the connection on which a request was recorded, besides those of the engine.
const OF_THE_CONNECTION: [&str; 2] = ["content-encoding", "accept-encoding"];
/// The latest count of seconds: the year 2200.
const SECONDS_MAX: f64 = 7.3e9;

/// Reads `{"timestamp": "2026-05-01T10:00:00.250Z", "body": {...}, "headers": {...}, "completion_tokens": 120}`. The
/// body may be a string that holds one.
pub fn read(record: &Members<'_>, to: &mut Sink<'_>) -> Result<(), Reason> {
    record.ignore(&["request_id"]);
    let body = record.required("body", record.json("body"))?;
    let body = match body.starts_with('"') {
        true => string(body).map_err(|what| Reason::new(format!("`body` {what}")))?,
        false => Cow::Borrowed(body),
    };
    let members = Members::read(&body).map_err(|reason| reason.about("`body`"))?;
    let output = output_tokens(&members, &LIMITS).map_err(|reason| reason.within("`body`"))?;
    let served = output_tokens(record, &["completion_tokens"])?;
    let at = match record.json("timestamp") {
        Some(text) if text.starts_with('"') => {
            let text = string(text).map_err(|what| Reason::new(format!("`timestamp` {what}")))?;
            Some(time_of_day::parse(&text).map_err(|reason| reason.within("`timestamp`"))?)
        }
        Some(_) => record.time("timestamp", SECOND, SECONDS_MAX)?,
        None => None,
    };
    let (headers, connection) = headers(record)?;
    (0..connection).for_each(|_| to.leave_out("headers that belong to a connection"));
    let row = Row {
        headers: headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
        ..Row::of(Content::Payload(&body))
    };
    to.push(row, output.or(served), at);
    Ok(())
}

type Header<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Returns the headers of a request, and how many were left out.
fn headers<'a>(record: &Members<'a>) -> Result<(Vec<Header<'a>>, usize), Reason> {
    let Some((_, members)) = record.object("headers")? else {
        return Ok((Vec::new(), 0));
    };
    let mut out = Vec::new();
    let mut left_out = 0;
    for (name, value) in members.all() {
        let mut recorded = OF_THE_CONNECTION.iter();
        if is_ours(name) || recorded.any(|theirs| theirs.eq_ignore_ascii_case(name)) {
            left_out += 1;
            continue;
        }
        // The value may be a secret.
        let value = match value.starts_with('"') {
            true => string(value)
                .map_err(|_| Reason::new(format!("`headers`: the value of {} is no text", quoted(name))))?,
            false => Cow::Borrowed(value),
        };
        check_header(name, &value)
            .map_err(|e| Reason::new(format!("`headers`: {} cannot be sent: {e}", quoted(name))))?;
        out.push((Cow::Owned(name.to_owned()), value));
    }
    Ok((out, left_out))
}
