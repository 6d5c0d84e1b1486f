use crate::cli::Cli;
use crate::config::to_plan;
use crate::config::{Config, ServerChoice, ServerEntry, load_plan};
use crate::error::Place;
use crate::plan::Plan;
use crate::workload::{Call, Chat};
use clap::Parser;

/// A built-in profile, with these options, against these servers.
fn config(words: &str, servers: &[(Option<&str>, u32)]) -> Config {
    let words = std::iter::once("llmload-uring").chain(words.split(' '));
    let mut config = load_plan(&Cli::try_parse_from(words).unwrap().run).unwrap().0;
    let servers = (10..)
        .zip(servers)
        .map(|(line, (name, weight))| ServerEntry {
            name: name.map(str::to_owned),
            weight: *weight,
            ..ServerEntry::at("http://127.0.0.1:1", Place::file("w.yaml", line))
        })
        .collect();
    config.server = ServerChoice::of_document(servers, None);
    config
}

fn servers(config: &mut Config) -> &mut Vec<ServerEntry> {
    match &mut config.server {
        ServerChoice::Running(servers) => servers,
        other => panic!("{other:?}"),
    }
}

const WARFARE: [(Option<&str>, u32); 2] = [(Some("Thinker"), 300_000), (Some("Flash"), 700_000)];

fn names(plan: &Plan) -> Vec<(&str, u16)> {
    let kinds = plan.workload.kinds.iter();
    kinds.map(|kind| (kind.name.as_str(), kind.server)).collect()
}

fn refused(config: &Config) -> String {
    let mistakes = to_plan(config).unwrap_err();
    let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn each_server_gets_the_whole_mix_under_its_name() {
    let one = to_plan(&config("high-concurrency", &[])).unwrap();
    let mut asked = config("high-concurrency", &WARFARE);
    servers(&mut asked)[0].model_alias = Some("llama-2-70b-chat".into());
    let plan = to_plan(&asked).unwrap();
    plan.workload.invariants();
    let (mix, kinds) = (one.workload.kinds.len(), plan.workload.kinds.len());
    assert!(mix > 1 && kinds == 2 * mix);
    for (index, kind) in plan.workload.kinds.iter().enumerate() {
        let (server, alone) = (index / mix, &one.workload.kinds[index % mix]);
        assert_eq!(usize::from(kind.server), server);
        assert_eq!(
            kind.name,
            format!("{}/{}", ["Thinker", "Flash"][server], alone.name)
        );
        assert_eq!((kind.weight, kind.timeouts), (alone.weight, alone.timeouts));
        if let (Call::Chat(Chat { models, .. }), Call::Chat(Chat { models: before, .. })) =
            (&kind.call, &alone.call)
        {
            match server {
                0 => assert_eq!(*models, ["llama-2-70b-chat"]),
                _ => assert_eq!(models, before),
            }
        }
    }
    let weights: Vec<u32> = plan.workload.servers.iter().map(|e| e.weight).collect();
    assert_eq!(weights, [300_000, 700_000]);
}

#[test]
fn a_single_kind_has_the_name_of_its_server_and_a_single_server_keeps_those_of_the_mix() {
    let mut asked = config("high-concurrency", &WARFARE);
    asked.requests.truncate(1);
    assert_eq!(names(&to_plan(&asked).unwrap()), [("Thinker", 0), ("Flash", 1)]);
    let alone = to_plan(&config("high-concurrency", &[])).unwrap();
    let single = to_plan(&config("high-concurrency", &WARFARE[..1])).unwrap();
    assert_eq!(names(&single), names(&alone));
    assert_eq!(single.workload.servers[0].name.as_deref(), Some("Thinker"));
}

#[test]
fn duplicate_unnamed_and_weightless_servers_are_refused_at_once() {
    let text = refused(&config(
        "quick-smoke",
        &[(Some("a"), 1), (Some("a"), 1), (None, 1), (Some("b/c"), 0)],
    ));
    for expected in [
        "w.yaml:11: there is a second server `a`",
        "w.yaml:12: a server has no name, which is required with several",
        "w.yaml:13: a server has weight 0",
        "w.yaml:13: `b/c` is not a server's name",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let many = vec![(Some("a"), 1); 17];
    assert!(refused(&config("quick-smoke", &many)).contains("17 servers are more than the limit of 16"));
}

#[test]
fn a_mistake_in_the_mix_is_reported_once_and_too_many_kinds_are_refused() {
    let mut asked = config("quick-smoke", &WARFARE);
    asked.requests[0].weight = 0;
    assert_eq!(refused(&asked).matches("has weight 0").count(), 1);
    let mut wide = config("quick-smoke", &WARFARE);
    let kind = wide.requests[0].clone();
    wide.requests = (0..33)
        .map(|n| crate::config::RequestConfig {
            name: format!("k{n}"),
            ..kind.clone()
        })
        .collect();
    let text = refused(&wide);
    assert!(
        text.contains("2 servers with 33 kinds of request each make 66, more than the limit of 64"),
        "{text}"
    );
}

#[test]
fn an_alias_replaces_the_models_that_a_mix_does_not_have() {
    let mut asked = config("high-concurrency", &WARFARE);
    for request in &mut asked.requests {
        if let Call::Chat(Chat { models, .. }) = &mut request.call {
            models.clear();
        }
    }
    assert!(refused(&asked).contains("has no models"));
    for server in servers(&mut asked) {
        server.model_alias = Some("m".into());
    }
    assert!(to_plan(&asked).is_ok());
}

#[test]
fn thresholds_select_a_servers_requests_by_its_name() {
    let chosen = |threshold: &str, servers: &[(Option<&str>, u32)]| -> Vec<String> {
        let words = ["llmload-uring", "high-concurrency"];
        let mut config = config("high-concurrency", servers);
        let args = words.iter().copied().chain(["--threshold", "latency: p(95)<1"]);
        let with = load_plan(&Cli::try_parse_from(args).unwrap().run).unwrap().0;
        config.thresholds = with.thresholds;
        let last = config.thresholds.last_mut().unwrap();
        last.metric = threshold.into();
        let plan = to_plan(&config).unwrap();
        let selector = &plan.thresholds.last().unwrap().selector;
        let kinds = plan.workload.kinds.iter().filter(|kind| selector.selects(kind));
        kinds.map(|kind| kind.name.clone()).collect()
    };
    let flash = chosen("latency{endpoint:Flash}", &WARFARE);
    assert!(
        flash.len() > 1 && flash.iter().all(|name| name.starts_with("Flash/")),
        "{flash:?}"
    );
    let kind = flash[0].strip_prefix("Flash/").unwrap();
    let both = [format!("Thinker/{kind}"), format!("Flash/{kind}")];
    assert_eq!(chosen(&format!("latency{{request:{kind}}}"), &WARFARE), both);
    assert_eq!(
        chosen(&format!("latency{{request:Flash/{kind}}}"), &WARFARE),
        both[1..]
    );
    let chats = chosen("latency{endpoint:chat}", &WARFARE);
    let of = |server: &str| chats.iter().filter(|name| name.starts_with(server)).count();
    assert!(of("Thinker/") > 0 && of("Thinker/") == of("Flash/"), "{chats:?}");
    // A server called like a kind of path wins.
    let named = chosen("latency{endpoint:chat}", &[(Some("chat"), 1), (Some("b"), 1)]);
    assert!(named.iter().all(|name| name.starts_with("chat/")), "{named:?}");
}
