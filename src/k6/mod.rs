//! k6's options turned into a profile of ours. Pure but for reading and writing the files (`command`).

mod load;
mod source;
mod thresholds;
mod write;

pub use write::import;

/// Why a file cannot be imported at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    pub hint: String,
}

impl Refusal {
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

#[cfg(test)]
#[path = "k6_tests.rs"]
mod tests;
