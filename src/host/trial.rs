//! Tries before the run what no file tells: threads, and memory.

use std::sync::Mutex;
use std::thread::{Builder, scope};

use super::preflight::{HostError, Need};

/// Starts as many threads as the run will have, all at the same time, and ends them again. A library that cannot start
/// one would panic.
pub(super) fn start_threads(need: &Need) -> Result<(), HostError> {
    let needed = need.threads();
    let gate = Mutex::new(());
    let closed = gate.lock();
    scope(|scope| {
        for found in 0..needed {
            let thread = Builder::new().spawn_scoped(scope, || drop(gate.lock()));
            if let Err(e) = thread {
                return Err(HostError::Threads {
                    found,
                    needed,
                    reason: e.to_string(),
                });
            }
        }
        drop(closed);
        Ok(())
    })
}

/// Reserves the memory that the run will use, and gives it back untouched. Without it, an allocation in the middle of
/// the run would abort the program.
pub(super) fn reserve_memory(need: &Need) -> Result<(), HostError> {
    let needed = need.memory_bytes();
    let mut trial: Vec<u8> = Vec::new();
    let bytes = usize::try_from(needed).unwrap_or(usize::MAX);
    match trial.try_reserve_exact(bytes) {
        Ok(()) => Ok(()),
        Err(_) => Err(HostError::Memory { needed }),
    }
}
