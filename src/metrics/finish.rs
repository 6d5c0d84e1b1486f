//! Finish reasons: the words with which servers say why generated text ended, and how often each occurred.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest word that is kept whole; of a longer one the beginning is.
const WORD_BYTES_MAX: usize = 31;
/// Different words that are counted apart; there are about ten in use.
const WORDS_MAX: usize = 16;
/// Stands for the words that found no place of their own.
const OTHERS: &[u8] = b"(other words)";

/// What is a success in OpenAI's APIs and in those that servers took their words from (TGI, Anthropic, Gemini, Cohere,
/// Mistral, llama.cpp). Compared without regard to case.
const SUCCESSES: [&str; 24] = [
    "stop",
    "length",
    "tool_calls",
    "function_call",
    "content_filter",
    "eos_token",
    "eos",
    "eos_id",
    "stop_sequence",
    "stop_token",
    "stop_word",
    "stop_str",
    "end_turn",
    "max_tokens",
    "max_length",
    "max_new_tokens",
    "max_output_tokens",
    "model_length",
    "tool_use",
    "tool_call",
    "complete",
    "completed",
    "finished",
    "limit",
];

/// Parts of the words by which engines and providers give a request up: `abort` (vLLM, SGLang), `cancelled`, `timeout`
/// (TensorRT-LLM), `error`, `network_error`, `engine_overloaded`, `insufficient_system_resource` (DeepSeek),
/// `RESOURCE_EXHAUSTED` and their like. No word of a success has one of them in it.
const FAILURES: [&str; 14] = [
    "abort",
    "cancel",
    "error",
    "fail",
    "timeout",
    "timed_out",
    "time_out",
    "overload",
    "insufficient",
    "exhausted",
    "unavailable",
    "preempt",
    "rate_limit",
    "capacity",
];

/// What a finish word means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FinishKind {
    Success,
    /// The word is not known. It counts as a success, and the summary lists it.
    Unknown,
    /// The server gave the request up.
    Failure,
}

/// A finish reason as the server wrote it, in a place of fixed size: printable ASCII, anything else a `?`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FinishWord {
    bytes: [u8; WORD_BYTES_MAX],
    len: u8,
}

impl FinishWord {
    /// The finish reason of an API that has no words for it.
    pub const STOP: FinishWord = FinishWord::of(b"stop");

    /// Copies the word. One that is too long is cut and ends in dots.
    pub const fn of(word: &[u8]) -> FinishWord {
        let is_cut = word.len() > WORD_BYTES_MAX;
        let len = if is_cut { WORD_BYTES_MAX } else { word.len() };
        let mut bytes = [0; WORD_BYTES_MAX];
        let mut i = 0;
        while i < len {
            bytes[i] = match word[i] {
                _ if is_cut && i + 3 >= WORD_BYTES_MAX => b'.',
                printable @ b' '..=b'~' => printable,
                _ => b'?',
            };
            i += 1;
        }
        FinishWord {
            bytes,
            len: len as u8,
        }
    }

    pub fn as_str(&self) -> &str {
        // Printable ASCII by construction.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    pub fn kind(&self) -> FinishKind {
        let mut bytes = self.bytes.map(|byte| byte.to_ascii_lowercase());
        for byte in bytes.iter_mut().filter(|byte| matches!(byte, b'-' | b' ')) {
            *byte = b'_';
        }
        let word = std::str::from_utf8(&bytes[..usize::from(self.len)]).unwrap_or_default();
        if SUCCESSES.contains(&word) {
            FinishKind::Success
        } else if FAILURES.iter().any(|part| word.contains(part)) {
            FinishKind::Failure
        } else {
            FinishKind::Unknown
        }
    }

    /// Returns true for a plain success: not `content_filter`, and not a word that is unknown.
    pub fn is_ordinary(&self) -> bool {
        self.kind() == FinishKind::Success && !self.as_str().eq_ignore_ascii_case("content_filter")
    }

    /// Returns the worse of two words for one answer, which has two if it has several choices or ends twice.
    pub fn worse(self, other: FinishWord) -> FinishWord {
        match self == other || self.kind() >= other.kind() {
            true => self,
            false => other,
        }
    }

    /// [`Self::worse`] where either may be missing.
    pub fn worse_of(one: Option<FinishWord>, other: Option<FinishWord>) -> Option<FinishWord> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.worse(other)),
            (one, other) => one.or(other),
        }
    }
}

impl fmt::Debug for FinishWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Counts answers by finish reason. Its memory is allocated at the start, and stays the same whatever servers invent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(String, u64)>", into = "Vec<(String, u64)>")]
pub(super) struct FinishCounts {
    counts: Vec<(FinishWord, u64)>,
}

