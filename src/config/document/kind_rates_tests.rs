use super::*;
use crate::config::document::read_document;
use crate::config::{Config, reread, to_plan};
use crate::error::Mistake;
use crate::plan::Plan;

const HEAD: &str = "models: [m]\nprompts: [Hi]\nvalidate: false\n";

fn mistakes(text: &str) -> Vec<String> {
    let text = format!("{HEAD}{text}");
    let (config, mut mistakes) = match read_document("p", "p.yaml", &text) {
        Ok(read) => read,
        Err(e) => return e.iter().map(Mistake::to_string).collect(),
    };
    if mistakes.is_empty() {
        mistakes.extend(to_plan(&config).err().unwrap_or_default());
    }
    mistakes.sort_by_key(Mistake::line);
    mistakes.iter().map(Mistake::to_string).collect()
}

fn read(text: &str) -> (Config, Plan) {
    let text = format!("{HEAD}{text}");
    let (config, mistakes) = read_document("p", "p.yaml", &text).unwrap();
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let plan = to_plan(&config).unwrap();
    (config, plan)
}

const GOOD: &str = "\
executor: constant-arrival-rate
duration: 1m
requests:
  - { name: interactive, rate: 5, arrival: poisson, max_tokens: 20 }
  - { name: batch, rate: 40/s, max_tokens: 200, timeout: 30s }
";

#[test]
fn kinds_have_rates_of_their_own() {
    let (config, plan) = read(GOOD);
    assert_eq!(
        config.executor.in_words(),
        "interactive at 5/s (poisson arrivals), batch at 40/s (constant arrivals), for 1m, at most 10000 users, drops \
         what they cannot take"
    );
    let weights: Vec<u32> = plan.workload.kinds.iter().map(|kind| kind.weight).collect();
    assert_eq!(weights, [5_000, 40_000]);
    assert_eq!(config.shape_place.line, 4);
}

#[test]
fn kinds_may_have_a_limit_of_requests_in_flight_of_their_own() {
    let text = GOOD.replace("rate: 5,", "rate: 5, max_vus: 20,");
    let (config, plan) = read(&text);
    assert_eq!(
        config.executor.in_words(),
        "interactive at 5/s (at most 20 users) (poisson arrivals), batch at 40/s (constant arrivals), for 1m, at most \
         10000 users, drops what they cannot take"
    );
    let lanes: Vec<u32> = plan.executor.lanes().iter().map(|lane| lane.vus).collect();
    assert_eq!(lanes, [20, 9_980]);
    // With a limit each they are all users.
    let (_, plan) = read(&text.replace("rate: 40/s,", "rate: 40/s, max_vus: 30,"));
    assert_eq!(plan.executor.vus_of_all(), 50);
    let few = text.replace("duration: 1m\n", "duration: 1m\nmax_vus: 20\n");
    let found = mistakes(&few);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("p.yaml:4") && found[0].contains("none is left for `batch`"),
        "{found:?}"
    );
    let weights =
        "executor: constant-vus\nduration: 5s\nrequests:\n  - { name: a, max_vus: 3, max_tokens: 5 }\n";
    let found = mistakes(weights);
    assert!(
        found[0].contains("key `requests[0].max_vus` has no effect without a rate of its own"),
        "{found:?}"
    );
}

#[test]
fn kinds_may_ramp_and_begin_later_in_units_of_the_document() {
    let text = "\
duration: 2m
time_unit: 1m
arrival: gamma:2
requests:
  - { name: a, rate: 300, max_tokens: 5 }
  - { name: b, rate: 1/10s, duration: 30s, start_time: 1m, arrival: constant, max_tokens: 5 }
  - name: c
    start_rate: 60
    stages: [{ duration: 10s, target: 120 }, { duration: 5s, target: 3/s }]
    max_tokens: 5
";
    let (config, plan) = read(text);
    assert_eq!(
        config.executor.in_words(),
        "a at 300/m for 2m (gamma:2 arrivals); b after 1m at 1/10s for 30s (constant arrivals); c at 60/m, to 120/m in \
         10s, to 3/s in 5s (gamma:2 arrivals); at most 10000 users, drops what they cannot take"
    );
    assert_eq!(plan.executor.name(), "ramping-arrival-rate");
    assert_eq!(plan.executor.duration(), 120 * SECOND);
}

