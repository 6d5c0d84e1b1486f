//! What the threads that watch servers have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, after, select};

/// Waits until each thread has closed its channel, for `limit` at most.
pub(super) fn wait_for_each(closed: &[Receiver<()>], limit: Duration) {
    let limit = after(limit);
    for closed in closed {
        select! {
            recv(closed) -> _ => {}
            recv(limit) -> _ => return,
        }
    }
}

/// The same, but a signal ends the wait as well. Returns whether one came.
pub(super) fn wait_or_signal<'a>(
    closed: impl Iterator<Item = &'a Receiver<()>>,
    limit: Duration,
    signals: &Receiver<i32>,
) -> bool {
    let limit = after(limit);
    for closed in closed {
        select! {
            recv(closed) -> _ => {}
            recv(signals) -> _ => return true,
            recv(limit) -> _ => return false,
        }
    }
    false
}

/// Locks what a thread reports, also if that thread has panicked.
pub(super) fn lock<T>(reported: &Mutex<T>) -> MutexGuard<'_, T> {
    reported.lock().unwrap_or_else(PoisonError::into_inner)
}
