//! The vocabulary that every room uses: mistakes with their places, failures, exit codes, and the filter that makes
//! foreign text safe to show.

mod exit;
mod failure;
mod listen;
mod mistake;
mod safe_text;
mod shortage;

pub use exit::{ExitCode, FINDINGS_FAILED, NOT_JUDGED};
pub use failure::Failure;
pub use listen::listen_failure;
pub use mistake::{Mistake, Mistakes, Place, Reason, ValueError, nearest};
#[cfg(test)]
pub use safe_text::HOSTILE;
pub use safe_text::{
    csv_field, escape, is_unsafe, lossless, markdown_escaped, one_line, printable, quoted, safe_json,
    shown_path, xml_escaped, yaml_escaped,
};
pub use shortage::{hint_for_shortage, is_shortage};
