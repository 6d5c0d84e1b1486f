//! A server's own account of a load: its counters, gauges and histograms, read again and again from what it shows at
//! `/metrics`, and what they come to.
//!
//! ```text
//! text --> Vocabulary::read() --> Reading, once a second --> Account --> result: before and after, means, bounds, rows
//! ```
//!
//! Each kind of server has names of its own for the same figures; `known` has them. Nothing here asks anybody, and no
//! clock is read: instants are arguments.

mod account;
mod buckets;
mod known;
mod reading;

pub use account::{Account, CounterAccount, GaugeAccount, HistogramAccount, Kept, Moment, Row, Series};
pub use buckets::Buckets;
pub use known::{FIGURES, Figure, ServerKind, Sort, Together, figure};
pub use reading::{Labels, Reading, Shown, Vocabulary};
