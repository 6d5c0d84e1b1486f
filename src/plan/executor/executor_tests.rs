use super::*;
use crate::plan::Arrival;
use crate::units::{MINUTE, SECOND, parse_rate};

/// Makes an open loop of up to 10 users.
pub(in crate::plan) fn open(arrival: Arrival) -> OpenLoop {
    OpenLoop {
        arrival,
        max_vus: 10,
        ..OpenLoop::default()
    }
}

/// Makes a ramp with 30 s for requests of users that are stopped.
pub(super) fn ramping(start_vus: u32, stages: &[(Nanos, u32)]) -> Executor {
    let stages = stages
        .iter()
        .map(|&(duration, target)| Stage { duration, target });
    Executor::RampingVus {
        start_vus,
        stages: stages.collect(),
        graceful_ramp_down: 30 * SECOND,
    }
}

#[test]
fn the_stage_of_an_instant_is_found_and_the_last_one_applies_after_the_end() {
    let executor = ramping(1, &[(MINUTE, 500), (2 * MINUTE, 500), (30 * SECOND, 0)]);
    let index = |elapsed| executor.stage_at(elapsed).index;
    assert_eq!(index(0), 0);
    assert_eq!(index(MINUTE - 1), 0);
    assert_eq!(index(MINUTE), 1);
    assert_eq!(index(3 * MINUTE), 2);
    assert_eq!(index(99 * MINUTE), 2);
    let users = |elapsed| (executor.stage_at(elapsed).from, executor.stage_at(elapsed).target);
    assert_eq!(
        [0, MINUTE, 3 * MINUTE].map(users),
        [(1, 500), (500, 500), (500, 0)]
    );
    let last = executor.stage_at(99 * MINUTE);
    assert_eq!((last.count, last.target, last.ends_at), (3, 0, 210 * SECOND));
    assert_eq!((executor.vus_of_all(), executor.duration()), (500, 210 * SECOND));
}

#[test]
fn the_load_ends_where_the_final_ramp_down_begins() {
    let end = |stages: &[(Nanos, u32)]| {
        let stages: Vec<(Nanos, u32)> = stages.iter().map(|(s, vus)| (s * SECOND, *vus)).collect();
        ramping(0, &stages).load_end() / SECOND
    };
    assert_eq!(end(&[(10, 5), (10, 5), (10, 0)]), 20);
    // Two ramp-downs in a row are one final ramp-down; a level between them is load.
    assert_eq!(end(&[(10, 5), (3, 2), (2, 0)]), 10);
    assert_eq!(end(&[(10, 5), (3, 2), (5, 2), (2, 0)]), 18);
    // A level of 0 VUs is not load.
    assert_eq!(end(&[(10, 5), (3, 0), (5, 0)]), 10);
    assert_eq!(end(&[(10, 5)]), 10);
    let constant = Executor::ConstantVus {
        vus: 5,
        duration: 9 * SECOND,
    };
    assert_eq!(constant.load_end(), 9 * SECOND);
}

#[test]
fn plateaus_are_the_stages_that_hold_their_vus() {
    let executor = ramping(
        16,
        &[
            (10 * SECOND, 16),
            (0, 32),
            (5 * SECOND, 32),
            (5 * SECOND, 32),
            (SECOND, 0),
            (SECOND, 0),
        ],
    );
    let plateau = |vus, start, end| Plateau {
        vus,
        start: start * SECOND,
        end: end * SECOND,
    };
    assert_eq!(executor.plateaus(), [plateau(16, 0, 10), plateau(32, 10, 20)]);
    assert_eq!(ramping(1, &[(MINUTE, 500), (MINUTE, 0)]).plateaus(), []);
}

#[test]
fn an_executor_without_stages_is_one_stage() {
    let executor = Executor::SharedIterations {
        vus: 4,
        iterations: 100,
        max_duration: MINUTE,
    };
    let whole = StageAt {
        index: 0,
        count: 1,
        from: 4,
        target: 4,
        ends_at: MINUTE,
        rates: None,
    };
    assert_eq!(executor.stage_at(5 * SECOND), whole);
    assert_eq!(executor.iterations_of_all(), Some(100));
    let steps = executor.schedule_of_all();
    assert_eq!(steps.planned_at(MINUTE - 1), 4);
    assert_eq!(steps.planned_at(MINUTE), 0);
}

#[test]
fn an_open_loop_answers_with_its_most_users_and_its_time() {
    let rate = |text| parse_rate(text).unwrap();
    let stage = |target| RateStage {
        duration: 5 * SECOND,
        target: rate(target),
    };
    let executor = Executor::RampingArrivalRate {
        start_rate: rate("10"),
        stages: vec![stage("100"), stage("300/m")],
        open: open(Arrival::Poisson),
    };
    assert_eq!((executor.vus_of_all(), executor.duration()), (10, 10 * SECOND));
    assert!(executor.numbers_together() && executor.iterations_of_all().is_none());
    let words = "10/s, to 100/s in 5s, to 300/m in 5s, poisson arrivals, at most 10 users, drops what they cannot take";
    assert_eq!(executor.in_words(), words);
    let curve = executor.rate_curve().unwrap();
    assert!((curve.area() - 537.5).abs() < 1e-9);
    let shorter = executor.open_for(Some(SECOND)).unwrap();
    assert_eq!(
        shorter.in_words(),
        "100/s for 1s, poisson arrivals, at most 10 users, drops what they cannot take"
    );
    assert_eq!(executor.mistakes(), []);
    let stage = executor.stage_at(7 * SECOND);
    assert_eq!((stage.index, stage.count, stage.ends_at), (1, 2, 10 * SECOND));
    assert_eq!(stage.rates, Some([100.0, 5.0]));
    assert_eq!(shorter.stage_at(0).rates, Some([100.0, 100.0]));
}

#[test]
fn an_open_loop_that_cannot_run_says_why() {
    let wrong = |rate: &str, open: OpenLoop| {
        let executor = Executor::ConstantArrivalRate {
            rate: parse_rate(rate).unwrap(),
            duration: 24 * 60 * MINUTE,
            open,
        };
        let found: Vec<String> = executor
            .mistakes()
            .into_iter()
            .map(|reason| reason.what)
            .collect();
        found.join("; ")
    };
    let ten = open(Arrival::Constant);
    assert_eq!(wrong("0", ten), "no request ever arrives");
    let first = OpenLoop {
        pre_allocated_vus: 11,
        ..ten
    };
    assert_eq!(
        wrong("1", first),
        "11 VUs from the start are more than the most, 10"
    );
    let many = OpenLoop {
        max_vus: 10_000_001,
        ..ten
    };
    assert_eq!(wrong("1", many), "10000001 VUs are above the limit of 10000000");
    assert_eq!(
        wrong("1", open(Arrival::Gamma(0.001))),
        "the gamma shape 0.001 is outside the limits, 0.01 to 1000"
    );
}

#[test]
fn iterations_per_vu_are_counted_over_all_vus() {
    let executor = Executor::PerVuIterations {
        vus: 3,
        iterations: 5,
        max_duration: MINUTE,
    };
    assert_eq!(executor.iterations_of_all(), Some(15));
    assert_eq!(executor.name(), "per-vu-iterations");
}
