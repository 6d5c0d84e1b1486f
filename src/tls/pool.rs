//! Memory for what a connection has of an incomplete record, shared by the connections of a core: one between two
//! records has none.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// Of a buffer's memory: a handshake message of 64 KiB, which rustls joins over several records, and the longest
/// record behind it.
pub const HELD_BYTES_MAX: usize = 96 << 10;
/// Buffers kept for the next record, a core: as many as reads can be waiting at a time, 1.2 MB when all have held a
/// record of full length. More are given back to the allocator.
const KEPT_MAX: usize = 64;
/// What a buffer may keep of a handshake's long messages.
const KEPT_BYTES_MAX: usize = 20 << 10;

/// Cheap to clone: the same pool. Lends at most one buffer to each connection.
#[derive(Clone, Default)]
pub struct Pool(Rc<RefCell<Buffers>>);

#[derive(Default)]
struct Buffers {
    free: Vec<Vec<u8>>,
    lent: usize,
}

/// A lent buffer, empty at first; dropping it gives it back.
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

    /// Buffers that connections have at this moment.
    pub fn lent(&self) -> usize {
        self.0.borrow().lent
    }

    /// Buffers that wait for the next record.
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
    fn buffers_come_back_empty_and_only_so_many_of_usual_size_are_kept() {
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
