//! Which of several processes this one is, as the engine that started them says it in the environment: Slurm, an MPI
//! launcher, Kubernetes, torchrun.
//!
//! ```text
//! find(count, env)  ->  Rank { 2 of 4, from "SLURM_PROCID" }
//! leader(env)       ->  the host of rank 0, where the engine names it
//! ```
//! Ranks count from 0, as in every engine; shards, which people write, count from 1.

mod find;
mod leader;

pub use find::{Rank, find};
pub use leader::{Leader, first_host, leader};
