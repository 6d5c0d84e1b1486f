//! Merges the cores' snapshots into totals, one row per second, the last ten seconds, and the progress line. The room
//! is pure; the thread and its channels belong to the engine.

mod aggregator;
mod failures;
mod live;
mod progress;
mod sliding;
mod timeline;
mod window;

pub use aggregator::Aggregator;
pub use failures::{ShownFailure, message_of, show_failure};
pub use live::{
    LiveFigures, LivePhase, LiveRanks, LiveServer, LiveSpread, LiveThresholds, LiveTick, LiveView,
};
pub use progress::progress_line;
pub use sliding::Sliding;
pub use timeline::{Row, Spread, TIMELINE_ROWS_MAX, Timeline, TimelineRow};
pub use window::WindowFigures;
