//! What `deploy/` has for other people's benchmark systems, called as these call it.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::live::{Dir, Live, mock_requests};
use crate::common::{mock, mock_options, program, skipped, wait_until};

const LLM_D: &str = "deploy/llm-d-benchmark/llmload-uring-llm-d-benchmark.sh";
const SRT: &str = "deploy/srt-slurm/llmload-uring.sh";

fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// Returns a command that calls the script with the program in its PATH, if there is a bash that has EPOCHREALTIME.
fn script(test: &str, name: &str) -> Option<Command> {
    let bash = Command::new("bash")
        .args(["-c", "[[ -n $EPOCHREALTIME ]]"])
        .status();
    if !bash.is_ok_and(|status| status.success()) {
        skipped(test, "bash 5");
        return None;
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_llmload-uring")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    // It has the settings of `program()`: nothing of our environment, and pipes.
    let mut command = Command::new("bash");
    let own = program();
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .arg(file(name))
        .env("PATH", format!("{}:{path}", folder.display()))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    Some(command)
}

const PROFILE: &str = "description: a few requests\nexecutor: per-vu-iterations\nvus: 2\niterations: 3\n\
    prompts: [hello]\nrequests:\n  - { name: chat, weight: 1, kind: chat, stream: true, max_tokens: \"10\" }\n";

/// A pod of llm-d-benchmark: its workspace with a workload, and where results go.
fn pod(dir: &Dir, command: &mut Command, url: &str, profile: &str) -> String {
    let profiles = dir.path("profiles/llmload-uring");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(format!("{profiles}/few.yaml"), profile).unwrap();
    let results = dir.path("results/few");
    command
        .env("LLMDBENCH_RUN_EXPERIMENT_RESULTS_DIR", &results)
        .env("LLMDBENCH_HARNESS_STACK_ENDPOINT_URL", url)
        .env("LLMDBENCH_RUN_WORKSPACE_DIR", dir.path("."))
        .env("LLMDBENCH_RUN_EXPERIMENT_HARNESS_WORKLOAD_NAME", "few.yaml")
        .env("LLMDBENCH_DEPLOY_CURRENT_MODEL", "it's: a #model")
        .env("LLMDBENCH_RUN_EXPERIMENT_ID", "few-1");
    results
}

/// Returns the value of a key of the metadata.
fn metadata(results: &str, key: &str) -> String {
    let text = std::fs::read_to_string(format!("{results}/run_metadata.yaml")).unwrap();
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key}: ")));
    found
        .unwrap_or_else(|| panic!("{key} is not in {text}"))
        .to_owned()
}

#[test]
fn the_harness_of_llm_d_runs_the_workload_and_says_what_it_did() {
    let test = "the_harness_of_llm_d_runs_the_workload_and_says_what_it_did";
    let Some(mut command) = script(test, LLM_D) else {
        return;
    };
    let (dir, server) = (Dir::new(), mock(mock_options()));
    let url = format!("http://{}?key=s3cret", server.address);
    let results = pod(&dir, &mut command, &url, PROFILE);
    Live::spawn(&mut command).wait().expect(0);
    let document: Value =
        serde_json::from_slice(&std::fs::read(format!("{results}/llmload-uring.json")).unwrap()).unwrap();
    assert_eq!(
        (
            document["totals"]["requests"].as_u64(),
            mock_requests(server.address)
        ),
        (Some(6), 6)
    );
    for (key, expected) in [
        ("harness_name", "llmload-uring"),
        ("harness_rc", "0"),
        ("harness_workload", "'few.yaml'"),
        ("experiment_id", "'few-1'"),
        ("model", "'it''s: a #model'"),
        ("endpoint_url", &format!("'http://{}'", server.address)),
        ("namespace", "''"),
    ] {
        assert_eq!(metadata(&results, key), expected, "{key}");
    }
    for key in [
        "harness_start",
        "harness_stop",
        "harness_delta",
        "harness_args",
        "harness_version",
    ] {
        assert!(metadata(&results, key).len() > 4, "{key}");
    }
    let delta = metadata(&results, "harness_delta");
    let seconds = delta.strip_prefix("PT").and_then(|rest| rest.strip_suffix('S'));
    assert!(seconds.unwrap().parse::<f64>().unwrap() > 0.0, "{delta}");
    let log = std::fs::read_to_string(format!("{results}/stdout.log")).unwrap();
    assert!(log.contains("saved"), "{log}");
    for name in std::fs::read_dir(&results).unwrap() {
        let path = name.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("s3cret"), "{}", path.display());
    }
}

