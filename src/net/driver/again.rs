//! Begins operations again that ended only because something interrupted them. The kernel may end any of them so, which
//! says nothing of the connection.

use std::io;

use super::{Driver, key};
use crate::net::backend::Op;
use crate::net::conn::ConnId;

/// How often in a row. Whatever is interrupted more often than that has failed.
const AGAIN_MAX: u8 = 100;

pub(super) fn is_interrupted(result: i32) -> bool {
    matches!(-result, libc::EINTR | libc::EAGAIN)
}

impl Driver {
    /// Counts one more time that an operation of the connection is begun again, if it may be.
    pub(super) fn may_begin_again(&mut self, id: ConnId) -> bool {
        let again = &mut self.conns[id.slot as usize].again;
        *again += u8::from(*again < AGAIN_MAX);
        *again < AGAIN_MAX
    }

    /// Connects again if the connect was interrupted. An interrupted one may go on, and then the next says EALREADY, or
    /// EISCONN when it is done.
    pub(super) fn connect_again(&mut self, id: ConnId, result: i32) -> io::Result<bool> {
        let is_under_way = result == -libc::EALREADY;
        let conn = &self.conns[id.slot as usize];
        if conn.closing || !(is_under_way || is_interrupted(result)) || !self.may_begin_again(id) {
            return Ok(false);
        }
        let conn = &mut self.conns[id.slot as usize];
        conn.in_flight += 1;
        let (address, key) = (conn.address as usize, key(Op::Connect, id));
        match &conn.fd {
            Some(fd) if is_under_way => self.backend.await_connect(fd, address, key)?,
            Some(fd) => self.backend.connect(fd, address, key)?,
            None => unreachable!("an open connection has a descriptor"),
        }
        Ok(true)
    }
}
