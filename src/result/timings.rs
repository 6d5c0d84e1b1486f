//! Where the server states its own times: they and ours side by side, and how far apart they are.

use crate::metrics::{MetricId, SeriesTotals};
use crate::units::millis;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerTimings {
    /// `server_prompt` against `ttft`, which holds it.
    pub prompt: TwoClocks,
    /// `server_decode` against `decode`, which it should be.
    pub decode: TwoClocks,
}

/// Milliseconds; nulls where there are no values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoClocks {
    /// Requests that have the server's figure.
    pub stated: u64,
    /// Of these, requests that have ours too: a whole answer has no first token.
    pub compared: u64,
    pub server_p50: Option<f64>,
    pub server_p99: Option<f64>,
    pub client_p50: Option<f64>,
    pub client_p99: Option<f64>,
    /// Of the differences of each request, not the difference of the percentiles.
    pub difference_p50: Option<f64>,
    pub difference_p99: Option<f64>,
    /// Of `compared`, where the server's figure is over ours.
    pub server_over: u64,
}

impl ServerTimings {
    /// `None`: no server has stated a time.
    pub fn of(series: &SeriesTotals) -> Option<ServerTimings> {
        use MetricId::{Decode, DecodeDiff, PromptDiff, ServerDecode, ServerPrompt, Ttft};
        let silent = series.metric(ServerPrompt).is_empty() && series.metric(ServerDecode).is_empty();
        (!silent).then(|| ServerTimings {
            prompt: TwoClocks::of(
                series,
                [ServerPrompt, Ttft, PromptDiff],
                series.server_prompt_over,
            ),
            decode: TwoClocks::of(
                series,
                [ServerDecode, Decode, DecodeDiff],
                series.server_decode_over,
            ),
        })
    }
}

impl TwoClocks {
    fn of(series: &SeriesTotals, [server, client, difference]: [MetricId; 3], server_over: u64) -> TwoClocks {
        let at = |id, q| series.metric(id).quantile(q).map(millis);
        TwoClocks {
            stated: series.metric(server).offered(),
            compared: series.metric(difference).offered(),
            server_p50: at(server, 0.5),
            server_p99: at(server, 0.99),
            client_p50: at(client, 0.5),
            client_p99: at(client, 0.99),
            difference_p50: at(difference, 0.5),
            difference_p99: at(difference, 0.99),
            server_over,
        }
    }
}
