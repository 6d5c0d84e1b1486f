//! What the figures of other tools are of, beside ours of the same name.

use crate::compare::{Scalar, Slice, Stat, Trend, Values};

/// From the send to the first event with text: TTFT of all tools that ask for text. Ours is from due, and is converted
/// where a document's details say when each request went out.
pub const SENT: &str = "from the send";
/// `vllm bench serve` over chat.
pub const FIRST_CHUNK: &str = "from the send to the first event with choices";
pub const CHUNK_GAPS: &str = "gaps between events with choices";
pub const TOKEN_GAPS: &str = "gaps between tokens, 0 within a chunk";
/// From the send to the end, of requests that are ok.
pub const OK_ONLY: &str = "of requests that are ok";
pub const TO_THE_END: &str = "(end - first token) / (tokens - 1)";
pub const PER_REQUEST: &str = "(last - first token) / (tokens - 1), weighted by tokens";
pub const CLIENT_DELAY: &str = "the delay of the client, by its own definition";
/// Rates over the time to the last answer.
pub const WHOLE_TIME: &str = "over the time to the last answer";
pub const CLIENT_TOKENS: &str = "tokens as the client counts them, over the time to the last answer";

/// Why a time may be negative.
pub const OTHER_CLOCK: &str = "two clocks were mixed, or one was set back";

/// A metric of another tool.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Our metric that comes next to it.
    pub metric: &'static str,
    /// Its name in the file.
    pub source: &'static str,
    /// What it is of ([`Trend::sense`]).
    pub sense: &'static str,
    /// What it is of, for a footnote.
    pub differs: &'static str,
}

pub const fn define(
    metric: &'static str,
    source: &'static str,
    sense: &'static str,
    differs: &'static str,
) -> Definition {
    Definition {
        metric,
        source,
        sense,
        differs,
    }
}

impl Definition {
    /// Makes a trend of values, of figures that the file states, or of both; `None` if there is neither.
    pub fn trend(&self, values: Values, stated: Vec<(Stat, f64)>, slices: Vec<Slice>) -> Option<Trend> {
        let has_values = match &values {
            Values::Raw(values) => !values.is_empty(),
            Values::Histogram(values) => !values.is_empty(),
            Values::Summary { count, .. } => *count != Some(0),
        };
        let (values, stated) = match (has_values, stated.is_empty()) {
            (false, true) => return None,
            (true, _) if !matches!(values, Values::Summary { .. }) => (values, stated),
            _ => {
                let count = match values {
                    Values::Summary { count, .. } => count,
                    Values::Raw(_) | Values::Histogram(_) => None,
                };
                (Values::Summary { count, stats: stated }, Vec::new())
            }
        };
        let is_empty = matches!(&values, Values::Summary { stats, .. } if stats.is_empty());
        (!is_empty).then(|| Trend {
            metric: self.metric,
            source: self.source.to_owned(),
            differs: Some(self.differs),
            sense: self.sense,
            values,
            stated,
            intervals: Vec::new(),
            slices,
        })
    }

    /// Makes a trend of the figures that a file states.
    pub fn summary(&self, count: Option<u64>, stats: Vec<(Stat, f64)>) -> Option<Trend> {
        let values = Values::Summary {
            count,
            stats: Vec::new(),
        };
        self.trend(values, stats, Vec::new())
    }
}

/// Makes a count.
pub fn count(metric: &'static str, source: &str, n: u64) -> Scalar {
    Scalar::new(metric, source, "", n as f64)
}

/// Makes a rate of requests, which all tools divide by the time to the last answer.
pub fn rate(metric: &'static str, source: &str, value: f64) -> Scalar {
    Scalar {
        sense: WHOLE_TIME,
        differs: Some("requests that are ok, over the time to the last answer"),
        ..Scalar::new(metric, source, "/s", value)
    }
}

/// Makes a rate of tokens.
pub fn token_rate(metric: &'static str, source: &str, differs: &'static str, value: f64) -> Scalar {
    Scalar {
        sense: CLIENT_TOKENS,
        differs: Some(differs),
        ..Scalar::new(metric, source, "/s", value)
    }
}

/// Makes the share of failed requests among those that finished; `None` if there are none.
pub fn error_rate(source: &str, failed: u64, finished: u64) -> Option<Scalar> {
    (finished > 0).then(|| Scalar {
        of: Some(finished),
        ..Scalar::new("error_rate", source, "", failed as f64 / finished as f64)
    })
}