#[test]
fn the_harness_of_llm_d_ends_with_the_code_of_the_run() {
    let test = "the_harness_of_llm_d_ends_with_the_code_of_the_run";
    let server = mock(mock_options());
    let url = format!("http://{}", server.address);
    let strict = format!("{PROFILE}thresholds:\n  latency: p(50)<0.001\n");
    let unknown = format!("{PROFILE}executr: x\n");
    for (profile, code) in [(&strict, 99), (&unknown, 104)] {
        let dir = Dir::new();
        let Some(mut command) = script(test, LLM_D) else {
            return;
        };
        let results = pod(&dir, &mut command, &url, profile);
        Live::spawn(&mut command).wait().expect(code);
        assert_eq!(metadata(&results, "harness_rc"), code.to_string());
    }
    for (name, value, expected) in [
        (
            "LLMDBENCH_HARNESS_STACK_ENDPOINT_URL",
            "",
            "LLMDBENCH_HARNESS_STACK_ENDPOINT_URL is not set",
        ),
        (
            "LLMDBENCH_RUN_EXPERIMENT_HARNESS_WORKLOAD_NAME",
            "other.yaml",
            "other.yaml cannot be read",
        ),
    ] {
        let dir = Dir::new();
        let Some(mut command) = script(test, LLM_D) else {
            return;
        };
        pod(&dir, &mut command, &url, PROFILE);
        command.env(name, value);
        let ended = Live::spawn(&mut command).wait();
        assert!(
            ended.stderr.contains(expected) && ended.stderr.contains("hint:"),
            "{ended:?}"
        );
        ended.expect(104);
    }
}

#[test]
fn the_end_of_a_pod_ends_the_run_and_keeps_what_it_measured() {
    let test = "the_end_of_a_pod_ends_the_run_and_keeps_what_it_measured";
    let Some(mut command) = script(test, LLM_D) else {
        return;
    };
    let (dir, server) = (Dir::new(), mock(mock_options()));
    let long = PROFILE.replace(
        "per-vu-iterations\nvus: 2\niterations: 3",
        "constant-vus\nvus: 2\nduration: 5m",
    );
    let results = pod(&dir, &mut command, &format!("http://{}", server.address), &long);
    let live = Live::spawn(&mut command);
    wait_until("requests come", || mock_requests(server.address) > 5);
    live.signal(Signal::TERM);
    live.wait().expect(105);
    assert_eq!(metadata(&results, "harness_rc"), "105");
    let document: Value =
        serde_json::from_slice(&std::fs::read(format!("{results}/llmload-uring.json")).unwrap()).unwrap();
    assert!(document["totals"]["ok"].as_u64().unwrap() > 0);
}

#[test]
fn the_benchmark_of_srt_slurm_makes_a_run_for_each_number_of_users() {
    let test = "the_benchmark_of_srt_slurm_makes_a_run_for_each_number_of_users";
    let server = mock(mock_options());
    for (concurrencies, thresholds, code, expected) in [
        ("1 3", "", 0, &["concurrency-1", "concurrency-3"][..]),
        ("", "", 0, &["result"]),
        (
            "1 2",
            "thresholds:\n  latency: p(50)<0.001\n",
            99,
            &["concurrency-1", "concurrency-2"],
        ),
        ("1 two", "", 104, &[]),
    ] {
        let Some(mut command) = script(test, SRT) else {
            return;
        };
        let dir = Dir::new();
        let results = dir.path("logs");
        let profile = dir.write("few.yaml", &format!("{PROFILE}{thresholds}"));
        command
            .env("SRT_FRONTEND_HOST", "127.0.0.1")
            .env("SRT_FRONTEND_PORT", server.address.port().to_string())
            .env("PROFILE", profile)
            .env("CONCURRENCIES", concurrencies)
            .env("RESULT_DIR", &results);
        Live::spawn(&mut command).wait().expect(code);
        for name in expected {
            let path = format!("{results}/{name}.json");
            let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let users = name
                .strip_prefix("concurrency-")
                .map_or(2, |n| n.parse::<u64>().unwrap());
            assert_eq!(document["totals"]["requests"].as_u64(), Some(3 * users), "{path}");
            for ending in ["html", "log"] {
                assert!(
                    Path::new(&format!("{results}/{name}.{ending}")).exists(),
                    "{name}.{ending}"
                );
            }
        }
    }
}

