//! The words of a command line as they were typed, and the command that they belong to.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

use super::{root, takes_value};
use crate::cli::PROGRAM;
use crate::error::lossless;

/// A command line as it was typed.
pub struct Line {
    /// Without the program's name.
    pub words: Vec<String>,
    /// Where words are that are not UTF-8 text; they are shown with escapes in `words`.
    pub not_text: Vec<usize>,
    pub root: Command,
    /// The names of the command and its subcommand; empty for a run that begins with its profile.
    pub commands: Vec<String>,
}

impl Line {
    /// Reads the words, the first of which is the program's name.
    pub fn new(words: &[OsString]) -> Line {
        let is_other = |(_, word): &(usize, &OsString)| word.to_str().is_none();
        let not_text = words.iter().skip(1).enumerate().filter(is_other);
        let not_text = not_text.map(|(at, _)| at).collect();
        let words: Vec<String> = words
            .iter()
            .skip(1)
            .map(|word| lossless(word.as_bytes()).into_owned())
            .collect();
        let root = root();
        let mut commands = Vec::new();
        let mut current = &root;
        for word in words.iter().take_while(|word| !word.starts_with('-')) {
            match current.find_subcommand(word) {
                Some(found) => {
                    commands.push(word.clone());
                    current = found;
                }
                None => break,
            }
        }
        Line {
            words,
            not_text,
            root,
            commands,
        }
    }

    /// Returns the command that the words belong to.
    pub fn command(&self) -> &Command {
        let below = |command: &'_ Command, name: &String| command.find_subcommand(name).is_some();
        let mut current = &self.root;
        for name in &self.commands {
            if below(current, name) {
                current = current.find_subcommand(name).unwrap_or(current);
            }
        }
        current
    }

    /// Tells whether this is a run or the check of one, which has the same options.
    pub fn is_run(&self) -> bool {
        let names: Vec<&str> = self.commands.iter().map(String::as_str).collect();
        matches!(names[..], [] | ["run"] | ["config", "check"] | ["find-limit"])
    }

    /// Returns the program with its command, as it has to be typed.
    pub fn path(&self) -> String {
        let names: String = self.commands.iter().map(|name| format!(" {name}")).collect();
        format!("{PROGRAM}{names}")
    }

    /// Returns where to read on.
    pub fn help(&self) -> String {
        format!("`{} --help` shows what it takes", self.path())
    }

    /// Returns how the command is used, in one line.
    pub fn usage(&self) -> String {
        let mut command = self.command().clone();
        let usage = command.render_usage().to_string();
        let first = usage.lines().next().unwrap_or_default();
        first.trim_start_matches("Usage: ").to_owned()
    }

    /// Returns how an option is written, with the first sentence of its help.
    pub fn form_of(&self, option: &str) -> String {
        let mut args = self.command().get_arguments();
        let Some(arg) = args.find(|arg| arg.get_long().is_some_and(|long| option == format!("--{long}")))
        else {
            return self.help();
        };
        let names = arg.get_value_names().unwrap_or_default();
        let names: String = names.iter().map(|name| format!(" {name}")).collect();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        format!("write `{option}{names}`: {help}")
    }

    /// Returns the options of a run as they were typed, if they may be repeated: short, plain, and without a secret.
    pub fn options_typed(&self) -> String {
        let words = &self.words[self.commands.len().min(self.words.len())..];
        let text: String = words.iter().map(|word| format!(" {word}")).collect();
        let plain = words.iter().all(|word| is_plain(word));
        if plain && text.len() <= 60 {
            text
        } else {
            String::new()
        }
    }

    /// Returns the word that is neither an option nor the value of one, behind the command: the profile of a run.
    pub fn first_word(&self) -> &str {
        let words = &self.words[self.commands.len().min(self.words.len())..];
        let mut is_value = false;
        for word in words {
            if !is_value && !word.starts_with('-') {
                return word;
            }
            is_value = !is_value && wants_value(&self.root, &OsString::from(word));
        }
        ""
    }

    /// Returns the value that was typed for `option`, if it may be repeated.
    pub fn value_of(&self, option: &str) -> Option<&str> {
        let prefix = format!("{option}=");
        let at = self
            .words
            .iter()
            .position(|word| word == option || word.starts_with(&prefix))?;
        let value = match self.words[at].strip_prefix(&prefix) {
            Some(value) => value,
            None => self.words.get(at + 1).filter(|word| !word.starts_with('-'))?,
        };
        is_plain(value).then_some(value)
    }

    /// Returns the variable of an option, if the option was not typed.
    pub fn variable_of(&self, option: &str) -> Option<String> {
        let long = option.strip_prefix("--")?;
        let mut args = self.command().get_arguments();
        let arg = args.find(|arg| arg.get_long() == Some(long))?;
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        (!self.is_typed(arg)).then_some(variable)
    }

    pub fn is_typed(&self, arg: &Arg) -> bool {
        let long = arg.get_long().map(|long| format!("--{long}"));
        self.words.iter().any(|word| {
            let name = word.split('=').next().unwrap_or_default();
            let is_long = long.as_deref() == Some(name);
            let is_short = arg
                .get_short()
                .is_some_and(|c| word.starts_with(&format!("-{c}")) && !word.starts_with("--"));
            is_long || is_short
        })
    }
}

/// Tells whether a word can be repeated in a hint: nothing to quote for a shell, and nothing that may be a secret.
pub fn is_plain(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.,:/=".contains(&b);
    !word.is_empty() && word.len() <= 60 && word.bytes().all(plain)
}

/// Joins an option and a negative number, which clap would take for another option: `--vus -5` becomes `--vus=-5`.
pub fn join_negative_numbers(words: Vec<OsString>) -> Vec<OsString> {
    let root = root();
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut options_end = false;
    for word in words {
        options_end |= word == "--";
        let bytes = word.as_bytes();
        let is_number = bytes.len() > 1
            && bytes[0] == b'-'
            && bytes[1..2].iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let before = joined
            .last()
            .filter(|before| is_number && !options_end && wants_value(&root, before));
        match before {
            Some(before) => {
                let whole = [before.as_bytes(), b"=", bytes].concat();
                joined.pop();
                joined.push(OsString::from_vec(whole));
            }
            None => joined.push(word),
        }
    }
    joined
}

/// Tells whether this is an option, of any command, that takes a value.
fn wants_value(command: &Command, word: &OsString) -> bool {
    let is_it = |arg: &Arg| {
        let long = arg.get_long().is_some_and(|long| *word == *format!("--{long}"));
        let short = arg.get_short().is_some_and(|short| *word == *format!("-{short}"));
        takes_value(arg) && (long || short)
    };
    command.get_arguments().any(is_it) || command.get_subcommands().any(|below| wants_value(below, word))
}
