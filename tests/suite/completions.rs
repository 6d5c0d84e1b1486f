//! llama.cpp's own completions and the older text completions, end to end against the mock: counts, times, closes,
//! faults, and several streams out of one budget of tokens.

use std::collections::HashSet;
use std::sync::Arc;

use crate::common::*;
use llmload_uring::api::Api;
use llmload_uring::lengths::Lengths;
use llmload_uring::metrics::{MetricId, Outcome, Sample, TokenSource};
use llmload_uring::mock::budget::Budget;
use llmload_uring::mock::fault::Fault;
use llmload_uring::units::{MILLISECOND, Nanos, SECOND};
use llmload_uring::workload::{Call, Chat, Prompts};

fn streaming() -> impl Iterator<Item = Api> {
    Api::ALL.into_iter().filter(|api| api.row().streams())
}

/// Who counts the tokens of an API's answers.
fn source(api: Api) -> TokenSource {
    match api {
        Api::Triton => TokenSource::Events,
        _ => TokenSource::Server,
    }
}

fn states_times(api: Api) -> bool {
    matches!(api, Api::LlamaCpp | Api::Ollama | Api::OllamaChat)
}

#[test]
fn two_hundred_tokens_are_counted_and_timed_over_each_api() {
    for api in streaming() {
        let mut options = mock_options();
        options.tokens = 200;
        options.ttft = 20 * MILLISECOND;
        let mock = mock(options);
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let ran = run_on(
            plan(shared(4, 12), kinds),
            target_of(mock.address, api),
            engine_options(1),
            |_| {},
        );
        let total = &ran.merged.total;
        assert_eq!((total.ok(), total.output_tokens), (12, 12 * 200), "{api:?}");
        assert_eq!(total.token_source(source(api)), 12, "{api:?}");
        assert_eq!(ran.merged.counters().token_events, 12 * 200, "{api:?}");
        assert_eq!(total.metric(MetricId::Tbt).offered(), 12 * 199, "{api:?}");
        for sample in &ran.samples {
            let ttft = sample.first_token.unwrap() - sample.due;
            let last = sample.last_token.unwrap() - sample.due;
            // A busy machine makes a write late, nothing makes it early: 199 gaps of 1 ms behind the first token.
            assert!(
                ttft >= 20 * MILLISECOND && last >= 219 * MILLISECOND,
                "{api:?} {sample:?}"
            );
            assert_eq!(sample.server_prompt.is_some(), states_times(api), "{api:?}");
            assert_eq!(sample.prompt_tokens.is_some(), api != Api::Triton, "{api:?}");
        }
    }
}

#[test]
fn the_times_that_llama_cpp_reports_are_within_those_measured() {
    let mut options = mock_options();
    options.tokens = 50;
    options.ttft = 30 * MILLISECOND;
    options.gap = 2 * MILLISECOND;
    let mock = mock(options);
    let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
    let target = target_of(mock.address, Api::LlamaCpp);
    let ran = run_on(plan(shared(4, 20), kinds), target, engine_options(1), |_| {});
    let total = &ran.merged.total;
    assert_eq!(total.ok(), 20);
    for sample in &ran.samples {
        let (prompt, decode) = (sample.server_prompt.unwrap(), sample.server_decode.unwrap());
        let ttft = sample.first_token.unwrap() - sample.due;
        assert!(prompt >= 30 * MILLISECOND && prompt <= ttft, "{sample:?}");
        assert!(prompt + decode >= 128 * MILLISECOND, "{sample:?}");
    }
    // The mock may be held up between its look at the clock and its send: so the median.
    let off = total.metric(MetricId::DecodeDiff).quantile(0.5).unwrap();
    assert!(off < 5 * MILLISECOND, "{off} ns");
    for id in [
        MetricId::Decode,
        MetricId::ServerPrompt,
        MetricId::ServerDecode,
        MetricId::PromptDiff,
        MetricId::DecodeDiff,
    ] {
        assert_eq!(total.metric(id).offered(), 20, "{}", id.key());
    }
    assert_eq!(total.server_prompt_over, 0);
}

#[test]
fn whole_answers_have_the_servers_counts_and_times_but_no_differences() {
    for api in streaming() {
        let mut options = mock_options();
        options.tokens = 200;
        options.gap = 100_000;
        let mock = mock(options);
        let kinds = vec![kind("whole", 1, false, 30 * SECOND)];
        let ran = run_on(
            plan(shared(4, 12), kinds),
            target_of(mock.address, api),
            engine_options(1),
            |_| {},
        );
        let total = &ran.merged.total;
        // In an answer of one piece there is nothing to count but what the server states.
        let tokens = if api == Api::Triton { 0 } else { 12 * 200 };
        assert_eq!((total.ok(), total.output_tokens), (12, tokens), "{api:?}");
        let native = if states_times(api) { 12 } else { 0 };
        assert_eq!(total.metric(MetricId::ServerDecode).offered(), native, "{api:?}");
        assert!(total.metric(MetricId::PromptDiff).is_empty() && total.metric(MetricId::Decode).is_empty());
        if states_times(api) {
            let said = total.metric(MetricId::ServerDecode).min().unwrap();
            assert!(said >= 19_900_000, "{said}");
        }
    }
}

