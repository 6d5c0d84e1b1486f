//! Provides what the engine needs of its async runtime: a pinned thread, spawn and yield. No other file names glommio,
//! so another runtime would change this file only.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

/// The smallest depth that glommio accepts; it does no I/O for us.
const RING_DEPTH: usize = 128;

/// The thread of a pinned glommio executor.
pub struct Core(ExecutorJoinHandle<()>);

impl Core {
    /// Runs the future that `make` returns to its end, on a thread pinned to `cpu`.
    pub fn spawn<F>(cpu: usize, name: &str, make: impl FnOnce() -> F + Send + 'static) -> Result<Core, String>
    where
        F: Future<Output = ()> + 'static,
    {
        LocalExecutorBuilder::new(Placement::Fixed(cpu))
            .name(name)
            .io_memory(0)
            .ring_depth(RING_DEPTH)
            .spawn(move || async move { make().await })
            .map(Core)
            .map_err(|e| e.to_string())
    }

    /// Waits for the thread. Errors of glommio's setup are reported here, not by `spawn`.
    pub fn join(self) -> Result<(), String> {
        self.0.join().map_err(|e| e.to_string())
    }
}

/// Starts a task on this core. The caller must tell its driver that a task is runnable.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    // glommio polls a new task inside `spawn_local`, but ours must not run while the spawner holds a borrow.
    glommio::spawn_local(async {
        yield_now().await;
        task.await;
    })
    .detach();
}

/// Lets all tasks run that are runnable now.
pub async fn yield_now() {
    YieldNow(false).await;
}

struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Runs a task and returns the message of a panic in it, which would otherwise end the executor.
pub async fn catch_panic<T>(task: impl Future<Output = T>) -> Result<T, String> {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(move |cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_string())
}
