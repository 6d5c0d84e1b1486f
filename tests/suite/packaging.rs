//! What a package is made with: the build script.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::live::*;
use crate::common::*;

/// The build script as a program, as cargo makes one of it. Returns `None` where there is no compiler.
fn build_script(test: &str, folder: &Dir) -> Option<String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let program = folder.path("build-script");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let built = Command::new(&rustc)
        .args(["--edition", "2024", "-o", &program, source])
        .status();
    match built {
        Ok(status) => assert!(status.success()),
        Err(_) => {
            skipped(test, &rustc);
            return None;
        }
    }
    Some(program)
}

/// What the script says of a folder.
fn said(script: &str, root: &str, commit: Option<&str>) -> Output {
    let mut command = Command::new(script);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
        .env("CARGO_MANIFEST_DIR", root)
        .env("TARGET", "some-target")
        .env("PROFILE", "release");
    command
        .env("OUT_DIR", "/t/dist/build/llmload-uring-0123/out")
        .env("CARGO_CFG_TARGET_FEATURE", "sse,sse2");
    commit.map(|commit| command.env("BUILD_COMMIT", commit));
    command.stdin(Stdio::null()).output().unwrap()
}

/// The value of a variable that the script tells the compiler.
fn told(output: &Output, name: &str) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}");
    let begin = format!("cargo::rustc-env=BUILT_{name}=");
    let value = text.lines().find_map(|line| line.strip_prefix(&begin));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

#[test]
fn a_build_says_the_commit_that_it_was_given_or_that_its_crate_records() {
    let folder = Dir::new();
    let Some(script) = build_script("the commit of a build", &folder) else {
        return;
    };
    let bare = Dir::new();
    let of = |commit| told(&said(&script, &bare.path(""), commit), "COMMIT");
    assert_eq!(
        of(Some("0123456789abcdef0123456789abcdef01234567")),
        "0123456789ab"
    );
    assert_eq!(of(Some("0123456-dirty")), "0123456-dirty");
    assert!(of(None).starts_with("not known"));
    assert!(of(Some("")).starts_with("not known"));
    for wrong in ["main", "012345", "0123456\ncargo::rustc-env=A=b", "0123456-new"] {
        let output = said(&script, &bare.path(""), Some(wrong));
        assert!(!output.status.success(), "{wrong}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.lines()
                .any(|line| line.starts_with("cargo::error=BUILD_COMMIT: ")),
            "{text}"
        );
        assert!(
            !text.lines().any(|line| line.starts_with("cargo::rustc-env=")),
            "{text}"
        );
    }
    for (record, commit) in [
        (
            r#"{"git": {"sha1": "fedcba9876543210"}, "path_in_vcs": ""}"#,
            "fedcba987654",
        ),
        (
            r#"{"git": {"sha1": "fedcba9876543210", "dirty": true}}"#,
            "fedcba987654-dirty",
        ),
    ] {
        bare.write(".cargo_vcs_info.json", record);
        let output = said(&script, &bare.path(""), None);
        assert_eq!(told(&output, "COMMIT"), commit);
        assert_eq!(told(&output, "TARGET"), "some-target");
        assert_eq!(told(&output, "PROFILE"), "dist");
        assert_eq!(told(&output, "FEATURES"), "none to choose; CPU sse, sse2");
    }
    bare.write(".cargo_vcs_info.json", "{\"git\": {\"sha1\": \"not a hash\"}}");
    assert!(of(None).starts_with("not known"));
}

#[test]
fn a_build_from_git_says_what_is_checked_out_and_runs_again_for_the_sources_only() {
    let folder = Dir::new();
    let test = "the commit of a checkout";
    let Some(script) = build_script(test, &folder) else {
        return;
    };
    let checkout = Dir::new();
    let root = checkout.path("");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-C", &root]);
        command
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .env_remove("GIT_WORK_TREE");
        command.args(arguments).stdin(Stdio::null()).output()
    };
    if git(&["init", "--quiet"]).is_err() {
        return skipped(test, "git");
    }
    for sub in ["src/room", "notes", "inner"] {
        std::fs::create_dir_all(checkout.path(sub)).unwrap();
    }
    for file in ["src/room/a.rs", "src/room/a_tests.rs", "notes/a.md", "Cargo.toml"] {
        checkout.write(file, "");
    }
    assert!(git(&["add", "-A"]).unwrap().status.success());
    assert!(git(&["commit", "--quiet", "-m", "a"]).unwrap().status.success());
    let head = String::from_utf8(git(&["rev-parse", "HEAD"]).unwrap().stdout).unwrap();
    let commit = || told(&said(&script, &root, None), "COMMIT");

    assert_eq!(commit(), head[..12]);
    checkout.write("notes/a.md", "more");
    assert_eq!(commit(), head[..12]);
    checkout.write("src/room/b.rs", "");
    assert_eq!(commit(), format!("{}-dirty", &head[..12]));
    // A crate that lies in the repository of something else is not that something.
    assert!(told(&said(&script, &checkout.path("inner"), None), "COMMIT").starts_with("not known"));

    let text = String::from_utf8(said(&script, &root, None).stdout).unwrap();
    let watched = text
        .lines()
        .filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="));
    let mut watched: Vec<&str> = watched
        .filter_map(|path| Path::new(path).file_name()?.to_str())
        .collect();
    watched.sort_unstable();
    watched.dedup();
    assert_eq!(
        watched,
        ["Cargo.lock", "Cargo.toml", "a.rs", "b.rs", "build.rs", "profiles"]
    );
}

