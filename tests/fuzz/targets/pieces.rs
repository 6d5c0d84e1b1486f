//! Bytes that come in pieces, and how often they were asked for.

use super::cuts;
use std::cell::Cell;
use std::io::{BufRead, Read, Result};
use std::rc::Rc;

/// Bytes that are cut where their own bytes decide. A reader must say the same of them as of the whole, and ask for
/// them no more often than they are long.
#[derive(Clone)]
pub struct Pieces {
    bytes: Rc<[u8]>,
    ends: Rc<[usize]>,
    at: usize,
    piece: usize,
    steps: Rc<Cell<usize>>,
}

impl Pieces {
    pub fn new(bytes: &[u8]) -> Pieces {
        let ends: Vec<usize> = cuts(bytes).into_iter().chain([bytes.len()]).collect();
        Pieces {
            bytes: bytes.into(),
            ends: ends.into(),
            at: 0,
            piece: 0,
            steps: Rc::default(),
        }
    }

    /// Asserts that the reading of this and of its clones took a number of steps that grows with the bytes.
    pub fn assert_linear(&self, readings: usize) {
        let (steps, bytes) = (self.steps.get(), self.bytes.len());
        // A bracket that opens takes a dozen: whether one follows is asked at each level.
        let most = readings * (16 * bytes + 64);
        assert!(steps <= most, "{steps} steps for {bytes} bytes");
    }

    fn count(&self) {
        self.steps.set(self.steps.get() + 1);
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let taken = {
            let mut piece = self.fill_buf()?;
            piece.read(out)?
        };
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.count();
        while self.piece + 1 < self.ends.len() && self.ends[self.piece] <= self.at {
            self.piece += 1;
        }
        Ok(&self.bytes[self.at..self.ends[self.piece]])
    }

    fn consume(&mut self, bytes: usize) {
        self.count();
        self.at += bytes;
        assert!(
            self.at <= self.ends[self.piece],
            "more is consumed than there was"
        );
    }
}
