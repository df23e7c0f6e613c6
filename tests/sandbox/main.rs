//! Programs that try to break out of the sandbox, each with every mechanism that this machine has:
//! the machine stays as it was, and the verdict is right.
//!
//! As root, everything is done once more as an ordinary user.
#![cfg(target_os = "linux")]

mod breakouts;
mod folders;
mod machine;
mod runtimes;
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod traces;
mod unsandboxed;
mod verdicts;