#[test]
fn every_fault_becomes_its_own_outcome_over_each_api() {
    let cases = [
        (Fault::Status(503), 3, Outcome::Http503),
        (Fault::Reset, 4, Outcome::Reset),
        (Fault::ErrorEvent, 5, Outcome::StreamError),
        (Fault::Unfinished, 6, Outcome::Truncated),
        (Fault::BadJson, 2, Outcome::Malformed),
    ];
    for api in Api::ALL {
        for stream in [true, false] {
            // A stream of Triton has no finish that could be missing.
            let is_told = |fault| fault != Fault::Unfinished || api != Api::Triton || !stream;
            let mut options = mock_options();
            options.faults = faults(&cases.map(|(fault, n, _)| (fault, n)), 100);
            let mock = mock(options);
            let kinds = vec![kind("k", 1, stream, 30 * SECOND)];
            let target = target_of(mock.address, api);
            let ran = run_on(plan(shared(10, 100), kinds), target, engine_options(1), |_| {});
            let mut untold = 0;
            for (fault, n, outcome) in cases {
                let n = if is_told(fault) { n } else { 0 };
                untold += if is_told(fault) { 0 } else { 6 };
                assert_eq!(
                    ran.merged.total.outcome(outcome),
                    u64::from(n),
                    "{api:?} {stream} {fault:?}"
                );
            }
            assert_eq!(ran.merged.total.ok(), 80 + untold, "{api:?} {stream}");
        }
    }
}

#[test]
fn a_close_after_a_stream_with_keep_alive_is_not_an_error() {
    for api in [Api::LlamaCpp, Api::Chat] {
        let mut options = mock_options();
        options.close_after_stream = true;
        let mock = mock(options);
        let kinds = vec![kind("stream", 1, true, 30 * SECOND)];
        let ran = run_on(
            plan(shared(5, 100), kinds),
            target_of(mock.address, api),
            engine_options(1),
            |_| {},
        );
        let counters = ran.merged.counters();
        assert_eq!(
            (ran.merged.total.ok(), ran.merged.total.failed()),
            (100, 0),
            "{api:?}"
        );
        // Each user's requests but its first found their connection closed.
        assert_eq!(counters.stale_reconnects, 95, "{api:?}");
        assert_eq!(counters.connections_opened, 100, "{api:?}");
    }
}

#[test]
fn made_prompts_are_never_the_same_and_the_same_on_any_number_of_cores() {
    let digest_of = |cores| {
        let mut made = kind("made", 1, true, 30 * SECOND);
        if let Call::Chat(Chat { prompts, .. }) = &mut made.call {
            *prompts = Prompts::Made {
                prefix: "Sum up: ".into(),
                tokens: Lengths::range(20, 80),
            };
        }
        let mock = mock(mock_options());
        let target = target_of(mock.address, Api::LlamaCpp);
        let plan = plan(shared(6, 120), vec![made]);
        let keys: HashSet<u64> = (0..120)
            .map(|i| plan.workload.draw(plan.seed, 0, i, 0, 1).prompt)
            .collect();
        assert_eq!(keys.len(), 120);
        let ran = run_on(plan, target, engine_options(cores), |_| {});
        assert_eq!(ran.merged.total.ok(), 120);
        get_json(mock.address, "/mock/stats")["bodies_digest"].clone()
    };
    assert_eq!(digest_of(1), digest_of(2));
}

/// Median first-to-last-token time of the first and of the second mock, both loaded at once.
fn decode_of_two(budgets: [Option<Arc<Budget>>; 2]) -> [Nanos; 2] {
    let mocks = budgets.map(|budget| {
        let mut options = mock_options();
        options.tokens = 40;
        options.budget = budget;
        mock(options)
    });
    let addresses = [mocks[0].address, mocks[1].address];
    let runs = addresses.map(|address| {
        std::thread::spawn(move || {
            let kinds = vec![kind("stream", 1, true, 60 * SECOND)];
            let target = target_of(address, Api::LlamaCpp);
            let ran = run_on(plan(shared(4, 16), kinds), target, engine_options(1), |_| {});
            assert_eq!(ran.merged.total.ok(), 16);
            decode_p50(&ran.samples)
        })
    });
    runs.map(|run| run.join().unwrap())
}

fn decode_p50(samples: &[Sample]) -> Nanos {
    let mut all: Vec<Nanos> = samples
        .iter()
        .map(|s| s.last_token.unwrap() - s.first_token.unwrap())
        .collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// 4 users at 400 tokens/s: 39 further tokens take each of them 39 x 4 / 400 s = 390 ms. Two such loads on one
/// budget take twice that; a budget of one's own keeps it.
#[test]
fn streams_slow_each_other_only_if_they_share_a_budget() {
    let shared = Arc::new(Budget::new(400));
    let together = decode_of_two([Some(shared.clone()), Some(shared)]);
    let apart = decode_of_two([400, 400].map(|rate| Some(Arc::new(Budget::new(rate)))));
    println!("one budget {together:?} ns, two {apart:?} ns");
    for (slow, quick) in together.into_iter().zip(apart) {
        assert!(quick >= 350 * MILLISECOND, "a budget holds back: {quick}");
        assert!(slow as f64 > 1.5 * quick as f64, "{slow} against {quick}");
    }
    // They take turns: neither gets more than its share.
    let [a, b] = together.map(|ns| ns as f64);
    assert!((a / b).max(b / a) < 1.25, "{a} {b}");
}
