//! Reads what arrives of an answer, piece by piece.
//!
//! While its user waits on a plain connection, the reader of an answer is lent to the loop, which reads each piece
//! where it takes it from the kernel, and wakes the user's task when the answer is over. A stream has as many pieces as
//! tokens: to wake the task for each would touch its memory and the executor's each time, only to let it wait again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::CoreState;
use super::exchange::RequestState;
use super::limits::Limits;
use super::memory::Held;
use super::response::{Progress, ResponseReader, TokenSink};
use super::secure::read_encrypted;
use super::witness::Witness;
use crate::metrics::{Outcome, Place, Recorder};
use crate::net::{Chunk, ConnId, Net, TaskId};
use crate::tls::TlsConnection;
use crate::units::Nanos;

/// What reads the answers of one connection.
pub(super) struct Reading {
    pub reader: ResponseReader,
    /// The gaps between the tokens of the answer, if they are kept.
    pub gaps: Vec<Nanos>,
    /// What the server says about the answer, with `--verify-stamps`.
    pub witness: Option<Witness>,
    /// Its share of the memory for unfinished answers.
    held: Held,
}

/// How an answer ended that needed no word of the connection's end for it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It is complete, or no answer.
    Over { outcome: Outcome, reusable: bool },
    /// It took too much memory or time. The connection is of no use any more.
    Cut(Outcome, Nanos),
}

impl Reading {
    pub fn new() -> Reading {
        Reading {
            reader: ResponseReader::new(),
            gaps: Vec::new(),
            witness: None,
            held: Held::default(),
        }
    }

    /// Counts the memory that the connection holds. Returns false if all connections together hold too much.
    pub fn has_memory(&mut self, core: &CoreState, tls: Option<&TlsConnection>) -> bool {
        let tls = tls.map_or(0, TlsConnection::held_bytes);
        let gaps = self.gaps.capacity() * size_of::<Nanos>();
        self.held.set(&core.memory, self.reader.held_bytes() + tls + gaps)
    }

    /// Reads a chunk. Returns how the answer ended, if it did.
    pub fn read(
        &mut self,
        core: &CoreState,
        chunk: Chunk<'_>,
        mut tls: Option<&mut TlsConnection>,
        (request, limits): (&mut RequestState, &Limits),
    ) -> Option<Ending> {
        #[cfg(debug_assertions)]
        super::sabotage::panic_reading(&request.id);
        let arrived = chunk.stamp;
        match self.read_chunk(core, chunk, tls.as_deref_mut(), request) {
            Progress::More if !self.has_memory(core, tls.as_deref()) => {
                self.reader.instead(Place::Memory(core.memory.max() as u64));
                let outcome = self.reader.refusal().unwrap_or(Outcome::TooLarge);
                Some(Ending::Cut(outcome, arrived))
            }
            Progress::More if limits.have_passed(&self.reader) => {
                let last = self.reader.arrivals.last;
                Some(Ending::Cut(limits.outcome(&self.reader, last), last))
            }
            Progress::More => None,
            Progress::Over { outcome, reusable } => {
                let outcome = limits.of_answer(&self.reader, outcome);
                Some(Ending::Over { outcome, reusable })
            }
        }
    }

    /// Reads a chunk, and counts everything that is counted per read.
    fn read_chunk(
        &mut self,
        core: &CoreState,
        chunk: Chunk<'_>,
        tls: Option<&mut TlsConnection>,
        request: &mut RequestState,
    ) -> Progress {
        // This is the only place that decides when bytes arrived: not before the request went out, and not before
        // the previous read. The kernel's stamps use the wall clock, which may have been set in the meantime.
        let earliest = request.sent.unwrap_or(request.due).max(self.reader.arrivals.last);
        let arrived = chunk.stamp.max(earliest);
        let mut recorder = core.recorder.borrow_mut();
        recorder.reap_lag(chunk.lag());
        let mut sink = RecorderSink {
            recorder: &mut recorder,
            slot: request.slot,
            coalesced: false,
            gaps: core.options.gaps.then_some(&mut self.gaps),
            witness: core.options.verify_stamps.then_some(&mut self.witness),
        };
        let reader = &mut self.reader;
        let progress = match tls {
            None => chunk.consume(|bytes| reader.read(bytes, arrived, &mut sink)),
            Some(tls) => {
                let read = |plain: &[u8]| reader.read(plain, arrived, &mut sink);
                read_encrypted(core, tls, chunk, read)
            }
        };
        if sink.coalesced {
            core.net.note_coalesced();
        }
        if self.reader.arrivals.first_token.is_some() {
            core.traffic.answering(request.target, &mut request.noted);
        }
        progress
    }

