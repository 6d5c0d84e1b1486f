//! Arrivals at a rate, of a plan and in simulated time.

use super::{Core, Ending, HEAD, MS, end, is, token};
use crate::metrics::{MetricId, SeriesTotals};
use crate::plan::{Arrival, Executor, OpenLoop, Shard, WhenFull};
use crate::units::{Nanos, Rate, SECOND};

/// A constant rate from which the server is frozen for a while; an answer takes `service` otherwise. Arrivals beyond
/// `slots` in flight wait, as with `--when-full queue`.
fn frozen(rate: f64, seconds: u64, freeze: (Nanos, Nanos), service: Nanos, slots: u64) -> SeriesTotals {
    let executor = Executor::ConstantArrivalRate {
        rate: Rate::per_second_of(rate),
        duration: seconds * SECOND,
        open: OpenLoop {
            arrival: Arrival::Constant,
            when_full: WhenFull::Queue,
            pre_allocated_vus: 1,
            max_vus: 100_000,
        },
    };
    let (from, thaw) = freeze;
    let mut core = Core::new(0);
    let mut waiting = 0;
    for arriving in executor.arrivals(1, Shard::WHOLE, (0, 1)).unwrap() {
        let due = arriving.due;
        let is_frozen = (from..thaw).contains(&due);
        waiting += u64::from(is_frozen);
        let answered = if is_frozen { thaw - due + service } else { service };
        let sent = if is_frozen && waiting > slots { thaw } else { due };
        let bytes = HEAD.to_owned() + &token() + &end(Some(1));
        core.stream((due, sent), &[(answered, bytes)], Ending::Read);
    }
    core.totals()
}

#[test]
fn a_frozen_server_is_in_every_latency_that_was_due_and_not_in_the_service_time() {
    let totals = frozen(1_000.0, 10, (2 * SECOND, 7 * SECOND), MS, 100);
    assert_eq!(totals.metric(MetricId::Latency).offered(), 10_000);
    for (quantile, ms) in [(0.5, 1), (0.75, 2_501), (0.9, 4_001), (0.99, 4_901), (1.0, 5_001)] {
        is(&totals, MetricId::Latency, quantile, ms * MS);
        is(&totals, MetricId::Ttft, quantile, ms * MS);
    }
    assert_eq!(totals.metric(MetricId::Latency).mean(), Some(1_251.25e6));
    // From the instant of sending, all but the hundred in flight look as if nothing had happened.
    is(&totals, MetricId::ServiceTime, 0.99, MS);
    is(&totals, MetricId::ServiceTime, 1.0, 5_001 * MS);

    let totals = frozen(100.0, 60, (30 * SECOND, 32 * SECOND), 20 * MS, 10_000);
    assert_eq!(totals.metric(MetricId::Latency).offered(), 6_000);
    for (quantile, ms) in [
        (0.95, 20),
        (0.97, 220),
        (0.99, 1_420),
        (0.999, 1_960),
        (1.0, 2_020),
    ] {
        is(&totals, MetricId::Latency, quantile, ms * MS);
    }
}

#[test]
fn a_constant_rate_sends_exactly_its_requests_and_evenly() {
    let executor = Executor::ConstantArrivalRate {
        rate: Rate::per_second_of(500.0),
        duration: 20 * SECOND,
        open: OpenLoop {
            arrival: Arrival::Constant,
            when_full: WhenFull::Drop,
            pre_allocated_vus: 1,
            max_vus: 1,
        },
    };
    let due: Vec<Nanos> = executor
        .arrivals(1, Shard::WHOLE, (0, 1))
        .unwrap()
        .map(|arriving| arriving.due)
        .collect();
    assert_eq!(due.len(), 10_000);
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 2 * MS));
}
