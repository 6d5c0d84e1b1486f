//! Runs the ring of a core, and with it the tasks that wait on it.

use std::io;

use super::driver::TOUCHED;
use super::{ConnId, Net, clock};
use crate::units::Nanos;

impl Net {
    /// Runs the ring until `stop` returns true: releases what is due, reaps completions, reads what tasks have left to
    /// the loop, lets the tasks run, submits, waits, and begins again. A turn reaps no more than fits before the next
    /// instant.
    ///
    /// `release` is told the time, wakes the tasks whose instant has come, and returns the next such instant, if one is
    /// to come. The wait ends a little before that instant, and the loop polls until then: a sleep ends late.
    ///
    /// `read` takes the chunks of connections whose tasks wait in [`Net::receive_by_loop`], as many connections at a
    /// time as are brought into the cache at once.
    pub async fn drive(
        &self,
        yield_now: impl AsyncFn(),
        stop: impl Fn() -> bool,
        release: impl Fn(Nanos) -> Option<Nanos>,
        read: impl Fn(&[ConnId]),
    ) -> io::Result<()> {
        let mut arrived = Vec::new();
        loop {
            self.release_due(&release);
            self.0.borrow_mut().reap()?;
            self.0.borrow_mut().swap_arrived(&mut arrived);
            arrived.chunks(TOUCHED).for_each(&read);
            arrived.clear();
            yield_now().await;
            if stop() {
                if cfg!(debug_assertions) {
                    self.invariants();
                }
                let tasks = self.0.borrow_mut().release_tasks()?;
                drop(tasks);
                return Ok(());
            }
            self.0.borrow_mut().enter()?;
        }
    }

    /// Tasks that `release` wakes run before the ring is entered, so they need no extra turn.
    fn release_due(&self, release: &impl Fn(Nanos) -> Option<Nanos>) {
        let was_runnable = self.0.borrow().is_runnable();
        let now = clock::monotonic();
        let next = release(now);
        self.0.borrow_mut().note_next_due(next, now, was_runnable);
    }
}
