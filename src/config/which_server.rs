//! Decides which server a run is for, and who starts it: once, from the document and the options applied to it.

use crate::cli::RunArgs;
use crate::config::options::{CommandSettings, SimulatorSettings};
use crate::config::{ServerEntry, SimulatorConfig};
use crate::discover::{check_url, may_be_at};
use crate::error::{Mistake, Place, Reason};
use crate::plan::{DURATION_MAX, TARGET_WAIT_MIN};
use crate::units::check_duration;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::net::Ipv4Addr;

/// The server that the requests of a run go to, and who starts it. Everything after the configuration matches on
/// this, so no later stage asks again which options were given.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerChoice {
    /// The run starts the built-in simulator and stops it. If `port` is given and a healthy server already answers
    /// there, that one is used instead.
    Simulator(SimulatorSettings),
    /// The run starts this command and stops it. The load goes to `server`, or to the origin of the health URL.
    Command {
        command: CommandSettings,
        server: Option<ServerEntry>,
    },
    /// These servers are already running. The list is never empty.
    Running(Vec<ServerEntry>),
}

impl ServerChoice {
    /// Returns the choice of a document without options.
    pub fn of_document(servers: Vec<ServerEntry>, simulator: Option<&SimulatorConfig>) -> ServerChoice {
        match servers.is_empty() {
            true => ServerChoice::Simulator(SimulatorSettings::of_document(simulator)),
            false => ServerChoice::Running(servers),
        }
    }

    pub(in crate::config) fn servers_mut(&mut self) -> &mut [ServerEntry] {
        match self {
            ServerChoice::Simulator(_) | ServerChoice::Command { server: None, .. } => &mut [],
            ServerChoice::Command {
                server: Some(server), ..
            } => std::slice::from_mut(server),
            ServerChoice::Running(servers) => servers,
        }
    }

    /// Returns the servers that have an address; empty if the run starts the server that it loads.
    pub fn servers(&self) -> &[ServerEntry] {
        match self {
            ServerChoice::Simulator(_) | ServerChoice::Command { server: None, .. } => &[],
            ServerChoice::Command {
                server: Some(server), ..
            } => std::slice::from_ref(server),
            ServerChoice::Running(servers) => servers,
        }
    }
}

/// Decides which server the run is for. `document` are the servers of the document, `simulator` its settings for the
/// simulator. It opens no file and no connection. Options that contradict the choice are reported here and nowhere
/// else.
pub fn choose_server(
    args: &RunArgs,
    document: Vec<ServerEntry>,
    simulator: Option<&SimulatorConfig>,
    mistakes: &mut Vec<Mistake>,
) -> ServerChoice {
    let before = mistakes.len();
    let command = CommandSettings::read(args, mistakes);
    let settings = SimulatorSettings::read(args, simulator, mistakes);
    let listed = Listed::of(&document);
    check_port(args, listed.as_ref(), mistakes);
    check_simulator(args, listed.as_ref(), mistakes);
    if let Some(listed) = listed.as_ref().filter(|listed| listed.count > 1) {
        check_several(args, listed, mistakes);
    }
    let named = args.target().is_some() || listed.is_some() || args.port.is_some();
    if args.no_server && !named && args.server.server_cmd.is_none() {
        let reason = Reason::new("starts no server, and no target is given")
            .hint("add `--target URL`, or `--port N` for a server on this host");
        mistakes.push(reason.at("--no-server", 0));
    }
    check_wait(args, listed.is_some(), mistakes);
    check_api(args, listed.as_ref(), mistakes);
    if mistakes.len() > before {
        // The run ends with these mistakes. What follows is checked with the document's servers alone.
        return ServerChoice::of_document(document, simulator);
    }
    let mut servers = document;
    if let Some(target) = args.target() {
        retarget(&mut servers, target, "--target");
    } else if let (Some(port), true) = (args.port, args.no_server) {
        retarget(&mut servers, &local_url(port), "--port");
    }
    if let (Some(api), Some(server)) = (args.api, servers.first_mut()) {
        server.api = Some(api);
    }
    match command {
        Some(command) => ServerChoice::Command {
            command,
            server: servers.pop(),
        },
        None if servers.is_empty() => ServerChoice::Simulator(settings),
        None => ServerChoice::Running(servers),
    }
}

/// Returns the URL of a server at a port of this host.
pub fn local_url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}

/// The servers of a document, as errors refer to them.
struct Listed {
    count: usize,
    place: Place,
}

impl Listed {
    fn of(document: &[ServerEntry]) -> Option<Listed> {
        let first = document.first()?;
        Some(Listed {
            count: document.len(),
            place: first.place.clone(),
        })
    }

    fn named(&self) -> String {
        format!("{}:{}", self.place.name, self.place.line)
    }
}

fn check_port(args: &RunArgs, listed: Option<&Listed>, mistakes: &mut Vec<Mistake>) {
    let Some(port) = args.port else { return };
    let mut wrong = |reason: Reason| mistakes.push(reason.at("--port", 0));
    if port == 0 {
        wrong(Reason::new("`0` is below the minimum of 1").hint("leave the option out to use any free port"));
    }
    if args.target().is_some() {
        let what = "contradicts `--target`, whose URL has the port";
        wrong(Reason::new(what).hint("put the port in the URL"));
    } else if args.server.server_cmd.is_some() {
        let what = "is for the simulator; give your own server its port in `--server-cmd`";
        wrong(Reason::new(what).hint("use the same port in `--health-url`"));
    } else if let Some(listed) = listed {
        let what = format!(
            "is for the simulator, but {} names a server that is already running",
            listed.named()
        );
        wrong(Reason::new(what).hint("change the port in the document"));
    }
}

