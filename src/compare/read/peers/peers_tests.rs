//! Files that other tools wrote (`tests/corpus/peers`), read back: each figure is the one that stands in the file.

use crate::compare::figures::Prepared;
use crate::compare::read::run_of_bytes;
use crate::compare::{Format, Run, Stat, Statistic, Values};
use serde_json::Value;
use std::io::Read;

fn bytes(file: &str) -> Vec<u8> {
    let path = format!("{}/tests/corpus/peers/{file}", env!("CARGO_MANIFEST_DIR"));
    let packed = std::fs::read(path).unwrap();
    if !file.ends_with(".gz") {
        return packed;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

fn read(file: &str) -> Run {
    run_of_bytes(&bytes(file), file).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Our metric, where their figures stand without their statistic, and how many milliseconds one is.
type Place = (&'static str, &'static str, f64);

const FILES: [(&str, Format, &[Place]); 8] = [
    (
        "vllm-detailed.json",
        Format::Vllm,
        &[
            ("ttft", "/*_ttft_ms", 1.0),
            ("tpot", "/*_tpot_ms", 1.0),
            ("tbt", "/*_itl_ms", 1.0),
        ],
    ),
    (
        "vllm-summary.json",
        Format::Vllm,
        &[
            ("ttft", "/*_ttft_ms", 1.0),
            ("tpot", "/*_tpot_ms", 1.0),
            ("tbt", "/*_itl_ms", 1.0),
        ],
    ),
    (
        "sglang-details.jsonl",
        Format::Sglang,
        &[
            ("ttft", "/*_ttft_ms", 1.0),
            ("tpot", "/*_tpot_ms", 1.0),
            ("tbt", "/*_itl_ms", 1.0),
            ("service_time", "/*_e2e_latency_ms", 1.0),
        ],
    ),
    (
        "guidellm.json.gz",
        Format::Guidellm,
        &[
            (
                "ttft",
                "/benchmarks/0/metrics/time_to_first_token_ms/successful/*",
                1.0,
            ),
            (
                "tpot",
                "/benchmarks/0/metrics/inter_token_latency_ms/successful/*",
                1.0,
            ),
            (
                "service_time",
                "/benchmarks/0/metrics/request_latency/successful/*",
                1e3,
            ),
        ],
    ),
    (
        "aiperf.json",
        Format::Aiperf,
        &[
            ("ttft", "/time_to_first_token/*", 1.0),
            ("ttfa", "/time_to_first_output_token/*", 1.0),
            ("tbt", "/inter_chunk_latency/*", 1.0),
            ("tpot", "/inter_token_latency/*", 1.0),
            ("service_time", "/request_latency/*", 1.0),
            ("latency", "/effective_latency/*", 1.0),
            ("schedule_lag", "/credit_to_start_latency/*", 1.0),
        ],
    ),
    (
        "inference-perf-summary.json",
        Format::InferencePerf,
        &[
            ("ttft", "/successes/latency/time_to_first_token/*", 1e3),
            ("tbt", "/successes/latency/inter_token_latency/*", 1e3),
            ("tpot", "/successes/latency/time_per_output_token/*", 1e3),
            ("service_time", "/successes/latency/request_latency/*", 1e3),
            ("schedule_lag", "/load_summary/schedule_delay/*", 1e3),
        ],
    ),
    (
        "inference-perf-stage.json",
        Format::InferencePerf,
        &[("ttft", "/successes/latency/time_to_first_token/*", 1e3)],
    ),
    (
        "vegeta-report.json",
        Format::Vegeta,
        &[("service_time", "/latencies/*", 1e-6)],
    ),
];

/// How the tools write a statistic.
fn spellings(stat: Statistic) -> Vec<String> {
    let Statistic::Percentile(p) = stat else {
        return vec!["mean".to_owned(), "avg".to_owned()];
    };
    let mut names = vec![format!("p{p}"), format!("{p}th"), format!("percentiles/p{p}")];
    match p {
        50.0 => names.push("median".to_owned()),
        99.9 => names.extend(["percentiles/p999".to_owned(), "999th".to_owned()]),
        _ => {}
    }
    names
}

#[test]
fn every_figure_is_the_one_in_the_file() {
    for (file, format, metrics) in FILES {
        let (run, found) = (read(file), bytes(file));
        assert_eq!(run.format, format, "{file}");
        let document: Value = serde_json::from_slice(&found).unwrap();
        let prepared = Prepared::new(&run, false);
        for (metric, pointer, scale) in metrics {
            let mut compared = 0;
            for stat in Statistic::ALL {
                let theirs = spellings(stat).into_iter().find_map(|name| {
                    document
                        .pointer(&pointer.replace('*', &name))
                        .and_then(Value::as_f64)
                });
                let Some(theirs) = theirs else { continue };
                let ours = prepared.figure(metric, stat);
                let ours = ours.unwrap_or_else(|| panic!("{file}: {metric} {stat} is not read"));
                let theirs = theirs * scale;
                assert!(
                    (ours - theirs).abs() <= 1e-12 * theirs.abs(),
                    "{file}: {metric} {stat}: {ours}, in the file {theirs}"
                );
                compared += 1;
            }
            assert!(compared >= 3, "{file}: {metric}: only {compared} figures");
        }
    }
}

/// The values of the requests give the figures that the tools made of them.
#[test]
fn values_of_requests_give_the_stated_figures() {
    for file in ["vllm-detailed.json", "sglang-details.jsonl", "guidellm.json.gz"] {
        let run = read(file);
        for trend in &run.trends {
            let Values::Raw(values) = &trend.values else {
                // SGLang lists no latencies, and its tpot goes to the end.
                assert!(run.format == Format::Sglang && matches!(trend.metric, "tpot" | "service_time"));
                continue;
            };
            let by_rank = run.format == Format::Guidellm;
            for (stat, stated) in &trend.stated {
                let made = match stat {
                    Stat::Min => values[0],
                    Stat::Max => values[values.len() - 1],
                    Stat::Mean => trend.values.mean().unwrap(),
                    // Its sum of shares decides which of two ranks a percentile between them is.
                    Stat::Percentile(p) if by_rank => {
                        let rank = (p / 100.0 * values.len() as f64 - 1e-9).ceil().max(1.0) as usize;
                        let next = values[rank.min(values.len() - 1)];
                        if next == *stated { next } else { values[rank - 1] }
                    }
                    Stat::Percentile(p) => trend.values.percentile(*p).unwrap(),
                };
                assert!(
                    (made - stated).abs() <= 1e-6 * stated.abs(),
                    "{file}: {} {stat:?}: made {made}, stated {stated}",
                    trend.metric
                );
            }
        }
    }
}

#[test]
fn records_of_aiperf_give_the_figures_of_its_summary() {
    let (records, summary) = (read("aiperf-records.jsonl"), read("aiperf.json"));
    assert_eq!(records.format, Format::AiperfRecords);
    let (records, summary) = (Prepared::new(&records, false), Prepared::new(&summary, false));
    for metric in ["ttft", "ttfa", "tbt", "tpot", "service_time"] {
        for stat in Statistic::ALL {
            let Some(stated) = summary.figure(metric, stat) else {
                continue;
            };
            let made = records.figure(metric, stat).unwrap();
            assert!(
                (made - stated).abs() <= 1e-9 * stated,
                "{metric} {stat}: {made}, {stated}"
            );
        }
    }
    for metric in ["requests", "ok", "failed", "output_tokens"] {
        assert_eq!(
            records.scalar_value(metric),
            summary.scalar_value(metric),
            "{metric}"
        );
    }
}

#[test]
fn results_of_vegeta_are_the_same_in_json_and_csv() {
    let (json, csv, report) = (
        read("vegeta.jsonl"),
        read("vegeta.csv"),
        read("vegeta-report.json"),
    );
    assert_eq!(
        (json.format, csv.format),
        (Format::VegetaResults, Format::VegetaResults)
    );
    let [json, csv, report] = [&json, &csv, &report].map(|run| Prepared::new(run, false));
    for stat in Statistic::ALL {
        let figure = json.figure("service_time", stat).unwrap();
        assert_eq!(Some(figure), csv.figure("service_time", stat), "{stat}");
    }
    let mean = json.figure("service_time", Statistic::Mean).unwrap();
    let stated = report.figure("service_time", Statistic::Mean).unwrap();
    assert!(
        (mean - stated).abs() < 1e-5,
        "{mean}, {stated}: vegeta's mean is whole nanoseconds"
    );
    for metric in [
        "requests",
        "ok",
        "failed",
        "bytes_sent",
        "bytes_received",
        "error_rate",
    ] {
        assert_eq!(json.scalar_value(metric), report.scalar_value(metric), "{metric}");
    }
    let (made, stated) = (
        json.scalar_value("ok_requests_per_second").unwrap(),
        report.scalar_value("ok_requests_per_second").unwrap(),
    );
    assert!((made - stated).abs() < 1e-6 * stated, "{made}, {stated}");
    assert!(json.run.trends[0].slices.len() >= 10);
}

/// The numbers of whole runs.
#[test]
fn counts_and_rates_are_those_in_the_files() {
    let cases: [(&str, &str, f64); 15] = [
        ("vllm-detailed.json", "requests", 20.0),
        ("vllm-detailed.json", "ok_requests_per_second", 16.04124549424883),
        (
            "vllm-detailed.json",
            "output_tokens_per_second",
            673.7323107584508,
        ),
        (
            "vllm-detailed.json",
            "total_tokens_per_second",
            1000.9737188411269,
        ),
        ("vllm-summary.json", "requests_per_second", 607.2758147994676),
        ("vllm-summary.json", "output_tokens", 510_000.0),
        ("guidellm.json.gz", "ok", 20.0),
        ("guidellm.json.gz", "ok_requests_per_second", 15.589217830334405),
        ("guidellm.json.gz", "output_tokens_per_second", 311.7843566066881),
        ("guidellm.json.gz", "output_tokens", 400.0),
        ("aiperf.json", "ok_requests_per_second", 15.77107457587129),
        ("aiperf.json", "output_tokens_per_second", 315.4214915174258),
        ("sglang-details.jsonl", "ok", 60.0),
        (
            "inference-perf-summary.json",
            "ok_requests_per_second",
            4.903027227985516,
        ),
        ("vegeta-report.json", "offered_per_second", 5.084801935122123),
    ];
    for (file, metric, expected) in cases {
        let run = read(file);
        let found = run.scalars.iter().filter(|s| s.metric == metric);
        let found: Vec<f64> = found.map(|s| s.value).collect();
        assert_eq!(found, [expected], "{file}: {metric}");
    }
}

#[test]
fn the_notes_say_as_what_a_file_was_read() {
    for (file, expected) in [
        (
            "vllm-summary.json",
            "read as the result of `vllm bench serve`, recognized by `model_id`",
        ),
        ("guidellm.json.gz", "read as guidellm's benchmarks.json"),
        ("vegeta.csv", "read as the results of `vegeta encode`"),
    ] {
        let run = read(file);
        assert!(
            run.notes.iter().any(|n| n.contains(expected)),
            "{file}: {:?}",
            run.notes
        );
    }
    // The lists of that file were shortened to five values: they are not of all requests.
    let run = read("vllm-summary.json");
    assert!(
        run.notes.iter().any(|n| n.contains("`latencies` has 5 values")),
        "{:?}",
        run.notes
    );
    assert!(run.trends.iter().all(|t| t.metric != "service_time"));
}

fn failure(text: &[u8]) -> String {
    run_of_bytes(text, "x").unwrap_err().to_string()
}

#[test]
fn members_that_come_in_another_order_are_found() {
    let run = read("vllm-summary.json");
    let mut members: Vec<(String, Value)> = match serde_json::from_slice(&bytes("vllm-summary.json")).unwrap()
    {
        Value::Object(members) => members.into_iter().collect(),
        _ => unreachable!("it is an object"),
    };
    members.reverse();
    let padding = format!("\"generated_texts\": [\"{}\"]", "x".repeat(100_000));
    let rest: Vec<String> = members.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
    let text = format!("{{{padding}, {}}}", rest.join(", "));
    let again = run_of_bytes(text.as_bytes(), "vllm-summary.json").unwrap();
    assert_eq!(again.scalars, run.scalars);
}

#[test]
fn several_runs_in_a_file_are_not_guessed_among() {
    let one = bytes("sglang-details.jsonl");
    let both = [one.clone(), one].concat();
    let text = failure(&both);
    assert!(text.contains("holds 2 runs") && text.contains("FILE#2"), "{text}");
}

#[test]
fn figures_of_nothing_are_none() {
    let text = r#"{"backend": "vllm", "sharegpt_output_len": null, "completed": 0, "duration": 1.5,
        "request_throughput": 0.0, "total_output_tokens": 0, "mean_ttft_ms": 0.0, "median_ttft_ms": 0.0,
        "mean_e2e_latency_ms": NaN, "p99_e2e_latency_ms": NaN, "errors": ["no", "no"], "ttfts": [0.0, 0.0]}"#;
    let run = run_of_bytes(text.as_bytes(), "x").unwrap();
    assert!(run.trends.is_empty(), "{:?}", run.trends);
    let scalar = |metric| run.scalars.iter().find(|s| s.metric == metric).unwrap().value;
    assert_eq!((scalar("failed"), scalar("error_rate")), (2.0, 1.0));
}

#[test]
fn wrong_members_are_named() {
    let vllm = r#"{"model_id": "m", "tokenizer_id": "t", "num_prompts": 2, "#;
    for (text, expected) in [
        (
            format!(r#"{vllm} "completed": -1}}"#),
            "`completed`: found `-1`, expected a whole number",
        ),
        (
            format!(r#"{vllm} "completed": 2}}"#),
            "`request_throughput`: is missing",
        ),
        (
            format!(r#"{vllm} "completed": 2, "request_throughput": 1, "mean_ttft_ms": "1"}}"#),
            "`mean_ttft_ms`: found `\"1\"`, expected a number",
        ),
        (
            format!(r#"{vllm} "completed": 2, "request_throughput": 1, "ttfts": [0.1, "x"]}}"#),
            "in `ttfts[1]`: found `\"x\"`, expected a number",
        ),
        (
            format!(r#"{vllm} "completed": 2, "ttfts": [0.1"#),
            "the file ends here",
        ),
        (
            r#"{"aiperf_version": "1", "input_config": {}, "request_count": {"avg": 1},
                "time_to_first_token": {"unit": "parsec", "avg": 1}}"#
                .to_owned(),
            "`time_to_first_token.unit`: found `\"parsec\"`, expected a unit of time",
        ),
        (
            "1796038333913878497,200,x,106,0,,,chat,0,POST,http://h/,aGk=\n".to_owned(),
            "begins with",
        ),
        (
            "1796038333913878497,200,1,106,0,,,chat,0,POST,http://h/,aGk=\n1796038333913878497,200\n"
                .to_owned(),
            "line 2: has 2 columns, but vegeta writes 12",
        ),
        ("Metric,avg,min\n".to_owned(), "this is AIPerf's CSV"),
        (
            "[{\"start_time\": 1, \"request\": \"\"}]".to_owned(),
            "inference-perf's list of requests",
        ),
    ] {
        let found = failure(text.as_bytes());
        assert!(found.contains(expected), "{found}, expected {expected}");
    }
}

#[test]
fn cut_and_damaged_files_are_a_run_or_a_clear_error() {
    let names = FILES.map(|(file, ..)| file);
    for file in names
        .into_iter()
        .chain(["aiperf-records.jsonl", "vegeta.jsonl", "vegeta.csv"])
    {
        let whole = bytes(file);
        let lines = file == "aiperf-records.jsonl" || file.starts_with("vegeta.");
        let step = whole.len() / 100 + 1;
        for end in (0..whole.len()).step_by(step) {
            let read = run_of_bytes(&whole[..end], file);
            let rest = whole[end..].trim_ascii().is_empty();
            assert!(lines || rest || read.is_err(), "{file}: {end} bytes are a run");
            if let Err(reason) = read {
                assert!(
                    reason.hint.is_some() && !reason.to_string().contains('\n'),
                    "{file}: {reason}"
                );
            }
            let mut damaged = whole.clone();
            damaged[end] ^= 1 << (end % 8);
            if let Err(reason) = run_of_bytes(&damaged, file) {
                assert!(
                    reason.hint.is_some() && reason.to_string().len() < 900,
                    "{file}: {reason}"
                );
            }
        }
    }
}
