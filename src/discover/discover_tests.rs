use super::*;
use crate::workload::NamedPaths;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Answers `GET path` with what the table says, 404 for the rest, until it is dropped.
struct Fake {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    fn new(table: &'static [(&'static str, u16, &'static str)]) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0u8; 4096];
                let n = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..n]);
                let path = text.split(' ').nth(1).unwrap_or("");
                if path == "/quit" {
                    return;
                }
                let (_, status, body) = table.iter().find(|row| row.0 == path).unwrap_or(&("", 404, ""));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Fake {
            address,
            thread: Some(thread),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn resolve(&self, path: &str) -> Result<Discovery, Failure> {
        resolved(&self.url(path))
    }
}

fn resolved(url: &str) -> Result<Discovery, Failure> {
    let approach = Approach {
        tls: &TlsOptions::default(),
        sources: &[],
    };
    resolve(url, &Place::default(), None, Vec::new(), approach)
}

impl Drop for Fake {
    fn drop(&mut self) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"GET /quit HTTP/1.1\r\n\r\n").unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

const LLMSIM: &[(&str, u16, &str)] = &[
    ("/health", 200, r#"{"status":"ok","service":"llmsim"}"#),
    ("/openai/v1/models", 200, "{}"),
];
const VLLM: &[(&str, u16, &str)] = &[("/health", 200, ""), ("/v1/models", 200, "{}")];
const GATEWAY: &[(&str, u16, &str)] = &[("/a/v1/models?key=s", 200, "{}")];

#[test]
fn a_bare_origin_is_completed_by_the_models_list() {
    let found = Fake::new(LLMSIM).resolve("").unwrap();
    assert_eq!(found.service, Service::Llmsim);
    assert_eq!(found.target.api_path, "/openai/v1/chat/completions");
    assert_eq!(found.target.light_paths, ["/health", "/llmsim/stats"]);
    assert_eq!(found.notes.len(), 1);

    let server = Fake::new(VLLM);
    let found = server.resolve("/").unwrap();
    assert_eq!(found.service, Service::Other);
    assert_eq!(found.target.api_path, "/v1/chat/completions");
    assert_eq!(found.target.light_paths, ["/v1/models", "/health"]);
    assert_eq!(found.target.addresses, [server.address]);
    assert_eq!(found.target.authority, server.address.to_string());
    assert_eq!(found.target.origin, server.url(""));
}

#[test]
fn a_base_is_completed_and_its_query_kept_but_never_printed() {
    let found = Fake::new(GATEWAY).resolve("/a/v1?key=s").unwrap();
    assert_eq!(found.target.api_path, "/a/v1/chat/completions?key=s");
    assert_eq!(found.target.light_paths, ["/a/v1/models?key=s"]);
    assert!(!found.notes[0].contains("key=s"), "{:?}", found.notes);
    let found = Fake::new(LLMSIM).resolve("/v1/").unwrap();
    assert_eq!(found.target.api_path, "/openai/v1/chat/completions");
    let found = Fake::new(LLMSIM).resolve("/openai").unwrap();
    assert_eq!(found.target.api_path, "/openai/v1/chat/completions");
}

#[test]
fn a_whole_path_is_used_as_it_is() {
    let found = Fake::new(&[]).resolve("/x/chat/completions?k=v").unwrap();
    assert_eq!(found.target.api_path, "/x/chat/completions?k=v");
    assert_eq!(found.target.light_paths, ["/x/models"]);
    assert_eq!(found.notes, Vec::<String>::new());
    let found = Fake::new(LLMSIM).resolve("/openai/v1/chat/completions").unwrap();
    assert_eq!(found.service, Service::Llmsim);
    let error = Fake::new(&[]).resolve("/v1/images/generations").unwrap_err();
    assert_eq!(error.exit, crate::error::ExitCode::Config);
}

#[test]
fn the_error_for_a_server_without_a_models_list_depends_on_its_answers() {
    let code = |table, path| {
        let error: Failure = Fake::new(table).resolve(path).unwrap_err();
        (error.exit, error.to_string())
    };
    assert_eq!(code(&[], "").0, crate::error::ExitCode::Config);
    for (status, path) in [(401, ""), (403, ""), (401, "/v1/chat/completions")] {
        let table: &[_] = match status {
            401 => &[("/v1/models", 401, "")],
            _ => &[("/v1/models", 403, "")],
        };
        let (exit, hint) = code(table, path);
        assert_eq!(exit, crate::error::ExitCode::Target);
        assert!(
            hint.contains("--header") && hint.contains("LLMLOAD_API_KEY"),
            "{hint}"
        );
    }
    assert_eq!(
        code(&[("/v1/models", 503, "loading")], "").0,
        crate::error::ExitCode::Target
    );
}

#[test]
fn a_target_that_never_answers_is_exit_code_114_with_the_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = resolved(&url).unwrap_err();
    assert_eq!(error.exit, crate::error::ExitCode::Target);
    assert!(error.to_string().contains("connection refused"), "{error}");
    let error = resolved("http://no-such-host.invalid/v1").unwrap_err();
    assert_eq!(error.exit, crate::error::ExitCode::Target);
    assert!(error.to_string().contains("never answered"), "{error}");
    // Nobody was asked: there is no such name.
    assert!(!error.to_string().contains("refused"), "{error}");
}

