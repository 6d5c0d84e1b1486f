use crate::cli;
use crate::config::{Config, Mistake, Place, ServerEntry, load_plan};
use crate::plan::{Executor, Plan};
use crate::units::SECOND;
use crate::workload::{Call, Endpoint};
