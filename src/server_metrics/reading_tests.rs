use super::*;

/// What a real vLLM 0.32 showed after 426 requests, without what Python's client adds.
const VLLM: &str = include_str!("../../tests/corpus/metrics/vllm.txt");
/// What a real llama.cpp showed.
const LLAMACPP: &str = include_str!("../../tests/corpus/metrics/llamacpp.txt");

fn read(text: &str, asked: &[&str]) -> Reading {
    let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
    Vocabulary::new(&asked).read(text.as_bytes())
}

fn gauge(reading: &Reading, key: &str) -> f64 {
    let found = reading.gauges.iter().find(|(shown, _)| shown.key == key);
    found
        .unwrap_or_else(|| panic!("no {key}"))
        .0
        .series
        .iter()
        .map(|(_, value)| value)
        .sum()
}

fn counter(reading: &Reading, key: &str) -> f64 {
    let found = reading.counters.iter().find(|shown| shown.key == key);
    found
        .unwrap_or_else(|| panic!("no {key}"))
        .series
        .iter()
        .map(|(_, value)| value)
        .sum()
}

fn histogram<'a>(reading: &'a Reading, key: &str) -> &'a Buckets {
    let found = reading.histograms.iter().find(|(shown, _)| shown.key == key);
    &found.unwrap_or_else(|| panic!("no {key}")).0.series[0].1
}

