//! Makes runs alike before they are compared. Other tools count from the send, and only requests that are ok; ours
//! counts from due, and failures with the time they took. A document whose details say when each request went out is
//! converted to theirs.

use super::peers::{Definition, Gathered, OK_ONLY, Request, SENT, TO_THE_END, WHOLE_TIME, define, rate};
use super::samples::UnixNanos;
use crate::compare::{Format, Run, Tool};
use crate::error::{Failure, Mistake, Reason, lossless};
use crate::result::{Detail, each_detail};
use crate::units::SECOND;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The size of one read. Documents with details have hundreds of megabytes.
const READ_BYTES: usize = 256 * 1024;

const CONVERTED: [Definition; 4] = [
    define(
        "ttft",
        "details: ttft - sent",
        SENT,
        "converted: from the send, of requests that are ok",
    ),
    define(
        "ttfa",
        "details: ttfa - sent",
        SENT,
        "converted: from the send, of requests that are ok",
    ),
    define(
        "tpot",
        "details: latency, ttft, output_tokens",
        TO_THE_END,
        "converted: (end - first token) / (tokens - 1), of requests that are ok",
    ),
    define(
        "service_time",
        "details: latency - sent",
        OK_ONLY,
        "converted: from the send to the end, of requests that are ok",
    ),
];

/// Makes runs alike if one of them is another LLM load tool's. `paths` are those of the files that can be read again.
pub fn align(runs: &mut [Run], paths: &[Option<PathBuf>]) -> Result<(), Failure> {
    let counts_from_send = |run: &Run| {
        !matches!(
            run.format.tool(),
            Tool::Ours | Tool::K6 | Tool::Oha | Tool::Vegeta
        )
    };
    if !runs.iter().any(counts_from_send) {
        return Ok(());
    }
    for (run, path) in runs.iter_mut().zip(paths) {
        if run.format == Format::Ours {
            convert(run, path.as_deref())?;
        }
        without_failures(run);
    }
    Ok(())
}

/// Says that the times of a run without failures are those of requests that are ok.
fn without_failures(run: &mut Run) {
    let failed = run.scalars.iter().find(|s| s.metric == "failed").map(|s| s.value);
    if failed != Some(0.0) {
        return;
    }
    for trend in run
        .trends
        .iter_mut()
        .filter(|t| t.metric == "service_time" && t.sense.is_empty())
    {
        trend.sense = OK_ONLY;
        trend.differs = trend
            .differs
            .or(Some("from the first byte sent to the end; no request failed"));
    }
}

fn convert(run: &mut Run, path: Option<&Path>) -> Result<(), Mistake> {
    let mut refuse = |why: &str| {
        run.notes.push(format!(
            "times from the send, which the other tools state, cannot be made of this document: {why}"
        ));
    };
    let Some(path) = path else {
        refuse("it was read from a pipe, and its details are read in a second pass");
        return Ok(());
    };
    if !run.repeats.is_empty() {
        refuse("its repetitions have no details of their own");
        return Ok(());
    }
    let Some((gathered, all_say)) = gather(path)? else {
        refuse("it has no details (run with --details)");
        return Ok(());
    };
    let ok = run
        .scalars
        .iter()
        .find(|s| s.metric == "ok")
        .map(|s| s.value as u64);
    if !all_say {
        refuse("its details do not say when requests went out (an older version wrote it)");
        return Ok(());
    }
    if ok != Some(gathered.ok) {
        refuse("its details do not have every request");
        return Ok(());
    }
    give(run, gathered);
    Ok(())
}

/// Replaces the figures of a run by those of its details.
fn give(run: &mut Run, gathered: Gathered) {
    if let Some(seconds) = gathered.seconds() {
        let per_second = gathered.ok as f64 / seconds;
        let failed = gathered.count > gathered.ok;
        for scalar in &mut run.scalars {
            let alike = match scalar.metric {
                "ok_requests_per_second" => true,
                "requests_per_second" => !failed,
                _ => false,
            };
            if alike {
                let slices = std::mem::take(&mut scalar.slices);
                *scalar = rate(scalar.metric, "details", per_second);
                scalar.slices = slices;
                scalar.differs = Some("converted: requests that are ok, over the time to the last answer");
                debug_assert_eq!(scalar.sense, WHOLE_TIME);
            }
        }
    }
    let Ok(converted) = gathered.into_trends(|_| Ok(Vec::new()), &mut run.notes) else {
        return;
    };
    run.trends
        .retain(|trend| converted.iter().all(|new| new.metric != trend.metric));
    run.trends.extend(converted);
}

/// Reads the details; `None` if there are none. Also returns whether each ok request says when it went out.
fn gather(path: &Path) -> Result<Option<(Gathered, bool)>, Mistake> {
    let place = |reason: Reason| reason.at(lossless(path.as_os_str().as_bytes()), 0);
    let file = std::fs::File::open(path).map_err(|e| {
        let hint = "it could be read a moment ago: leave it in place while runs are compared";
        place(Reason::new(format!("cannot be opened again: {e}")).hint(hint))
    })?;
    let packed = BufReader::with_capacity(READ_BYTES, file);
    let (mut gathered, mut all_say) = (Gathered::new(&CONVERTED), true);
    let plain = super::input::plain(Box::new(packed)).map_err(place)?;
    let count = each_detail(plain, |_, detail| {
        all_say &= add(&mut gathered, detail);
        Ok::<(), Reason>(())
    })
    .map_err(place)?;
    Ok(count.filter(|n| *n > 0).map(|_| (gathered, all_say)))
}

/// Adds a request; returns false if it is ok and does not say when it went out.
fn add(gathered: &mut Gathered, detail: &Detail) -> bool {
    let ok = detail.error.is_none();
    let nanos = |seconds: f64| (seconds * SECOND as f64) as UnixNanos;
    let (due, end) = (nanos(detail.start_ts), nanos(detail.end_ts));
    gathered.request(Request {
        span: Some((due + nanos(detail.sent.unwrap_or(0.0)), end)),
        ok,
        output_tokens: detail.output_tokens,
    });
    if !ok {
        return true;
    }
    let Some(sent) = detail.sent else { return false };
    let mut value = |metric: &str, seconds: f64| gathered.value(metric, Some(end), seconds * 1e3);
    value("service_time", detail.latency - sent);
    if let Some(ttft) = detail.ttft {
        value("ttft", ttft - sent);
        if detail.output_tokens > 1 {
            value(
                "tpot",
                (detail.latency - ttft) / (detail.output_tokens - 1) as f64,
            );
        }
    }
    if let Some(ttfa) = detail.ttfa {
        value("ttfa", ttfa - sent);
    }
    true
}

#[cfg(test)]
#[path = "from_send_tests.rs"]
mod tests;
