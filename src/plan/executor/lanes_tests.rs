use super::*;
use crate::plan::{Arrival, Arriving, KindArrivals, KindShape, OpenLoop, RatesByKind};
use crate::units::{Rate, SECOND};

fn kind(name: &str, max_vus: Option<u32>) -> KindArrivals {
    KindArrivals {
        name: name.to_owned(),
        start_time: 0,
        shape: KindShape::Constant {
            rate: Rate::per_second_of(40.0),
            duration: 10 * SECOND,
        },
        arrival: Arrival::Poisson,
        max_vus,
    }
}

fn plan(max_vus: u32, limits: &[Option<u32>]) -> Plan {
    let open = OpenLoop {
        max_vus,
        ..OpenLoop::default()
    };
    let kinds = limits
        .iter()
        .zip('a'..)
        .map(|(limit, name)| kind(&name.to_string(), *limit));
    Plan::with_executor(Executor::RatesByKind(RatesByKind::new(kinds.collect(), open)))
}

fn sequences(plan: &Plan) -> Vec<(Vec<u16>, u32)> {
    let lanes = plan.executor.lanes().into_iter();
    lanes.map(|lane| (lane.sequences, lane.vus)).collect()
}

#[test]
fn kinds_without_a_limit_share_what_the_others_leave() {
    assert_eq!(sequences(&plan(100, &[None, None])), [(vec![0, 1], 100)]);
    assert_eq!(
        sequences(&plan(100, &[None, Some(30), None, Some(20)])),
        [(vec![1], 30), (vec![3], 20), (vec![0, 2], 50)]
    );
    let closed = Executor::ConstantVus {
        vus: 5,
        duration: SECOND,
    };
    assert!(closed.lanes().is_empty());
}

#[test]
fn every_arrival_and_every_user_has_one_core_of_one_shard() {
    for limits in [
        vec![None, None],
        vec![Some(1_000)],
        vec![Some(3), Some(200), None],
        vec![Some(64), Some(129), Some(700), Some(4)],
    ] {
        let whole = plan(1_000, &limits);
        let mut expected: Vec<Arriving> = whole
            .executor
            .arrivals(7, Shard::WHOLE, (0, 1))
            .unwrap()
            .collect();
        expected.sort_by_key(|arriving| (arriving.sequence, arriving.number));
        for (shards, cores) in [(1, 1), (1, 2), (1, 4), (2, 3), (3, 2)] {
            let (mut arrivals, mut users) = (Vec::new(), vec![0; limits.len()]);
            for index in 0..shards {
                let shard = Shard::new(index, shards).unwrap();
                let mut of_process = 0;
                for core in 0..cores {
                    for (at, lane) in whole.executor.lanes().iter().enumerate() {
                        let core = (core, cores);
                        let taken = whole.executor.arrivals_of(lane, 7, shard, core);
                        users[at] += lane.vus_on(shard, core);
                        assert_eq!(taken.is_some(), lane.vus_on(shard, core) > 0, "{lane:?}");
                        arrivals.extend(taken.into_iter().flatten());
                    }
                    let plan = Plan {
                        shard,
                        ..whole.clone()
                    };
                    of_process += plan.vus_on((core, cores));
                }
                let lanes = whole.executor.lanes();
                let own: u32 = lanes.iter().map(|lane| shard.vus_of(lane.vus)).sum();
                assert_eq!(of_process, own);
            }
            arrivals.sort_by_key(|arriving| (arriving.sequence, arriving.number));
            assert_eq!(arrivals, expected, "{limits:?} on {shards} x {cores}");
            for (lane, users) in whole.executor.lanes().iter().zip(users) {
                assert_eq!(users, lane.vus);
            }
        }
    }
}

#[test]
fn a_low_limit_stays_on_few_cores_and_lanes_begin_on_different_ones() {
    let plan = plan(1_000, &[Some(10), Some(10), Some(130)]);
    let on = |lane: usize| -> Vec<u32> {
        let lane = &plan.executor.lanes()[lane];
        (0..4).map(|core| lane.vus_on(Shard::WHOLE, (core, 4))).collect()
    };
    assert_eq!(on(0), [10, 0, 0, 0]);
    assert_eq!(on(1), [0, 10, 0, 0]);
    assert_eq!(on(2), [0, 0, 65, 65]);
}

#[test]
fn limits_that_do_not_fit_into_the_one_of_all_are_a_mistake() {
    let wrong = |max_vus, limits: &[Option<u32>]| -> Vec<String> {
        let mistakes = plan(max_vus, limits).executor.mistakes();
        mistakes.into_iter().map(|reason| reason.what).collect()
    };
    assert!(wrong(50, &[Some(30), Some(20)]).is_empty());
    assert!(wrong(51, &[Some(30), Some(20), None]).is_empty());
    assert_eq!(
        wrong(50, &[Some(30), None, Some(20)]),
        [
            "the kinds of request with a `max_vus` of their own have 50 of the 50 users, and none is left for `b`"
        ]
    );
    assert_eq!(
        wrong(49, &[Some(30), Some(20)]),
        ["`max_vus` of the kinds of request add up to 50 users, more than the 49 of all"]
    );
}
