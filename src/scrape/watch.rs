//! The threads that watch the servers of a load, and the reporter's handle on them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::held::held;
use super::server::MetricsServer;
use super::slots::{Obstacle, Reading, SlotAccount};
use super::threads::{lock, wait_for_each, wait_or_signal};
use crate::engine::{CoreTraffic, Traffic, traffic_to};
use crate::net::clock;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The time limit of one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// For how long a server may still hold requests of an earlier load before somebody else's are seen in them, and for
/// how long the load is waited for at its end.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// The time between two questions, on average: at least, and at most.
const PACE: [Nanos; 2] = [50 * MILLISECOND, SECOND];
/// A server answers questions for no more than one part in so many of the time.
const ANSWERING_PART: Nanos = 20;

/// The servers that are watched during one load.
pub struct SlotWatch {
    watched: Vec<Watched>,
}

struct Watched {
    account: Arc<Mutex<SlotAccount>>,
    /// Dropped to end the watch at once; a message lets it go on until nothing is held any more.
    stop: Option<Sender<()>>,
    /// Closed when the thread has read for the last time.
    done: Receiver<()>,
}

/// What a thread needs.
struct Watcher {
    server: MetricsServer,
    traffic: Vec<CoreTraffic>,
    target: u16,
    account: Arc<Mutex<SlotAccount>>,
}

impl SlotWatch {
    /// Begins to watch `servers`, which are the targets of the load in order, and returns when each has said what it
    /// holds before the load, or after three seconds. The threads stay on the CPUs of the caller.
    pub fn start(servers: Vec<Result<MetricsServer, Obstacle>>, traffic: &[CoreTraffic]) -> SlotWatch {
        let mut started = Vec::new();
        let targets = (0u16..).zip(servers);
        let watched = targets.map(|(target, server)| {
            let account = Arc::new(Mutex::new(SlotAccount::default()));
            let (stop, stopped) = bounded(1);
            let (finished, done) = bounded::<()>(0);
            let (ready, is_ready) = bounded::<()>(0);
            started.push(is_ready);
            match server {
                Err(obstacle) => *lock(&account) = SlotAccount::without(obstacle),
                Ok(server) => {
                    let watcher = Watcher {
                        server,
                        traffic: traffic.to_vec(),
                        target,
                        account: account.clone(),
                    };
                    let run = move || {
                        let _finished = finished;
                        watcher.run(&stopped, ready);
                    };
                    if let Err(e) = std::thread::Builder::new().name("scraper".into()).spawn(run) {
                        *lock(&account) = SlotAccount::without(Obstacle::NoAnswer(e.to_string()));
                    }
                }
            }
            Watched {
                account,
                stop: Some(stop),
                done,
            }
        });
        let watched = watched.collect();
        wait_for_each(&started, ANSWER_LIMIT + DRAIN_LIMIT);
        SlotWatch { watched }
    }

    /// Ends the watch. Unless there is no time, waits until the servers hold nothing any more of what is over for the
    /// client, for two seconds at most, or until a signal comes. Returns the account of each server, and whether a
    /// signal came.
    pub fn finish(mut self, wait: bool, signals: &Receiver<i32>) -> (Vec<SlotAccount>, bool) {
        for watched in &mut self.watched {
            match wait {
                // The channel is empty: this is the only message.
                true => drop(watched.stop.as_ref().map(|stop| stop.try_send(()))),
                false => drop(watched.stop.take()),
            }
        }
        // A thread that is in the middle of a question may take as long as an answer.
        let threads = self.watched.iter().map(|watched| &watched.done);
        let signalled = wait && wait_or_signal(threads, DRAIN_LIMIT + ANSWER_LIMIT, signals);
        let accounts = self.watched.iter().map(|watched| lock(&watched.account).clone());
        (accounts.collect(), signalled)
    }
}

impl Watcher {
    fn run(self, stopped: &Receiver<()>, ready: Sender<()>) {
        match self.first(stopped) {
            Ok(()) => {}
            Err(obstacle) => {
                lock(&self.account).obstacle = Some(obstacle);
                return;
            }
        }
        drop(ready);
        let (mut pace, mut turn) = (PACE[0], 0);
        let mut until = None;
        loop {
            match until {
                None => match stopped.recv_timeout(Duration::from_nanos(paced(pace, turn))) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(()) => until = Some(clock::monotonic() + DRAIN_LIMIT.as_nanos() as Nanos),
                },
                Some(until) if clock::monotonic() >= until => return,
                Some(_) => {
                    // The handle may be gone by now, or it still waits; nothing else is sent.
                    let pause = Duration::from_nanos(PACE[0]);
                    if matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Disconnected)) {
                        return;
                    }
                }
            }
            turn += 1;
            let (reading, took) = self.read();
            pace = match &reading {
                Ok(_) => (took * ANSWERING_PART).clamp(PACE[0], PACE[1]),
                Err(_) => PACE[1],
            };
            let mut account = lock(&self.account);
            let excess = reading.as_ref().is_ok_and(|(reading, _)| reading.has_excess());
            match reading {
                Ok((reading, _)) => account.add(reading),
                Err(_) => account.failed += 1,
            }
            if until.is_some() && !excess {
                return;
            }
        }
    }

    /// Makes the first reading, when nothing is in flight. What the server still holds of an earlier load may end.
    fn first(&self, stopped: &Receiver<()>) -> Result<(), Obstacle> {
        let until = clock::monotonic() + DRAIN_LIMIT.as_nanos() as Nanos;
        loop {
            let (reading, gauges) = self.read().0?;
            if !reading.has_excess() {
                let mut account = lock(&self.account);
                account.gauges = Some(gauges);
                account.add(reading);
                return Ok(());
            }
            if clock::monotonic() >= until {
                return Err(Obstacle::Others(reading.held.round() as u64));
            }
            if !matches!(
                stopped.recv_timeout(Duration::from_nanos(PACE[0])),
                Err(RecvTimeoutError::Timeout)
            ) {
                return Err(Obstacle::Others(reading.held.round() as u64));
            }
        }
    }

    /// Asks the server once. Returns how long that took as well.
    fn read(&self) -> (Result<(Reading, &'static super::ServerGauges), Obstacle>, Nanos) {
        let traffic = || traffic_to(&self.traffic, self.target);
        let (before, begun) = (traffic(), clock::monotonic());
        let answer = self.server.read(ANSWER_LIMIT);
        let (after, ended) = (traffic(), clock::monotonic());
        let reading = answer.map_err(Obstacle::NoAnswer).and_then(|text| {
            let held = held(&text).ok_or(Obstacle::NoGauge)?;
            let mean = |of: fn(&Traffic) -> u64| (of(&before) + of(&after)) as f64 / 2.0;
            let reading = Reading {
                at: begun + (ended - begun) / 2,
                held: held.all(),
                in_flight: mean(|t| t.in_flight),
                answering: mean(|t| t.answering),
                cut: after.cut,
            };
            Ok((reading, held.gauges))
        });
        (reading, ended - begun)
    }
}

/// Returns the pause before question number `turn`: between a half of `pace` and one and a half of it, spread evenly,
/// so that no rhythm of the load falls together with that of the questions.
pub(super) fn paced(pace: Nanos, turn: u64) -> Nanos {
    // Multiples of the golden ratio, as fractions of 2^64.
    let fraction = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    pace / 2 + ((u128::from(fraction) * u128::from(pace)) >> 64) as Nanos
}
