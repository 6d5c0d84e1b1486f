//! The messages of the protocol.

use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the protocol. Processes of two versions do not talk.
pub const PROTOCOL: u32 = 3;

/// A message, in JSON. Instants are of the sender's CLOCK_MONOTONIC, unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The first message of a rank: it knows the secret.
    Hello {
        protocol: u32,
        version: String,
        proof: String,
    },
    /// Rank 0 knows the secret as well.
    Welcome { version: String, proof: String },
    /// Which rank this is, of how many, on which host, and the plan that it would run.
    Join {
        rank: u32,
        ranks: u32,
        host: String,
        plan: Value,
    },
    /// All ranks are there, and this one takes part.
    Joined,
    /// A question about rank 0's clock.
    Ping { sent: Nanos },
    /// Its answer; `sent` as in the question, the rest by rank 0's clock.
    Pong {
        sent: Nanos,
        received: Nanos,
        answered: Nanos,
    },
    /// Rank 0 steers a probe of a search, which is a pass.
    Probe { pass: u32, step: ProbeStep },
    /// The rank could begin a pass now. The plan is the final one, with what only the server knew.
    Ready { pass: u32, plan: Value, error: Nanos },
    /// All begin a pass at `at` of rank 0's clock, which is `wall_offset` before its CLOCK_REALTIME.
    Begin { pass: u32, at: Nanos, wall_offset: i64 },
    /// The load ends; requests in flight may take as long as the graceful stop.
    Stop(Stop),
    /// Everything ends now.
    Abort,
    /// What a rank has measured in a pass since its previous snapshot, up to `until` since its load began.
    Snapshot {
        pass: u32,
        number: u32,
        until: Nanos,
        is_last: bool,
        figures: Value,
    },
    /// Why the generator of a rank may have been the limit of a probe. It comes before the last snapshot of the pass.
    Limits { pass: u32, reasons: Value },
    /// Rank 0 has taken that snapshot, and the next one may come.
    Taken { pass: u32, number: u32 },
    /// A signal ended the load of this rank.
    Interrupted,
    /// The result of this rank.
    Document { document: Value },
    /// Rank 0 wants the requests of this rank, those that follow on what it has.
    WantDetails,
    /// Some requests of this rank, one on each line. With the last ones: why some are missing.
    Details {
        lines: String,
        is_last: bool,
        missing: Option<String>,
    },
    /// This rank ends before it has a result.
    Leave { why: String },
    /// The exit code of the whole.
    Verdict { exit: u8 },
    /// Rank 0 does not take this process.
    Refused { what: String, hint: String },
    /// The run does not take place, or ends without a result.
    Cancelled { what: String, hint: String },
    /// The sender is alive.
    Beat,
}

/// What rank 0 asks of the other ranks in a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeStep {
    /// Prepare this load, and say when it could begin.
    Prepare { load: Value },
    /// Requests that are due from now on are not counted.
    StopCounting,
    /// No new request starts; those in flight may take as long as the graceful stop.
    Drain,
}

/// Why the load of all ranks ends before its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// A rank got a signal.
    Signal { rank: u32 },
    /// A threshold with `abortOnFail` does not hold over the whole.
    Threshold { rule: String },
    /// A rank was lost.
    Lost { rank: u32, why: String },
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Signal { rank } => write!(f, "rank {rank} was interrupted"),
            Stop::Threshold { rule } => write!(f, "threshold {rule}"),
            Stop::Lost { rank, why } => write!(f, "rank {rank} was lost: {why}"),
        }
    }
}
