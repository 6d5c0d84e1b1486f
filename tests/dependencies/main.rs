//! The rules of `deny.toml` for dependencies, from what cargo knows without the network. `scripts/deny.sh` has
//! cargo-deny check the same file.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // As in tests: clippy.toml means the functions marked as one.

mod licence;
mod rules;
#[path = "../common/skipped.rs"]
#[expect(dead_code, reason = "no file that stands beside the project is read here")]
mod skipped;

use rules::Rules;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn rules() -> Rules {
    Rules::read(&fs::read_to_string(format!("{ROOT}/deny.toml")).unwrap())
}

/// What cargo knows of the crates that a build for this platform takes, those of tests included. `None` where the tests
/// run without cargo.
fn metadata(test: &str) -> Option<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = format!("{ROOT}/Cargo.toml");
    let output = Command::new(&cargo)
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--format-version",
            "1",
            "--all-features",
        ])
        .args(["--filter-platform", &platform, "--manifest-path", &manifest])
        .output();
    let Ok(output) = output else {
        skipped::skipped(test, &cargo);
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(known["packages"].as_array().unwrap().len() > 100);
    Some(known)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn packages(known: &Value) -> &[Value] {
    known["packages"].as_array().unwrap()
}

fn named(package: &Value) -> String {
    format!("{}@{}", text(package, "name"), text(package, "version"))
}

/// Crates whose licence is not allowed, then rules that no crate needs.
fn licences(known: &Value, rules: &Rules) -> Vec<String> {
    let allowed: Vec<&str> = rules.list("licenses", "allow");
    let exceptions = rules.exceptions();
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for package in packages(known) {
        let own = exceptions.get(text(package, "name"));
        let licence = text(package, "license");
        let mut is_allowed = |name: &str| {
            let is = allowed.contains(&name) || own.is_some_and(|own| own.iter().any(|other| other == name));
            if is {
                used.insert(name.to_owned());
            }
            is
        };
        match licence::holds(licence, &mut is_allowed) {
            Ok(true) => {}
            Ok(false) => found.push(format!("{}: the licence is {licence}", named(package))),
            Err(why) => found.push(format!("{}: the licence {licence:?} {why}", named(package))),
        }
    }
    let names: BTreeSet<&str> = packages(known)
        .iter()
        .map(|package| text(package, "name"))
        .collect();
    let unused = allowed.iter().filter(|name| !used.contains(**name));
    found.extend(unused.map(|name| format!("licenses.allow: no crate has {name}")));
    let gone = exceptions.keys().filter(|name| !names.contains(name.as_str()));
    found.extend(gone.map(|name| format!("licenses.exceptions: there is no crate {name}")));
    found
}

/// Crates in several versions without a reason, or forbidden ones; then reasons for what is not there.
fn bans(known: &Value, rules: &Rules) -> Vec<String> {
    let skip = rules.crates("bans", "skip");
    let forbidden = rules.crates("bans", "deny");
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages(known) {
        versions
            .entry(text(package, "name"))
            .or_default()
            .push(named(package));
    }
    let mut found = Vec::new();
    for (name, versions) in &versions {
        let left: Vec<&String> = versions
            .iter()
            .filter(|version| !skip.contains_key(*version))
            .collect();
        if left.len() > 1 {
            found.push(format!("{name}: {left:?} stand beside each other"));
        }
        if let Some(reason) = forbidden.get(*name) {
            found.push(format!("{name} is forbidden: {reason}"));
        }
    }
    let all: BTreeSet<&String> = versions.values().flatten().collect();
    for (version, reason) in &skip {
        let name = version.split('@').next().unwrap();
        match versions.get(name) {
            Some(others) if others.len() > 1 && all.contains(version) => {}
            _ => found.push(format!("bans.skip: {version} stands beside no other version")),
        }
        if reason.is_empty() {
            found.push(format!("bans.skip: {version} has no reason"));
        }
    }
    found
}

/// Dependencies of ours without a version.
fn wildcards(known: &Value) -> Vec<String> {
    let ours = packages(known)
        .iter()
        .filter(|package| package["source"].is_null());
    let asked = ours.flat_map(|package| package["dependencies"].as_array().unwrap());
    let wild = asked.filter(|dependency| text(dependency, "req") == "*");
    wild.map(|dependency| format!("{}: any version will do", text(dependency, "name")))
        .collect()
}

/// Crates of the lock file, on every platform, that come from elsewhere than the registry, or have no checksum.
fn sources(lock: &str, rules: &Rules) -> Vec<String> {
    let allowed = rules.list("sources", "allow-registry");
    let mut found = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let begin = format!("{key} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&begin));
            line.map(|rest| rest.trim_end_matches('"')).unwrap_or_default()
        };
        let (name, source) = (value("name"), value("source"));
        if name == env!("CARGO_PKG_NAME") && source.is_empty() {
            continue;
        }
        let from = source.strip_prefix("registry+").unwrap_or_default();
        if !allowed.contains(&from) {
            found.push(format!("{name}: it comes from {source:?}"));
        } else if value("checksum").len() != 64 {
            found.push(format!("{name}: the lock file has no checksum of it"));
        }
    }
    found
}

fn lock() -> String {
    fs::read_to_string(format!("{ROOT}/Cargo.lock")).unwrap()
}

const NOTHING: [String; 0] = [];

#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    if let Some(known) = metadata("every_crate_has_a_licence_that_is_allowed") {
        assert_eq!(licences(&known, &rules()), NOTHING);
    }
}