#[test]
fn what_a_real_vllm_shows_is_read() {
    let reading = read(VLLM, &[]);
    assert_eq!(reading.kind, Some(ServerKind::Vllm));
    assert_eq!((reading.bad_lines, reading.left_out), (0, 0));
    for (key, value) in [
        ("requests", 426.0),
        ("aborted", 0.0),
        ("prompt_tokens", 28_542.0),
        ("generation_tokens", 42_190.0),
        ("prefix_cache_queries", 28_542.0),
        ("prefix_cache_hits", 0.0),
        ("preemptions", 0.0),
    ] {
        assert_eq!(counter(&reading, key), value, "{key}");
    }
    assert_eq!(gauge(&reading, "running"), 0.0);
    assert_eq!(gauge(&reading, "kv_cache_usage"), 0.0);
    let ttft = histogram(&reading, "ttft");
    assert_eq!(ttft.count(), 426);
    assert_eq!(ttft.ends[..3], [1.0, 5.0, 10.0]);
    let decode = histogram(&reading, "decode_time");
    assert_eq!((decode.count(), decode.mean().unwrap().round()), (426, 513.0));
    assert_eq!(decode.bounds(0.5), Some((500.0, Some(800.0))));
    for key in [
        "inter_token_latency",
        "time_per_output_token",
        "e2e_latency",
        "queue_time",
    ] {
        assert!(histogram(&reading, key).count() >= 426 - 3, "{key}");
    }
    // Its own name is kept, and its labels.
    let running = &reading.gauges[0].0;
    assert_eq!(running.name, "vllm:num_requests_running");
    let labels = [("engine", "0"), ("model_name", "tiny-llama")];
    assert_eq!(
        running.series[0].0,
        labels.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

#[test]
fn what_a_real_llama_cpp_shows_is_read() {
    let reading = read(LLAMACPP, &["llamacpp:n_decode_total", "llamacpp:n_tokens_max"]);
    assert_eq!(reading.kind, Some(ServerKind::LlamaCpp));
    for (key, value) in [
        ("generation_tokens", 98.0),
        // It counts cached tokens apart.
        ("prompt_tokens", 114.0 + 122.0),
        ("prefix_cache_queries", 236.0),
        ("prefix_cache_hits", 122.0),
        ("llamacpp:n_decode_total", 98.0),
        ("llamacpp:n_tokens_max", 57.0),
    ] {
        assert_eq!(counter(&reading, key), value, "{key}");
    }
    assert_eq!(gauge(&reading, "waiting"), 0.0);
}

#[test]
fn engines_are_kept_apart_and_the_ranks_of_one_are_not() {
    let reading = read(
        "sglang:num_running_reqs{model_name=\"m\",tp_rank=\"0\"} 3\n\
         sglang:num_running_reqs{tp_rank=\"1\",model_name=\"m\"} 2\n\
         sglang:num_running_reqs{model_name=\"m\",tp_rank=\"4\",dp_rank=\"1\"} 5\n\
         sglang:token_usage{dp_rank=\"0\"} 0.5\nsglang:token_usage{dp_rank=\"1\"} 0.25\n",
        &[],
    );
    assert_eq!(reading.kind, Some(ServerKind::Sglang));
    let series: Vec<f64> = reading.gauges[0]
        .0
        .series
        .iter()
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(series, [3.0, 5.0]);
    assert_eq!(reading.gauges[1].1, Together::Mean);
}

#[test]
fn of_two_names_of_a_figure_the_newer_counts() {
    let both = "vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.25\n";
    assert_eq!(gauge(&read(both, &[]), "kv_cache_usage"), 0.25);
    assert_eq!(
        gauge(&read("vllm:gpu_cache_usage_perc 0.5\n", &[]), "kv_cache_usage"),
        0.5
    );
}

#[test]
fn names_that_are_asked_for_are_told_by_their_types() {
    let text = "# TYPE my_seconds histogram\nmy_seconds_bucket{le=\"0.1\"} 1\nmy_seconds_bucket{le=\"+Inf\"} 2\n\
                my_seconds_sum 0.3\nmy_seconds_count 2\n# TYPE jobs counter\njobs_total 7\n\
                # TYPE plain counter\nplain{a=\"b\"} 8\n# TYPE depth gauge\ndepth 9\nsizes_bucket{le=\"+Inf\"} 4\n";
    let asked = ["my_seconds", "jobs", "plain", "depth", "sizes", "absent"];
    let reading = read(text, &asked);
    assert_eq!(reading.kind, None);
    assert_eq!(
        (counter(&reading, "jobs"), counter(&reading, "plain")),
        (7.0, 8.0)
    );
    assert_eq!(gauge(&reading, "depth"), 9.0);
    assert_eq!(histogram(&reading, "my_seconds").ends[0], 100.0);
    assert_eq!(histogram(&reading, "my_seconds").sum, 300.0);
    assert_eq!(
        reading
            .histograms
            .iter()
            .map(|(_, times)| *times)
            .collect::<Vec<_>>(),
        [true, false]
    );
    assert!(read("other 1\n", &asked).is_empty());
}

#[test]
fn gpus_are_told_in_units_of_their_own() {
    let reading = read(
        "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} 90\nDCGM_FI_DEV_GPU_UTIL{gpu=\"1\"} 50\n\
         DCGM_FI_DEV_FB_USED{gpu=\"0\"} 1024\nDCGM_FI_DEV_POWER_USAGE{gpu=\"0\"} 300.5\n",
        &[],
    );
    assert_eq!(reading.kind, Some(ServerKind::Dcgm));
    let utilization: Vec<f64> = reading.gauges[0]
        .0
        .series
        .iter()
        .map(|(_, value)| *value)
        .collect();
    assert_eq!(utilization, [0.9, 0.5]);
    assert_eq!(gauge(&reading, "gpu_memory_used_bytes"), 1_073_741_824.0);
}

#[test]
fn rubbish_is_counted_and_what_is_no_number_is_passed_over() {
    let reading = read(
        "<html>\n\u{1b}[2J\nvllm:num_requests_running NaN\nvllm:num_requests_waiting 2\n",
        &[],
    );
    assert_eq!((reading.samples, reading.bad_lines), (2, 2));
    assert_eq!(reading.gauges.len(), 1);
    // A series that stands twice is one.
    let twice = read("tgi_queue_size 1\ntgi_queue_size 3\n", &[]);
    assert_eq!(gauge(&twice, "waiting"), 3.0);
    let many: String = (0..1_000)
        .map(|n| format!("tgi_queue_size{{n=\"{n}\"}} 1\n"))
        .collect();
    let many = read(&many, &[]);
    assert_eq!((gauge(&many, "waiting"), many.left_out), (64.0, 936));
}
