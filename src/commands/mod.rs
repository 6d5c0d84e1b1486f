//! The subcommands, each from its arguments to the text it prints and its exit code.

pub mod calibrate;
pub mod compare;
pub mod config_check;
mod held_input;
pub mod import;
pub mod merge;
pub mod mock;
pub mod probe;
pub mod profiles;
pub mod report;
mod saved;
pub mod show;
