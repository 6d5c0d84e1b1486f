//! The check that the requests of all documents add up to those of the merged one.

use crate::merge::Part;
use crate::result::RunResult;

/// Returns a line for everything that does not add up in the merged document. Each part has been checked by itself, so
/// such a line shows a bug in the merge, not in a document.
pub fn imbalance(merged: &RunResult, parts: &[Part]) -> Vec<String> {
    let shards = parts
        .iter()
        .map(|part| (format!("shard {}", part.shard), part.document.totals.account()));
    let in_flight = parts.iter().map(|part| part.document.totals.in_flight).sum();
    merged
        .ledger(in_flight)
        .with_division("shards", shards)
        .imbalance()
}
