//! Writes standard error during a run, on a thread of its own, so that a reader that does not read (a terminal after
//! Ctrl-S, a hung connection, a full pipe) holds back only this thread.

use crate::error::one_line;
use crate::output::terminal::{Frames, Screen, size, write};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The number of lines that may wait to be read. Further ones are only counted.
const WAITING_MAX: usize = 1_000;

/// Accepts lines and blocks without waiting for a reader. Clones write to the same standard error.
#[derive(Clone, Debug)]
pub struct Console {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Signals that something is to be written.
    work: Condvar,
    /// Signals that everything is written.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// The thread is in a write, however long that takes.
    writing: bool,
    cpu: Option<usize>,
    /// No thread could be started, so each caller writes its own lines.
    alone: bool,
    written: Written,
}

/// The text that the thread writes next.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    left_out: u64,
    /// The last block; older ones that were never on the screen are dropped.
    block: Option<Vec<String>>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.left_out == 0 && self.block.is_none()
    }

    fn say(&mut self, line: String) {
        match self.lines.len() < WAITING_MAX {
            true => self.lines.push_back(line),
            false => self.left_out += 1,
        }
    }
}

/// The block that is on the screen.
#[derive(Debug, Default)]
struct Written {
    frames: Frames,
    block: Vec<String>,
}

impl Written {
    /// Returns the text that brings the screen up to date: it removes the block, prints the lines, and draws the block.
    fn update(&mut self, waiting: Waiting, columns: usize, rows: usize) -> String {
        let mut text = self.frames.erase(columns);
        for line in &waiting.lines {
            text.push_str(line);
            text.push('\n');
        }
        if waiting.left_out > 0 {
            let left_out = waiting.left_out;
            text.push_str(&format!(
                "{left_out} lines are missing here, because they were not read in time\n"
            ));
        }
        if let Some(block) = waiting.block {
            self.block = block;
        }
        text.push_str(&self.frames.draw(&self.block, columns, rows));
        text
    }

    fn write(&mut self, waiting: Waiting) {
        let (columns, rows) = size().unwrap_or((0, 0));
        write(&self.update(waiting, columns, rows));
    }
}

impl Console {
    /// Starts the thread. It ends with the process.
    pub fn start() -> Console {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        let started = std::thread::Builder::new()
            .name("console".into())
            .spawn(move || of_thread.write_for_ever());
        let console = Console { shared };
        console.state().alone = started.is_err();
        console
    }

    /// Moves the thread to a CPU where it disturbs no worker.
    pub fn pin_to(&self, cpu: usize) {
        self.state().cpu = Some(cpu);
    }

    /// Prints one line above the block, and escapes what a terminal would obey.
    pub fn say(&self, line: &str) {
        let line = one_line(line).into_owned();
        self.change(|waiting| waiting.say(line));
    }

    /// Shows this block instead of the last one.
    pub fn draw(&self, block: Vec<String>) {
        self.change(|waiting| waiting.block = Some(block));
    }

    /// Returns the screen of the live block; `None` if standard error is not a terminal that can show one.
    pub fn screen(&self) -> Option<Screen> {
        Screen::on_console(self.clone())
    }

    /// Waits until everything is written, for at most `limit` if there is one. Returns false if the reader does not
    /// read.
    pub fn drain(&self, limit: Option<Duration>) -> bool {
        let is_busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let state = self.state();
        match limit {
            None => {
                let waited = self.shared.idle.wait_while(state, is_busy);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                true
            }
            Some(limit) => {
                let waited = self.shared.idle.wait_timeout_while(state, limit, is_busy);
                !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut state = self.state();
        change(&mut state.waiting);
        if state.alone {
            let waiting = std::mem::take(&mut state.waiting);
            state.written.write(waiting);
        }
        self.shared.work.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    /// Locks the state. It is only held for moments, and while something is written only if there is no thread.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self) {
        let mut written = Written::default();
        let mut pinned = None;
        loop {
            let waited = self
                .work
                .wait_while(self.state(), |state| state.waiting.is_empty());
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            let waiting = std::mem::take(&mut state.waiting);
            state.writing = true;
            let cpu = state.cpu;
            drop(state);
            if cpu != pinned {
                pinned = cpu;
                // If this fails, the thread stays where it is.
                cpu.map(|id| core_affinity::set_for_current(core_affinity::CoreId { id }));
            }
            written.write(waiting);
            self.state().writing = false;
            self.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_lines_are_bounded_and_counted_and_the_last_block_is_shown() {
        let mut waiting = Waiting::default();
        for i in 0..WAITING_MAX + 7 {
            waiting.say(format!("line {i}"));
            waiting.block = Some(vec![format!("block {i}")]);
        }
        let text = Written::default().update(waiting, 80, 24);
        assert_eq!(text.matches("line ").count(), WAITING_MAX);
        assert!(text.contains("\n7 lines are missing here"), "{text}");
        assert_eq!(text.matches("block ").count(), 1);
        assert!(text.contains("block 1006\n"));
    }

    #[test]
    fn lines_are_printed_above_the_block_which_stays_until_the_next_one() {
        let mut written = Written::default();
        let block = Waiting {
            block: Some(vec!["block".to_owned()]),
            ..Waiting::default()
        };
        written.update(block, 80, 24);
        let mut line = Waiting::default();
        line.say("line".to_owned());
        let text = written.update(line, 80, 24);
        let at = |what: &str| text.find(what).expect(what);
        assert!(
            at("\x1b[2K") < at("line\n") && at("line\n") < at("block\n"),
            "{text:?}"
        );
        let gone = Waiting {
            block: Some(Vec::new()),
            ..Waiting::default()
        };
        let text = written.update(gone, 80, 24);
        assert!(text.contains("\x1b[2K") && !text.contains("block"), "{text:?}");
    }
}
