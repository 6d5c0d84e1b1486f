//! Turns k6's options into a profile of ours. This room does no input or output; the command reads and writes the
//! files.

mod kinds;
mod load;
mod names;
mod script;
mod source;
mod thresholds;
mod value;
mod write;

pub use write::{Request, import};

#[cfg(test)]
#[path = "k6_tests.rs"]
mod tests;

#[cfg(test)]
mod losses_tests;
