//! The probes of a search, which rank 0 steers.

use super::*;

fn prepare(level: u32) -> ProbeStep {
    ProbeStep::Prepare {
        load: json!({ "level": level }),
    }
}

/// A search: what rank 0 says of its probes, and the ranks that prepare them.
struct Probes {
    simulation: Simulation,
    pass: u32,
}

impl Probes {
    fn new(on_loss: OnLoss) -> Probes {
        let mut simulation = Simulation::of_all(on_loss);
        simulation.run(SECOND);
        Probes { simulation, pass: 0 }
    }

    fn say(&mut self, step: ProbeStep) {
        self.simulation.roll.probe(self.pass, &step);
        self.simulation.run(SECOND);
    }

    /// Returns the steps that a rank has heard of, with their passes.
    fn steps(&self, link: LinkId) -> Vec<(u32, ProbeStep)> {
        let heard = self.simulation.heard(link).into_iter();
        let steps = heard.filter_map(|heard| match heard {
            Heard::Probe { pass, step } => Some((*pass, step.clone())),
            _ => None,
        });
        steps.collect()
    }

    /// Every rank that is there says that it could begin, and rank 0 as well. Returns how many passes have begun.
    fn ready(&mut self, without: &[LinkId]) -> usize {
        let links: Vec<LinkId> = self.simulation.peers.keys().copied().collect();
        for link in links.into_iter().filter(|link| !without.contains(link)) {
            self.simulation.ready(link, self.pass);
        }
        let (plan, now) = (json!({ "vus": 4 }), self.simulation.now);
        self.simulation.roll.ready(self.pass, plan, now);
        self.simulation.run(SECOND);
        self.simulation.told(is_begin).len()
    }
}

#[test]
fn every_rank_hears_each_step_of_a_probe_once_and_in_order() {
    let mut probes = Probes::new(OnLoss::Stop);
    for pass in 0..3 {
        probes.pass = pass;
        probes.say(prepare(pass));
        assert_eq!(probes.ready(&[]), pass as usize + 1);
        probes.say(ProbeStep::StopCounting);
        probes.say(ProbeStep::Drain);
    }
    let expected: Vec<(u32, ProbeStep)> = (0..3)
        .flat_map(|pass| [prepare(pass), ProbeStep::StopCounting, ProbeStep::Drain].map(|step| (pass, step)))
        .collect();
    for link in 1..u64::from(RANKS) {
        assert_eq!(probes.steps(link), expected);
    }
}

#[test]
fn a_load_that_comes_twice_is_prepared_once_and_a_late_word_ends_no_later_probe() {
    let mut probes = Probes::new(OnLoss::Stop);
    probes.say(prepare(1));
    probes.say(prepare(1));
    assert_eq!(probes.ready(&[]), 1);
    probes.pass = 1;
    probes.say(prepare(2));
    // Of the first probe, and of one that nobody has prepared.
    for pass in [0, 2] {
        for step in [ProbeStep::StopCounting, ProbeStep::Drain] {
            probes.simulation.roll.probe(pass, &step);
        }
    }
    probes.simulation.roll.probe(0, &prepare(9));
    probes.simulation.run(SECOND);
    probes.say(ProbeStep::Drain);
    let expected = [(0, prepare(1)), (1, prepare(2)), (1, ProbeStep::Drain)];
    for link in 1..u64::from(RANKS) {
        assert_eq!(probes.steps(link), expected);
    }
}

#[test]
fn a_probe_waits_for_the_rank_that_prepares_it_last() {
    let mut probes = Probes::new(OnLoss::Continue);
    probes.say(prepare(1));
    assert_eq!(probes.ready(&[2]), 0);
    // Longer than anybody may be silent.
    probes.simulation.run(20 * SECOND);
    assert!(probes.simulation.told(is_begin).is_empty());
    probes.simulation.ready(2, 0);
    probes.simulation.run(SECOND);
    assert_eq!(probes.simulation.told(is_begin).len(), 1);
}

