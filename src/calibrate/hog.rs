//! A busy thread on a worker's CPU, as another process there would be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_setaffinity};

/// A thread that takes all the time that its CPU gives it, until it is dropped.
pub struct Hog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hog {
    pub fn start(cpu: usize) -> std::io::Result<Hog> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let main = move || {
            let mut only = CpuSet::new();
            only.set(cpu);
            // On any other CPU it would disturb the mock, so it does nothing there.
            if sched_setaffinity(None, &only).is_ok() {
                while !told.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let thread = std::thread::Builder::new().name("hog".into()).spawn(main)?;
        Ok(Hog {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
