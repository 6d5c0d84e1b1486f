use super::*;
use crate::plan::{Arriving, Executor, Shard, WhenFull};
use crate::units::{MINUTE, SECOND, parse_rate};

fn open() -> OpenLoop {
    OpenLoop {
        max_vus: 10,
        ..OpenLoop::default()
    }
}

fn constant(name: &str, rate: &str, arrival: Arrival) -> KindArrivals {
    KindArrivals {
        name: name.to_owned(),
        start_time: 0,
        shape: KindShape::Constant {
            rate: parse_rate(rate).unwrap(),
            duration: 10 * SECOND,
        },
        arrival,
        max_vus: None,
    }
}

fn ramp(name: &str, stages: &[(Nanos, &str)], start_time: Nanos) -> KindArrivals {
    let stages = stages.iter().map(|(duration, target)| RateStage {
        duration: *duration,
        target: parse_rate(target).unwrap(),
    });
    KindArrivals {
        name: name.to_owned(),
        start_time,
        shape: KindShape::Ramping {
            start_rate: Rate::per_second_of(0.0),
            stages: stages.collect(),
        },
        arrival: Arrival::Constant,
        max_vus: None,
    }
}

fn executor(kinds: Vec<KindArrivals>) -> Executor {
    Executor::RatesByKind(RatesByKind::new(kinds, open()))
}

fn mixed() -> Vec<KindArrivals> {
    vec![
        constant("interactive", "5", Arrival::Poisson),
        constant("batch", "40", Arrival::Constant),
        ramp("burst", &[(4 * SECOND, "80"), (SECOND, "0")], 3 * SECOND),
        constant("bursty", "20", Arrival::Gamma(0.5)),
    ]
}

fn all(executor: &Executor, seed: u64, shards: u32, cores: u32) -> Vec<Arriving> {
    let mut out = Vec::new();
    for shard in 0..shards {
        for core in 0..cores {
            let shard = Shard::new(shard, shards).unwrap();
            out.extend(executor.arrivals(seed, shard, (core, cores)).unwrap());
        }
    }
    out.sort_unstable_by_key(|arriving| (arriving.due, arriving.sequence, arriving.number));
    out
}

fn dues_of(kind: u16, arrivals: &[Arriving]) -> Vec<Nanos> {
    let of_kind = arrivals.iter().filter(|arriving| arriving.sequence == kind);
    of_kind.map(|arriving| arriving.due).collect()
}

#[test]
fn the_arrivals_of_all_kinds_are_the_same_on_any_number_of_cores_and_shards() {
    let executor = executor(mixed());
    let whole: Vec<Arriving> = executor.arrivals(7, Shard::WHOLE, (0, 1)).unwrap().collect();
    assert!(whole.len() > 700, "{}", whole.len());
    assert!(whole.is_sorted_by_key(|arriving| (arriving.due, arriving.sequence)));
    for kind in 0..4 {
        let numbers = whole.iter().filter(|arriving| arriving.sequence == kind);
        let numbers: Vec<u64> = numbers.map(|arriving| arriving.number).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<u64>>(), "{kind}");
    }
    for (shards, cores) in [(1, 1), (1, 2), (1, 4), (4, 1), (3, 2)] {
        assert_eq!(
            all(&executor, 7, shards, cores),
            whole,
            "{shards} shards, {cores} cores"
        );
    }
}

