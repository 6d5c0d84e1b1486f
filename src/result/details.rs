//! Requests one by one, as a document lists them. Their number is not bounded, so the list is never in memory.

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request. Names and units are those of the Python tool's results, whose users' scripts read them: times are
/// seconds here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// `v12-3`: the fourth request of VU 12; `i12`: the thirteenth of all, where all VUs share them.
    pub request_id: String,
    /// With several servers the server's name, else that of the kind of request.
    pub endpoint: String,
    /// When it was due, seconds since 1970.
    pub start_ts: f64,
    /// When it ended, seconds since 1970.
    pub end_ts: f64,
    /// Seconds; null where no token came.
    pub ttft: Option<f64>,
    /// Seconds; null where nothing but thoughts came.
    pub ttfa: Option<f64>,
    /// Seconds.
    pub latency: f64,
    pub output_tokens: u64,
    /// Output tokens over latency.
    pub tps: f64,
    /// The outcome; null for ok.
    pub error: Option<String>,
    /// What exactly was wrong, where the outcome has several causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Reads a list of requests for their number alone.
pub(super) fn counted<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    from.deserialize_seq(Count).map(Some)
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some(IgnoredAny) = seq.next_element()? {
            count += 1;
        }
        Ok(count)
    }
}
