//! Every captured file of k6, its figures computed by hand (by a script that shares nothing with this program).

use super::read_run;
use crate::compare::{Figure, Format, Run, Stat, Trend, Values};
use crate::skipped::shared_material;
use std::path::PathBuf;

/// `None`, and says so, where the captured files are not there.
pub fn captured(test: &str, file: &str) -> Option<PathBuf> {
    shared_material(test, &format!("wire-samples/k6/{file}"))
}

/// Every file of the folder and of the one below it.
pub fn all_captured(test: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["", "v2"] {
        let Some(folder) = captured(test, folder) else {
            return files;
        };
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        files.extend(entries.filter(|p| p.is_file()));
    }
    files.sort();
    files
}

/// How many values; min, mean, median, p90, p95, max in milliseconds.
type Figures = Option<(u64, [f64; 6])>;

struct Expected {
    file: &'static str,
    format: Format,
    seconds: f64,
    requests: u64,
    per_second: f64,
    failed: u64,
    /// Sent, received.
    bytes: (u64, u64),
    iterations: u64,
    peak_vus: Option<u64>,
    checks: Option<(f64, u64)>,
    service_time: Figures,
    ttfb: Figures,
    iteration: Figures,
    connect: Figures,
}

fn scalar(run: &Run, metric: &str) -> Option<(f64, Option<u64>)> {
    let found: Vec<_> = run.scalars.iter().filter(|s| s.metric == metric).collect();
    assert!(found.len() <= 1, "{metric} stands twice in {}", run.label);
    found.first().map(|s| (s.value, s.of))
}

pub fn trend<'a>(run: &'a Run, metric: &str) -> Option<&'a Trend> {
    let found: Vec<_> = run.trends.iter().filter(|t| t.metric == metric).collect();
    assert!(found.len() <= 1, "{metric} stands twice in {}", run.label);
    found.first().copied()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3)
}

#[track_caller]
fn same_figures(run: &Run, metric: &str, expected: Figures) {
    let file = &run.label;
    let Some((count, figures)) = expected else {
        assert!(trend(run, metric).is_none(), "{file}: {metric} is there");
        return;
    };
    let values = &trend(run, metric)
        .unwrap_or_else(|| panic!("{file}: no {metric}"))
        .values;
    assert_eq!(values.count(), Some(count), "{file}: {metric}");
    let found = [
        values.min(),
        values.mean(),
        values.percentile(50.0),
        values.percentile(90.0),
        values.percentile(95.0),
        values.max(),
    ];
    for (found, expected) in found.into_iter().zip(figures) {
        let found = found.unwrap_or_else(|| panic!("{file}: {metric} does not have {expected}"));
        assert!(
            close(found, expected),
            "{file}: {metric}: {found}, expected {expected}"
        );
    }
}

#[test]
fn every_captured_file_imports_with_the_figures_computed_by_hand() {
    let test = "every_captured_file_imports_with_the_figures_computed_by_hand";
    let files = all_captured(test);
    if files.is_empty() {
        return;
    }
    assert_eq!(files.len(), FILES.len(), "a file is in no row: {files:?}");
    for e in &FILES {
        let run = read_run(&captured(test, e.file).unwrap(), e.file).unwrap();
        assert_eq!(run.format, e.format, "{}", e.file);
        let tool = if e.format == Format::K6MachineSummary {
            "k6 2.2.0"
        } else {
            "k6"
        };
        assert_eq!(run.facts.tool.as_deref(), Some(tool));
        let seconds = run.facts.duration_seconds.unwrap();
        assert!((seconds - e.seconds).abs() < 1e-6, "{}: {seconds} s", e.file);
        let number = |metric| scalar(&run, metric).map(|(value, _)| value);
        assert_eq!(number("requests"), Some(e.requests as f64), "{}", e.file);
        assert_eq!(run.facts.requests, Some(e.requests));
        let per_second = number("requests_per_second").unwrap();
        assert!(
            (per_second / e.per_second - 1.0).abs() < 1e-6,
            "{}: {per_second}",
            e.file
        );
        assert_eq!(number("failed"), Some(e.failed as f64), "{}", e.file);
        let share = e.failed as f64 / e.requests as f64;
        assert_eq!(
            scalar(&run, "error_rate"),
            Some((share, Some(e.requests))),
            "{}",
            e.file
        );
        assert_eq!(number("bytes_sent"), Some(e.bytes.0 as f64), "{}", e.file);
        assert_eq!(number("bytes_received"), Some(e.bytes.1 as f64), "{}", e.file);
        assert_eq!(number("iterations"), Some(e.iterations as f64), "{}", e.file);
        assert_eq!(run.facts.peak_vus, e.peak_vus, "{}", e.file);
        assert_eq!(number("peak_vus"), e.peak_vus.map(|n| n as f64));
        assert_eq!(
            scalar(&run, "checks"),
            e.checks.map(|(share, of)| (share, Some(of))),
            "{}",
            e.file
        );
        same_figures(&run, "service_time", e.service_time);
        same_figures(&run, "ttfb", e.ttfb);
        same_figures(&run, "iteration", e.iteration);
        same_figures(&run, "connect", e.connect);
        assert!(trend(&run, "ttft").is_none(), "{}: k6 has no ttft", e.file);
    }
}

