//! Ctrl-C and its like: as messages while somebody listens, as the end of the process where nobody can.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;

use crate::error::ExitCode;
use crate::error::Failure;

/// More than anybody presses before the program is gone.
const PENDING_MAX: usize = 16;
/// After a second signal the orderly way out, report included, has this long: out within 100 ms is the promise.
const LEAVE_WITHIN: Duration = Duration::from_millis(70);

/// What the program does, so what a signal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the load: no figures to lose, and lookups or probes that wait for seconds. One signal is the end.
    Setup,
    /// Somebody listens: the first signal is a message, the second as well, but with a time limit.
    Load,
    /// The report is being written, for which a pipe or a disk may take its time. The files that are there until
    /// a document is complete go with the process.
    Report { temporaries: Vec<PathBuf> },
}

/// SIGINT, SIGTERM and SIGHUP from the moment it is made; they no longer end the process by themselves.
pub struct Signals {
    pub received: Receiver<i32>,
    phase: Arc<Mutex<Phase>>,
}

impl Signals {
    /// Early: a signal before this ends the program the plain way, with nothing to clean up. `say` prints a
    /// line where the main thread cannot.
    pub fn watch(phase: Phase, say: fn(&str)) -> Result<Signals, Failure> {
        let mut signals = iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::internal)?;
        let (tell, received) = bounded(PENDING_MAX);
        let phase = Arc::new(Mutex::new(phase));
        let current = phase.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut count = 0;
                for signal in signals.forever() {
                    count += 1;
                    // Full, or nobody listens any more: the count below ends the process all the same.
                    let _ = tell.try_send(signal);
                    let phase = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    match phase {
                        Phase::Setup => {
                            say("interrupted before the load began");
                            leave(&phase);
                        }
                        Phase::Report { .. } if count == 1 => {
                            say("the report is being written; Ctrl-C again leaves without it");
                        }
                        _ if count == 1 => {}
                        _ => {
                            std::thread::sleep(LEAVE_WITHIN);
                            let phase = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                            leave(&phase);
                        }
                    }
                }
            })
            .map_err(Failure::internal)?;
        Ok(Signals { received, phase })
    }

    pub fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}

/// Ends the process from beside the main thread. A simulator ends with us by itself; documents are renamed into
/// place when they are complete, so what is on disk is whole.
fn leave(phase: &Phase) {
    if let Phase::Report { temporaries } = phase {
        for path in temporaries {
            let _ = std::fs::remove_file(path);
        }
    }
    std::process::exit(i32::from(ExitCode::Interrupted.code()));
}
