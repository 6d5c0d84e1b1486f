//! What bash, zsh and fish themselves offer with the scripts of `completions`.

use std::process::{Command, Stdio};

use crate::common::live::*;
use crate::common::*;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A shell that has read its script, in a folder with the files that it may offer.
struct Shell {
    name: &'static str,
    folder: Dir,
}

impl Shell {
    /// Returns `None` where the shell is not there, which the test says.
    fn new(name: &'static str) -> Option<Shell> {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            skipped(&format!("completions in {name}"), name);
            return None;
        }
        let folder = Dir::new();
        folder.write("mine.yaml", "");
        folder.write("result.json", "");
        std::fs::create_dir(folder.path("some_folder")).unwrap();
        let script = ran(&["completions", name]).expect(0).stdout;
        folder.write(&format!("script.{name}"), &script);
        Some(Shell { name, folder })
    }

    /// Returns what is offered behind `line`, in the order of the alphabet.
    fn offers(&self, line: &str) -> Vec<String> {
        let ask = match self.name {
            "bash" => bash(line),
            "zsh" => zsh(line),
            _ => format!("source script.fish; complete -C 'llmload-uring {line}'"),
        };
        let mut shell = Command::new(self.name);
        match self.name {
            "bash" => shell.args(["--norc", "--noprofile", "-c", &ask]),
            "zsh" => shell.args(["-f", "-c", &ask]),
            _ => shell.args(["--no-config", "-c", &ask]),
        };
        let output = shell
            .current_dir(self.folder.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{}: {line}: {errors}", self.name);
        let word = |line: &str| line.split('\t').next().unwrap().trim_end_matches('/').to_owned();
        let mut offered: Vec<String> = text.lines().map(word).filter(|word| !word.is_empty()).collect();
        offered.sort();
        offered.dedup();
        offered
    }
}

