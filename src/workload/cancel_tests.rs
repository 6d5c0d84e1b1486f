use super::*;
use crate::units::MILLISECOND;

fn chooser(percent: f64, seed: u64) -> Chooser {
    let cancel = Cancel {
        share: Share::of(percent / 100.0).unwrap(),
        at: CancelAt::Tokens(Span { min: 5, max: 9 }),
    };
    Chooser::new(cancel, seed, "chat")
}

fn count(chooser: &Chooser, users: u32, requests: u64) -> u64 {
    let all = (0..users).flat_map(|user| (0..requests).map(move |number| (user, number)));
    all.filter(|(user, number)| chooser.cut(*user, *number).is_some())
        .count() as u64
}

#[test]
fn a_sequence_has_exactly_its_share_at_the_end_of_each_window_and_nearly_in_between() {
    for seed in 0..20 {
        for (percent, requests, expected) in [
            (10.0, 10, 1),
            (10.0, 200, 20),
            (25.0, 100, 25),
            (50.0, 8, 4),
            (30.0, 100, 30),
            (0.1, 3_000, 3),
            (100.0, 7, 7),
            (0.0, 500, 0),
        ] {
            assert_eq!(count(&chooser(percent, seed), 1, requests), expected, "{percent}");
        }
        for percent in [0.7, 3.0, 7.3, 12.5, 33.3, 61.0, 99.0] {
            let chooser = chooser(percent, seed);
            let mut chosen = 0.0;
            for number in 0..500u64 {
                chosen += f64::from(u8::from(chooser.cut(0, number).is_some()));
                let due = (number + 1) as f64 * percent / 100.0;
                assert!((chosen - due).abs() < 2.0, "{percent} %: {chosen} of {due}");
            }
        }
    }
}

#[test]
fn users_together_have_the_share_from_their_first_request_on() {
    for seed in 0..20 {
        for percent in [1.0, 7.3, 10.0, 50.0] {
            let chooser = chooser(percent, seed);
            for (users, requests) in [(1_000, 1), (300, 3), (64, 7), (7, 40), (1_000, 10)] {
                let chosen = count(&chooser, users, requests) as f64;
                let due = f64::from(users) * requests as f64 * percent / 100.0;
                assert!(
                    (chosen - due).abs() <= 4.0,
                    "{percent} % of {users} x {requests}: {chosen}, not {due}"
                );
            }
        }
    }
}

#[test]
fn seeds_and_kinds_choose_others_and_every_point_of_the_span_occurs() {
    let chosen =
        |chooser: &Chooser| -> Vec<u64> { (0..400).filter(|n| chooser.cut(0, *n).is_some()).collect() };
    let first = chosen(&chooser(10.0, 1));
    assert_eq!(first, chosen(&chooser(10.0, 1)));
    assert_ne!(first, chosen(&chooser(10.0, 2)));
    let other = Chooser::new(chooser(10.0, 1).cancel, 1, "batch");
    assert_ne!(first, chosen(&other));
    // Not every tenth.
    let gaps: std::collections::BTreeSet<u64> = first.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 5, "{gaps:?}");
    let points: std::collections::BTreeSet<_> = first
        .iter()
        .filter_map(|n| match chooser(10.0, 1).cut(0, *n)? {
            Cut::Tokens(n) => Some(n),
            Cut::After(_) => None,
        })
        .collect();
    assert_eq!(points, (5..=9).collect());
}

#[test]
fn it_is_written_as_an_option_and_as_a_document() {
    let cancel = |percent: f64, at| Cancel {
        share: Share::of(percent / 100.0).unwrap(),
        at,
    };
    let tokens = cancel(12.5, CancelAt::Tokens(Span { min: 1, max: 1 }));
    assert_eq!(tokens.to_string(), "12.5% after 1 token");
    assert_eq!(
        serde_json::to_string(&tokens).unwrap(),
        r#"{"share":"12.5%","after_tokens":"1"}"#
    );
    let span = Span {
        min: 500 * MILLISECOND,
        max: 2_000 * MILLISECOND,
    };
    let after = cancel(10.0, CancelAt::After(span));
    assert_eq!(after.to_string(), "10% after 500ms-2s");
    assert_eq!(
        serde_json::to_string(&after).unwrap(),
        r#"{"share":"10%","after":"500ms-2s"}"#
    );
    assert_eq!(Share::of(1.01), None);
    assert_eq!(Share::of(f64::NAN), None);
}
