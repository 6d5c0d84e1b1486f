//! Reads servers' own accounts beside a load: before it, at each second of it, and when it is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::server::MetricsServer;
use super::threads::{lock, wait_for_each, wait_or_signal};
use crate::net::clock;
use crate::server_metrics::{Account, Moment, Reading, Vocabulary};
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The time between two readings.
const EVERY: Nanos = SECOND;
/// The time limit of one answer, and of the one before the load, which waits for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const FIRST_LIMIT: Duration = Duration::from_secs(1);
/// An answer that takes longer is slow: the next reading is late.
const SLOW: Nanos = SECOND;
/// How long the end of a run waits for the last readings.
const LAST_LIMIT: Duration = Duration::from_secs(3);
/// A server may count the end of a request a little after its last byte has gone: it is read again after this time,
/// until two readings say the same and it has nothing left to do, or until the limit.
const SETTLING: Duration = Duration::from_millis(100);
const SETTLED_BY: Nanos = 1_500 * MILLISECOND;

/// A server that is to be read.
#[derive(Clone, Debug)]
pub struct WatchedServer {
    pub server: MetricsServer,
    /// Its figures were asked for. Of one that was not, nothing is said if it shows none.
    pub asked: bool,
}

/// What one server showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    pub account: Account,
    /// Times that it did not answer with figures, and answers that took longer than a second.
    pub failed: u64,
    pub slow: u64,
    /// Why it did not answer, the last time.
    pub last_error: Option<String>,
    /// Instants of the first and the last reading since the start of the load, which the first one precedes.
    pub first: Option<i64>,
    pub last: Option<i64>,
}

impl Scraped {
    /// Returns what is known of a server that cannot be asked.
    pub fn without(why: String) -> Scraped {
        Scraped {
            failed: 1,
            last_error: Some(why),
            ..Scraped::default()
        }
    }

    /// Adds what was read during a later load, whose start is `offset` after that of the first.
    pub fn append(&mut self, later: Scraped, offset: Nanos) {
        let moved = |at: Option<i64>| at.map(|at| at.saturating_add_unsigned(offset));
        self.account.append(later.account, offset);
        self.failed += later.failed;
        self.slow += later.slow;
        self.last_error = later.last_error.or(self.last_error.take());
        self.first = self.first.or(moved(later.first));
        self.last = moved(later.last).or(self.last);
    }
}

/// The servers that are read during one load.
pub struct MetricsWatch {
    watched: Vec<Watched>,
}

struct Watched {
    scraped: Arc<Mutex<Scraped>>,
    /// Dropped to end the watch at once.
    orders: Option<Sender<Order>>,
    /// Closed when the thread has ended.
    done: Receiver<()>,
}

/// What a thread is told, in this order.
enum Order {
    /// The load has begun at this instant of the monotonic clock.
    Begin(Nanos),
    /// Nothing is in flight any more.
    Finish,
}

struct Watcher {
    server: WatchedServer,
    names: Arc<Vocabulary>,
    scraped: Arc<Mutex<Scraped>>,
}

impl MetricsWatch {
    /// Reads each server for the first time, which takes a second at most, and goes on from threads that stay on the
    /// CPUs of the caller.
    pub fn start(servers: Vec<WatchedServer>, names: &Arc<Vocabulary>) -> MetricsWatch {
        let mut first = Vec::new();
        let watched = servers.into_iter().map(|server| {
            let scraped = Arc::new(Mutex::new(Scraped::default()));
            let (orders, ordered) = bounded(2);
            let (finished, done) = bounded::<()>(0);
            let (ready, is_ready) = bounded::<()>(0);
            first.push(is_ready);
            let watcher = Watcher {
                server,
                names: names.clone(),
                scraped: scraped.clone(),
            };
            let run = move || {
                let _finished = finished;
                watcher.run(&ordered, ready);
            };
            if let Err(e) = std::thread::Builder::new().name("metrics".into()).spawn(run) {
                *lock(&scraped) = Scraped::without(e.to_string());
            }
            Watched {
                scraped,
                orders: Some(orders),
                done,
            }
        });
        let watched = watched.collect();
        wait_for_each(&first, FIRST_LIMIT);
        MetricsWatch { watched }
    }

    /// Says when the load began, on the monotonic clock.
    pub fn begin(&self, start: Nanos) {
        self.tell(|| Order::Begin(start));
    }

    /// There is room for every order, and a thread that has ended needs none.
    fn tell(&self, order: impl Fn() -> Order) {
        for orders in self.watched.iter().filter_map(|watched| watched.orders.as_ref()) {
            drop(orders.try_send(order()));
        }
    }

