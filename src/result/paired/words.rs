//! What pairs show, in a sentence or two.

use super::{Paired, PairedFigures, Shown, paired_name};
use crate::paired::PAIRS_MIN;
use crate::units::{grouped, percent, time};

/// The share of pairs with answers of the same length below which latencies compare different work.
const SAME_LENGTH_MIN: f64 = 0.9;

/// `gateway is slower than direct: TTFT by 3.10 ms (2.90 ms to 3.40 ms); no difference shown in gaps`.
pub(super) fn verdict(paired: &Paired) -> String {
    let mut sentences = vec![comparison(paired)];
    if (paired.same_length as f64) < SAME_LENGTH_MIN * paired.both_ok as f64 {
        sentences.push(format!(
            "Answers have the same number of tokens in only {} of {} pairs, so latency compares different work",
            grouped(paired.same_length),
            grouped(paired.both_ok)
        ));
    }
    sentences.join(". ")
}

fn comparison(paired: &Paired) -> String {
    let Paired { base, other, .. } = paired;
    let of = |wanted: Shown| -> Vec<&str> {
        let verdicts = paired.verdicts().filter(|(_, shown)| *shown == wanted);
        verdicts.map(|(key, _)| paired_name(key)).collect()
    };
    let mut parts = Vec::new();
    for (wanted, word) in [(Shown::Slower, "slower"), (Shown::Faster, "faster")] {
        let times = paired
            .differences
            .iter()
            .filter(|(_, found)| found.verdict == wanted);
        let told: Vec<String> = times.filter_map(|(key, found)| by(key, found)).collect();
        if !told.is_empty() {
            parts.push(format!("{other} is {word} than {base}: {}", told.join(", ")));
        }
    }
    parts.extend(errors(paired));
    let none = of(Shown::NoDifference);
    if parts.is_empty() && !none.is_empty() {
        parts.push(format!(
            "no difference shown between {base} and {other}: {}",
            listed(&none)
        ));
    } else if !none.is_empty() {
        parts.push(format!("no difference shown in {}", listed(&none)));
    }
    // A metric without values, such as the gaps of answers that are not streamed, is not worth a word.
    let few = paired.verdicts().any(|(key, shown)| {
        let pairs = paired
            .differences
            .get(key)
            .map_or(paired.pairs, |found| found.pairs);
        shown == Shown::TooFew && (pairs > 0 || paired.both_ok == 0)
    });
    if few {
        parts.push(too_few(paired, &of(Shown::TooFew), parts.is_empty()));
    }
    parts.join("; ")
}

/// `TTFT by 3.10 ms (2.90 ms to 3.40 ms)`: by the median, or else by the mean.
fn by(key: &str, found: &PairedFigures) -> Option<String> {
    let (what, (low, high), value) = match (found.clear_median(), found.clear_mean()) {
        (Some(interval), _) => ("", interval, found.median?),
        (None, Some(interval)) => (" on average", interval, found.mean?),
        (None, None) => return None,
    };
    let (least, most) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
    Some(format!(
        "{} by {}{what} ({} to {})",
        paired_name(key),
        time(value.abs()),
        time(least),
        time(most)
    ))
}

fn errors(paired: &Paired) -> Option<String> {
    let word = match paired.errors.verdict {
        Shown::More => "more",
        Shown::Fewer => "fewer",
        _ => return None,
    };
    let (low, high) = (paired.errors.low?, paired.errors.high?);
    let (least, most) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
    Some(format!(
        "{} fails {word} requests than {}: {} of all ({} to {}), {} pairs failed there alone and {} at {} alone",
        paired.other,
        paired.base,
        percent(paired.errors.difference?.abs()),
        percent(least),
        percent(most),
        grouped(paired.failed_at_other),
        grouped(paired.failed_at_base),
        paired.base
    ))
}

fn too_few(paired: &Paired, which: &[&str], all: bool) -> String {
    let pairs = grouped(paired.both_ok);
    let what = match all {
        true => String::new(),
        false => format!(" in {}", listed(which)),
    };
    match paired.both_ok < PAIRS_MIN {
        true => format!(
            "too few pairs to show a difference{what}: {pairs} are ok at both servers, and it takes {PAIRS_MIN} at least"
        ),
        false => format!("too few pairs to show a difference{what}: a longer run has more"),
    }
}

/// `TTFT, gaps and latency`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