impl FinishCounts {
    pub(super) fn new() -> FinishCounts {
        FinishCounts {
            counts: Vec::with_capacity(WORDS_MAX + 1),
        }
    }

    pub(super) fn add(&mut self, word: FinishWord, n: u64) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == word) {
            *count += n;
        } else if self.counts.len() < WORDS_MAX || word.as_str().as_bytes() == OTHERS {
            self.counts.push((word, n));
        } else {
            self.add(FinishWord::of(OTHERS), n);
        }
    }

    pub(super) fn merge(&mut self, other: &FinishCounts) {
        for (word, n) in &other.counts {
            self.add(*word, *n);
        }
    }

    pub(super) fn reset(&mut self) {
        self.counts.clear();
    }

    /// In the order of the words.
    pub(super) fn sorted(&self) -> Vec<(FinishWord, u64)> {
        let mut counts = self.counts.clone();
        counts.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        counts
    }
}

impl From<Vec<(String, u64)>> for FinishCounts {
    fn from(words: Vec<(String, u64)>) -> FinishCounts {
        let mut counts = FinishCounts::new();
        for (word, n) in words {
            counts.add(FinishWord::of(word.as_bytes()), n);
        }
        counts
    }
}

impl From<FinishCounts> for Vec<(String, u64)> {
    fn from(counts: FinishCounts) -> Vec<(String, u64)> {
        let counts = counts.sorted().into_iter();
        counts.map(|(word, n)| (word.as_str().to_owned(), n)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents_tests::{document, quoted_words, rows};

    fn kind(word: &str) -> FinishKind {
        FinishWord::of(word.as_bytes()).kind()
    }

    #[test]
    fn finish_reasons_of_every_provider_are_classified() {
        for word in SUCCESSES {
            assert_eq!(kind(word), FinishKind::Success, "{word}");
            assert!(!FAILURES.iter().any(|part| word.contains(part)), "{word}");
        }
        for word in ["STOP", "MAX_TOKENS", "stop-sequence"] {
            assert_eq!(kind(word), FinishKind::Success, "{word}");
        }
        for word in [
            "abort",
            "aborted",
            "error",
            "cancelled",
            "canceled",
            "timeout",
            "timed out",
            "insufficient_system_resource",
            "engine_overloaded",
            "RESOURCE_EXHAUSTED",
            "network_error",
            "service_unavailable",
            "MALFORMED_FUNCTION_CALL_ERROR",
        ] {
            assert_eq!(kind(word), FinishKind::Failure, "{word}");
        }
        for word in ["repetition", "recitation", "x", "stopped early"] {
            assert_eq!(kind(word), FinishKind::Unknown, "{word}");
        }
    }

    #[test]
    fn the_manual_lists_every_finish_reason_that_is_a_failure() {
        let manual = document("docs/METRICS.md");
        let rows = rows(&manual, "### Finish reasons");
        let failures = rows.iter().find(|row| row[1].contains("bad_finish"));
        let told = quoted_words(&failures.expect("a row")[0]);
        assert_eq!(told, FAILURES.map(str::to_owned));
    }

    #[test]
    fn finish_reasons_of_any_length_and_bytes_are_counted() {
        assert_eq!(FinishWord::of(b"a\x1b[2J\xff").as_str(), "a?[2J?");
        let long = FinishWord::of(&[b'x'; 100]);
        assert_eq!(long.as_str(), format!("{}...", "x".repeat(28)));
        assert_eq!(FinishWord::of(b"").as_str(), "");
    }

    #[test]
    fn the_worst_of_several_words_counts() {
        let [stop, odd, abort] = [b"stop" as &[u8], b"odd", b"abort"].map(FinishWord::of);
        assert_eq!(stop.worse(abort), abort);
        assert_eq!(abort.worse(stop), abort);
        assert_eq!(FinishWord::worse_of(Some(stop), Some(odd)), Some(odd));
        assert_eq!(FinishWord::worse_of(None, Some(stop)), Some(stop));
    }

    #[test]
    fn a_flood_of_different_finish_reasons_is_bounded_and_counted() {
        let mut counts = FinishCounts::new();
        let capacity = counts.counts.capacity();
        for n in 0..1000 {
            counts.add(FinishWord::of(format!("word {n}").as_bytes()), 1);
        }
        let mut twice = counts.clone();
        twice.merge(&counts);
        assert_eq!(counts.counts.capacity(), capacity);
        assert_eq!(counts.sorted().len(), WORDS_MAX + 1);
        assert_eq!(twice.sorted().iter().map(|(_, n)| n).sum::<u64>(), 2000);
    }
}
