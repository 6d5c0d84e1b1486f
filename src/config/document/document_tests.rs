use super::*;
use crate::config::to_plan;
use crate::plan::Executor;
use crate::workload::{Call, Chat, Prompts};

const GOOD: &str = "\
executor: constant-vus
vus: 3
duration: 10s
models: [a, b]
prompts: [Hi]
requests:
  - { name: short, weight: 2, max_tokens: 20, timeout: 3s }
  - { name: light, kind: light }
thresholds:
  latency: [p(95)<1000, max<5000]
  failed: rate<1%
";

fn read(text: &str) -> (Config, Vec<Mistake>) {
    read_document("p", "p.yaml", text).unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    let (config, mut mistakes) = match read_document("p", "p.yaml", text) {
        Ok(read) => read,
        Err(e) => return e.iter().map(Mistake::to_string).collect(),
    };
    mistakes.extend(to_plan(&config).err().unwrap_or_default());
    mistakes.sort_by_key(Mistake::line);
    mistakes.iter().map(Mistake::to_string).collect()
}

#[test]
fn a_good_document_is_read_with_its_defaults() {
    let (config, mistakes) = read(GOOD);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    assert_eq!(
        config.executor,
        Executor::ConstantVus {
            vus: 3,
            duration: 10 * SECOND
        }
    );
    assert_eq!((config.seed, config.graceful_stop), (1, 30 * SECOND));
    let short = &config.requests[0];
    // The total is shorter than the usual 5 s for connecting, and caps it.
    assert_eq!((short.timeout, short.connect_timeout), (3 * SECOND, 3 * SECOND));
    let Call::Chat(Chat {
        stream,
        max_tokens,
        models,
        prompts,
        cache_prompt,
        ..
    }) = &short.call
    else {
        panic!("{short:?}");
    };
    assert_eq!(*cache_prompt, None);
    assert_eq!((*stream, max_tokens.min(), max_tokens.max()), (false, 20, 20));
    assert_eq!(
        (models.len(), prompts),
        (2, &Prompts::List(vec!["Hi".to_owned()]))
    );
    assert_eq!(config.requests[1].call, Call::Light);
    assert_eq!(config.requests[1].connect_timeout, 5 * SECOND);
    let expressions: Vec<&str> = config.thresholds.iter().map(|t| t.expression.as_str()).collect();
    assert_eq!(expressions, ["p(95)<1000", "max<5000", "rate<1%"]);
}

#[test]
fn a_document_with_ten_mistakes_lists_ten() {
    let text = "\
executor: ramping-vus
start_vus: many
stages:
  - { duration: 1m, target: 20000000 }
  - { duratoin: 1m, target: 5 }
graceful_stop: 30x
think_time: 60ms-10ms
models: []
prompts: [Hi]
requests:
  - { name: one, stream: maybe, max_tokens: 20 }
  - { name: one, max_tokens: 0 }
thresholds:
  latencey: p(95)<1000
";
    let found = mistakes(text);
    let expected = [
        "error: p.yaml:2: `start_vus`: `many` is not a whole number",
        "error: p.yaml:4: `stages[0].target`: `20000000` is above the limit of 10000000\nhint: write a number from 0 to 10000000",
        "error: p.yaml:5: unknown key `stages[1].duratoin`\nhint: did you mean `duration`?",
        "error: p.yaml:6: `graceful_stop`: `30x` is not a duration: unknown unit `x`\n\
         hint: write `10s`, `1m30s`, `500ms`, `2h`, or a plain number of seconds",
        "error: p.yaml:7: `think_time`: `60ms-10ms`: the first value is greater than the second\n\
         hint: write the smaller value first",
        "error: p.yaml:8: `models` has 0 items, not between 1 and 1000",
        "error: p.yaml:11: `requests[0].stream`: `maybe` is neither true nor false",
        "error: p.yaml:12: `requests[1].max_tokens`: `0` is below the minimum of 1\nhint: write a number from 1 to 10000000",
        "error: p.yaml:12: requests[1]: the name `one` is already in use\nhint: line 11 uses it",
        "error: p.yaml:14: unknown metric `latencey`\nhint: did you mean `latency`?",
    ];
    assert_eq!(expected.len(), 10);
    assert_eq!(found, expected);
}

#[test]
fn keys_of_another_executor_are_refused_with_the_keys_of_this_one() {
    let text = GOOD.replace("vus: 3", "stages: [{duration: 1s, target: 1}]");
    assert_eq!(
        mistakes(&text),
        [
            "error: p.yaml:2: key `stages` has no effect with executor `constant-vus`\n\
          hint: `constant-vus` takes duration, vus"
        ]
    );
}

