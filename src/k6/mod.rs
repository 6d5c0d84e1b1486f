//! k6's options turned into a profile of ours. Pure but for reading and writing the files (`command`).

mod load;
mod source;
mod thresholds;
mod write;

pub use write::import;

#[cfg(test)]
#[path = "k6_tests.rs"]
mod tests;
