//! What `--version` says. `build.rs` found it out.

/// What stands behind the program's name: the number on the first line, as scripts read it, then how it was built.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit    ",
    env!("BUILT_COMMIT"),
    "\ntarget    ",
    env!("BUILT_TARGET"),
    "\nfeatures  ",
    env!("BUILT_FEATURES"),
    "\nprofile   ",
    env!("BUILT_PROFILE"),
    "\ncompiler  ",
    env!("BUILT_COMPILER"),
);