#[test]
fn a_kind_has_the_schedule_and_the_content_that_it_has_alone() {
    let together = RatesByKind::new(mixed(), open());
    let arrivals = all(&executor(mixed()), 7, 1, 1);
    for (index, kind) in (0u16..).zip(mixed()) {
        let alone = RatesByKind::new(vec![kind.clone()], open());
        let own = all(&executor(vec![kind]), 7, 1, 1);
        assert_eq!(dues_of(index, &arrivals), dues_of(0, &own), "{index}");
        assert_eq!(together.owner(index), alone.owner(0), "{index}");
    }
    // Even arrivals are those of k6's executors, wherever the kind begins.
    let dues = dues_of(1, &arrivals);
    assert_eq!(
        (dues.len(), dues[0], dues[1], dues[399]),
        (400, 0, 25_000_000, 9_975_000_000)
    );
    let alone = Executor::RampingArrivalRate {
        start_rate: Rate::per_second_of(0.0),
        stages: match ramp("", &[(4 * SECOND, "80"), (SECOND, "0")], 0).shape {
            KindShape::Ramping { stages, .. } => stages,
            KindShape::Constant { .. } => Vec::new(),
        },
        open: open(),
    };
    let expected: Vec<Nanos> = all(&alone, 7, 1, 1)
        .iter()
        .map(|arriving| arriving.due + 3 * SECOND)
        .collect();
    assert_eq!(dues_of(2, &arrivals), expected);
    assert_eq!(expected.len(), 200);
}

#[test]
fn kinds_with_the_same_pattern_and_rate_do_not_arrive_together_by_chance() {
    let kinds = ["a", "b"].map(|name| constant(name, "20", Arrival::Poisson));
    let arrivals = all(&executor(kinds.to_vec()), 7, 1, 1);
    assert_ne!(dues_of(0, &arrivals), dues_of(1, &arrivals));
    assert_ne!(
        dues_of(0, &arrivals),
        dues_of(0, &all(&executor(kinds.to_vec()), 8, 1, 1))
    );
}

#[test]
fn each_core_gets_as_many_of_each_kind_as_the_others() {
    // Two kinds at the same even rate take turns: dealt out in their common order, each core would get one kind only.
    let kinds = ["a", "b"].map(|name| constant(name, "20", Arrival::Constant));
    let executor = executor(kinds.to_vec());
    for core in 0..2 {
        let mine: Vec<Arriving> = executor.arrivals(7, Shard::WHOLE, (core, 2)).unwrap().collect();
        assert_eq!((dues_of(0, &mine).len(), dues_of(1, &mine).len()), (100, 100));
    }
}

/// Instants of the first kind, and what stands for the user in the content of each. Checked against a second
/// implementation, in Python. A change here changes every seeded run with rates by kind: it must be in the change log
/// under *Measurement*.
#[test]
fn the_first_arrivals_of_seed_42_are_these() {
    let arrivals = all(&executor(mixed()), 42, 1, 1);
    assert_eq!(dues_of(0, &arrivals)[..4], GOLDEN);
    let rates = RatesByKind::new(mixed(), open());
    assert_eq!([0, 1, 2, 3].map(|kind| rates.owner(kind)), OWNERS);
}

const GOLDEN: [Nanos; 4] = [35940850, 649113101, 678255355, 933490395];
const OWNERS: [u32; 4] = [10782690, 4396517, 4845346, 5108174];

#[test]
fn names_with_the_same_hash_have_numbers_of_their_own() {
    let names: Vec<String> = (0..20_000).map(|i| format!("kind-{i}")).collect();
    let mut owners = owners(names.iter().map(String::as_str));
    assert!(owners.iter().all(|owner| *owner < 1 << OWNER_BITS));
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), names.len());
}

#[test]
fn the_load_is_described_with_what_kinds_have_in_common_once() {
    let words = |kinds: Vec<KindArrivals>| executor(kinds).in_words();
    let even = |name, rate| constant(name, rate, Arrival::Constant);
    assert_eq!(
        words(vec![even("interactive", "5"), even("batch", "40")]),
        "interactive at 5/s, batch at 40/s, for 10s, constant arrivals, at most 10 users, drops what they cannot take"
    );
    assert_eq!(
        words(vec![
            constant("a", "5", Arrival::Poisson),
            ramp("b", &[(MINUTE, "40")], MINUTE),
        ]),
        "a at 5/s for 10s (poisson arrivals); b after 1m at 0/s, to 40/s in 1m (constant arrivals); at most 10 users, \
         drops what they cannot take"
    );
}