    /// Notes when the request went out, as long as nothing has come back.
    pub fn note_sent(&self, net: &Net, conn: ConnId, request: &mut RequestState) {
        if !request.tls_output_sent && (request.sent.is_none() || self.reader.arrivals.first_byte.is_none()) {
            request.sent = net.sent_at(conn);
        }
    }
}

struct RecorderSink<'a> {
    recorder: &'a mut Recorder,
    slot: u16,
    coalesced: bool,
    gaps: Option<&'a mut Vec<Nanos>>,
    witness: Option<&'a mut Option<Witness>>,
}

impl TokenSink for RecorderSink<'_> {
    fn gap(&mut self, gap: Nanos) {
        self.recorder.gap(self.slot, gap);
        if let Some(gaps) = &mut self.gaps {
            gaps.push(gap);
        }
    }

    fn coalesced(&mut self) {
        self.coalesced = true;
        self.recorder.counters().coalesced_events += 1;
    }

    fn token(&mut self, data: &[u8], arrived: Nanos) {
        self.recorder.counters().token_events += 1;
        if let Some(witness) = &mut self.witness {
            Witness::hear(witness, data, arrived, self.recorder);
        }
    }
}

/// A reader that the loop uses, with what it has to know of the request.
pub(super) struct Loan {
    pub reading: Box<Reading>,
    pub request: RequestState,
    pub limits: Limits,
    pub task: TaskId,
    /// How the answer ended; or the panic of its reader, which belongs to the user's task.
    end: Option<Result<Ending, Box<dyn Any + Send>>>,
}

impl Loan {
    /// Reads what has arrived.
    fn read(&mut self, core: &CoreState, conn: ConnId) -> Option<Ending> {
        while let Some(chunk) = core.net.receive_now(conn) {
            self.reading.note_sent(&core.net, conn, &mut self.request);
            let of = (&mut self.request, &self.limits);
            if let Some(ending) = self.reading.read(core, chunk, None, of) {
                return Some(ending);
            }
        }
        core.net
            .set_limit(self.task, self.limits.deadline(&self.reading.reader));
        None
    }
}

/// The readers that the loop of a core uses, by connection.
#[derive(Default)]
pub struct Lent(Vec<Option<Loan>>);

impl Lent {
    /// Lends a reader until [`Self::take`].
    pub(super) fn lend(
        &mut self,
        conn: ConnId,
        reading: Box<Reading>,
        (request, limits, task): (RequestState, Limits, TaskId),
    ) {
        if self.0.len() <= conn.index() {
            self.0.resize_with(conn.index() + 1, || None);
        }
        self.0[conn.index()] = Some(Loan {
            reading,
            request,
            limits,
            task,
            end: None,
        });
    }

    /// Brings the readers of these connections into the cache.
    fn touch(&self, connections: &[ConnId]) {
        let loans = || {
            let loans = connections.iter().filter_map(|conn| self.0.get(conn.index()));
            loans.filter_map(Option::as_ref)
        };
        // First what says where the readers are, then the readers.
        let lent = loans().map(|loan| loan.request.due ^ u64::from(loan.end.is_some()));
        std::hint::black_box(lent.fold(0, |all, one| all ^ one));
        let readers = loans().map(|loan| loan.reading.reader.touch());
        std::hint::black_box(readers.fold(0, |all, one| all ^ one));
    }

    /// Tells whether the answer on a connection is over.
    pub(super) fn is_over(&self, conn: ConnId) -> bool {
        self.0[conn.index()]
            .as_ref()
            .is_some_and(|loan| loan.end.is_some())
    }

    /// Returns a reader that was lent, and how the answer ended, if it has. Panics if the reader did.
    pub(super) fn take(&mut self, conn: ConnId) -> (Box<Reading>, RequestState, Option<Ending>) {
        let Some(loan) = self.0[conn.index()].take() else {
            unreachable!("a reader is taken back once");
        };
        let ending = match loan.end {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(ending)) => Some(ending),
            None => None,
        };
        (loan.reading, loan.request, ending)
    }
}

/// Reads what has arrived on connections whose readers are lent, and wakes the users whose answers are over. Brings the
/// readers into the cache first.
pub(super) fn read_arrived(core: &CoreState, connections: &[ConnId]) {
    core.lent.borrow().touch(connections);
    for conn in connections {
        read_from(core, *conn);
    }
}

fn read_from(core: &CoreState, conn: ConnId) {
    let mut lent = core.lent.borrow_mut();
    let loan = lent.0.get_mut(conn.index()).and_then(Option::as_mut);
    let Some(loan) = loan.filter(|loan| loan.end.is_none()) else {
        return;
    };
    // A panic ends one user, and not the loop of all.
    let read = catch_unwind(AssertUnwindSafe(|| loan.read(core, conn)));
    loan.end = read.transpose();
    if loan.end.is_some() {
        core.net.wake_in_turn(loan.task);
    }
}
