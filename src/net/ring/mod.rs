//! The io_uring of one core. This is the only place with `unsafe`.
//!
//! This module owns everything that the kernel reads or writes while an operation is in flight: send buffers by
//! connection slot, addresses for the whole run, receive buffers in the provided ring, and the eventfd's eight bytes.
//! Callers hand memory over and get it back with the completion.
#![allow(unsafe_code)]

mod buffers;
mod sizes;
mod sockets;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use socket2::SockAddr;

use crate::host::Io;
use crate::net::backend::{Completion, Features, Key, Op, Received, SLOTS_MAX, Wait};
use crate::units::{Nanos, SECOND};
pub use buffers::{BUFFER_BYTES, BUFFERS};
use buffers::{BufferRing, CONTROL_BYTES, PAYLOAD_AT};
pub use sizes::{SUBMISSIONS, Sizes, completion_entries};
pub use sockets::{choose_port_at_connect, enable_receive_stamps, receive_stamped};

/// Bytes of a connection that fit into one buffer.
pub const PAYLOAD_BYTES: usize = BUFFER_BYTES - PAYLOAD_AT;
/// Returns the key as the `user_data` of an entry.
fn pack(key: Key) -> u64 {
    debug_assert!(key.slot < SLOTS_MAX);
    (key.op as u64) << 56 | (key.slot as u64) << 32 | key.generation as u64
}

fn unpack(bits: u64) -> Key {
    let op = match (bits >> 56) as u8 {
        1 => Op::Connect,
        2 => Op::Recv,
        3 => Op::Send,
        4 => Op::Cancel,
        5 => Op::Close,
        6 => Op::Kick,
        7 => Op::Accept,
        other => unreachable!("completion of an operation that was never submitted: {other}"),
    };
    Key {
        op,
        slot: (bits >> 32) as u32 & (SLOTS_MAX - 1),
        generation: bits as u32,
    }
}

pub struct Ring {
    // Fields are dropped in this order: the io_uring must go before the memory that its operations point to.
    io: IoUring,
    buffers: BufferRing,
    /// Send buffers in flight by connection slot, stored at submission and taken at completion.
    sends: Vec<Option<Vec<u8>>>,
    /// Addresses to connect to, fixed for the ring's lifetime.
    addresses: Box<[SockAddr]>,
    /// Template of all receives: no name, CONTROL_BYTES of control data. Boxed because armed receives point to it.
    receive_header: Box<libc::msghdr>,
    kick_bytes: Box<[u8; 8]>,
    /// Entries for which the full queue had no room while the kernel took none of it, oldest first.
    waiting: VecDeque<squeue::Entry>,
    /// Calls that the kernel is to refuse, as it does when it has no memory.
    #[cfg(debug_assertions)]
    pub refusals: u32,
    pub features: Features,
}

impl Ring {
    /// Creates the ring. This must run on the thread that will use it, because SINGLE_ISSUER binds the ring to its
    /// creator.
    pub fn new(sizes: Sizes, addresses: Vec<SockAddr>) -> io::Result<Ring> {
        let (io, defer_taskrun) = build(sizes)?;
        let min_wait = io.params().is_feature_min_timeout();
        let buffers = BufferRing::register(&io, sizes.buffers)?;
        // SAFETY: an all-zero msghdr is a valid one: null pointers with zero lengths.
        let mut receive_header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        receive_header.msg_controllen = CONTROL_BYTES as _;
        Ok(Ring {
            io,
            buffers,
            sends: Vec::new(),
            addresses: addresses.into_boxed_slice(),
            receive_header,
            kick_bytes: Box::new([0; 8]),
            waiting: VecDeque::new(),
            #[cfg(debug_assertions)]
            refusals: 0,
            features: Features {
                io: Io::Uring,
                defer_taskrun,
                min_wait,
            },
        })
    }

