//! Scripts by which shells complete what is typed: commands, options, the values that an option knows, profiles, and
//! files where files go. Nothing hidden is in them. They are made from the commands as they are, and need no other
//! program.

mod bash;
mod fish;
mod zsh;

use clap::{Arg, Command};
use clap_complete::Shell;

use crate::cli::PROGRAM;
use crate::cli::refused::{root, takes_value};
use crate::profiles;

/// What may stand in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    /// A text of one's own.
    Any,
    Words(Vec<String>),
    Files,
    Folders,
    /// A profile, or the file of one.
    Profiles,
}

struct Choice {
    /// With its dashes.
    long: String,
    short: Option<String>,
    about: String,
    /// `None` for a flag.
    values: Option<Values>,
}

/// A command, with what may follow it.
struct Level {
    /// The words of the command, separated by blanks; empty for the program itself.
    path: String,
    commands: Vec<(String, String)>,
    options: Vec<Choice>,
    places: Vec<Values>,
    /// Whether the last place may be filled again and again.
    repeats: bool,
}

impl Level {
    /// Returns the names of the options that wait for a value.
    fn valued(&self) -> Vec<&str> {
        let valued = self.options.iter().filter(|option| option.values.is_some());
        valued.flat_map(Choice::names).collect()
    }
}

impl Choice {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.long.as_str()).chain(self.short.as_deref())
    }
}

/// Returns the script that completes this program's commands and options in `shell`.
pub fn script(shell: Shell) -> Vec<u8> {
    let levels = levels();
    match shell {
        Shell::Bash => bash::script(&levels).into_bytes(),
        Shell::Zsh => zsh::script(&levels).into_bytes(),
        Shell::Fish => fish::script(&levels).into_bytes(),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut visible(&root()), PROGRAM, &mut script);
            script
        }
    }
}

/// Returns the command without what is hidden.
fn visible(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let below = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    // clap keeps names for as long as the program runs.
    Command::new(&*Box::leak(command.get_name().to_owned().into_boxed_str()))
        .about(about)
        .args(command.get_arguments().filter(shown).cloned())
        .subcommands(below.map(visible))
}

fn levels() -> Vec<Level> {
    let root = root();
    let mut levels = Vec::new();
    add(&root, "", &mut levels);
    let commands = levels[0].commands.iter().map(|(name, _)| name.clone());
    let names = Values::Words(commands.filter(|name| name != "help").collect());
    levels.push(Level {
        path: "help".to_owned(),
        commands: Vec::new(),
        options: Vec::new(),
        places: vec![names],
        repeats: false,
    });
    levels
}

fn add(command: &Command, path: &str, levels: &mut Vec<Level>) {
    let below: Vec<&Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .collect();
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (options, places): (Vec<&Arg>, Vec<&Arg>) = shown.partition(|arg| arg.get_long().is_some());
    let mut places: Vec<&Arg> = places.into_iter().filter(|arg| arg.is_positional()).collect();
    places.sort_by_key(|arg| arg.get_index());
    levels.push(Level {
        path: path.to_owned(),
        commands: below
            .iter()
            .map(|sub| (sub.get_name().to_owned(), first_line(sub.get_about())))
            .collect(),
        options: options.iter().flat_map(|arg| choices(arg)).collect(),
        places: places.iter().map(|arg| values(arg, path)).collect(),
        repeats: places
            .last()
            .is_some_and(|arg| arg.get_num_args().is_some_and(|n| n.max_values() > 1)),
    });
    for sub in below.iter().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        add(sub, path.trim_start(), levels);
    }
}

/// Returns an option under its name and under the others that help shows.
fn choices(arg: &Arg) -> Vec<Choice> {
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    let names = arg.get_long().into_iter().chain(aliases);
    names
        .enumerate()
        .map(|(index, long)| Choice {
            long: format!("--{long}"),
            short: arg
                .get_short()
                .filter(|_| index == 0)
                .map(|short| format!("-{short}")),
            about: first_line(arg.get_help()),
            values: takes_value(arg).then(|| values(arg, "")),
        })
        .collect()
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Returns what an argument takes. Its name in the help says whether it is a file.
fn values(arg: &Arg, path: &str) -> Values {
    let known = arg.get_possible_values();
    if !known.is_empty() {
        return Values::Words(known.iter().map(|value| value.get_name().to_owned()).collect());
    }
    let name = arg.get_value_names().and_then(|names| names.first());
    let profiles = || Values::Words(profiles::names().map(str::to_owned).collect());
    match (path, name.map_or("", |name| name.as_str())) {
        ("profiles show", _) => profiles(),
        (_, "PROFILE") if arg.is_positional() => Values::Profiles,
        (_, "PROFILE") => profiles(),
        (_, "FILE" | "FILE.svg" | "BASE" | "NEW") => Values::Files,
        (_, "DIR" | "FOLDER") => Values::Folders,
        _ => Values::Any,
    }
}

/// Returns the words that a place is completed with, and the letter by which `compgen` knows the files in it.
fn words_and_files(values: &Values) -> (Vec<String>, &'static str) {
    match values {
        Values::Any => (Vec::new(), ""),
        Values::Words(words) => (words.clone(), ""),
        Values::Files => (Vec::new(), "f"),
        Values::Folders => (Vec::new(), "d"),
        Values::Profiles => (profiles::names().map(str::to_owned).collect(), "f"),
    }
}

/// Returns all pairs of a command and one below it, as `CONFIG/CHECK`.
fn steps(levels: &[Level]) -> Vec<String> {
    let steps = |level: &Level| -> Vec<String> {
        level
            .commands
            .iter()
            .map(|(name, _)| format!("{}/{name}", level.path))
            .collect()
    };
    levels
        .iter()
        .flat_map(steps)
        .filter(|step| !step.ends_with("/help") || step == "/help")
        .collect()
}

/// Puts a text between single quotes, for any of the shells.
fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "’"))
}

#[cfg(test)]
#[path = "completions_tests.rs"]
mod tests;
