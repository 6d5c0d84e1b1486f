//! Accounts of the requests of a document, to check that they add up.

use crate::error::ExitCode;
use crate::metrics::{Account, Ledger, Outcome};
use crate::result::{GroupFigures, Ordered, RunResult, Traffic};

impl RunResult {
    /// Returns the ledger of the document's requests by kind, by outcome, and by server if there are several.
    /// `in_flight` is the number of requests that may have no outcome.
    pub fn ledger(&self, in_flight: u64) -> Ledger {
        let ledger = Ledger::new(self.totals.account(), in_flight)
            .with_division(
                "kinds of request",
                accounts("kind of request", &self.kinds, Traffic::account),
            )
            .with_division("outcomes", accounts("outcomes of", &self.kinds, by_outcome));
        match &self.servers {
            None => ledger,
            Some(servers) => ledger.with_division("servers", accounts("server", servers, Traffic::account)),
        }
    }

    /// Marks the document as failed, because a bug of ours was found in it after it was built: it must not look
    /// complete.
    pub fn fail_internally(&mut self) {
        self.run.exit_code = ExitCode::Internal;
        self.run.verdict = ExitCode::Internal.verdict().to_owned();
    }
}

fn accounts(
    of: &str,
    groups: &Ordered<GroupFigures>,
    account: fn(&Traffic) -> Account,
) -> Vec<(String, Account)> {
    let groups = groups.iter();
    groups
        .map(|(name, group)| (format!("{of} `{name}`"), account(&group.totals)))
        .collect()
}

fn by_outcome(traffic: &Traffic) -> Account {
    let of = |outcome: Outcome| traffic.by_outcome.get(outcome.name()).copied().unwrap_or(0);
    let all = traffic.by_outcome.iter();
    let all = all.fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
    let (ok, interrupted) = (of(Outcome::Ok), of(Outcome::Interrupted));
    let cancelled = of(Outcome::Cancelled);
    let others = ok.saturating_add(interrupted).saturating_add(cancelled);
    Account {
        started: traffic.requests,
        ok,
        failed: all.saturating_sub(others),
        interrupted,
        cancelled,
    }
}
