//! What a run says to Prometheus: figures, the table of their names, and the two text formats. A Pushgateway and a
//! scraper get the same.

#[cfg(test)]
mod dashboard_tests;
mod figures;
mod table;
mod text;

pub use figures::{
    BOUNDS, Buckets, EndpointCounts, EndpointFigures, Figures, FiguresView, Gauges, Grouping, Quantiles,
    RunInfo, WorkerCounts,
};
pub use table::{FAMILIES, Family, Kind};
pub use text::{Format, render};
