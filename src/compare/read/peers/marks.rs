//! Recognizes the formats of other LLM load tools by their members.

use crate::compare::Format;
use crate::compare::read::error::Result;
use crate::error::Reason;
use crate::json::Scanner;
use std::collections::BTreeSet;
use std::io::BufRead;

/// The number of members that are looked at. A result has under a hundred at its top.
const MARKS_MAX: usize = 2_000;

/// Members at the top of an object, and those of the objects in it as `metadata.version`.
#[derive(Debug, Default)]
pub struct Marks(BTreeSet<String>);

/// A format, and members that all have to be there. A format may have several such sets, one for each version.
type Rule = (Format, &'static [&'static str]);

/// The first that holds decides.
const RULES: [Rule; 11] = [
    (
        Format::Vllm,
        &["model_id", "tokenizer_id", "num_prompts", "completed"],
    ),
    (Format::Sglang, &["backend", "sharegpt_output_len", "completed"]),
    (Format::Sglang, &["backend", "total_output_tokens_retokenized"]),
    (Format::Guidellm, &["metadata.guidellm_version"]),
    (Format::Guidellm, &["metadata", "args", "benchmarks"]),
    (Format::Aiperf, &["aiperf_version", "input_config"]),
    (Format::Aiperf, &["request_latency.avg", "request_count.avg"]),
    (Format::AiperfRecords, &["metadata.request_start_ns", "metrics"]),
    (Format::InferencePerf, &["load_summary", "successes", "failures"]),
    (
        Format::Vegeta,
        &["latencies.mean", "bytes_in.total", "status_codes"],
    ),
    (
        Format::VegetaResults,
        &["attack", "seq", "code", "timestamp", "latency"],
    ),
];

impl Marks {
    /// Looks at the first object of a text as far as it goes, which may be cut off anywhere.
    pub fn in_head(head: &[u8]) -> Marks {
        let mut marks = Marks::default();
        // Reading the whole file reports what is wrong with it.
        let _ = marks.look(head);
        marks
    }

    /// Looks at the whole first object of a text.
    pub fn in_whole(text: impl BufRead) -> Result<Marks> {
        let mut marks = Marks::default();
        marks.look(text)?;
        Ok(marks)
    }

    fn look(&mut self, text: impl BufRead) -> Result<()> {
        Scanner::new(text).object(|scanner, key| {
            self.add(key);
            if scanner.peek()? != Some(b'{') {
                return Ok::<(), Reason>(scanner.skip()?);
            }
            scanner.object(|scanner, inner| {
                self.add(&format!("{key}.{inner}"));
                Ok::<(), Reason>(scanner.skip()?)
            })
        })
    }

    fn add(&mut self, mark: &str) {
        if self.0.len() < MARKS_MAX {
            self.0.insert(mark.to_owned());
        }
    }

    /// Returns the format that has these members.
    pub fn format(&self) -> Option<Format> {
        let has_all = |marks: &[&str]| marks.iter().all(|mark| self.0.contains(*mark));
        RULES
            .iter()
            .find(|(_, marks)| has_all(marks))
            .map(|(format, _)| *format)
    }
}

/// Returns the members by which a format is recognized, for a note.
pub fn marks_of(format: Format) -> Option<&'static [&'static str]> {
    RULES
        .iter()
        .find(|(of, _)| *of == format)
        .map(|(_, marks)| *marks)
}
