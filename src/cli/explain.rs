//! Better messages for bad command lines for which clap's own message leaves out what the user needs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, Error};

use super::Cli;
use crate::error::{escape, is_unsafe, lossless, nearest, one_line, quoted};
use crate::profiles;

/// Returns the same error or a clearer one, safe for a terminal. `env` looks up an environment variable.
pub fn explain(
    error: Error,
    words: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<String>,
) -> Error {
    let words: Vec<String> = words
        .skip(1)
        .map(|w| lossless(w.as_bytes()).into_owned())
        .collect();
    match two_profiles(&words) {
        Some(second) if is_conflict(&error) => two_profiles_error(&words[0], second),
        _ => safe(name_the_variable(error, &words, env)),
    }
}

/// Makes a message safe to show: clap repeats what was typed unchanged.
fn safe(mut error: Error) -> Error {
    let line = |text: &String| one_line(text).into_owned();
    // Tips are styled text that quotes what was typed. They keep their style if nothing is hidden in them.
    let plain = |tip: &StyledStr| match tip.to_string() {
        text if text.lines().any(|line| line.contains(is_unsafe)) => {
            StyledStr::from(escape(&text).into_owned())
        }
        _ => tip.clone(),
    };
    let context: Vec<(ContextKind, ContextValue)> = error
        .context()
        .map(|(kind, value)| {
            let value = match value {
                ContextValue::String(text) => ContextValue::String(line(text)),
                ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(line).collect()),
                ContextValue::StyledStr(tip) => ContextValue::StyledStr(plain(tip)),
                ContextValue::StyledStrs(tips) => ContextValue::StyledStrs(tips.iter().map(plain).collect()),
                other => other.clone(),
            };
            (kind, value)
        })
        .collect();
    for (kind, value) in context {
        error.insert(kind, value);
    }
    error
}

fn is_conflict(error: &Error) -> bool {
    use ErrorKind::{ArgumentConflict, InvalidSubcommand, UnknownArgument};
    matches!(
        error.kind(),
        ArgumentConflict | InvalidSubcommand | UnknownArgument
    )
}

/// Returns the second of two words at the beginning if both name a profile, or could.
fn two_profiles(words: &[String]) -> Option<&str> {
    let [first, second, ..] = words else { return None };
    let is_option = |word: &str| word.starts_with('-');
    let is_command = |word: &str| Cli::command().find_subcommand(word).is_some();
    (!is_option(first) && !is_option(second) && !is_command(first)).then_some(second)
}

fn two_profiles_error(first: &str, second: &str) -> Error {
    let command = Cli::command();
    let what = match command.find_subcommand(second) {
        Some(_) => format!("{}: this is a command, which has to come first", quoted(second)),
        None => format!(
            "{}: only one profile at a time, and {} was already given",
            quoted(second),
            quoted(first)
        ),
    };
    let known: Vec<&str> = profiles::names().collect();
    let commands: Vec<&str> = command.get_subcommands().map(|sub| sub.get_name()).collect();
    let hint = match nearest(first, &commands) {
        Some(meant) if !known.contains(&first) => format!("\nhint: did you mean the command `{meant}`?"),
        _ => format!("\nhint: profiles are {}", known.join(", ")),
    };
    Cli::command().error(ErrorKind::ArgumentConflict, format!("{what}{hint}"))
}