/// Asks as readline does: with the words of the line, split at `=`.
fn bash(line: &str) -> String {
    let line = line.replace('=', " = ").replace("= ' '", "=");
    format!(
        "source script.bash; COMP_WORDS=(llmload-uring {line}); [[ '{line}' != *' ' ]] || COMP_WORDS+=(''); \
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _llmload_uring 2>/dev/null; \
         [[ ${{#COMPREPLY[@]}} -eq 0 ]] || printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
}

/// Calls the function as zsh's completion does, with stand-ins for builtins that need a terminal: each prints what
/// of its words begins as the last word of the line.
fn zsh(line: &str) -> String {
    let last = if line.ends_with(' ') { " ''" } else { "" };
    format!(
        r#"offer() {{ print -rl -- ${{(M)@:#$words[CURRENT]*}} }}
compdef() {{ : }}
compset() {{ words[CURRENT]=${{words[CURRENT]#*=}} }}
compadd() {{ offer ${{(P)2}} }}
_describe() {{ [[ $1 != -o ]] || shift; offer ${{(P)2%%:*}} }}
_files() {{ if [[ $1 == -/ ]]; then offer *(/N); else offer *(N); fi }}
source ./script.zsh
words=(llmload-uring {line}{last}) CURRENT=$#words
_llmload_uring"#
    )
}

fn in_each_shell(check: impl Fn(&Shell)) {
    SHELLS
        .into_iter()
        .filter_map(Shell::new)
        .for_each(|shell| check(&shell));
}

#[track_caller]
fn assert_offered(shell: &Shell, line: &str, expected: &[&str], others: &[&str]) {
    let offered = shell.offers(line);
    for word in expected {
        assert!(
            offered.iter().any(|o| o == word),
            "{}: `{line}`: {word} is not in {offered:?}",
            shell.name
        );
    }
    for word in others {
        assert!(
            !offered.iter().any(|o| o == word),
            "{}: `{line}`: {word} is in {offered:?}",
            shell.name
        );
    }
}

#[track_caller]
fn assert_only(shell: &Shell, line: &str, expected: &[&str]) {
    assert_eq!(shell.offers(line), expected, "{}: `{line}`", shell.name);
}

#[test]
fn commands_and_profiles_come_first_and_nothing_hidden() {
    in_each_shell(|shell| {
        let hidden = [
            "__llmsim",
            "__supervise",
            "--verify-stamps",
            "--api-key",
            "[PROFILE]",
            "--k6-target-url",
        ];
        assert_offered(
            shell,
            " ",
            &[
                "compare",
                "quick-smoke",
                "mixed_warfare",
                "import-k6",
                "mine.yaml",
            ],
            &hidden,
        );
        assert_offered(shell, " --", &["--vus", "--api-key-file", "--help"], &hidden);
        assert_only(shell, " qu", &["quick-smoke"]);
        assert_offered(shell, " run ", &["quick-smoke", "mine.yaml"], &["compare"]);
        assert_only(shell, " config ch", &["check"]);
        assert_offered(shell, " config check ", &["smoke", "mine.yaml"], &["check"]);
        assert_only(shell, " profiles show qu", &["quick-smoke"]);
        assert_offered(shell, " baseline ", &["save", "list", "show"], &["main"]);
        assert_offered(shell, " help com", &["compare", "completions"], &["quick-smoke"]);
    });
}

#[test]
fn each_command_has_its_own_options() {
    in_each_shell(|shell| {
        assert_only(shell, " smoke --sta", &["--stages", "--stamp", "--start-at"]);
        assert_only(shell, " run smoke --vus 3 --thr", &["--threshold"]);
        assert_only(
            shell,
            " compare a b --f",
            &["--fail-on", "--folder", "--format", "--from"],
        );
        assert_offered(shell, " mock --", &["--listen", "--ttft"], &["--vus", "--target"]);
        assert_only(shell, " baseline save main --fo", &["--folder", "--force"]);
        assert_only(shell, " import-k6 --m", &["--mix"]);
        assert_only(shell, " import inf", &["inference-perf"]);
        assert_only(shell, " import inference-perf --st", &["--strict"]);
    });
}

#[test]
fn values_are_offered_where_they_are_known() {
    in_each_shell(|shell| {
        assert_only(shell, " smoke --stamp ", &["kernel", "user"]);
        assert_only(shell, " smoke --vus 5 --progress pl", &["plain"]);
        assert_only(
            shell,
            " smoke --max-tokens-key ",
            &["max_completion_tokens", "max_tokens"],
        );
        assert_only(shell, " compare a b --format m", &["md"]);
        assert_offered(shell, " completions ", &["bash", "fish", "zsh"], &["quick-smoke"]);
        assert_offered(shell, " smoke --sim-latency gpt", &["gpt-4o"], &["fast"]);
        assert_only(shell, " import-k6 x --mix sp", &["spike"]);
        assert_only(shell, " smoke --vus ", &[]);
    });
}

#[test]
fn files_are_offered_where_files_go_and_folders_where_folders_go() {
    in_each_shell(|shell| {
        assert_offered(shell, " smoke --output ", &["result.json"], &["quick-smoke"]);
        assert_only(shell, " smoke -o res", &["result.json"]);
        assert_only(shell, " run --config mi", &["mine.yaml"]);
        assert_only(shell, " smoke --results-dir so", &["some_folder"]);
        assert_only(shell, " smoke --results-dir res", &[]);
        assert_only(shell, " smoke --csv so", &["some_folder"]);
        assert_only(shell, " show re", &["result.json"]);
        assert_only(shell, " show result.json --csv so", &["some_folder"]);
        assert_only(shell, " show result.json --format m", &["md"]);
        assert_only(shell, " compare result.json re", &["result.json"]);
        assert_only(shell, " merge re", &["result.json"]);
        assert_only(shell, " compare a b c d e re", &["result.json"]);
    });
}

#[test]
fn bash_completes_behind_an_equals_sign_however_it_splits_words() {
    let Some(shell) = Shell::new("bash") else { return };
    assert_only(&shell, " smoke --stamp=k", &["kernel"]);
    assert_only(&shell, " smoke --stamp=", &["kernel", "user"]);
    assert_only(&shell, " smoke --vus=3 --stamp=u", &["user"]);
    let whole = "source script.bash; COMP_WORDBREAKS=' '; COMP_WORDS=(llmload-uring smoke --stamp=k); COMP_CWORD=2; \
                 _llmload_uring 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let output = bash
        .args(["-c", whole])
        .current_dir(shell.folder.path(""))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--stamp=kernel\n");
}
