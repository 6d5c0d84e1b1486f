//! Handles Ctrl-C and similar signals: as messages while the run can react to them, otherwise by ending the process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;

use crate::error::{ExitCode, Failure, Reason, hint_for_shortage};

/// More signals than anybody sends before the program has ended.
const PENDING_MAX: usize = 16;
/// Time for an orderly end, report included, after a second signal. The program promises to end within 100 ms.
const LEAVE_WITHIN: Duration = Duration::from_millis(70);

/// The phase of the program, which decides what a signal does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the load. There are no figures to lose, and lookups or probes may wait for seconds, so one signal ends
    /// the process.
    Setup,
    /// During the load. Signals are messages to the run; from the second on, there is also a time limit.
    Load,
    /// The report is being written, which may take long on a pipe or a slow disk.
    Report,
    /// The run has been reported, and still answers scrapes. Signals are messages that end this.
    Linger,
}

/// Before anything else could: no descriptor, or no thread, is left for the watch.
fn refused(error: &std::io::Error) -> Failure {
    let what = format!("signals cannot be watched: {error}");
    match error.raw_os_error().and_then(hint_for_shortage) {
        Some(hint) => Failure::new(ExitCode::Host, Reason::new(what).hint(hint)),
        None => Failure::internal(what),
    }
}

/// Receives SIGINT, SIGTERM and SIGHUP from its creation on; they no longer end the process by themselves.
pub struct Signals {
    pub received: Receiver<i32>,
    phase: Arc<Mutex<Phase>>,
    temporaries: Arc<Mutex<Vec<PathBuf>>>,
}

impl Signals {
    /// Starts to watch signals. Call it early: a signal before that ends the program in the default way, when there is
    /// nothing to clean up. `say` prints a line while the main thread cannot.
    pub fn watch(phase: Phase, say: impl Fn(&str) + Send + 'static) -> Result<Signals, Failure> {
        let mut signals = iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|e| refused(&e))?;
        let (tell, received) = bounded(PENDING_MAX);
        let phase = Arc::new(Mutex::new(phase));
        let current = phase.clone();
        let temporaries = Arc::new(Mutex::new(Vec::new()));
        let ours = temporaries.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut count = 0;
                for signal in signals.forever() {
                    count += 1;
                    // If the channel is full or has no receiver, the count below still ends the process.
                    let _ = tell.try_send(signal);
                    let phase = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    match phase {
                        Phase::Setup => {
                            say("interrupted before the load began");
                            leave(&ours);
                        }
                        Phase::Report if count == 1 => {
                            say("the report is being written; press Ctrl-C again to quit without it");
                        }
                        _ if count == 1 => {}
                        _ => {
                            std::thread::sleep(LEAVE_WITHIN);
                            leave(&ours);
                        }
                    }
                }
            })
            .map_err(|e| refused(&e))?;
        Ok(Signals {
            received,
            phase,
            temporaries,
        })
    }

    pub fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Names the files that go when a signal ends the process: parts of documents, and claims on their names.
    pub fn remove_on_exit(&self, temporaries: Vec<PathBuf>) {
        *self.temporaries.lock().unwrap_or_else(PoisonError::into_inner) = temporaries;
    }
}

/// Ends the process from another thread than the main thread. A simulator ends with us by itself. Documents are renamed
/// into place when they are complete, so files on disk are complete.
fn leave(temporaries: &Mutex<Vec<PathBuf>>) {
    for path in temporaries.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = std::fs::remove_file(path);
    }
    std::process::exit(i32::from(ExitCode::Interrupted.code()));
}
