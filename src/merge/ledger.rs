//! Whether the requests of the documents add up, each for itself and all together.

use crate::error::Reason;
use crate::merge::Part;
use crate::merge::part::PartTraffic;
use crate::metrics::{Account, Ledger, Outcome};
use crate::result::RunResult;

/// What does not add up in the merged document, a line each, although it does in each of its parts: then the joining
/// is at fault, not a document.
pub fn imbalance(merged: &RunResult, parts: &[Part]) -> Vec<String> {
    let shards = parts
        .iter()
        .map(|part| (format!("shard {}", part.shard), total(part)));
    let in_flight = parts.iter().map(|part| part.totals.in_flight).sum();
    merged.ledger(in_flight).divided("shards", shards).imbalance()
}

impl Part {
    /// Refuses a document that contradicts itself: nothing that is joined from it could add up.
    pub(super) fn adds_up(&self) -> Result<(), Reason> {
        let rows = |account: fn(&PartTraffic) -> Account| {
            let kinds = self.kinds.iter();
            kinds.map(move |(name, row)| (format!("requests `{name}`"), account(&row.totals)))
        };
        let figures = Ledger::new(total(self), self.totals.in_flight)
            .divided("kinds of request", rows(told))
            .divided("outcomes", rows(by_outcome))
            .imbalance();
        if figures.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{}: its requests do not add up: {}",
            self.name,
            figures.join("; ")
        );
        Err(Reason::new(what).hint("merge accepts only files written by --output; was this one edited?"))
    }
}

fn total(part: &Part) -> Account {
    Account {
        started: part.totals.requests,
        ok: part.totals.ok,
        failed: part.totals.failed,
        interrupted: part.totals.interrupted,
    }
}

fn told(row: &PartTraffic) -> Account {
    Account {
        started: row.requests,
        ok: row.ok,
        failed: row.failed,
        interrupted: row.interrupted,
    }
}

fn by_outcome(row: &PartTraffic) -> Account {
    let of = |outcome: Outcome| row.by_outcome.get(outcome.name()).copied().unwrap_or(0);
    let all = row.by_outcome.values();
    let all = all.fold(0u64, |sum, n| sum.saturating_add(*n));
    let (ok, interrupted) = (of(Outcome::Ok), of(Outcome::Interrupted));
    Account {
        started: row.requests,
        ok,
        failed: all.saturating_sub(ok.saturating_add(interrupted)),
        interrupted,
    }
}
