use super::*;
use crate::cli::Cli;
use crate::config::{load_plan, to_plan};
use crate::workload::{NamedPaths, Target};
use clap::Parser;

fn loaded(words: &[&str]) -> (Config, RunArgs) {
    let line = ["llmload-uring"].iter().chain(words);
    let args = Cli::try_parse_from(line).unwrap().run;
    (load_plan(&args).unwrap().0, args)
}

fn document(text: &str, words: &[&str]) -> (Config, RunArgs) {
    let dir = tempfile_dir();
    let path = dir.join("d.yaml");
    std::fs::write(&path, text).unwrap();
    let all: Vec<&str> = [path.to_str().unwrap()]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    let loaded = loaded(&all);
    std::fs::remove_dir_all(dir).unwrap();
    loaded
}

fn tempfile_dir() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("llmload-models-{}-{n}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    dir
}

fn server(models: Models, service: Service) -> Discovery {
    Discovery {
        takes_usual_body: false,
        vocabulary: None,
        target: Target {
            origin: "http://h:1".into(),
            authority: "h:1".into(),
            addresses: vec![([127, 0, 0, 1], 1).into()],
            api: crate::api::Api::Chat,
            api_path: "/v1/chat/completions".into(),
            stream_path: "/v1/chat/completions".into(),
            light_paths: vec!["/health".into()],
            named_paths: NamedPaths::all("/v1/models"),
            headers: Vec::new(),
            wording: Default::default(),
        },
        service,
        tls: None,
        models,
        notes: Vec::new(),
    }
}

fn list(models: &[&str]) -> Models {
    Models::List(models.iter().map(|model| (*model).to_owned()).collect())
}

fn masks() -> Masks {
    Masks::of_headers(&[("Authorization".to_owned(), "Bearer sk-CANARY-0815".to_owned())])
}

/// The models that each kind of request asks for in the end, and what was said.
fn asked(
    (mut config, args): (Config, RunArgs),
    found: &[Discovery],
) -> Result<(Vec<Vec<String>>, Vec<String>), Failure> {
    let mut said = Vec::new();
    let chosen = choose(&config, &args, found, &masks(), &mut |line| {
        said.push(line.to_owned())
    })?;
    adopt(&mut config, &chosen);
    let plan = to_plan(&config).unwrap();
    let calls = plan.workload.kinds.iter().filter_map(|kind| match &kind.call {
        Call::Chat(Chat { models, .. }) => Some(models.clone()),
        _ => None,
    });
    Ok((calls.collect(), said))
}

#[test]
fn a_built_in_profile_asks_a_server_with_one_model_for_that_one() {
    let found = [server(list(&["qwen/qwen3:8b"]), Service::Other)];
    for profile in ["load", "smoke", "throughput", "high-concurrency", "endpoints"] {
        let (models, said) = asked(loaded(&[profile, "--target", "http://h:1"]), &found).unwrap();
        assert!(
            models.iter().all(|models| *models == ["qwen/qwen3:8b"]),
            "{models:?}"
        );
        assert_eq!(said, ["target http://h:1: model `qwen/qwen3:8b`, its only one"]);
    }
}

#[test]
fn several_models_are_listed_unless_an_option_or_a_document_chooses() {
    let found = [server(list(&["a", "b\u{1b}"]), Service::Other)];
    let error = asked(loaded(&["load", "--target", "http://h:1"]), &found).unwrap_err();
    assert_eq!(error.exit, ExitCode::Config);
    let text = error.to_string();
    assert!(
        text.contains("the server has 2 models") && text.contains("`a`, `b\\u{1b}`"),
        "{text}"
    );
    assert!(text.contains("--model NAME"), "{text}");
    let (models, said) = asked(
        loaded(&["load", "--target", "http://h:1", "--model", "c"]),
        &found,
    )
    .unwrap();
    assert_eq!((&models[0], said), (&vec!["c".to_owned()], vec![]));
    let named = "executor: constant-vus\nvus: 1\nduration: 1s\nmodels: [c]\nprompts: [Hi]\n\
                 requests: [{ name: x, max_tokens: 5 }]\n";
    let (models, said) = asked(document(named, &["--target", "http://h:1"]), &found).unwrap();
    assert_eq!((&models[0], said), (&vec!["c".to_owned()], vec![]));
}

