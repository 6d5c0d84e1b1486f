use super::*;
use crate::api::Api;
use crate::cli::{Cli, Command};
use crate::config::load_plan;
use crate::plan::Executor;
use crate::plan::Stage;
use crate::units::SECOND;
use clap::Parser;
use std::sync::atomic::{AtomicU32, Ordering};

pub const TWO: &str = "\
servers:
  - {name: A, base_url: 'http://127.0.0.1:1/completion', weight: 0.3}
  - {name: B, base_url: 'http://127.0.0.1:2/completion', weight: 0.7}
workload: {users: 20, duration_seconds: 60}
";
const ONE: &str = "\
server: {base_url: 'http://127.0.0.1:1/x', api: llamacpp, model_alias: m}
workload: {users: 20, duration_seconds: 60}
";

/// A file of its own for each call, gone afterwards.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new(text: &str) -> TempFile {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("llmload-session-{}-{n}.yaml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        TempFile(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn args(words: &[&str]) -> RunArgs {
    let cli = Cli::try_parse_from(["llmload-uring"].iter().chain(words)).unwrap();
    match cli.command {
        Some(Command::Run(args)) => *args,
        None => cli.run,
        other => panic!("{other:?}"),
    }
}

/// `run --config`, with the document's path put in.
fn load(text: &str, words: &[&str]) -> Result<Config, String> {
    let file = TempFile::new(text);
    let line = [&["run", "--config", file.path()][..], words].concat();
    let found = load_plan(&args(&line)).map(|(config, plan)| {
        assert_eq!(plan.warmup, config.warmup);
        config
    });
    found.map_err(|e| e.to_string().replace(file.path(), "FILE"))
}

fn refused(text: &str, words: &[&str]) -> String {
    let found = load(text, words).unwrap_err();
    assert_eq!(found.matches("error: ").count(), 1, "{found}");
    found
}

#[test]
fn a_run_with_config_writes_every_request_by_default() {
    let config = load(ONE, &[]).unwrap();
    assert_eq!(config.results_dir.as_deref(), Some("results".as_ref()));
    assert!(config.run.details);
    let config = load(ONE, &["--results-dir", "/r", "--no-details"]).unwrap();
    assert_eq!(config.results_dir.as_deref(), Some("/r".as_ref()));
    assert!(!config.run.details);
    let both = refused(ONE, &["--details", "--no-details"]);
    assert!(both.contains("--no-details: contradicts `--details`"), "{both}");
    let text = format!("{ONE}results_dir: mine\ndetails: false\noutput: o.json\n");
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.results_dir.as_deref(), Some("mine".as_ref()));
    assert_eq!(config.run.output.as_deref(), Some("o.json".as_ref()));
    assert!(!config.run.details);
    let config = load(&text, &["--details", "--output", "p.json"]).unwrap();
    assert!(config.run.details);
    assert_eq!(config.run.output.as_deref(), Some("p.json".as_ref()));
    // By its path alone, it is a profile like others.
    let file = TempFile::new(ONE);
    let (config, _) = load_plan(&args(&["run", file.path()])).unwrap();
    assert_eq!((config.results_dir, config.run.details), (None, false));
}

#[test]
fn a_missing_document_is_one_error() {
    let text = load_plan(&args(&["run", "--config", "/not/there.yaml"]))
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("error: /not/there.yaml: cannot be read: No such file"),
        "{text}"
    );
    assert_eq!(text.matches("error: ").count(), 1);
    // Only a path will do.
    let text = load_plan(&args(&["run", "--config", "workload"]))
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("error: workload: cannot be read"), "{text}");
    let text = load_plan(&args(&["run", "load", "--config", "x"]))
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("error: --config: contradicts the profile `load`"),
        "{text}"
    );
}

#[test]
fn a_target_replaces_the_only_server() {
    let config = load(ONE, &[]).unwrap();
    assert_eq!(config.servers()[0].api, Some(Api::LlamaCpp));
    let config = load(ONE, &["--target", "http://127.0.0.1:9/v1"]).unwrap();
    assert_eq!(config.servers()[0].base_url, "http://127.0.0.1:9/v1");
    // Its path names no API, so the document's stays.
    assert_eq!(
        (config.servers()[0].api, config.servers().len()),
        (Some(Api::LlamaCpp), 1)
    );
    let config = load(TWO, &["--no-server"]).unwrap();
    assert_eq!(config.servers().len(), 2);
}

