//! A ring of provided receive buffers: the kernel picks a free one for each read, and we give it back afterwards.

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, types};

/// Number of buffers per core. Few and small buffers are faster: 512 x 2 KiB stay in the second-level cache, which
/// makes an event 5-17 % cheaper than with 4096 x 4 KiB (docs/ARCHITECTURE.md).
pub const BUFFERS: u16 = 512;
/// Size of one buffer, which holds recvmsg header, control data and payload.
pub const BUFFER_BYTES: usize = 2048;
/// Room that the kernel reserves for control messages in front of the payload; one SCM_TIMESTAMPNS takes 32 bytes.
pub const CONTROL_BYTES: usize = 64;
/// Size of `struct io_uring_recvmsg_out`, which is four u32.
const HEADER_BYTES: usize = 16;
/// Offset of the payload in a buffer filled by a multishot recvmsg without a name.
pub const PAYLOAD_AT: usize = HEADER_BYTES + CONTROL_BYTES;

const GROUP: u16 = 0;

const _: () = assert!(BUFFERS.is_power_of_two(), "the kernel masks the ring index");
const _: () = assert!(PAYLOAD_AT < BUFFER_BYTES);
const _: () = assert!(size_of::<BufRingEntry>() == 16, "the kernel's io_uring_buf");

/// Page-aligned memory, mapped once and unmapped on drop.
struct Mapping {
    at: *mut u8,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> std::io::Result<Mapping> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Mapping { at: at.cast(), bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `at` and `bytes` come from a successful mmap; `BufferRing` is dropped after the io_uring that knew
        // the memory (field order in `Ring`), so the kernel no longer writes here.
        unsafe {
            libc::munmap(self.at.cast(), self.bytes);
        }
    }
}

pub struct BufferRing {
    entries: Mapping,
    memory: Mapping,
    /// How many there are: a power of two, at most `BUFFERS`.
    count: u16,
    tail: u16,
    lent: u16,
    /// The buffers that we hold. Guards against giving one back twice.
    is_lent: [bool; BUFFERS as usize],
}

impl BufferRing {
    pub fn register(io: &IoUring, count: u16) -> std::io::Result<BufferRing> {
        assert!(
            count.is_power_of_two() && count <= BUFFERS,
            "the kernel masks the ring index"
        );
        let entries = Mapping::new(count as usize * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(count as usize * BUFFER_BYTES)?;
        // SAFETY: the mapping is page-aligned, as long as `count` entries, and lives until after the io_uring
        // is gone (field order in `Ring`).
        unsafe {
            io.submitter()
                .register_buf_ring_with_flags(entries.at as u64, count, GROUP, 0)?;
        }
        let mut ring = BufferRing {
            entries,
            memory,
            count,
            tail: 0,
            lent: 0,
            is_lent: [false; BUFFERS as usize],
        };
        for id in 0..count {
            ring.put(id);
        }
        ring.publish();
        Ok(ring)
    }

    pub fn group(&self) -> u16 {
        GROUP
    }

    pub fn lent(&self) -> u16 {
        self.lent
    }

    /// Returns true if the kernel has a buffer to fill, or will have one with the next `publish`.
    pub fn has_free(&self) -> bool {
        self.lent < self.count
    }

    /// Takes over buffer `id`, which the kernel has filled. It is ours until we give it back.
    pub fn lend(&mut self, id: u16) {
        assert!(
            id < self.count,
            "the kernel filled buffer {id}, which there is not"
        );
        assert!(
            !std::mem::replace(&mut self.is_lent[id as usize], true),
            "the kernel filled buffer {id} twice"
        );
        self.lent += 1;
    }

    /// Returns the first `len` bytes of a lent buffer.
    pub fn bytes(&self, id: u16, len: usize) -> &[u8] {
        assert!(self.is_lent[id as usize], "buffer {id} is with the kernel");
        assert!(len <= BUFFER_BYTES);
        // SAFETY: `id` is lent, hence below `count`, so the range lies in the mapping; nobody writes to a lent buffer
        // until `give_back`, which needs `&mut self` and so ends this borrow.
        unsafe { std::slice::from_raw_parts(self.memory.at.add(id as usize * BUFFER_BYTES), len) }
    }

    /// Returns the same bytes for changing; the kernel overwrites them anyway.
    pub fn bytes_mut(&mut self, id: u16, len: usize) -> &mut [u8] {
        assert!(self.is_lent[id as usize], "buffer {id} is with the kernel");
        assert!(len <= BUFFER_BYTES);
        // SAFETY: as above; `&mut self` excludes every other view of the buffers for as long as this one lives.
        unsafe { std::slice::from_raw_parts_mut(self.memory.at.add(id as usize * BUFFER_BYTES), len) }
    }

    /// Queues a lent buffer for the kernel, which sees it after the next `publish`.
    pub fn give_back(&mut self, id: u16) {
        assert!(
            std::mem::replace(&mut self.is_lent[id as usize], false),
            "buffer {id} was given back twice"
        );
        self.lent -= 1;
        self.put(id);
    }

    fn put(&mut self, id: u16) {
        let index = (self.tail & (self.count - 1)) as usize;
        // SAFETY: `index` < `count`, so the entry lies in the page-aligned mapping; the kernel reads an entry only
        // once the tail has moved past it.
        let entry = unsafe { &mut *self.entries.at.cast::<BufRingEntry>().add(index) };
        // SAFETY: `id` < `count` at both call sites, so the address lies in the mapping.
        let at = unsafe { self.memory.at.add(id as usize * BUFFER_BYTES) };
        entry.set_addr(at as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel all buffers given back so far.
    pub fn publish(&mut self) {
        // SAFETY: the mapping starts with the first entry, whose reserved field is the ring's tail; it is aligned to
        // two bytes and only we store to it.
        let tail = unsafe { &*types::BufRingEntry::tail(self.entries.at.cast()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}
