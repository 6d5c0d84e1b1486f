//! Sends figures to a Prometheus Pushgateway during the run, and once more when it is over.
//!
//! ```text
//! reporter: FiguresView -- figures(), every interval --> bounded channel --> thread: text, PUT, outcome
//! ```
//!
//! The reporter never waits for the gateway: if the thread is behind, the older figures are dropped and counted.

mod gateway;
mod pusher;
mod settings;

pub use gateway::{Gateway, group_path};
pub use pusher::{Pushed, Pusher};
pub use settings::PushConfig;
