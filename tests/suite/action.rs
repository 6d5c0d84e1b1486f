//! The action for GitHub: the steps that `action.yml` names, run by bash as a runner does, with a tarball made here.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use saphyr::{LoadableYamlNode, Yaml};

use crate::common::live::*;
use crate::common::*;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A job on a runner: its temporary folder, the files that steps write to, and a tarball of a release.
struct Job {
    folder: Dir,
    archive: String,
    name: String,
}

impl Job {
    /// Returns `None` where a program that runners have is not here.
    fn new(test: &str) -> Option<Job> {
        for tool in ["bash", "curl", "tar", "jq", "sha256sum", "xargs"] {
            let found = Command::new(tool)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if found.is_err() {
                skipped(test, tool);
                return None;
            }
        }
        let folder = Dir::new();
        let name = format!(
            "llmload-uring-{VERSION}-{}-unknown-linux-gnu.tar.gz",
            std::env::consts::ARCH
        );
        let archive = tarball(
            &folder,
            &name,
            &format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_llmload-uring")),
        );
        Some(Job {
            folder,
            archive,
            name,
        })
    }

    fn sums(&self) {
        let sums = Command::new("sha256sum")
            .arg(&self.name)
            .current_dir(self.folder.path(""))
            .output()
            .unwrap();
        self.folder
            .write("SHA256SUMS", &String::from_utf8(sums.stdout).unwrap());
    }

    /// Runs a step of `action.yml` with inputs; those that are not given have their defaults.
    fn step(&self, name: &str, inputs: &[(&str, &str)]) -> Output {
        let text = std::fs::read_to_string(format!("{ROOT}/action.yml")).unwrap();
        let documents = Yaml::load_from_str(&text).unwrap();
        let action = &documents[0];
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for (key, input) in action["inputs"].as_mapping().unwrap() {
            let default = input["default"].as_str().unwrap_or_default();
            values.insert(key.as_str().unwrap().to_owned(), default.to_owned());
        }
        for (key, value) in inputs {
            assert!(
                values.insert((*key).to_owned(), (*value).to_owned()).is_some(),
                "no input {key}"
            );
        }
        let steps = action["runs"]["steps"].as_sequence().unwrap();
        let step = steps
            .iter()
            .find(|step| step["name"].as_str().unwrap().starts_with(name))
            .unwrap();
        let mut command = Command::new("bash");
        command.args([
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step["run"].as_str().unwrap(),
        ]);
        for (key, value) in step["env"].as_mapping().unwrap() {
            command.env(
                key.as_str().unwrap(),
                expression(value.as_str().unwrap(), &values),
            );
        }
        let path = std::fs::read_to_string(self.folder.path("github_path")).unwrap_or_default();
        let path = path
            .lines()
            .rev()
            .map(|line| format!("{line}:"))
            .collect::<String>();
        command
            .current_dir(self.folder.path(""))
            .env("PATH", path + &std::env::var("PATH").unwrap())
            .env("RUNNER_TEMP", self.folder.path(""))
            .env("GITHUB_PATH", self.folder.path("github_path"))
            .env("GITHUB_OUTPUT", self.folder.path("github_output"))
            .env("GITHUB_STEP_SUMMARY", self.folder.path("github_summary"))
            .env_remove("LLMLOAD_TARGET_URL")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn install(&self, inputs: &[(&str, &str)]) -> Output {
        self.step(
            "Install",
            &[&[("archive", self.archive.as_str())], inputs].concat(),
        )
    }

    fn run(&self, inputs: &[(&str, &str)]) -> Output {
        let _ = std::fs::remove_file(self.folder.path("github_output"));
        let _ = std::fs::remove_file(self.folder.path("github_summary"));
        self.step("Run", inputs)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path(name)).unwrap_or_default()
    }
}

/// A tarball as `scripts/package.sh` lays it out, whose program is a shell script.
fn tarball(folder: &Dir, name: &str, program: &str) -> String {
    std::fs::create_dir_all(folder.path("tree/some-name/bin")).unwrap();
    let path = folder.write(
        "tree/some-name/bin/llmload-uring",
        &format!("#!/bin/sh\n{program}\n"),
    );
    assert!(
        Command::new("chmod")
            .args(["755", &path])
            .status()
            .unwrap()
            .success()
    );
    let archive = folder.path(name);
    let made = Command::new("tar")
        .args(["-C", &folder.path("tree"), "-czf", &archive, "some-name"])
        .status();
    assert!(made.unwrap().success());
    archive
}

/// What a runner makes of `${{ … }}`, of which the action has few kinds.
fn expression(text: &str, inputs: &BTreeMap<String, String>) -> String {
    let Some(name) = text
        .strip_prefix("${{ ")
        .and_then(|rest| rest.strip_suffix(" }}"))
    else {
        panic!("{text} is no expression");
    };
    match name {
        "github.action_path" => ROOT.to_owned(),
        "github.action_repository" => "someone/llmload-uring".to_owned(),
        _ => inputs[name.strip_prefix("inputs.").unwrap()].clone(),
    }
}

