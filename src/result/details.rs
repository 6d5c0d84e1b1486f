//! The details: requests one by one, as a document lists them. Their number is unbounded, so the list is never in
//! memory.

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One request. Names and units are those of the Python tool's results, because its users' scripts read them: times
/// are seconds here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Id: `v12-3` is the fourth request of VU 12; `i12` is the thirteenth of all, if all VUs share the iterations.
    pub request_id: String,
    /// Id of the pair that the request belongs to, if every request goes to two servers. Its two requests have the ids
    /// `v12-3.1` and `v12-3.2`, in the order in which they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<String>,
    /// Id of the session that the request is a turn of: `v12-3` is the fourth session of VU 12. Its turns have the ids
    /// `v12-3.1`, `v12-3.2` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Number of the turn, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u16>,
    /// The id that the request carried in its header; absent if it carried none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_request_id: Option<String>,
    /// Name of the server if there are several, otherwise of the kind of request.
    pub endpoint: String,
    /// Instant at which it was due, seconds since 1970.
    pub start_ts: f64,
    /// Instant at which it ended, seconds since 1970.
    pub end_ts: f64,
    /// HTTP status; absent if none arrived, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Time from due until the request went out in seconds; absent if it did not, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<f64>,
    /// Of this, the time spent on new connections in seconds, TLS included; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connecting: Option<f64>,
    /// Time from due to the first byte of the answer in seconds; absent if none came, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    /// Time to the first token in seconds; null if no token came.
    pub ttft: Option<f64>,
    /// Time to the first token of the answer in seconds; null if only thoughts came.
    pub ttfa: Option<f64>,
    /// Time from due to the last token in seconds; absent if no token came, and in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token: Option<f64>,
    /// Gaps between the token events of the answer in seconds; absent if there are none or they were not to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Vec<f64>>,
    /// Time from due to the end in seconds.
    pub latency: f64,
    /// Tokens that the prompt was to have, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_prompt_tokens: Option<u64>,
    /// Tokens that the server says it read, cached ones included; absent if it does not say, and in older documents of
    /// all but turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Of these, those that it says it took from its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Limit of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_output_tokens: Option<u64>,
    pub output_tokens: u64,
    /// Of these, those that the server says are thoughts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Output tokens over latency.
    pub tps: f64,
    /// Outcome; null for ok.
    pub error: Option<String>,
    /// It met all limits of goodput; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<bool>,
    /// Cause, if the outcome has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Reads a list of requests only to count them.
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
