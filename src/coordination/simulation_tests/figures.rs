//! Figures that ranks give rank 0 while a pass goes on.

use super::*;

/// The part of a rank.
#[derive(Clone, Copy)]
struct Part {
    unsent: u64,
    may_send: bool,
    /// The seconds that are over, and those that were handed out.
    seconds: u64,
    sent: u64,
}

/// What a run does about figures: each rank counts so many requests a second, and rank 0 adds them up.
struct Load {
    simulation: Simulation,
    reach: Reach,
    ranks: BTreeMap<u32, Part>,
    /// What rank 0 has, and the ends of its rows with what it had by then.
    sum: u64,
    rows: Vec<(Nanos, u64)>,
    seen: usize,
    answered: BTreeMap<LinkId, usize>,
}

impl Load {
    fn begin(on_loss: OnLoss) -> Load {
        let mut simulation = Simulation::of_all(on_loss);
        simulation.run(SECOND);
        simulation.all_ready(0);
        simulation.run(SECOND);
        let part = Part {
            unsent: 0,
            may_send: true,
            seconds: 0,
            sent: 0,
        };
        Load {
            seen: simulation.notices.len(),
            simulation,
            reach: Reach::new(0..RANKS),
            ranks: (0..RANKS).map(|rank| (rank, part)).collect(),
            sum: 0,
            rows: Vec::new(),
            answered: BTreeMap::new(),
        }
    }

    /// A second of the load of those ranks that run, each of which counts ten requests and its own number.
    fn second(&mut self, running: &[u32], last: bool) {
        for rank in running {
            let part = self.ranks.get_mut(rank).unwrap();
            part.seconds += 1;
            part.unsent += 10 + u64::from(*rank);
            self.hand_out(*rank, last);
        }
        for _ in 0..10 {
            self.simulation.drain();
            self.simulation.run(100 * MILLISECOND);
            self.hear();
        }
    }

    fn hand_out(&mut self, rank: u32, last: bool) {
        let part = self.ranks.get_mut(&rank).unwrap();
        if part.sent == part.seconds || !part.may_send && !last {
            return;
        }
        let (figures, until) = (std::mem::take(&mut part.unsent), part.seconds * SECOND);
        (part.sent, part.may_send) = (part.seconds, false);
        if rank == 0 {
            assert!(self.reach.take(0, until, last));
            self.sum += figures;
        } else {
            let peer = self.simulation.peers.get_mut(&u64::from(rank)).unwrap();
            peer.member.snapshot(0, until, last, json!(figures));
        }
    }

    fn go_on(&mut self, rank: u32) {
        self.ranks.get_mut(&rank).unwrap().may_send = true;
        self.hand_out(rank, false);
    }

    fn hear(&mut self) {
        let notices = self.simulation.notices.split_off(self.seen);
        for (_, notice) in &notices {
            match notice {
                Notice::Snapshot(part) if self.reach.take(part.rank, part.until, part.is_last) => {
                    self.sum += part.figures.as_u64().unwrap();
                }
                Notice::Lost { rank, .. } => self.reach.lose(*rank),
                _ => {}
            }
        }
        self.simulation.notices.extend(notices);
        self.seen = self.simulation.notices.len();
        while let Some(end) = self.reach.close() {
            self.rows.push((end, self.sum));
        }
        for rank in self.reach.released() {
            match rank {
                0 => self.go_on(0),
                _ => self.simulation.roll.taken(rank),
            }
        }
        self.simulation.drain();
        for link in 1..u64::from(RANKS) {
            let heard = self.simulation.peers[&link].heard.iter();
            let taken = heard.filter(|(_, heard)| *heard == Heard::Taken).count();
            let known = self.answered.entry(link).or_default();
            if taken > *known {
                *known = taken;
                self.go_on(link as u32);
            }
        }
        self.simulation.drain();
    }
}

/// What four ranks count in a second.
const PER_SECOND: u64 = 46;

#[test]
fn rows_of_the_whole_have_the_figures_of_every_rank_and_add_up() {
    let mut load = Load::begin(OnLoss::Stop);
    for second in 1..=20 {
        load.second(&[0, 1, 2, 3], second == 20);
    }
    for (end, sum) in &load.rows {
        assert_eq!(*sum, end / SECOND * PER_SECOND, "{end}");
    }
    assert!(load.rows.len() >= 18, "about one row a second: {:?}", load.rows);
    assert!(load.reach.is_over());
    assert_eq!(load.sum, 20 * PER_SECOND);
}

#[test]
fn a_rank_that_stood_still_is_waited_for_and_never_counted_as_idle() {
    let mut load = Load::begin(OnLoss::Stop);
    load.second(&[0, 1, 2, 3], false);
    let before = load.rows.len();
    // Not long enough to be lost.
    for _ in 0..4 {
        load.second(&[0, 1, 3], false);
    }
    assert_eq!(load.rows.len(), before, "{:?}", load.rows);
    // Its seconds were counted all the same, and come at once.
    let part = load.ranks.get_mut(&2).unwrap();
    part.seconds += 4;
    part.unsent += 4 * 12;
    for second in 1..=4 {
        load.second(&[0, 1, 2, 3], second == 4);
    }
    for (end, sum) in &load.rows {
        assert_eq!(*sum, end / SECOND * PER_SECOND, "{end}");
    }
    assert!(load.rows.len() > before && load.reach.is_over());
    assert_eq!(load.sum, 9 * PER_SECOND);
    assert!(load.simulation.told(is_lost).is_empty());
}

