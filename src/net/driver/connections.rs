//! The operations that tasks use on connections: connect, send, take received data, close, and listen for new ones.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Acks, Driver, key, plain_key};
use crate::net::backend::Op;
use crate::net::clock;
use crate::net::conn::{Conn, ConnId, Connecting, Ended, Filled, NO_BUFFER, Permit, Route, TaskId};
use crate::net::ring::{choose_port_at_connect, enable_receive_stamps};
use crate::units::Nanos;

impl Driver {
    pub(super) fn conn(&mut self, id: ConnId) -> &mut Conn {
        let conn = &mut self.conns[id.slot as usize];
        assert!(
            conn.generation == id.generation && conn.fd.is_some() && !conn.closing,
            "use of a closed connection"
        );
        conn
    }

    pub(super) fn open(&mut self, fd: OwnedFd, owner: u32) -> ConnId {
        let slot = self.free_conns.pop().unwrap_or_else(|| {
            self.conns.push(Conn::free());
            self.conns.len() as u32 - 1
        });
        let conn = &mut self.conns[slot as usize];
        conn.open(fd, owner);
        self.counters.connections_open += 1;
        ConnId {
            slot,
            generation: conn.generation,
        }
    }

    /// Takes a permit for a connect and returns true, or queues the task for one and returns false.
    pub fn take_connect_permit(&mut self, task: TaskId) -> bool {
        let permit = &mut self.tasks[task.0 as usize].permit;
        match *permit {
            Permit::Granted => {
                *permit = Permit::None;
                true
            }
            Permit::Queued => false,
            Permit::None if self.connect_turns < self.options.connects_in_flight_max => {
                self.connect_turns += 1;
                true
            }
            Permit::None => {
                *permit = Permit::Queued;
                self.connects_waiting.push_back(task.0);
                false
            }
        }
    }

    /// Withdraws the task's wish to connect. Its entry in the queue stays and is skipped later.
    pub fn leave_connect_queue(&mut self, task: TaskId) {
        let permit = std::mem::take(&mut self.tasks[task.0 as usize].permit);
        if permit == Permit::Granted {
            self.end_connect_permit();
        }
    }

    /// Starts a connect. The caller must hold a permit, which ends with the connect's completion, after the longest
    /// turn, or with the error returned here.
    pub fn connect(&mut self, task: TaskId, route: Route) -> io::Result<ConnId> {
        match self.start_connect(task, route) {
            Ok(id) => {
                self.connects_in_flight += 1;
                let conn = &mut self.conns[id.slot as usize];
                conn.connect_turn = true;
                let ends = conn.connect_started.saturating_add(self.options.connect_turn_max);
                self.connects_begun.push_back((ends, id));
                Ok(id)
            }
            Err(e) => {
                self.end_connect_permit();
                Err(e)
            }
        }
    }

    pub(super) fn start_connect(&mut self, task: TaskId, route: Route) -> io::Result<ConnId> {
        let address = route.address;
        let to = self.options.addresses[address];
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(!self.options.nagle)?;
        let fd = OwnedFd::from(socket);
        if self.options.kernel_stamps {
            enable_receive_stamps(&fd)?;
        }
        if let Some(source) = self.source(to, route.source_turn) {
            choose_port_at_connect(&fd)?;
            SockRef::from(&fd).bind(&SocketAddr::new(source, 0).into())?;
        }
        let id = self.open(fd, task.0);
        let key = key(Op::Connect, id);
        let conn = &mut self.conns[id.slot as usize];
        conn.connecting = Connecting::InFlight;
        conn.address = address as u32;
        conn.connect_started = clock::monotonic();
        conn.in_flight += 1;
        if let Some(fd) = &conn.fd {
            self.backend.connect(fd, address, key)?;
        }
        Ok(id)
    }

    /// Returns the source address whose turn it is among those of the family of `to`.
    fn source(&self, to: SocketAddr, turn: usize) -> Option<IpAddr> {
        let fits = |source: &&IpAddr| source.is_ipv4() == to.is_ipv4();
        let count = self.options.sources.iter().filter(fits).count();
        let turn = turn.checked_rem(count)?;
        self.options.sources.iter().filter(fits).nth(turn).copied()
    }

