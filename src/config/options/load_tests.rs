use crate::cli::Cli;
use crate::config::{Config, load_plan};
use crate::plan::{Executor, Plan, Stage};
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND};
use crate::workload::{Call, Chat, Prompts};
use clap::Parser;

fn load(line: &str) -> Result<(Config, Plan), String> {
    let words = std::iter::once("llmload-uring").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).map_err(|e| format!("exit 2: {e}"))?;
    load_plan(&cli.run).map_err(|e| e.to_string())
}

fn executor(line: &str) -> Executor {
    load(line).unwrap().1.executor
}

fn refused(line: &str) -> String {
    load(line).map(|(_, plan)| plan).unwrap_err()
}

fn ramp(start_vus: u32, stages: &[(Nanos, u32)]) -> Executor {
    let stages = stages
        .iter()
        .map(|&(duration, target)| Stage { duration, target })
        .collect();
    Executor::RampingVus {
        start_vus,
        stages,
        graceful_ramp_down: 30 * SECOND,
    }
}

#[test]
fn vus_sets_the_peak_of_a_ramp_and_the_number_of_other_executors() {
    let expected = ramp(1, &[(MINUTE, 1000), (2 * MINUTE, 1000), (30 * SECOND, 0)]);
    assert_eq!(executor("high-concurrency --vus 1000"), expected);
    assert_eq!(executor("high-concurrency --vus 1").vus_of_all(), 1);
    let per_vu = Executor::PerVuIterations {
        vus: 4,
        iterations: 3,
        max_duration: MINUTE,
    };
    assert_eq!(executor("quick-smoke --vus 4"), per_vu);
    assert!(refused("high-concurrency --vus 0").starts_with("error: --vus: `0` is below the minimum of 1"));
    assert!(
        refused("smoke --batch-size 0").starts_with("error: --batch-size: `0` is below the minimum of 1")
    );
    assert!(refused("smoke --batch-size 4097").contains("`4097` is above the limit of 2048"));
    assert!(refused("high-concurrency --vus 10000001").contains("above the limit of 10000000"));
}

#[test]
fn a_duration_alone_means_a_constant_number_of_users() {
    let at_peak = Executor::ConstantVus {
        vus: 500,
        duration: 20 * SECOND,
    };
    assert_eq!(executor("high-concurrency --duration 20s"), at_peak);
    let given = Executor::ConstantVus {
        vus: 7,
        duration: 2 * SECOND,
    };
    assert_eq!(executor("high-concurrency -d 20s -u 7 --time-scale 0.1"), given);
}

#[test]
fn iterations_are_shared_as_in_k6() {
    let few = Executor::SharedIterations {
        vus: 10,
        iterations: 10,
        max_duration: 10 * MINUTE,
    };
    assert_eq!(executor("high-concurrency --iterations 10"), few);
    let limited = Executor::SharedIterations {
        vus: 2,
        iterations: 10,
        max_duration: MINUTE,
    };
    assert_eq!(executor("quick-smoke -i 10 -u 2 -d 1m"), limited);
    assert!(
        refused("quick-smoke -i 3 -u 4")
            .starts_with("error: --iterations: 3 iterations are fewer than 4 VUs")
    );
    assert!(refused("quick-smoke -i 0").contains("below the minimum of 1"));
}

#[test]
fn stages_replace_the_shape() {
    let expected = ramp(1, &[(10 * SECOND, 100), (MINUTE, 500), (10 * SECOND, 0)]);
    assert_eq!(
        executor("high-concurrency --stages 10s:100,1m:500,10s:0"),
        expected
    );
    assert_eq!(executor("quick-smoke --stages 10s:100,1m:500,10s:0"), expected);
    assert!(refused("quick-smoke --stages 0s:5").starts_with("error: --stages: the run would last 0 s"));
}