#[test]
fn missing_keys_are_reported_with_their_use() {
    let found = mistakes("executor: ramping-vus\n").join("\n");
    assert!(found.contains("p.yaml:1: missing key `stages`"), "{found}");
    assert!(found.contains("missing key `requests`"), "{found}");
    let found = mistakes("vus: 1\n").join("\n");
    assert!(
        found.contains("missing key `executor`\nhint: use one of constant-vus, ramping-vus"),
        "{found}"
    );
    let found = mistakes(&GOOD.replace("max_tokens: 20, ", "")).join("\n");
    assert_eq!(
        found,
        "error: p.yaml:7: request `short` has no token limit\n\
         hint: add `max_tokens:`, for example `50` or `50-200`, or `--max-tokens N`"
    );
}

#[test]
fn wrong_types_are_reported_with_the_value() {
    let cases = [
        ("vus: 3", "vus: [3]", "`vus` is a list, not a whole number"),
        ("vus: 3", "vus: -3", "`vus`: `-3` is not a whole number"),
        ("vus: 3", "vus: 3.5", "`vus`: `3.5` is not a whole number"),
        (
            "vus: 3",
            "vus: 99999999999999999999",
            "above the limit of 10000000",
        ),
        (
            "duration: 10s",
            "duration: {s: 10}",
            "`duration` is a mapping, not a duration",
        ),
        (
            "duration: 10s",
            "duration: 25h",
            "`25h` is longer than the limit of 24h",
        ),
        (
            "duration: 10s",
            "duration: 0s",
            "`0s` is shorter than the minimum of 1ms",
        ),
        ("models: [a, b]", "modles: [a, b]", "did you mean `models`?"),
        ("models: [a, b]", "models: a", "`models` is `a`, not a list"),
        (
            "models: [a, b]",
            "models: [a, {b: c}]",
            "`models[1]` is a mapping, not a string",
        ),
        (
            "models: [a, b]",
            "models: [a, '']",
            "`models[1]`: the text is blank",
        ),
        ("kind: light", "kind: ligth", "did you mean `light`?"),
        (
            "kind: light",
            "kind: light, stream: true",
            "has no effect with kind `light`",
        ),
        ("name: light", "name: 'a b'", "`a b` is not a valid name"),
        (
            "failed: rate<1%",
            "failed: [[1]]",
            "`thresholds.failed[0]` is a list, not a string",
        ),
        ("failed: rate<1%", "failed: count<1", "not a figure of `failed`"),
        (
            "executor: constant-vus",
            "executor: constant_vus",
            "did you mean `constant-vus`?",
        ),
        (
            "executor: constant-vus",
            "executor: constant-vus\n? [a]\n: 1",
            "`key` is a list, not a word",
        ),
    ];
    refuse_each(&cases);
    assert!(mistakes("[1, 2]")[0].contains("`document` is a list, not a mapping"));
    assert!(mistakes("just words")[0].contains("`document` is `just words`"));
}

/// What is good, what it is replaced with, and what is then the one mistake.
fn refuse_each(cases: &[(&str, &str, &str)]) {
    for (good, bad, expected) in cases {
        assert!(GOOD.contains(good), "{good}");
        let found = mistakes(&GOOD.replace(good, bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].contains(expected), "{bad}: {}", found[0]);
    }
}

#[test]
fn paths_steps_and_the_simulator_are_checked() {
    refuse_each(&[
        (
            "kind: light",
            "kind: light, path: model5",
            "did you mean `models`?",
        ),
        (
            "prompts: [Hi]",
            "prompts: [Hi]\nmax_tokens: 50",
            "`max_tokens` is a key of a request: write it in the items of `requests:`",
        ),
        (
            "kind: light",
            "kind: light, seed: 3",
            "`seed` is a key of the document: write it at the top level",
        ),
        (
            "max_tokens: 20",
            "max_tokens: 20, path: models",
            "`requests[0].path` has no effect with kind `chat`",
        ),
        (
            "prompts: [Hi]",
            "prompts: [Hi]\nsimulator: {latency: instand}",
            "did you mean `instant`?",
        ),
        (
            "prompts: [Hi]",
            "prompts: [Hi]\nsteps: true",
            "`steps` has no effect with executor `constant-vus`",
        ),
    ]);
}

#[test]
fn an_open_loop_is_read_with_its_rates_and_users() {
    let at = GOOD.find("models").unwrap();
    let read = |shape: &str| {
        let text = format!("{shape}\n{}", &GOOD[at..]);
        read_document("p", "p.yaml", &text).unwrap()
    };
    for (shape, in_words) in [
        (
            "executor: constant-arrival-rate\nrate: 50\nduration: 1m",
            "50/s for 1m, constant arrivals, at most 10000 users, drops what they cannot take",
        ),
        (
            "executor: constant-arrival-rate\nrate: 300\ntime_unit: 1m\nduration: 1m\npre_allocated_vus: 20\n\
             arrival: gamma:0.5",
            "300/m for 1m, gamma:0.5 arrivals, at most 20 users, drops what they cannot take",
        ),
        (
            "executor: ramping-arrival-rate\nstart_rate: 10/s\nmax_vus: 100\nwhen_full: queue\n\
             stages: [{duration: 5s, target: 300/m}, {duration: 5s, target: 20}]",
            "10/s, to 300/m in 5s, to 20/s in 5s, constant arrivals, at most 100 users, queues what they cannot take",
        ),
    ] {
        let (config, mistakes) = read(shape);
        assert_eq!(mistakes, [], "{shape}");
        assert_eq!(config.executor.in_words(), in_words);
        // What is printed as a profile means the same again.
        let (again, mistakes) = read(config.executor.as_profile().trim_end());
        assert_eq!(mistakes, [], "{shape}");
        assert_eq!(again.executor, config.executor);
    }
}