    /// Hands the permit to the next task in the queue that still waits, or frees it.
    pub(super) fn end_connect_permit(&mut self) {
        while let Some(task) = self.connects_waiting.pop_front() {
            let permit = &mut self.tasks[task as usize].permit;
            if *permit == Permit::Queued {
                *permit = Permit::Granted;
                self.wake(task);
                self.runnable = true;
                return;
            }
        }
        self.connect_turns -= 1;
    }

    /// Makes a connect count no longer, if it still does.
    pub(super) fn end_connect_turn(&mut self, id: ConnId) {
        let conn = &mut self.conns[id.slot as usize];
        if std::mem::take(&mut conn.connect_turn) {
            self.end_connect_permit();
        }
    }

    /// Returns the oldest connect that still counts, with the instant at which it stops counting.
    fn oldest_turn(&mut self) -> Option<(Nanos, ConnId)> {
        while let Some((ends, id)) = self.connects_begun.front().copied() {
            let conn = &self.conns[id.slot as usize];
            if conn.generation == id.generation && conn.connect_turn {
                return Some((ends, id));
            }
            self.connects_begun.pop_front();
        }
        None
    }

    /// Returns when the next connect stops counting that somebody waits for.
    pub(super) fn next_connect_turn(&mut self) -> Option<Nanos> {
        if self.connects_waiting.is_empty() {
            return None;
        }
        self.oldest_turn().map(|(ends, _)| ends)
    }

    /// Ends the turns of connects that have taken too long.
    pub(super) fn end_long_connect_turns(&mut self) {
        while let Some((ends, id)) = self.oldest_turn()
            && ends <= self.now
        {
            self.connects_begun.pop_front();
            self.end_connect_turn(id);
        }
    }

    /// Returns errno or 0, and the time that connecting took; `None` while the connect is in flight.
    pub fn connect_result(&mut self, id: ConnId) -> Option<(i32, Nanos)> {
        let conn = self.conn(id);
        match conn.connecting {
            Connecting::Done(errno) => Some((errno, conn.connect_done - conn.connect_started)),
            Connecting::No | Connecting::InFlight => None,
        }
    }

    pub(super) fn arm_receive(&mut self, id: ConnId) -> io::Result<()> {
        let conn = &mut self.conns[id.slot as usize];
        debug_assert!(!conn.receiving);
        conn.receiving = true;
        conn.in_flight += 1;
        match &conn.fd {
            Some(fd) => self.backend.receive(fd, key(Op::Recv, id)),
            None => unreachable!("an open connection has a descriptor"),
        }
    }

    /// Returns an empty buffer for the next request, with the capacity of the last one.
    pub fn take_spare(&mut self, id: ConnId) -> Vec<u8> {
        let mut spare = std::mem::take(&mut self.conn(id).spare);
        spare.clear();
        spare
    }

    /// Sends at once or queues a send, which is then stamped just before the ring is entered. An error of the socket is
    /// one of the connection, which whoever receives from it learns.
    pub fn send(&mut self, id: ConnId, bytes: Vec<u8>) -> io::Result<()> {
        let now = self.now;
        let conn = self.conn(id);
        let last = std::mem::replace(&mut conn.last_request, now);
        if last > 0 {
            self.policy.note_cycle(now - last);
        }
        let conn = self.conn(id);
        conn.sent_at = 0;
        conn.send_error = 0;
        conn.send_from = 0;
        debug_assert!(!conn.sending);
        self.counters.bytes_sent += bytes.len() as u64;
        match self.sends_at_once {
            false => self.queue_send(id, bytes),
            true => self.send_at_once(id, bytes),
        }
    }

