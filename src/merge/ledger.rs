//! Whether the requests of all documents together are those of the merged one.

use crate::merge::Part;
use crate::result::RunResult;

/// What does not add up in the merged document, a line each, although it does in each of its parts: then the joining
/// is at fault, not a document.
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
