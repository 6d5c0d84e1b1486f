//! Those who do not belong to the run, and messages in any order.

use super::*;

#[test]
fn who_does_not_belong_is_refused_with_the_reason_and_changes_nothing() {
    let mut simulation = Simulation::of_all(OnLoss::Stop);
    simulation.run(SECOND);
    let mut link = 10;
    let mut refused = |simulation: &mut Simulation, change: fn(&mut MemberTerms)| {
        link += 1;
        let mut terms = member_terms(2);
        change(&mut terms);
        simulation.connect(link, terms);
        simulation.run(SECOND);
        simulation.refusal(link).to_owned()
    };
    let s = &mut simulation;
    assert_eq!(
        refused(s, |_| {}),
        "rank 2 is there already, on host2: this one is on host2"
    );
    assert_eq!(
        refused(s, |t| t.key = key("another secret, also long")),
        "its secret is not rank 0's"
    );
    let versions = format!("rank 0 is llmload-uring 1 (protocol {PROTOCOL})");
    assert!(refused(s, |t| t.version = "2".into()).starts_with(&versions));
    assert_eq!(
        refused(s, |t| t.ranks = 5),
        "rank 0 is one of 4 ranks, and this is rank 2 of 5"
    );
    assert_eq!(refused(s, |t| t.rank = 0), "rank 0 is there already");
    assert_eq!(refused(s, |t| t.rank = 4), "rank 4 is none of the run's");
    s.all_ready(0);
    s.run(2 * SECOND);
    assert_eq!(s.told(is_begin).len(), 1, "{:?}", s.notices);
    assert!(s.told(is_lost).is_empty() && s.told(is_failed).is_empty());
    s.kill(3);
    s.run(SECOND);
    assert_eq!(
        refused(s, |t| t.rank = 3),
        "rank 3 was lost before, and cannot come back"
    );
}

#[test]
fn another_plan_is_refused_at_the_door_and_before_the_load() {
    let mut simulation = Simulation::new(OnLoss::Stop);
    let mut terms = member_terms(1);
    terms.plan = json!({ "vus": 5 });
    simulation.connect(1, terms);
    simulation.run(SECOND);
    assert_eq!(
        simulation.refusal(1),
        "rank 1 has another plan than rank 0: {\"vus\":4} and {\"vus\":5}"
    );
    // A rank that starts late finds its seat free.
    let mut simulation = Simulation::of_all(OnLoss::Stop);
    simulation.run(SECOND);
    // What only the server knew: rank 0 learns it last.
    for link in 1..u64::from(RANKS) {
        let now = simulation.now;
        let peer = simulation.peers.get_mut(&link).unwrap();
        let model = if link == 3 { "b" } else { "a" };
        peer.member
            .ready(0, json!({ "model": model }), now.strict_add_signed(peer.ahead));
    }
    simulation.run(SECOND);
    assert!(simulation.told(is_failed).is_empty(), "it is not known yet");
    simulation.roll.ready(0, json!({ "model": "a" }), simulation.now);
    simulation.run(SECOND);
    let failed = simulation.told(is_failed);
    assert!(
        matches!(failed.as_slice(), [Notice::Failed { what, .. }] if what.starts_with("rank 3 has found another plan")),
        "{failed:?}"
    );
    assert!(simulation.told(is_begin).is_empty());
}

#[test]
fn a_late_rank_is_refused_once_the_load_has_begun() {
    let mut simulation = Simulation::of_all(OnLoss::Continue);
    simulation.run(SECOND);
    simulation.all_ready(0);
    simulation.run(3 * SECOND);
    // Rank 2 is not lost, but a second one with a rank that nobody has cannot exist: all seats are taken.
    simulation.connect(20, member_terms(2));
    simulation.run(SECOND);
    assert!(simulation.refusal(20).starts_with("rank 2 is there already"));
}

#[test]
fn a_signal_at_any_rank_ends_the_load_of_all() {
    for rank in 1..u64::from(RANKS) {
        let mut simulation = Simulation::of_all(OnLoss::Continue);
        simulation.run(SECOND);
        simulation.all_ready(0);
        simulation.run(3 * SECOND);
        simulation.peers.get_mut(&rank).unwrap().member.interrupted();
        simulation.run(SECOND);
        let told = simulation.told(|n| matches!(n, Notice::Interrupted { .. }));
        assert_eq!(told, [&Notice::Interrupted { rank: rank as u32 }]);
        for link in 1..u64::from(RANKS) {
            let stop = Heard::Stop(Stop::Signal { rank: rank as u32 });
            assert_eq!(simulation.heard(link).last(), Some(&&stop));
        }
    }
}