    /// Queues what the connection's `send_from` says is left of `bytes`.
    fn queue_send(&mut self, id: ConnId, bytes: Vec<u8>) -> io::Result<()> {
        let conn = &mut self.conns[id.slot as usize];
        conn.sending = true;
        conn.in_flight += 1;
        self.unsent.push(id.slot);
        let from = conn.send_from as usize;
        match &conn.fd {
            Some(fd) => self.backend.send(fd, bytes, from, key(Op::Send, id)),
            None => unreachable!("an open connection has a descriptor"),
        }
    }

    /// Sends what the socket takes now, and queues the rest.
    fn send_at_once(&mut self, id: ConnId, bytes: Vec<u8>) -> io::Result<()> {
        let conn = &mut self.conns[id.slot as usize];
        let Some(fd) = &conn.fd else {
            unreachable!("an open connection has a descriptor")
        };
        conn.sent_at = clock::monotonic();
        match SockRef::from(fd).send_with_flags(&bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => {
                self.end_send(id, bytes);
                return Ok(());
            }
            Ok(sent) => conn.send_from = sent as u32,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => conn.sent_at = 0,
            Err(e) => {
                conn.send_error = e.raw_os_error().unwrap_or(libc::EIO);
                conn.spare = bytes;
                return Ok(());
            }
        }
        self.queue_send(id, bytes)
    }

    /// Keeps the buffer of a send that is out, and says again when to acknowledge. The send has put the socket back
    /// into delayed-ACK mode, in which a server that uses Nagle's algorithm holds back its first events for 40 ms; a
    /// single ACK that was 40 ms late puts it out of that mode.
    pub(super) fn end_send(&mut self, id: ConnId, bytes: Vec<u8>) {
        let conn = &mut self.conns[id.slot as usize];
        conn.spare = bytes;
        let at_once = match self.options.acks {
            Acks::AsTheKernelDoes => return,
            Acks::AtOnce => true,
            Acks::Delayed => false,
        };
        if let Some(fd) = &conn.fd {
            // An error means that the socket was reset in the meantime, which its receive reports.
            let _ = SockRef::from(fd).set_tcp_quickack(at_once);
        }
    }

