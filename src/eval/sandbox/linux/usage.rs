//! What a group of processes uses: memory, processor time, how many they are. Read from the
//! group's own `/proc`, which shows no other processes.
//!
//! Why not a control group: making one with a memory limit takes a delegated subtree without
//! processes in it, which an embedded library does not get on most machines, and the verdict would
//! depend on whether there is one. Why not RLIMIT_AS: a JVM, Go and Node reserve far more than they
//! use. So memory is looked at every few milliseconds, as a group; how much a program can take
//! between two looks is bounded by how fast the kernel can clear pages. RLIMIT_DATA of twice the
//! limit and more stops a single process that is faster than that. What would
//! not show here (memory files, System V and nameless shared memory) a program cannot have: see
//! `seccomp`. Files in memory count towards the folder's size.
#![forbid(unsafe_code)]

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
}

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
        Self {
            proc,
            members,
            ticks,
        }
    }

    /// Looks at every process once. What ends meanwhile counts as nothing.
    pub(super) fn read(&self, exact_above: u64) -> Usage {
        let mut usage = Usage::default();
        let mut ticks = 0;
        let mut pids = Vec::new();
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
        usage.cpu = Duration::from_millis(ticks.saturating_mul(1000) / self.ticks);
        usage
    }

    fn stat(&self, pid: &CStr) -> Option<Stat> {
        Stat::parse(&self.text(pid, "stat")?)
    }

    /// Memory of a process by itself. One whose first thread has ended shows it with the others.
    fn resident(&self, pid: &CStr, stat: &Stat) -> u64 {
        let status = self.text(pid, "status").unwrap_or_default();
        if stat.state != b'Z' || stat.threads < 2 {
            return memory(&status);
        }
        let Some(tasks) = pid.to_str().ok().and_then(|pid| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let path = format!("{pid}/task");
            let fd = rustix::fs::openat(&self.proc, path, flags, Mode::empty()).ok()?;
            Dir::new(fd).ok()
        }) else {
            return 0;
        };
        let tasks = tasks.flatten().filter_map(|task| {
            let task = task.file_name().to_str().ok()?.to_owned();
            let status = self.text(pid, &format!("task/{task}/status"))?;
            Some(memory(&status))
        });
        tasks.max().unwrap_or(0)
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

/// What is needed of `/proc/PID/stat`.
struct Stat {
    state: u8,
    threads: i64,
    group: i32,
    ticks: u64,
}

impl Stat {
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
