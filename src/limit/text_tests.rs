use super::*;
use crate::limit::row::BrokeFirst;
use crate::limit::search::LessSureEnds;

fn answer(limit: Option<f64>, low: Option<f64>, high: Option<f64>) -> Answer {
    Answer {
        limit,
        low,
        high,
        confidence: 0.95,
        less_sure: LessSureEnds::default(),
        ended_by: End::MaxTime,
        degraded_from: None,
        broke_first: None,
        knee: None,
        generator_first: None,
        expected: None,
    }
}

fn sure(level: f64, confidence: f64) -> Option<LessSure> {
    Some(LessSure { level, confidence })
}

#[test]
fn each_end_of_the_interval_has_its_confidence() {
    let says = |answer: &Answer| verdict(answer, Over::Users);
    assert_eq!(
        says(&answer(Some(31.0), Some(30.0), Some(33.0))),
        "LIMIT  31 users hold (at least 30 users and less than 33 users with 95 % confidence)"
    );
    let mut short = answer(Some(31.0), None, Some(46.0));
    assert_eq!(
        says(&short),
        "LIMIT  31 users hold (no lower end found, less than 46 users with 95 % confidence)"
    );
    short.less_sure.low = sure(23.0, 0.8);
    assert_eq!(
        says(&short),
        "LIMIT  31 users hold (at least 23 users with 80 % confidence, less than 46 users with 95 % confidence)"
    );
    short.high = None;
    assert_eq!(
        says(&short),
        "LIMIT  31 users hold (at least 23 users with 80 % confidence, no upper end found)"
    );
    assert_eq!(
        says(&answer(Some(31.0), None, None)),
        "LIMIT  31 users hold (too few requests for an interval)"
    );
    assert_eq!(
        verdict(
            &Answer {
                ended_by: End::ReachedTo,
                ..answer(Some(2.5), Some(2.5), None)
            },
            Over::Rate
        ),
        "LIMIT  2.5/s or more holds (at least 2.5/s with 95 % confidence, no upper end found)"
    );
}

#[test]
fn a_load_that_does_not_hold_says_how_sure_that_is() {
    let broken = |level: f64| BrokeFirst {
        level,
        slos: Vec::new(),
        failure: None,
    };
    let mut none = Answer {
        broke_first: Some(broken(1.0)),
        ended_by: End::NothingHolds,
        ..answer(None, None, Some(1.0))
    };
    assert_eq!(
        verdict(&none, Over::Users),
        "LIMIT  not even one user holds (with 95 % confidence)"
    );
    (none.high, none.less_sure.high) = (None, sure(1.0, 0.9));
    assert_eq!(
        verdict(&none, Over::Users),
        "LIMIT  not even one user holds (with 90 % confidence)"
    );
    (none.less_sure.high, none.broke_first) = (None, Some(broken(8.0)));
    assert_eq!(
        verdict(&none, Over::Rate),
        "LIMIT  not even 8/s holds, the lowest load tried (by its figures; too few requests to be sure)"
    );
    none.ended_by = End::MaxTime;
    assert_eq!(
        verdict(&none, Over::Users),
        "LIMIT  not found: 8 users did not hold (by its figures; too few requests to be sure)"
    );
    assert_eq!(
        verdict(&answer(None, None, None), Over::Users),
        "LIMIT  not found"
    );
}

#[test]
fn what_broke_has_its_unit_and_what_is_not_in_the_figure() {
    let mut slo = SloRow {
        slo: "ttft: p(95)<500".to_owned(),
        observed: Some(212.0),
        decision: Decision::Fails,
        broke: true,
        worst_kind: None,
        violated_percent: Some(41.237),
        dropped: 0,
        cut: 0,
        shown: Some("212 ms".to_owned()),
    };
    let says = |slo: &SloRow| broken(slo, 300.0, Over::Rate);
    assert_eq!(says(&slo), "ttft: p(95)<500 at 300/s: 212 ms");
    (slo.dropped, slo.worst_kind) = (1_020, Some("chat".to_owned()));
    assert_eq!(
        says(&slo),
        "ttft: p(95)<500 at 300/s: 212 ms, most of all `chat`; with 1,020 arrivals that no user could take, \
         41.24 % violate it"
    );
    (slo.cut, slo.shown, slo.worst_kind) = (1, None, None);
    assert_eq!(
        says(&slo),
        "ttft: p(95)<500 at 300/s: no values; with 1,020 arrivals that no user could take and 1 request that did not \
         end, 41.24 % violate it"
    );
}

#[test]
fn the_limit_is_the_servers_only_if_one_was_found() {
    let broke = || {
        Some(BrokeFirst {
            level: 46.0,
            slos: Vec::new(),
            failure: None,
        })
    };
    for (limit, ended_by, broke_first, found) in [
        (Some(31.0), End::Found, broke(), true),
        (Some(31.0), End::MaxTime, broke(), true),
        (Some(31.0), End::MaxTime, None, false),
        (Some(31.0), End::ReachedTo, None, false),
        (None, End::NothingHolds, broke(), true),
        (None, End::MaxTime, broke(), false),
        (None, End::MaxTime, None, false),
        (None, End::Interrupted, None, false),
    ] {
        let answer = Answer {
            ended_by,
            broke_first,
            ..answer(limit, None, None)
        };
        assert_eq!(found_an_edge(&answer), found, "{limit:?} {ended_by:?}");
    }
}
