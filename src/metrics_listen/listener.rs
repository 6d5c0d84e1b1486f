//! The reporter's handle on the thread that answers scrapers.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use rustix::event::{EventfdFlags, eventfd};

use super::server::Server;
use crate::exposition::{Figures, FiguresView};
use crate::metrics::{Merged, Snapshot};
use crate::units::Nanos;

/// No CPU has been chosen.
const ANYWHERE: usize = usize::MAX;

/// What the reporter and the thread share.
pub struct Shared {
    figures: Mutex<Arc<Figures>>,
    /// The CPU that the thread should run on.
    cpu: AtomicUsize,
    /// The CPU that it runs on.
    pinned: AtomicUsize,
    is_over: AtomicBool,
    has_scraper: AtomicBool,
    tell_read: Sender<()>,
}

impl Shared {
    pub fn figures(&self) -> Arc<Figures> {
        self.locked().clone()
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Moves the calling thread to the CPU that was chosen for it.
    pub fn pin(&self) {
        let cpu = self.cpu.load(Ordering::Acquire);
        if cpu != ANYWHERE && self.pinned.swap(cpu, Ordering::AcqRel) != cpu {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
        }
    }

    pub fn saw_scraper(&self) {
        self.has_scraper.store(true, Ordering::Release);
    }

    /// Tells whoever waits that a scraper has the last figures.
    pub fn last_was_read(&self) {
        // An error means that it has been told already.
        let _ = self.tell_read.try_send(());
    }

    fn locked(&self) -> MutexGuard<'_, Arc<Figures>> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle. The port is free again when it has been dropped.
pub struct MetricsListener {
    view: FiguresView,
    shared: Arc<Shared>,
    address: SocketAddr,
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
    /// Receives one message when a scraper has read the last figures.
    last_read: Receiver<()>,
}

impl MetricsListener {
    /// Listens on `address`, and answers from then on, at first that nothing has been counted. The error is that of the
    /// operating system.
    pub fn start(address: SocketAddr, view: FiguresView) -> std::io::Result<MetricsListener> {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let of_thread = wake.try_clone()?;
        let (tell_read, last_read) = bounded(1);
        let shared = Arc::new(Shared {
            figures: Mutex::new(Arc::new(view.first_figures())),
            cpu: AtomicUsize::new(ANYWHERE),
            pinned: AtomicUsize::new(ANYWHERE),
            is_over: AtomicBool::new(false),
            has_scraper: AtomicBool::new(false),
            tell_read,
        });
        let server = Server::new(socket, of_thread, shared.clone());
        let thread = std::thread::Builder::new()
            .name("scrapes".into())
            .spawn(move || server.run())?;
        Ok(MetricsListener {
            view,
            shared,
            address,
            wake,
            thread: Some(thread),
            last_read,
        })
    }

    /// Returns the address, with the port that the system chose if none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the plan as it was found, and moves the thread to a CPU away from the workers.
    pub fn begin(&mut self, view: FiguresView, cpu: usize) {
        self.publish(view.first_figures());
        self.view = view;
        self.shared.cpu.store(cpu, Ordering::Release);
        self.wake();
    }

    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.view.append_snapshot(snapshot);
    }

    /// Shows the newest figures; called once a second.
    pub fn tick(&mut self, merged: &Merged, elapsed: Nanos) {
        let figures = self.view.figures(merged, elapsed);
        self.publish(figures);
    }

    /// Ends a repetition of the load; see [`FiguresView::end_pass`].
    pub fn end_pass(&mut self, merged: &Merged) {
        self.view.end_pass(merged);
    }

    /// Shows the figures of the whole run from now on.
    pub fn finish(&mut self, total: &Merged, loaded: Nanos) {
        let figures = self.view.last_figures(total, loaded);
        self.publish(figures);
    }

    /// Tells whether Prometheus, or something that scrapes like it, has asked so far.
    pub fn has_scraper(&self) -> bool {
        self.shared.has_scraper.load(Ordering::Acquire)
    }

    /// Goes on answering for `limit`, or until a signal comes. With `until_read` a scraper that has read the last
    /// figures ends it as well.
    pub fn linger(&self, limit: Duration, until_read: bool, signals: &Receiver<i32>) {
        let never = never();
        let read = if until_read { &self.last_read } else { &never };
        select! {
            recv(read) -> _ => {}
            recv(signals) -> _ => {}
            recv(after(limit)) -> _ => {}
        }
    }

    fn publish(&self, figures: Figures) {
        *self.shared.locked() = Arc::new(figures);
    }

    fn wake(&self) {
        // It fails if the thread has been woken very often and has not looked, so it will look.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for MetricsListener {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It panicked, if this is an error, and the panic has been reported.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for MetricsListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricsListener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
