//! A result in the formats of other tools, so that the scripts of their users read it. Where a name means something
//! else there, the value is theirs: docs/EXPORTS.md says which.
//!
//! ```text
//! RunResult, rows of details -> write() -> bytes
//! ```

mod aiperf;
mod call;
#[cfg(test)]
mod export_tests;
mod format;
mod k6;
mod llm_d;
mod object;
mod run_facts;
mod values;
mod vllm;

use std::io::{Result, Write};

pub use call::Call;
pub use format::{Export, FORMATS, Format, Needs, kept, parse_export};

use crate::error::Reason;
use crate::result::{Detail, RunResult};

/// One file of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    Vllm,
    VllmDetailed,
    AiperfRecords,
    AiperfSummary,
    BenchmarkReport,
    K6Export,
    K6Summary,
}

/// The requests of a document, which are read several times, because they may be more than the memory holds.
pub trait Rows {
    /// Calls `take` with each request, until it fails.
    fn each(&mut self, take: &mut dyn FnMut(&Detail) -> Result<()>) -> Result<()>;
}

/// A document without requests.
pub struct NoRows;

impl Rows for NoRows {
    fn each(&mut self, _take: &mut dyn FnMut(&Detail) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

/// Calls `take` with each request of the measured load.
fn each_call(rows: &mut dyn Rows, take: &mut dyn FnMut(&Call<'_>) -> Result<()>) -> Result<()> {
    rows.each(&mut |detail| match Call::of(detail) {
        Some(call) => take(&call),
        None => Ok(()),
    })
}

/// Writes a result as another tool would.
pub fn write(document: Document, result: &RunResult, rows: &mut dyn Rows, out: &mut dyn Write) -> Result<()> {
    match document {
        Document::Vllm => vllm::write(result, rows, false, out),
        Document::VllmDetailed => vllm::write(result, rows, true, out),
        Document::AiperfRecords => aiperf::records(rows, out),
        Document::AiperfSummary => aiperf::summary(result, rows, out),
        Document::BenchmarkReport => llm_d::write(result, rows, out),
        Document::K6Export => k6::export(result, out),
        Document::K6Summary => k6::summary(result, out),
    }
}

/// Looks through the requests of a saved document for what `needs` asks for. The outer error is that of the rows.
pub fn check(
    needs: Needs,
    result: &RunResult,
    rows: &mut dyn Rows,
) -> Result<std::result::Result<(), Reason>> {
    if needs == Needs::Figures {
        return Ok(Ok(()));
    }
    if result.details.is_none() {
        let what = "the document does not list its requests, from which this format is made";
        return Ok(Err(Reason::new(what).hint(
            "run again with `--details`, or with `--export` itself; `llm-d` and `k6` need no list",
        )));
    }
    let mut missing = None;
    rows.each(&mut |detail| {
        let streamed = detail.ttft.is_some() && detail.ttft < detail.last_token;
        if detail.error.is_none() && detail.sent.is_none() {
            missing.get_or_insert(("`sent`", "--details"));
        } else if needs == Needs::Gaps && streamed && detail.gaps.is_none() {
            missing.get_or_insert(("`gaps`", "--export"));
        }
        Ok(())
    })?;
    let Some((key, option)) = missing else {
        return Ok(Ok(()));
    };
    let what = format!("the requests of the document have no {key}, which this format needs");
    Ok(Err(Reason::new(what).hint(format!("run again with `{option}`"))))
}