#[test]
fn times_scale_and_a_duration_holds_the_highest_rates() {
    let mut scaled = executor(mixed());
    assert_eq!(
        (scaled.duration(), scaled.vus_of_all(), scaled.sequences()),
        (10 * SECOND, 10, 4)
    );
    let held = scaled.open_for(Some(5 * SECOND)).unwrap();
    assert_eq!(held.duration(), 5 * SECOND);
    assert!(
        held.in_words().contains("burst after 3s at 80/s for 2s"),
        "{}",
        held.in_words()
    );
    assert_eq!(held.name(), "constant-arrival-rate");
    scaled.scale_time(0.5);
    assert_eq!(scaled.duration(), 5 * SECOND);
    assert!(
        scaled
            .in_words()
            .contains("burst after 1s500ms at 0/s, to 80/s in 2s"),
        "{}",
        scaled.in_words()
    );
    scaled.scale_vus(3);
    assert_eq!(scaled.vus_of_all(), 3);
    assert_eq!(scaled.mistakes(), []);
    let stage = scaled.stage_at(4 * SECOND);
    assert_eq!((stage.index, stage.count, stage.ends_at), (3, 4, 5 * SECOND));
    assert_eq!(scaled.stage_at(0).rates, Some([65.0, 65.0]));
}

#[test]
fn a_kind_that_cannot_run_is_named_with_the_reason() {
    let wrong = |kind: KindArrivals| {
        let found = executor(vec![kind]).mistakes();
        found
            .into_iter()
            .map(|reason| reason.what)
            .collect::<Vec<String>>()
    };
    assert_eq!(
        wrong(constant("a", "0", Arrival::Constant)),
        ["request `a`: no request ever arrives"]
    );
    assert_eq!(
        wrong(ramp("b", &[], 0)),
        [
            "request `b`: 0 stages are outside the limits, 1 to 1000",
            "request `b`: no request ever arrives"
        ]
    );
    let long = [(25 * 60 * MINUTE, "1")];
    let found = wrong(ramp("c", &long, 0));
    assert_eq!(
        found,
        ["request `c`: a run of 25h is longer than the limit of 24h"]
    );
    let found = wrong(ramp("d", &[(20 * 60 * MINUTE, "1")], 5 * 60 * MINUTE));
    assert_eq!(
        found,
        ["request `d`: a run of 25h is longer than the limit of 24h"]
    );
    let late = executor(vec![
        constant("e", "1", Arrival::Constant),
        ramp("f", &[(SECOND, "1")], MINUTE),
    ]);
    let found = late.open_for(Some(30 * SECOND)).unwrap().mistakes();
    assert_eq!(found[0].what, "request `f`: its load would last 0 s");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_document_has_the_executor_and_the_users_outside_of_the_kinds() {
    let mut open = open();
    open.when_full = WhenFull::Queue;
    let executor = Executor::RatesByKind(RatesByKind::new(mixed(), open));
    let written = serde_json::to_value(&executor).unwrap();
    let expected = serde_json::json!({
        "executor": "ramping-arrival-rate", "pre_allocated_vus": 0, "max_vus": 10, "when_full": "queue"
    });
    assert_eq!(written, expected);
}

#[test]
fn at_a_rate_in_all_each_kind_keeps_its_part_and_its_pattern() {
    let kinds = vec![
        constant("interactive", "5", Arrival::Poisson),
        ramp("batch", &[(4 * SECOND, "15"), (SECOND, "0")], 3 * SECOND),
    ];
    let raised = executor(kinds).at_rate(80.0, MINUTE);
    let rates = raised.rates_by_kind().unwrap();
    let parts: Vec<f64> = rates
        .kinds()
        .iter()
        .map(|kind| kind.highest_rate().per_second())
        .collect();
    assert_eq!(parts, [20.0, 60.0]);
    let starts = rates.kinds().iter().map(|kind| (kind.start_time, kind.end()));
    assert!(starts.into_iter().all(|time| time == (0, MINUTE)));
    assert_eq!(rates.kinds()[0].arrival, Arrival::Poisson);
    assert_eq!(rates.open, open());
}
