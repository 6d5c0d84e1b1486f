//! Result documents of one run that several processes shared, joined into one without loss: counts add, histograms
//! add, every figure is computed anew from them, timelines are laid on one axis. Pure but for the reading of the
//! documents and the writing of the merged one (`command`).

mod belong;
mod join;
mod ledger;
pub mod part;
mod timeline;
mod verdict;

pub use join::merge;
pub use ledger::imbalance;
pub use part::{Part, stream_details};

/// Why documents are not joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    pub hint: &'static str,
}

impl Refusal {
    pub fn new(what: impl Into<String>, hint: &'static str) -> Refusal {
        Refusal {
            what: what.into(),
            hint,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}
