//! The thread that pushes, and the reporter's end of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use super::exposition::render;
use super::figures::{Grouping, PushFigures, PushView};
use super::gateway::{Gateway, PUSH_LIMIT};
use crate::metrics::{Merged, Snapshot};
use crate::result::Pushes;
use crate::units::Nanos;

/// What may wait beside the push that is under way: only the newest figures are worth it.
const WAITING_MAX: usize = 1;
/// For the last push, and before it for the one that is under way.
const LAST_LIMIT: Duration = PUSH_LIMIT.saturating_mul(2);

/// At the end of a run.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub pushes: Pushes,
    /// Whose, as messages name it.
    pub gateway: String,
    /// The line that says that pushing does not work, where it was not given before.
    pub warning: Option<String>,
    /// A signal ended the wait for the last push.
    pub signalled: bool,
}

/// Dropped, it leaves a push that is under way to the end of the process.
pub struct Pusher {
    view: PushView,
    interval: Nanos,
    due: Nanos,
    to_thread: Sender<PushFigures>,
    /// The thread's own end: for taking back what is too old.
    waiting: Receiver<PushFigures>,
    /// One message when the last figures were dealt with.
    done: Receiver<()>,
    outcome: Arc<Mutex<Pushes>>,
    gateway: String,
    warned: bool,
}

impl Pusher {
    /// The thread begins on the CPUs of the caller.
    /// Without `warn` failures are only counted.
    pub fn start(
        gateway: Gateway,
        grouping: Grouping,
        interval: Nanos,
        warn: bool,
    ) -> std::io::Result<Pusher> {
        let (to_thread, waiting) = bounded(WAITING_MAX);
        let (tell_done, done) = bounded(1);
        let outcome = Arc::new(Mutex::new(Pushes::default()));
        let shown = gateway.shown().to_owned();
        let (of_thread, jobs): (_, Receiver<PushFigures>) = (outcome.clone(), waiting.clone());
        std::thread::Builder::new().name("pusher".into()).spawn(move || {
            for figures in jobs {
                let result = gateway.put(&render(&figures));
                of_thread
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .count(result);
                if figures.is_last {
                    // Nobody waits any more: then nobody needs to know.
                    let _ = tell_done.send(());
                    return;
                }
            }
        })?;
        Ok(Pusher {
            view: PushView::new(grouping),
            interval,
            due: interval,
            to_thread,
            waiting,
            done,
            outcome,
            gateway: shown,
            warned: !warn,
        })
    }

    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.view.append_snapshot(snapshot);
    }

    /// Once a second: pushes when it is time. Gives the one line that says that pushing does not work.
    pub fn tick(&mut self, merged: &Merged, elapsed: Nanos) -> Option<String> {
        if elapsed >= self.due {
            let figures = self.view.figures(merged, elapsed);
            self.due = elapsed - elapsed % self.interval + self.interval;
            self.offer(figures);
        }
        self.warning()
    }

    /// Pushes the figures of the whole run and waits until that is done, at most twice the limit of a push, or
    /// until a signal comes.
    pub fn finish(mut self, merged: &Merged, elapsed: Nanos, signals: &Receiver<i32>) -> Pushed {
        let last = self.view.last_figures(merged, elapsed);
        self.offer(last);
        let (given_up, signalled) = select! {
            recv(self.done) -> _ => (None, false),
            recv(signals) -> _ => (Some("the last push was given up for a signal".to_owned()), true),
            default(LAST_LIMIT) => {
                let limit = LAST_LIMIT.as_secs();
                (Some(format!("the last push took longer than {limit} s")), false)
            }
        };
        if let Some(why) = given_up {
            self.locked().count(Err(why));
        }
        let warning = self.warning();
        // A copy: what the thread still does is counted as given up already.
        let pushes = self.locked().clone();
        Pushed {
            pushes,
            gateway: self.gateway,
            warning,
            signalled,
        }
    }

    /// Without a last push: there is no time for it.
    pub fn abandon(self) -> Pushed {
        let waiting = self.waiting.try_iter().count() as u64;
        let mut pushes = self.locked().clone();
        pushes.dropped += waiting;
        Pushed {
            pushes,
            gateway: self.gateway,
            warning: None,
            signalled: false,
        }
    }

    fn offer(&mut self, figures: PushFigures) {
        let mut figures = figures;
        // Two rounds at most: nobody else fills what was just emptied.
        while let Err(TrySendError::Full(again)) = self.to_thread.try_send(figures) {
            let dropped = self.waiting.try_recv().is_ok();
            self.locked().dropped += u64::from(dropped);
            figures = again;
        }
    }

    fn warning(&mut self) -> Option<String> {
        if self.warned {
            return None;
        }
        let error = self.locked().last_error.clone()?;
        self.warned = true;
        Some(format!(
            "warning: Pushgateway {}: {error}; the run goes on, further failures are only counted",
            self.gateway
        ))
    }

    fn locked(&self) -> MutexGuard<'_, Pushes> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pushes {
    fn count(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(error) => {
                self.failed += 1;
                self.last_error = Some(error);
            }
        }
    }
}

#[cfg(test)]
#[path = "pusher_tests.rs"]
mod tests;
