//! The subcommands `import-k6` and `import-inference-perf`: each reads another tool's configuration and writes a
//! profile.

use crate::cli::{ImportAction, ImportInferencePerfArgs, ImportK6Args};
use crate::error::{ExitCode, Failure, Mistakes, Reason, lossless, one_line, shown_path};
use crate::imports::{Imported, Importer, decode, is_as_written};
use crate::output::{unwritten, write_whole};
use crate::units::open_input;
use crate::{inference_perf, k6};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The largest file that is read. Scripts and configurations are far smaller; only k6's archives, which are not
/// supported, are larger.
const BYTES_MAX: u64 = 4 << 20;
/// The name of standard input or output instead of a file.
const STANDARD: &str = "-";
/// The placeholder for the user's server in the command that is printed last.
const EXAMPLE_TARGET: &str = "http://127.0.0.1:8080";

/// The outcome of an import, for `main` to print.
#[derive(Debug)]
pub struct Printed {
    /// The profile for standard output; empty if it was written to a file.
    pub profile: String,
    /// The lines for standard error.
    pub notes: Vec<String>,
}

/// What every import is asked for.
struct Job<'a> {
    importer: Importer,
    file: &'a Path,
    output: Option<&'a Path>,
    strict: bool,
    force: bool,
}

/// Imports what the words after `import` name.
///
/// # Errors
/// Fails as the command of its own does.
pub fn run(action: &ImportAction) -> Result<Printed, Failure> {
    match action {
        ImportAction::K6(args) => run_k6(args),
        ImportAction::InferencePerf(args) => run_inference_perf(args),
    }
}

/// Imports k6's options, and writes the profile if a file was named.
///
/// # Errors
/// Fails if options cannot be imported, if with `--strict` anything is not carried over, and if the profile cannot be
/// written or would replace an edited file.
pub fn run_k6(args: &ImportK6Args) -> Result<Printed, Failure> {
    let job = Job {
        importer: Importer::K6,
        file: &args.options,
        output: args.output.as_deref(),
        strict: args.strict,
        force: args.force,
    };
    job.run(&|text, from| {
        k6::import(&k6::Request {
            text,
            from,
            mix: &args.mix,
            env: &args.env.iter().cloned().collect(),
        })
        .map_err(|mistakes| mistakes.within(from))
    })
}

/// Imports a configuration of inference-perf, and writes the profile if a file was named.
///
/// # Errors
/// Fails as [`run_k6`] does.
pub fn run_inference_perf(args: &ImportInferencePerfArgs) -> Result<Printed, Failure> {
    let job = Job {
        importer: Importer::InferencePerf,
        file: &args.file,
        output: args.output.as_deref(),
        strict: args.strict,
        force: args.force,
    };
    job.run(&|text, from| inference_perf::import(text, from))
}

/// Makes a profile of a file's text and name.
type Import<'a> = &'a dyn Fn(&str, &str) -> Result<Imported, Mistakes>;