#[test]
fn no_crate_is_there_in_two_versions_without_a_reason() {
    if let Some(known) = metadata("no_crate_is_there_in_two_versions_without_a_reason") {
        assert_eq!(bans(&known, &rules()), NOTHING);
        assert_eq!(wildcards(&known), NOTHING);
    }
}

#[test]
fn every_crate_comes_from_the_registry() {
    let lock = lock();
    assert!(lock.matches("[[package]]").count() > 100);
    assert_eq!(sources(&lock, &rules()), NOTHING);
}

/// The rules are on, for cargo-deny as well: it takes what is not said as allowed.
#[test]
fn every_rule_denies() {
    let rules = rules();
    for (table, key, value) in [
        ("bans", "multiple-versions", "deny"),
        ("bans", "multiple-versions-include-dev", "true"),
        ("bans", "wildcards", "deny"),
        ("licenses", "include-dev", "true"),
        ("licenses", "unused-allowed-license", "deny"),
        ("sources", "unknown-registry", "deny"),
        ("sources", "unknown-git", "deny"),
        ("advisories", "yanked", "deny"),
    ] {
        assert_eq!(rules.value(table, key), Some(value), "{table}.{key}");
    }
}

/// What a planted crate is found by.
fn planted(crate_name: &str, version: &str, licence: Value) -> Value {
    json!({"packages": [
        {"name": "llmload-uring", "version": "0.1.0", "license": "MIT", "source": null,
         "dependencies": [{"name": crate_name, "req": "*"}, {"name": "serde", "req": "^1"}]},
        {"name": "old", "version": "1.0.0", "license": "MIT/Apache-2.0", "dependencies": []},
        {"name": "old", "version": "2.0.0", "license": "(MIT OR GPL-3.0-only) AND Zlib", "dependencies": []},
        {"name": crate_name, "version": version, "license": licence, "dependencies": []},
    ]})
}

fn few_rules() -> Rules {
    Rules::read(
        "[licenses]\nallow = [\n    \"MIT\",\n    \"Zlib\",\n]\nexceptions = [\n    \
         { crate = \"bitmaps\", allow = [\"MPL-2.0\"] },\n]\n\
         [bans]\ndeny = [\n    { crate = \"openssl-sys\", reason = \"TLS is rustls\" },\n]\n\
         skip = [\n    { crate = \"old@1.0.0\", reason = \"glommio\" },\n]\n\
         [sources]\nallow-registry = [\n    \"https://github.com/rust-lang/crates.io-index\",\n]\n",
    )
}

#[test]
fn a_planted_licence_is_seen() {
    let rules = few_rules();
    let said = |name: &str, licence: Value| licences(&planted(name, "1.0.0", licence), &rules);
    assert_eq!(said("bitmaps", json!("MPL-2.0+")), NOTHING);
    let no_bitmaps = "licenses.exceptions: there is no crate bitmaps".to_owned();
    for (licence, why) in [
        (json!("GPL-3.0-only"), "the licence is GPL-3.0-only"),
        (
            json!("MIT AND GPL-3.0-only"),
            "the licence is MIT AND GPL-3.0-only",
        ),
        (json!("MPL-2.0"), "the licence is MPL-2.0"),
        (
            json!("MIT WITH Some-exception"),
            "the licence is MIT WITH Some-exception",
        ),
        (json!("MIT OR"), "the licence \"MIT OR\" ends too early"),
        (json!("(MIT"), "the licence \"(MIT\" has no closing bracket"),
        (Value::Null, "the licence \"\" ends too early"),
    ] {
        let expected = [format!("left-pad@1.0.0: {why}"), no_bitmaps.clone()];
        assert_eq!(said("left-pad", licence), expected);
    }
}

#[test]
fn a_planted_duplicate_a_forbidden_crate_and_a_wildcard_are_seen() {
    let rules = few_rules();
    let said = |name: &str, version: &str| bans(&planted(name, version, json!("MIT")), &rules);
    assert_eq!(said("left-pad", "1.0.0"), NOTHING);
    let twice = "old: [\"old@2.0.0\", \"old@3.0.0\"] stand beside each other".to_owned();
    assert_eq!(said("old", "3.0.0"), [twice]);
    let forbidden = "openssl-sys is forbidden: TLS is rustls".to_owned();
    assert_eq!(said("openssl-sys", "0.9.0"), [forbidden]);
    let mut gone = planted("left-pad", "1.0.0", json!("MIT"));
    gone["packages"].as_array_mut().unwrap().remove(1);
    let needless = "bans.skip: old@1.0.0 stands beside no other version".to_owned();
    assert_eq!(bans(&gone, &rules), [needless]);
    let any = "left-pad: any version will do".to_owned();
    assert_eq!(wildcards(&planted("left-pad", "1.0.0", json!("MIT"))), [any]);
}

#[test]
fn a_planted_source_is_seen() {
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let sum = format!("checksum = \"{}\"", "0".repeat(64));
    let of = |lines: &str| {
        let lock = format!("version = 4\n\n[[package]]\nname = \"left-pad\"\nversion = \"1.0.0\"\n{lines}\n");
        sources(&lock, &few_rules())
    };
    assert_eq!(of(&format!("{registry}\n{sum}")), NOTHING);
    assert_eq!(
        of(registry),
        ["left-pad: the lock file has no checksum of it".to_owned()]
    );
    for source in [
        "git+https://github.com/o/left-pad#0123",
        "registry+https://example.com/index",
    ] {
        let line = format!("source = \"{source}\"\n{sum}");
        assert_eq!(of(&line), [format!("left-pad: it comes from {source:?}")]);
    }
    assert_eq!(of(""), ["left-pad: it comes from \"\"".to_owned()]);
}