#[test]
fn time_scale_shortens_every_stage_but_not_the_requests() {
    let expected = ramp(1, &[(6 * SECOND, 500), (12 * SECOND, 500), (3 * SECOND, 0)]);
    assert_eq!(executor("high-concurrency --time-scale 0.1"), expected);
    assert_eq!(executor("quick-smoke --time-scale 0.1"), executor("quick-smoke"));
    assert_eq!(
        load("high-concurrency --time-scale 0.1").unwrap().1.graceful_stop,
        30 * SECOND
    );
    assert!(refused("high-concurrency --time-scale 0").contains("below the minimum of 0.001"));
    assert!(refused("high-concurrency --time-scale NaN").contains("--time-scale"));
    assert!(
        refused("high-concurrency --time-scale 1000").starts_with("error: --time-scale: a run of 58h20m")
    );
}

#[test]
fn each_contradiction_is_one_error() {
    let text = refused("high-concurrency --stages 1s:1 --duration 5s --iterations 3 --vus 2");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        lines,
        [
            "error: --stages: contradicts `--duration`: stages have their own durations",
            "error: --stages: contradicts `--iterations`: stages end by time, not by a count",
            "error: --stages: contradicts `--vus`: stages give the number of VUs",
        ]
    );
    let text = refused("quick-smoke --target http://h --port 1 --cores 2 --cpus 0-1");
    assert!(text.contains("error: --port: contradicts `--target`"), "{text}");
    assert!(
        text.contains("error: --cores: cannot be combined with `--cpus`"),
        "{text}"
    );
    let text = refused("quick-smoke --no-server");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("error: --no-server: starts no server, and no target is given"));
}

#[test]
fn options_change_only_chat_requests() {
    let line = "high-concurrency --model x --model y --prompt Hello --max-tokens 5-9 --think-time 0 --seed 9";
    let (config, plan) = load(line).unwrap();
    assert_eq!((plan.seed, plan.workload.think_time.max), (9, 0));
    assert_eq!(config.requests[2].call, Call::Light);
    for kind in &plan.workload.kinds[..2] {
        let Call::Chat(Chat {
            max_tokens,
            models,
            prompts,
            ..
        }) = &kind.call
        else {
            panic!("{kind:?}")
        };
        assert_eq!((max_tokens.min(), max_tokens.max()), (5, 9));
        assert_eq!(
            (models.as_slice(), prompts),
            (
                &["x".to_owned(), "y".into()][..],
                &Prompts::List(vec!["Hello".to_owned()])
            )
        );
    }
    let think = load("quick-smoke --think-time 10ms-60ms")
        .unwrap()
        .1
        .workload
        .think_time;
    assert_eq!((think.min, think.max), (10 * MILLISECOND, 60 * MILLISECOND));
}

#[test]
fn streaming_ratio_sets_the_share_of_streams() {
    let plan = load("high-concurrency --streaming-ratio 0.5").unwrap().1;
    let weights: Vec<u32> = plan.workload.kinds.iter().map(|kind| kind.weight).collect();
    assert_eq!(weights, [9, 9, 2]);
    assert!(
        refused("quick-smoke --streaming-ratio 1.5")
            .starts_with("error: --streaming-ratio: `1.5` is above the limit of 1")
    );
}

#[test]
fn all_invalid_options_are_reported_together() {
    let text = refused(
        "high-concurrency --vus 0 --max-tokens 0 --graceful-stop 25h --think-time 2h --min-wait 1s --cores 0",
    );
    for option in [
        "--vus",
        "--max-tokens",
        "--graceful-stop",
        "--think-time",
        "--min-wait",
        "--cores",
    ] {
        assert!(text.contains(&format!("error: {option}: ")), "{option} in {text}");
    }
    assert_eq!(text.matches("error: ").count(), 6, "{text}");
}

#[test]
fn clap_refuses_a_command_line_that_cannot_be_parsed() {
    for line in [
        "quick-smoke --vus x",
        "quick-smoke --stages 1s",
        "quick-smoke -d 5x",
        "quick-smoke --cpus 3-1",
        "quick-smoke --stamp hardware",
    ] {
        assert!(refused(line).starts_with("exit 2: "), "{line}");
    }
}

