use super::*;
use crate::plan::{Shard, local_to_global, vus_on_core};
use crate::units::{MILLISECOND, MINUTE, SECOND};
use proptest::prelude::*;

fn stages(list: &[(u64, u32)]) -> Vec<Stage> {
    let stage = |&(seconds, target): &(u64, u32)| Stage {
        duration: seconds * SECOND,
        target,
    };
    list.iter().map(stage).collect()
}

fn in_seconds(steps: &[VuStep]) -> Vec<(u64, u32)> {
    let whole = |step: &VuStep| {
        assert_eq!(step.at % SECOND, 0, "{step:?}");
        (step.at / SECOND, step.vus)
    };
    steps.iter().map(whole).collect()
}

/// The shape of k6's own test of ramping-vus.
fn k6_shape() -> VuSchedule {
    VuSchedule::ramp(
        4,
        &stages(&[(2, 6), (5, 1), (4, 5), (4, 1), (3, 4), (2, 4), (0, 1), (3, 1)]),
    )
}

#[test]
fn k6s_test_shape_gives_k6s_steps() {
    let expected = [
        (0, 4),
        (1, 5),
        (2, 6),
        (3, 5),
        (4, 4),
        (5, 3),
        (6, 2),
        (7, 1),
        (8, 2),
        (9, 3),
        (10, 4),
        (11, 5),
        (12, 4),
        (13, 3),
        (14, 2),
        (15, 1),
        (16, 2),
        (17, 3),
        (18, 4),
        (20, 1),
        (23, 0),
    ];
    assert_eq!(in_seconds(k6_shape().steps()), expected);
}

