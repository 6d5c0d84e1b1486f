//! Serves llmsim's router on a tokio runtime until the parent ends. This is the child's side of the simulator.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use llmsim::cli::{AppState, Config, build_router};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Notify;

use super::args::{LATENCY_DEFAULT, TARGET_TOKENS_DEFAULT};
use crate::error::{ExitCode, Failure, Reason, quoted, shown_path};
use crate::server::{LISTEN_BACKLOG, SimArgs, SimOptions, process};
use crate::units::read_input;

/// Prefix of the only line on stdout; the address follows.
pub const READY: &str = "listening ";

/// Time that open requests have to finish once the child was asked to end.
const DRAIN: Duration = Duration::from_millis(200);

/// The longest configuration.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Models whose tokenizers are loaded at the start, one for each vocabulary that the default models use.
const WARM_MODELS: [&str; 2] = ["gpt-4o", "gpt-4"];

/// Runs the hidden subcommand.
pub fn run(args: SimArgs) -> Result<(), Failure> {
    let listen = args.listen;
    serve(listen, args.options()?)
}

/// Serves until stdin ends, SIGTERM arrives or the parent dies, then ends the process with status 0. Prints one line,
/// `listening ADDRESS`, once connections are accepted and the tokenizers are loaded.
pub fn serve(listen: SocketAddr, options: SimOptions) -> Result<(), Failure> {
    options.validate()?;
    // The kernel sends this signal when the *thread* that spawned us ends, so the parent spawns from its main thread.
    // It is the second safeguard; the first is the end of stdin, which does not depend on the thread.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| failed("prctl", &e))?;
    crate::host::raise_open_files();
    let state = state(&options)?;
    let listener = bind(listen)?;
    let address = listener.local_addr().map_err(|e| failed("bind", &e))?;
    let stop = Arc::new(Notify::new());
    watch_for_the_end(&stop)?;
    // Before pinning, because the workers' cores are still idle and this takes most of the time to start.
    load_tokenizers();
    pin(&options.cpus)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(1, usize::from))
        .enable_all()
        .build()
        .map_err(|e| failed("tokio runtime", &e))?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| failed("listen", &e))?;
        // Nagle's algorithm together with delayed ACKs would hold back events of a reused connection for 40 ms.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let serving = axum::serve(listener, build_router(state))
            .with_graceful_shutdown(async move { stop.notified().await });
        announce(address)?;
        // A task runs on a worker thread. Accepting from this thread would cost a wake-up per connection.
        tokio::spawn(async move { serving.await })
            .await
            .map_err(|e| failed("serve", &e))?
            .map_err(|e| failed("serve", &e))
    })
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    process::failure(format!("simulator: {what}: {error}"))
}

/// Pins this thread, and so all threads that it starts. An empty list changes nothing.
fn pin(cpus: &[usize]) -> Result<(), Failure> {
    let done = match cpus {
        [] => return Ok(()),
        [id] => core_affinity::set_for_current(core_affinity::CoreId { id: *id }),
        _ => {
            let mut set = CpuSet::new();
            cpus.iter().for_each(|cpu| set.set(*cpu));
            sched_setaffinity(None, &set).is_ok()
        }
    };
    if done {
        Ok(())
    } else {
        let list = crate::host::cpus::cpu_list(cpus);
        Err(failed("the process cannot be pinned to CPUs", &list))
    }
}

/// Reads the files that the options name, to find mistakes of the user before the child starts.
pub fn check(options: &SimOptions) -> Result<(), Failure> {
    match options.config {
        Some(_) => state(options).map(drop),
        None => Ok(()),
    }
}

fn state(options: &SimOptions) -> Result<Arc<AppState>, Failure> {
    let config = config(options)?;
    let place = |what: &str, path: &str, error: &dyn std::fmt::Display| {
        let hint = "see the documentation of llmsim's configuration";
        refused(&format!("simulator {what} {}", quoted(path)), error, hint)
    };
    let script_path = config.response.script_path.clone();
    let scenarios_path = config.response.scenarios_path.clone();
    let mut state = AppState::new(config, llmsim::new_shared_stats());
    if let Some(path) = script_path {
        let script = llmsim::script::Script::from_file(&path).map_err(|e| place("script", &path, &e))?;
        state = state.with_script(Arc::new(script));
    }
    if let Some(path) = scenarios_path {
        let scenarios =
            llmsim::scenario::ScenarioSet::from_path(&path).map_err(|e| place("scenarios", &path, &e))?;
        state = state.with_scenarios(Arc::new(scenarios));
    }
    Ok(Arc::new(state))
}

/// Returns a failure for an error of a parser. It may have several lines with part of the file; the first becomes the
/// error, and the others its cause.
fn refused(what: &str, error: &dyn std::fmt::Display, hint: &str) -> Failure {
    let text = error.to_string();
    let (first, rest) = text.trim_end().split_once('\n').unwrap_or((text.trim_end(), ""));
    let reason = Reason::new(format!("{what}: {first}")).hint(hint);
    Failure::new(ExitCode::Config, reason).because(rest)
}

