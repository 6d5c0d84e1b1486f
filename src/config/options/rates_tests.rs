use crate::cli::Cli;
use crate::config::load_plan;
use crate::plan::{Arrival, Executor, Plan, WhenFull};
use crate::units::{MINUTE, SECOND, parse_rate};
use clap::Parser;

fn load(line: &str) -> Result<Plan, String> {
    let words = std::iter::once("llmload-uring").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).map_err(|e| e.to_string())?;
    load_plan(&cli.run)
        .map(|(_, plan)| plan)
        .map_err(|e| e.to_string())
}

fn in_words(line: &str) -> String {
    load(line).unwrap().executor.in_words()
}

#[test]
fn a_rate_replaces_the_users_of_any_profile() {
    assert_eq!(
        in_words("load --rate 50 --duration 1m"),
        "50/s for 1m, constant arrivals, at most 10000 users, drops what they cannot take"
    );
    // Without a duration, the profile's.
    let plan = load("high-concurrency --rate 300/m").unwrap();
    assert_eq!(plan.executor.duration(), 3 * MINUTE + 30 * SECOND);
    let line = "smoke --rate 20/s --arrival gamma:0.5 --max-in-flight 7 --when-full queue --time-scale 0.5";
    let executor = load(line).unwrap().executor;
    let open = executor.open_loop().unwrap();
    assert_eq!(
        (open.arrival, open.max_vus, open.when_full),
        (Arrival::Gamma(0.5), 7, WhenFull::Queue)
    );
    assert_eq!(executor.duration(), 5 * SECOND);
}

#[test]
fn stages_with_rates_are_a_ramp_of_rates() {
    let executor = load("load --stages 10s:20/s,1m:100/s --vus 500 --arrival poisson")
        .unwrap()
        .executor;
    let Executor::RampingArrivalRate {
        start_rate,
        stages,
        open,
    } = &executor
    else {
        panic!("{executor:?}");
    };
    assert!(start_rate.is_zero());
    assert_eq!(stages[1].target, parse_rate("100/s").unwrap());
    assert_eq!((open.max_vus, open.arrival), (500, Arrival::Poisson));
}

#[test]
fn options_that_have_no_effect_or_contradict_are_refused_with_what_to_do() {
    for (line, what) in [
        (
            "load --arrival poisson",
            "--arrival: has no effect: the load has no rate",
        ),
        ("load --max-in-flight 5", "--max-in-flight: has no effect"),
        ("load --when-full queue", "--when-full: has no effect"),
        ("load --rate 5 --stages 1m:5", "--rate: contradicts `--stages`"),
        ("load --rate 5 --iterations 5", "--iterations: contradicts a rate"),
        (
            "load --stages 1m:5/s --iterations 5",
            "--stages: contradicts `--iterations`",
        ),
        (
            "load --rate 5 --vus 5 --max-in-flight 6",
            "--max-in-flight: contradicts `--vus`",
        ),
        (
            "load --rate 5 --max-in-flight 0",
            "--max-in-flight: `0` is below the minimum of 1",
        ),
        ("load --rate 0", "--rate: no request ever arrives"),
        ("load --rate 5x", "is not a rate"),
        (
            "load --rate 5 --arrival gamma:0",
            "the shape 0 is outside the limits",
        ),
        ("load --stages 10s:20/s,1m:100", "both rates and numbers of VUs"),
    ] {
        let refused = load(line).unwrap_err();
        assert!(refused.contains(what), "{line}: {refused}");
    }
}

/// Runs `check` with the path of a document whose kinds have rates.
fn with_kinds(check: impl Fn(&str)) {
    let path = std::env::temp_dir().join(format!("llmload-kinds-{}.yaml", std::process::id()));
    let text = "duration: 1m\nmodels: [m]\nprompts: [Hi]\nrequests:\n  \
                - { name: interactive, rate: 5, max_tokens: 5 }\n  - { name: batch, rate: 40, max_tokens: 5 }\n";
    std::fs::write(&path, text).unwrap();
    check(path.to_str().unwrap());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn options_change_the_time_the_pattern_and_the_users_of_kinds_with_rates_but_not_the_rates() {
    with_kinds(|path| {
        assert_eq!(
            in_words(&format!(
                "{path} -d 30s --arrival poisson --max-in-flight 7 --when-full queue"
            )),
            "interactive at 5/s, batch at 40/s, for 30s, poisson arrivals, at most 7 users, queues what they cannot take"
        );
        let scaled = load(&format!("{path} --time-scale 0.1 --vus 3")).unwrap();
        assert_eq!(
            (scaled.executor.duration(), scaled.executor.vus_of_all()),
            (6 * SECOND, 3)
        );
        for options in ["--rate 90", "--stages 1m:5/s", "--stages 1m:5", "--iterations 5"] {
            let refused = load(&format!("{path} {options}")).unwrap_err();
            assert!(
                refused.contains("each kind of request has a rate of its own"),
                "{options}: {refused}"
            );
            assert!(
                refused.contains("the rates of interactive, batch"),
                "{options}: {refused}"
            );
        }
        let refused = load(&format!("{path} --streaming-ratio 0.5")).unwrap_err();
        assert!(refused.contains("--streaming-ratio: has no effect"), "{refused}");
    });
}
