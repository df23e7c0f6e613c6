//! What a group of processes uses: memory, processor time, how many they are. Read from the
//! group's own `/proc`, which shows no other processes.
//!
//! Why not a control group alone: many machines give none to an ordinary user, and a verdict must not depend
//! on it; where there is one, it is above this (see `cgroup`). Why not RLIMIT_AS: a JVM, Go and Node
//! reserve far more than they use. So memory is looked at every few milliseconds, as a group; how much a
//! program can take between two looks is bounded by how fast the kernel can clear pages. RLIMIT_DATA of
//! twice the limit and more stops a single process that is faster than that.
//!
//! Sockets and pipes hold memory of the kernel that does not show here. Every one that is open counts as
//! what it can hold at most. What else would not show here (memory files, System V and nameless shared
//! memory, open files on their way through a socket) a program cannot have: see `seccomp`. Files in memory
//! count towards the folder's size.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::ffi::CStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Dir, Mode, OFlags};

/// What all processes of a group use together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Bytes in memory or swapped out, page tables included.
    pub(super) memory: u64,
    /// Processor time, of those that ended as well.
    pub(super) cpu: Duration,
}

/// Which processes of a `/proc` belong to the group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Members {
    /// All of them, but the memory of the first, which is part of the sandbox.
    Namespace,
    /// Those of a process group.
    Group(i32),
}

/// The `/proc` of a group.
#[derive(Debug)]
pub(super) struct Meter {
    proc: OwnedFd,
    members: Members,
    ticks: u64,
    /// Bytes that a socket can hold.
    socket: u64,
}

/// Bytes that a pipe can hold.
const PIPE: u64 = 64 << 10;
/// Bytes of a socket where the machine does not say.
const SOCKET: u64 = 212_992;
/// Bytes that may be added to a socket that is almost full.
const LAST: u64 = 64 << 10;

impl Meter {
    /// Of a process namespace whose `/proc` is at `path`; `None` while something else is there.
    pub(super) fn of_namespace(path: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        // Processes that are not in the namespace, as this one, are not themselves in it.
        let own = rustix::fs::readlinkat(&proc, c"self", Vec::new());
        let first = rustix::fs::statat(&proc, c"1", rustix::fs::AtFlags::empty());
        (own.is_err() && first.is_ok()).then(|| Self::new(proc, Members::Namespace))
    }

    /// Of what `proc` shows.
    pub(super) fn new(proc: OwnedFd, members: Members) -> Self {
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let socket = std::fs::read_to_string("/proc/sys/net/core/wmem_default").ok();
        let socket = socket.and_then(|text| text.trim().parse::<u64>().ok());
        Self {
            proc,
            members,
            ticks,
            socket: socket.unwrap_or(SOCKET).saturating_add(LAST),
        }
    }

    /// Looks at every process once. What ends meanwhile counts as nothing.
    pub(super) fn read(&self, exact_above: u64) -> Usage {
        let mut usage = Usage::default();
        let mut ticks = 0;
        let mut pids = Vec::new();
        let mut files = Files::default();
        let Ok(dir) = Dir::read_from(&self.proc) else {
            return usage;
        };
        for entry in dir.flatten() {
            let name = entry.file_name();
            if !name.to_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            let Some(stat) = self.stat(name) else {
                continue;
            };
            let is_first = name == c"1";
            match self.members {
                Members::Group(group) if stat.group != group => continue,
                Members::Namespace if is_first => ticks += stat.ticks,
                _ => {
                    ticks += stat.ticks;
                    let resident = self.resident(name, &stat);
                    usage.memory = usage.memory.saturating_add(resident);
                    self.open_files(name, &stat, &mut files);
                    pids.push((name.to_owned(), resident));
                }
            }
        }
        if usage.memory > exact_above && pids.len() > 1 {
            // Pages that processes share were counted for each of them.
            let shares = pids.iter().map(|(pid, resident)| {
                match self.text(pid, "smaps_rollup") {
                    Some(text) if text.contains("\nPss:") => {
                        field(&text, "Pss:") + field(&text, "SwapPss:")
                    }
                    // Ended meanwhile, or only its first thread has.
                    _ => match self.stat(pid) {
                        Some(stat) if stat.has_memory() => *resident,
                        _ => 0,
                    },
                }
            });
            usage.memory = shares.sum();
        }
        let (sockets, pipes) = (files.sockets.len() as u64, files.pipes.len() as u64);
        let held = sockets
            .saturating_mul(self.socket)
            .saturating_add(pipes.saturating_mul(PIPE));
        usage.memory = usage.memory.saturating_add(held);
        usage.cpu = Duration::from_millis(ticks.saturating_mul(1000) / self.ticks);
        usage
    }

