use super::*;

fn level<'a>(levels: &'a [Level], path: &str) -> &'a Level {
    levels.iter().find(|level| level.path == path).unwrap()
}

#[test]
fn every_command_has_its_options_and_nothing_hidden() {
    let levels = levels();
    let paths: Vec<&str> = levels.iter().map(|level| level.path.as_str()).collect();
    for path in [
        "",
        "run",
        "config check",
        "baseline save",
        "profiles show",
        "completions",
        "help",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    for shell in [
        Shell::Bash,
        Shell::Zsh,
        Shell::Fish,
        Shell::Elvish,
        Shell::PowerShell,
    ] {
        let script = String::from_utf8(script(shell)).unwrap();
        for hidden in [
            "__llmsim",
            "__supervise",
            "verify-stamps",
            "k6-target-url",
            "pushgateway-password",
        ] {
            assert!(!script.contains(hidden), "{hidden} for {shell}");
        }
        for shown in ["time-scale", "import-k6", "import-inference-perf", "fail-on"] {
            assert!(script.contains(shown), "{shown} for {shell}");
        }
    }
}

#[test]
fn values_are_words_files_or_folders_by_what_the_argument_takes() {
    let levels = levels();
    let value = |path: &str, long: &str| {
        let options = &level(&levels, path).options;
        options
            .iter()
            .find(|option| option.long == long)
            .unwrap()
            .values
            .clone()
    };
    let words = |words: &[&str]| Some(Values::Words(words.iter().map(|w| (*w).to_owned()).collect()));
    assert_eq!(value("", "--stamp"), words(&["kernel", "user"]));
    assert_eq!(
        value("run", "--max-tokens-key"),
        words(&["max_tokens", "max_completion_tokens"])
    );
    assert_eq!(
        value("compare", "--format"),
        words(&["text", "md", "json", "csv"])
    );
    assert_eq!(value("", "--output"), Some(Values::Files));
    assert_eq!(value("config check", "--results-dir"), Some(Values::Folders));
    assert_eq!(value("compare", "--plot"), Some(Values::Files));
    assert_eq!(value("", "--quiet"), None);
    assert_eq!(value("", "--prompt"), Some(Values::Any));
    assert_eq!(level(&levels, "").places, [Values::Profiles]);
    let compare = level(&levels, "compare");
    assert!(compare.repeats && compare.places == [Values::Files, Values::Files]);
    assert!(matches!(
        level(&levels, "import-k6")
            .options
            .iter()
            .find(|o| o.long == "--mix")
            .unwrap()
            .values,
        Some(Values::Words(_))
    ));
}
