//! The thread that pushes, and the reporter's handle on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use super::gateway::{Gateway, PUSH_LIMIT};
use crate::exposition::{Figures, FiguresView, Format, render};
use crate::metrics::{Merged, Snapshot};
use crate::result::Pushes;
use crate::units::Nanos;

/// The number of figures that may wait while a push is under way: only the newest are worth sending.
const WAITING_MAX: usize = 1;
/// The time limit for the last push, together with the one that may still be under way before it.
const LAST_LIMIT: Duration = PUSH_LIMIT.saturating_mul(2);

/// The result of all pushes at the end of a run.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub pushes: Pushes,
    /// Name of the gateway in messages.
    pub gateway: String,
    /// The line that says that pushing does not work, unless it was returned before.
    pub warning: Option<String>,
    /// True if a signal ended the wait for the last push.
    pub signalled: bool,
}

/// The reporter's handle on the thread. If it is dropped, a push that is under way goes on until the process ends.
pub struct Pusher {
    view: FiguresView,
    interval: Nanos,
    due: Nanos,
    to_thread: Sender<Figures>,
    /// The thread's end of the channel, for taking back figures that are too old.
    waiting: Receiver<Figures>,
    /// Receives one message when the last figures have been pushed.
    done: Receiver<()>,
    outcome: Arc<Mutex<Pushes>>,
    gateway: String,
    warned: bool,
}

impl Pusher {
    /// Starts the thread, on the CPUs of the caller. Without `warn`, failures are only counted.
    pub fn start(
        gateway: Gateway,
        view: FiguresView,
        interval: Nanos,
        warn: bool,
    ) -> std::io::Result<Pusher> {
        let (to_thread, waiting) = bounded(WAITING_MAX);
        let (tell_done, done) = bounded(1);
        let outcome = Arc::new(Mutex::new(Pushes::default()));
        let shown = gateway.shown().to_owned();
        let (of_thread, jobs): (_, Receiver<Figures>) = (outcome.clone(), waiting.clone());
        std::thread::Builder::new().name("pusher".into()).spawn(move || {
            for figures in jobs {
                let result = gateway.put(&render(&figures, Format::Text));
                of_thread
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .count(result);
                if figures.is_last {
                    // An error means that nobody waits for the message any more.
                    let _ = tell_done.send(());
                    return;
                }
            }
        })?;
        Ok(Pusher {
            view,
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

    /// Ends a repetition of the load; see [`FiguresView::end_pass`].
    pub fn end_pass(&mut self, merged: &Merged) {
        self.view.end_pass(merged);
    }

    /// Pushes if it is time; called once a second. Returns, once, the line that says that pushing does not work.
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
    pub fn finish(mut self, merged: &Merged, loaded: Nanos, signals: &Receiver<i32>) -> Pushed {
        let last = self.view.last_figures(merged, loaded);
        self.offer(last);
        let (given_up, signalled) = select! {
            recv(self.done) -> _ => (None, false),
            recv(signals) -> _ => (Some("the last push was given up because of a signal".to_owned()), true),
            default(LAST_LIMIT) => {
                let limit = LAST_LIMIT.as_secs();
                (Some(format!("the last push took longer than {limit} s")), false)
            }
        };
        if let Some(why) = given_up {
            self.locked().count(Err(why));
        }
        let warning = self.warning();
        // This is a copy: a push that the thread still finishes is already counted as given up.
        let pushes = self.locked().clone();
        Pushed {
            pushes,
            gateway: self.gateway,
            warning,
            signalled,
        }
    }

    /// Ends without a last push, because there is no time for it.
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

    fn offer(&mut self, figures: Figures) {
        let mut figures = figures;
        // This takes two rounds at most, because nobody else fills the channel.
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
            "warning: Pushgateway {}: {error}; the run continues; further failures are only counted",
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
