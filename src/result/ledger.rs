//! Whether the requests of a document add up.

use crate::error::ExitCode;
use crate::metrics::{Account, Ledger};
use crate::result::endpoints::{Endpoint, Traffic};
use crate::result::{Ordered, RunResult};

impl Traffic {
    pub fn account(&self) -> Account {
        Account {
            started: self.requests,
            ok: self.ok,
            failed: self.failed,
            interrupted: self.interrupted,
        }
    }
}

impl RunResult {
    /// The document's requests by kind, and by server where it names several. `in_flight`: how many of them may have
    /// no outcome.
    pub fn ledger(&self, in_flight: u64) -> Ledger {
        let ledger = Ledger::new(self.totals.traffic.account(), in_flight);
        match &self.requests {
            None => ledger.divided("kinds of request", accounts("kind of request", &self.endpoints)),
            Some(kinds) => ledger
                .divided("servers", accounts("server", &self.endpoints))
                .divided("kinds of request", accounts("kind of request", kinds)),
        }
    }

    /// A mistake of ours was found in the document after it was built: it must not look whole.
    pub fn fail_internally(&mut self) {
        self.run.exit_code = ExitCode::Internal;
        self.run.verdict = ExitCode::Internal.verdict();
    }
}

fn accounts(of: &str, rows: &Ordered<Endpoint>) -> Vec<(String, Account)> {
    let rows = rows.0.iter();
    rows.map(|(name, row)| (format!("{of} `{name}`"), row.totals.account()))
        .collect()
}
