//! A server that freezes does not stop the clock: its computed percentiles in an open loop, to the nanosecond. Tools
//! that count from the moment of sending report 1 ms for nearly all of these requests (coordinated omission).

use crate::metrics::{Distribution, MetricId, Outcome, Recorder, Sample};
use crate::plan::executor::tests::open;
use crate::plan::{Arrival, Executor, Shard};
use crate::units::{MILLISECOND, Nanos, SECOND, parse_rate};

/// A server that answers each request after `service`, except that it stands still for a while.
struct Server {
    service: Nanos,
    freezes: Nanos,
    thaws: Nanos,
}

impl Server {
    /// Returns when a request that is sent at `sent` is done. One that is under way when the server freezes would be
    /// finished after the rest of its service; the test's requests are never so near.
    fn done(&self, sent: Nanos) -> Nanos {
        match (self.freezes..self.thaws).contains(&sent) {
            true => self.thaws + self.service,
            false => sent + self.service,
        }
    }
}

fn dues(rate: &str, duration: Nanos) -> Vec<Nanos> {
    let executor = Executor::ConstantArrivalRate {
        rate: parse_rate(rate).unwrap(),
        duration,
        open: open(Arrival::Constant),
    };
    let arrivals = executor.arrivals(1, Shard::WHOLE, (0, 1)).unwrap();
    arrivals.map(|arriving| arriving.due).collect()
}

/// Returns the value of rank ceil(q x n), as the program defines a percentile.
fn exact(sorted: &[Nanos], q: f64) -> Nanos {
    sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1]
}

/// The figures of the program: every arrival is sent when it is due if a user is free, else by the first who is.
fn recorded(dues: &[Nanos], server: &Server, users: usize) -> Recorder {
    let mut recorder = Recorder::new(0, 1, false);
    let mut free = vec![0; users];
    for due in dues {
        // The user who is free first.
        let user = (0..users).min_by_key(|user| free[*user]).unwrap();
        let sent = free[user].max(*due);
        free[user] = server.done(sent);
        recorder.started(0);
        recorder.arrived(0, *due);
        recorder.finish(&Sample {
            due: *due,
            sent: Some(sent),
            queue_wait: Some(sent - due),
            ..Sample::ended(Outcome::Ok, free[user])
        });
    }
    recorder
}

fn assert_near(values: &Distribution, q: f64, ms: u64) {
    let (found, expected) = (values.quantile(q).unwrap(), ms * MILLISECOND);
    // A bucket is at most 0.1 % wide.
    assert!(
        (expected..=expected + expected / 1_000).contains(&found),
        "p{}: {found} for {expected}",
        q * 100.0
    );
}

#[test]
fn half_of_ten_seconds_in_a_freeze_is_in_the_percentiles_from_p50_on() {
    let server = Server {
        service: MILLISECOND,
        freezes: 2 * SECOND,
        thaws: 7 * SECOND,
    };
    let dues = dues("1000/s", 10 * SECOND);
    assert_eq!(dues.len(), 10_000);
    let mut latencies: Vec<Nanos> = dues.iter().map(|due| server.done(*due) - due).collect();
    latencies.sort_unstable();
    let table = [(0.5, 1), (0.75, 2_501), (0.9, 4_001), (0.99, 4_901), (1.0, 5_001)];
    for (q, ms) in table {
        assert_eq!(exact(&latencies, q), ms * MILLISECOND, "{q}");
    }
    let sum: u128 = latencies.iter().map(|ns| u128::from(*ns)).sum();
    assert_eq!(sum / 10_000, u128::from(1_251_250 * MILLISECOND / 1_000));

    let recorder = recorded(&dues, &server, dues.len());
    let totals = &recorder.into_snapshot().series[0];
    for (q, ms) in table {
        assert_near(totals.metric(MetricId::Latency), q, ms);
    }
    assert_eq!(totals.metric(MetricId::Latency).sum_ns(), sum);
    assert_eq!((totals.sending.offered, totals.sending.queued), (10_000, 0));
}

#[test]
fn two_seconds_of_sixty_are_in_the_percentiles_from_p97_on() {
    let server = Server {
        service: 20 * MILLISECOND,
        freezes: 30 * SECOND,
        thaws: 32 * SECOND,
    };
    let dues = dues("100/s", 60 * SECOND);
    let recorder = recorded(&dues, &server, dues.len());
    let totals = &recorder.into_snapshot().series[0];
    for (q, ms) in [(0.95, 20), (0.97, 220), (0.99, 1_420), (0.999, 1_960)] {
        assert_near(totals.metric(MetricId::Latency), q, ms);
    }
}

#[test]
fn the_wait_for_a_user_is_in_latency_and_named_and_service_time_hides_it() {
    let server = Server {
        service: MILLISECOND,
        freezes: 2 * SECOND,
        thaws: 7 * SECOND,
    };
    let recorder = recorded(&dues("1000/s", 10 * SECOND), &server, 10);
    let totals = &recorder.into_snapshot().series[0];
    let p99 = |id| totals.metric(id).quantile(0.99).unwrap();
    // Ten users stand still with the server; the 4,990 arrivals behind them wait, and are served within a moment.
    assert!(p99(MetricId::Latency) > 4_900 * MILLISECOND);
    assert!(p99(MetricId::QueueWait) > 4_900 * MILLISECOND);
    assert!(p99(MetricId::ServiceTime) <= MILLISECOND + MILLISECOND / 1_000);
    assert!(totals.sending.queued > 4_990, "{}", totals.sending.queued);
    // Our own delay is none of it.
    assert_eq!(totals.sending.late, 0);
}
