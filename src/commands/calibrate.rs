//! The subcommand `calibrate`: measures what a client on this host can do and how far off its figures are.

use crate::calibrate::{Options, calibrate};
use crate::calibration::{CalibratedHost, Calibration, text};
use crate::cli::CalibrateArgs;
use crate::error::{ExitCode, Failure, Mistakes, safe_json};
use crate::host::preflight::ring_bytes;
use crate::host::{self, HostFacts, Io, IoChoice, IoUse, Need, plan_cpus, raise_open_files};
use crate::net;
use crate::output::OutputFile;
use crate::signals::{Phase, Signals};

/// The most CPUs that the mock uses. More of them would only make it wait more often.
const SERVER_CPUS_MAX: usize = 4;
/// The users of the largest load.
const USERS_MAX: u32 = 2_000;

/// The outcome of a calibration, for `main` to print.
#[derive(Debug)]
pub struct Calibrated {
    /// For standard output, unless the document has it.
    pub text: String,
    /// The text is for standard error: the document has standard output.
    pub standard_output_taken: bool,
    pub exit: ExitCode,
    /// The document that could not be written.
    pub unwritten: Option<Failure>,
}

/// Measures for about as long as `--duration` says. A signal ends it, and what was measured until then is kept.
pub fn run(args: &CalibrateArgs, say: &mut dyn FnMut(&str)) -> Result<Calibrated, Failure> {
    let mistakes = args.check();
    if !mistakes.is_empty() {
        return Err(Mistakes::new(mistakes).into());
    }
    let signals = Signals::watch(Phase::Load, |_| {})?;
    let (mut host, cores) = host(args)?;
    let io = check_host(args.io, cores, say)?;
    host.io = io.name().to_owned();
    let file = args.output.as_deref().map(OutputFile::prepare).transpose()?;
    if let Some(file) = &file {
        signals.remove_on_exit(file.temporaries());
    }
    let options = Options {
        io,
        host,
        duration: args.duration,
        files: raise_open_files().soft,
    };
    if options.host.is_shared() {
        say(
            "this process may use one CPU: mock and client take turns on it, so the errors contain their waiting",
        );
    }
    let calibration = calibrate(&options, &signals.received, say)?;
    signals.enter(Phase::Report);
    let json = document(&calibration);
    let unwritten = file.as_ref().and_then(|file| file.write_text(&json).err());
    Ok(Calibrated {
        text: match args.json {
            true => json,
            false => text(&calibration),
        },
        standard_output_taken: file.as_ref().is_some_and(OutputFile::is_standard_output),
        exit: match calibration.interrupted {
            true => ExitCode::Interrupted,
            false => ExitCode::Ok,
        },
        unwritten,
    })
}

/// Returns the host with the CPUs to use, and the number of threads with a ring on it.
fn host(args: &CalibrateArgs) -> Result<(CalibratedHost, usize), Failure> {
    let facts = HostFacts::read_for(args.io);
    let named = args.cpus.as_ref().map(|list| list.0.as_slice());
    let one = named.is_none().then_some(1);
    let cpus = plan_cpus(&facts.allowed_cpus, one, named, true)?;
    let client_cpu = cpus.workers[0];
    let mut server_cpus = cpus.server;
    server_cpus.truncate(SERVER_CPUS_MAX);
    let threads = 1 + server_cpus.len();
    let host = CalibratedHost {
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        kernel: facts.kernel,
        cpu: facts.cpu_model,
        cpus_allowed: facts.allowed_cpus,
        client_cpu,
        server_cpus,
        io: Io::Uring.name().to_owned(),
    };
    Ok((host, threads))
}

/// Checks that this host allows the threads of mock and client, before one is started. Returns what drives their
/// sockets.
fn check_host(asked: IoChoice, cores: usize, say: &mut dyn FnMut(&str)) -> Result<Io, Failure> {
    let mut need = Need {
        io: Io::Uring,
        vus: 1,
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        addresses: 1,
        sources: 1,
        closing: 0,
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(USERS_MAX)),
        backlog: 0,
    };
    let mut facts = HostFacts::read_for(asked);
    let io = IoUse::choose(asked, &facts, &need);
    need.io = io.io;
    host::check(&mut facts, &need)?;
    io.note()
        .iter()
        .for_each(|note| say(&format!("calibrate: {note}")));
    Ok(io.io)
}

fn document(calibration: &Calibration) -> String {
    let json = serde_json::to_string_pretty(calibration).expect("numbers and text are JSON");
    let mut json = safe_json(&json).into_owned();
    json.push('\n');
    json
}
