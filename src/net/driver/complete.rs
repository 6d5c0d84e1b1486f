//! Applies each completion to its connection, and wakes the task that owns it.

use std::io;

use socket2::SockRef;

use super::again::is_interrupted;
use super::{Driver, key, plain_key};
use crate::net::backend::{Completion, Key, Op};
use crate::net::conn::{ConnId, Connecting, Ended, Filled, NO_BUFFER};

impl Driver {
    /// Reads a word of each connection that completions are for, so that they are brought into the cache at once, and
    /// not one after another as they are used.
    pub(super) fn touch(&self, completions: &[Completion]) {
        let conns = completions
            .iter()
            .filter_map(|completion| self.conns.get(completion.key.slot as usize));
        let words = conns.map(|conn| conn.generation ^ u32::from(conn.first) ^ conn.send_from);
        std::hint::black_box(words.fold(0, |all, one| all ^ one));
    }

    pub(super) fn complete(&mut self, completion: &Completion) -> io::Result<()> {
        let Key { op, slot, generation } = completion.key;
        match op {
            Op::Kick => return self.complete_kick(completion.result),
            Op::Accept => return self.complete_accept(completion),
            Op::Close => return Ok(()),
            Op::Connect | Op::Recv | Op::Send | Op::Cancel => {}
        }
        let id = ConnId { slot, generation };
        if self.conns[slot as usize].generation != generation {
            unreachable!("a slot is reused only after its last completion");
        }
        if !completion.more {
            self.conns[slot as usize].in_flight -= 1;
        }
        match op {
            Op::Connect => self.complete_connect(id, completion.result)?,
            Op::Recv => self.complete_receive(id, completion)?,
            Op::Send => self.complete_send(id, completion)?,
            _ => {}
        }
        let conn = &self.conns[slot as usize];
        if conn.closing && conn.in_flight == 0 {
            self.finish_close(slot);
        }
        Ok(())
    }

    pub(super) fn complete_connect(&mut self, id: ConnId, result: i32) -> io::Result<()> {
        if self.connect_again(id, result)? {
            return Ok(());
        }
        self.connects_in_flight -= 1;
        self.end_connect_turn(id);
        let now = self.now;
        let conn = &mut self.conns[id.slot as usize];
        // A reset in answer to a SYN is ECONNREFUSED: with these there was a connection, and its reads tell its end.
        conn.broken = match -result {
            errno @ (libc::ECONNRESET | libc::EPIPE) => errno,
            _ => 0,
        };
        let is_made = conn.broken != 0 || result == -libc::EISCONN;
        let result = if is_made { 0 } else { result };
        conn.connecting = Connecting::Done(-result.min(0));
        conn.connect_done = now;
        if conn.closing {
            return Ok(());
        }
        let owner = conn.owner;
        if result == 0 {
            self.counters.connections_opened += 1;
            self.count_peak();
            self.arm_receive(id)?;
        }
        self.wake(owner);
        Ok(())
    }

    pub(super) fn count_peak(&mut self) {
        let c = &mut self.counters;
        c.connections_peak = c.connections_peak.max(c.connections_open);
    }

    pub(super) fn complete_receive(&mut self, id: ConnId, completion: &Completion) -> io::Result<()> {
        let slot = id.slot as usize;
        if !completion.more {
            self.conns[slot].receiving = false;
        }
        if self.conns[slot].closing {
            if let Some(buffer) = completion.buffer {
                self.backend.give_back(buffer);
            }
            return Ok(());
        }
        if self.conns[slot].idle {
            return self.complete_idle_receive(id, completion);
        }
        let mut ended = None;
        let mut is_for_loop = false;
        match (completion.result, completion.buffer) {
            (n, Some(buffer)) if n > 0 => {
                self.conns[slot].again = 0;
                is_for_loop = self.conns[slot].read_by_loop;
                if !self.deliver(slot, buffer, n as usize) {
                    ended = Some(Ended::Eof);
                }
            }
            (n, Some(buffer)) => {
                self.backend.give_back(buffer);
                ended = Some(ended_from(n));
            }
            (n, None) if -n == libc::ENOBUFS => self.counters.buffer_shortages += 1,
            (n, None) if is_interrupted(n) && self.may_begin_again(id) => {}
            (n, None) => ended = Some(ended_from(n)),
        }
        if let Some(ended) = ended {
            let ended = self.conns[slot].end(ended);
            self.conns[slot].ended = Some((ended, self.now));
            is_for_loop = false;
        } else if !completion.more {
            self.rearm.push((id.slot, id.generation));
        }
        match is_for_loop {
            true => self.arrived.push(id),
            false => self.wake(self.conns[slot].owner),
        }
        Ok(())
    }

