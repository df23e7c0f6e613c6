//! A control group for each run, where one is available: then what the kernel keeps for a program (sockets,
//! pipes, page tables, inodes) counts as its memory too.
//!
//! Version 1 has one wherever this process may make a group below its own, as root may. Version 2 wants
//! a group without processes of its own whose children have the memory controller, as the systemd of a
//! user delegates one. A verdict does not depend on it, but for programs that make the kernel hold
//! memory: the limit here is above the one that is watched by room for everything that an honest program
//! makes it hold.
//!
//! Groups are used again: making one costs a millisecond, and a removed one stays in the kernel until
//! its share of the page cache is gone.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Pid;

/// What groups of this library are called, with the number of the process that made them.
const NAME: &str = "codegeex-";
/// Room above the limit for what the kernel keeps for an honest program, besides a share of it.
const ROOM: u64 = 64 << 20;

/// Where groups can be made.
#[derive(Debug)]
pub(super) struct Cgroups {
    parent: PathBuf,
    version: Version,
    next: AtomicU64,
    free: Mutex<Vec<PathBuf>>,
    /// A process could not be moved into one, so there are no more.
    is_disabled: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A group for one run. It goes back when it is dropped, when all of its processes have to be gone.
#[derive(Debug)]
pub(super) struct Cgroup {
    all: Arc<Cgroups>,
    path: PathBuf,
    procs: File,
    /// Processes that were killed in it before.
    killed_before: u64,
}

impl Cgroups {
    /// Finds where groups can be made, by making one.
    pub(super) fn detect() -> Option<Arc<Self>> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        places(&own, &mounts)
            .into_iter()
            .find_map(|(parent, version)| {
                let all = Arc::new(Self {
                    parent,
                    version,
                    next: AtomicU64::new(0),
                    free: Mutex::default(),
                    is_disabled: AtomicBool::new(false),
                });
                let first = all.take(1 << 30)?;
                all.remove_old();
                drop(first);
                Some(all)
            })
    }

    /// Whether runs have one.
    pub(super) fn is_enabled(&self) -> bool {
        !self.is_disabled.load(Ordering::Relaxed)
    }

    /// A group for a program with so much memory and so large a folder.
    pub(super) fn for_run(self: &Arc<Self>, memory: u64, disk: u64) -> Option<Cgroup> {
        if !self.is_enabled() {
            return None;
        }
        let room = ROOM.saturating_add(memory / 4);
        self.take(memory.saturating_add(disk).saturating_add(room))
    }

    fn take(self: &Arc<Self>, limit: u64) -> Option<Cgroup> {
        let used = self.free().pop();
        used.and_then(|path| self.prepare(path, limit)).or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let name = format!("{NAME}{}-{number}", std::process::id());
            let path = self.parent.join(name);
            std::fs::create_dir(&path).ok()?;
            self.prepare(path, limit)
        })
    }

    /// Sets the limit of a group; removes it where that fails.
    fn prepare(self: &Arc<Self>, path: PathBuf, limit: u64) -> Option<Cgroup> {
        let limit = limit.min(i64::MAX as u64 - (1 << 20)).to_string();
        let set = |name: &str, value: &str| write(&path.join(name), value);
        let done = match self.version {
            Version::Two => {
                let _ = set("memory.swap.max", "0");
                let _ = set("memory.oom.group", "1");
                set("memory.max", &limit)
            }
            Version::One => {
                // With swap is never less than without.
                let _ = set("memory.memsw.limit_in_bytes", "-1");
                let done = set("memory.limit_in_bytes", &limit);
                let _ = set("memory.memsw.limit_in_bytes", &limit);
                done
            }
        };
        let procs = done.and_then(|()| {
            OpenOptions::new()
                .write(true)
                .open(path.join("cgroup.procs"))
        });
        match procs {
            Ok(procs) => {
                let mut group = Cgroup {
                    all: self.clone(),
                    path,
                    procs,
                    killed_before: 0,
                };
                group.killed_before = group.killed();
                Some(group)
            }
            Err(_) => {
                let _ = std::fs::remove_dir(path);
                None
            }
        }
    }

    /// Removes groups of processes that are gone.
    fn remove_old(&self) {
        for entry in std::fs::read_dir(&self.parent)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| {
                let (pid, _) = name.strip_prefix(NAME)?.split_once('-')?;
                pid.parse::<u32>().ok()
            });
            if let Some(pid) = pid
                && !Path::new(&format!("/proc/{pid}")).exists()
            {
                // One that has processes stays.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for path in self.free().drain(..) {
            let _ = std::fs::remove_dir(path);
        }
    }
}