#[test]
fn the_raw_points_and_the_summary_of_one_run_agree_in_every_statistic() {
    let test = "the_raw_points_and_the_summary_of_one_run_agree_in_every_statistic";
    for folder in ["", "v2/"] {
        let file = |name: &str| captured(test, &format!("{folder}{name}"));
        let Some((points, summary)) = file("smoke_points.ndjson").zip(file("smoke_summary_export.json"))
        else {
            return;
        };
        let points = read_run(&points, "points").unwrap();
        let summary = read_run(&summary, "summary").unwrap();
        assert_eq!(points.trends.len(), summary.trends.len());
        assert_eq!(points.others.len(), summary.others.len());
        let mut checked = 0;
        for said in &summary.trends {
            let raw = trend(&points, said.metric).unwrap();
            assert_eq!((raw.differs, &raw.source), (said.differs, &said.source));
            assert_eq!(raw.values.count(), said.values.count());
            checked += same_statistics(&said.source, &raw.values, &said.values);
        }
        for said in &summary.others {
            let raw = points.others.iter().find(|o| o.source == said.source).unwrap();
            match (&raw.figure, &said.figure) {
                (Figure::Values(raw), Figure::Values(said_values)) => {
                    checked += same_statistics(&said.source, raw, said_values);
                }
                (Figure::Number(raw), Figure::Number(said)) => assert_eq!(raw, said),
                other => panic!("{}: {other:?}", said.source),
            }
        }
        // Five trends of ours and seven others, six statistics each.
        assert_eq!(checked, 12 * 6);
        for said in &summary.scalars {
            let raw = points.scalars.iter().find(|s| s.metric == said.metric).unwrap();
            if said.metric == "requests_per_second" {
                // k6 divides by its own duration, which begins before the first sample.
                assert!(
                    (raw.value / said.value - 1.0).abs() < 0.01,
                    "{} {}",
                    raw.value,
                    said.value
                );
            } else {
                assert_eq!((raw.value, raw.of), (said.value, said.of), "{}", said.metric);
            }
        }
    }
}

fn same_statistics(name: &str, raw: &Values, said: &Values) -> usize {
    let Values::Summary { stats, .. } = said else {
        panic!("{name}: {said:?}")
    };
    for (stat, expected) in stats {
        let found = match stat {
            Stat::Min => raw.min(),
            Stat::Mean => raw.mean(),
            Stat::Max => raw.max(),
            Stat::Percentile(p) => raw.percentile(*p),
        };
        assert!(
            close(found.unwrap(), *expected),
            "{name} {stat:?}: {found:?}, expected {expected}"
        );
    }
    stats.len()
}

