//! Keeps the threads of cores for what they run next: repetitions, the probes of a search, one mock after another.
//!
//! An executor of glommio that ends leaves an eventfd behind, because a task of glommio's does not drop its part of it.
//! So there is one executor for each core of a process, however often a core begins and ends.

use std::io;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CoreFailure;
use super::runtime::Executor;
use crate::host::Io;

/// Uses the executor of its thread, or is told why there is none. Returns whether the executor can be used again.
pub(super) type Job = Box<dyn FnOnce(Result<&Executor, CoreFailure>) -> Result<bool, CoreFailure> + Send>;

/// A job, and who waits for its end.
type Order = (Job, Sender<Result<(), CoreFailure>>);

/// Which threads are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    cpu: usize,
    io: Io,
    name: String,
}

/// The threads that have nothing to do.
static IDLE: Mutex<Vec<(Kind, Sender<Order>)>> = Mutex::new(Vec::new());

/// Runs a job on a thread of this name that is pinned to the CPU: one that is idle, or a new one. Its end can be
/// received; a thread that will be used again is idle by then.
pub(super) fn run(
    (cpu, io): (usize, Io),
    name: &str,
    job: Job,
) -> io::Result<Receiver<Result<(), CoreFailure>>> {
    let name = name.to_owned();
    let kind = Kind { cpu, io, name };
    let (done, ended) = bounded(1);
    let mut order = (job, done);
    while let Some(orders) = take_idle(&kind) {
        match orders.send(order) {
            Ok(()) => return Ok(ended),
            Err(unsent) => order = unsent.into_inner(),
        }
    }
    let thread = std::thread::Builder::new().name(kind.name.clone());
    thread.spawn(move || serve(&kind, order))?;
    Ok(ended)
}

fn take_idle(kind: &Kind) -> Option<Sender<Order>> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = idle.iter().position(|(other, _)| other == kind)?;
    Some(idle.swap_remove(at).1)
}

/// Does what is ordered, with one executor, for as long as it can be used.
fn serve(kind: &Kind, first: Order) {
    let executor = Executor::new((kind.cpu, kind.io));
    let (sender, orders) = bounded(1);
    let mut next = Some(first);
    while let Some((job, done)) = next.take() {
        let ended = job(executor.as_ref().map_err(CoreFailure::clone));
        if ended == Ok(true) {
            let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((kind.clone(), sender.clone()));
            drop(idle);
            let _ = done.send(Ok(()));
            next = orders.recv().ok();
        } else {
            // What the executor holds is given back before anybody is told.
            drop(executor);
            let _ = done.send(ended.map(|_| ()));
            return;
        }
    }
}
