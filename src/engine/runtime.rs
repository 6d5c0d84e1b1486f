//! Provides what the engine needs of its async runtime: a pinned thread, spawn and yield. No other file names one.
//!
//! There are two. glommio needs io_uring for itself, although it does no I/O for us; where sockets are driven by
//! epoll, tasks run on a `LocalSet` of a tokio runtime of one thread without drivers of its own. Both run tasks in the
//! order in which they were woken, which the driver of a core relies on: its turn comes after all that it has woken.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crossbeam_channel::Receiver;
use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, Placement};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::{CoreFailure, workers};
use crate::host::Io;

/// The smallest depth that glommio accepts; it does no I/O for us.
const RING_DEPTH: usize = 128;
/// Turns in which tasks are dropped at the end of a core.
const CLEARING_MAX: usize = 100;

/// What a thread runs, on a CPU and with an executor that other threads have not.
#[derive(Debug)]
pub struct Core(Receiver<Result<(), CoreFailure>>);

impl Core {
    /// Runs the future that `make` returns to its end, on a thread pinned to `cpu`, with the executor that goes with
    /// `io`. `ended` is called once, whatever
    /// happens: with the future's result, with the reason why the executor could not be made, or with the message of a
    /// panic, which glommio itself would keep until somebody joins the thread.
    ///
    /// The thread is started and pinned here: glommio panics if it may not, and reads the topology of the CPUs from
    /// `/sys`, which a sandbox may hide.
    pub fn spawn<F>(
        (cpu, io): (usize, Io),
        name: &str,
        make: impl FnOnce() -> F + Send + 'static,
        ended: impl Fn(Result<(), CoreFailure>) + Send + 'static,
    ) -> Result<Core, CoreFailure>
    where
        F: Future<Output = Result<(), CoreFailure>> + 'static,
    {
        let job = move |executor: Result<&Executor, CoreFailure>| {
            let is_told = Cell::new(false);
            let tell = |result| {
                if !is_told.replace(true) {
                    ended(result);
                }
            };
            let run = || {
                let executor = executor?;
                let result = executor.run(async move { make().await });
                // Told before what is left is taken down, which takes a while.
                let is_good = result.is_ok();
                tell(result);
                Ok(is_good && executor.is_clear_of_tasks())
            };
            let result = catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|panic| Err(CoreFailure::of(format!("panicked: {}", message(&*panic)))));
            if let Err(failure) = &result {
                tell(Err(failure.clone()));
            }
            result
        };
        workers::run((cpu, io), name, Box::new(job))
            .map(Core)
            .map_err(|e| CoreFailure::io("its thread cannot be started", &e))
    }

    /// Waits for the end. An error is one of the executor; what the future returned is not known here.
    pub fn join(self) -> Result<(), CoreFailure> {
        let ended = self.0.recv();
        ended.unwrap_or_else(|_| Err(CoreFailure::of("panicked as it ended")))
    }
}

/// What polls the tasks of a thread.
pub(super) enum Executor {
    Glommio(LocalExecutor),
    Tokio(Runtime, LocalSet),
}

impl Executor {
    /// Makes the executor of this thread, which it pins to `cpu`.
    pub fn new((cpu, io): (usize, Io)) -> Result<Executor, CoreFailure> {
        pin(cpu)?;
        Ok(match io {
            Io::Uring => Executor::Glommio(glommio_executor()?),
            Io::Epoll => {
                let (runtime, tasks) = tokio_executor()?;
                Executor::Tokio(runtime, tasks)
            }
        })
    }

    fn run(&self, main: impl Future<Output = Result<(), CoreFailure>> + 'static) -> Result<(), CoreFailure> {
        match self {
            Executor::Glommio(executor) => executor.run(main),
            Executor::Tokio(runtime, tasks) => run_to_end(runtime, tasks, main),
        }
    }

    /// Drops the tasks that nobody will wake any more. Returns false if one is left, or could be: then the executor
    /// is not to be used again.
    fn is_clear_of_tasks(&self) -> bool {
        let Executor::Glommio(executor) = self else {
            return false;
        };
        // What a task owned when it was dropped may have been the last to know of another.
        for _ in 0..CLEARING_MAX {
            if TASKS.get() == 0 {
                return true;
            }
            executor.run(yield_now());
        }
        false
    }
}