/// Refuses options of the simulator where none is started. A port alone may turn out to be a server's; then they are
/// refused as soon as that is known.
fn check_simulator(args: &RunArgs, listed: Option<&Listed>, mistakes: &mut Vec<Mistake>) {
    let Some(option) = SimulatorSettings::option_given(args) else {
        return;
    };
    let instead = if args.server.server_cmd.is_some() {
        "`--server-cmd` starts another server".to_owned()
    } else if args.target().is_some() {
        "`--target` names a server that is already running".to_owned()
    } else if args.no_server {
        "`--no-server` starts no server".to_owned()
    } else if let Some(listed) = listed {
        format!("{} names a server that is already running", listed.named())
    } else {
        return;
    };
    let what = format!("is for the simulator, but {instead}");
    mistakes.push(Reason::new(what).hint("remove one of them").at(option, 0));
}

/// Checks `--wait-for-target`, which is only for servers that the run does not start itself.
fn check_wait(args: &RunArgs, listed: bool, mistakes: &mut Vec<Mistake>) {
    let Some(wait) = args.wait_for_target else { return };
    let mut wrong = |reason: Reason| mistakes.push(reason.at("--wait-for-target", 0));
    if let Err(reason) = check_duration(wait, &(TARGET_WAIT_MIN..=DURATION_MAX)) {
        wrong(reason);
    }
    if args.server.server_cmd.is_some() {
        let what = "is for a server that is started elsewhere, not for that of `--server-cmd`";
        wrong(Reason::new(what).hint("use `--server-wait` instead"));
    } else if args.target().is_none() && !listed && args.port.is_none() {
        let what = "has no effect without a target, because the run starts the simulator itself";
        wrong(Reason::new(what).hint("add `--target URL`"));
    }
}

/// Checks `--api`, which is for one server that the run has the address of.
fn check_api(args: &RunArgs, listed: Option<&Listed>, mistakes: &mut Vec<Mistake>) {
    let Some(api) = args.api else { return };
    let wrong = |what: String, hint: &str| Reason::new(what).hint(hint.to_owned()).at("--api", 0);
    if let Some(listed) = listed.filter(|listed| listed.count > 1) {
        let what = format!(
            "names the API of one server, but the load is for the {} servers of {}",
            listed.count,
            listed.named()
        );
        mistakes.push(wrong(what, "write `api` at each of them in the document"));
        return;
    }
    let named = args.target().is_some() || listed.is_some() || (args.port.is_some() && args.no_server);
    if !named {
        let what = "has no effect without a target, because the run starts the simulator itself".to_owned();
        mistakes.push(wrong(what, "add `--target URL`"));
    } else if let Some(Err(reason)) = args.target().map(|url| check_url(url, Some(api))) {
        mistakes.push(reason.at("--target", 0));
    }
}

/// Refuses options that name one server if the document has several, because they do not say which one is meant.
fn check_several(args: &RunArgs, listed: &Listed, mistakes: &mut Vec<Mistake>) {
    let named = format!("the {} servers of {}", listed.count, listed.named());
    if args.target().is_some() {
        let what = format!("contradicts {named}: it does not say which of them it replaces");
        let hint = "remove it (check LLMLOAD_TARGET_URL as well), or leave only one server in the document";
        mistakes.push(Reason::new(what).hint(hint).at("--target", 0));
    }
    if args.server.server_cmd.is_some() {
        let what = format!("starts one server, but the load is for {named}");
        let hint = "start them beforehand and remove `--server-cmd`";
        mistakes.push(Reason::new(what).hint(hint).at("--server-cmd", 0));
    }
}

/// Replaces the URL of the only server by `url`, or adds a server if there was none.
fn retarget(servers: &mut Vec<ServerEntry>, url: &str, option: &str) {
    match servers.first_mut() {
        Some(server) => {
            server.base_url = url.to_owned();
            // The path names the API, unless it is that of several or of none.
            server.api = server.api.filter(|api| may_be_at(*api, url));
            // Another server must not get this one's key.
            server.api_key_env = None;
            server.headers.clear();
        }
        None => servers.push(ServerEntry::at(url, Place::option(option))),
    }
}

/// Writes the choice as keys of a configuration: `server` for the only one without a name and `servers` for a list,
/// as a document has them, and `managed_server` for what the run starts, which no document has. A server that an
/// option names is not part of the document, because shards of one run may reach it by different addresses.
pub fn choice_keys<S: Serializer>(choice: &ServerChoice, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    match choice.servers() {
        [] => {}
        [only] if only.place.is_option() => {}
        [only] if only.name.is_none() => map.serialize_entry("server", only)?,
        several => map.serialize_entry("servers", several)?,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Managed<'a> {
        Simulator(&'a SimulatorSettings),
        Command(&'a CommandSettings),
    }
    match choice {
        ServerChoice::Simulator(settings) => {
            map.serialize_entry("managed_server", &Managed::Simulator(settings))?;
        }
        ServerChoice::Command { command, .. } => {
            map.serialize_entry("managed_server", &Managed::Command(command))?;
        }
        ServerChoice::Running(_) => {}
    }
    map.end()
}

#[cfg(test)]
#[path = "which_server_tests.rs"]
mod tests;
