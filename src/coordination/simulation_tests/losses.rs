//! Ranks that begin together, die or fall silent.

use super::*;

#[test]
fn all_begin_at_one_instant_although_their_clocks_are_seconds_apart() {
    let mut simulation = Simulation::of_all(OnLoss::Stop);
    simulation.run(SECOND);
    assert_eq!(simulation.told(|n| *n == Notice::Complete).len(), 1);
    for pass in 0..2 {
        simulation.all_ready(pass);
        simulation.run(2 * SECOND);
        let begins = simulation.told(is_begin);
        let Some(Notice::Begin { pass: last, at }) = begins.last() else {
            panic!("{:?}", simulation.notices);
        };
        assert_eq!((*last, begins.len()), (pass, pass as usize + 1));
        for peer in simulation.peers.values() {
            let Some((
                heard_at,
                Heard::Begin {
                    at: local,
                    wall_offset,
                    clock,
                    ..
                },
            )) = peer.heard.last()
            else {
                panic!("{:?}", peer.heard);
            };
            let truly = local.strict_add_signed(-peer.ahead);
            assert!(truly.abs_diff(*at) <= clock.error, "{truly} and {at}");
            assert!(*heard_at < *at, "the message arrives before the instant");
            // On its own clock the label is that of rank 0.
            assert_eq!(
                i128::from(*local) + i128::from(*wall_offset),
                i128::from(*at) + 42
            );
        }
    }
}

#[test]
fn nobody_begins_before_the_last_rank_is_there_and_ready() {
    let mut simulation = Simulation::new(OnLoss::Stop);
    for rank in 1..RANKS - 1 {
        simulation.connect(u64::from(rank), member_terms(rank));
    }
    simulation.run(SECOND);
    simulation.all_ready(0);
    // Longer than anybody may be silent.
    simulation.run(60 * SECOND);
    assert_eq!(simulation.roll.missing(), [RANKS - 1]);
    assert!(simulation.told(is_begin).is_empty());
    let last = u64::from(RANKS - 1);
    simulation.connect(last, member_terms(RANKS - 1));
    simulation.run(SECOND);
    assert!(simulation.told(is_begin).is_empty(), "it is there and not ready");
    simulation.ready(last, 0);
    simulation.run(SECOND);
    assert_eq!(simulation.told(is_begin).len(), 1);
}

#[test]
fn a_rank_that_dies_before_the_load_ends_it_for_all() {
    for phase in 0..2 {
        for dead in 1..u64::from(RANKS) {
            let mut simulation = Simulation::of_all(OnLoss::Continue);
            simulation.run(SECOND);
            if phase == 1 {
                simulation.ready(dead, 0);
                simulation.run(SECOND);
            }
            simulation.kill(dead);
            simulation.run(SECOND);
            let failed = simulation.told(is_failed);
            let [Notice::Failed { what, .. }] = failed.as_slice() else {
                panic!("{failed:?}");
            };
            let expected =
                format!("rank {dead} on host{dead} was lost before the load began: connection reset");
            assert_eq!(*what, expected);
            for other in (1..u64::from(RANKS)).filter(|other| *other != dead) {
                let heard = simulation.heard(other);
                assert!(
                    matches!(heard.last(), Some(Heard::Cancelled { what, .. }) if *what == expected),
                    "{heard:?}"
                );
            }
        }
    }
}

#[test]
fn a_rank_that_dies_under_load_stops_the_others_or_not_as_asked() {
    for on_loss in [OnLoss::Stop, OnLoss::Continue] {
        for dead in 1..u64::from(RANKS) {
            let mut simulation = Simulation::of_all(on_loss);
            simulation.run(SECOND);
            simulation.all_ready(0);
            simulation.run(3 * SECOND);
            simulation.kill(dead);
            simulation.run(SECOND);
            let lost = simulation.told(is_lost);
            assert!(matches!(lost.as_slice(), [Notice::Lost { rank, .. }] if u64::from(*rank) == dead));
            assert_eq!(simulation.roll.missing(), [dead as u32]);
            for other in (1..u64::from(RANKS)).filter(|other| *other != dead) {
                let heard = simulation.heard(other);
                let stops = heard
                    .iter()
                    .filter(|heard| matches!(heard, Heard::Stop(Stop::Lost { .. })));
                assert_eq!(stops.count(), usize::from(on_loss == OnLoss::Stop), "{heard:?}");
            }
            // The rest gives its results.
            for other in (1..u64::from(RANKS)).filter(|other| *other != dead) {
                simulation
                    .peers
                    .get_mut(&other)
                    .unwrap()
                    .member
                    .document(json!(other));
            }
            simulation.run(SECOND);
            assert_eq!(simulation.told(|n| matches!(n, Notice::Document { .. })).len(), 2);
            assert!(simulation.roll.outstanding().is_empty());
        }
    }
}

#[test]
fn a_rank_that_dies_after_its_result_is_no_loss() {
    let mut simulation = Simulation::of_all(OnLoss::Stop);
    simulation.run(SECOND);
    simulation.all_ready(0);
    simulation.run(3 * SECOND);
    for link in 1..u64::from(RANKS) {
        simulation
            .peers
            .get_mut(&link)
            .unwrap()
            .member
            .document(json!(link));
        simulation.run(SECOND);
        simulation.kill(link);
        simulation.run(SECOND);
    }
    assert!(simulation.told(is_lost).is_empty());
    assert!(simulation.roll.outstanding().is_empty());
}

#[test]
fn silence_is_a_loss_within_seconds_on_both_sides() {
    let mut simulation = Simulation::of_all(OnLoss::Continue);
    simulation.run(SECOND);
    simulation.all_ready(0);
    simulation.run(20 * SECOND);
    assert!(simulation.told(is_lost).is_empty(), "beats keep everybody alive");
    simulation.peers.get_mut(&2).unwrap().is_mute = true;
    let since = simulation.now;
    simulation.run(SILENCE_MAX + 2 * BEAT_EVERY);
    let lost = simulation.notices.iter().find(|(_, notice)| is_lost(notice));
    let Some((at, Notice::Lost { rank: 2, why })) = lost else {
        panic!("{:?}", simulation.notices);
    };
    assert_eq!(why, "nothing came from it for 5s");
    assert!(at - since <= SILENCE_MAX + BEAT_EVERY);
    // The other way round: rank 0 says nothing any more.
    let mut member = Member::new(member_terms(1), [0; BINDING_BYTES], START);
    member.tick(START + SILENCE_MAX);
    member.outputs();
    member.tick(START + SILENCE_MAX + 1);
    let outputs = member.outputs();
    assert!(
        matches!(outputs.last(), Some(MemberOutput::Tell(Heard::Lost { .. }))),
        "{outputs:?}"
    );
}

#[test]
fn a_rank_that_dies_while_others_are_awaited_may_come_back() {
    let mut simulation = Simulation::new(OnLoss::Stop);
    simulation.connect(1, member_terms(1));
    simulation.connect(2, member_terms(2));
    simulation.run(SECOND);
    simulation.kill(1);
    simulation.run(SECOND);
    assert_eq!(simulation.roll.missing(), [1, 3]);
    assert!(simulation.told(is_failed).is_empty());
    simulation.connect(11, member_terms(1));
    simulation.connect(3, member_terms(3));
    simulation.run(SECOND);
    assert_eq!(simulation.told(|n| *n == Notice::Complete).len(), 1);
    for link in [2, 3, 11] {
        assert_eq!(simulation.heard(link), [&Heard::Joined]);
    }
}
