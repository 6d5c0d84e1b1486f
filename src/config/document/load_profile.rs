//! The Python tool's `load_profile` in the form that it has here: stages.

use crate::config::document::reader::{Node, items, member};
use crate::units::decimal;

/// The most stages that a hint shows; it is one line.
const STAGES_SHOWN: usize = 12;

/// What a profile says the number of, and so the executor that does the same.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Users,
    RequestsPerSecond,
}

impl Unit {
    /// Returns how the keys of this unit end: `target_users`, `target_rps`.
    fn suffix(self) -> &'static str {
        match self {
            Unit::Users => "users",
            Unit::RequestsPerSecond => "rps",
        }
    }

    fn form(self) -> &'static str {
        match self {
            Unit::Users => "`executor: ramping-vus` with `stages`",
            Unit::RequestsPerSecond => "`executor: ramping-arrival-rate` with `stages`",
        }
    }
}

/// One straight line to `target`. `None`: it takes as long as the load.
#[derive(Clone, Copy)]
struct Part {
    seconds: Option<f64>,
    target: f64,
}

/// Says how the load of a `load_profile` is written here.
pub fn in_stages<'t>(profile: &'t Node<'t>) -> String {
    let segments = items(profile, "segments");
    let all = || std::iter::once(profile).chain(segments);
    let names = ["target", "start", "end", "base", "peak", "min", "max"];
    let has = |unit: Unit| {
        let keys = names.map(|name| format!("{name}_{}", unit.suffix()));
        all().any(|segment| keys.iter().any(|key| member(segment, key).is_some()))
    };
    let unit = match (has(Unit::Users), has(Unit::RequestsPerSecond)) {
        (true, true) => {
            return format!(
                "a load here has either users or rates: {}, or {}",
                Unit::Users.form(),
                Unit::RequestsPerSecond.form()
            );
        }
        (false, true) => Unit::RequestsPerSecond,
        (_, false) => Unit::Users,
    };
    let alone = std::slice::from_ref(profile);
    let segments = if segments.is_empty() { alone } else { segments };
    let parts: Option<Vec<Vec<Part>>> = segments.iter().map(|segment| parts_of(segment, unit)).collect();
    let form = unit.form();
    match (parts, unit) {
        (Some(parts), _) => format!("{form} does the same: `stages: [{}]`", text(&parts.concat())),
        (None, Unit::Users) => format!(
            "{form} does the same: a list of `{{duration: 30s, target: 40}}`, each a straight line to `target` users; \
             `duration: 0s` jumps"
        ),
        (None, Unit::RequestsPerSecond) => format!(
            "{form} does the same: a list of `{{duration: 30s, target: 40}}`, each a straight line to `target` requests \
             per second; `duration: 0s` jumps"
        ),
    }
}

fn text(parts: &[Part]) -> String {
    let shown = parts.iter().take(STAGES_SHOWN).map(|part| {
        let duration = part
            .seconds
            .map_or("TIME".to_owned(), |s| format!("{}s", decimal(s)));
        format!("{{duration: {duration}, target: {}}}", decimal(part.target))
    });
    let mut shown: Vec<String> = shown.collect();
    if parts.len() > STAGES_SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// Returns the stages of a segment; `None` if its kind is unknown or a figure is missing.
fn parts_of<'t>(segment: &'t Node<'t>, unit: Unit) -> Option<Vec<Part>> {
    let seconds = |key: &str| {
        let number = member(segment, key)?.parse::<f64>().ok();
        number.filter(|seconds| (0.0..=1e6).contains(seconds))
    };
    let level = |name: &str| {
        let number = member(segment, &format!("{name}_{}", unit.suffix()))?;
        match unit {
            Unit::Users => number.parse::<u32>().ok().map(f64::from),
            Unit::RequestsPerSecond => number.parse().ok().filter(|rate| (0.0..=1e6).contains(rate)),
        }
    };
    let whole = seconds("duration_seconds");
    let line = |seconds, target| Part { seconds, target };
    let jump = |target| line(Some(0.0), target);
    let hold = |seconds: f64, target| [jump(target), line(Some(seconds), target)];
    Some(
        match member(segment, "kind").or_else(|| member(segment, "type"))? {
            "constant" => {
                let target = level("target")?;
                vec![jump(target), line(whole, target)]
            }
            "ramp" | "cooldown" => vec![jump(level("start")?), line(whole, level("end")?)],
            "burst" => {
                let (every, long) = (seconds("every_seconds")?, seconds("burst_duration_seconds")?);
                let rest = (every - long).max(0.0);
                let period = [hold(long, level("peak")?), hold(rest, level("base")?)].concat();
                repeated(&period, whole)
            }
            "spike" => {
                let (before, long) = (
                    seconds("start_at_seconds").unwrap_or(0.0),
                    seconds("hold_seconds")?,
                );
                let (base, peak) = (level("base")?, level("peak")?);
                let after = whole.map(|whole| (whole - before - long).max(0.0));
                let spike = [hold(before, base), hold(long, peak)].concat();
                [spike, vec![jump(base), line(after, base)]].concat()
            }
            "wave" => {
                let period = seconds("period_seconds")?;
                let (min, max) = (level("min")?, level("max")?);
                match member(segment, "shape") {
                    Some("sawtooth") => repeated(&[jump(min), line(Some(period), max)], whole),
                    // A sine is close to its straight lines.
                    _ => {
                        let wave = [line(Some(period / 2.0), max), line(Some(period / 2.0), min)];
                        [vec![jump(min)], repeated(&wave, whole)].concat()
                    }
                }
            }
            _ => return None,
        },
    )
}

