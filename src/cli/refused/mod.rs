//! Reports a command line that cannot be used in the form and with the exit codes of all other mistakes, instead of
//! clap's, which blame options that were not typed and give tips that do not help.

mod elsewhere;
mod not_text;
mod unknown;
mod words;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, Error};

use crate::cli::Cli;
use crate::error::{ExitCode, Failure, Mistake, Reason, ValueError, nearest, quoted};
use crate::profiles;
pub use elsewhere::variable_for;
pub use unknown::{looks_like_url, url_in_place_of_profile};
pub use words::{Line, join_negative_numbers};

/// Returns the failure that a mistake of the command line is. `env` looks up an environment variable.
pub fn refused(error: &Error, line: &Line, env: impl Fn(&str) -> Option<String>) -> Failure {
    let usage = |mistake: Mistake| Failure::new(ExitCode::Usage, mistake);
    match error.kind() {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (exit, mut reason) = wrong_value(error);
            if reason.hint.is_none() {
                reason = reason.hint(line.form_of(&option_name(error)));
            }
            Failure::new(exit, reason.at(place_of_value(error, line, env), 0))
        }
        ErrorKind::UnknownArgument => usage(unknown::argument(&text(error, ContextKind::InvalidArg), line)),
        ErrorKind::InvalidSubcommand => usage(unknown::command(
            &text(error, ContextKind::InvalidSubcommand),
            line,
        )),
        ErrorKind::ArgumentConflict => usage(conflict(error, line)),
        ErrorKind::MissingRequiredArgument => usage(missing(error, line)),
        ErrorKind::TooManyValues => {
            let value = text(error, ContextKind::InvalidValue);
            let what = format!("takes no value, but {} was given", quoted(&value));
            usage(
                Reason::new(what)
                    .hint("leave out `=` and what follows")
                    .at(option_name(error), 0),
            )
        }
        ErrorKind::InvalidUtf8 => usage(not_text::not_text(line)),
        _ => {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            let what = first.strip_prefix("error: ").unwrap_or(first);
            usage(Reason::new(what).hint(line.help()).into())
        }
    }
}

/// Returns a text, or the first of several, that clap knows of the mistake.
fn text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// Returns the name of the option that clap shows as `--vus <N>`, or of the argument that it shows as `<SHELL>`.
fn option_name(error: &Error) -> String {
    let shown = text(error, ContextKind::InvalidArg);
    let name = match shown.starts_with('-') {
        true => shown.split([' ', '=', '[']).next().unwrap_or_default(),
        false => shown.trim_matches(['<', '>', '[', ']', '.']),
    };
    name.to_owned()
}

fn wrong_value(error: &Error) -> (ExitCode, Reason) {
    let value = text(error, ContextKind::InvalidValue);
    if let Some(source) = std::error::Error::source(error) {
        if let Some(error) = source.downcast_ref::<ValueError>() {
            return (error.exit(), error.reason().clone());
        }
        let what = format!("{}: {source}", quoted(&value));
        let hint = "write `true` or `false`";
        return match source.to_string().contains("boolean") {
            true => (
                ExitCode::Usage,
                Reason::new(format!("{} is neither true nor false", quoted(&value))).hint(hint),
            ),
            false => (ExitCode::Usage, Reason::new(what)),
        };
    }
    let known = texts(error, ContextKind::ValidValue);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let list = known.join(", ");
    let reason = match (value.is_empty(), nearest(&value, &known)) {
        (true, _) if known.is_empty() => Reason::new("a value is missing"),
        (true, _) => Reason::new("a value is missing").hint(format!("write one of {list}")),
        (false, Some(meant)) => {
            let what = format!("{} is not one of its values", quoted(&value));
            Reason::new(what).hint(format!("did you mean `{meant}`? its values are {list}"))
        }
        (false, None) => {
            let what = format!("{} is not one of its values", quoted(&value));
            Reason::new(what).hint(format!("its values are {list}"))
        }
    };
    (ExitCode::Usage, reason)
}

/// Returns the place of a wrong value: its option, or a variable, for which clap blames the option as well.
fn place_of_value(error: &Error, line: &Line, env: impl Fn(&str) -> Option<String>) -> String {
    let name = option_name(error);
    let value = text(error, ContextKind::InvalidValue);
    match line.variable_of(&name) {
        Some(variable) if env(&variable).as_ref() == Some(&value) => variable_place(&variable),
        _ => name,
    }
}

/// Returns the place of a mistake at `option`, if its value comes from a variable that `is_set`.
pub fn place_in_environment(option: &str, line: &Line, is_set: impl Fn(&str) -> bool) -> Option<String> {
    // The name that k6 scripts use for the target comes second.
    let others = (option == "--target").then_some("--k6-target-url");
    let variables = std::iter::once(option)
        .chain(others)
        .filter_map(|name| line.variable_of(name));
    let typed = others.is_some() && line.variable_of(option).is_none();
    variables
        .into_iter()
        .find(|name| !typed && is_set(name))
        .map(|name| variable_place(&name))
}

/// Returns the place of a mistake in a variable.
fn variable_place(variable: &str) -> String {
    format!("environment variable {variable}")
}

fn conflict(error: &Error, line: &Line) -> Mistake {
    let stray = text(error, ContextKind::InvalidSubcommand);
    if stray.is_empty() {
        return match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(prior)) if *prior == text(error, ContextKind::InvalidArg) => {
                Reason::new("is given twice")
                    .hint("give it once")
                    .at(option_name(error), 0)
            }
            _ => {
                let other = text(error, ContextKind::PriorArg);
                let what = format!("contradicts {}", quoted(&other));
                Reason::new(what)
                    .hint("remove one of them")
                    .at(option_name(error), 0)
            }
        };
    }
    unknown::stray_word(&stray, line)
}

fn missing(error: &Error, line: &Line) -> Mistake {
    let names: Vec<String> = texts(error, ContextKind::InvalidArg);
    if line.is_run() {
        let command = line.path();
        let options = line.options_typed();
        let what = "a profile is missing, which gives the load to make";
        let hint = format!(
            "for example `{command} quick-smoke{options}`; `llmload-uring profiles` lists the profiles, \
             `--config FILE` runs a document"
        );
        return Reason::new(what).hint(hint).into();
    }
    let shown: Vec<String> = names
        .iter()
        .map(|name| name.trim_matches('.').replace(['<', '>'], ""))
        .collect();
    let verb = if shown.len() == 1 { "is" } else { "are" };
    let what = format!("{} {verb} missing", shown.join(" and "));
    let usage = line.usage();
    Reason::new(what)
        .hint(format!("write `{usage}`; {}", line.help()))
        .at(line.path(), 0)
}

/// Returns the options of a command that a user may see, with two dashes.
fn visible_options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown
        .filter_map(|arg| arg.get_long())
        .map(|long| format!("--{long}"))
        .collect()
}

/// Tells whether a value has to follow an option.
pub fn takes_value(arg: &clap::Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn profile_names() -> String {
    profiles::names().collect::<Vec<&str>>().join(", ")
}

/// Returns the program with all its commands, as clap completes them.
pub fn root() -> Command {
    let mut root = <Cli as clap::CommandFactory>::command();
    root.build();
    root
}

#[cfg(test)]
#[path = "refused_tests.rs"]
mod tests;
