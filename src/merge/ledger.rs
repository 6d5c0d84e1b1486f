//! Whether the requests of the documents add up, each for itself and all together.

use crate::error::Reason;
use crate::merge::Part;
use crate::merge::part::WRITTEN_BY_OUTPUT;
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

impl Part {
    /// Refuses a document that contradicts itself: nothing that is joined from it could add up.
    pub(super) fn adds_up(&self) -> Result<(), Reason> {
        let figures = self.document.ledger(self.document.totals.in_flight).imbalance();
        if figures.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{}: its requests do not add up: {}",
            self.name,
            figures.join("; ")
        );
        Err(Reason::new(what).hint(WRITTEN_BY_OUTPUT))
    }
}
