//! The command line and the environment, laid over the document.

pub(in crate::config) mod load;
mod managed_server;
mod mix;
pub(in crate::config) mod passes_and_files;
mod settings;

pub use managed_server::{CommandSettings, SimulatorSettings};
pub(in crate::config) use settings::settings;
pub use settings::{Header, MIN_WAIT_DEFAULT, Settings};
