use super::*;
use crate::metrics::{Outcome, Pair, Pairs};
use crate::units::{MICROSECOND, MILLISECOND};

/// Makes pairs, one each 100 ms, whose TTFT and latency differ by about `ms` milliseconds; every `failing`th fails at
/// the other server.
fn pairs(count: u64, ms: i64, failing: u64) -> PairTotals {
    let mut pairs = Pairs::default();
    for n in 0..count {
        let fails = failing > 0 && n % failing == failing - 1;
        // As many above as below, in both orders and at all times.
        let noise = (n as i64 * 7919 % 201 - 100) * 10 * MICROSECOND as i64;
        let ns = Some(ms * MILLISECOND as i64 + noise).filter(|_| !fails);
        pairs.ended.push(Pair {
            ended: n * 100 * MILLISECOND,
            other_first: n / 2 % 2 == 1,
            outcomes: [Outcome::Ok, if fails { Outcome::Http503 } else { Outcome::Ok }],
            differences: [ns, Some(noise / 50).filter(|_| !fails), ns],
            same_length: n % 20 > 0,
        });
    }
    let mut totals = PairTotals::default();
    totals.add(&pairs);
    totals
}

fn paired(count: u64, ms: i64, failing: u64) -> Paired {
    Paired::from_pairs(
        ["direct", "gateway"],
        PairedPrompts::Same,
        &pairs(count, ms, failing),
    )
}

#[test]
fn the_verdict_names_what_is_slower_by_how_much_and_what_is_not() {
    let slower = paired(400, 3, 0);
    assert!(slower.difference_shown);
    let text = &slower.verdict;
    assert!(
        text.starts_with("gateway is slower than direct: TTFT by ")
            && text.contains(", latency by ")
            && text.ends_with("; no difference shown in gaps and errors"),
        "{text}"
    );
    let ttft = slower.differences.get("ttft").unwrap();
    assert_eq!(ttft.verdict, Shown::Slower);
    let (low, high) = (ttft.median_low.unwrap(), ttft.median_high.unwrap());
    assert!(low > 2.0 && low < 3.0 && high > 3.0 && high < 4.0, "{low} {high}");

    let faster = paired(400, -3, 0);
    assert!(
        faster
            .verdict
            .starts_with("gateway is faster than direct: TTFT by "),
        "{}",
        faster.verdict
    );

    let equal = paired(400, 0, 0);
    assert!(!equal.difference_shown);
    assert_eq!(
        equal.verdict,
        "no difference shown between direct and gateway: TTFT, gaps, latency and errors"
    );
}

#[test]
fn errors_at_one_server_are_told_with_their_counts() {
    let failing = paired(400, 0, 10);
    assert_eq!(
        (failing.pairs, failing.both_ok, failing.failed_at_other),
        (400, 360, 40)
    );
    assert_eq!(failing.errors.verdict, Shown::More);
    let text = &failing.verdict;
    assert!(
        text.starts_with("gateway fails more requests than direct: 10.00 % of all ("),
        "{text}"
    );
    assert!(
        text.contains("40 pairs failed there alone and 0 at direct alone"),
        "{text}"
    );
}

#[test]
fn few_pairs_say_that_they_are_too_few_and_how_many_it_takes() {
    let few = paired(30, 3, 0);
    assert!(!few.difference_shown);
    assert_eq!(
        few.verdict,
        "too few pairs to show a difference: 30 are ok at both servers, and it takes 40 at least"
    );
    let none = Paired::from_pairs(["a", "b"], PairedPrompts::Same, &PairTotals::default());
    assert!(none.verdict.starts_with("too few pairs"), "{}", none.verdict);
    assert_eq!(none.differences.get("ttft").unwrap().median, None);
}

#[test]
fn answers_of_different_lengths_are_pointed_out() {
    let mut totals = Pairs::default();
    totals.ended.push(Pair {
        ended: 0,
        other_first: false,
        outcomes: [Outcome::Ok; 2],
        differences: [None; 3],
        same_length: false,
    });
    let mut pairs = PairTotals::default();
    pairs.add(&totals);
    let found = Paired::from_pairs(["a", "b"], PairedPrompts::Same, &pairs);
    assert!(
        found
            .verdict
            .contains("the same number of tokens in only 0 of 1 pairs"),
        "{}",
        found.verdict
    );
}

#[test]
fn shards_that_are_read_back_add_up_to_the_whole() {
    let whole = paired(400, 3, 10);
    let text = serde_json::to_string(&whole).unwrap();
    let read: Paired = serde_json::from_str(&text).unwrap();
    let names = ["direct", "gateway"];
    let again = |evidence: &PairEvidence| {
        Paired::from_evidence(names, PairedPrompts::Same, evidence, &evidence.findings())
    };
    let mut sum = read.evidence().unwrap();
    assert_eq!(again(&sum).verdict, whole.verdict);

    sum.merge(&read.evidence().unwrap());
    let twice = again(&sum);
    assert_eq!(
        (twice.pairs, twice.failed_at_other),
        (2 * whole.pairs, 2 * whole.failed_at_other)
    );
    let (one, two) = (
        whole.differences.get("ttft").unwrap(),
        twice.differences.get("ttft").unwrap(),
    );
    assert_eq!((two.pairs, two.median), (2 * one.pairs, one.median));
    assert_eq!(two.blocks.len(), one.blocks.len());
}