#[test]
fn only_the_addresses_of_a_name_that_answer_are_used() {
    let server = Fake::new(VLLM);
    let found = resolved(&format!("http://localhost:{}", server.address.port())).unwrap();
    assert_eq!(found.target.addresses, [server.address]);
    assert_eq!(
        found.target.authority,
        format!("localhost:{}", server.address.port())
    );
}

#[test]
fn a_port_in_use_by_anything_but_a_healthy_server_is_an_error() {
    let server = Fake::new(VLLM);
    let port = server.address.port();
    assert_eq!(at_port(port), Ok(AtPort::HealthyServer));
    drop(server);
    assert_eq!(at_port(port), Ok(AtPort::Nothing));
    let server = Fake::new(&[("/health", 503, "loading")]);
    let error = at_port(server.address.port()).unwrap_err();
    assert_eq!(error.exit, crate::error::ExitCode::Target);
    assert!(error.to_string().contains("answers 503"), "{error}");
}

const LLMSIM_MODELS: &[(&str, u16, &str)] = &[
    ("/health", 200, r#"{"status":"ok","service":"llmsim"}"#),
    (
        "/openai/v1/models",
        200,
        r#"{"object":"list","data":[{"id":"gpt-5"},{"id":"o3"}]}"#,
    ),
];

#[test]
fn named_gets_go_to_their_own_paths_at_llmsim_and_to_the_models_list_elsewhere() {
    let found = Fake::new(LLMSIM_MODELS).resolve("").unwrap();
    let own = NamedPaths {
        health: "/health".into(),
        models: "/openai/v1/models".into(),
        model: "/openai/v1/models/gpt-5".into(),
        stats: "/llmsim/stats".into(),
    };
    assert_eq!(found.target.named_paths, own);
    // No model can be read from this list, so the list stands in for it.
    let found = Fake::new(LLMSIM).resolve("").unwrap();
    assert_eq!(found.target.named_paths.model, "/openai/v1/models");
    let found = Fake::new(VLLM).resolve("").unwrap();
    assert_eq!(found.target.named_paths, NamedPaths::all("/v1/models"));
}

#[test]
fn the_api_follows_from_the_end_of_the_path() {
    for (url, api) in [
        ("http://h:1/completion", Some(Api::LlamaCpp)),
        (
            "http://h:1/llama/completion/?key=/v1/completions",
            Some(Api::LlamaCpp),
        ),
        ("http://h:1/v1/completions", Some(Api::Completions)),
        ("http://h:1/v1/chat/completions", Some(Api::Chat)),
        ("http://h:1/v1/responses", Some(Api::Responses)),
        ("http://h:1/anthropic/v1/messages", Some(Api::Messages)),
        ("http://h:1/api/generate", Some(Api::Ollama)),
        ("http://h:1/api/chat/", Some(Api::OllamaChat)),
        ("http://h:1/generate", Some(Api::Sglang)),
        ("http://h:1/generate_stream", Some(Api::Tgi)),
        ("http://h:1/v2/models/m/generate", Some(Api::Triton)),
        (
            "http://h:1/v2/models/m/versions/1/generate_stream",
            Some(Api::Triton),
        ),
        ("http://h:1/v1/embeddings", Some(Api::Embeddings)),
        ("http://h:1/rerank", Some(Api::Rerank)),
        ("http://h:1/v1/score", Some(Api::Score)),
        ("http://h:1/v1", None),
        ("http://h:1", None),
    ] {
        assert_eq!(api_of(url), api, "{url}");
    }
}

#[test]
fn the_models_of_a_server_are_found_or_its_missing_list_is_noted() {
    let models = |table, path| Fake::new(table).resolve(path).unwrap().models;
    let two = Models::List(vec!["gpt-5".into(), "o3".into()]);
    assert_eq!(models(LLMSIM_MODELS, ""), two);
    assert_eq!(models(LLMSIM_MODELS, "/openai/v1/completions"), two);
    assert_eq!(models(VLLM, ""), Models::List(vec![]));
    assert_eq!(models(&[], "/v1/chat/completions"), Models::NoList);
    assert_eq!(models(&[], "/completion"), Models::NotAsked);
}

#[test]
fn a_key_that_may_not_list_models_can_still_use_the_given_path() {
    let found = Fake::new(&[("/v1/models", 403, "")])
        .resolve("/v1/chat/completions")
        .unwrap();
    assert_eq!(found.models, Models::NoList);
    assert!(
        found.notes[0].contains("/v1/models is refused (403)"),
        "{:?}",
        found.notes
    );
}

#[test]
fn a_slash_at_the_end_of_an_apis_path_is_kept() {
    let found = Fake::new(&[]).resolve("/v1/chat/completions/?k=v").unwrap();
    assert_eq!(found.target.api_path, "/v1/chat/completions/?k=v");
    assert!(
        found.notes[0].contains("with its slash kept"),
        "{:?}",
        found.notes
    );
    let found = Fake::new(VLLM).resolve("/v1/").unwrap();
    assert_eq!(found.target.api_path, "/v1/chat/completions");
}

#[test]
fn a_plain_text_answer_that_asks_for_https_is_reported_as_that() {
    let body = "Client sent an HTTP request to an HTTPS server.\n";
    let server = Fake::new(Box::leak(Box::new([("/health", 400, body)])));
    let error = server.resolve("").unwrap_err().to_string();
    assert!(
        error.contains("speaks TLS on this port") && error.contains("https://"),
        "{error}"
    );
}

#[test]
fn a_stream_has_a_path_of_its_own_where_its_api_has_one() {
    let paths = |url: &str, api: Option<Api>| {
        let places = Places::of(url, api).unwrap();
        let prefix = &places.candidates[0];
        (
            format!("{prefix}{}", places.end),
            format!("{prefix}{}", places.stream_end),
        )
    };
    let both = |whole: &str, stream: &str| (whole.to_owned(), stream.to_owned());
    let tgi = both("/x/generate", "/x/generate_stream");
    assert_eq!(paths("/x/generate_stream", None), tgi);
    assert_eq!(paths("/x/generate", Some(Api::Tgi)), tgi);
    assert_eq!(paths("/x", Some(Api::Tgi)), tgi);
    let triton = both("/v2/models/m/generate", "/v2/models/m/generate_stream");
    assert_eq!(paths("/v2/models/m/generate", None), triton);
    assert_eq!(paths("/v2/models/m", Some(Api::Triton)), triton);
    assert_eq!(paths("/generate", None), both("/generate", "/generate"));
    // A path of another API is used as it is.
    let odd = both("/v1/completions", "/v1/completions");
    assert_eq!(paths("/v1/completions", Some(Api::Tgi)), odd);
    let error = Places::of("", Some(Api::Triton)).unwrap_err();
    let hint = error.hint.unwrap_or_default();
    assert!(
        error.what.contains("/v2/models/") && hint.contains("MODEL/generate_stream"),
        "{hint}"
    );
}

#[test]
fn an_api_adds_its_headers_unless_the_user_gives_them() {
    let of = |api: Api, headers: &[(&str, &str)]| {
        let own = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        with_headers_of(api, own.collect())
    };
    let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
    let key = ("authorization", "Bearer sk-1");
    assert_eq!(of(Api::Chat, &[key]), [pair("authorization", "Bearer sk-1")]);
    let added = of(Api::Messages, &[key]);
    assert!(added.contains(&pair("x-api-key", "sk-1")), "{added:?}");
    assert!(
        added.contains(&pair("anthropic-version", "2023-06-01")),
        "{added:?}"
    );
    assert_eq!(added.len(), 3);
    let own = [("X-Api-Key", "mine"), ("Anthropic-Version", "2024-01-01"), key];
    assert_eq!(of(Api::Messages, &own).len(), 3);
    assert_eq!(of(Api::Messages, &[]).len(), 1);
}

#[test]
fn ollamas_models_are_listed_at_a_path_of_their_own() {
    const TAGS: &[(&str, u16, &str)] = &[(
        "/api/tags",
        200,
        r#"{"models":[{"name":"qwen:1b","model":"qwen:1b"}]}"#,
    )];
    for path in ["/api/chat", "/api/generate"] {
        let found = Fake::new(TAGS).resolve(path).unwrap();
        assert_eq!(found.models, Models::List(vec!["qwen:1b".into()]));
        assert_eq!(found.target.api_path, path);
    }
}