    /// Handles a receive on an idle connection. Nobody reads it for as long as a request elsewhere takes, and its bytes
    /// would keep a buffer from the connections that need one. The bytes belong to no request, so they are dropped;
    /// only the fact that something arrived counts.
    fn complete_idle_receive(&mut self, id: ConnId, completion: &Completion) -> io::Result<()> {
        let ended = match completion.buffer {
            Some(buffer) => {
                self.backend.give_back(buffer);
                ended_from(completion.result.min(0))
            }
            None if -completion.result == libc::ENOBUFS => {
                self.counters.buffer_shortages += 1;
                self.rearm.push((id.slot, id.generation));
                return Ok(());
            }
            None if is_interrupted(completion.result) && self.may_begin_again(id) => {
                self.rearm.push((id.slot, id.generation));
                return Ok(());
            }
            None => ended_from(completion.result),
        };
        let conn = &mut self.conns[id.slot as usize];
        let ended = conn.end(ended);
        conn.ended.get_or_insert((ended, self.now));
        Ok(())
    }

    /// Puts a filled buffer into the connection's inbox. Returns false if the buffer is empty, which means that the
    /// peer has closed the connection.
    pub(super) fn deliver(&mut self, slot: usize, buffer: u16, result: usize) -> bool {
        let received = self.backend.received(buffer, result);
        if received.payload_bytes == 0 {
            self.backend.give_back(buffer);
            return false;
        }
        let stamp = received.stamp_realtime;
        #[cfg(debug_assertions)]
        let stamp = stamp.map(crate::net::tampered::wall);
        let stamp = stamp.map(|at| self.offset.to_monotonic(at, self.now));
        if stamp.is_none() && self.options.kernel_stamps {
            self.counters.stamps_missing += 1;
        }
        self.counters.reads += 1;
        self.counters.bytes_received += received.payload_bytes as u64;
        let filled = Filled {
            next: NO_BUFFER,
            bytes: received.payload_bytes as u16,
            stamp: stamp.unwrap_or(self.now),
            reaped: self.now,
            kernel_stamped: stamp.is_some(),
            unseen: u32::try_from(self.unseen).unwrap_or(u32::MAX),
        };
        self.inbox.push(&mut self.conns[slot], buffer, filled);
        true
    }

    pub(super) fn complete_send(&mut self, id: ConnId, completion: &Completion) -> io::Result<()> {
        let bytes = self.backend.take_sent(completion);
        let conn = &mut self.conns[id.slot as usize];
        conn.sending = false;
        let is_again = !conn.closing && is_interrupted(completion.result) && self.may_begin_again(id);
        let conn = &mut self.conns[id.slot as usize];
        if completion.result < 0 && !is_again {
            conn.send_error = -completion.result;
            conn.spare = bytes;
            let owner = conn.owner;
            self.wake(owner);
            return Ok(());
        }
        if !is_again {
            conn.again = 0;
            conn.send_from += completion.result as u32;
        }
        if (conn.send_from as usize) < bytes.len() && !conn.closing {
            conn.in_flight += 1;
            conn.sending = true;
            let from = conn.send_from as usize;
            return match &conn.fd {
                Some(fd) => self.backend.send(fd, bytes, from, key(Op::Send, id)),
                None => unreachable!("an open connection has a descriptor"),
            };
        }
        if std::mem::take(&mut conn.flushing) {
            let owner = conn.owner;
            self.wake(owner);
        }
        self.end_send(id, bytes);
        Ok(())
    }

    pub(super) fn complete_kick(&mut self, result: i32) -> io::Result<()> {
        // A read that was interrupted is no kick.
        let is_kick = result > 0;
        self.kicked |= is_kick;
        if let Some((fd, task)) = self.kick.take() {
            self.backend.read_kick(&fd, plain_key(Op::Kick))?;
            self.kick = Some((fd, task));
            if is_kick {
                self.wake(task);
            }
        }
        Ok(())
    }

    pub(super) fn complete_accept(&mut self, completion: &Completion) -> io::Result<()> {
        let Some((listener, task)) = self.acceptor.take() else {
            return Ok(());
        };
        if completion.result >= 0 {
            let fd = self.backend.accepted(completion);
            SockRef::from(&fd).set_tcp_nodelay(!self.options.nagle)?;
            let id = self.open(fd, task);
            self.counters.connections_opened += 1;
            self.count_peak();
            self.arm_receive(id)?;
            self.accepted.push_back(id);
        }
        let exhausted = [libc::EMFILE, libc::ENFILE].contains(&-completion.result);
        self.accept_paused = exhausted && !completion.more;
        if !completion.more && !exhausted {
            self.backend.accept(&listener, plain_key(Op::Accept))?;
        }
        self.acceptor = Some((listener, task));
        self.wake(task);
        Ok(())
    }
}

fn ended_from(result: i32) -> Ended {
    if result == 0 {
        Ended::Eof
    } else {
        Ended::Error(-result)
    }
}
