//! Vocabulary that every room speaks: what was wrong with what was asked, how a run failed, which exit code that
//! is, and text from elsewhere made safe to show.

mod exit;
mod failure;
mod mistake;
mod safe_text;

pub use exit::ExitCode;
pub use failure::Failure;
pub use mistake::{ConfigError, Mistake, Place, Reason, nearest};
pub use safe_text::{escape, printable, quoted};
