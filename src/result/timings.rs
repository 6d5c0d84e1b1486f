//! Where the server states its own times: they and ours side by side, and how far apart they are.

use crate::metrics::{MetricId, SeriesTotals};
use crate::units::millis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerTimings {
    /// `server_prompt` against `ttft`, which holds it.
    pub prompt: TwoClocks,
    /// `server_decode` against `decode`, which it should be.
    pub decode: TwoClocks,
}

/// Milliseconds; nulls where there are no values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Recorder, Sample, TokenSource};
    use crate::units::{MILLISECOND, Nanos};

    /// First token 10 ms after `due`, last one 100 ms later, where tokens came one by one.
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
            // A whole answer, and one without a word about time.
            (Some(9), Some(99), false),
            (None, None, true),
        ]);
        let found = ServerTimings::of(&series).unwrap();
        let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() <= b * 0.001;
        let p = &found.prompt;
        assert_eq!((p.stated, p.compared, p.server_over), (4, 3, 1));
        // 6, 0 for the one that is over, 2.
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
    fn servers_that_say_nothing_have_no_timings() {
        assert_eq!(ServerTimings::of(&series(&[(None, None, true)])), None);
    }
}
