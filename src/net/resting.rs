//! Tasks of one core that wait for one another.

use std::future::poll_fn;
use std::task::Poll;

use super::{Net, TaskId};

impl Net {
    /// Waits until `is_so`, which is asked again whenever somebody wakes the task. Signals do not end the wait.
    pub async fn wait_until(&self, task: TaskId, is_so: impl Fn() -> bool) {
        poll_fn(|cx| {
            if is_so() {
                return Poll::Ready(());
            }
            self.0.borrow_mut().park(task, cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Wakes another task of this core.
    pub fn wake(&self, task: TaskId) {
        self.0.borrow_mut().wake_from_task(task);
    }
}
