//! Words that no command, option or argument answers to: what was probably meant, and what to type for it here.

use clap::Command;

use super::elsewhere::{Place, counterpart};
use super::words::{Line, is_plain};
use super::{profile_names, visible_options};
use crate::cli::{PROGRAM, command_names};
use crate::error::{Mistake, Reason, nearest, quoted};
use crate::plan::parse_goodput;
use crate::profiles;
use crate::units::redact;

/// Returns the mistake of an option, or of a word, that the command does not take.
pub fn argument(shown: &str, line: &Line) -> Mistake {
    if !shown.starts_with('-') {
        return stray_word(shown, line);
    }
    let word = as_typed(shown, line);
    let hint = tip(&word, line).unwrap_or_else(|| line.help());
    let what = match is_number(&word) {
        true => "a negative number without an option before it that takes one".to_owned(),
        false => format!("`{}` has no such option", line.path()),
    };
    Reason::new(what).hint(hint).at(word, 0)
}

/// clap shows the first letter of `-vus`, and nothing of a value.
fn as_typed(shown: &str, line: &Line) -> String {
    let is_letter = shown.len() == 2 && shown != "--";
    let cluster = |word: &&String| word.starts_with(shown) && !word.starts_with("--");
    let typed = line.words.iter().find(cluster).filter(|_| is_letter);
    typed
        .map_or(shown, |word| word.split('=').next().unwrap_or(shown))
        .to_owned()
}

