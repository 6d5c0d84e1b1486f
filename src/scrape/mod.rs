//! Asks servers for their own account of what they do, from a thread of its own beside the load.
//!
//! ```text
//! thread per server: GET /metrics, every 50 ms to 1 s --> held(), requests running and waiting there
//!                    engine::traffic_to, before and after --> SlotAccount: what the server holds beyond the client's
//! thread per server: GET /metrics, before, each second of the load, and after --> Scraped: the server's own account
//! ```
//!
//! The run never waits for an answer but at the edges of its load, for a second or two at most; a server that does not
//! answer, or shows nothing, costs only the figure.

mod held;
mod metrics;
mod server;
mod slots;
mod threads;
mod watch;

pub use held::{Held, ServerGauges, held};
pub use metrics::{MetricsWatch, Scraped, WatchedServer};
pub use server::MetricsServer;
pub use slots::{Obstacle, Reading, SlotAccount};
pub use watch::SlotWatch;
