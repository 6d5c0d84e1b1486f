//! Applies the command line and the environment to the document.

pub(in crate::config) mod body;
mod calibration;
pub(in crate::config) mod connections;
mod dataset;
mod lengths;
pub(in crate::config) mod load;
mod managed_server;
mod mix;
pub(in crate::config) mod passes_and_files;
mod rates;
mod server_keys;
mod settings;
mod trace;

pub(in crate::config) use dataset::refuse_for_whole_bodies;
pub use managed_server::{CommandSettings, SimulatorSettings};
pub(in crate::config) use server_keys::{read_kind_keys, read_server_keys};
pub(in crate::config) use settings::settings;
pub(in crate::config) use settings::{HEADERS_MAX, parse_header};
pub use settings::{Header, MIN_WAIT_DEFAULT, Settings};

use crate::config::Config;
use crate::error::{Mistake, Reason};

/// Reports options that change chat requests, if the profile has none.
fn refuse_without_chat<O: Into<String>>(
    config: &Config,
    options: impl IntoIterator<Item = O>,
    mistakes: &mut Vec<Mistake>,
) {
    if config.requests.iter().any(|request| request.call.is_chat()) {
        return;
    }
    for option in options {
        let reason = Reason::new("the profile has no chat request that this could change");
        mistakes.push(reason.at(option, 0));
    }
}