#[test]
fn thirds_of_a_ramp_truncate_as_k6s_integers_do() {
    let schedule = VuSchedule::ramp(0, &stages(&[(10, 3), (10, 0)]));
    let steps: Vec<(u64, u32)> = schedule.steps().iter().map(|s| (s.at, s.vus)).collect();
    // End of stage less the truncated rest: 10 s - 6.666666666 s.
    let expected = [
        (0, 0),
        (3_333_333_334, 1),
        (6_666_666_667, 2),
        (10_000_000_000, 3),
        (13_333_333_334, 2),
        (16_666_666_667, 1),
        (20_000_000_000, 0),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_ramp_down_begins_one_step_late() {
    let schedule = VuSchedule::ramp(1, &stages(&[(5, 10), (2, 0)]));
    let down: Vec<(u64, u32)> = schedule.steps()[10..]
        .iter()
        .map(|s| (s.at / MILLISECOND, s.vus))
        .collect();
    let expected: Vec<(u64, u32)> = (0..10).map(|i| (5_200 + 200 * u64::from(i), 9 - i)).collect();
    assert_eq!(down, expected);
    let up: Vec<u64> = schedule.steps()[..10].iter().map(|s| s.at).collect();
    assert_eq!(up[1], 555_555_556);
    assert!(
        up.windows(2)
            .all(|w| (555_555_555..=555_555_556).contains(&(w[1] - w[0])))
    );
}

#[test]
fn a_spike_of_two_thousand_starts_one_vu_every_sixty_milliseconds() {
    let schedule = VuSchedule::ramp(0, &stages(&[(120, 2_000), (60, 0)]));
    let steps = schedule.steps();
    assert_eq!(
        steps[1],
        VuStep {
            at: 60 * MILLISECOND,
            vus: 1
        }
    );
    assert!(
        steps[..2_001]
            .windows(2)
            .all(|w| w[1].at - w[0].at == 60 * MILLISECOND)
    );
    let last: Vec<(u64, u32)> = steps[steps.len() - 3..]
        .iter()
        .map(|s| (s.at / MILLISECOND, s.vus))
        .collect();
    assert_eq!(last, [(179_940, 2), (179_970, 1), (180_000, 0)]);
    assert_eq!(schedule.vus_max(), 2_000);
}

#[test]
fn the_last_of_several_jumps_at_one_instant_counts() {
    let schedule = VuSchedule::ramp(1, &stages(&[(0, 900), (0, 20), (5, 20)]));
    assert_eq!(in_seconds(schedule.steps()), [(0, 20), (5, 0)]);
    assert_eq!(
        VuSchedule::ramp(3, &stages(&[(0, 0)])).steps(),
        [VuStep { at: 0, vus: 0 }]
    );
}

#[test]
fn the_longest_ramp_of_the_most_vus_does_not_overflow() {
    use crate::plan::{DURATION_MAX, VUS_MAX};
    let schedule = VuSchedule::ramp(
        0,
        &[Stage {
            duration: DURATION_MAX,
            target: VUS_MAX,
        }],
    );
    assert_eq!(schedule.steps().len(), VUS_MAX as usize + 1);
    assert_eq!(schedule.planned_at(DURATION_MAX / 2), VUS_MAX / 2);
    assert_eq!(schedule.end(), 24 * 60 * MINUTE);
}

/// Computes the count at `elapsed` directly from the definition, stage by stage, to compare the steps with.
fn naive_planned(start: u32, stages: &[Stage], elapsed: Nanos) -> u32 {
    let (mut from, mut begin, mut planned) = (start, 0, start);
    for stage in stages {
        let end = begin + stage.duration;
        if elapsed >= end {
            planned = stage.target;
        } else if elapsed >= begin {
            let change = u64::from(stage.target.abs_diff(from));
            // Steps not yet taken: those whose instant, counted back from the end, is still to come.
            let taken = |left: u64| end - stage.duration * left / change <= elapsed;
            let left = (0..change).take_while(|&left| !taken(left)).count() as u32;
            return match stage.target >= from {
                true => stage.target - left,
                false => stage.target + left,
            };
        }
        from = stage.target;
        begin = end;
    }
    if elapsed >= begin { 0 } else { planned }
}

fn any_shape() -> impl Strategy<Value = (u32, Vec<Stage>)> {
    let stage = (0u64..20_000_000, 0u32..60).prop_map(|(duration, target)| Stage {
        // Every fourth stage is a jump.
        duration: if duration % 4 == 0 { 0 } else { duration },
        target,
    });
    (0u32..60, proptest::collection::vec(stage, 1..8))
}

proptest! {
    #[test]
    fn the_planned_count_agrees_with_the_naive_one((start, stages) in any_shape(), at in 0u64..160_000_000) {
        let schedule = VuSchedule::ramp(start, &stages);
        prop_assert_eq!(schedule.planned_at(at), naive_planned(start, &stages, at));
    }

    #[test]
    fn the_shards_of_a_schedule_add_up_to_it_at_every_step(
        (start, stages) in any_shape(), count in 1u32..9, at in 0u64..160_000_000,
    ) {
        let whole = VuSchedule::ramp(start, &stages);
        let shards: Vec<VuSchedule> =
            (0..count).map(|index| whole.map(|vus| Shard::new(index, count).unwrap().vus_of(vus))).collect();
        let instants = whole.steps().iter().map(|step| step.at).chain([at]);
        for at in instants {
            let planned: Vec<u32> = shards.iter().map(|shard| shard.planned_at(at)).collect();
            prop_assert_eq!(planned.iter().sum::<u32>(), whole.planned_at(at));
            prop_assert!(planned.iter().max().unwrap() - planned.iter().min().unwrap() <= 1);
        }
        for shard in &shards {
            let steps = shard.steps();
            prop_assert_eq!((steps[0].at, shard.end()), (0, whole.end()));
            prop_assert!(steps.windows(2).all(|two| two[0].at < two[1].at && two[0].vus != two[1].vus));
            prop_assert_eq!(steps[steps.len() - 1].vus, 0);
        }
    }

    #[test]
    fn steps_ascend_and_agree_with_planned_at((start, stages) in any_shape()) {
        let schedule = VuSchedule::ramp(start, &stages);
        let steps = schedule.steps();
        prop_assert_eq!(steps[0].at, 0);
        prop_assert_eq!(steps[steps.len() - 1].vus, 0);
        for pair in steps.windows(2) {
            prop_assert!(pair[0].at < pair[1].at && pair[0].vus != pair[1].vus);
            prop_assert_eq!(schedule.planned_at(pair[1].at - 1), pair[0].vus);
        }
        for step in steps {
            prop_assert_eq!(schedule.planned_at(step.at), step.vus);
        }
    }

    #[test]
    fn cores_add_up_to_the_plan_at_every_step((start, stages) in any_shape(), cores in 1u32..17) {
        for step in VuSchedule::ramp(start, &stages).steps() {
            let sum: u32 = (0..cores).map(|core| vus_on_core(step.vus, core, cores)).sum();
            prop_assert_eq!(sum, step.vus);
        }
    }

    /// Replays each VU's starts and stops per core, with the newest local VU stopping first, and compares with the
    /// plan.
    #[test]
    fn the_last_vu_to_start_is_the_first_to_stop_on_every_core((start, stages) in any_shape(), cores in 1u32..5) {
        let mut running: Vec<Vec<u32>> = vec![Vec::new(); cores as usize];
        for step in VuSchedule::ramp(start, &stages).steps() {
            for core in 0..cores {
                let mine = &mut running[core as usize];
                let wanted = vus_on_core(step.vus, core, cores) as usize;
                mine.truncate(wanted);
                for local in mine.len()..wanted {
                    mine.push(local_to_global(core, cores, local as u32));
                }
            }
            let mut all: Vec<u32> = running.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..step.vus).collect::<Vec<_>>());
        }
    }
}
