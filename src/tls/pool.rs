//! Keeps buffers for incomplete records, shared by the connections of a core. A connection between two records holds
//! none.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// Largest buffer: room for a handshake message of 64 KiB, which rustls joins from several records, and for the
/// longest record after it.
pub const HELD_BYTES_MAX: usize = 96 << 10;
/// Number of buffers that each core keeps for the next record: as many as reads can be waiting at a time. They take
/// 1.2 MB if all have held a record of full length. Further buffers are freed.
const KEPT_MAX: usize = 64;
/// Largest buffer that is kept; one that held a long handshake message may be larger.
const KEPT_BYTES_MAX: usize = 20 << 10;

/// A pool of buffers. Clones share the same pool. It lends at most one buffer to each connection.
#[derive(Clone, Default)]
pub struct Pool(Rc<RefCell<Buffers>>);

#[derive(Default)]
struct Buffers {
    free: Vec<Vec<u8>>,
    lent: usize,
}

/// A lent buffer, empty at first. Dropping it returns it to the pool.
pub struct Lent {
    pub bytes: Vec<u8>,
    pool: Pool,
}

impl Pool {
    pub fn lend(&self) -> Lent {
        let mut buffers = self.0.borrow_mut();
        buffers.lent += 1;
        Lent {
            bytes: buffers.free.pop().unwrap_or_default(),
            pool: self.clone(),
        }
    }

    /// Returns the number of buffers that connections hold now.
    pub fn lent(&self) -> usize {
        self.0.borrow().lent
    }

    /// Returns the number of buffers that wait for the next record.
    pub fn kept(&self) -> usize {
        self.0.borrow().free.len()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffers = self.pool.0.borrow_mut();
        buffers.lent -= 1;
        let mut bytes = std::mem::take(&mut self.bytes);
        if buffers.free.len() < KEPT_MAX && bytes.capacity() <= KEPT_BYTES_MAX {
            bytes.clear();
            buffers.free.push(bytes);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} lent, {} kept)", self.lent(), self.kept())
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lent({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_buffers_are_emptied_and_a_limited_number_is_kept() {
        let pool = Pool::default();
        let lent: Vec<Lent> = (0..KEPT_MAX + 10)
            .map(|_| {
                let mut lent = pool.lend();
                lent.bytes.extend_from_slice(&[7; 300]);
                lent
            })
            .collect();
        assert_eq!((pool.lent(), pool.kept()), (KEPT_MAX + 10, 0));
        drop(lent);
        assert_eq!((pool.lent(), pool.kept()), (0, KEPT_MAX));
        let mut again = pool.lend();
        assert!(again.bytes.is_empty() && again.bytes.capacity() >= 300);
        again.bytes.reserve(KEPT_BYTES_MAX + 1);
        drop(again);
        assert_eq!((pool.lent(), pool.kept()), (0, KEPT_MAX - 1));
    }
}