    /// Sends as much as the socket accepts now, without the ring. The mock needs it because its events carry the
    /// instant of the call. Returns the number of bytes sent.
    pub fn send_now(&mut self, id: ConnId, bytes: &[u8]) -> io::Result<usize> {
        let conn = self.conn(id);
        let Some(fd) = &conn.fd else {
            unreachable!("an open connection has a descriptor")
        };
        let sent = SockRef::from(fd).send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)?;
        self.counters.bytes_sent += sent as u64;
        Ok(sent)
    }

    pub fn sent_at(&mut self, id: ConnId) -> Option<Nanos> {
        let at = self.conn(id).sent_at;
        (at != 0).then_some(at)
    }

    pub fn sending(&mut self, id: ConnId) -> bool {
        self.conn(id).sending
    }

    /// Asks for the owner to be woken when the current send has ended.
    pub fn want_flush(&mut self, id: ConnId) {
        self.conn(id).flushing = true;
    }

    pub fn send_error(&mut self, id: ConnId) -> i32 {
        self.conn(id).send_error
    }

    pub fn pop(&mut self, id: ConnId) -> Option<(u16, Filled)> {
        let conn = &mut self.conns[id.slot as usize];
        self.inbox.pop(conn)
    }

    pub fn ended(&mut self, id: ConnId) -> Option<(Ended, Nanos)> {
        self.conn(id).ended
    }

    pub fn has_unread(&mut self, id: ConnId) -> bool {
        let conn = self.conn(id);
        conn.first != NO_BUFFER || conn.ended.is_some()
    }

    /// Marks a connection as idle or in use. Its inbox must be empty.
    pub fn set_idle(&mut self, id: ConnId, idle: bool) {
        let conn = self.conn(id);
        debug_assert!(
            conn.first == NO_BUFFER,
            "received bytes are read before a connection becomes idle"
        );
        conn.idle = idle;
    }

    /// Says whether the loop reads what arrives on a connection. For anything else its task is woken all the same.
    pub fn set_read_by_loop(&mut self, id: ConnId, is: bool) {
        self.conn(id).read_by_loop = is;
    }

    /// Exchanges the list of connections with bytes that the loop is to read for an empty one.
    pub fn swap_arrived(&mut self, other: &mut Vec<ConnId>) {
        std::mem::swap(&mut self.arrived, other);
    }

    pub fn payload(&self, buffer: u16, bytes: u16) -> &[u8] {
        self.backend.payload(buffer, bytes as usize)
    }

    pub fn payload_mut(&mut self, buffer: u16, bytes: u16) -> &mut [u8] {
        self.backend.payload_mut(buffer, bytes as usize)
    }

    pub fn give_back(&mut self, buffer: u16) {
        self.backend.give_back(buffer);
    }

    /// Makes the next close send RST instead of FIN.
    pub fn reset_on_close(&mut self, id: ConnId) -> io::Result<()> {
        match &self.conn(id).fd {
            Some(fd) => SockRef::from(fd).set_linger(Some(std::time::Duration::ZERO)),
            None => Ok(()),
        }
    }

    pub fn close(&mut self, id: ConnId) {
        let conn = self.conn(id);
        conn.closing = true;
        // A user that connects for each request has no second send: its cycle is the connection's life.
        let (last, opened) = (conn.last_request, conn.connect_started);
        if last > 0 && opened > 0 {
            self.policy.note_cycle(self.now.saturating_sub(opened));
        }
        while let Some((buffer, _)) = self.inbox.pop(&mut self.conns[id.slot as usize]) {
            self.backend.give_back(buffer);
        }
        let conn = &self.conns[id.slot as usize];
        if conn.in_flight == 0 {
            return self.finish_close(id.slot);
        }
        let under_way = [
            (conn.connecting == Connecting::InFlight, Op::Connect),
            (conn.receiving, Op::Recv),
            (conn.sending, Op::Send),
        ];
        for (_, op) in under_way.into_iter().filter(|(is, _)| *is) {
            self.conns[id.slot as usize].in_flight += 1;
            // An error here comes from the ring itself, and the next `enter` reports it.
            let _ = self.backend.cancel(key(op, id), key(Op::Cancel, id));
        }
    }

    pub(super) fn finish_close(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        debug_assert!(conn.in_flight == 0 && conn.closing && conn.first == NO_BUFFER);
        let id = ConnId {
            slot,
            generation: conn.generation,
        };
        conn.generation = conn.generation.wrapping_add(1);
        conn.closing = false;
        if let Some(fd) = conn.fd.take() {
            let _ = self.backend.close(fd, key(Op::Close, id));
            self.counters.connections_open -= 1;
            self.resume_accepting();
        }
        self.free_conns.push(slot);
    }

    pub fn listen(&mut self, listener: OwnedFd, acceptor: TaskId) -> io::Result<()> {
        if self.options.kernel_stamps {
            // Accepted sockets inherit this option.
            enable_receive_stamps(&listener)?;
        }
        self.backend.accept(&listener, plain_key(Op::Accept))?;
        self.acceptor = Some((listener, acceptor.0));
        Ok(())
    }

    pub fn pop_accepted(&mut self) -> Option<ConnId> {
        self.accepted.pop_front()
    }

    /// Makes `owner` the task that completions of the connection wake.
    pub fn set_owner(&mut self, id: ConnId, owner: TaskId) {
        self.conn(id).owner = owner.0;
    }

    fn resume_accepting(&mut self) {
        if std::mem::take(&mut self.accept_paused)
            && let Some((listener, _)) = &self.acceptor
        {
            // An error here comes from the ring itself, and the next `enter` reports it.
            let _ = self.backend.accept(listener, plain_key(Op::Accept));
        }
    }

    /// Watches the eventfd `fd`: from now on, a write to it wakes `task`.
    pub fn watch_kick(&mut self, fd: OwnedFd, task: TaskId) -> io::Result<()> {
        self.backend.read_kick(&fd, plain_key(Op::Kick))?;
        self.kick = Some((fd, task.0));
        Ok(())
    }
}
