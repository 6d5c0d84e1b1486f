//! The receive buffers of one core: as many and as large as those that the ring provides, so that both read alike.

use crate::net::backend::Received;
use crate::net::ring::{BUFFERS, PAYLOAD_BYTES};
use crate::units::Nanos;

pub struct Buffers {
    memory: Vec<u8>,
    free: Vec<u16>,
    /// Arrival of what each buffer holds, by CLOCK_REALTIME.
    stamps: Vec<Option<Nanos>>,
    /// The buffers that were taken. Guards against giving one back twice.
    is_lent: [bool; BUFFERS as usize],
}

impl Buffers {
    pub fn new() -> Buffers {
        Buffers {
            memory: vec![0; usize::from(BUFFERS) * PAYLOAD_BYTES],
            free: (0..BUFFERS).rev().collect(),
            stamps: vec![None; usize::from(BUFFERS)],
            is_lent: [false; BUFFERS as usize],
        }
    }

    pub fn lent(&self) -> u16 {
        BUFFERS - self.free.len() as u16
    }

    pub fn take(&mut self) -> Option<u16> {
        let id = self.free.pop()?;
        self.is_lent[usize::from(id)] = true;
        Some(id)
    }

    pub fn give_back(&mut self, id: u16) {
        let was_lent = std::mem::replace(&mut self.is_lent[usize::from(id)], false);
        assert!(was_lent, "buffer {id} was given back twice");
        self.free.push(id);
    }

    /// Notes when the bytes arrived that `space` of this buffer was filled with.
    pub fn stamp(&mut self, id: u16, at: Option<Nanos>) {
        self.stamps[usize::from(id)] = at;
    }

    pub fn received(&self, id: u16, payload_bytes: usize) -> Received {
        Received {
            payload_bytes,
            stamp_realtime: self.stamps[usize::from(id)],
        }
    }

    /// Returns all of a buffer that was taken.
    pub fn space(&mut self, id: u16) -> &mut [u8] {
        assert!(self.is_lent[usize::from(id)], "buffer {id} is free");
        let at = usize::from(id) * PAYLOAD_BYTES;
        &mut self.memory[at..at + PAYLOAD_BYTES]
    }

    pub fn payload(&self, id: u16, payload_bytes: usize) -> &[u8] {
        assert!(self.is_lent[usize::from(id)], "buffer {id} is free");
        let at = usize::from(id) * PAYLOAD_BYTES;
        &self.memory[at..at + PAYLOAD_BYTES][..payload_bytes]
    }
}
