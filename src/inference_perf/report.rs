//! The section `report`, of which the limits of goodput are carried over.

use super::draft::Draft;
use crate::config::document::reader::Fields;

pub(super) const KEYS: [&str; 4] = ["request_lifecycle", "prometheus", "session_lifecycle", "goodput"];
const METRICS: [&str; 5] = ["ttft", "tpot", "itl", "ntpot", "request_latency"];
/// The longest limit, in seconds.
const SECONDS_MAX: f64 = 86_400.0;

/// Returns the value of `goodput`. `limits` are those that headers set; they go before those of the section.
pub fn read_goodput(
    draft: &mut Draft<'_>,
    root: &Fields<'_>,
    limits: Vec<(&'static str, String)>,
) -> Option<String> {
    let mut limits = limits;
    if let Some(keys) = draft.section(root, "report", &KEYS) {
        draft.ignored(
            &keys,
            &KEYS[..3],
            "the summary and the result document (`--output FILE`, each request with `--details`) have all figures",
        );
        let goodput = draft.section(&keys, "goodput", &["constraints"]);
        let asked = goodput.and_then(|goodput| draft.section(&goodput, "constraints", &METRICS));
        if let Some(asked) = asked {
            read_constraints(draft, &asked, &mut limits);
        }
    }
    let written: Vec<String> = limits
        .iter()
        .map(|(metric, limit)| format!("{metric}: {limit}"))
        .collect();
    (!written.is_empty()).then(|| format!("{{ {} }}", written.join(", ")))
}

fn read_constraints(draft: &mut Draft<'_>, asked: &Fields<'_>, limits: &mut Vec<(&'static str, String)>) {
    for (theirs, ours) in [
        ("ttft", "ttft"),
        ("tpot", "tpot"),
        ("itl", "tpot"),
        ("request_latency", "latency"),
    ] {
        let Some(seconds) = draft.reader.decimal(asked, theirs, 0.000_001..=SECONDS_MAX) else {
            continue;
        };
        if limits.iter().any(|(metric, _)| *metric == ours) {
            if theirs == "itl" {
                draft.lost(
                    asked,
                    theirs,
                    "the mean gap of a request is `tpot`, which has a limit already",
                );
            }
            continue;
        }
        if theirs == "itl" {
            draft.renamed(
                asked,
                theirs,
                "is `tpot`, the mean gap between the tokens of a request",
            );
        }
        limits.push((ours, format!("{seconds}s")));
    }
    draft.lost(
        asked,
        "ntpot",
        "no limit is of the latency over the number of tokens; `latency` and `tpot` are limits",
    );
}
