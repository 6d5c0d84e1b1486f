//! Checks once before the run what this host allows, so that a load that does not fit is refused with numbers instead
//! of failing later. Reading (`facts`) and deciding (`preflight`, `cpus`) are separate, so that each refusal is tested
//! with invented facts.

mod cpu_list;
pub mod cpus;
mod facts;
mod io;
mod memory;
pub mod preflight;
mod quota;
mod source_list;
mod trial;
mod uring;

pub use cpu_list::CpuList;
pub use cpus::{CpuPlan, plan_cpus};
pub use facts::{CPU_COUNT_MAX, HostFacts, Limit, allowed_cpus, raise_open_files};
pub use io::{Io, IoChoice, IoUse};
pub use memory::answer_bytes_max;
pub use preflight::{HostError, Need, Note, check};
pub use quota::{CpuQuota, Throttled};
pub use source_list::{SOURCES_MAX, SourceList};
pub use uring::{UringFacts, UringRefusal};
