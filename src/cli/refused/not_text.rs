//! Finds the word or the variable that is not UTF-8 text: clap does not say where it is. The value is never shown,
//! because it may be a key.

use clap::builder::ValueParser;

use super::{Line, variable_place};
use crate::error::{Mistake, Reason};

/// Returns the mistake at the first such word, else at the first such variable of an option that was not typed.
pub fn not_text(line: &Line) -> Mistake {
    let reason = || Reason::new("the value is not UTF-8 text").hint("only paths may have other bytes");
    let typed = line.not_text.first().map(|at| place_of_word(line, *at));
    match typed.or_else(|| variable(line)) {
        Some(place) => reason().at(place, 0),
        None => reason().into(),
    }
}

/// Returns the option whose value the word is, or its place on the line.
fn place_of_word(line: &Line, at: usize) -> String {
    let word = &line.words[at];
    let before = at.checked_sub(1).map(|before| line.words[before].as_str());
    match (word.starts_with('-'), before) {
        (true, _) => word.split('=').next().unwrap_or_default().to_owned(),
        (false, Some(option)) if option.starts_with('-') && !option.contains('=') => option.to_owned(),
        (false, _) => format!("word {} of the command line", at + 1),
    }
}

fn variable(line: &Line) -> Option<String> {
    let is_path = |arg: &clap::Arg| arg.get_value_parser().type_id() == ValueParser::path_buf().type_id();
    let mut args = line.command().get_arguments();
    let arg = args.find(|arg| {
        let is_other = |name| std::env::var_os(name).is_some_and(|value| value.to_str().is_none());
        arg.get_env().is_some_and(is_other) && !is_path(arg) && !line.is_typed(arg)
    })?;
    Some(variable_place(&arg.get_env()?.to_string_lossy()))
}
