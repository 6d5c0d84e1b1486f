//! Limits of goodput as people write them: `ttft:500 tpot:30`, which is the form of `vllm bench serve`.

use crate::error::{Reason, ValueError, nearest, quoted};
use crate::metrics::{Goodput, MetricId};
use crate::plan::DURATION_MAX;
use crate::units::{MICROSECOND, MILLISECOND, Nanos, parse_duration, too_long, too_short};

const FORM: &str =
    "write `ttft:500 tpot:30 latency:5s`: each a metric and its limit, in milliseconds or with a unit";

/// The names of other tools, and the metric that each is here.
const ELSEWHERE: [(&str, MetricId); 11] = [
    ("time_to_first_token", MetricId::Ttft),
    ("time_to_first_output_token", MetricId::Ttfa),
    ("ttfot", MetricId::Ttfa),
    ("itl", MetricId::Tpot),
    ("tbt", MetricId::Tpot),
    ("inter_token_latency", MetricId::Tpot),
    ("time_per_output_token", MetricId::Tpot),
    ("e2e", MetricId::Latency),
    ("e2e_latency", MetricId::Latency),
    ("request_latency", MetricId::Latency),
    ("latency_ok", MetricId::Latency),
];

/// Reads one or more limits, separated by blanks or commas.
pub fn parse_goodput(text: &str) -> Result<Goodput, ValueError> {
    let mut goodput = Goodput::default();
    // A blank after the colon belongs to the limit.
    let joined = text
        .split([':', '='])
        .map(str::trim)
        .collect::<Vec<&str>>()
        .join(":");
    let parts = joined.split([',', ';', ' ', '\t', '\n']);
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((name, limit)) = part.split_once(':').filter(|(_, limit)| !limit.is_empty()) else {
            return Err(Reason::new(format!("{} has no limit", quoted(part)))
                .hint(FORM)
                .into());
        };
        let within = |reason: Reason| reason.within(format!("`{name}`"));
        let metric = good_metric(name).map_err(ValueError::Refused)?;
        let at_most = parse_limit(limit).map_err(|e| e.map(within))?;
        if !goodput.limit(metric, at_most) {
            let what = format!("{} has two limits", quoted(name));
            return Err(ValueError::Refused(Reason::new(what).hint("give it one")));
        }
    }
    match goodput.is_empty() {
        true => Err(Reason::new("no limit is given").hint(FORM).into()),
        false => Ok(goodput),
    }
}

/// Returns the metric that a limit is of. `e2el` is what `vllm bench serve` calls the latency.
pub fn good_metric(name: &str) -> Result<MetricId, Reason> {
    let names = Goodput::METRICS.map(MetricId::key);
    if let Some(metric) = Goodput::METRICS.into_iter().find(|metric| metric.key() == name) {
        return Ok(metric);
    }
    if name == "e2el" {
        return Ok(MetricId::Latency);
    }
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(theirs, _)| *theirs == name.to_lowercase());
    let meant = elsewhere
        .map(|(_, metric)| metric.key())
        .or_else(|| nearest(name, &names));
    let hint = match meant {
        Some("tpot") => "did you mean `tpot`, the mean time per token of a request?".to_owned(),
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("limits can be of {}", names.join(", ")),
    };
    let what = format!(
        "{} is not a metric that a good request can have a limit of",
        quoted(name)
    );
    Err(Reason::new(what).hint(hint))
}

/// Reads a limit: a number of milliseconds, or a time with its unit.
pub fn parse_limit(text: &str) -> Result<Nanos, ValueError> {
    let is_bare = !text.ends_with(|c: char| c.is_ascii_alphabetic());
    let nanos = match is_bare {
        false => parse_duration(text).map_err(|reason| reason.hint(FORM))?,
        true => {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b".+-".contains(&b));
            let number = text.parse::<f64>().ok().filter(|ms| plain && ms.is_finite());
            let Some(ms) = number else {
                let what = format!("{} is not a number of milliseconds", quoted(text));
                return Err(Reason::new(what).hint(FORM).into());
            };
            // A negative number becomes 0, and the largest that there is more than any limit.
            (ms * MILLISECOND as f64).round() as Nanos
        }
    };
    let range = MICROSECOND..=DURATION_MAX;
    match nanos {
        n if n < *range.start() => Err(ValueError::Refused(too_short(text, &range))),
        n if n > *range.end() => Err(ValueError::Refused(too_long(text, &range))),
        nanos => Ok(nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> Vec<(&'static str, Nanos)> {
        let goodput = parse_goodput(text).unwrap();
        goodput.limits().iter().map(|(id, ns)| (id.key(), *ns)).collect()
    }

    #[test]
    fn vllms_form_is_read_and_units_commas_and_blanks_do_no_harm() {
        let expected = [
            ("ttft", 500 * MILLISECOND),
            ("tpot", 30 * MILLISECOND),
            ("latency", 5_000 * MILLISECOND),
        ];
        for text in [
            "ttft:500 tpot:30 latency:5000",
            "ttft:500 tpot:30 e2el:5000",
            "latency:5s,tpot:30ms,ttft:0.5s",
            " ttft: 500, tpot=30 ,latency = 5s ",
        ] {
            assert_eq!(limits(text), expected, "{text}");
        }
        assert_eq!(limits("ttfb:0.5"), [("ttfb", 500 * MICROSECOND)]);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (text, what, hint) in [
            ("", "no limit is given", "ttft:500"),
            (" , ", "no limit is given", "ttft:500"),
            ("ttft", "`ttft` has no limit", "ttft:500"),
            ("ttft:", "`ttft:` has no limit", "ttft:500"),
            ("ttft 500", "`ttft` has no limit", "ttft:500"),
            ("ttft:fast", "unknown unit", "ttft:500"),
            ("ttft:5%", "`5%` is not a number of milliseconds", "ttft:500"),
            ("ttft:1:2", "`1:2` is not a number", "ttft:500"),
            ("ttft:0", "`0` is shorter than the minimum of 1us", "24h"),
            ("ttft:-5", "`-5` is shorter than the minimum of 1us", "24h"),
            ("ttft:25h", "`25h` is longer than the limit of 24h", "1us"),
            ("ttft:1e9", "`1e9` is not a number of milliseconds", "ttft:500"),
            (
                "ttft:99999999999999999999",
                "is longer than the limit of 24h",
                "1us",
            ),
            ("ttft:5 ttft:6", "`ttft` has two limits", "one"),
            ("latency:5 e2el:6", "`e2el` has two limits", "one"),
            (
                "itl:30",
                "`itl` is not a metric",
                "`tpot`, the mean time per token",
            ),
            ("ttff:30", "`ttff` is not a metric", "did you mean `ttft`?"),
            ("request_latency:30", "is not a metric", "did you mean `latency`?"),
            (
                "zzz:30",
                "is not a metric",
                "limits can be of ttft, ttfa, tpot, latency, ",
            ),
        ] {
            let error = parse_goodput(text).unwrap_err();
            let reason = error.reason();
            let told = reason.hint.as_deref().unwrap_or_default();
            assert!(reason.what.contains(what), "{text}: {reason}");
            assert!(told.contains(hint), "{text}: {told}");
        }
    }
}
