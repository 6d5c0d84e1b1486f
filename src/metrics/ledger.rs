//! Checks the sum on which all figures depend: each request that was started has ended in exactly one way, or is still
//! in flight.

use std::fmt;

/// The number of requests that were started, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub started: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    pub cancelled: u64,
}

impl Account {
    pub fn merge(&mut self, other: &Account) {
        let Account {
            started,
            ok,
            failed,
            interrupted,
            cancelled,
        } = other;
        // A document may contain any figures; those of a run never come near the end of the range.
        self.started = self.started.saturating_add(*started);
        self.ok = self.ok.saturating_add(*ok);
        self.failed = self.failed.saturating_add(*failed);
        self.interrupted = self.interrupted.saturating_add(*interrupted);
        self.cancelled = self.cancelled.saturating_add(*cancelled);
    }

    fn is_balanced(&self, in_flight: u64) -> bool {
        let ended = [self.ok, self.failed, self.interrupted, self.cancelled, in_flight];
        let ended = ended.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
        ended == Some(self.started)
    }

    fn is_possible(&self) -> bool {
        let ended = [self.ok, self.failed, self.interrupted, self.cancelled];
        let ended = ended.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
        ended.is_some_and(|ended| ended <= self.started)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account {
            started,
            ok,
            failed,
            interrupted,
            cancelled,
        } = self;
        write!(
            f,
            "{started} started, {ok} ok, {failed} failed, {interrupted} interrupted"
        )?;
        match cancelled {
            0 => Ok(()),
            n => write!(f, ", {n} cancelled"),
        }
    }
}

/// All requests of a run or of a document, and the same requests divided in one or more ways.
///
/// It is checked at the end of every run and every merge, also in release builds, because an incomplete result must
/// not look complete.
#[derive(Clone, Debug)]
pub struct Ledger {
    total: Account,
    in_flight: u64,
    divisions: Vec<Division>,
}

#[derive(Clone, Debug)]
struct Division {
    /// What the requests are divided by, in the plural.
    by: &'static str,
    accounts: Vec<(String, Account)>,
}

impl Ledger {
    /// Creates a ledger. `in_flight` is the number of requests that may have no outcome yet; 0 at the end.
    pub fn new(total: Account, in_flight: u64) -> Ledger {
        Ledger {
            total,
            in_flight,
            divisions: Vec::new(),
        }
    }

    /// Adds a division of the same requests: `accounts` with their names. `by` says what they are, in the plural.
    pub fn with_division(
        mut self,
        by: &'static str,
        accounts: impl IntoIterator<Item = (String, Account)>,
    ) -> Ledger {
        let accounts = accounts.into_iter().collect();
        self.divisions.push(Division { by, accounts });
        self
    }

    /// Returns the figures that do not add up, one per line, after those of all requests; empty if everything adds up.
    pub fn imbalance(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Division { by, accounts } in &self.divisions {
            let mut sum = Account::default();
            for (name, account) in accounts {
                sum.merge(account);
                let fits = match self.in_flight {
                    0 => account.is_balanced(0),
                    _ => account.is_possible(),
                };
                if !fits {
                    lines.push(format!("{name}: {account}"));
                }
            }
            if sum != self.total {
                lines.push(format!("all {by} together: {sum}"));
            }
        }
        if lines.is_empty() && self.total.is_balanced(self.in_flight) {
            return lines;
        }
        lines.insert(
            0,
            format!("in total: {}, {} in flight", self.total, self.in_flight),
        );
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(started: u64, ok: u64, failed: u64, interrupted: u64) -> Account {
        Account {
            started,
            ok,
            failed,
            interrupted,
            cancelled: 0,
        }
    }

    fn ledger(total: Account, in_flight: u64, cores: [Account; 2]) -> Ledger {
        let names = ["core 0", "core 1"].map(String::from);
        Ledger::new(total, in_flight).with_division("cores", names.into_iter().zip(cores))
    }

    #[test]
    fn figures_that_add_up_have_no_imbalance() {
        let whole = ledger(
            account(10, 7, 2, 1),
            0,
            [account(6, 4, 1, 1), account(4, 3, 1, 0)],
        );
        assert!(whole.imbalance().is_empty());
        let cut = ledger(
            account(10, 5, 2, 1),
            2,
            [account(6, 3, 1, 1), account(4, 2, 1, 0)],
        );
        assert!(cut.imbalance().is_empty());
    }

    #[test]
    fn a_request_without_an_outcome_is_found_where_it_was_lost() {
        let lost = ledger(
            account(10, 6, 2, 1),
            0,
            [account(6, 4, 1, 1), account(4, 2, 1, 0)],
        );
        assert_eq!(
            lost.imbalance(),
            [
                "in total: 10 started, 6 ok, 2 failed, 1 interrupted, 0 in flight",
                "core 1: 4 started, 2 ok, 1 failed, 0 interrupted",
            ]
        );
    }

    #[test]
    fn one_lost_and_one_doubled_request_do_not_cancel() {
        let two = ledger(
            account(10, 8, 2, 0),
            0,
            [account(5, 4, 2, 0), account(5, 4, 0, 0)],
        );
        assert_eq!(two.imbalance().len(), 3);
        // This also holds while requests are in flight, because none can end that has not started.
        let twice = ledger(
            account(10, 6, 2, 0),
            2,
            [account(5, 4, 2, 0), account(5, 2, 0, 0)],
        );
        assert_eq!(
            twice.imbalance()[1..],
            ["core 0: 5 started, 4 ok, 2 failed, 0 interrupted"]
        );
    }

    #[test]
    fn parts_that_are_not_the_whole_are_found_although_each_adds_up() {
        let short = ledger(
            account(10, 10, 0, 0),
            0,
            [account(5, 5, 0, 0), account(4, 4, 0, 0)],
        );
        assert_eq!(
            short.imbalance()[1..],
            ["all cores together: 9 started, 9 ok, 0 failed, 0 interrupted"]
        );
        let other_kind = ledger(account(2, 2, 0, 0), 0, [account(1, 1, 0, 0), account(1, 0, 1, 0)]);
        assert_eq!(other_kind.imbalance().len(), 2);
    }

    #[test]
    fn huge_figures_do_not_overflow_and_are_found_not_to_add_up() {
        let huge = account(u64::MAX, u64::MAX, u64::MAX, 1);
        assert!(!ledger(huge, 1, [huge, huge]).imbalance().is_empty());
    }
}
