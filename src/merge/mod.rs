//! Result documents of one run that several processes shared, joined into one without loss: counts add, histograms
//! add, every figure is computed anew from them, timelines are laid on one axis. Opens no file.

mod belong;
mod details;
mod figures;
mod join;
mod ledger;
mod part;
mod timeline;
mod verdict;

pub use details::Listed;
pub use join::merge;
pub use ledger::imbalance;
pub use part::Part;