/// Returns the variables of a manifest or a recipe: `{ name: N, value: "V" }`, or `N: V` of a mapping.
fn variables(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let line = line.trim();
        let (name, value) = match line.strip_prefix("- { name: ") {
            Some(rest) => rest.strip_suffix(" }")?.split_once(", value: ")?,
            None => line.split_once(": ")?,
        };
        let value = value.trim_matches('"');
        name.starts_with("LLMLOAD_")
            .then(|| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[test]
fn manifests_and_recipes_start_runs_that_are_valid() {
    for (name, profile_of_recipe) in [
        ("deploy/kubernetes/job.yaml", None),
        ("deploy/kubernetes/indexed-job.yaml", None),
        ("deploy/kubernetes/many-hosts.yaml", None),
        ("deploy/srt-slurm/recipe.yaml", Some("load")),
    ] {
        let text = text(name);
        let args: Vec<String> = match profile_of_recipe {
            Some(profile) => vec![profile.to_owned()],
            None => {
                let line = text
                    .lines()
                    .find_map(|line| line.trim().strip_prefix("args: ["))
                    .unwrap();
                let words = line.strip_suffix(']').unwrap().split(", ");
                words
                    .map(|word| word.trim_matches('"').replace("$(JOB_COMPLETION_INDEX)", "2"))
                    .collect()
            }
        };
        let mut command = program();
        command
            .args(["config", "check"])
            .args(&args)
            .env("JOB_COMPLETION_INDEX", "2")
            // Of the manifest's Secret, which only a cluster has.
            .env("LLMLOAD_COORDINATE_SECRET", "0123456789abcdef");
        let variables = variables(&text);
        assert!(!variables.is_empty(), "{name}");
        for (variable, value) in variables {
            // The instant of the example goes by.
            let value = if variable == "LLMLOAD_START_AT" {
                "+30s".to_owned()
            } else {
                value
            };
            command.env(variable, value);
        }
        let ended = Live::spawn(&mut command).wait();
        assert!(!ended.stderr.contains("warning"), "{name}: {ended:?}");
        ended.expect(0);
    }
}

/// `kubectl kustomize` is not everywhere: what it would miss, and the profile, which no schema knows.
#[test]
fn the_kustomization_finds_what_it_names_and_its_profile_is_valid() {
    let kustomization = text("deploy/kustomize/kustomization.yaml");
    let manifest = text("deploy/kubernetes/many-hosts.yaml");
    for (part, file) in [
        (
            "resources: [../kubernetes, results.yaml]",
            "kubernetes/kustomization.yaml",
        ),
        (
            "resources: [../kubernetes, results.yaml]",
            "kustomize/results.yaml",
        ),
        ("files: [load.yaml]", "kustomize/load.yaml"),
    ] {
        assert!(kustomization.contains(part), "{part}");
        assert!(
            Path::new(&self::file(&format!("deploy/{file}"))).is_file(),
            "{file}"
        );
    }
    for (ours, theirs) in [
        ("name: LLMLOAD_SHARDS", "name=LLMLOAD_SHARDS"),
        ("name: LLMLOAD_TARGET_URL", "name=LLMLOAD_TARGET_URL"),
        ("image: llmload-uring", "name: llmload-uring"),
        (
            "secretKeyRef: { name: llmload,",
            "secretGenerator:\n  - { name: llmload,",
        ),
        ("claimName: results", "results.yaml"),
        // The first word is replaced by the profile of the folder.
        (
            "args: [load, ",
            "path: /spec/template/spec/containers/0/args/0, value: /profile/load.yaml",
        ),
    ] {
        assert!(manifest.contains(ours), "{ours}");
        assert!(kustomization.contains(theirs), "{theirs}");
    }
    let mut command = program();
    command
        .args(["config", "check", &file("deploy/kustomize/load.yaml")])
        .args(["--target", "http://vllm:8000"]);
    let ended = Live::spawn(&mut command).wait();
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
    ended.expect(0);
}

#[test]
fn the_pods_of_the_indexed_job_make_one_run() {
    let (dir, server) = (Dir::new(), mock(mock_options()));
    let manifest = text("deploy/kubernetes/many-hosts.yaml");
    let set = variables(&manifest);
    let (_, count) = set.iter().find(|(name, _)| name == "LLMLOAD_SHARDS").unwrap();
    for key in ["completions", "parallelism"] {
        assert!(manifest.contains(&format!("  {key}: {count}\n")), "{key}");
    }
    let (profile, output) = (dir.write("few.yaml", PROFILE), dir.path("run.json"));
    // What Kubernetes sets in each pod, beside the variables of the manifest; names and Services are the cluster's.
    let pod = |index: usize, coordinate: &str| {
        let mut command = program();
        command
            .args([&profile, "--output", &output])
            .envs(set.iter().cloned())
            .env("LLMLOAD_TARGET_URL", format!("http://{}", server.address))
            .env("LLMLOAD_COORDINATE", coordinate)
            .env("LLMLOAD_COORDINATE_SECRET", "0123456789abcdef")
            .env("JOB_COMPLETION_INDEX", index.to_string())
            .env("HOSTNAME", format!("llmload-{index}"))
            .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
            .env("KUBERNETES_SERVICE_PORT", "443");
        Live::spawn(&mut command)
    };
    let mut first = pod(0, "127.0.0.1:0");
    let address = crate::ranks::address_of(&mut first);
    let others: Vec<Live> = (1..count.parse().unwrap())
        .map(|index| pod(index, &address))
        .collect();
    for run in std::iter::once(first).chain(others) {
        run.wait().expect(0);
    }
    let whole: Value = serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    assert_eq!(whole["run"]["merged"]["shards"].to_string(), *count);
    assert_eq!(
        (
            whole["totals"]["requests"].as_u64(),
            mock_requests(server.address)
        ),
        (Some(6), 6)
    );
}

#[test]
fn the_workload_of_llm_d_is_a_valid_profile() {
    let dir = Dir::new();
    let workload = text("deploy/llm-d-benchmark/profiles/llmload-uring/sanity_random.yaml.in");
    let path = dir.write("sanity_random.yaml", &workload);
    Live::start(&["config", "check", &path]).wait().expect(0);
}