#[test]
fn the_models_of_a_profile_are_kept_for_the_simulator_and_a_server_that_has_them() {
    let all = ["x", "gpt-4o"];
    let found = [server(list(&all), Service::Other)];
    let (models, said) = asked(loaded(&["throughput", "--target", "http://h:1"]), &found).unwrap();
    assert_eq!((&models[0], said), (&vec!["gpt-4o".to_owned()], vec![]));
    let found = [server(list(&all), Service::Llmsim)];
    let (models, said) = asked(loaded(&["load"]), &found).unwrap();
    assert_eq!((models[0].len(), said), (7, vec![]));
}

#[test]
fn a_missing_list_of_models_is_noted() {
    for models in [Models::NoList, list(&[])] {
        let found = [server(models, Service::Other)];
        let (models, said) = asked(loaded(&["throughput", "--target", "http://h:1"]), &found).unwrap();
        assert_eq!(models[0], ["gpt-4o"]);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("requests ask for `gpt-4o`; choose another with --model NAME"),
            "{said:?}"
        );
    }
}

#[test]
fn an_api_whose_requests_name_no_model_has_one() {
    let found = [server(Models::NotAsked, Service::Other)];
    let url = ["--target", "http://h:1/completion"];
    for (profile, more) in [
        ("load", vec![]),
        ("throughput", vec![]),
        ("load", vec!["--model", "mine"]),
    ] {
        let words = [&[profile][..], &url, &more].concat();
        let (models, said) = asked(loaded(&words), &found).unwrap();
        let expected = *more.last().unwrap_or(&"default");
        assert!(models.iter().all(|of_kind| of_kind == &[expected]), "{models:?}");
        assert_eq!(said, Vec::<String>::new());
    }
}

#[test]
fn a_document_that_names_no_model_asks_each_of_its_servers_for_its_own() {
    let text = "executor: constant-vus\nvus: 1\nduration: 1s\nservers:\n\
                \x20 - { name: A, base_url: 'http://h:1/v1' }\n\
                \x20 - { name: B, base_url: 'http://h:2/v1' }\n\
                \x20 - { name: C, base_url: 'http://h:3/v1', model_alias: mine }\n";
    let found = [
        server(list(&["a"]), Service::Other),
        server(Models::NoList, Service::Other),
        server(list(&["c", "d"]), Service::Other),
    ];
    let (models, said) = asked(document(text, &[]), &found).unwrap();
    assert_eq!(
        models,
        [["a"], ["default"], ["mine"]].map(|m| m.map(str::to_owned).to_vec())
    );
    assert!(
        said[0].starts_with("server `A`, target http://h:1: model `a`"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("server `B`, target http://h:1: it lists no models"),
        "{said:?}"
    );
}

#[test]
fn a_model_is_also_chosen_for_a_document_without_a_server_and_a_copy_of_a_profile() {
    let found = [server(list(&["a"]), Service::Other)];
    let bare = "executor: constant-vus\nvus: 1\nduration: 1s\nprompts: [Hi]\nrequests: [{ name: x, max_tokens: 5 }]\n";
    let copy = profiles::text("load").unwrap();
    for text in [bare, copy] {
        let (models, _) = asked(document(text, &["--target", "http://h:1"]), &found).unwrap();
        assert!(models.iter().all(|models| *models == ["a"]), "{models:?}");
    }
}

#[test]
fn the_placeholder_models_are_those_of_the_built_in_profiles() {
    let (config, _) = loaded(&["load"]);
    let Call::Chat(Chat { models, .. }) = &config.requests[0].call else {
        panic!("no chat");
    };
    assert!(profiles::stand_in_models(models));
    assert!(!profiles::stand_in_models(&models[1..]));
}

#[test]
fn a_model_with_the_name_of_a_secret_is_neither_shown_nor_chosen() {
    let load = || loaded(&["load", "--target", "http://h:1"]);
    let secret = [server(list(&["sk-CANARY-0815"]), Service::Other)];
    let error = asked(load(), &secret).unwrap_err();
    assert_eq!(error.exit, ExitCode::Config);
    let text = error.to_string();
    assert!(text.contains("its only model has the name of a key"), "{text}");
    let several = [server(list(&["m", "x/sk-CANARY-0815"]), Service::Other)];
    let text = asked(load(), &several).unwrap_err().to_string();
    assert!(text.contains("`m`, `x/***`"), "{text}");
}
