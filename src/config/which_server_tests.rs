use super::*;
use crate::api::Api;
use crate::cli::{Cli, Command};
use clap::Parser;

fn args(words: &[&str]) -> RunArgs {
    let cli = Cli::try_parse_from(["llmload-uring", "quick-smoke"].iter().chain(words)).unwrap();
    match cli.command {
        Some(Command::Run(args)) => *args,
        None => cli.run,
        other => panic!("{other:?}"),
    }
}

fn document(names: &[Option<&str>]) -> Vec<ServerEntry> {
    let entry = |(line, name): (usize, &Option<&str>)| ServerEntry {
        name: name.map(str::to_owned),
        ..ServerEntry::at("http://127.0.0.1:9/v1", Place::file("d.yaml", line))
    };
    (3..).zip(names).map(entry).collect()
}

fn chosen(words: &[&str], names: &[Option<&str>]) -> ServerChoice {
    let mut mistakes = Vec::new();
    let choice = choose_server(&args(words), document(names), None, &mut mistakes);
    assert_eq!(mistakes, [], "{words:?}");
    choice
}

fn mistakes(words: &[&str], names: &[Option<&str>]) -> Vec<String> {
    let mut mistakes = Vec::new();
    choose_server(&args(words), document(names), None, &mut mistakes);
    mistakes.iter().map(ToString::to_string).collect()
}

fn urls(choice: &ServerChoice) -> Vec<&str> {
    choice.servers().iter().map(|s| s.base_url.as_str()).collect()
}

const COMMAND: [&str; 4] = ["--server-cmd", "a b", "--health-url", "http://127.0.0.1:1/health"];
const TARGET: [&str; 2] = ["--target", "http://127.0.0.1:2/x"];

#[test]
fn options_and_document_decide_which_server_is_chosen() {
    assert!(matches!(chosen(&[], &[]), ServerChoice::Simulator(s) if s.port.is_none()));
    assert!(matches!(chosen(&["--port", "81"], &[]), ServerChoice::Simulator(s) if s.port == Some(81)));
    let running = chosen(&["--no-server", "--port", "81"], &[]);
    assert!(matches!(running, ServerChoice::Running(_)));
    assert_eq!(urls(&running), ["http://127.0.0.1:81"]);
    assert_eq!(urls(&chosen(&TARGET, &[])), ["http://127.0.0.1:2/x"]);
    assert_eq!(urls(&chosen(&[], &[None])), ["http://127.0.0.1:9/v1"]);
    assert_eq!(chosen(&[], &[Some("a"), Some("b")]).servers().len(), 2);
    assert!(matches!(
        chosen(&COMMAND, &[]),
        ServerChoice::Command { server: None, .. }
    ));
    for (words, names) in [(&TARGET[..], &[][..]), (&[], &[None])] {
        let choice = chosen(&[&COMMAND[..], words].concat(), names);
        assert!(matches!(&choice, ServerChoice::Command { server: Some(_), .. }));
    }
}

#[test]
fn a_target_replaces_the_url_of_the_only_server_and_keeps_its_name() {
    let mut document = document(&[Some("a")]);
    document[0].model_alias = Some("m".into());
    let choice = choose_server(&args(&TARGET), document, None, &mut Vec::new());
    let server = &choice.servers()[0];
    assert_eq!(server.base_url, "http://127.0.0.1:2/x");
    assert_eq!(
        (server.name.as_deref(), server.model_alias.as_deref()),
        (Some("a"), Some("m"))
    );
}

#[test]
fn the_api_of_a_document_stays_where_the_url_names_none_or_one_that_shares_its_path() {
    for (api, path, expected) in [
        (Api::LlamaCpp, "", Some(Api::LlamaCpp)),
        (Api::LlamaCpp, "/x", Some(Api::LlamaCpp)),
        (Api::LlamaCpp, "/completion", Some(Api::LlamaCpp)),
        (Api::LlamaCpp, "/v1/completions", None),
        (Api::Tgi, "/generate", Some(Api::Tgi)),
        (Api::Sglang, "/generate", Some(Api::Sglang)),
        (Api::Sglang, "/generate_stream", None),
    ] {
        let mut document = document(&[None]);
        document[0].api = Some(api);
        let url = format!("http://127.0.0.1:2{path}");
        let choice = choose_server(&args(&["--target", &url]), document, None, &mut Vec::new());
        assert_eq!(choice.servers()[0].api, expected, "{api:?} {path}");
    }
}

