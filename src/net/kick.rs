//! Ends a core's wait from another thread.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A handle that ends a core's wait from another thread.
#[derive(Clone, Debug)]
pub struct Kick(Arc<OwnedFd>);

impl Kick {
    /// Returns the sending end, and the end that the core reads.
    pub fn new() -> io::Result<(Kick, OwnedFd)> {
        use rustix::event::{EventfdFlags, eventfd};
        let fd = eventfd(0, EventfdFlags::CLOEXEC)?;
        let read = fd.try_clone()?;
        Ok((Kick(Arc::new(fd)), read))
    }

    pub fn kick(&self) {
        // An eventfd refuses only when its counter is full, and then it is readable anyway.
        let _ = rustix::io::write(self.0.as_fd(), &1u64.to_ne_bytes());
    }
}
