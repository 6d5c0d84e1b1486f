//! Runs that are saved to compare later runs with: a folder of documents, each with a small file of facts.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::{ExitCode, Failure, Reason, nearest, one_line, quoted, safe_json, shown_path};
use crate::output::create_temporary;

const NAME_CHARS_MAX: usize = 64;
const FACTS_BYTES_MAX: u64 = 64 * 1024;
/// The end of a facts file's name. The name of a baseline may not end like this, because it could be another one's
/// facts.
const FACTS_END: &str = ".facts";
/// The folder of the results of documents. Their names end in the time, so the last name is the newest result.
const RESULTS: &str = "results";
const RESULTS_BEGIN: &str = "test_run_";

/// The facts about a baseline, saved next to its document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub name: String,
    /// The file that was saved, as it was named then.
    pub file: String,
    /// The tool that wrote the file.
    pub tool: Option<String>,
    pub profile: Option<String>,
    /// The git commit that was checked out; absent outside a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    pub host: String,
    /// The time of saving, in RFC 3339.
    pub saved_at: String,
}

/// Returns the failure for a wrong name, or for a file that does not exist.
pub fn failure(what: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Config, Reason::new(what).hint(hint))
}

/// A folder of baselines.
#[derive(Clone, Debug)]
pub struct Baselines {
    folder: PathBuf,
}

impl Baselines {
    /// Uses `folder`, which does not have to exist yet.
    pub fn in_folder(folder: &Path) -> Baselines {
        Baselines {
            folder: folder.to_owned(),
        }
    }

    /// Returns the path of the document of that baseline.
    pub fn document(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name)?;
        if path.is_file() {
            return Ok(path);
        }
        let known = self.names()?;
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = match (nearest(name, &names), names.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, false) => format!("the baselines are {}", names.join(", ")),
            (None, true) => {
                "there are none yet: `llmload-uring baseline save NAME FILE` saves one".to_owned()
            }
        };
        let folder = shown_path(&self.folder);
        Err(failure(
            format!("there is no baseline {} in {folder}", quoted(name)),
            hint,
        ))
    }

    /// Copies `file` as it is. An existing baseline is only replaced with `force`.
    pub fn save(&self, facts: &Facts, file: &Path, force: bool) -> Result<PathBuf, Failure> {
        let path = self.path(&facts.name)?;
        if path.exists() && !force {
            let what = format!("baseline {} already exists", quoted(&facts.name));
            return Err(failure(what, "replace it with --force, or choose another name"));
        }
        let unwritable = |path: &Path, cause: &std::io::Error| {
            let reason = Reason::new(format!("cannot write: {cause}"));
            let hint = "choose a folder that you may write to with --folder";
            Failure::new(ExitCode::Output, reason.hint(hint).at(shown_path(path), 0))
        };
        fs::create_dir_all(&self.folder).map_err(|e| unwritable(&self.folder, &e))?;
        let json = serde_json::to_string_pretty(facts).expect("strings are JSON");
        let mut json = safe_json(&json).into_owned();
        json.push('\n');
        // The file gets its name only when it is complete, so a failure leaves no half-written baseline.
        let temporary = self
            .folder
            .join(format!(".{}.{}.tmp", facts.name, std::process::id()));
        let placed = copy_synced(file, &temporary)
            .and_then(|()| create_temporary(&self.facts_path(&facts.name)))
            .and_then(|mut file| file.write_all(json.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        placed.map_err(|e| {
            let _ = fs::remove_file(&temporary);
            unwritable(&path, &e)
        })?;
        Ok(path)
    }

    /// Returns the names in alphabetical order; empty if the folder does not exist.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                let what = format!("{}: cannot be read: {e}", shown_path(&self.folder));
                return Err(failure(what, "give the folder of the baselines with --folder"));
            }
        };
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let file = entry.ok()?.file_name().into_string().ok()?;
            let name = file.strip_suffix(".json")?.to_owned();
            check_name(&name).is_ok().then_some(name)
        };
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Returns the facts noted when the baseline was saved; `None` if their file is missing or is not one of ours.
    pub fn facts(&self, name: &str) -> Option<Facts> {
        use std::io::Read as _;
        let file = File::open(self.facts_path(name)).ok()?;
        let mut text = String::new();
        file.take(FACTS_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Returns a table of all baselines.
    pub fn list(&self) -> Result<String, Failure> {
        let names = self.names()?;
        if names.is_empty() {
            return Ok(format!(
                "there are no baselines in {}\n",
                shown_path(&self.folder)
            ));
        }
        let rows = names.iter().map(|name| {
            let facts = self.facts(name);
            let fact =
                |pick: fn(&Facts) -> Option<&str>| one_line(facts.as_ref().and_then(pick).unwrap_or("-"));
            let commit: String = fact(|f| f.commit.as_deref()).chars().take(12).collect();
            format!(
                "{name:<24} {:<21} {commit:<13} {:<16} {:<22} {}\n",
                fact(|f| Some(&f.saved_at)),
                fact(|f| Some(&f.host)),
                fact(|f| f.tool.as_deref()),
                fact(|f| f.profile.as_deref()),
            )
        });
        let head = format!(
            "{:<24} {:<21} {:<13} {:<16} {:<22} {}\n",
            "name", "saved", "commit", "host", "tool", "profile"
        );
        Ok(head + &rows.collect::<String>())
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        check_name(name)?;
        Ok(self.folder.join(format!("{name}.json")))
    }

    fn facts_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{FACTS_END}.json"))
    }
}

/// Checks a name: letters, digits and `._-`, beginning with a letter or digit, so that it cannot leave the folder or
/// name a hidden file.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_CHARS_MAX && name.chars().all(allowed) && !name.ends_with(FACTS_END) {
        return Ok(());
    }
    let what = format!("{} is not a valid name for a baseline", quoted(name));
    let hint = format!(
        "use at most {NAME_CHARS_MAX} letters, digits, `.`, `_` and `-`, beginning with a letter or digit and \
         not ending in `{FACTS_END}`"
    );
    Err(failure(what, hint))
}

fn copy_synced(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = create_temporary(to)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_data()
}

/// Returns the commit that is checked out here; `None` without git or outside a repository.
pub fn commit() -> Option<String> {
    let found = Command::new("git")
        // No key is any of its business.
        .env_remove("LLMLOAD_API_KEY")
        .env_remove("OPENAI_API_KEY")
        .args(["rev-parse", "--verify", "--quiet", "HEAD"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(found.stdout).ok()?;
    let text = text.trim();
    let is_hash = text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    (found.status.success() && is_hash).then(|| text.to_owned())
}

/// Returns the newest result that a run of a document has left in `results/`.
pub fn newest_result() -> Option<PathBuf> {
    let entries = fs::read_dir(RESULTS).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_result = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with(RESULTS_BEGIN) && name.ends_with(".json")
    };
    paths.filter(is_result).max()
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
