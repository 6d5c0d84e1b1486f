//! What this host allows, read once before the run: what cannot fit is refused with numbers, not found out
//! under load. Reading (`facts`) and deciding (`preflight`, `cpus`) are apart, so that every refusal is
//! tested with made-up facts.

mod cpu_list;
pub mod cpus;
mod facts;
pub mod preflight;
mod quota;
mod uring;

pub use cpu_list::CpuList;
pub use cpus::{CpuPlan, plan_cpus};
pub use facts::{CPU_COUNT_MAX, HostFacts, Limit, allowed_cpus, raise_open_files};
pub use preflight::{HostError, Need, Note, check};
pub use quota::cpu_quota;
pub use uring::{UringFacts, UringRefusal};