/// Reads llmsim's document.
fn read_config(path: &Path) -> Result<Config, Failure> {
    let hint = "give a TOML document with [latency], [response] and [errors]";
    let wrong = |e: &dyn std::fmt::Display| {
        let what = format!("simulator configuration `{}`", shown_path(path));
        refused(&what, e, hint)
    };
    let read = read_input(path, CONFIG_BYTES_MAX).map_err(|e| wrong(&format!("cannot be read: {e}")))?;
    let bytes = read.ok_or_else(|| wrong(&format!("larger than the limit of {CONFIG_BYTES_MAX} bytes")))?;
    let text = String::from_utf8(bytes).map_err(|e| wrong(&e))?;
    Config::from_toml(&text).map_err(|e| wrong(&e))
}

/// Reads the file and applies the options over it. llmsim's own address and port are not used.
fn config(options: &SimOptions) -> Result<Config, Failure> {
    let mut config = match &options.config {
        Some(path) => read_config(path)?,
        None => {
            let mut config = Config::default();
            config.latency.profile = Some(LATENCY_DEFAULT.to_owned());
            config.response.target_tokens = TARGET_TOKENS_DEFAULT;
            config
        }
    };
    if let Some(latency) = &options.latency {
        config.latency.profile = Some(latency.clone());
    }
    if let Some(tokens) = options.target_tokens {
        config.response.target_tokens = tokens;
    }
    if let Some(rates) = &options.errors {
        config.errors.rate_limit_rate = rates.rate_limit;
        config.errors.server_error_rate = rates.server_error;
        config.errors.timeout_rate = rates.timeout;
    }
    Ok(config)
}

fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
        // A run that follows at once finds connections of the previous one in TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&listen.into())?;
        socket.listen(i32::try_from(LISTEN_BACKLOG).expect("a constant below 65536"))?;
        Ok(socket.into())
    };
    listener().map_err(|e| failed(&format!("cannot listen on {listen}"), &e))
}

/// Starts two threads that wait for the end of stdin and for SIGTERM. SIGINT is ignored: only the parent handles Ctrl-C
/// and decides when to end.
fn watch_for_the_end(stop: &Arc<Notify>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| failed("signals", &e))?;
    let on_signal = stop.clone();
    spawn("sim-signal", move || {
        if signals.forever().any(|signal| signal == SIGTERM) {
            end(&on_signal);
        }
    })?;
    let on_eof = stop.clone();
    spawn("sim-stdin", move || {
        process::await_end_of_stdin();
        end(&on_eof);
    })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|e| failed("thread", &e))
}

/// Asks the runtime to finish, and ends the process if it has not finished in time. Timers of the runtime itself would
/// be late with a thousand open streams.
fn end(stop: &Notify) {
    stop.notify_one();
    std::thread::sleep(DRAIN);
    std::process::exit(0);
}

/// Loads the tokenizers. The first text of each vocabulary takes 110-240 ms, which would delay the first request.
fn load_tokenizers() {
    std::thread::scope(|scope| {
        for model in WARM_MODELS {
            scope.spawn(move || llmsim::count_tokens("warm", model).is_ok());
        }
    });
}

fn announce(address: SocketAddr) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{READY}{address}")
        .and_then(|()| stdout.flush())
        .map_err(|e| failed("stdout", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_the_simulator_is_fast_and_answers_with_twenty_tokens() {
        let config = config(&SimOptions::default()).unwrap();
        assert_eq!(config.latency_profile().ttft_mean_ms, 10);
        assert_eq!(config.response.target_tokens, 20);
        assert_eq!(config.error_config().rate_limit_rate, 0.0);
    }

    #[test]
    fn options_override_the_file() {
        let path = std::env::temp_dir().join(format!("sim-config-{}.toml", std::process::id()));
        std::fs::write(
            &path,
            "[latency]\nprofile = \"gpt4\"\n[response]\ntarget_tokens = 7\n",
        )
        .unwrap();
        let mut options = SimOptions {
            config: Some(path.clone()),
            ..Default::default()
        };
        let from_file = config(&options).unwrap();
        assert_eq!(from_file.latency_profile().ttft_mean_ms, 800);
        assert_eq!(from_file.response.target_tokens, 7);
        options.latency = Some("instant".into());
        options.errors = Some(super::super::ErrorRates::CHAOS);
        let over = config(&options).unwrap();
        assert_eq!(over.latency_profile().ttft_mean_ms, 0);
        assert_eq!(over.response.target_tokens, 7);
        assert_eq!(over.error_config().timeout_rate, 0.02);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_missing_file_is_a_configuration_error() {
        let options = SimOptions {
            config: Some("/nonexistent/sim.toml".into()),
            ..Default::default()
        };
        let Err(error) = config(&options) else {
            panic!("a missing file was accepted")
        };
        assert_eq!(error.exit, ExitCode::Config);
    }
}