/// Repeats a period until `whole` seconds are over, or once if they are not known. More than a hint shows is not made.
fn repeated(period: &[Part], whole: Option<f64>) -> Vec<Part> {
    let mut left = whole.unwrap_or_else(|| period.iter().filter_map(|part| part.seconds).sum());
    let mut parts = Vec::new();
    for part in period.iter().cycle().take(4 * STAGES_SHOWN) {
        if left <= 0.0 {
            break;
        }
        let seconds = part.seconds.unwrap_or(0.0).min(left);
        left -= seconds;
        parts.push(Part {
            seconds: Some(seconds),
            ..*part
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::tree::read_tree;

    fn hint(profile: &str) -> String {
        let root = read_tree("p.yaml", profile, &mut Vec::new()).unwrap();
        in_stages(&root)
    }

    fn stages(profile: &str) -> String {
        let hint = hint(profile);
        let (_, rest) = hint.split_once("stages: [").unwrap_or_else(|| panic!("{hint}"));
        rest.strip_suffix("]`")
            .unwrap()
            .replace("{duration: ", "")
            .replace(" target: ", "")
            .replace('}', "")
    }

    #[test]
    fn every_kind_of_segment_becomes_stages() {
        let cases = [
            ("{type: constant, target_users: 5}", "0s,5, TIME,5"),
            ("{type: ramp, start_users: 5, end_users: 40}", "0s,5, TIME,40"),
            (
                "{type: spike, base_users: 2, peak_users: 20, start_at_seconds: 30, hold_seconds: 4.5}",
                "0s,2, 30s,2, 0s,20, 4.5s,20, 0s,2, TIME,2",
            ),
            (
                "{type: wave, min_users: 20, max_users: 120, period_seconds: 180, shape: triangle}",
                "0s,20, 90s,120, 90s,20",
            ),
            (
                "{type: composite, segments: [{kind: ramp, duration_seconds: 120, start_users: 5, end_users: 40}, \
                 {kind: burst, duration_seconds: 150, base_users: 40, peak_users: 90, every_seconds: 120, \
                 burst_duration_seconds: 20}, {kind: cooldown, duration_seconds: 360, start_users: 40, end_users: 8}]}",
                "0s,5, 120s,40, 0s,90, 20s,90, 0s,40, 100s,40, 0s,90, 20s,90, 0s,40, 10s,40, 0s,40, 360s,8",
            ),
        ];
        for (profile, expected) in cases {
            assert_eq!(stages(profile), expected, "{profile}");
        }
        let long = "{type: composite, segments: [{kind: wave, duration_seconds: 900000, min_users: 1, max_users: 2, \
                    period_seconds: 0.1, shape: sawtooth}]}";
        assert!(stages(long).ends_with("0s,1, 0.1s,2, …"), "{}", stages(long));
        assert!(!stages("{type: wave, min_users: 1, max_users: 2, period_seconds: 0}").is_empty());
    }

    #[test]
    fn a_profile_of_rates_becomes_stages_of_rates() {
        let cases = [
            ("{type: constant, target_rps: 2.5}", "0s,2.5, TIME,2.5"),
            (
                "{type: composite, segments: [{kind: ramp, duration_seconds: 60, start_rps: 1, end_rps: 20}, \
                 {kind: constant, duration_seconds: 5, target_rps: 3}]}",
                "0s,1, 60s,20, 0s,3, 5s,3",
            ),
        ];
        for (profile, expected) in cases {
            let hint = hint(profile);
            assert!(hint.starts_with("`executor: ramping-arrival-rate`"), "{hint}");
            assert_eq!(stages(profile), expected, "{profile}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_answered_with_the_form() {
        let mixed = "{type: composite, segments: [{kind: constant, duration_seconds: 5, target_rps: 3}, \
                     {kind: constant, duration_seconds: 5, target_users: 3}]}";
        assert!(hint(mixed).contains("either users or rates"), "{}", hint(mixed));
        let open = hint("{type: spike, base_rps: 2, peak_rps: 20}");
        assert!(open.contains("to `target` requests per second"), "{open}");
        for profile in [
            "{type: burst, base_users: 2}",
            "{type: tide}",
            "{type: ramp, start_users: many, end_users: 2}",
            "{type: wave, min_users: 1, max_users: 2, period_seconds: -5}",
            "[1]",
            "ramp",
        ] {
            assert!(
                hint(profile).contains("a list of `{duration: 30s, target: 40}`"),
                "{profile}"
            );
        }
        // Null is as good as absent.
        assert_eq!(
            stages("{type: ramp, start_users: 5, end_users: 40, target_rps: null}"),
            "0s,5, TIME,40"
        );
    }
}
