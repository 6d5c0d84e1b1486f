//! Compares the times that a server states with ours.

use crate::metrics::{MetricId, SeriesTotals};
use crate::units::millis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerTimings {
    /// Compares `server_prompt` with `ttft`, which includes it.
    pub prompt: TwoClocks,
    /// Compares `server_decode` with `decode`, which should be equal.
    pub decode: TwoClocks,
}

/// A time by the server's clock and by ours: milliseconds, null if there are no values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoClocks {
    /// Number of requests that have the server's figure.
    pub stated: u64,
    /// How many of these also have ours: a whole answer has no first token.
    pub compared: u64,
    pub server_p50: Option<f64>,
    pub server_p99: Option<f64>,
    pub client_p50: Option<f64>,
    pub client_p99: Option<f64>,
    /// Percentile of the differences of each request, not the difference of the percentiles.
    pub difference_p50: Option<f64>,
    pub difference_p99: Option<f64>,
    /// How many of `compared` have a server's figure above ours.
    pub server_over: u64,
}

impl ServerTimings {
    /// Returns the comparison; `None` if no server has stated a time.
    pub fn from_series(series: &SeriesTotals) -> Option<ServerTimings> {
        use MetricId::{Decode, DecodeDiff, PromptDiff, ServerDecode, ServerPrompt, Ttft};
        let silent = series.metric(ServerPrompt).is_empty() && series.metric(ServerDecode).is_empty();
        (!silent).then(|| ServerTimings {
            prompt: TwoClocks::from_series(
                series,
                [ServerPrompt, Ttft, PromptDiff],
                series.server_prompt_over,
            ),
            decode: TwoClocks::from_series(
                series,
                [ServerDecode, Decode, DecodeDiff],
                series.server_decode_over,
            ),
        })
    }
}

impl TwoClocks {
    fn from_series(
        series: &SeriesTotals,
        [server, client, difference]: [MetricId; 3],
        server_over: u64,
    ) -> TwoClocks {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Recorder, Sample, TokenSource};
    use crate::units::{MILLISECOND, Nanos};

    /// Records requests whose first token comes 10 ms after `due` and whose last comes 100 ms later, if there are
    /// several.
    fn series(requests: &[(Option<Nanos>, Option<Nanos>, bool)]) -> SeriesTotals {
        let mut recorder = Recorder::new(0, 1, false);
        for (server_prompt, server_decode, streamed) in requests {
            recorder.started(0);
            recorder.finish(&Sample {
                first_byte: Some(MILLISECOND),
                first_token: streamed.then_some(10 * MILLISECOND),
                last_token: streamed.then_some(110 * MILLISECOND),
                output_tokens: 5,
                token_source: TokenSource::Server,
                server_prompt: server_prompt.map(|ms| ms * MILLISECOND),
                server_decode: server_decode.map(|ms| ms * MILLISECOND),
                ..Sample::ended(Outcome::Ok, 110 * MILLISECOND)
            });
        }
        recorder.into_snapshot().series[0].clone()
    }

    #[test]
    fn differences_are_those_of_each_request_and_contradictions_are_counted() {
        let series = series(&[
            (Some(4), Some(97), true),
            (Some(12), Some(105), true),
            (Some(8), Some(100), true),
            // The first is a whole answer, the second states no times.
            (Some(9), Some(99), false),
            (None, None, true),
        ]);
        let found = ServerTimings::from_series(&series).unwrap();
        let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() <= b * 0.001;
        let p = &found.prompt;
        assert_eq!((p.stated, p.compared, p.server_over), (4, 3, 1));
        // The differences are 6, 0 for the one above ours, and 2.
        assert!(
            near(p.difference_p50, 2.0) && near(p.difference_p99, 6.0),
            "{p:?}"
        );
        assert!(near(p.client_p50, 10.0) && near(p.server_p50, 8.0), "{p:?}");
        let d = &found.decode;
        assert_eq!((d.stated, d.compared, d.server_over), (4, 3, 1));
        assert!(
            near(d.difference_p50, 3.0) && near(d.difference_p99, 5.0),
            "{d:?}"
        );
        assert!(near(d.client_p99, 100.0), "{d:?}");
    }

    #[test]
    fn servers_that_report_no_timings_have_none() {
        assert_eq!(ServerTimings::from_series(&series(&[(None, None, true)])), None);
    }
}
