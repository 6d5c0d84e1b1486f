//! Turns k6's options into a profile of ours. This room does no input or output; the command reads and writes the
//! files.

mod kinds;
mod load;
mod names;
mod script;
mod source;
mod stamp;
mod text;
mod thresholds;
mod value;
mod write;

pub use stamp::is_as_written;
pub use text::decode;
pub use write::{Imported, Request, import};

#[cfg(test)]
#[path = "k6_tests.rs"]
mod tests;

#[cfg(test)]
mod losses_tests;
