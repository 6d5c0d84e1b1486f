//! `llmload-uring import-k6`: reads the options, writes the profile.

use crate::cli::ImportK6Args;
use crate::error::{ExitCode, Failure, Mistakes, Reason, lossless, one_line, quoted, shown_path};
use crate::k6::{Imported, Request, decode, import, is_as_written};
use crate::output::unwritten;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A script and its options; k6's own archives are larger and none of ours.
const BYTES_MAX: u64 = 4 << 20;
/// Standard input or output in place of a file.
const STANDARD: &str = "-";
/// Stands for the user's server in the command that is printed last.
const EXAMPLE_TARGET: &str = "http://127.0.0.1:8080";

/// What is printed.
#[derive(Debug)]
pub struct Printed {
    /// For standard output; empty where a file was written.
    pub profile: String,
    /// For standard error.
    pub notes: Vec<String>,
}

/// # Errors
/// Options that cannot be imported, with `--strict` also those that cannot be carried whole, and a profile that cannot
/// be written or would replace an edited file.
pub fn run(args: &ImportK6Args) -> Result<Printed, Failure> {
    let name = match is_standard(&args.options) {
        true => "standard input".into(),
        false => lossless(args.options.as_os_str().as_bytes()),
    };
    let refused = |mistakes: Mistakes| Failure::from(mistakes.within(&name));
    let text = read(&args.options)
        .and_then(|bytes| decode(&bytes))
        .map_err(|reason| refused(reason.into()))?;
    let imported = import(&Request {
        text: &text,
        from: &name,
        mix: &args.mix,
        env: &args.env.iter().cloned().collect(),
    })
    .map_err(refused)?;
    let mut notes = losses(&imported);
    if args.strict && !notes.is_empty() {
        let what = format!("{} not carried, and --strict is given", things(notes.len()));
        let reason = Reason::new(what)
            .hint("drop them, or import what `k6 inspect` prints where a script computes them");
        return Err(Failure::new(ExitCode::Config, reason.at(&*name, 0)).because(&notes.join("\n")));
    }
    let renamed = imported.renamed.iter();
    notes.extend(renamed.map(|line| format!("renamed: {}", one_line(line))));
    notes.push(format!(
        "the requests are those of the profile {}: k6's options have none",
        quoted(&args.mix)
    ));
    let output = args.output.as_deref().filter(|path| !is_standard(path));
    if let Some(path) = output {
        place(path, &imported.profile, args.force)?;
    }
    notes.push(command(args, output, &imported));
    Ok(Printed {
        profile: if output.is_none() {
            imported.profile
        } else {
            String::new()
        },
        notes,
    })
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

fn losses(imported: &Imported) -> Vec<String> {
    let lines = imported.left_out.iter();
    lines
        .map(|what| format!("not carried: {}", one_line(what)))
        .collect()
}

fn things(count: usize) -> String {
    match count {
        1 => "1 thing is".to_owned(),
        n => format!("{n} things are"),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Reason> {
    let unreadable = |e: std::io::Error| Reason::new(format!("cannot be read: {e}"));
    let mut bytes = Vec::new();
    let limit = BYTES_MAX + 1;
    match is_standard(path) {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path)
            .map_err(unreadable)?
            .take(limit)
            .read_to_end(&mut bytes),
    }
    .map_err(unreadable)?;
    match bytes.len() as u64 > BYTES_MAX {
        true => Err(Reason::new(format!("larger than the limit, {BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// Writes the profile: whole or not at all, and not over what somebody has written by hand.
fn place(path: &Path, profile: &str, force: bool) -> Result<(), Failure> {
    let failed = |action: &str, e| unwritten(path, action, &e);
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return create(path, profile).map_err(|e| failed("create", e));
        }
        Err(e) => return Err(failed("write", e)),
    };
    // A pipe or a terminal has nothing to lose.
    if !found.is_file() {
        return fs::write(path, profile).map_err(|e| failed("write", e));
    }
    let mut old = Vec::new();
    let file = File::open(path).map_err(|e| failed("read", e))?;
    file.take(BYTES_MAX)
        .read_to_end(&mut old)
        .map_err(|e| failed("read", e))?;
    if old == profile.as_bytes() {
        return Ok(());
    }
    if !force && !is_as_written(&old) {
        let what = "import-k6 did not write this file, or it was edited since";
        let reason = Reason::new(what).hint("name another file with -o, or give --force to replace it");
        let name = lossless(path.as_os_str().as_bytes());
        return Err(Failure::new(ExitCode::Config, reason.at(name, 0)));
    }
    // Through a link, the file that it leads to.
    let path = fs::canonicalize(path).map_err(|e| failed("write", e))?;
    replace(&path, profile, &found.permissions()).map_err(|e| failed("write", e))
}

fn create(path: &Path, profile: &str) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(profile.as_bytes())
}

fn replace(path: &Path, profile: &str, permissions: &fs::Permissions) -> std::io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let placed = create(&temporary, profile)
        .and_then(|()| fs::set_permissions(&temporary, permissions.clone()))
        .and_then(|()| fs::rename(&temporary, path));
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    placed
}

/// How the profile is run. It names a target, because without one the load would go to the simulator.
fn command(args: &ImportK6Args, output: Option<&Path>, imported: &Imported) -> String {
    let target = match imported.names_servers {
        true => String::new(),
        false => format!(" --target {EXAMPLE_TARGET}"),
    };
    let run = |profile: &str| format!("llmload-uring {profile}{target}");
    let said = match imported.names_servers {
        true => "run it, after a look at its servers",
        false => "run it, with the address of your server",
    };
    match output {
        Some(path) => format!("{said}: {}", run(&as_argument(path))),
        None => format!(
            "{said}: llmload-uring import-k6 {} -o mine.yaml && {}",
            quoted_for_shell(&shown_path(&args.options)),
            run("mine.yaml")
        ),
    }
}

/// A word without a slash is taken for a built-in profile unless it ends as a file does.
fn as_argument(path: &Path) -> String {
    let text = shown_path(path);
    let is_path = text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml");
    let text = match is_path && !text.starts_with('-') {
        true => text,
        false => format!("./{text}"),
    };
    quoted_for_shell(&text)
}

fn quoted_for_shell(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}