#[test]
fn lengths_on_the_command_line_replace_those_of_all_chat_requests() {
    let options = "--prompt-tokens zipf(alpha=1.2,max=90) --max-tokens normal(mean=20,std=5,max=30)";
    let plan = load(&format!("high-concurrency {options}")).unwrap().1;
    let mut chats = 0;
    for kind in &plan.workload.kinds {
        if let Call::Chat(chat) = &kind.call {
            chats += 1;
            let Prompts::Made { prefix, tokens } = &chat.prompts else {
                panic!("{chat:?}");
            };
            assert_eq!((prefix.as_str(), tokens.max()), ("", 90));
            assert_eq!((chat.max_tokens.min(), chat.max_tokens.max()), (1, 30));
        }
    }
    assert_eq!(chats, 2);
    for (options, wanted) in [
        (
            "--prompt-tokens 2000000",
            "--prompt-tokens: `2000000` is above the limit of 1000000",
        ),
        (
            "--prompt-tokens 0",
            "--prompt-tokens: `0` is below the minimum of 1",
        ),
    ] {
        let found = refused(&format!("smoke {options}"));
        assert!(found.contains(wanted), "{found}");
    }
}

/// Writes a document, and returns its path with the folder that holds it.
fn document(name: &str, text: &str) -> String {
    let path = std::env::temp_dir().join(format!("{name}-{}.yaml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_kind_without_a_limit_takes_that_of_an_option_or_of_the_rows() {
    let text = "executor: per-vu-iterations\nvus: 1\niterations: 1\nmodels: [m]\nprompts: [p]\n\
                requests:\n  - { name: a, stream: true }\n  - { name: b, max_tokens: 7 }\n";
    let file = document("no-limit", text);
    let limits = |words: &str| {
        let (config, _) = load(format!("{file} {words}").trim()).map_err(|e| e.replace(&file, "FILE"))?;
        let chats = config.requests.iter().filter_map(|request| request.call.chat());
        Ok::<_, String>(chats.map(|chat| chat.max_tokens.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(
        limits("").unwrap_err().trim_end(),
        "error: FILE:7: request `a` has no token limit\n\
         hint: add `max_tokens:`, for example `50` or `50-200`, or `--max-tokens N`"
    );
    assert_eq!(limits("--max-tokens 5").unwrap(), ["5", "5"]);
    let rows = document("rows", "{\"prompt\": \"p\", \"output_tokens\": 3}\n");
    // What rows leave open is the default.
    assert_eq!(limits(&format!("--dataset custom:{rows}")).unwrap(), ["200", "7"]);
    assert_eq!(
        limits(&format!("--dataset custom:{rows} --max-tokens 9")).unwrap(),
        ["9", "9"]
    );
    assert!(
        limits("--prompt hi")
            .unwrap_err()
            .contains("request `a` has no token limit")
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&rows).unwrap();
}

#[test]
fn a_dataset_and_what_prompts_are_made_of_exclude_each_other() {
    let rows = document("more-rows", "{\"prompt\": \"p\", \"output_tokens\": 3}\n");
    let text = format!(
        "server: {{ base_url: 'http://h:1/v1/completions' }}\nexecutor: per-vu-iterations\nvus: 1\niterations: 1\n\
         models: [m]\ndataset: {{ format: custom, file: '{rows}' }}\nrequests: [{{ name: a }}]\n"
    );
    let file = document("with-rows", &text);
    for words in [
        "--prompt hi",
        "--prompt-tokens 5",
        "--prefix-groups 2 --prefix-tokens 8",
    ] {
        let option = words.split(' ').next().unwrap();
        let said = refused(&format!("quick-smoke --dataset custom:{rows} {words}"));
        assert!(
            said.contains(&format!("error: --dataset: contradicts `{option}`")),
            "{said}"
        );
        // The option replaces the document's.
        let (config, _) = load(format!("{file} {words}").trim()).unwrap();
        let request = &config.requests[0];
        assert_eq!(request.dataset, None, "{words}");
        let prompts = &request.call.chat().unwrap().prompts;
        assert!(!matches!(prompts, Prompts::Rows(_)), "{words}: {prompts:?}");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&rows).unwrap();
}