    fn stat(&self, pid: &CStr) -> Option<Stat> {
        Stat::parse(&self.text(pid, "stat")?)
    }

    /// Memory of a process by itself. One whose first thread has ended shows it with the others.
    fn resident(&self, pid: &CStr, stat: &Stat) -> u64 {
        let status = self.text(pid, "status").unwrap_or_default();
        if !stat.is_headless() {
            return memory(&status);
        }
        let tasks = self.tasks(pid).into_iter().filter_map(|task| {
            let status = self.text(pid, &format!("task/{task}/status"))?;
            Some(memory(&status))
        });
        tasks.max().unwrap_or(0)
    }

    /// Adds the sockets and pipes that a process has open; its threads have the same.
    fn open_files(&self, pid: &CStr, stat: &Stat, files: &mut Files) {
        if !stat.is_headless() {
            self.files_in(pid, "fd", files);
            return;
        }
        for task in self.tasks(pid) {
            if self.files_in(pid, &format!("task/{task}/fd"), files) {
                return;
            }
        }
    }

    /// The same for a folder of open files; whether there were any.
    fn files_in(&self, pid: &CStr, folder: &str, files: &mut Files) -> bool {
        let Some(folder) = self.folder(pid, folder) else {
            return false;
        };
        let mut is_any = false;
        for entry in Dir::read_from(&folder).into_iter().flatten().flatten() {
            let Ok(target) = rustix::fs::readlinkat(&folder, entry.file_name(), Vec::new()) else {
                continue;
            };
            is_any = true;
            let target = target.to_bytes();
            let inode = |kind: &str| {
                let number = target.strip_prefix(kind.as_bytes())?.strip_suffix(b"]")?;
                std::str::from_utf8(number).ok()?.parse::<u64>().ok()
            };
            files.sockets.extend(inode("socket:["));
            files.pipes.extend(inode("pipe:["));
        }
        is_any
    }

    /// The numbers of a process's threads.
    fn tasks(&self, pid: &CStr) -> Vec<String> {
        let folder = self.folder(pid, "task");
        let entries = folder.and_then(|folder| Dir::new(folder).ok());
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().to_str().ok().map(str::to_owned));
        names.filter(|name| !name.starts_with('.')).collect()
    }

    fn folder(&self, pid: &CStr, name: &str) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("{}/{name}", pid.to_str().ok()?);
        rustix::fs::openat(&self.proc, path, flags, Mode::empty()).ok()
    }

    fn text(&self, pid: &CStr, file: &str) -> Option<String> {
        let path = format!("{}/{file}", pid.to_str().ok()?);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.proc.as_fd(), path, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::with_capacity(2048);
        std::fs::File::from(fd).read_to_end(&mut bytes).ok()?;
        // A process names itself as it likes.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Sockets and pipes that are open, by their inodes.
#[derive(Debug, Default)]
struct Files {
    sockets: HashSet<u64>,
    pipes: HashSet<u64>,
}

/// What is needed of `/proc/PID/stat`.
struct Stat {
    state: u8,
    threads: i64,
    group: i32,
    ticks: u64,
}

impl Stat {
    /// Whether its first thread has ended and another one goes on.
    fn is_headless(&self) -> bool {
        self.state == b'Z' && self.threads > 1
    }

    /// Whether any of its threads still runs.
    fn has_memory(&self) -> bool {
        !matches!(self.state, b'Z' | b'X') || self.threads > 1
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field is the name, in parentheses, and may contain anything.
        let rest = &text[text.rfind(')')? + 1..];
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Numbers as in proc(5), where the state is field 3.
        let number = |n: usize| fields.get(n - 3)?.parse::<i64>().ok();
        let mut ticks = 0;
        for n in 14..=17 {
            ticks += u64::try_from(number(n)?).unwrap_or(0);
        }
        Some(Self {
            state: fields.first()?.bytes().next()?,
            threads: number(20)?,
            group: i32::try_from(number(5)?).ok()?,
            ticks,
        })
    }
}

fn memory(status: &str) -> u64 {
    ["VmRSS:", "VmSwap:", "VmPTE:"]
        .iter()
        .map(|name| field(status, name))
        .sum()
}

/// A field in kB, in bytes; 0 where there is none, as for a process that has ended.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}