#[test]
fn a_rank_that_is_lost_in_a_probe_or_between_two_is_in_none_after_it() {
    for is_between in [false, true] {
        let mut probes = Probes::new(OnLoss::Continue);
        probes.say(prepare(1));
        assert_eq!(probes.ready(&[]), 1);
        if is_between {
            probes.say(ProbeStep::Drain);
        }
        probes.simulation.kill(2);
        probes.simulation.run(SECOND);
        let lost = probes.simulation.told(is_lost);
        assert!(
            matches!(lost.as_slice(), [Notice::Lost { rank: 2, .. }]),
            "{lost:?}"
        );
        // The others end that probe, and make the next one.
        if !is_between {
            probes.say(ProbeStep::Drain);
        }
        probes.pass = 1;
        probes.say(prepare(1));
        assert_eq!(probes.ready(&[2]), 2);
        let expected = [(0, prepare(1)), (0, ProbeStep::Drain), (1, prepare(1))];
        for link in [1, 3] {
            assert_eq!(probes.steps(link), expected, "{is_between}");
        }
        assert_eq!(probes.steps(2).len(), 1 + usize::from(is_between));
    }
}

#[test]
fn a_loss_that_stops_all_lets_no_further_probe_begin() {
    let mut probes = Probes::new(OnLoss::Stop);
    probes.say(prepare(1));
    assert_eq!(probes.ready(&[]), 1);
    probes.say(ProbeStep::Drain);
    probes.simulation.kill(3);
    probes.pass = 1;
    probes.say(prepare(2));
    assert_eq!(probes.ready(&[3]), 1);
    for link in [1, 2] {
        let heard = probes.simulation.heard(link);
        let stops = heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Stop(Stop::Lost { rank: 3, .. })));
        assert_eq!(stops.count(), 1, "{heard:?}");
    }
}

#[test]
fn why_a_generator_was_the_limit_comes_before_the_last_figures_of_its_rank() {
    let mut probes = Probes::new(OnLoss::Stop);
    probes.say(prepare(1));
    assert_eq!(probes.ready(&[]), 1);
    let member = &mut probes.simulation.peers.get_mut(&3).unwrap().member;
    member.snapshot(0, SECOND, false, json!(1));
    member.limits(0, json!(["worker_busy"]));
    member.snapshot(0, 2 * SECOND, true, json!(2));
    probes.simulation.run(SECOND);
    let told = probes
        .simulation
        .told(|n| matches!(n, Notice::Snapshot(_) | Notice::Limits(_)));
    let [
        Notice::Snapshot(RankFigures { is_last: false, .. }),
        Notice::Limits(limits),
        Notice::Snapshot(RankFigures { is_last: true, .. }),
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    let expected = RankLimits {
        rank: 3,
        pass: 0,
        reasons: json!(["worker_busy"]),
    };
    assert_eq!(*limits, expected);
}

#[test]
fn only_rank_0_steers_probes_and_only_the_others_tell_it_of_their_generators() {
    let mut probes = Probes::new(OnLoss::Continue);
    probes.say(prepare(1));
    assert_eq!(probes.ready(&[]), 1);
    let step = ProbeStep::Drain;
    probes.simulation.forge(1, Message::Probe { pass: 0, step });
    let lost = probes.simulation.told(is_lost);
    let [Notice::Lost { rank: 1, why }] = lost.as_slice() else {
        panic!("{lost:?}");
    };
    assert_eq!(why, "it said what only rank 0 says");
    let mut member = Member::new(member_terms(1), [0; BINDING_BYTES], START);
    member.outputs();
    let limits = Message::Limits {
        pass: 0,
        reasons: json!([]),
    };
    // Whoever has not shown that it knows the secret moves nothing.
    let step = prepare(1);
    for message in [Message::Probe { pass: 0, step }, limits] {
        member.message(message, START);
        let outputs = member.outputs();
        let moved = outputs.iter().filter(|output| {
            matches!(
                output,
                MemberOutput::Tell(Heard::Probe { .. }) | MemberOutput::Send(_)
            )
        });
        assert_eq!(moved.count(), 0, "{outputs:?}");
    }
}
