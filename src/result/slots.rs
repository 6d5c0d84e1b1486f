//! How long servers went on with requests that the client had cut, as their own gauges show it.

use serde::{Deserialize, Serialize};

/// One server of which requests were to be cancelled. Times are means over `cut`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotFreeFigures {
    /// Its name, if there are several servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Requests that the client ended and not the server: cancelled, out of time, or at the end of the load.
    pub cut: u64,
    /// From the cut until the server held the request no longer, at least; null if it cannot be judged.
    pub mean: Option<f64>,
    /// The same, at most.
    pub mean_at_most: Option<f64>,
    /// The error of both by the pace of the readings.
    pub error: Option<f64>,
    /// Mean time between two readings.
    pub interval: Option<f64>,
    pub readings: u64,
    /// Questions that the server did not answer.
    pub readings_failed: u64,
    /// Requests that the server still held at the end of the watch: then the mean is longer than it says.
    pub still_held: u64,
    /// Names of the server's gauges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gauges: Vec<String>,
    /// Why there is no mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<String>,
}

/// Why neither a shard nor a merged document has a mean.
pub const SHARDS: &str = "several processes loaded the server, each of which knows only its own requests";

impl SlotFreeFigures {
    /// Merges the figures of shards, by server: what each counted is added, and there is no mean.
    pub(crate) fn merge<'a>(parts: impl Iterator<Item = &'a SlotFreeFigures>) -> Vec<SlotFreeFigures> {
        let mut merged: Vec<SlotFreeFigures> = Vec::new();
        for figures in parts {
            match merged.iter_mut().find(|sum| sum.server == figures.server) {
                Some(sum) => sum.cut = sum.cut.saturating_add(figures.cut),
                None => merged.push(SlotFreeFigures {
                    server: figures.server.clone(),
                    cut: figures.cut,
                    not_judged: Some(SHARDS.to_owned()),
                    ..SlotFreeFigures::default()
                }),
            }
        }
        merged
    }
}

/// Makes figures with every key that they may have.
#[cfg(test)]
pub(super) fn sample() -> SlotFreeFigures {
    SlotFreeFigures {
        server: Some("vllm".to_owned()),
        cut: 12,
        mean: Some(31.5),
        mean_at_most: Some(48.0),
        error: Some(14.4),
        interval: Some(50.0),
        readings: 120,
        readings_failed: 1,
        still_held: 1,
        gauges: vec![
            "vllm:num_requests_running".to_owned(),
            "vllm:num_requests_waiting".to_owned(),
        ],
        not_judged: Some("the server held 3 requests before the load".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_what_they_cut_and_judge_nothing() {
        let part = |server: &str, cut| SlotFreeFigures {
            server: Some(server.to_owned()),
            cut,
            mean: Some(5.0),
            ..SlotFreeFigures::default()
        };
        let parts = [part("a", 3), part("b", 1), part("a", 4)];
        let merged = SlotFreeFigures::merge(parts.iter());
        let cuts: Vec<_> = merged.iter().map(|each| (each.cut, each.mean)).collect();
        assert_eq!(cuts, [(7, None), (1, None)]);
        assert!(merged.iter().all(|each| each.not_judged.is_some()));
        assert_eq!(SlotFreeFigures::merge([].iter()), []);
    }
}
