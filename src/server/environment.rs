//! The environment of the processes that a run starts: none of them gets a key that is not its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// What the dynamic loader, temporary files, messages and coverage of our own binary need.
const KEPT: [&str; 9] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
];
/// Variables of this program begin so. Any of them may be a key, or a header or URL with one.
const OURS: &[u8] = b"LLMLOAD_";

/// Leaves a process of our own only what it needs to run, because nothing else in the environment is meant for it.
pub(super) fn only_what_runs_it(command: &mut Command) {
    command.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Keeps this program's own variables from the user's server and its supervisor: the key in `LLMLOAD_API_KEY` is for
/// the client of the server. All others stay, because a server may need `HF_TOKEN`, or a proxy the `OPENAI_API_KEY` of
/// the service behind it.
pub(super) fn without_ours(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if is_ours(&name) {
            command.env_remove(name);
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.as_bytes().starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_our_own_gets_no_variable_that_it_does_not_need() {
        let mut command = Command::new("env");
        only_what_runs_it(&mut command);
        let given: Vec<&str> = command.get_envs().filter_map(|(name, _)| name.to_str()).collect();
        assert!(given.contains(&"PATH"), "{given:?}");
        assert!(given.iter().all(|name| KEPT.contains(name)), "{given:?}");
    }

    #[test]
    fn our_variables_are_those_that_begin_as_ours_do() {
        for (name, ours) in [
            ("LLMLOAD_API_KEY", true),
            ("LLMLOAD_HEADER", true),
            ("OPENAI_API_KEY", false),
        ] {
            assert_eq!(is_ours(OsStr::new(name)), ours, "{name}");
        }
    }
}
