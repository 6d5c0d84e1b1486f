//! The script for zsh, to be sourced or put into a folder of `fpath` as `_llmload-uring`.

use super::{Level, single, steps, words_and_files};

const BODY: &str = r#"
_llmload_uring() {
    local cur=${words[CURRENT]} command="" wanted="" kind="" word
    local -i i at=2 count=0
    local -a opts valued cmds list
    while (( at < CURRENT )); do
        word=${words[at]}
        case "$command/$word" in
            (STEPS) command="${command:+$command }$word"; (( at++ )) ;;
            (*) break ;;
        esac
    done
    _llmload_uring_of "$command" "" 0
    for (( i = at; i < CURRENT; i++ )); do
        word=${words[i]}
        if [[ -n $wanted ]]; then
            wanted=""
        elif [[ $word == -* ]]; then
            (( ${valued[(Ie)$word]} )) && wanted=$word
        else
            (( count++ ))
        fi
    done
    if [[ -z $wanted && $cur == --*=* ]]; then
        wanted=${cur%%=*}
        compset -P '*='
    fi
    list=() kind=""
    if [[ -n $wanted ]]; then
        _llmload_uring_of "$command" "$wanted" 0
    elif [[ $cur == -* ]]; then
        _describe -o option opts
        return
    else
        _llmload_uring_of "$command" "" "$count"
        if (( count == 0 && $#cmds )); then
            _describe command cmds
        fi
        if (( ! $#list && ! $#cmds )) && [[ -z $kind ]]; then
            _describe -o option opts
            return
        fi
    fi
    (( $#list )) && compadd -a list
    case $kind in
        (f) _files ;;
        (d) _files -/ ;;
    esac
}

if [[ ${funcstack[1]} == _llmload-uring ]]; then
    _llmload_uring "$@"
else
    compdef _llmload_uring llmload-uring
fi
"#;

pub fn script(levels: &[Level]) -> String {
    let steps: Vec<String> = steps(levels).iter().map(|step| single(step)).collect();
    let mut out = String::from("#compdef llmload-uring\n# Completions of llmload-uring for zsh.\n\n");
    out.push_str(
        "# Sets what command $1 takes: its options, and what stands behind option $2, or at place $3.\n",
    );
    out.push_str("_llmload_uring_of() {\n    case $1 in\n");
    for level in levels {
        out.push_str(&of(level));
    }
    out.push_str("    esac\n}\n");
    out + &BODY.replace("STEPS", &steps.join("|"))
}

/// A name and its description, between which `_describe` looks for a colon.
fn described(name: &str, about: &str) -> String {
    single(&format!("{}:{about}", name.replace(':', "\\:")))
}

fn of(level: &Level) -> String {
    let mut out = format!("        ({})\n", single(&level.path));
    let options = level
        .options
        .iter()
        .flat_map(|option| option.names().map(|name| described(name, &option.about)));
    let commands = level.commands.iter().map(|(name, about)| described(name, about));
    let valued = level.valued().into_iter().map(str::to_owned);
    let arrays: [(&str, Vec<String>); 3] = [
        ("opts", options.collect()),
        ("valued", valued.collect()),
        ("cmds", commands.collect()),
    ];
    for (variable, entries) in arrays {
        let lines: String = entries
            .iter()
            .map(|entry| format!("                {entry}\n"))
            .collect();
        out.push_str(&format!("            {variable}=(\n{lines}            )\n"));
    }
    out.push_str("            case $2/$3 in\n");
    let mut case = |pattern: String, values: &super::Values| {
        let (words, files) = words_and_files(values);
        if !words.is_empty() || !files.is_empty() {
            let words = words.join(" ");
            out.push_str(&format!(
                "                ({pattern}) list=({words}) kind='{files}' ;;\n"
            ));
        }
    };
    for option in &level.options {
        let patterns: Vec<String> = option.names().map(|name| format!("{name}/*")).collect();
        if let Some(values) = &option.values {
            case(patterns.join("|"), values);
        }
    }
    for (at, values) in level.places.iter().enumerate() {
        let last = level.repeats && at + 1 == level.places.len();
        case(if last { "/*".to_owned() } else { format!("/{at}") }, values);
    }
    out + "            esac\n            ;;\n"
}