#[test]
fn shapes_that_cannot_run_are_refused() {
    let shape = |text: &str| {
        let at = GOOD.find("models").unwrap();
        mistakes(&format!("{text}\n{}", &GOOD[at..])).join("\n")
    };
    assert!(
        shape("executor: ramping-vus\nstart_vus: 0\nstages: [{duration: 1s, target: 0}]")
            .contains("no VU ever runs")
    );
    assert!(shape("executor: ramping-vus\nstages: [{duration: 0s, target: 5}]").contains("would last 0 s"));
    let long = "executor: ramping-vus\nstages: [{duration: 20h, target: 5}, {duration: 20h, target: 5}]";
    assert!(shape(long).contains("a run of 40h is longer than the limit of 24h"));
    let shared = "executor: shared-iterations\nvus: 9\niterations: 5";
    assert!(shape(shared).starts_with("error: p.yaml:1: 5 iterations are fewer than 9 VUs"));
    let sawtooth = ["{duration: 1s, target: 10000000}, {duration: 1s, target: 0}"; 3].join(", ");
    let sawtooth = format!("executor: ramping-vus\nstages: [{sawtooth}]");
    assert!(
        shape(&sawtooth).contains("59999999 starts and stops of VUs are above the limit of 20000001"),
        "{}",
        shape(&sawtooth)
    );
}

#[test]
fn executors_with_iterations_are_read() {
    let text = GOOD
        .replace("constant-vus", "per-vu-iterations")
        .replace("duration: 10s", "iterations: 4");
    let (config, mistakes) = read(&text);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let expected = Executor::PerVuIterations {
        vus: 3,
        iterations: 4,
        max_duration: MAX_DURATION_DEFAULT,
    };
    assert_eq!(config.executor, expected);
}

proptest::proptest! {
    /// Lines of a good document dropped, doubled and mixed up: an answer, never a panic.
    #[test]
    fn no_mutilated_document_makes_the_reader_panic(
        picks in proptest::collection::vec((0usize..11, 0usize..40), 0..14)
    ) {
        let lines: Vec<&str> = GOOD.lines().collect();
        let cut = |&(line, cut): &(usize, usize)| {
            let text = lines[line];
            text[..text.len().saturating_sub(cut)].to_owned()
        };
        let text = picks.iter().map(cut).collect::<Vec<_>>().join("\n");
        if let Ok((config, _)) = read_document("p", "p.yaml", &text) {
            let _ = to_plan(&config);
        }
    }
}

#[test]
fn limits_of_goodput_are_those_of_the_kind_or_else_of_the_document() {
    let text = GOOD
        .replace(
            "prompts:",
            "goodput: {tpot: 30, ttft: 0.5s, latency: 5s}\nprompts:",
        )
        .replace("max_tokens: 20", "max_tokens: 20, goodput: 'ttfb:1s'");
    let text = text.replace("thresholds:", "  - { name: long, max_tokens: 200 }\nthresholds:");
    let (config, mistakes) = read(&text);
    assert_eq!(mistakes, []);
    let limits = |at: usize| config.requests[at].goodput.to_string();
    assert_eq!(limits(0), "ttfb <= 1s");
    assert_eq!(limits(1), "latency <= 5s");
    assert_eq!(limits(2), "ttft <= 500ms, tpot <= 30ms, latency <= 5s");
}

#[test]
fn wrong_limits_of_goodput_are_named_with_their_line() {
    for (asked, what) in [
        ("goodput: {ttft: fast}", "p.yaml:4: `goodput.ttft`: "),
        (
            "goodput: {ttft: 500ms, e2el: 1, latency: 2}",
            "is a second limit of `latency`",
        ),
        ("goodput: {itl: 5}", "p.yaml:4: `goodput`: `itl` is not a metric"),
        ("goodput: [ttft]", "`goodput` is a list"),
        ("goodput: {}", "no limit is given"),
        ("goodput: ttft", "`ttft` has no limit"),
        ("goodput: {ttft: 0}", "`0` is shorter than the minimum of 1us"),
    ] {
        let text = GOOD.replace("models:", &format!("{asked}\nmodels:"));
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{asked}: {found:?}");
        assert!(found[0].contains(what), "{asked}: {found:?}");
    }
    let light = GOOD.replace("kind: light", "kind: light, goodput: {ttft: 5}");
    assert!(mistakes(&light)[0].contains("`requests[1].goodput.ttft` has no effect with kind `light`"));
}
