//! The script for bash, which uses nothing but bash itself, 4 or later.

use super::{Level, single, steps, words_and_files};

const BODY: &str = r#"
_llmload_uring() {
    local cur=${COMP_WORDS[COMP_CWORD]} command="" wanted="" prefix="" kind="" list="" word i at=1 count=0
    local options="" valued="" commands=""
    COMPREPLY=()
    while [[ $at -lt $COMP_CWORD ]]; do
        word=${COMP_WORDS[at]}
        case "$command/$word" in
            STEPS) command="${command:+$command }$word"; at=$((at + 1)) ;;
            *) break ;;
        esac
    done
    _llmload_uring_of "$command" "" 0
    for ((i = at; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $wanted ]]; then
            [[ $word == '=' ]] || wanted=""
        elif [[ $word == -* ]]; then
            [[ " $valued " != *" $word "* ]] || wanted=$word
        else
            count=$((count + 1))
        fi
    done
    if [[ $cur == '=' ]]; then
        cur=""
    elif [[ -z $wanted && $cur == --*=* ]]; then
        wanted=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
    fi
    list="" kind=""
    if [[ -n $wanted ]]; then
        _llmload_uring_of "$command" "$wanted" 0
    elif [[ $cur == -* ]]; then
        list=$options
    else
        _llmload_uring_of "$command" "" "$count"
        [[ $count -ne 0 ]] || list="$commands $list"
        [[ -n ${list// /}$kind ]] || list=$options
    fi
    while IFS= read -r word; do COMPREPLY+=("$prefix$word"); done < <(compgen -W "$list" -- "$cur")
    if [[ -n $kind ]]; then
        while IFS= read -r word; do COMPREPLY+=("$prefix$word"); done < <(compgen -"$kind" -- "$cur")
        compopt -o filenames 2>/dev/null
    fi
}

complete -F _llmload_uring llmload-uring
"#;

pub fn script(levels: &[Level]) -> String {
    let steps: Vec<String> = steps(levels).iter().map(|step| single(step)).collect();
    let mut out = String::from("# Completions of llmload-uring for bash.\n\n");
    out.push_str(
        "# Sets what command $1 takes: its options, and what stands behind option $2, or at place $3.\n",
    );
    out.push_str("_llmload_uring_of() {\n    case $1 in\n");
    for level in levels {
        out.push_str(&of(level));
    }
    out.push_str("    esac\n}\n");
    out + &BODY.replace("STEPS", &steps.join(" | "))
}

fn of(level: &Level) -> String {
    let mut out = format!("        {})\n", single(&level.path));
    let names: Vec<&str> = level.options.iter().flat_map(super::Choice::names).collect();
    let commands: Vec<&str> = level.commands.iter().map(|(name, _)| name.as_str()).collect();
    for (variable, words) in [
        ("options", &names),
        ("valued", &level.valued()),
        ("commands", &commands),
    ] {
        out.push_str(&format!("            {variable}={}\n", single(&words.join(" "))));
    }
    out.push_str("            case $2/$3 in\n");
    let mut case = |pattern: String, values: &super::Values| {
        let (words, files) = words_and_files(values);
        if !words.is_empty() || !files.is_empty() {
            let words = single(&words.join(" "));
            out.push_str(&format!(
                "                {pattern}) list={words} kind='{files}' ;;\n"
            ));
        }
    };
    for option in &level.options {
        let patterns: Vec<String> = option.names().map(|name| format!("{name}/*")).collect();
        if let Some(values) = &option.values {
            case(patterns.join(" | "), values);
        }
    }
    for (at, values) in level.places.iter().enumerate() {
        let last = level.repeats && at + 1 == level.places.len();
        case(if last { "/*".to_owned() } else { format!("/{at}") }, values);
    }
    out + "            esac\n            ;;\n"
}