fn is_number(word: &str) -> bool {
    word[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// Returns what to type in place of an unknown option, if that can be told.
fn tip(word: &str, line: &Line) -> Option<String> {
    if is_number(word) {
        return Some(format!(
            "put it after the option that it belongs to; {}",
            line.help()
        ));
    }
    let place = place(line);
    let own = visible_options(line.command());
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let long = format!(
        "--{}",
        word.trim_start_matches('-').replace('_', "-").to_lowercase()
    );
    if own.contains(&long.as_str()) && long != *word {
        return Some(format!("write `{long}`"));
    }
    let begun: Vec<&&str> = own
        .iter()
        .filter(|name| long.len() > 4 && name.starts_with(&long))
        .collect();
    let value = line.value_of(word);
    if let Some(tip) = counterpart(place, word, value)
        .or_else(|| counterpart(place, &word[..2], value).filter(|_| !word.starts_with("--")))
    {
        return Some(tip);
    }
    if let [meant] = begun[..] {
        return Some(format!("did you mean `{meant}`? Names are written in full"));
    }
    let near = nearest(&long, &own).filter(|_| long.len() > 4);
    let near = || near.map(|meant| format!("did you mean `{meant}`?"));
    of_another_command(word, line).or_else(near)
}

fn place(line: &Line) -> Place {
    let is_search = line.commands.iter().any(|name| name == "find-limit");
    if line.is_run() {
        return if is_search { Place::FindLimit } else { Place::Run };
    }
    match line.commands.first().map(String::as_str) {
        Some("mock") => Place::Mock,
        Some("compare") => Place::Compare,
        Some("import-k6") => Place::ImportK6,
        Some("import-inference-perf") => Place::ImportInferencePerf,
        Some("import") => match line.commands.get(1).map(String::as_str) {
            Some("k6") => Place::ImportK6,
            _ => Place::ImportInferencePerf,
        },
        Some("probe") => Place::Probe,
        Some("merge") => Place::Merge,
        Some("baseline") => Place::Baseline,
        _ => Place::Other,
    }
}

/// Returns whose option it is, if it is that of a run or of another command.
fn of_another_command(word: &str, line: &Line) -> Option<String> {
    let has = |command: &Command| {
        let mut args = command.get_arguments().filter(|arg| !arg.is_hide_set());
        args.any(|arg| {
            arg.get_long().is_some_and(|long| word == format!("--{long}"))
                || arg.get_short().is_some_and(|short| word == format!("-{short}"))
        })
    };
    let help = line.help();
    if !line.is_run() && has(&line.root) {
        return Some(format!(
            "it is an option of a run: `{PROGRAM} PROFILE {word} …`; {help}"
        ));
    }
    let others = line.root.get_subcommands().filter(|sub| !sub.is_hide_set());
    let name = others
        .filter(|sub| has(sub))
        .map(Command::get_name)
        .find(|name| *name != "run")?;
    Some(format!("it is an option of `{PROGRAM} {name}`; {help}"))
}

/// Returns the mistake of a word in the place of a subcommand.
pub fn command(word: &str, line: &Line) -> Mistake {
    let in_help = line.words.first().is_some_and(|first| first == "help");
    let command = line.command();
    let parent = if in_help { &line.root } else { command };
    let shown = parent.get_subcommands().filter(|sub| !sub.is_hide_set());
    let names: Vec<&str> = shown
        .map(Command::get_name)
        .filter(|name| *name != "help")
        .collect();
    let path = if in_help {
        format!("{PROGRAM} help")
    } else {
        line.path()
    };
    let what = format!("`{path}` has no command {}", quoted(word));
    let is_profile = profiles::text(word).is_some() || word.contains('/');
    let hint = match (nearest(word, &names), &names[..]) {
        (Some(meant), _) => format!("did you mean `{path} {meant}`?"),
        (None, [only]) if is_profile => format!("write `{path} {only} {word}`"),
        (None, [only]) if !in_help => format!("its only command is `{only}`: `{path} {only} …`"),
        (None, _) if in_help && is_profile => format!("`{PROGRAM} profiles show {word}` prints the profile"),
        (None, _) => format!("its commands are {}", names.join(", ")),
    };
    Reason::new(what).hint(hint).into()
}

/// Returns the mistake of a word that is too many.
pub fn stray_word(word: &str, line: &Line) -> Mistake {
    if !line.is_run() {
        let hint = match word.contains("://") && place(line) == Place::Mock {
            true => "the mock listens at an address: `--listen 127.0.0.1:8080`".to_owned(),
            false => format!("its form is `{}`; {}", line.usage(), line.help()),
        };
        let what = format!("`{}` takes no further word", line.path());
        return Reason::new(what).hint(hint).at(quoted(word), 0);
    }
    if let Some(option) = word.strip_prefix(['–', '—']) {
        let what = "begins with a dash of a text processor, not with `-`";
        let name = option.trim_start_matches(['-', '–', '—']);
        return Reason::new(what)
            .hint(format!("write `--{name}`"))
            .at(quoted(word), 0);
    }
    let profile = line.first_word();
    let before = line
        .words
        .iter()
        .position(|typed| typed == word)
        .and_then(|at| at.checked_sub(1));
    let flag = before
        .map(|at| line.words[at].as_str())
        .filter(|before| before.starts_with('-') && *before != "--");
    if let Some(word) = [word, profile].into_iter().find(|word| is_limit(word)) {
        return url_in_place_of_profile(word, profile);
    }
    if looks_like_url(word) {
        return url_in_place_of_profile(word, profile);
    }
    let what = match command_names().iter().any(|name| name == word) {
        true => "this is a command, which has to come first".to_owned(),
        false if flag.is_some() => format!(
            "`{}` takes no value, but the profile was given",
            flag.unwrap_or_default()
        ),
        false => format!(
            "only one profile at a time, and {} was already given",
            quoted(profile)
        ),
    };
    let commands = command_names();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let hint = match nearest(profile, &commands).filter(|_| profiles::text(profile).is_none()) {
        Some(meant) => format!("did you mean the command `{meant}`?"),
        None if commands.contains(&word) => format!("write `{PROGRAM} {word} …`"),
        None => format!("profiles are {}", profile_names()),
    };
    Reason::new(what).hint(hint).at(quoted(word), 0)
}

/// Tells whether a word is a limit of goodput, several of which `vllm bench serve` takes as words of their own.
fn is_limit(word: &str) -> bool {
    word.contains(':') && parse_goodput(word).is_ok()
}

/// Returns the mistake of a URL, or of a limit of goodput, among the words, where a profile is expected.
pub fn url_in_place_of_profile(word: &str, profile: &str) -> Mistake {
    if is_limit(word) {
        let what = "stands alone: all limits of goodput are one value";
        let hint = "write them in quotes: `--goodput 'ttft:500 tpot:30'`";
        return Reason::new(what).hint(hint).at(quoted(word), 0);
    }
    let profile = match profile.is_empty() || looks_like_url(profile) {
        true => "quick-smoke",
        false => profile,
    };
    let shown = redact(word);
    let url = match (is_plain(word), word.contains("://")) {
        (true, true) => word.to_owned(),
        (true, false) => format!("http://{word}"),
        (false, _) => "URL".to_owned(),
    };
    let hint = format!("the server is given by `--target`: `{PROGRAM} {profile} --target {url}`");
    Reason::new("a URL is not a profile")
        .hint(hint)
        .at(quoted(&shown), 0)
}

/// Tells whether a word in the place of a profile is an address of a server, or a limit.
pub fn looks_like_url(word: &str) -> bool {
    let port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let has_port = word.split('/').next().and_then(|host| host.rsplit_once(':'));
    let is_http = word.starts_with("http://") || word.starts_with("https://");
    is_http || has_port.is_some_and(|(_, end)| port(end)) || is_limit(word)
}
