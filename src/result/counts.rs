//! The counts of a run and of its groups of requests.

use crate::metrics::{Account, AfterLoad, AskedAndServed, GoodCounts, TokenUsage};
use crate::result::{Ordered, TokenSources};
use crate::units::is_zero;
use serde::{Deserialize, Serialize};

/// Defines both types from one list of fields. `Totals` does not hold a `Traffic` that serde flattens, because serde
/// would read the fields into a buffer first, and errors in them would lose their place in the document.
macro_rules! counts {
    (
        of_requests { $($(#[$about:meta])* $count:ident: $type:ty,)* }
        of_cores { $($(#[$about_more:meta])* $more:ident: $more_type:ty,)* }
    ) => {
        /// The counts of a group of requests.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Traffic {
            $($(#[$about])* pub $count: $type,)*
        }

        /// The counts of the whole run: those of [`Traffic`], and those of the cores.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Totals {
            $($(#[$about])* pub $count: $type,)*
            $($(#[$about_more])* pub $more: $more_type,)*
        }

        /// Makes totals from the counts of requests; the counts of the cores are 0.
        impl From<Traffic> for Totals {
            fn from(traffic: Traffic) -> Totals {
                Totals {
                    $($count: traffic.$count,)*
                    $($more: 0,)*
                }
            }
        }
    };
}

counts! {
    of_requests {
        requests: u64,
        /// Arrivals at a rate that no user could take, which are not among the requests.
        #[serde(default)]
        dropped_iterations: u64,
        ok: u64,
        failed: u64,
        interrupted: u64,
        /// Requests that their users cancelled; absent if nobody cancels any.
        #[serde(default, skip_serializing_if = "is_zero")]
        cancelled: u64,
        /// Requests that were chosen to be cancelled, whether or not the answer came first.
        #[serde(default, skip_serializing_if = "is_zero")]
        chosen_to_cancel: u64,
        /// Requests by outcome; only the outcomes that occurred.
        by_outcome: Ordered<u64>,
        /// Failed requests by cause, for outcomes that have several.
        by_cause: Ordered<u64>,
        /// Answers by the finish reason that the server gave.
        by_finish: Ordered<u64>,
        /// Requests by status; only the statuses that occurred.
        by_status: Ordered<u64>,
        output_tokens: u64,
        /// Arrivals at a rate that were due: requests and dropped ones. 0 where users wait for their answers.
        #[serde(default)]
        offered: u64,
        /// Requests that went out.
        #[serde(default)]
        sent: u64,
        /// Those of them that went out more than 1 ms late by our own delay.
        #[serde(default)]
        late: u64,
        /// Requests that waited for a free user.
        #[serde(default)]
        queued: u64,
        /// Requests that were compared with the limits of goodput, and those that met all; absent without limits.
        #[serde(default, skip_serializing_if = "GoodCounts::is_empty")]
        goodput: GoodCounts,
        /// Lengths that were asked for, against those that the server counted; absent if there are none.
        #[serde(default, skip_serializing_if = "AskedAndServed::is_empty")]
        lengths: AskedAndServed,
        /// Tokens as the servers count them; absent if no answer states any.
        #[serde(default, skip_serializing_if = "TokenUsage::is_empty")]
        usage: TokenUsage,
        /// Counts of requests that ended after the load.
        #[serde(default)]
        after_load: AfterLoad,
        token_source: TokenSources,
        /// Ok answers without text.
        ok_without_text: u64,
        /// Tokens that the servers claim for them.
        tokens_without_text: u64,
        /// Event streams with another content type.
        untyped_streams: u64,
        /// Longest time that an interrupted request had taken so far, a lower bound of its latency.
        interrupted_elapsed_max_seconds: f64,
    }
    of_cores {
        /// Requests begun but not ended: 0 unless a worker failed.
        in_flight: u64,
        stale_reconnects: u64,
        token_events: u64,
        coalesced_events: u64,
        bytes_sent: u64,
        bytes_received: u64,
        connections_opened: u64,
        peak_connections: u64,
        peak_vus: u64,
        /// Longest queue of arrivals that waited for a free user.
        #[serde(default)]
        peak_waiting: u64,
    }
}

impl Traffic {
    pub fn account(&self) -> Account {
        account(
            self.requests,
            [self.ok, self.failed, self.interrupted, self.cancelled],
        )
    }
}

impl Totals {
    pub fn account(&self) -> Account {
        account(
            self.requests,
            [self.ok, self.failed, self.interrupted, self.cancelled],
        )
    }
}

fn account(started: u64, [ok, failed, interrupted, cancelled]: [u64; 4]) -> Account {
    Account {
        started,
        ok,
        failed,
        interrupted,
        cancelled,
    }
}