    /// Queues an entry. Where the queue is full and the kernel takes none of it, the entry waits for the next `enter`,
    /// and so does each one after it: a cancellation must not overtake what it cancels.
    ///
    /// # Safety
    ///
    /// Memory that the entry points to must stay alive and in place until the entry's last completion.
    unsafe fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        // SAFETY: the caller guarantees it.
        if !self.waiting.is_empty() || !unsafe { self.try_push(&entry) }? {
            self.waiting.push_back(entry);
        }
        Ok(())
    }

    /// Queues an entry, for which it makes room. Returns false if the kernel makes none.
    ///
    /// # Safety
    ///
    /// As of `push`.
    unsafe fn try_push(&mut self, entry: &squeue::Entry) -> io::Result<bool> {
        loop {
            // SAFETY: the caller guarantees it.
            if unsafe { self.io.submission().push(entry) }.is_ok() {
                return Ok(true);
            }
            if !self.makes_room()? {
                return Ok(false);
            }
        }
    }

    /// Hands the full queue to the kernel. Returns false if it took nothing: it has no memory (EAGAIN), or wants its
    /// completions to be taken first (EBUSY).
    fn makes_room(&mut self) -> io::Result<bool> {
        #[cfg(debug_assertions)]
        if self.refusals > 0 {
            self.refusals -= 1;
            return Ok(false);
        }
        loop {
            match self.io.submit() {
                Ok(taken) => return Ok(taken > 0),
                Err(e) => match e.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::EBUSY) => return Ok(false),
                    _ => return Err(e),
                },
            }
        }
    }

    /// Queues what the full queue had no room for.
    fn push_waiting(&mut self) -> io::Result<()> {
        while let Some(entry) = self.waiting.pop_front() {
            // SAFETY: whoever pushed the entry guarantees it.
            if !unsafe { self.try_push(&entry) }? {
                self.waiting.push_front(entry);
                break;
            }
        }
        Ok(())
    }

    /// Returns true if the kernel has not taken all that was queued.
    pub fn has_queued(&mut self) -> bool {
        !self.waiting.is_empty() || !self.io.submission().is_empty()
    }

    pub fn connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        let entry = self.connect_entry(fd, address, key);
        // SAFETY: the address is in a boxed slice that is neither moved nor changed while the ring lives.
        unsafe { self.push(entry) }
    }

    /// Waits for the end of a connect that is under way, on a thread of the kernel: a second connect does not wait.
    pub fn await_connect(&mut self, fd: &OwnedFd, address: usize, key: Key) -> io::Result<()> {
        let entry = self.connect_entry(fd, address, key).flags(squeue::Flags::ASYNC);
        // SAFETY: the address is in a boxed slice that is neither moved nor changed while the ring lives.
        unsafe { self.push(entry) }
    }

    fn connect_entry(&self, fd: &OwnedFd, address: usize, key: Key) -> squeue::Entry {
        let to = &self.addresses[address];
        opcode::Connect::new(Fd(fd.as_raw_fd()), to.as_ptr().cast(), to.len())
            .build()
            .user_data(pack(key))
    }

    /// Arms a multishot receive, which stays armed until a completion without `more`.
    pub fn receive(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        let group = self.buffers.group();
        let entry = opcode::RecvMsgMulti::new(Fd(fd.as_raw_fd()), &*self.receive_header, group)
            .build()
            .user_data(pack(key));
        // SAFETY: the header is boxed and lives as long as the ring; the buffers belong to the provided ring.
        unsafe { self.push(entry) }
    }

    /// Sends `bytes[from..]`. At most one send per slot may be in flight; `take_sent` returns the buffer.
    pub fn send(&mut self, fd: &OwnedFd, bytes: Vec<u8>, from: usize, key: Key) -> io::Result<()> {
        let end = bytes.len();
        self.send_part(fd, bytes, from..end, key)
    }

    /// Sends a part of `bytes`.
    pub fn send_part(
        &mut self,
        fd: &OwnedFd,
        bytes: Vec<u8>,
        part: Range<usize>,
        key: Key,
    ) -> io::Result<()> {
        let rest = &bytes[part];
        let entry = opcode::Send::new(Fd(fd.as_raw_fd()), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build()
            .user_data(pack(key));
        self.keep_send(key, bytes);
        // SAFETY: the bytes are on the heap, in a Vec that stays untouched in `sends` until `take_sent`, which is
        // called only for the send's completion; moving the Vec itself doesn't move them.
        unsafe { self.push(entry) }
    }

    /// Keeps the bytes of a send until its completion.
    pub fn keep_send(&mut self, key: Key, bytes: Vec<u8>) {
        let slot = key.slot as usize;
        if self.sends.len() <= slot {
            self.sends.resize_with(slot + 1, || None);
        }
        assert!(self.sends[slot].is_none(), "two sends in flight on slot {slot}");
        self.sends[slot] = Some(bytes);
    }

    /// Returns the buffer of a completed send.
    pub fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        assert!(completion.key.op == Op::Send && !completion.more);
        self.sends[completion.key.slot as usize]
            .take()
            .expect("a send completes once")
    }

    /// Accepts connections until it is cancelled. Each completion's result is a new descriptor.
    pub fn accept(&mut self, listener: &OwnedFd, key: Key) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(pack(key));
        // SAFETY: the operation points to no memory of ours.
        unsafe { self.push(entry) }
    }

    /// Takes over the descriptor of a successful accept completion.
    pub fn accepted(&mut self, completion: &Completion) -> OwnedFd {
        use std::os::fd::FromRawFd;
        assert!(completion.key.op == Op::Accept && completion.result >= 0);
        // SAFETY: the kernel made this descriptor for this completion and nobody else has it; the driver calls
        // this once per completion.
        unsafe { OwnedFd::from_raw_fd(completion.result) }
    }

    /// Cancels one operation. Both the operation and the cancellation still get their own last completion.
    ///
    /// The operation is named by its key, which the kernel finds in a hash table. To find a descriptor it would walk
    /// through all armed operations: closing 10,000 connections by descriptor kept a core busy for seconds.
    pub fn cancel(&mut self, operation: Key, key: Key) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(pack(operation))
            .build()
            .user_data(pack(key));
        // SAFETY: the operation points to no memory of ours.
        unsafe { self.push(entry) }
    }

    /// Closes a descriptor. No operation may be in flight on it: an armed receive would keep the connection open.
    pub fn close(&mut self, fd: OwnedFd, key: Key) -> io::Result<()> {
        let raw: RawFd = fd.into_raw_fd();
        let entry = opcode::Close::new(Fd(raw)).build().user_data(pack(key));
        // SAFETY: the operation points to no memory of ours, and the kernel now owns the descriptor.
        unsafe { self.push(entry) }
    }

    /// Queues a read of an eventfd, so that another thread can end a wait.
    pub fn read_kick(&mut self, fd: &OwnedFd, key: Key) -> io::Result<()> {
        let at = self.kick_bytes.as_mut_ptr();
        let entry = opcode::Read::new(Fd(fd.as_raw_fd()), at, 8)
            .build()
            .user_data(pack(key));
        // SAFETY: the eight bytes are boxed, live as long as the ring, and we never read them.
        unsafe { self.push(entry) }
    }

    /// Submits all queued entries and waits as `wait` says. A timeout or a signal is not an error.
    pub fn enter(&mut self, wait: Wait, want: usize) -> io::Result<()> {
        self.buffers.publish();
        self.push_waiting()?;
        // What still waits must not wait for a completion.
        let wait = match wait {
            Wait::Yes { .. } if !self.waiting.is_empty() => Wait::No,
            wait => wait,
        };
        let result = match wait {
            Wait::Left if self.io.submission().is_empty() => return Ok(()),
            Wait::Left => self.io.submit(),
            Wait::No => {
                let timespec = Timespec::new();
                // With a zero timeout the kernel runs deferred work and returns at once.
                let args = SubmitArgs::new().timespec(&timespec);
                self.io.submitter().submit_with_args(want, &args)
            }
            Wait::Yes { timeout, min_wait_us } => {
                let min_wait_us = if self.features.min_wait { min_wait_us } else { 0 };
                let want = if min_wait_us == 0 { 1 } else { want };
                let timespec = timeout.map(|t| Timespec::new().sec(t / SECOND).nsec((t % SECOND) as u32));
                match &timespec {
                    Some(timespec) => {
                        let args = SubmitArgs::new().timespec(timespec).min_wait_usec(min_wait_us);
                        self.io.submitter().submit_with_args(want, &args)
                    }
                    None if min_wait_us > 0 => {
                        let args = SubmitArgs::new().min_wait_usec(min_wait_us);
                        self.io.submitter().submit_with_args(want, &args)
                    }
                    None => self.io.submitter().submit_and_wait(1),
                }
            }
        };
        match result {
            Ok(_) => Ok(()),
            Err(e) => match e.raw_os_error() {
                // A timeout, a signal, or completions that must be drained first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(e),
            },
        }
    }

    /// Appends the available completions to `out`, at most `max`.
    pub fn drain(&mut self, out: &mut Vec<Completion>, max: usize) {
        let mut queue = self.io.completion();
        queue.sync();
        for entry in queue.by_ref().take(max) {
            let completion = Completion {
                key: unpack(entry.user_data()),
                result: entry.result(),
                more: cqueue::more(entry.flags()),
                buffer: cqueue::buffer_select(entry.flags()),
            };
            if let Some(id) = completion.buffer {
                self.buffers.lend(id);
            }
            out.push(completion);
        }
    }

    pub fn overflows(&mut self) -> u32 {
        self.io.completion().overflow()
    }

    pub fn buffers_lent(&self) -> u16 {
        self.buffers.lent()
    }

    pub fn has_free_buffers(&self) -> bool {
        self.buffers.has_free()
    }

    /// Reads the header and control data that a multishot recvmsg wrote in front of the payload.
    pub fn received(&self, id: u16, result: usize) -> Received {
        let bytes = self.buffers.bytes(id, result.min(BUFFER_BYTES));
        let control_bytes = read_u32(bytes, 4).min(CONTROL_BYTES as u32) as usize;
        let payload_bytes = result.saturating_sub(PAYLOAD_AT);
        let control = bytes.get(16..16 + control_bytes).unwrap_or(&[]);
        Received {
            payload_bytes,
            stamp_realtime: find_stamp(control),
        }
    }

    pub fn payload(&self, id: u16, payload_bytes: usize) -> &[u8] {
        &self.buffers.bytes(id, PAYLOAD_AT + payload_bytes)[PAYLOAD_AT..]
    }

    pub fn payload_mut(&mut self, id: u16, payload_bytes: usize) -> &mut [u8] {
        &mut self.buffers.bytes_mut(id, PAYLOAD_AT + payload_bytes)[PAYLOAD_AT..]
    }

    pub fn give_back(&mut self, id: u16) {
        self.buffers.give_back(id);
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

fn read_i64(bytes: &[u8], at: usize) -> Option<i64> {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map(i64::from_ne_bytes)
}

/// Finds the SCM_TIMESTAMPNS message in control data and returns its time. A message is cmsghdr {len: u64, level: i32,
/// type: i32}, followed by {sec: i64, nsec: i64}.
fn find_stamp(control: &[u8]) -> Option<Nanos> {
    let mut at = 0;
    while let Some(len) = read_i64(control, at) {
        let len = usize::try_from(len).ok()?;
        if len < 16 || at + len > control.len() {
            return None;
        }
        let level = read_u32(control, at + 8) as i32;
        let kind = read_u32(control, at + 12) as i32;
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            let sec = u64::try_from(read_i64(control, at + 16)?).ok()?;
            let nsec = u64::try_from(read_i64(control, at + 24)?).ok()?;
            return Some(sec * SECOND + nsec);
        }
        at += len.next_multiple_of(8);
    }
    None
}

