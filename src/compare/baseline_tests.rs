use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("llmload-baseline-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn facts(name: &str) -> Facts {
    Facts {
        name: name.to_owned(),
        file: "result.json".to_owned(),
        tool: Some("llmload-uring 0.1.0".to_owned()),
        profile: None,
        commit: None,
        host: "here".to_owned(),
        saved_at: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn what(error: Failure) -> String {
    error.to_string()
}

#[test]
fn a_saved_baseline_is_found_and_listed_and_only_replaced_with_force() {
    let scratch = Scratch::new("save");
    let file = scratch.0.join("result.json");
    fs::write(&file, "{\"a\":1}").unwrap();
    let kept = Baselines::in_folder(&scratch.0.join("new/folder"));
    assert!(kept.list().unwrap().starts_with("there are no baselines in "));
    kept.save(&facts("main"), &file, false).unwrap();
    assert_eq!(
        fs::read_to_string(kept.document("main").unwrap()).unwrap(),
        "{\"a\":1}"
    );
    assert_eq!(kept.facts("main"), Some(facts("main")));
    assert_eq!(kept.names().unwrap(), ["main"]);
    assert!(kept.list().unwrap().lines().nth(1).unwrap().starts_with("main "));

    fs::write(&file, "{\"a\":2}").unwrap();
    let error = kept.save(&facts("main"), &file, false).unwrap_err();
    assert!(what(error).contains("replace it with --force"));
    kept.save(&facts("main"), &file, true).unwrap();
    assert_eq!(
        fs::read_to_string(kept.document("main").unwrap()).unwrap(),
        "{\"a\":2}"
    );
    let mut files: Vec<_> = fs::read_dir(scratch.0.join("new/folder"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["main.facts.json", "main.json"]);
}

#[test]
fn the_error_for_a_missing_baseline_suggests_the_nearest() {
    let scratch = Scratch::new("missing");
    let file = scratch.0.join("r");
    fs::write(&file, "{}").unwrap();
    let kept = Baselines::in_folder(&scratch.0);
    assert!(what(kept.document("main").unwrap_err()).contains("there are none"));
    kept.save(&facts("release-1"), &file, false).unwrap();
    assert!(what(kept.document("release-2").unwrap_err()).contains("did you mean `release-1`?"));
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let long = "x".repeat(65);
    for name in [
        "", "..", "../x", "a/b", ".hidden", "-x", "a b", "a\0b", "ä", "x.facts", &long,
    ] {
        assert!(check_name(name).is_err(), "{name:?}");
        let kept = Baselines::in_folder(Path::new("nowhere"));
        assert!(
            what(kept.document(name).unwrap_err()).contains("is not a valid name"),
            "{name:?}"
        );
    }
    for name in ["main", "v1.2.3", "2026-01-02_x", "a"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_output() {
    let scratch = Scratch::new("unwritable");
    let file = scratch.0.join("file");
    fs::write(&file, "{}").unwrap();
    // A file where the folder should be.
    let error = Baselines::in_folder(&file)
        .save(&facts("main"), &file, false)
        .unwrap_err();
    assert_eq!(error.exit, ExitCode::Output, "{error}");
}

#[test]
fn damaged_facts_of_a_baseline_are_ignored() {
    let scratch = Scratch::new("damaged");
    let file = scratch.0.join("r");
    fs::write(&file, "{}").unwrap();
    let kept = Baselines::in_folder(&scratch.0);
    kept.save(&facts("main"), &file, false).unwrap();
    fs::write(scratch.0.join("main.facts.json"), "{").unwrap();
    assert_eq!(kept.facts("main"), None);
    assert!(kept.list().unwrap().contains("main"));
}
