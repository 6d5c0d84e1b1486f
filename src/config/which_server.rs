//! Which server a run is for, and who starts it: decided once, from the document and the options laid over it.

use crate::cli::RunArgs;
use crate::config::options::{CommandSettings, SimulatorSettings};
use crate::config::{ServerEntry, SimulatorConfig};
use crate::error::{Mistake, Place, Reason};
use crate::plan::DURATION_MAX;
use crate::units::{SECOND, check_duration};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::net::Ipv4Addr;

/// The server that the requests of a run go to, and who starts it. Everything after the configuration matches on
/// this, so no later stage asks again which options were given.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerChoice {
    /// The run starts the built-in simulator and stops it. Where `port` is given and a healthy server answers there
    /// already, that one is used instead.
    Simulator(SimulatorSettings),
    /// The run starts this command and stops it. The load goes to `server`, or to the origin of the health URL.
    Command {
        command: CommandSettings,
        server: Option<ServerEntry>,
    },
    /// These servers run already. Never empty.
    Running(Vec<ServerEntry>),
}

impl ServerChoice {
    /// The choice of a document without options.
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

    /// The servers with an address of their own; empty where the run starts what it loads.
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

/// Decides which server the run is for. `document` are the servers of the document, `simulator` its wishes for the
/// simulator. Opens no file and no connection. Options that contradict the choice are reported here and nowhere else.
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
    match command {
        Some(command) => ServerChoice::Command {
            command,
            server: servers.pop(),
        },
        None if servers.is_empty() => ServerChoice::Simulator(settings),
        None => ServerChoice::Running(servers),
    }
}

/// The URL of a server at a port of this host.
pub fn local_url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}

/// The servers of a document, as errors speak of them.
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
        wrong(Reason::new("`0` is below the limit, 1").hint("leave it out for any free port"));
    }
    if args.target().is_some() {
        let what = "contradicts `--target`, whose URL has the port";
        wrong(Reason::new(what).hint("put the port into the URL"));
    } else if args.server.server_cmd.is_some() {
        let what = "is for the simulator; a server of your own gets its port in `--server-cmd`";
        wrong(Reason::new(what).hint("name the port in `--health-url` as well"));
    } else if let Some(listed) = listed {
        let what = format!(
            "is for the simulator, but {} names a server that runs already",
            listed.named()
        );
        wrong(Reason::new(what).hint("change the port in the document"));
    }
}

/// A port alone may turn out to be a server's: then the simulator's options are refused once that is known.
fn check_simulator(args: &RunArgs, listed: Option<&Listed>, mistakes: &mut Vec<Mistake>) {
    let Some(option) = SimulatorSettings::option_given(args) else {
        return;
    };
    let instead = if args.server.server_cmd.is_some() {
        "`--server-cmd` starts another server".to_owned()
    } else if args.target().is_some() {
        "`--target` names a server that runs already".to_owned()
    } else if args.no_server {
        "`--no-server` starts none".to_owned()
    } else if let Some(listed) = listed {
        format!("{} names a server that runs already", listed.named())
    } else {
        return;
    };
    let what = format!("is for the simulator, but {instead}");
    mistakes.push(Reason::new(what).hint("drop one of the two").at(option, 0));
}

/// A server that the run starts has a wait of its own.
fn check_wait(args: &RunArgs, listed: bool, mistakes: &mut Vec<Mistake>) {
    let Some(wait) = args.wait_for_target else { return };
    let mut wrong = |reason: Reason| mistakes.push(reason.at("--wait-for-target", 0));
    if let Err(reason) = check_duration(wait, &(SECOND..=DURATION_MAX)) {
        wrong(reason);
    }
    if args.server.server_cmd.is_some() {
        let what = "is for a server that others start; `--server-wait` is for that of `--server-cmd`";
        wrong(Reason::new(what).hint("drop it, and give `--server-wait`"));
    } else if args.target().is_none() && !listed && args.port.is_none() {
        let what = "has no meaning without a target: the simulator is started by the run";
        wrong(Reason::new(what).hint("add `--target URL`"));
    }
}

/// A document with one server may be run against another; with several nobody knows which one is meant.
fn check_several(args: &RunArgs, listed: &Listed, mistakes: &mut Vec<Mistake>) {
    let named = format!("the {} servers of {}", listed.count, listed.named());
    if args.target().is_some() {
        let what = format!("contradicts {named}: it does not say which of them it replaces");
        let hint = "drop it, in the environment too, or leave one server in the document";
        mistakes.push(Reason::new(what).hint(hint).at("--target", 0));
    }
    if args.server.server_cmd.is_some() {
        let what = format!("starts one server, but the load is for {named}");
        let hint = "start them beforehand and drop `--server-cmd`";
        mistakes.push(Reason::new(what).hint(hint).at("--server-cmd", 0));
    }
}

/// Puts `url` in the place of the only server's, or names a server where there was none.
fn retarget(servers: &mut Vec<ServerEntry>, url: &str, option: &str) {
    match servers.first_mut() {
        Some(server) => {
            server.base_url = url.to_owned();
            // Another server has a path of its own, which says what it speaks, and no business with this one's key.
            server.api = None;
            server.api_key_env = None;
            server.headers.clear();
        }
        None => servers.push(ServerEntry::at(url, Place::option(option))),
    }
}

/// Writes the choice as keys of a configuration: `server` for the only one without a name and `servers` for a list,
/// as a document has them, and `managed_server` for what the run starts, which no document has. A server that an
/// option names is no part of the document: shards of one run may reach it by different addresses.
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