    /// Ends the watch. Unless there is no time, waits for the last readings, for three seconds at most, or until a
    /// signal comes. Returns what each server showed, and whether a signal came.
    pub fn finish(mut self, wait: bool, signals: &Receiver<i32>) -> (Vec<Scraped>, bool) {
        match wait {
            true => self.tell(|| Order::Finish),
            false => self
                .watched
                .iter_mut()
                .for_each(|watched| drop(watched.orders.take())),
        }
        let threads = self.watched.iter().map(|watched| &watched.done);
        let signalled = wait && wait_or_signal(threads, LAST_LIMIT, signals);
        let scraped = self.watched.iter().map(|watched| lock(&watched.scraped).clone());
        (scraped.collect(), signalled)
    }
}

impl Watcher {
    fn run(self, orders: &Receiver<Order>, ready: Sender<()>) {
        let (read_at, first) = self.read(FIRST_LIMIT);
        let shows = matches!(&first, Ok(reading) if !reading.is_empty());
        if !shows && !self.server.asked {
            return;
        }
        let first = self.take(first, Moment::Before);
        drop(ready);
        let Ok(Order::Begin(start)) = orders.recv() else {
            return;
        };
        let since_start = |at: Nanos| at as i64 - start as i64;
        if first {
            lock(&self.scraped).first = Some(since_start(read_at));
        }
        loop {
            let now = clock::monotonic();
            let next = start + (now.saturating_sub(start) / EVERY + 1) * EVERY;
            match orders.recv_timeout(Duration::from_nanos(next - now)) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(_) => break,
            }
            let (at, reading) = self.read(ANSWER_LIMIT);
            if self.take(reading, Moment::During(at.saturating_sub(start))) {
                self.note(since_start(at));
            }
        }
        self.settle(orders, start);
    }

    /// Reads the server until it has counted what is over for the client.
    fn settle(&self, orders: &Receiver<Order>, start: Nanos) {
        let until = clock::monotonic() + SETTLED_BY;
        let mut before: Option<Reading> = None;
        loop {
            let (at, reading) = self.read(ANSWER_LIMIT);
            let latest = reading.as_ref().ok().cloned();
            let has_settled = latest.as_ref().is_none_or(|latest| {
                !is_busy(latest)
                    && before
                        .as_ref()
                        .is_some_and(|before| before.counters == latest.counters)
            });
            if has_settled || latest.as_ref().is_some_and(|latest| latest.counters.is_empty()) || at >= until
            {
                if self.take(reading, Moment::After(at.saturating_sub(start))) {
                    self.note(at as i64 - start as i64);
                }
                return;
            }
            before = latest;
            let pause = orders.recv_timeout(SETTLING);
            if matches!(pause, Err(RecvTimeoutError::Disconnected)) {
                // Nobody waits any longer: what was read last is what there is.
                let moment = Moment::After(at.saturating_sub(start));
                self.take(reading, moment);
                return;
            }
        }
    }

    fn note(&self, at: i64) {
        let mut scraped = lock(&self.scraped);
        scraped.first.get_or_insert(at);
        scraped.last = Some(at);
    }

    /// Asks the server once. Returns the instant in the middle of the exchange as well.
    fn read(&self, limit: Duration) -> (Nanos, Result<Reading, String>) {
        let begun = clock::monotonic();
        let answer = self.server.server.read(limit);
        let took = clock::monotonic() - begun;
        if took > SLOW {
            lock(&self.scraped).slow += 1;
        }
        let reading = answer.and_then(|text| {
            let reading = self.names.read(&text);
            match reading.samples {
                0 => Err("the answer has no metrics".to_owned()),
                _ => Ok(reading),
            }
        });
        (begun + took / 2, reading)
    }

    /// Adds a reading to the account. Returns false if there is none.
    fn take(&self, reading: Result<Reading, String>, moment: Moment) -> bool {
        let mut scraped = lock(&self.scraped);
        match reading {
            Ok(reading) => scraped.account.add(&reading, moment),
            Err(why) => {
                scraped.failed += 1;
                scraped.last_error = Some(why);
                return false;
            }
        }
        true
    }
}

/// Tells whether a server still has something to do.
fn is_busy(reading: &Reading) -> bool {
    let holds = |key: &str| {
        let gauges = reading.gauges.iter().filter(|(shown, _)| shown.key == key);
        gauges
            .flat_map(|(shown, _)| &shown.series)
            .any(|(_, value)| *value > 0.0)
    };
    holds("running") || holds("waiting")
}
