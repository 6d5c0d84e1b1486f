//! What a document says of a run that several processes share.

use crate::plan::Shard;
use crate::result::{Warning, rfc3339};
use crate::units::seconds;
use serde::{Deserialize, Serialize};

/// Of one process: which part of the plan it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFigures {
    /// From 1.
    pub number: u32,
    pub count: u32,
}

impl ShardFigures {
    pub fn of(shard: Shard) -> ShardFigures {
        ShardFigures {
            number: shard.number(),
            count: shard.count(),
        }
    }

    /// `None`: no such part.
    pub fn shard(self) -> Option<Shard> {
        Shard::new(self.number.checked_sub(1)?, self.count)
    }
}

/// Of a run that was to begin at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartFigures {
    /// RFC 3339, UTC.
    pub at: String,
    /// From that instant to the start of the load.
    pub late_seconds: f64,
}

/// The rule of a load that began late.
pub const STARTED_LATE: &str = "started_late";
/// Later than this, shards that began together did not send together.
const LATE_MAX_SECONDS: f64 = 0.1;

impl StartFigures {
    /// Both instants in nanoseconds since 1970.
    pub fn of(at: i128, started_at: i128) -> StartFigures {
        let late = u64::try_from(started_at - at).unwrap_or(0);
        StartFigures {
            at: rfc3339(at),
            late_seconds: seconds(late),
        }
    }

    pub(super) fn warning(&self) -> Option<Warning> {
        let advice = "finding the server and its validation take time: start the program earlier";
        (self.late_seconds > LATE_MAX_SECONDS).then(|| {
            let message = format!("the load began {:.3} s after --start-at", self.late_seconds);
            Warning::new(STARTED_LATE, message, advice)
        })
    }
}

/// Of a document that joins several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergedFigures {
    /// How many parts the plan was split into.
    pub shards: u32,
    /// Numbers of those that are not in here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<u32>,
    /// From the first start of a load to the last.
    pub start_skew_seconds: f64,
}
