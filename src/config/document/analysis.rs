//! The mapping `analysis`: the limits of the automatic analysis.

use crate::config::document::reader::{Fields, Reader};
use crate::error::Reason;
use crate::plan::AnalysisLimits;
use crate::units::{MILLISECOND, MINUTE, Nanos};

pub const KEYS: [&str; 12] = [
    "error_rate_max",
    "cut_max",
    "p90_latency_max",
    "ttft_p50_good",
    "ttft_p50_max",
    "tail_ratio_max",
    "contention_error_rate_max",
    "coalesced_max",
    "stamps_missing_max",
    "server_count_difference_max",
    "server_time_difference_max",
    "fail_on_findings",
];

const TIMES: std::ops::RangeInclusive<Nanos> = MILLISECOND..=60 * MINUTE;
const RATIOS: std::ops::RangeInclusive<f64> = 1.0..=1_000_000.0;

pub fn read_analysis(reader: &mut Reader<'_>, fields: &Fields<'_>) -> AnalysisLimits {
    let mut limits = AnalysisLimits::default();
    let open = fields
        .node("analysis")
        .and_then(|node| reader.mapping("analysis", node, &KEYS));
    let Some(keys) = open else {
        return limits;
    };
    // Destructured, so that a limit without a key does not compile.
    let AnalysisLimits {
        error_rate_max,
        cut_max,
        p90_latency_max,
        ttft_p50_good,
        ttft_p50_max,
        tail_ratio_max,
        contention_error_rate_max,
        coalesced_max,
        stamps_missing_max,
        server_count_difference_max,
        server_time_difference_max,
        fail_on_findings,
    } = &mut limits;
    let shares = [
        ("error_rate_max", error_rate_max),
        ("cut_max", cut_max),
        ("contention_error_rate_max", contention_error_rate_max),
        ("coalesced_max", coalesced_max),
        ("stamps_missing_max", stamps_missing_max),
        ("server_count_difference_max", server_count_difference_max),
        ("server_time_difference_max", server_time_difference_max),
    ];
    for (key, limit) in shares {
        *limit = reader.decimal(&keys, key, 0.0..=1.0).unwrap_or(*limit);
    }
    *fail_on_findings = reader.boolean(&keys, "fail_on_findings").unwrap_or(false);
    *tail_ratio_max = reader
        .decimal(&keys, "tail_ratio_max", RATIOS)
        .unwrap_or(*tail_ratio_max);
    let mut faulty = false;
    let times = [
        ("p90_latency_max", p90_latency_max),
        ("ttft_p50_good", &mut *ttft_p50_good),
        ("ttft_p50_max", &mut *ttft_p50_max),
    ];
    for (key, limit) in times {
        let read = reader.duration(&keys, key, TIMES);
        faulty |= keys.has(key) && read.is_none();
        *limit = read.unwrap_or(*limit);
    }
    if ttft_p50_good > ttft_p50_max && !faulty {
        let what = "`analysis.ttft_p50_good` is longer than `analysis.ttft_p50_max`";
        let key = match keys.has("ttft_p50_good") {
            true => "ttft_p50_good",
            false => "ttft_p50_max",
        };
        let hint = "a good value has to be acceptable as well: set both";
        reader.mistake(keys.line_of(key), Reason::new(what).hint(hint));
    }
    limits
}
