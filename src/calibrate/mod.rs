//! Measures what a client on this host can do and how far off its figures are: the mock runs in this process, the
//! client is a run in a child process, each on CPUs of its own, and the mock's stamps are the truth.

pub mod client;
mod hog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use time::OffsetDateTime;

use crate::calibration::{CALIBRATION_SCHEMA, CalibratedHost, Calibration, Capacity, Condition, meaning};
use crate::error::{ExitCode, Failure, Reason};
use crate::host::Io;
use crate::mock::exposition::MetricsForm;
use crate::mock::fault::FaultPlan;
use crate::mock::{Mock, MockOptions};
use crate::result::{CoreFigures, Ordered, RunResult, rfc3339};
use crate::units::{MILLISECOND, Nanos, SECOND, format_duration, seconds};
use client::{Job, Load, Ran, Stopped, run};
use hog::Hog;

/// The time of all measurements together by default; starting each of them takes the rest of 20 s.
pub const DURATION_DEFAULT: Nanos = 20 * SECOND;
/// Its limits.
pub const DURATION_MIN: Nanos = 5 * SECOND;
pub const DURATION_MAX: Nanos = 600 * SECOND;

/// The name of the condition with another process on the core.
const HOG: &str = "hog on the core";
/// The bytes of a token event, like those of servers.
const EVENT_BYTES: usize = 200;
/// The streams of the conditions.
const TTFT: Nanos = 10 * MILLISECOND;
const GAP: Nanos = 5 * MILLISECOND;
const TOKENS: u32 = 50;
/// The streams that are sent as fast as possible, and their users.
const FAST_TOKENS: u32 = 100;
const FAST_USERS: u32 = 200;
const SHORT_USERS: u32 = 64;
/// The numbers of users whose memory is compared. Their streams are slow, so that all are in flight.
const USERS: [u32; 2] = [10, 2_000];
const SLOW_GAP: Nanos = 100 * MILLISECOND;
/// How long the streams of a measurement may take at its end.
const GRACE: Nanos = 5 * SECOND;
/// Descriptors of this process and of the client that are not connections.
const FILES_SPARE: u64 = 256;

/// Which CPUs are used, for how long, and on which host.
#[derive(Clone, Debug)]
pub struct Options {
    /// What drives the sockets.
    pub io: Io,
    pub host: CalibratedHost,
    pub duration: Nanos,
    /// Open files that this process, and so the client, may have.
    pub files: Option<u64>,
}

/// Shares of the whole time, in thousandths; the rest is for starting.
const MEMORY_SHARES: [u64; 2] = [30, 60];
const CAPACITY_SHARE: u64 = 100;
const CONDITION_SHARE: u64 = 150;

/// A condition: its name, its share of the events that a core can read, and whether another process is on the core.
/// Paced events cost more than those that come as fast as possible, so half of the capacity would be more than half
/// busy.
const CONDITIONS: [(&str, f64, bool); 4] = [
    ("idle", 0.04, false),
    ("half busy", 0.45, false),
    ("nearly saturated", 0.8, false),
    (HOG, 0.45, true),
];

/// Measures everything, and says before each measurement what it does. A signal ends it; then the calibration contains
/// what was measured until then.
pub fn calibrate(
    options: &Options,
    signals: &Receiver<i32>,
    say: &mut dyn FnMut(&str),
) -> Result<Calibration, Failure> {
    let begun = Instant::now();
    let mut calibration = Calibration {
        schema: CALIBRATION_SCHEMA.to_owned(),
        started_at: rfc3339(OffsetDateTime::now_utc().unix_timestamp_nanos()),
        duration_seconds: 0.0,
        interrupted: false,
        host: options.host.clone(),
        versions: Ordered::from_iter([("llmload-uring", env!("CARGO_PKG_VERSION").to_owned())]),
        capacity: Capacity::default(),
        conditions: Vec::new(),
        words: Vec::new(),
    };
    let bench = Bench { options, signals };
    match bench.measure(&mut calibration, say) {
        Ok(()) => {}
        Err(Stopped::Interrupted) => calibration.interrupted = true,
        Err(Stopped::Failed(failure)) => return Err(failure),
    }
    calibration.duration_seconds = begun.elapsed().as_secs_f64();
    calibration.words = meaning(&calibration, |condition| condition.name == HOG);
    Ok(calibration)
}