#[test]
fn options_override_the_warm_up_and_repetition_of_the_document() {
    let text = TWO.replace("users: 20", "users: 20, warmup_seconds: 2.5, repeat: 3");
    let config = load(&text, &[]).unwrap();
    assert_eq!((config.warmup, config.repeat), (5 * SECOND / 2, 3));
    let config = load(&text, &["--warmup", "4s", "--repeat", "100", "--contention"]).unwrap();
    assert_eq!(
        (config.warmup, config.repeat, config.contention),
        (4 * SECOND, 100, true)
    );
    let config = load(&format!("{TWO}warmup: 1s\nrepeat: 2\ncontention: true"), &[]).unwrap();
    assert_eq!(
        (config.warmup, config.repeat, config.contention),
        (SECOND, 2, true)
    );
    assert!(refused(TWO, &["--repeat", "0"]).starts_with("error: --repeat: `0` is below the minimum of 1"));
    assert!(refused(TWO, &["--repeat", "101"]).contains("above the limit of 100"));
    assert!(
        refused(TWO, &["--warmup", "25h"]).starts_with("error: --warmup: `25h` is longer than the limit")
    );
    let found = refused(TWO, &["--warmup", "24h"]);
    assert!(
        found.contains("FILE:4: with a warm-up of 24h, the run takes 24h1m, longer"),
        "{found}"
    );
}

#[test]
fn contention_needs_two_servers_and_a_user_for_each() {
    let found = refused(ONE, &["--contention"]);
    assert!(
        found.starts_with("error: --contention: contention needs at least two servers"),
        "{found}"
    );
    let found = refused(&format!("{ONE}contention: true"), &[]);
    assert!(
        found.starts_with("error: FILE:2: contention needs at least two servers"),
        "{found}"
    );
    let found = refused(TWO, &["--contention", "--vus", "1"]);
    assert!(found.contains("1 are too few for 2 servers"), "{found}");
    let found = refused(TWO, &["--contention", "--iterations", "50"]);
    assert!(
        found.contains("executor `shared-iterations` ends by a count"),
        "{found}"
    );
}

#[test]
fn the_product_of_servers_and_requests_is_limited() {
    let server = |i: usize| format!("  - {{name: s{i}, base_url: 'http://127.0.0.1:1/v1'}}\n");
    let request = |i: usize| format!("  - {{name: r{i}, max_tokens: 5}}\n");
    let text = |servers: usize, requests: usize| {
        let servers: String = (0..servers).map(server).collect();
        let requests: String = (0..requests).map(request).collect();
        format!("servers:\n{servers}requests:\n{requests}workload: {{users: 1, duration_seconds: 1}}\n")
    };
    assert!(load(&text(16, 4), &[]).is_ok());
    let found = refused(&text(13, 5), &[]);
    let what = "FILE:15: 13 servers with 5 kinds of request each make 65, more than the limit of 64";
    assert!(found.contains(what), "{found}");
}

#[test]
fn prompts_of_the_command_line_replace_those_of_a_file() {
    let prompts = TempFile::new("One\nTwo\n");
    let text = format!("{ONE}prompts: {{file: '{}'}}\n", prompts.path());
    let file = |config: &Config| config.requests[0].prompts_file.is_some();
    assert!(file(&load(&text, &[]).unwrap()));
    assert!(!file(&load(&text, &["--prompt", "Hi"]).unwrap()));
}

#[test]
fn options_override_the_workload_mapping() {
    let config = load(TWO, &["--vus", "5", "--time-scale", "0.1", "--seed", "7"]).unwrap();
    let expected = Executor::ConstantVus {
        vus: 5,
        duration: 6 * SECOND,
    };
    assert_eq!((config.executor, config.seed), (expected, 7));
    let config = load(TWO, &["--stages", "5s:3"]).unwrap();
    let Executor::RampingVus { stages, .. } = config.executor else {
        panic!()
    };
    let stage = Stage {
        duration: 5 * SECOND,
        target: 3,
    };
    assert_eq!(stages, [stage]);
}
