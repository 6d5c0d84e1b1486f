use super::*;
use crate::plan::Executor;
use crate::plan::executor::tests::open;
use crate::units::{SECOND, parse_rate};

fn constant(rate: &str, arrival: Arrival) -> Executor {
    Executor::ConstantArrivalRate {
        rate: parse_rate(rate).unwrap(),
        duration: 2 * SECOND,
        open: open(arrival),
    }
}

fn all(executor: &Executor, shards: u32, cores: u32) -> Vec<Arriving> {
    let mut out = Vec::new();
    for shard in 0..shards {
        for core in 0..cores {
            let shard = Shard::new(shard, shards).unwrap();
            out.extend(executor.arrivals(7, shard, (core, cores)).unwrap());
        }
    }
    out.sort_unstable_by_key(|arriving| (arriving.due, arriving.sequence, arriving.number));
    out
}

#[test]
fn the_arrivals_are_the_same_on_any_number_of_cores_and_shards() {
    for arrival in [
        Arrival::Constant,
        Arrival::Uniform,
        Arrival::Poisson,
        Arrival::Gamma(0.5),
    ] {
        let executor = constant("300", arrival);
        let whole = all(&executor, 1, 1);
        assert!(whole.len() > 400, "{arrival}: {}", whole.len());
        assert!(whole.is_sorted_by_key(|arriving| arriving.number), "{arrival}");
        for (shards, cores) in [(1, 2), (1, 4), (4, 1), (3, 2)] {
            assert_eq!(
                all(&executor, shards, cores),
                whole,
                "{arrival}, {shards} shards, {cores} cores"
            );
        }
    }
}

#[test]
fn a_constant_rate_begins_at_once_and_ends_before_the_end_as_in_k6() {
    let dues: Vec<Nanos> = all(&constant("3", Arrival::Constant), 1, 1)
        .iter()
        .map(|arriving| arriving.due)
        .collect();
    // A third of a second is truncated to nanoseconds, so the seventh still falls into the two seconds.
    let third = 333_333_333;
    assert_eq!(
        dues,
        [0, third, 2 * third, 3 * third, 4 * third, 5 * third, 6 * third]
    );
}