impl Job<'_> {
    fn run(&self, import: Import<'_>) -> Result<Printed, Failure> {
        let name = match is_standard(self.file) {
            true => "standard input".into(),
            false => lossless(self.file.as_os_str().as_bytes()),
        };
        let text = self
            .read()
            .and_then(|bytes| decode(&bytes))
            .map_err(|reason| Failure::from(Mistakes::from(reason).within(&name)))?;
        let imported = import(&text, &name).map_err(Failure::from)?;
        let mut notes = lines_not_carried(&imported);
        if self.strict && !notes.is_empty() {
            return Err(self.not_strict(&name, &notes));
        }
        let renamed = imported.renamed.iter();
        notes.extend(renamed.map(|line| format!("renamed: {}", one_line(line))));
        notes.extend(imported.notes.iter().map(|line| one_line(line).to_string()));
        let output = self.output.filter(|path| !is_standard(path));
        if let Some(path) = output {
            self.write_profile(path, &imported.profile)?;
        }
        notes.push(self.next_command(output, &imported));
        Ok(Printed {
            profile: if output.is_none() {
                imported.profile
            } else {
                String::new()
            },
            notes,
        })
    }

    fn not_strict(&self, name: &str, lost: &[String]) -> Failure {
        let what = match lost.len() {
            1 => "1 thing was not carried, and --strict was given".to_owned(),
            n => format!("{n} things were not carried, and --strict was given"),
        };
        let hint = match self.importer {
            Importer::K6 => "remove them, or, if the script computes them, import the output of `k6 inspect`",
            Importer::InferencePerf => "remove them, or leave --strict out and complete the profile",
        };
        let reason = Reason::new(what).hint(hint);
        Failure::new(ExitCode::Config, reason.at(name, 0)).because(&lost.join("\n"))
    }

    fn read(&self) -> Result<Vec<u8>, Reason> {
        let path = self.file;
        let hint = match self.importer {
            Importer::K6 => {
                "name k6's options or script; `k6 inspect script.js > options.json` prints the options"
            }
            Importer::InferencePerf => "name the YAML file that inference-perf is given as `--config_file`",
        };
        let unreadable = |e: std::io::Error| Reason::new(format!("cannot be read: {e}")).hint(hint);
        let mut bytes = Vec::new();
        let limit = BYTES_MAX + 1;
        match is_standard(path) {
            true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
            false => open_input(path)
                .map_err(unreadable)?
                .take(limit)
                .read_to_end(&mut bytes),
        }
        .map_err(unreadable)?;
        match bytes.len() as u64 > BYTES_MAX {
            true => Err(Reason::new(format!("larger than the limit of {BYTES_MAX} bytes")).hint(hint)),
            false => Ok(bytes),
        }
    }

    /// Writes the profile completely or not at all, and never over a file that somebody wrote or edited by hand.
    fn write_profile(&self, path: &Path, profile: &str) -> Result<(), Failure> {
        let failed = |action: &str, e| unwritten(path, action, &e);
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(e) if e.kind() == ErrorKind::NotFound => return write_whole(path, profile.as_bytes()),
            Err(e) => return Err(failed("write", e)),
        };
        // A pipe or a terminal holds nothing that could be lost.
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
        if !self.force && !is_as_written(&old) {
            let command = self.importer.command();
            let what = format!("this file was not written by {command}, or was edited since then");
            let reason =
                Reason::new(what).hint("choose another file with -o, or replace this one with --force");
            let name = lossless(path.as_os_str().as_bytes());
            return Err(Failure::new(ExitCode::Config, reason.at(name, 0)));
        }
        // If the path is a link, the file that it leads to is replaced, not the link.
        let path = fs::canonicalize(path).map_err(|e| failed("write", e))?;
        replace(&path, profile, &found.permissions()).map_err(|e| failed("write", e))
    }

    /// Returns the line that says how to run the profile. It names a target, because without one the load would go to
    /// the simulator.
    fn next_command(&self, output: Option<&Path>, imported: &Imported) -> String {
        let target = match imported.names_servers {
            true => String::new(),
            false => format!(" --target {EXAMPLE_TARGET}"),
        };
        let run = |profile: &str| format!("llmload-uring {profile}{target}");
        let advice = match imported.names_servers {
            true => "check its servers, then run it",
            false => "run it with the address of your server",
        };
        match output {
            Some(path) => format!("{advice}: {}", run(&as_argument(path))),
            None => format!(
                "{advice}: llmload-uring {} {} -o mine.yaml && {}",
                self.importer.command(),
                quoted_for_shell(&shown_path(self.file)),
                run("mine.yaml")
            ),
        }
    }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

fn lines_not_carried(imported: &Imported) -> Vec<String> {
    let lines = imported.left_out.iter();
    lines
        .map(|what| format!("not carried: {}", one_line(what)))
        .collect()
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

/// Writes the path so that it is not taken for a built-in profile, which is what a word without a slash and without
/// `.yaml` or `.yml` names.
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
