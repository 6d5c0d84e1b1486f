//! Keeps the tasks that wait on the driver: their wakers, deadlines and signals.

use std::task::Waker;

use super::Driver;
use crate::net::conn::{Signal, TaskId, TaskSlot};
use crate::units::Nanos;

impl Driver {
    pub fn new_task(&mut self) -> TaskId {
        let slot = self.free_tasks.pop().unwrap_or_else(|| {
            self.tasks.push(TaskSlot::default());
            self.tasks.len() as u32 - 1
        });
        self.tasks[slot as usize] = TaskSlot {
            in_use: true,
            ..TaskSlot::default()
        };
        TaskId(slot)
    }

    pub fn free_task(&mut self, task: TaskId) {
        self.limits.clear(task.0);
        self.sleeps.clear(task.0);
        let Some(slot) = self.tasks.get_mut(task.0 as usize) else {
            return;
        };
        assert!(slot.in_use, "a task is freed once");
        *slot = TaskSlot::default();
        self.free_tasks.push(task.0);
    }

    pub fn signal(&self, task: TaskId) -> Signal {
        self.tasks[task.0 as usize].signal
    }

    /// Sets a task's signal and wakes it. Only tasks may call this; the driver itself calls `wake`, because it needs no
    /// extra turn afterwards.
    pub fn set_signal(&mut self, task: TaskId, signal: Signal) {
        self.tasks[task.0 as usize].signal = signal;
        if signal != Signal::None {
            self.wake(task.0);
            self.runnable = true;
        }
    }

    pub fn wake_from_task(&mut self, task: TaskId) {
        self.wake(task.0);
        self.runnable = true;
    }

    pub fn park(&mut self, task: TaskId, waker: &Waker) {
        let slot = &mut self.tasks[task.0 as usize];
        if !slot.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
    }

    pub fn set_limit(&mut self, task: TaskId, deadline: Nanos) {
        self.tasks[task.0 as usize].is_late = false;
        self.limits.set(task.0, deadline);
    }

    /// Tells whether the limit that was set last has passed. A clock does not say so: after a stop of the process, or
    /// of its CPU, the kernel may hold what arrived in time.
    pub fn is_late(&self, task: TaskId) -> bool {
        self.tasks[task.0 as usize].is_late
    }

    pub fn clear_limit(&mut self, task: TaskId) {
        self.limits.clear(task.0);
    }

    pub fn sleep(&mut self, task: TaskId, deadline: Nanos) {
        self.sleeps.set(task.0, deadline);
    }

    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Wakes a task in the turn in which its bytes were taken, so that no further one is needed.
    pub fn wake_in_turn(&mut self, task: TaskId) {
        self.wake(task.0);
    }

    pub(super) fn wake(&mut self, task: u32) {
        if let Some(waker) = &self.tasks[task as usize].waker {
            waker.wake_by_ref();
        }
    }
}