/// Names the variable when a wrong value came from the environment: clap blames the option, which nobody typed.
fn name_the_variable(mut error: Error, words: &[String], env: impl Fn(&str) -> Option<String>) -> Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (Some(shown), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue)) else {
        return error;
    };
    let command = Cli::command();
    let found = command
        .get_arguments()
        .find(|arg| is_shown_as(arg, &shown) && !is_typed(arg, words));
    let name = found
        .and_then(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned());
    if let Some(name) = name
        && env(&name) == Some(value)
    {
        let tip = StyledStr::from(format!("the value comes from the environment variable {name}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// Tells whether clap shows this option as `shown`, for example as `--vus <N>`.
fn is_shown_as(arg: &Arg, shown: &str) -> bool {
    let first = shown.split([' ', '=', '[']).next().unwrap_or("");
    arg.get_long()
        .is_some_and(|long| first.strip_prefix("--") == Some(long))
}

fn is_typed(arg: &Arg, words: &[String]) -> bool {
    let long = arg.get_long().map(|long| format!("--{long}"));
    words.iter().any(|word| {
        let name = word.split('=').next().unwrap_or("");
        let is_long = long.as_deref() == Some(name);
        let is_short = arg
            .get_short()
            .is_some_and(|c| word.starts_with(&format!("-{c}")) && !word.starts_with("--"));
        is_long || is_short
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_command_with_arguments_gets_the_command_suggested() {
        let text = explained("comapre a.json b.json");
        assert!(text.contains("did you mean the command `compare`?"), "{text}");
        let text = explained("smoke load");
        assert!(text.contains("profiles are quick-smoke, smoke"), "{text}");
    }

    fn explained(line: &str) -> String {
        explained_with(line, |_| None)
    }

    fn explained_with(line: &str, env: impl Fn(&str) -> Option<String>) -> String {
        let words = || {
            std::iter::once("llmload-uring")
                .chain(line.split(' '))
                .map(OsString::from)
        };
        let error = Cli::command().try_get_matches_from(words()).unwrap_err();
        let error = explain(error, words(), env);
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_second_profile_is_refused_by_name() {
        let text = explained("quick-smoke high-concurrency --vus 3");
        assert!(
            text.starts_with(
                "error: `high-concurrency`: only one profile at a time, and `quick-smoke` was already given"
            ),
            "{text}"
        );
        assert!(text.contains("hint: profiles are "), "{text}");
        assert!(
            explained("quick-smoke mock")
                .starts_with("error: `mock`: this is a command, which has to come first")
        );
    }

    #[test]
    fn a_wrong_value_from_the_environment_names_the_variable() {
        // clap has to see the wrong value, so it is typed here; the environment is made up.
        let error = || {
            Cli::command()
                .try_get_matches_from(["x", "quick-smoke", "--vus", "abc"])
                .unwrap_err()
        };
        let env = |name: &str| (name == "LLMLOAD_VUS").then(|| "abc".to_owned());
        let words = |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
        let from_env = explain(error(), words(&["x", "quick-smoke"]).into_iter(), env);
        let text = from_env.to_string();
        assert!(text.contains("environment variable LLMLOAD_VUS"), "{text}");
        let typed = explain(error(), words(&["x", "quick-smoke", "-uabc"]).into_iter(), env);
        assert!(!typed.to_string().contains("LLMLOAD_VUS"));
        let other = explain(error(), words(&["x", "quick-smoke"]).into_iter(), |_| {
            Some("7".to_owned())
        });
        assert!(!other.to_string().contains("LLMLOAD_VUS"));
    }

    #[test]
    fn errors_escape_control_characters_that_were_typed() {
        let hostile = crate::error::HOSTILE;
        for line in [
            format!("smoke --vus {hostile}"),
            format!("smoke --{hostile}"),
            format!("smoke --vus 1 --vus=2{hostile}"),
            format!("smoke load{hostile}"),
            format!("compare a b --format {hostile}"),
            format!("compare a b --fail-on {hostile}"),
            format!("smoke --shard {hostile}"),
            format!("probe --vus 3 {hostile}"),
            format!("profiles {hostile}"),
        ] {
            let text = explained(&line);
            assert!(
                !text.lines().any(|line| line.contains(is_unsafe)),
                "{line:?}: {text:?}"
            );
        }
    }

    #[test]
    fn other_mistakes_keep_the_text_of_clap() {
        assert!(explained("quick-smoke --no-such-option").contains("--no-such-option"));
        assert!(explained("quick-smoke --vus abc").contains("invalid value 'abc' for '--vus <N>'"));
    }
}
