//! A result as tables: CSV for spreadsheets and scripts, and Markdown for a pull request. Nothing here computes a
//! figure, and no text from elsewhere is taken for a formula, for markup or for another cell.

mod cells;
mod figures;
mod folder;
mod markdown;
mod probes;
mod requests;
mod timeline;

pub use figures::figures;
pub use folder::{EachRequest, TableFolder, Unwritten, each_spooled};
pub use markdown::{MARKDOWN_MAX, of_comparison, of_run, of_search};
pub use probes::probes;
pub use requests::Requests;
pub use timeline::timeline;

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