#[test]
fn what_a_lost_rank_has_given_stays_and_the_others_go_on_without_it() {
    let mut load = Load::begin(OnLoss::Continue);
    for _ in 0..3 {
        load.second(&[0, 1, 2, 3], false);
    }
    load.simulation.peers.get_mut(&2).unwrap().is_mute = true;
    for second in 1..=12 {
        load.second(&[0, 1, 3], second == 12);
    }
    let lost = load.simulation.told(is_lost);
    assert!(
        matches!(lost.as_slice(), [Notice::Lost { rank: 2, .. }]),
        "{lost:?}"
    );
    assert!(load.reach.is_over());
    // Twelve of rank 2 in each of the three seconds of which it has told.
    assert_eq!(load.sum, 15 * (PER_SECOND - 12) + 3 * 12);
}

#[test]
fn a_snapshot_that_comes_twice_counts_once_and_one_that_is_missing_is_a_loss() {
    let figures = |number, pass| Message::Snapshot {
        pass,
        number,
        until: SECOND,
        is_last: false,
        figures: json!(7),
    };
    let is_snapshot = |notice: &Notice| matches!(notice, Notice::Snapshot(_));
    let mut load = Load::begin(OnLoss::Continue);
    for number in [0, 0, 1, 0, 1] {
        load.simulation.forge(1, figures(number, 0));
    }
    assert_eq!(load.simulation.told(is_snapshot).len(), 2);
    assert!(load.simulation.told(is_lost).is_empty());
    for (link, number, pass) in [(1, 3, 0), (2, 1, 0), (3, 0, 1)] {
        load.simulation.forge(link, figures(number, pass));
        let lost = load.simulation.told(is_lost);
        let Some(Notice::Lost { rank, why }) = lost.last() else {
            panic!("{link}");
        };
        assert_eq!(
            (u64::from(*rank), why.as_str()),
            (link, "a snapshot of its figures is missing")
        );
    }
    assert_eq!(load.simulation.told(is_snapshot).len(), 2);
}

#[test]
fn an_answer_to_an_earlier_snapshot_lets_nobody_go_on() {
    let mut load = Load::begin(OnLoss::Stop);
    let peer = load.simulation.peers.get_mut(&1).unwrap();
    let taken = |peer: &Peer| {
        let all = peer.heard.iter();
        all.filter(|(_, heard)| *heard == Heard::Taken).count()
    };
    peer.member.snapshot(0, SECOND, false, json!(1));
    peer.member.snapshot(0, 2 * SECOND, true, json!(1));
    for number in [0, u32::MAX] {
        let message = Message::Taken { pass: 0, number };
        peer.member.message(message, load.simulation.now);
    }
    load.simulation.drain();
    assert_eq!(taken(&load.simulation.peers[&1]), 0);
    let peer = load.simulation.peers.get_mut(&1).unwrap();
    peer.member
        .message(Message::Taken { pass: 0, number: 1 }, load.simulation.now);
    load.simulation.drain();
    assert_eq!(taken(&load.simulation.peers[&1]), 1);
}

#[test]
fn a_rank_whose_figures_cannot_be_read_is_lost() {
    let mut load = Load::begin(OnLoss::Stop);
    load.simulation
        .roll
        .unreadable(3, "it has other kinds of requests");
    load.simulation.drain();
    let lost = load.simulation.told(is_lost);
    let [Notice::Lost { rank: 3, why }] = lost.as_slice() else {
        panic!("{lost:?}");
    };
    assert_eq!(why, "its figures cannot be read: it has other kinds of requests");
}

#[test]
fn a_pass_begins_without_the_rank_that_was_lost_before_it() {
    let mut load = Load::begin(OnLoss::Continue);
    for link in [1, 3] {
        load.simulation.ready(link, 1);
    }
    load.simulation
        .roll
        .ready(1, json!({ "vus": 4 }), load.simulation.now);
    load.simulation.run(SECOND);
    assert_eq!(load.simulation.told(is_begin).len(), 1, "rank 2 is not ready");
    load.simulation.kill(2);
    load.simulation.run(SECOND);
    assert_eq!(load.simulation.told(is_begin).len(), 2);
}

#[test]
fn details_come_when_they_are_wanted_and_a_rank_can_be_lost_before_the_last() {
    let mut load = Load::begin(OnLoss::Continue);
    for peer in load.simulation.peers.values_mut() {
        peer.member.document(json!({}));
    }
    load.simulation.run(SECOND);
    assert!(load.simulation.roll.outstanding().is_empty());
    for rank in 1..3 {
        load.simulation.roll.want_details(rank);
    }
    load.simulation.run(SECOND);
    let simulation = &mut load.simulation;
    assert_eq!(simulation.peers[&1].heard.last().unwrap().1, Heard::WantDetails);
    let first = simulation.peers.get_mut(&1).unwrap();
    first.member.details("{}\n".to_owned(), true, None);
    simulation.run(SECOND);
    simulation.kill(1);
    simulation.kill(2);
    simulation.run(SECOND);
    let lost = simulation.told(is_lost);
    assert!(
        matches!(lost.as_slice(), [Notice::Lost { rank: 2, .. }]),
        "{lost:?}"
    );
    simulation.roll.want_details(2);
    simulation.drain();
    let is_details = |notice: &Notice| matches!(notice, Notice::Details(_));
    let details = simulation.told(is_details);
    let [
        Notice::Details(RankDetails {
            rank: 1,
            missing: None,
            ..
        }),
        Notice::Details(RankDetails {
            rank: 2,
            missing: Some(why),
            ..
        }),
    ] = details.as_slice()
    else {
        panic!("{details:?}");
    };
    assert_eq!(why, "it was lost");
}