/// Creates the io_uring, with SINGLE_ISSUER and DEFER_TASKRUN where the kernel supports them (6.1 and later): a plain
/// ring costs 2.5 times as much under full load. Also returns whether they are in use.
fn build(sizes: Sizes) -> io::Result<(IoUring, bool)> {
    let deferred = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(sizes.completions)
        .build(sizes.submissions);
    match deferred {
        Ok(io) => Ok((io, true)),
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            let io = IoUring::builder()
                .setup_cqsize(sizes.completions)
                .build(sizes.submissions)?;
            Ok((io, false))
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_packing() {
        for op in [
            Op::Connect,
            Op::Recv,
            Op::Send,
            Op::Cancel,
            Op::Close,
            Op::Kick,
            Op::Accept,
        ] {
            let key = Key {
                op,
                slot: SLOTS_MAX - 1,
                generation: u32::MAX - 3,
            };
            assert_eq!(unpack(pack(key)), key);
        }
    }

    #[test]
    fn a_stamp_is_found_after_another_control_message() {
        let mut control = Vec::new();
        for (len, kind, a, b) in [(24u64, 1i32, 7i64, 0i64), (32, libc::SCM_TIMESTAMPNS, 5, 9)] {
            control.extend(len.to_ne_bytes());
            control.extend(libc::SOL_SOCKET.to_ne_bytes());
            control.extend(kind.to_ne_bytes());
            control.extend(a.to_ne_bytes());
            if len == 32 {
                control.extend(b.to_ne_bytes());
            }
        }
        assert_eq!(find_stamp(&control), Some(5 * SECOND + 9));
        assert_eq!(find_stamp(&control[..20]), None);
        assert_eq!(find_stamp(&[]), None);
    }
}