#[test]
fn a_configuration_with_rates_reads_back_as_itself() {
    for text in [
        GOOD,
        "requests:\n  - { name: c, stages: [{ duration: 10s, target: 5 }], start_time: 3s, max_tokens: 5 }\n",
        "duration: 5s\nrequests:\n  - { name: c, rate: 5, max_vus: 4, max_tokens: 5 }\n",
    ] {
        let (config, plan) = read(text);
        let written = serde_json::to_value(&config).unwrap();
        assert_eq!(written["requests"][0].get("weight"), None);
        let (again, same) = reread(&written, "config").unwrap();
        assert_eq!(again.executor, config.executor);
        assert_eq!(same.workload, plan.workload);
        assert_eq!(serde_json::to_value(&again).unwrap(), written);
    }
}

/// Documents with one mistake each, what is said of it, and what to do.
const WRONG: [(&str, &str, &str); 15] = [
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\n  - { name: b, max_tokens: 5 }\n",
        "p.yaml:7: missing key `requests[1].rate`, which other kinds have",
        "give each kind of request a rate",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, weight: 2, max_tokens: 5 }\n",
        "p.yaml:6: key `requests[0].weight` contradicts the rates",
        "give each kind of request a rate",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 0, max_tokens: 5 }\n",
        "p.yaml:6: `requests[0].rate`: no request ever arrives",
        "leave the kind out",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: -5, max_tokens: 5 }\n",
        "p.yaml:6: `requests[0].rate`: `-5` is below the minimum of 0",
        "write a rate from 0 to 1000000 per second",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, arrival: often, max_tokens: 5 }\n",
        "p.yaml:6: `requests[0].arrival`: `often` is not a pattern",
        "use constant, uniform, poisson",
    ),
    (
        "duration: 1m\nrequests:\n\
         \x20 - { name: a, rate: 5, stages: [{duration: 1s, target: 5}], max_tokens: 5 }\n",
        "p.yaml:6: key `requests[0].rate` contradicts the stages",
        "use `start_rate` and `stages` for a ramp",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, start_rate: 5, max_tokens: 5 }\n",
        "p.yaml:6: missing key `requests[0].stages`",
        "add the stages",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, stages: [{duration: 1s, target: -5}], max_tokens: 5 }\n",
        "p.yaml:6: `requests[0].stages[0].target`: `-5` is below the minimum of 0",
        "write a rate",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\nrate: 9\n",
        "p.yaml:7: key `rate` contradicts the rates of the kinds",
        "give each kind of request a rate",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\nvus: 9\n",
        "p.yaml:7: key `vus` has no effect where kinds of request have rates",
        "such a load takes executor, duration",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\nexecutor: constant-vus\n",
        "p.yaml:7: executor `constant-vus` contradicts the rates",
        "use `constant-arrival-rate`",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\nworkload: { users: 5 }\n",
        "p.yaml:7: key `workload.users` contradicts the rates",
        "`max_vus` for the most users",
    ),
    (
        "duration: 1m\nrequests:\n  - { name: a, rate: 5, max_tokens: 5 }\neach_kind_first: true\n",
        "p.yaml:7: key `each_kind_first` has no effect",
        "remove it",
    ),
    (
        "requests:\n  - { name: a, rate: 5, max_tokens: 5 }\n",
        "p.yaml:5: missing key `requests[0].duration`, which the document has not either",
        "add `duration: 1m`",
    ),
    (
        "executor: constant-vus\nduration: 1m\nrequests:\n  - { name: a, start_time: 5s, max_tokens: 5 }\n",
        "p.yaml:7: key `requests[0].start_time` has no effect without a rate of its own",
        "add `rate:` to each kind",
    ),
];

#[test]
fn what_contradicts_rates_is_refused_with_what_to_do() {
    for (text, what, hint) in WRONG {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "{what}: {found:#?}");
        assert!(found[0].contains(what), "{what}: {}", found[0]);
        assert!(found[0].contains(hint), "{hint}: {}", found[0]);
    }
}