#[test]
fn simulator_options_override_the_document() {
    let asked = SimulatorConfig {
        latency: Some("instant".into()),
        tokens: Some(16),
    };
    let choice = choose_server(
        &args(&["--sim-tokens", "5"]),
        vec![],
        Some(&asked),
        &mut Vec::new(),
    );
    let ServerChoice::Simulator(settings) = choice else {
        panic!("{choice:?}")
    };
    assert_eq!(
        (settings.latency.as_deref(), settings.tokens),
        (Some("instant"), Some(5))
    );
    assert_eq!(settings.option, Some("--sim-tokens"));
}

#[test]
fn each_contradiction_is_reported_once() {
    let two = [Some("a"), Some("b")];
    /// The options, the servers of the document, and the error.
    type Case<'a> = (&'a [&'a str], &'a [Option<&'a str>], &'a str);
    let cases: [Case; 12] = [
        (&["--port", "0"], &[], "--port: `0` is below the minimum of 1"),
        (
            &["--no-server"],
            &[],
            "--no-server: starts no server, and no target is given",
        ),
        (
            &["--port", "81"],
            &[None],
            "--port: is for the simulator, but d.yaml:3 names a server",
        ),
        (
            &["--port", "81"],
            &two,
            "--port: is for the simulator, but d.yaml:3 names a server",
        ),
        (
            &["--chaos"],
            &[None],
            "--chaos: is for the simulator, but d.yaml:3 names a server",
        ),
        (
            &["--chaos"],
            &two,
            "--chaos: is for the simulator, but d.yaml:3 names a server",
        ),
        (&TARGET, &two, "--target: contradicts the 2 servers of d.yaml:3"),
        (
            &COMMAND,
            &two,
            "--server-cmd: starts one server, but the load is for the 2 servers",
        ),
        (
            &["--api", "chat"],
            &two,
            "--api: names the API of one server, but the load is for the 2 servers of d.yaml:3",
        ),
        (&["--api", "chat"], &[], "--api: has no effect without a target"),
        (
            &["--api", "triton", "--target", "http://127.0.0.1:2"],
            &[],
            "--target: ",
        ),
        (
            &["--target", "http://127.0.0.1:2", "--port", "81"],
            &[],
            "--port: contradicts `--target`, whose URL has the port",
        ),
    ];
    for (words, names, text) in cases {
        let found = mistakes(words, names);
        assert_eq!(found.len(), 1, "{words:?}: {found:?}");
        assert!(found[0].starts_with(&format!("error: {text}")), "{found:?}");
    }
    let with_port = [&COMMAND[..], &["--port", "81"]].concat();
    assert!(mistakes(&with_port, &[])[0].contains("--port: is for the simulator; give your own server"));
}

#[test]
fn the_api_of_an_option_is_that_of_the_only_server() {
    use crate::api::Api;
    let given: [(&[&str], &[Option<&str>]); 3] = [
        (&["--api", "responses", "--target", "http://127.0.0.1:2"], &[]),
        (&["--api", "responses", "--no-server", "--port", "81"], &[]),
        (&["--api", "responses"], &[None]),
    ];
    for (words, names) in given {
        assert_eq!(
            chosen(words, names).servers()[0].api,
            Some(Api::Responses),
            "{words:?}"
        );
    }
}

#[test]
fn a_configuration_names_the_managed_server_and_leaves_out_a_target_of_an_option() {
    #[derive(Serialize)]
    struct Keys {
        #[serde(flatten, serialize_with = "choice_keys")]
        server: ServerChoice,
    }
    let keys = |words: &[&str], names: &[Option<&str>]| {
        let server = chosen(words, names);
        serde_json::to_value(Keys { server }).unwrap()
    };
    assert_eq!(keys(&TARGET, &[]), serde_json::json!({}));
    assert_eq!(keys(&[], &[None])["server"]["base_url"], "http://127.0.0.1:9/v1");
    assert_eq!(keys(&[], &[Some("a"), Some("b")])["servers"][1]["name"], "b");
    let chaos = keys(&["--chaos", "--sim-tokens", "7"], &[]);
    assert_eq!(
        chaos,
        serde_json::json!({"managed_server": {"simulator": {"chaos": true, "tokens": 7}}})
    );
    assert_eq!(keys(&COMMAND, &[])["managed_server"]["command"]["program"], "a");
}