struct Bench<'a> {
    options: &'a Options,
    signals: &'a Receiver<i32>,
}

impl Bench<'_> {
    fn measure(&self, calibration: &mut Calibration, say: &mut dyn FnMut(&str)) -> Result<(), Stopped> {
        let mut announce = |what: &str, duration: Nanos| {
            say(&format!("calibrate: {what}, {}", format_duration(duration)));
        };
        announce("memory of users", self.part(MEMORY_SHARES[0] + MEMORY_SHARES[1]));
        self.memory(&mut calibration.capacity)?;
        announce("events that a core can read", self.part(CAPACITY_SHARE));
        let capacity = self.events(&mut calibration.capacity)?;
        announce("requests that a core can read", self.part(CAPACITY_SHARE));
        self.requests(&mut calibration.capacity)?;
        for (name, share, with_hog) in CONDITIONS {
            announce(name, self.part(CONDITION_SHARE));
            let rate = (capacity * share / f64::from(TOKENS)).max(1.0);
            calibration.conditions.push(self.condition(name, rate, with_hog)?);
        }
        Ok(())
    }

    /// Returns a part of the whole time, in whole milliseconds.
    fn part(&self, thousandths: u64) -> Nanos {
        (self.options.duration / 1_000 * thousandths) / MILLISECOND * MILLISECOND
    }

    /// Returns as many connections as the limit of open files allows, up to `wanted`.
    fn connections(&self, wanted: u32) -> u32 {
        let limit = self
            .options
            .files
            .map_or(u64::MAX, |files| files.saturating_sub(FILES_SPARE));
        wanted.min(u32::try_from(limit).unwrap_or(u32::MAX)).max(1)
    }

    fn job(&self, target: SocketAddr, load: Load, duration: Nanos) -> Job {
        Job {
            io: self.options.io,
            target,
            cpu: self.options.host.client_cpu,
            load,
            duration,
            tokens: TOKENS,
            grace: GRACE,
            verify: false,
        }
    }

    fn mock(&self, change: impl FnOnce(&mut MockOptions)) -> Result<Mock, Failure> {
        let mut options = MockOptions {
            io: self.options.io,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ttft: TTFT,
            gap: GAP,
            tokens: TOKENS,
            events_per_write: 1,
            unpaced: false,
            stamp: true,
            event_bytes: EVENT_BYTES,
            faults: FaultPlan::default(),
            spread: true,
            close_after_stream: false,
            budget: None,
            capacity: Arc::default(),
            nagle: false,
            record: 0,
            prefix_cache: false,
            reasoning: None,
            tokenize: None,
            metrics: MetricsForm::Mock,
            miscount: 0.0,
            cpus: self.options.host.server_cpus.clone(),
            connections: self.connections(USERS[1]),
        };
        change(&mut options);
        Mock::start(options).map_err(|e| {
            let hint = "`llmload-uring probe` says what this host does not allow";
            Failure::new(ExitCode::Host, Reason::new(format!("mock: {e}")).hint(hint))
        })
    }

    /// Compares the memory of few users with that of many, so that neither code nor histograms are in the figure.
    fn memory(&self, capacity: &mut Capacity) -> Result<(), Stopped> {
        let mock = self.mock(|mock| mock.gap = SLOW_GAP)?;
        let users = USERS.map(|users| self.connections(users));
        let mut memory = [0.0; 2];
        for ((bytes, users), share) in memory.iter_mut().zip(users).zip(MEMORY_SHARES) {
            // The streams take longer than the measurement, and their end shows nothing.
            let job = Job {
                grace: 0,
                ..self.job(mock.address, Load::Users(users), self.part(share))
            };
            *bytes = run(&job, self.signals)?.memory as f64;
        }
        if users[1] > users[0] {
            capacity.memory_bytes_per_user = Some((memory[1] - memory[0]) / f64::from(users[1] - users[0]));
            capacity.memory_users = Some(users);
        }
        Ok(())
    }

    /// Measures how many events a core reads per second, and returns that.
    fn events(&self, capacity: &mut Capacity) -> Result<f64, Stopped> {
        let mock = self.mock(|mock| (mock.unpaced, mock.tokens) = (true, FAST_TOKENS))?;
        let load = Load::Users(self.connections(FAST_USERS));
        let ran = run(
            &self.job(mock.address, load, self.part(CAPACITY_SHARE)),
            self.signals,
        )?;
        let worker = Worker::of(&ran.result)?;
        capacity.events_per_second = Some(worker.per_second(worker.events));
        capacity.events_busy_percent = Some(worker.busy_percent);
        capacity.cpu_us_per_event = Some(worker.cpu_us(worker.events));
        Ok(worker.per_second(worker.events))
    }

    fn requests(&self, capacity: &mut Capacity) -> Result<(), Stopped> {
        let mock = self.mock(|mock| (mock.unpaced, mock.tokens) = (true, 1))?;
        let load = Load::Users(self.connections(SHORT_USERS));
        let ran = run(
            &self.job(mock.address, load, self.part(CAPACITY_SHARE)),
            self.signals,
        )?;
        let worker = Worker::of(&ran.result)?;
        let requests = ran.result.totals.ok;
        capacity.requests_per_second = Some(worker.per_second(requests));
        capacity.requests_busy_percent = Some(worker.busy_percent);
        capacity.cpu_us_per_request = Some(worker.cpu_us(requests));
        Ok(())
    }

    fn condition(&self, name: &str, rate: f64, with_hog: bool) -> Result<Condition, Stopped> {
        let mock = self.mock(|_| ())?;
        // A stream takes a quarter of a second, and a server that is short of CPU several times that.
        let stream = seconds(TTFT + GAP * Nanos::from(TOKENS));
        let in_flight = self.connections((rate * stream * 4.0) as u32 + 50);
        let job = Job {
            verify: true,
            ..self.job(
                mock.address,
                Load::Rate(rate, in_flight),
                self.part(CONDITION_SHARE),
            )
        };
        let hog = match with_hog {
            true => Some(Hog::start(job.cpu).map_err(|e| Failure::internal(format!("hog: {e}")))?),
            false => None,
        };
        let Ran { result, .. } = run(&job, self.signals)?;
        drop(hog);
        let worker = Worker::of(&result)?;
        let coalesced = result.totals.coalesced_events as f64 * 100.0 / (worker.events.max(1)) as f64;
        Ok(Condition {
            name: name.to_owned(),
            rate,
            requests: result.totals.ok,
            dropped: result.totals.dropped_iterations,
            failed: result.totals.failed,
            events_per_second: worker.per_second(worker.events),
            busy_percent: worker.busy_percent,
            run_delay_percent: worker.run_delay_percent,
            coalesced_percent: coalesced,
            cpu_us_per_event: worker.cpu_us(worker.events),
            errors: result.client.errors,
        })
    }
}

/// The only worker of a run.
struct Worker {
    seconds: f64,
    busy_percent: f64,
    run_delay_percent: Option<f64>,
    events: u64,
}

impl Worker {
    fn of(result: &RunResult) -> Result<Worker, Failure> {
        let core: Option<&CoreFigures> = result.client.cores.first();
        let busy = core.and_then(|core| core.busy_percent);
        match (core, busy) {
            (Some(core), Some(busy_percent)) if result.totals.ok > 0 => Ok(Worker {
                seconds: result.run.duration_seconds,
                busy_percent,
                run_delay_percent: core.run_delay_percent,
                events: result.totals.token_events,
            }),
            _ => {
                let hint = "calibrate for longer with --duration, or see what else runs on this host";
                let what = "no request of the client was answered within the time of one measurement";
                Err(Failure::new(
                    ExitCode::NotTrustworthy,
                    Reason::new(what).hint(hint),
                ))
            }
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    fn cpu_us(&self, count: u64) -> f64 {
        self.busy_percent / 100.0 * self.seconds * 1e6 / count.max(1) as f64
    }
}
