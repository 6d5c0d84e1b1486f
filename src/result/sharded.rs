//! Sections of the document on a run that several processes share.

use crate::plan::Shard;
use crate::result::{Warning, rfc3339};
use crate::units::seconds;
use serde::{Deserialize, Serialize};

/// The part of the plan that a process ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFigures {
    /// Number of the shard, from 1.
    pub number: u32,
    pub count: u32,
}

impl ShardFigures {
    pub fn from_shard(shard: Shard) -> ShardFigures {
        ShardFigures {
            number: shard.number(),
            count: shard.count(),
        }
    }

    /// Returns the shard; `None` if there is no such part.
    pub fn shard(self) -> Option<Shard> {
        Shard::new(self.number.checked_sub(1)?, self.count)
    }
}

/// The start of a run that was to begin at a given instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartFigures {
    /// That instant, RFC 3339, UTC.
    pub at: String,
    /// Delay from that instant to the start of the load.
    pub late_seconds: f64,
}

/// The name of the warning about a load that began late.
pub const STARTED_LATE: &str = "started_late";
/// The delay above which shards that were started together did not send together.
const LATE_MAX_SECONDS: f64 = 0.1;

impl StartFigures {
    /// Compares two instants in nanoseconds since 1970.
    pub fn from_instants(at: i128, started_at: i128) -> StartFigures {
        let late = u64::try_from(started_at - at).unwrap_or(0);
        StartFigures {
            at: rfc3339(at),
            late_seconds: seconds(late),
        }
    }

    pub(super) fn warning(&self) -> Option<Warning> {
        let advice = "finding and validating the server takes time: start the program earlier";
        (self.late_seconds > LATE_MAX_SECONDS).then(|| {
            let message = format!("the load began {:.3} s after --start-at", self.late_seconds);
            Warning::new(STARTED_LATE, message, advice)
        })
    }
}

/// Facts about a merged document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergedFigures {
    /// Number of parts that the plan was split into.
    pub shards: u32,
    /// Numbers of the parts that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<u32>,
    /// Time from the first start of a load to the last.
    pub start_skew_seconds: f64,
}
