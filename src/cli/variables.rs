//! `LLMLOAD_…` variables that no option reads: mistyped, they would be ignored in silence.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory};

use super::Cli;
use super::refused::variable_for;
use crate::error::{nearest, printable};

const PREFIX: &str = "LLMLOAD_";
/// The prefix, after `PREFIX`, of variables of the program's own tests.
const OF_TESTS: &str = "TEST_";
/// `--target` is the only option whose variable has another name.
const TARGET: &str = "TARGET_URL";
const NAME_CHARS_MAX: usize = 80;

/// Returns a line for each of `names` that begins like ours but is not read by an option of any command, with the
/// nearest one that is.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect(&Cli::command(), &mut known);
    let words: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut unknown: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned()))
        .filter(|name| !name.starts_with(OF_TESTS) && !known.contains(name))
        .collect();
    unknown.sort();
    let line = |name: String| {
        let shown = printable(&name, NAME_CHARS_MAX);
        // LLMLOAD_URL is the target, and no other word that resembles it.
        let counterpart =
            variable_for(&name).map(|name| if name == "TARGET" { TARGET.to_owned() } else { name });
        let counterpart = counterpart.filter(|name| known.contains(name));
        let meant = counterpart.as_deref().or_else(|| nearest(&name, &words));
        let meant = meant.map_or(String::new(), |word| format!("; did you mean {PREFIX}{word}?"));
        format!("warning: no option reads the environment variable {PREFIX}{shown}{meant}")
    };
    unknown.into_iter().map(line).collect()
}

/// Collects the names without the prefix, so that `nearest` compares only what differs.
fn collect(command: &Command, into: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    into.extend(variables.filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned())));
    for below in command.get_subcommands() {
        collect(below, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(names: &[&str]) -> Vec<String> {
        unknown_variables(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn variables_of_options_and_of_others_are_not_warned_about() {
        let known = [
            "LLMLOAD_VUS",
            "LLMLOAD_API_KEY",
            "LLMLOAD_BASELINES",
            "LLMLOAD_PUSHGATEWAY_PASSWORD",
        ];
        assert_eq!(warned(&known), Vec::<String>::new());
        assert_eq!(
            warned(&["PATH", "LLMLOAD", "XLLMLOAD_VUS", "LLMLOAD_TEST_LOSE"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_mistyped_variable_is_named_with_its_nearest() {
        assert_eq!(
            warned(&[
                "LLMLOAD_VUSS",
                "LLMLOAD_APIKEY",
                "LLMLOAD_URL",
                "LLMLOAD_CONCURRENCY",
                "LLMLOAD_ZZZZZZ"
            ]),
            [
                "warning: no option reads the environment variable LLMLOAD_APIKEY; did you mean LLMLOAD_API_KEY?",
                "warning: no option reads the environment variable LLMLOAD_CONCURRENCY; did you mean LLMLOAD_VUS?",
                "warning: no option reads the environment variable LLMLOAD_URL; did you mean LLMLOAD_TARGET_URL?",
                "warning: no option reads the environment variable LLMLOAD_VUSS; did you mean LLMLOAD_VUS?",
                "warning: no option reads the environment variable LLMLOAD_ZZZZZZ",
            ]
        );
        assert!(!warned(&["LLMLOAD_\u{1b}[2J"])[0].contains('\u{1b}'));
    }
}