impl Cgroup {
    /// Moves a process in, and with it all that come from it. Where that is not allowed, it stays where
    /// it is, and later ones are not tried.
    pub(super) fn add(&self, pid: Pid) {
        let number = pid.as_raw_nonzero().to_string();
        if (&self.procs).write_all(number.as_bytes()).is_err() && pid_exists(pid) {
            self.all.is_disabled.store(true, Ordering::Relaxed);
        }
    }

    /// A file to which a process writes `0` to move in.
    pub(super) fn entry(&self) -> Option<File> {
        self.procs.try_clone().ok()
    }

    /// Whether the kernel killed a process of the run because the group was full.
    pub(super) fn is_over(&self) -> bool {
        self.killed() > self.killed_before
    }

    fn killed(&self) -> u64 {
        let name = match self.all.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = std::fs::read_to_string(self.path.join(name)).unwrap_or_default();
        let mut counts = text.lines().filter_map(|l| l.strip_prefix("oom_kill "));
        counts
            .next()
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.all.free().push(std::mem::take(&mut self.path));
    }
}

fn pid_exists(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}

/// Writes a setting in one piece.
fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(value.as_bytes())
}

/// Folders in which groups with a limit of memory may be made, by what `/proc/self/cgroup` and
/// `/proc/self/mountinfo` say.
fn places(own: &str, mounts: &str) -> Vec<(PathBuf, Version)> {
    let mut places = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let version = match controllers {
            "" if number == "0" => Version::Two,
            list if list.split(',').any(|c| c == "memory") => Version::One,
            _ => continue,
        };
        let Some((root, at)) = mounts.lines().find_map(|m| mount(m, version)) else {
            continue;
        };
        let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("/");
        let own: PathBuf = Path::new(&at)
            .join(below.trim_start_matches('/'))
            .components()
            .collect();
        match version {
            Version::One => places.push((own, version)),
            // Beside this process's own, which has it in it, and further up.
            Version::Two => {
                let up = own.ancestors().take_while(|p| p.starts_with(&at));
                places.extend(up.map(|p| (p.to_owned(), version)));
            }
        }
    }
    places
}

/// What of the hierarchy a line of the mounts shows, and where, if it is the one with the memory controller.
fn mount(line: &str, version: Version) -> Option<(String, String)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, at) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let is_wanted = match (kind.next()?, version) {
        ("cgroup2", Version::Two) => true,
        ("cgroup", Version::One) => kind.nth(1)?.split(',').any(|o| o == "memory"),
        _ => false,
    };
    is_wanted.then(|| (root.to_owned(), at.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_both_versions() {
        let found = |own: &str, mounts: &str| -> Vec<String> {
            let places = places(own, mounts).into_iter();
            places
                .map(|(p, v)| format!("{v:?} {}", p.display()))
                .collect()
        };
        let one = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let own = "8:pids:/\n4:memory:/a/b\n0::/\n";
        assert_eq!(found(own, one), ["One /sys/fs/cgroup/memory/a/b"]);
        let two = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let own = "0::/user.slice/user@7.service/app.slice/x.scope\n";
        let expected = [
            "Two /sys/fs/cgroup/user.slice/user@7.service/app.slice/x.scope",
            "Two /sys/fs/cgroup/user.slice/user@7.service/app.slice",
            "Two /sys/fs/cgroup/user.slice/user@7.service",
            "Two /sys/fs/cgroup/user.slice",
            "Two /sys/fs/cgroup",
        ];
        assert_eq!(found(own, two), expected);
        // In a container that sees a part of the hierarchy.
        let part = "30 23 0:26 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        assert_eq!(
            found("4:memory:/docker/x\n", part),
            ["One /sys/fs/cgroup/memory"]
        );
        assert!(found("4:memory:/a\n", two).is_empty() && found("x", "y").is_empty());
    }
}
