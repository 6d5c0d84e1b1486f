//! Reads the results of other LLM load tools, and of vegeta. What their figures are of stands with them
//! (`definition.rs`): the same name seldom means the same thing.

mod aiperf;
mod choice;
mod definition;
mod gather;
mod guidellm;
mod inference_perf;
mod marks;
#[cfg(test)]
mod peers_tests;
mod serving;
mod vegeta;

pub use choice::Choice;
pub use definition::{Definition, OK_ONLY, SENT, TO_THE_END, WHOLE_TIME, define, rate};
pub use gather::{Gathered, Request};
pub use marks::Marks;

use super::error::Result;
use super::input::Bytes;
use crate::compare::{Format, Run};

/// Reads the chosen run of a file of this format, which has to be one of this room's.
pub fn run(from: Bytes, format: Format, label: &str, choice: Choice) -> Result<Run> {
    match format {
        Format::Vllm | Format::Sglang => serving::run(from, format, label, choice),
        Format::Guidellm => guidellm::run(from, label, choice),
        _ => {
            choice.check(1)?;
            match format {
                Format::Aiperf => aiperf::summary(from, label),
                Format::AiperfRecords => aiperf::records(from, label),
                Format::InferencePerf => inference_perf::run(from, label),
                Format::Vegeta => vegeta::report(from, label),
                _ => vegeta::results(from, label),
            }
        }
    }
}

/// Reads vegeta's results in CSV.
pub fn vegeta_csv(from: Bytes, label: &str, choice: Choice) -> Result<Run> {
    choice.check(1)?;
    vegeta::csv(from, label)
}

/// Notes as which format the file was read, and by what it was recognized.
fn named(notes: &mut Vec<String>, format: Format) {
    let marks = marks::marks_of(format).unwrap_or_default();
    let marks: Vec<String> = marks.iter().map(|mark| format!("`{mark}`")).collect();
    notes.push(format!(
        "read as {}, recognized by {}",
        format.description(),
        marks.join(", ")
    ));
}