/// Returns Docker's own profile: what is kept, without the rule that was added to it.
#[test]
fn the_seccomp_profile_is_dockers_own_with_three_calls_added() {
    let kept = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/seccomp-io-uring.json"
    ))
    .unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let names_io_uring = |rule: &serde_json::Value| rule["names"].to_string().contains("io_uring");
    let rules = kept["syscalls"].as_array().unwrap();
    let added: Vec<&serde_json::Value> = rules.iter().filter(|rule| names_io_uring(rule)).collect();
    let calls = ["io_uring_setup", "io_uring_enter", "io_uring_register"];
    assert_eq!(
        added,
        [&serde_json::json!({ "names": calls, "action": "SCMP_ACT_ALLOW" })]
    );
    // It refuses what it does not name, and io_uring is no way around a rule on something else.
    assert_eq!(kept["defaultAction"], "SCMP_ACT_ERRNO");
    assert!(rules.len() > 20);

    let mut dockers_own = kept.clone();
    dockers_own["syscalls"]
        .as_array_mut()
        .unwrap()
        .retain(|rule| !names_io_uring(rule));
    let folder = Dir::new();
    let path = folder.write("default.json", &dockers_own.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/seccomp-io-uring.sh");
    if Command::new("jq")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        return skipped("the script that adds io_uring to a seccomp profile", "jq");
    }
    let made = Command::new(script).arg(path).output().unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&made.stdout).unwrap(),
        kept
    );
}

/// A small program that runs the real one, because what is packed has to be a binary. Returns `None` where there is no
/// compiler.
fn small_binary(test: &str, folder: &Dir) -> Option<String> {
    let text = format!(
        "use std::os::unix::process::CommandExt; fn main() {{ \
         let error = std::process::Command::new({:?}).args(std::env::args_os().skip(1)).exec(); panic!(\"{{error}}\") }}",
        env!("CARGO_BIN_EXE_llmload-uring")
    );
    let (source, program) = (folder.write("small.rs", &text), folder.path("small"));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    match Command::new(&rustc)
        .args(["--edition", "2024", "-o", &program, &source])
        .status()
    {
        Ok(status) => assert!(status.success()),
        Err(_) => {
            skipped(test, &rustc);
            return None;
        }
    }
    Some(program)
}

/// Where files lie in the tarball and in the Debian package alike.
const IN_BOTH: [&str; 10] = [
    "/bin/llmload-uring\n",
    "/share/man/man1/llmload-uring.1.gz\n",
    "/share/bash-completion/completions/llmload-uring\n",
    "/_llmload-uring\n",
    "/share/fish/vendor_completions.d/llmload-uring.fish\n",
    "/share/llmload-uring/profiles/quick-smoke.yaml\n",
    "/share/llmload-uring/deploy/seccomp-io-uring.json\n",
    "/share/doc/llmload-uring/README.md\n",
    "/share/doc/llmload-uring/docs/INSTALL.md\n",
    "/share/doc/llmload-uring/THIRD-PARTY.txt.gz\n",
];
const IN_TARBALL: [&str; 3] = ["/CHANGELOG.md\n", "/LICENSE-MIT\n", "/LICENSE-APACHE\n"];
const IN_DEBIAN_PACKAGE: [&str; 4] = [
    "/changelog.gz\n",
    "/changelog.Debian.gz\n",
    "/copyright\n",
    "/zsh/vendor-completions/_llmload-uring\n",
];

/// Packs a binary into a folder, and returns the checksums.
fn packed(folder: &Dir, binary: &str, out: &str, umask: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/package/pack.sh");
    let line = format!("umask {umask}; exec {script} {binary} {}", folder.path(out));
    let mut command = Command::new("bash");
    command.args(["-c", &line]).env("SOURCE_DATE_EPOCH", "1790000000");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:#?}");
    std::fs::read_to_string(folder.path(&format!("{out}/SHA256SUMS"))).unwrap()
}

/// What a tool says of a package.
fn listed(tool: &str, argument: &str, file: String) -> String {
    let output = Command::new(tool).arg(argument).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn packages_have_all_that_a_user_needs_and_the_same_bytes_each_time() {
    let test = "the tarball and the Debian package";
    for tool in ["dpkg-deb", "dpkg-shlibdeps", "python3", "strip", "tar", "gzip"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
        if found.is_err() {
            return skipped(test, tool);
        }
    }
    let folder = Dir::new();
    let Some(binary) = small_binary(test, &folder) else {
        return;
    };
    let sums = packed(&folder, &binary, "one", "022");
    assert_eq!(sums, packed(&folder, &binary, "another", "077"));

    let files: Vec<String> = sums
        .lines()
        .map(|line| folder.path(&format!("one/{}", &line[66..])))
        .collect();
    let tarball = listed("tar", "-tzf", files[0].clone());
    let package = listed("dpkg-deb", "-c", files[1].clone());
    for file in IN_BOTH {
        assert!(
            tarball.contains(file) && package.contains(file),
            "{file}\n{tarball}\n{package}"
        );
    }
    assert!(IN_TARBALL.iter().all(|file| tarball.contains(file)), "{tarball}");
    assert!(
        IN_DEBIAN_PACKAGE.iter().all(|file| package.contains(file)),
        "{package}"
    );
    assert!(
        package.lines().all(|line| line.contains(" root/root ")),
        "{package}"
    );
    let control = listed("dpkg-deb", "-f", files[1].clone());
    let version = format!("\nVersion: {}-1\n", env!("CARGO_PKG_VERSION"));
    assert!(
        control.contains("\nDepends: libc6 (>= ") && control.contains(&version),
        "{control}"
    );
    let notes = std::fs::read_to_string(folder.path("one/RELEASE-NOTES.md")).unwrap();
    assert!(notes.contains("\n### Added\n") && !notes.contains("\n## "));
}