/// The step ended with an error that the job shows, which has this part, and with this code.
fn refused(output: &Output, code: i32, part: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{output:#?}");
    let error = text
        .lines()
        .find(|line| line.starts_with("::error title=llmload-uring::"));
    assert!(
        error.is_some_and(|line| line.contains(part)),
        "`{part}` is not in {output:#?}"
    );
}

#[test]
fn the_action_installs_a_tarball_only_with_its_checksum() {
    let Some(job) = Job::new("the installation by the action") else {
        return;
    };
    refused(&job.install(&[]), 1, "SHA256SUMS, which has the checksum");
    job.folder
        .write("SHA256SUMS", &format!("{}  other.tar.gz\n", "0".repeat(64)));
    refused(&job.install(&[]), 1, "does not name");
    job.folder
        .write("SHA256SUMS", &format!("{}  {}\n", "0".repeat(64), job.name));
    refused(&job.install(&[]), 1, "nothing was installed");
    job.sums();
    refused(
        &job.install(&[("sha256", &"1".repeat(64))]),
        1,
        "nothing was installed",
    );
    refused(&job.install(&[("sha256", "12")]), 1, "64 hexadecimal digits");
    refused(&job.install(&[("version", "main")]), 1, "`main` is no version");
    refused(
        &job.install(&[("version", "9.9.9")]),
        1,
        "version 9.9.9 was expected",
    );
    refused(
        &job.install(&[("archive", "/nowhere/a.tar.gz")]),
        1,
        "cannot get /nowhere/a.tar.gz",
    );
    refused(
        &job.install(&[("archive", "/nowhere/%0A::debug::x\n::set-env::y")]),
        1,
        "%250A::debug::x%0A::set-env::y",
    );
    assert_eq!(job.read("github_path"), "");

    let output = job.install(&[("version", &format!("v{VERSION}"))]);
    assert!(output.status.success(), "{output:#?}");
    let folder = job.read("github_path");
    let program = format!("{}/llmload-uring", folder.trim_end());
    let said = Command::new(program).arg("-V").output().unwrap();
    assert_eq!(
        String::from_utf8(said.stdout).unwrap(),
        format!("llmload-uring {VERSION}\n")
    );
}

#[test]
fn the_action_refuses_an_archive_that_is_no_release() {
    let Some(job) = Job::new("archives that are no release") else {
        return;
    };
    tarball(&job.folder, &job.name, "echo llmload-uring 0.0.1");
    job.sums();
    refused(&job.install(&[]), 1, "has llmload-uring 0.0.1, and version");
    tarball(&job.folder, &job.name, "exit 1");
    job.sums();
    refused(&job.install(&[]), 1, "does not run here");
    job.folder.write(&job.name, "<html>not found</html>");
    job.sums();
    refused(&job.install(&[]), 1, "is no tarball");
    assert_eq!(job.read("github_path"), "");
}

#[test]
fn the_action_runs_a_load_and_tells_its_verdict_and_ends_with_its_code() {
    let Some(job) = Job::new("the load of the action") else {
        return;
    };
    job.sums();
    assert!(job.install(&[]).status.success());
    let server = mock(mock_options());
    let target = format!("http://{}", server.address);
    let args = "--iterations 4 --vus 2 --threshold 'ttft: p(95)<60000' --prompt \"$(touch owned) `touch owned` <b>\" --no-validate";
    let output = job.run(&[("target", &target), ("args", args), ("output", "a b.json")]);
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    assert_eq!(
        job.read("github_output"),
        "result=a b.json\nverdict=passed\nexit-code=0\n"
    );
    assert!(!job.folder.names().contains(&"owned".to_owned()));
    let summary = job.read("github_summary");
    assert!(summary.contains("<pre>\nPASSED  all "), "{summary}");
    // What a threshold says has a `<`, which is none of markup.
    let inside = summary
        .split("<pre>")
        .nth(1)
        .unwrap()
        .split("</pre>")
        .next()
        .unwrap();
    assert!(
        inside.contains("&lt;") && !inside.contains(['<', '>']),
        "{summary}"
    );

    let output = job.run(&[("target", &target), ("args", &args.replace("60000", "0.000001"))]);
    assert_eq!(output.status.code(), Some(99), "{output:#?}");
    assert_eq!(
        job.read("github_output"),
        "result=result.json\nverdict=threshold_failed\nexit-code=99\n"
    );

    // The document of the run before is not taken for that of one that did not begin.
    let output = job.run(&[("target", &target), ("args", "--vus many")]);
    assert_eq!(output.status.code(), Some(2), "{output:#?}");
    assert_eq!(job.read("github_output"), "result=\nverdict=\nexit-code=2\n");
}

#[test]
fn the_action_refuses_inputs_that_are_missing_and_keeps_the_key_to_itself() {
    let Some(job) = Job::new("wrong inputs of the action") else {
        return;
    };
    job.sums();
    assert!(job.install(&[]).status.success());
    refused(&job.run(&[]), 104, "target: it is empty");
    refused(
        &job.run(&[("target", "simulator"), ("profile", "")]),
        104,
        "profile: it is empty",
    );
    refused(
        &job.run(&[("target", "simulator"), ("profile", "--help")]),
        104,
        "is an option",
    );
    refused(
        &job.run(&[("target", "simulator"), ("output", "")]),
        104,
        "output: it is empty",
    );
    refused(
        &job.run(&[("target", "simulator"), ("output", "a\nb=c")]),
        104,
        "line break",
    );
    refused(
        &job.run(&[("target", "simulator"), ("args", "--prompt 'open")]),
        104,
        "not closed",
    );
    assert_eq!(job.read("github_output"), "");

    let server = mock(mock_options());
    let key = "sk-of-the-action-0123456789";
    let document = format!(
        "executor: per-vu-iterations\nvus: 1\niterations: 2\nmax_duration: 30s\nmodels: [m]\nprompts: [Hi]\n\
         server: {{ base_url: 'http://{}' }}\n\
         requests: [{{ name: a, weight: 1, kind: chat, stream: true, max_tokens: 10, timeout: 20s }}]\n",
        server.address
    );
    job.folder.write("mine.yaml", &document);
    let output = job.run(&[
        ("profile", "mine.yaml"),
        ("api-key", key),
        ("args", "--details --no-validate"),
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    let all = format!(
        "{output:?}{}{}",
        job.read("result.json"),
        job.read("github_summary")
    );
    assert!(!all.contains(key));
}