#[rustfmt::skip]
const FILES: [Expected; 17] = [
    Expected {
        file: "chaos_thresholds_failed_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 4.445410521,
        requests: 49,
        per_second: 11.022604047145997,
        failed: 7,
        bytes: (15842, 1016329),
        iterations: 47,
        peak_vus: Some(5),
        checks: Some((0.847457627118644, 177)),
        service_time: Some((49, [0.409272, 243.389225714, 375.888076, 435.9986556, 447.928764, 456.456529])),
        ttfb: Some((49, [0.30189, 4.12710502041, 1.075649, 13.5726456, 14.2953626, 20.130497])),
        iteration: Some((47, [104.471875, 453.464557894, 564.669108, 679.0396514, 702.0005169, 733.699614])),
        connect: Some((49, [0.0, 0.0621399183673, 0.0, 0.167943, 0.4532828, 0.979812])),
    },
    Expected {
        file: "hc200_fast_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 30.341184877,
        requests: 41566,
        per_second: 1369.9530907742803,
        failed: 0,
        bytes: (11344446, 315255767),
        iterations: 41563,
        peak_vus: Some(200),
        checks: Some((1.0, 41563)),
        service_time: Some((41566, [0.064108, 85.0295272167, 12.8316325, 368.410899, 392.9536325, 534.28637])),
        ttfb: Some((41566, [0.046001, 9.73443846844, 10.821949, 15.8407105, 18.3896155, 135.647444])),
        iteration: Some((41563, [10.651138, 121.011262332, 53.878872, 407.965615, 432.579416, 589.806903])),
        connect: Some((41566, [0.0, 0.0026333620026, 0.0, 0.0, 0.0, 28.363992])),
    },
    Expected {
        file: "sat_ns_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 12.003245639000001,
        requests: 116650,
        per_second: 9718.20485127706,
        failed: 0,
        bytes: (28345950, 66179456),
        iterations: 116650,
        peak_vus: Some(64),
        checks: None,
        service_time: Some((116650, [0.046038, 6.42161273271, 4.563934, 13.6196582, 18.609803, 265.635767])),
        ttfb: Some((116650, [0.038153, 6.29711387423, 4.5093885, 13.3795325, 18.17525375, 265.459178])),
        iteration: Some((116650, [0.06281, 6.54836699714, 4.6337085, 13.7632348, 18.8461904, 266.510385])),
        connect: Some((116650, [0.0, 0.00277677717102, 0.0, 0.0, 0.0, 23.308297])),
    },
    Expected {
        file: "sat_stream100_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 12.392711386,
        requests: 11031,
        per_second: 890.119979108178,
        failed: 0,
        bytes: (2669502, 374138172),
        iterations: 11031,
        peak_vus: Some(512),
        checks: None,
        service_time: Some((11031, [22.5772, 535.659793792, 493.257947, 824.524913, 960.526367, 1495.458439])),
        ttfb: Some((11031, [0.602101, 496.798272868, 461.059977, 752.938024, 866.2349855, 1455.23751])),
        iteration: Some((11031, [22.629341, 557.311206167, 503.82686, 872.828929, 1072.3401855, 2269.664713])),
        connect: Some((11031, [0.0, 20.8406893384, 0.0, 0.0, 0.0, 1039.080478])),
    },
    Expected {
        file: "sat_stream_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 12.091737197,
        requests: 58752,
        per_second: 4858.85518704265,
        failed: 0,
        bytes: (14217984, 346537183),
        iterations: 58752,
        peak_vus: Some(512),
        checks: None,
        service_time: Some((58752, [3.707689, 102.140649461, 78.112055, 179.8964761, 242.5434403, 726.800805])),
        ttfb: Some((58752, [0.082813, 73.2560400902, 50.022887, 164.7400179, 224.4668885, 580.858714])),
        iteration: Some((58752, [7.171845, 104.326420361, 79.894049, 184.1575548, 250.30578985, 753.879614])),
        connect: Some((58752, [0.0, 0.422957715397, 0.0, 0.0, 0.0, 139.603503])),
    },
    Expected {
        file: "smoke_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 1.021110303,
        requests: 5,
        per_second: 4.89663064343794,
        failed: 0,
        bytes: (1165, 38417),
        iterations: 3,
        peak_vus: Some(1),
        checks: Some((1.0, 11)),
        service_time: Some((5, [1.09328, 75.7755122, 10.857115, 212.9844006, 279.2735878, 345.562775])),
        ttfb: Some((5, [0.853487, 6.7225292, 7.025668, 12.5313866, 13.1939378, 13.856489])),
        iteration: Some((3, [176.357367, 336.006055333, 303.448322, 483.259646, 505.7360615, 528.212477])),
        connect: Some((5, [0.0, 0.0949456, 0.128429, 0.177021, 0.184764, 0.192507])),
    },
    Expected {
        file: "smoke_points.ndjson",
        format: Format::K6Points,
        seconds: 2.092235829,
        requests: 7,
        per_second: 3.345703148265893,
        failed: 0,
        bytes: (1837, 106467),
        iterations: 5,
        peak_vus: Some(1),
        checks: Some((1.0, 19)),
        service_time: Some((7, [0.593436, 148.364164286, 13.418119, 338.647023, 341.8077135, 344.968404])),
        ttfb: Some((7, [0.356809, 3.95692628571, 0.736438, 10.6390106, 11.9660798, 13.293149])),
        iteration: Some((5, [249.40501, 414.9826068, 468.026997, 543.3701504, 567.3884712, 591.406792])),
        connect: Some((7, [0.0, 0.115224285714, 0.0, 0.3016166, 0.3955493, 0.489482])),
    },
    Expected {
        file: "smoke_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 2.093430555,
        requests: 7,
        per_second: 3.343793747196931,
        failed: 0,
        bytes: (1837, 106467),
        iterations: 5,
        peak_vus: Some(1),
        checks: Some((1.0, 19)),
        service_time: Some((7, [0.593436, 148.364164286, 13.418119, 338.647023, 341.8077135, 344.968404])),
        ttfb: Some((7, [0.356809, 3.95692628571, 0.736438, 10.6390106, 11.9660798, 13.293149])),
        iteration: Some((5, [249.40501, 414.9826068, 468.026997, 543.3701504, 567.3884712, 591.406792])),
        connect: Some((7, [0.0, 0.115224285714, 0.0, 0.3016166, 0.3955493, 0.489482])),
    },
    Expected {
        file: "ttft_check_gpt4o_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 24.167136424,
        requests: 128,
        per_second: 5.296448770524804,
        failed: 0,
        bytes: (42332, 3380987),
        iterations: 126,
        peak_vus: Some(20),
        checks: Some((1.0, 476)),
        service_time: Some((128, [0.472805, 3327.24563236, 4199.4708225, 4427.4110528, 4520.04302105, 4616.894828])),
        ttfb: Some((128, [0.325614, 117.128587594, 0.642915, 420.3334724, 506.51153585, 700.400884])),
        iteration: Some((126, [436.958237, 3587.36737837, 4384.1728095, 4648.7088145, 4728.990819, 4855.587002])),
        connect: Some((128, [0.0, 0.31414734375, 0.0, 0.8577799, 2.2961979, 4.720129])),
    },
    Expected {
        file: "v2/full_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 0.926610404,
        requests: 5,
        per_second: 5.396011072631988,
        failed: 0,
        bytes: (1159, 37328),
        iterations: 3,
        peak_vus: None,
        checks: Some((1.0, 11)),
        service_time: Some((5, [0.577641, 92.0776884, 10.440376, 265.160551, 348.844289, 432.528027])),
        ttfb: Some((5, [0.234436, 5.4955384, 2.501564, 12.3231066, 13.0301958, 13.737285])),
        iteration: Some((3, [143.169179, 306.566095667, 236.00213, 479.6220084, 510.0744932, 540.526978])),
        connect: Some((5, [0.0, 0.0988674, 0.084949, 0.2080726, 0.2148298, 0.221587])),
    },
    Expected {
        file: "v2/hc200_fast_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 30.203248528,
        requests: 33130,
        per_second: 1096.9018769383945,
        failed: 0,
        bytes: (9055939, 252586905),
        iterations: 33127,
        peak_vus: Some(200),
        checks: Some((1.0, 33127)),
        service_time: Some((33130, [0.067027, 114.761582936, 17.0660555, 458.7170637, 544.21917445, 1355.025349])),
        ttfb: Some((33130, [0.054875, 16.1211433128, 13.2610885, 29.3583487, 40.6325339, 238.36596])),
        iteration: Some((33127, [10.606442, 152.572681609, 60.950754, 495.0633686, 582.9402106, 1404.633566])),
        connect: Some((33130, [0.0, 0.0120973251434, 0.0, 0.0, 0.0, 45.011305])),
    },
    Expected {
        file: "v2/llama_tiny_stream_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 6.080952465,
        requests: 480,
        per_second: 78.93500282443007,
        failed: 51,
        bytes: (132960, 2150598),
        iterations: 480,
        peak_vus: Some(8),
        checks: None,
        service_time: Some((480, [0.093399, 99.5929842771, 106.2596935, 135.8112794, 157.6703891, 228.38515])),
        ttfb: Some((480, [0.075262, 15.0941919937, 11.81827, 30.7440763, 43.42334195, 99.851083])),
        iteration: Some((480, [0.199163, 100.464254658, 106.8829625, 136.9643173, 157.80162025, 229.699144])),
        connect: Some((480, [0.0, 0.533142845833, 0.100803, 0.6454527, 1.7440477, 25.595828])),
    },
    Expected {
        file: "v2/sat_ns_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 12.008523042,
        requests: 72109,
        per_second: 6004.818390054932,
        failed: 0,
        bytes: (17522487, 71520102),
        iterations: 72109,
        peak_vus: Some(64),
        checks: None,
        service_time: Some((72109, [0.091887, 10.5030417869, 7.763535, 21.3979108, 28.7868626, 175.291763])),
        ttfb: Some((72109, [0.074307, 10.2801094253, 7.675401, 20.932028, 27.7660096, 172.68205])),
        iteration: Some((72109, [0.115647, 10.6297149493, 7.865119, 21.6203832, 29.0153902, 175.8])),
        connect: Some((72109, [0.0, 0.00255501801439, 0.0, 0.0, 0.0, 6.83958])),
    },
    Expected {
        file: "v2/sat_stream100_handleSummary.json",
        format: Format::K6HandleSummary,
        seconds: 12.399894146000001,
        requests: 21353,
        per_second: 1722.0308293428557,
        failed: 0,
        bytes: (5167426, 724229553),
        iterations: 21353,
        peak_vus: Some(512),
        checks: None,
        service_time: Some((21353, [6.998104, 288.328636714, 262.204765, 484.8691874, 590.3194984, 1299.442383])),
        ttfb: Some((21353, [2.18473, 252.854022002, 226.642798, 435.7862614, 554.3840356, 1205.164834])),
        iteration: Some((21353, [7.050014, 290.941119323, 263.616574, 487.336892, 593.237397, 1299.498196])),
        connect: Some((21353, [0.0, 1.374125496, 0.0, 0.0, 0.0, 114.568595])),
    },
    Expected {
        file: "v2/smoke_new_machine_readable.json",
        format: Format::K6MachineSummary,
        seconds: 1.4177631929999999,
        requests: 5,
        per_second: 3.5266820472465183,
        failed: 0,
        bytes: (1155, 71376),
        iterations: 3,
        peak_vus: Some(1),
        checks: Some((1.0, 12)),
        service_time: Some((5, [2.321452, 162.0872814, 14.864964, 393.4407452, 394.6619676, 395.88319])),
        ttfb: None,
        iteration: Some((3, [299.674895, 467.658242, 540.441254, 558.3751124, 560.6168447, 562.858577])),
        connect: None,
    },
    Expected {
        file: "v2/smoke_points.ndjson",
        format: Format::K6Points,
        seconds: 2.227969069,
        requests: 7,
        per_second: 3.1418748569709165,
        failed: 0,
        bytes: (1841, 105695),
        iterations: 5,
        peak_vus: Some(1),
        checks: Some((1.0, 19)),
        service_time: Some((7, [1.347568, 153.309258286, 18.133585, 348.003016, 351.0267085, 354.050401])),
        ttfb: Some((7, [0.768558, 5.60023, 1.096898, 14.299347, 16.1371785, 17.97501])),
        iteration: Some((5, [125.664046, 443.6940292, 585.452679, 636.2761526, 638.6142118, 640.952271])),
        connect: Some((7, [0.0, 0.074505, 0.0, 0.206407, 0.211552, 0.216697])),
    },
    Expected {
        file: "v2/smoke_summary_export.json",
        format: Format::K6SummaryExport,
        seconds: 2.239348684,
        requests: 7,
        per_second: 3.1259089082528964,
        failed: 0,
        bytes: (1841, 105695),
        iterations: 5,
        peak_vus: Some(1),
        checks: Some((1.0, 19)),
        service_time: Some((7, [1.347568, 153.309258286, 18.133585, 348.003016, 351.0267085, 354.050401])),
        ttfb: Some((7, [0.768558, 5.60023, 1.096898, 14.299347, 16.1371785, 17.97501])),
        iteration: Some((5, [125.664046, 443.6940292, 585.452679, 636.2761526, 638.6142118, 640.952271])),
        connect: Some((7, [0.0, 0.074505, 0.0, 0.206407, 0.211552, 0.216697])),
    },
];
