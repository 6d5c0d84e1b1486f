//! Tells the compiler what `--version` says beside the number: commit, target, profile, features and compiler.
//!
//! It runs again only when what the program is made of has changed, so that a commit of documents or of tests rebuilds
//! nothing. The commit is the one that was checked out then, with `-dirty` if the sources were not as it has them.
#![allow(clippy::print_stdout)] // Cargo reads it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of.
const SOURCES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "build.rs", "profiles", "src"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BUILD_COMMIT");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR").unwrap_or_default());
    tell("COMMIT", &commit(&root));
    tell("TARGET", &variable("TARGET").unwrap_or_default());
    tell("PROFILE", &profile());
    tell("FEATURES", &features());
    let rustc = variable("RUSTC").and_then(|rustc| output(Command::new(rustc).arg("--version")));
    // `rustc 1.95.0 (59807616e 2026-04-14)`: a distributor's build may have more behind it.
    let words: Vec<&str> = rustc
        .as_deref()
        .unwrap_or("not known")
        .split(' ')
        .take(2)
        .collect();
    tell("COMPILER", &words.join(" "));
}

fn tell(name: &str, value: &str) {
    println!("cargo::rustc-env=BUILT_{name}={value}");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns what a program prints, or none if there is no such program or it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the commit: as whoever packages it says, as `cargo package` recorded it, or as git knows it.
fn commit(root: &Path) -> String {
    if let Some(given) = variable("BUILD_COMMIT") {
        let hash = given.strip_suffix("-dirty").unwrap_or(&given);
        let is_hash = (7..=64).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hash {
            println!(
                "cargo::error=BUILD_COMMIT: `{}` is not the hash of a commit, perhaps with `-dirty` behind it",
                given.escape_default()
            );
            std::process::exit(1);
        }
        return shortened(hash, hash.len() != given.len());
    }
    recorded(root)
        .or_else(|| checked_out(root))
        .unwrap_or_else(|| "not known (built outside of its git repository)".to_owned())
}

fn shortened(hash: &str, is_dirty: bool) -> String {
    format!(
        "{}{}",
        &hash[..hash.len().min(12)],
        if is_dirty { "-dirty" } else { "" }
    )
}

/// Returns the commit in the file that a published crate has.
fn recorded(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, after) = text.split_once("\"sha1\"")?;
    let hash = after.split('"').nth(1)?;
    let is_hash = hash.len() >= 7 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| shortened(hash, text.contains("\"dirty\": true")))
}

/// Returns the commit that is checked out here, if the repository is the program's own and not one around it.
fn checked_out(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        // A hook of git names the repository that it runs for.
        command
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_WORK_TREE");
        output(command.arg("-C").arg(root).args(arguments))
    };
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let hash = git(&["rev-parse", "HEAD"])?;
    let changes = git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat())?;
    SOURCES.iter().for_each(|source| watch(&root.join(source)));
    Some(shortened(&hash, !changes.is_empty()))
}

/// Runs this again when the file, or one of the folder, changes. Files of tests are no part of the program.
fn watch(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| watch(&entry.path()));
    } else if !name.ends_with("_tests.rs") && name != "tests.rs" {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// Returns the name of the profile. Cargo's variable only says which of its two it is like.
fn profile() -> String {
    // …/target/dist/build/llmload-uring-0123456789abcdef/out
    let of_path = variable("OUT_DIR").and_then(|out| {
        let folder = Path::new(&out).ancestors().nth(3)?;
        Some(folder.file_name()?.to_string_lossy().into_owned())
    });
    of_path.or_else(|| variable("PROFILE")).unwrap_or_default()
}

/// Returns the features of the crate, and those of the CPU that the compiler may use.
fn features() -> String {
    let of_crate: Vec<String> = std::env::vars()
        .filter_map(|(name, _)| {
            Some(
                name.strip_prefix("CARGO_FEATURE_")?
                    .to_lowercase()
                    .replace('_', "-"),
            )
        })
        .collect();
    let of_crate = if of_crate.is_empty() {
        "none to choose".to_owned()
    } else {
        of_crate.join(", ")
    };
    let of_cpu = variable("CARGO_CFG_TARGET_FEATURE").unwrap_or_else(|| "none".to_owned());
    format!("{of_crate}; CPU {}", of_cpu.replace(',', ", "))
}
