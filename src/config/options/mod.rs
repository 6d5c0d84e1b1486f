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

pub use managed_server::{CommandSettings, SimulatorSettings};
pub(in crate::config) use server_keys::{read_kind_keys, read_server_keys};
pub(in crate::config) use settings::settings;
pub(in crate::config) use settings::{HEADERS_MAX, parse_header};
pub use settings::{Header, MIN_WAIT_DEFAULT, Settings};
