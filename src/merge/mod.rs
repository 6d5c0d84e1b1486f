//! Joins the result documents of a run that was split over several processes, without loss: it adds counts and
//! histograms, computes every figure from the sums, and puts the timelines on one axis. It opens no file.

mod belong;
mod details;
mod figures;
mod join;
mod ledger;
mod part;
mod timeline;
mod verdict;

pub use belong::{common_config_of, difference_of};
pub use details::DetailCheck;
pub use join::{merge, merge_live};
pub use ledger::imbalance;
pub use part::Part;
pub use verdict::LiveJudged;
