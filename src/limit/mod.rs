//! The search for the highest load that a server holds: which load to try next, when a try is decided, and what all
//! tries together say. The room is pure: it knows no clocks and no servers, and its tests run in simulated time.

mod answer;
mod evidence;
mod probe;
mod row;
mod search;
#[cfg(test)]
mod simulated;
mod slo;
mod svg;
mod text;

pub use answer::{Expectation, Load, answer};
pub use evidence::{Decision, Period};
pub use probe::{ProbeRules, ProbeWatch, Probed};
pub use row::{
    Answer, LimitResult, Percentiles, ProbeRow, RunFigures, SCHEMA, SearchClient, SearchFigures, SearchRank,
    ServerProbe, SloFigures, SloRow,
};
pub use search::{
    ERROR, End, Found, LessSure, LessSureEnds, Next, Over, PROBES_MAX, Purpose, Range, Search, to_digits,
};
pub use slo::Slo;
pub use svg::svg;
pub use text::{load, text};