/// Pins this thread to `cpu`.
fn pin(cpu: usize) -> Result<(), CoreFailure> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)
        .map_err(|e| CoreFailure::io(&format!("sched_setaffinity to CPU {cpu} failed"), &e.into()))
}

fn glommio_executor() -> Result<LocalExecutor, CoreFailure> {
    let made = LocalExecutorBuilder::new(Placement::Unbound)
        .io_memory(0)
        .ring_depth(RING_DEPTH)
        .make();
    made.map_err(|e: GlommioError<()>| match e {
        GlommioError::IoError(e) => CoreFailure::io("its executor cannot be made", &e),
        e => CoreFailure::of(format!("its executor cannot be made: {e}")),
    })
}

fn tokio_executor() -> Result<(Runtime, LocalSet), CoreFailure> {
    let made = tokio::runtime::Builder::new_current_thread().build();
    let runtime = made.map_err(|e| CoreFailure::io("its executor cannot be made", &e))?;
    Ok((runtime, LocalSet::new()))
}

/// Runs `main` to its end as a task among those that it starts: the runtime's own future would be polled out of turn.
fn run_to_end(
    runtime: &Runtime,
    tasks: &LocalSet,
    main: impl Future<Output = Result<(), CoreFailure>> + 'static,
) -> Result<(), CoreFailure> {
    ON_TOKIO.set(true);
    let mut main = Box::pin(main);
    let main = tasks.spawn_local(poll_fn(move |cx| {
        if let Some(panic) = PANIC.take() {
            resume_unwind(panic);
        }
        main.as_mut().poll(cx)
    }));
    match runtime.block_on(tasks.run_until(main)) {
        Ok(result) => result,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(e) => Err(CoreFailure::of(format!("its executor ended early: {e}"))),
        },
    }
}

thread_local! {
    /// Tasks of this thread that have been started and not dropped.
    static TASKS: Cell<usize> = const { Cell::new(0) };
    /// This thread's executor is tokio's.
    static ON_TOKIO: Cell<bool> = const { Cell::new(false) };
    /// The panic of a task. tokio would only tell whoever waits for the task; it has to end the core, as it does on
    /// glommio, and so continues in the core's main task, which has a turn after each wait.
    static PANIC: Cell<Option<Panic>> = const { Cell::new(None) };
}

impl CoreFailure {
    /// Makes a failure that is not an error of the operating system.
    pub fn of(what: impl Into<String>) -> CoreFailure {
        CoreFailure {
            what: what.into(),
            errno: None,
        }
    }

    /// Makes a failure for `what`, which the operating system refused.
    pub fn io(what: &str, error: &io::Error) -> CoreFailure {
        CoreFailure {
            what: format!("{what}: {error}"),
            errno: error.raw_os_error(),
        }
    }

    /// The same, said of one core.
    pub fn of_core(self, index: u16) -> CoreFailure {
        CoreFailure {
            what: format!("core {index}: {}", self.what),
            ..self
        }
    }
}

/// Starts a task on this core. The caller must tell its driver that a task is runnable.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    // Boxed, because each async block that awaits what it was given has room for it twice.
    let task = Box::pin(task);
    if ON_TOKIO.get() {
        tokio::task::spawn_local(async {
            if let Err(panic) = caught(task).await {
                PANIC.set(Some(panic));
            }
        });
        return;
    }
    let counted = Counted::new();
    // glommio polls a new task inside `spawn_local`, but ours must not run while the spawner holds a borrow.
    glommio::spawn_local(async {
        let _counted = counted;
        yield_now().await;
        task.await;
    })
    .detach();
}

/// Counts a task of this thread for as long as there is one.
struct Counted;

impl Counted {
    fn new() -> Counted {
        TASKS.set(TASKS.get() + 1);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        TASKS.set(TASKS.get() - 1);
    }
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

/// Runs a task and returns the message of a panic in it, which would otherwise end the executor. The caller pins it, so
/// that its memory is there once.
pub async fn catch_panic<T>(task: impl Future<Output = T> + Unpin) -> Result<T, String> {
    caught(task).await.map_err(|panic| message(&*panic))
}

/// What a panic carries.
type Panic = Box<dyn Any + Send>;

async fn caught<T>(mut task: impl Future<Output = T> + Unpin) -> Result<T, Panic> {
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut task).poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_string())
}
