//! Limits that the kernel holds a process to, and all that come from it.
#![forbid(unsafe_code)]

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use super::failed;
use crate::error::Result;
use crate::eval::sandbox::Limits;

/// What is set, prepared so that setting it allocates nothing.
pub(super) type Set = [(Resource, u64, u64); 8];

/// Signals that may wait, and timers.
const SIGNALS: u64 = 1024;

/// What `limits` come to for one process. How many there may be is left out: see [`set_processes`].
pub(super) fn of(limits: &Limits) -> Set {
    let seconds = limits.cpu.saturating_add(Duration::from_secs(1)).as_secs();
    let data = limits.memory.saturating_mul(2).saturating_add(1 << 30);
    let same = |resource, value| (resource, value, value);
    [
        // The sum of all processes is watched; this is for a process that spins between two looks.
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        same(Resource::Fsize, limits.file_size),
        same(Resource::Nofile, u64::from(limits.open_files)),
        same(Resource::Data, data),
        same(Resource::Core, 0),
        same(Resource::Memlock, 0),
        same(Resource::Msgqueue, 0),
        same(Resource::Sigpending, SIGNALS),
    ]
}

/// Sets them for the calling process, none higher than it is. Allocates nothing.
pub(super) fn set(limits: &Set) -> rustix::io::Result<()> {
    for (resource, soft, hard) in limits {
        let most = rustix::process::getrlimit(*resource).maximum;
        let most = most.unwrap_or(u64::MAX);
        let new = Rlimit {
            current: Some((*soft).min(most)),
            maximum: Some((*hard).min(most)),
        };
        rustix::process::setrlimit(*resource, new)?;
    }
    Ok(())
}

/// Sets how many processes and threads there may be with the one that `first` is.
///
/// Since Linux 5.14 they are counted for each user namespace, and before that for the user.
pub(super) fn set_processes(first: Pid, count: u32) -> Result<()> {
    // The sandbox's own first process counts as well.
    set_nproc(Some(first), u64::from(count).saturating_add(1))
        .map_err(|e| failed("limit how many processes there may be", e))
}

/// The same for the calling process and those that come from it, itself counted. Allocates nothing.
pub(super) fn set_own_processes(count: u64) -> rustix::io::Result<()> {
    set_nproc(None, count)
}

fn set_nproc(pid: Option<Pid>, count: u64) -> rustix::io::Result<()> {
    let new = Rlimit {
        current: Some(count),
        maximum: Some(count),
    };
    rustix::process::prlimit(pid, Resource::Nproc, new).map(drop)
}
