//! The script for fish, 3 or later.

use super::{Choice, Level, Values, single, steps, words_and_files};

const HEAD: &str = r#"# Completions of llmload-uring for fish.

# Prints the command that was typed, and how many words without dashes follow it.
function __llmload_uring_at
    set -l words (commandline -opc)[2..-1]
    set -l command ''
    while set -q words[1]
        switch "$command/$words[1]"
            case STEPS
                set command (string trim "$command $words[1]")
                set -e words[1]
            case '*'
                break
        end
    end
    set -l count 0
    set -l wanted 0
    for word in $words
        if test $wanted = 1
            set wanted 0
        else if string match -q -- '-*' $word
            contains -- $word (__llmload_uring_valued $command)
            and set wanted 1
        else
            set count (math $count + 1)
        end
    end
    printf '%s\n' "$command" $count
end

function __llmload_uring_is
    set -l at (__llmload_uring_at)
    test "$at[1]" = "$argv[1]"
end

# Whether the word at place $argv[2], or at any from it on with a third argument, is to be typed.
function __llmload_uring_place
    set -l at (__llmload_uring_at)
    test "$at[1]" = "$argv[1]"
    or return 1
    test $at[2] = $argv[2]
    or begin
        set -q argv[3]
        and test $at[2] -ge $argv[2]
    end
end

"#;

pub fn script(levels: &[Level]) -> String {
    let steps: Vec<String> = steps(levels).iter().map(|step| single(step)).collect();
    let mut out = HEAD.replace("STEPS", &steps.join(" "));
    out.push_str("function __llmload_uring_valued\n    switch \"$argv\"\n");
    for level in levels {
        let names = level.valued().join(" ");
        let path = single(&level.path);
        if !names.is_empty() {
            out.push_str(&format!(
                "        case {path}\n            string split -- ' ' '{names}'\n"
            ));
        }
    }
    out.push_str("    end\nend\n\ncomplete -c llmload-uring -f\n");
    for level in levels {
        out.push_str(&of(level));
    }
    out
}

fn of(level: &Level) -> String {
    let mut out = String::new();
    let mut line = |condition: String, rest: String| {
        let condition = condition.replace('\'', "\\'");
        out.push_str(&format!("complete -c llmload-uring -n '{condition}' {rest}\n"));
    };
    let place = |at: usize, more: &str| format!("__llmload_uring_place '{}' {at}{more}", level.path);
    for (name, about) in &level.commands {
        line(place(0, ""), format!("-a {name} -d {}", single(about)));
    }
    for (at, values) in level.places.iter().enumerate() {
        let more = if level.repeats && at + 1 == level.places.len() {
            " more"
        } else {
            ""
        };
        let (words, files) = words_and_files(values);
        if !words.is_empty() {
            line(place(at, more), format!("-a '{}'", words.join(" ")));
        }
        match files {
            "f" => line(place(at, more), "-F".to_owned()),
            "d" => line(place(at, more), "-a '(__fish_complete_directories)'".to_owned()),
            _ => {}
        }
    }
    for option in &level.options {
        line(
            format!("__llmload_uring_is '{}'", level.path),
            option_line(option),
        );
    }
    out
}

fn option_line(option: &Choice) -> String {
    let long = option.long.trim_start_matches('-');
    let short = option
        .short
        .as_ref()
        .map_or(String::new(), |short| format!(" -s {}", &short[1..]));
    let values = match &option.values {
        None => String::new(),
        Some(Values::Any) => " -x".to_owned(),
        Some(Values::Files) => " -r -F".to_owned(),
        Some(Values::Folders) => " -x -a '(__fish_complete_directories)'".to_owned(),
        Some(values) => format!(" -x -a '{}'", words_and_files(values).0.join(" ")),
    };
    format!("-l {long}{short}{values} -d {}", single(&option.about))
}
