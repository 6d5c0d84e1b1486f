//! The document of a calibration, as `calibrate` writes it and `--calibration` reads it. docs/CALIBRATE.md lists its
//! keys.

use crate::error::{Reason, quoted};
use crate::host::Io;
use crate::result::{ErrorFigures, Ordered};
use serde::{Deserialize, Serialize};

/// The schema that documents of this version state.
pub const CALIBRATION_SCHEMA: &str = "llmload-uring-calibration/1";

/// What was measured on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub schema: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Time that it took, in seconds.
    pub duration_seconds: f64,
    /// True if it was ended by a signal: then some of the figures are missing.
    pub interrupted: bool,
    pub host: CalibratedHost,
    pub versions: Ordered<String>,
    pub capacity: Capacity,
    pub conditions: Vec<Condition>,
    /// What the figures mean, as the command printed it.
    pub words: Vec<String>,
}

/// The host, and which of its CPUs were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibratedHost {
    pub name: String,
    pub kernel: String,
    pub cpu: String,
    /// CPUs that the process was allowed to use.
    pub cpus_allowed: Vec<usize>,
    pub client_cpu: usize,
    /// Those of the mock; the client's alone if there is no other.
    pub server_cpus: Vec<usize>,
    /// What drove the sockets of both: `io_uring` or `epoll`. Documents of older versions do not say it.
    #[serde(default = "uring")]
    pub io: String,
}

fn uring() -> String {
    Io::Uring.name().to_owned()
}

impl CalibratedHost {
    /// Tells whether mock and client took turns on one CPU.
    pub fn is_shared(&self) -> bool {
        self.server_cpus.contains(&self.client_cpu)
    }
}

/// What one worker core can do. Null where the calibration was ended before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Token events read per second, each sent on its own, from a mock that sends as fast as it can.
    pub events_per_second: Option<f64>,
    /// How busy the worker was meanwhile. Far below 100, the mock was the limit.
    pub events_busy_percent: Option<f64>,
    /// CPU time of the worker for each event, in microseconds.
    pub cpu_us_per_event: Option<f64>,
    /// Requests per second whose answer is one event.
    pub requests_per_second: Option<f64>,
    pub requests_busy_percent: Option<f64>,
    pub cpu_us_per_request: Option<f64>,
    /// Resident memory of the client for each user more, in bytes, and the numbers of users that were compared.
    pub memory_bytes_per_user: Option<f64>,
    pub memory_users: Option<[u32; 2]>,
}

/// How far off the client was under one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub name: String,
    /// Requests per second that were asked for.
    pub rate: f64,
    pub requests: u64,
    /// Arrivals that no user could take, and requests that were not ok.
    pub dropped: u64,
    pub failed: u64,
    pub events_per_second: f64,
    pub busy_percent: f64,
    /// Time in which the worker could have run and had no CPU; null where the kernel does not count it.
    pub run_delay_percent: Option<f64>,
    /// Token events that shared a read with an earlier one, in percent.
    pub coalesced_percent: f64,
    pub cpu_us_per_event: f64,
    /// Null if no request was ok.
    pub errors: Option<ErrorFigures>,
}

/// Reads a document, and refuses one of another kind or without any condition.
pub fn read(text: &str) -> Result<Calibration, Reason> {
    const HINT: &str = "name a file that `llmload-uring calibrate --output FILE` wrote";
    #[derive(Deserialize)]
    struct Head {
        schema: Option<String>,
    }
    let bad = |e: serde_json::Error| Reason::new(format!("not a calibration: {e}")).hint(HINT);
    let head: Head = serde_json::from_str(text).map_err(bad)?;
    match head.schema.as_deref() {
        Some(CALIBRATION_SCHEMA) => {}
        Some(other) => {
            let what = format!("`schema` is {}, expected `{CALIBRATION_SCHEMA}`", quoted(other));
            return Err(Reason::new(what).hint(HINT));
        }
        None => return Err(Reason::new("not a calibration: it has no `schema`").hint(HINT)),
    }
    let calibration: Calibration = serde_json::from_str(text).map_err(bad)?;
    if calibration
        .conditions
        .iter()
        .all(|condition| condition.errors.is_none())
    {
        let what = "this calibration was ended before it had measured an error";
        return Err(Reason::new(what).hint("repeat `llmload-uring calibrate`, and let it finish"));
    }
    Ok(calibration)
}