#[test]
fn an_impostor_gets_no_plan_and_gives_no_orders() {
    let binding = [3; BINDING_BYTES];
    let wrong = key("not the secret of the run").prove(Side::Coordinator, &binding);
    let reflected = key(SECRET).prove(Side::Rank, &binding);
    for proof in [wrong, reflected] {
        let mut member = Member::new(member_terms(1), binding, START);
        member.outputs();
        member.message(
            Message::Welcome {
                version: "1".into(),
                proof,
            },
            START,
        );
        let outputs = member.outputs();
        assert!(
            matches!(outputs.as_slice(), [MemberOutput::Tell(Heard::Refused { what, .. })] if what.contains("secret")),
            "{outputs:?}"
        );
    }
    for order in [
        Message::Abort,
        Message::Joined,
        Message::Verdict { exit: 0 },
        Message::Beat,
        Message::Begin {
            pass: 0,
            at: 1,
            wall_offset: 0,
        },
    ] {
        let mut member = Member::new(member_terms(1), binding, START);
        member.outputs();
        member.message(order, START);
        let outputs = member.outputs();
        assert!(
            matches!(outputs.as_slice(), [MemberOutput::Tell(Heard::Refused { .. })]),
            "{outputs:?}"
        );
    }
}

#[test]
fn strangers_are_shown_out_and_cost_nothing() {
    let mut simulation = Simulation::of_all(OnLoss::Stop);
    simulation.run(SECOND);
    for link in 100..500 {
        simulation.roll.connected(
            link,
            format!("10.9.9.9:{link}"),
            [0; BINDING_BYTES],
            simulation.now,
        );
    }
    simulation.forge(100, Message::Beat);
    simulation.forge(
        101,
        Message::Document {
            document: json!(null),
        },
    );
    simulation.forge(
        102,
        Message::Join {
            rank: 2,
            ranks: RANKS,
            host: "h".into(),
            plan: json!({ "vus": 4 }),
        },
    );
    simulation.run(11 * SECOND);
    let notes = simulation.told(|n| matches!(n, Notice::Note(_)));
    assert_eq!(notes.len(), 256, "each that came in is shown out once");
    simulation.all_ready(0);
    simulation.run(SECOND);
    assert_eq!(simulation.told(is_begin).len(), 1);
}

/// A repeatable sequence of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

fn any_message(random: &mut Random) -> Message {
    let n = random.below(u64::MAX);
    match random.below(15) {
        0 => Message::Hello {
            protocol: PROTOCOL,
            version: "1".into(),
            proof: key(SECRET).prove(Side::Rank, &[n as u8 % 9; BINDING_BYTES]),
        },
        1 => Message::Welcome {
            version: "1".into(),
            proof: String::new(),
        },
        2 => Message::Join {
            rank: (n % 6) as u32,
            ranks: RANKS,
            host: "h".into(),
            plan: json!({ "vus": 4 }),
        },
        3 => Message::Joined,
        4 => Message::Ping { sent: n },
        5 => Message::Pong {
            sent: n,
            received: n / 2,
            answered: n * 3 % 1000,
        },
        6 => Message::Ready {
            pass: (n % 3) as u32,
            plan: json!({ "vus": 4 }),
            error: n,
        },
        7 => Message::Begin {
            pass: 0,
            at: n,
            wall_offset: -(n as i64),
        },
        8 => Message::Stop(Stop::Signal { rank: n as u32 }),
        9 => Message::Abort,
        10 => Message::Interrupted,
        11 => Message::Document { document: json!([]) },
        12 => Message::Leave { why: "x".into() },
        13 => Message::Verdict { exit: n as u8 },
        _ => Message::Beat,
    }
}

#[test]
fn no_order_of_messages_begins_a_pass_twice_or_without_all_ranks() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut simulation = Simulation::new(OnLoss::Stop);
        let mut ready = [[false; 4]; RANKS as usize + 2];
        for link in 0..9 {
            let binding = [link as u8; BINDING_BYTES];
            simulation
                .roll
                .connected(link, String::new(), binding, simulation.now);
        }
        for _ in 0..400 {
            let message = any_message(&mut random);
            if random.below(40) == 0 {
                let pass = random.below(3) as u32;
                ready[0][pass as usize] = true;
                simulation.roll.ready(pass, json!({ "vus": 4 }), simulation.now);
            }
            let link = random.below(10);
            if random.below(60) == 0 {
                simulation.roll.closed(link, "cut", simulation.now);
            }
            simulation.now += MILLISECOND;
            let (whole, begun) = (
                simulation.roll.missing().is_empty(),
                simulation.told(is_begin).len(),
            );
            simulation.forge(link, message);
            simulation.roll.tick(simulation.now);
            simulation.drain();
            if simulation.told(is_begin).len() > begun && begun == 0 {
                assert!(whole || simulation.roll.missing().is_empty(), "seed {seed}");
                assert!(ready[0].iter().any(|ready| *ready), "seed {seed}");
            }
        }
        let begins: Vec<u32> = simulation
            .told(is_begin)
            .iter()
            .filter_map(|notice| match notice {
                Notice::Begin { pass, .. } => Some(*pass),
                _ => None,
            })
            .collect();
        assert!(
            begins.iter().copied().eq(0..begins.len() as u32),
            "seed {seed}: {begins:?}"
        );
    }
}
