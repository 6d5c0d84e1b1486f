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
