//! Writes the details in a thread of its own, so that a disk that hangs keeps neither the reporter nor the load
//! waiting.

use std::mem::size_of_val;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{ExitCode, Failure, Reason};
use crate::metrics::Sample;
use crate::output::{DetailSpool, Spooled};
use crate::units::Nanos;

/// What may wait for the disk: a second of details of all cores, several times over. What finds no room is counted as
/// lost.
const QUEUED_BYTES_MAX: usize = 256 << 20;
/// How long the end of a run waits for a disk to take what is queued.
const END_WITHIN: Duration = Duration::from_secs(30);
/// The same after a second signal, which leaves 100 ms for everything.
const END_IN_A_HURRY: Duration = Duration::from_millis(50);

enum Work {
    Pass { prefix: String, realtime_offset: i128 },
    Batch { samples: Vec<Sample>, gaps: Vec<Nanos> },
}

/// The details on their way to disk.
pub struct Spooling {
    work: Sender<Work>,
    /// Bytes of batches that are not written yet.
    queued: Arc<AtomicUsize>,
    failed: Receiver<Failure>,
    /// Gives the spool back once everything is written.
    done: Receiver<DetailSpool>,
    /// Requests that found no room in the queue.
    lost: u64,
    /// Requests that were handed to the thread.
    taken: u64,
}

/// What became of the details.
pub struct Ended {
    /// The file; `None` if the disk still hangs.
    pub spooled: Option<Spooled>,
    pub lost: u64,
}

impl Spooling {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// Says that this host gives no further thread.
    pub fn start(mut spool: DetailSpool) -> Result<Spooling, Failure> {
        let (work, batches) = unbounded::<Work>();
        let (fail, failed) = unbounded();
        let (give_back, done) = bounded(1);
        let queued = Arc::new(AtomicUsize::new(0));
        let written = queued.clone();
        let thread = move || {
            for work in batches {
                match work {
                    Work::Pass {
                        prefix,
                        realtime_offset,
                    } => spool.begin_pass(prefix, realtime_offset),
                    Work::Batch { samples, gaps } => {
                        if let Err(failure) = spool.append(&samples, &gaps) {
                            let _ = fail.send(failure);
                        }
                        written.fetch_sub(bytes_of(&samples, &gaps), Ordering::Relaxed);
                    }
                }
            }
            let _ = give_back.send(spool);
        };
        let started = std::thread::Builder::new()
            .name("details".to_owned())
            .spawn(thread);
        started.map_err(|e| {
            let reason = Reason::new(format!("no thread to write details: {e}"));
            Failure::new(ExitCode::Host, reason.hint("raise `ulimit -u`"))
        })?;
        Ok(Spooling {
            work,
            queued,
            failed,
            done,
            lost: 0,
            taken: 0,
        })
    }

    /// Begins the next pass; see [`DetailSpool::begin_pass`].
    pub fn begin_pass(&mut self, prefix: String, realtime_offset: i128) {
        let _ = self.work.send(Work::Pass {
            prefix,
            realtime_offset,
        });
    }

    /// Takes the details of a snapshot. It never waits: what has no room is counted as lost.
    pub fn append(&mut self, samples: &[Sample], gaps: &[Nanos]) {
        if samples.is_empty() {
            return;
        }
        let bytes = bytes_of(samples, gaps);
        if self.queued.load(Ordering::Relaxed) + bytes > QUEUED_BYTES_MAX {
            self.lost += samples.len() as u64;
            return;
        }
        self.queued.fetch_add(bytes, Ordering::Relaxed);
        self.taken += samples.len() as u64;
        let (samples, gaps) = (samples.to_vec(), gaps.to_vec());
        let _ = self.work.send(Work::Batch { samples, gaps });
    }

    /// Returns the next failure that nobody has been told yet.
    pub fn failure(&self) -> Option<Failure> {
        self.failed.try_recv().ok()
    }

    /// Waits for the disk to take what is queued. A disk that does not is a failure, and all details are lost.
    pub fn finish(self, in_a_hurry: bool, failures: &mut Vec<Failure>) -> Ended {
        drop(self.work);
        let within = if in_a_hurry { END_IN_A_HURRY } else { END_WITHIN };
        let spooled = self.done.recv_timeout(within).ok().map(DetailSpool::finish);
        failures.extend(self.failed.try_iter());
        let lost = match &spooled {
            Some(spooled) => self.lost + spooled.lost,
            None => self.lost + self.taken,
        };
        if spooled.is_none() {
            let what = format!(
                "the details: their disk took nothing for {} s",
                within.as_secs_f64()
            );
            let hint = "they may be in the file beside the document once the disk goes on";
            failures.push(Failure::new(ExitCode::Output, Reason::new(what).hint(hint)));
        }
        Ended { spooled, lost }
    }
}

fn bytes_of(samples: &[Sample], gaps: &[Nanos]) -> usize {
    size_of_val(samples) + size_of_val(gaps)
}
