//! Ctrl-C and its like, as messages.

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;

use super::Failure;

/// More than anybody presses before the program is gone.
const PENDING_MAX: usize = 16;

/// SIGINT, SIGTERM and SIGHUP from the moment it is made; they no longer end the process.
pub struct Signals {
    pub received: Receiver<i32>,
}

impl Signals {
    /// Early: a signal before this ends the program the plain way, with nothing to clean up.
    pub fn watch() -> Result<Signals, Failure> {
        let mut signals = iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Failure::internal)?;
        let (tell, received) = bounded(PENDING_MAX);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if tell.try_send(signal).is_err() && tell.is_empty() {
                        return;
                    }
                }
            })
            .map_err(Failure::internal)?;
        Ok(Signals { received })
    }
}
