//! Programs through bubblewrap.
//!
//! `bwrap` is started in the namespaces of the private folder, makes its own inside them, and waits
//! there until the limit on processes is set from outside: set earlier, it would count what the
//! user runs outside as well.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal};
use seccompiler::BpfProgram;

use super::cgroup::Cgroup;
use super::hold::MOUNTED;
use super::limits;
use super::stdio::Stdio3;
use super::usage::{Meter, Usage};
use super::view::{DEVICES, Entry};
use super::watch::{Group, Launch, Status};
use super::{failed, overlay};
use crate::error::{Error, Result, bail};
use crate::eval::sandbox::{Access, Command, Folder};

/// A working `bwrap`.
#[derive(Debug)]
pub(super) struct Bubblewrap {
    program: PathBuf,
    view: Vec<Entry>,
    filter: BpfProgram,
}

impl Bubblewrap {
    pub(super) fn find(view: Vec<Entry>, filter: BpfProgram) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join("bwrap"))
            .find(|program| program.is_absolute() && program.is_file());
        let Some(program) = found else {
            bail!(
                BackendUnavailable,
                "bubblewrap is not installed: no `bwrap` in PATH; on Debian and Fedora, install the package `bubblewrap`"
            );
        };
        Ok(Self {
            program,
            view,
            filter,
        })
    }

    /// Makes `command` ready to be started.
    pub(super) fn prepare(
        &self,
        command: &Command,
        stdio: Stdio3,
        cgroup: Option<Cgroup>,
    ) -> Result<Launch> {
        let (status, status_theirs) = pipe()?;
        let (block, block_theirs) = super::stdio::go_ahead()?;
        let filter = super::stdio::sealed(&bytes_of(&self.filter))?;
        let overlays = overlay::prepare(&command.mounts)?;

        let mut bwrap = std::process::Command::new(&self.program);
        bwrap.env_clear();
        let mut options = self.arguments(command, &overlays);
        for (option, fd) in [
            ("--json-status-fd", &status_theirs),
            ("--block-fd", &block_theirs),
            ("--seccomp", &filter),
        ] {
            options.add([option, &fd.as_raw_fd().to_string()]);
        }
        // Not as arguments: the program can read those of its first process.
        let options = super::stdio::sealed(&options.joined()?)?;
        bwrap.arg("--args").arg(options.as_raw_fd().to_string());
        bwrap.arg("--").arg(&command.program).args(&command.args);
        bwrap.stdin(Stdio::from(stdio.stdin));
        bwrap.stdout(Stdio::from(stdio.stdout));
        bwrap.stderr(Stdio::from(stdio.stderr));

        let entry = command.folder.0.held()?.entry()?;
        let passed = [&status_theirs, &block_theirs, &filter, &options].map(|fd| fd.as_raw_fd());
        let set = limits::of(&command.limits);
        let parent = rustix::process::getpid();
        let prepare = move || {
            entry.enter()?;
            overlay::mount(&overlays)?;
            limits::set(&set)?;
            super::fork::die_with(parent)?;
            super::fork::default_signals();
            super::fork::pass_only(&passed)?;
            Ok(())
        };
        // SAFETY: `prepare` makes system calls on what it owns, allocates nothing and takes no
        // lock; it is dropped in this process alone.
        unsafe { bwrap.pre_exec(prepare) };
        let program = self.program.clone();
        let processes = command.limits.processes;
        Ok(Box::new(move || {
            let child = bwrap.spawn();
            let child = child.map_err(|e| Error::io(&program, "start it", e))?;
            // Otherwise this process would hold their ends of the pipes.
            drop(bwrap);
            drop((status_theirs, block_theirs, filter, options));
            Running::adopt(child, status, block, processes, cgroup)
        }))
    }

    fn arguments(&self, command: &Command, overlays: &[overlay::Overlay]) -> Arguments {
        let mut args = Arguments(Vec::new());
        args.add([
            "--unshare-user",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
        ]);
        args.add([
            "--unshare-uts",
            "--unshare-cgroup-try",
            "--die-with-parent",
            "--new-session",
        ]);
        args.add(["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]);
        args.add(["--hostname", "sandbox", "--clearenv"]);
        for (name, value) in &command.env {
            args.add([OsStr::new("--setenv"), name, value]);
        }
        for entry in &self.view {
            match entry {
                Entry::Shown(path) => args.bind("--ro-bind", path, path),
                Entry::Link { target, at } => args.bind("--symlink", target, at),
            }
        }
        let held = Path::new(OsStr::new(MOUNTED.to_str().unwrap_or("/sys")));
        for name in super::folder::ETC {
            let at = Path::new("/etc").join(name);
            args.bind("--ro-bind", &held.join("etc").join(name), &at);
        }
        args.add(["--proc", "/proc", "--tmpfs", "/dev"]);
        for name in DEVICES {
            let at = Path::new("/dev").join(name);
            args.bind("--dev-bind", &at, &at);
        }
        args.add(["--symlink", "/proc/self/fd", "/dev/fd"]);
        for (fd, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
            let target = format!("/proc/self/fd/{fd}");
            args.bind(
                "--symlink",
                Path::new(&target),
                &Path::new("/dev").join(name),
            );
        }
        args.bind("--bind", &held.join("shm"), Path::new("/dev/shm"));
        args.bind("--bind", &held.join("tmp"), Path::new("/tmp"));
        let mut overlays = overlays.iter();
        for mount in &command.mounts {
            let (option, source) = match mount.access {
                Access::ReadOnly => ("--ro-bind", Some(mount.source.as_path())),
                Access::ReadWrite => ("--bind", Some(mount.source.as_path())),
                Access::CopyOnWrite => ("--bind", overlays.next().map(|o| o.merged())),
            };
            if let Some(source) = source {
                args.bind(option, source, &mount.target);
            }
        }
        args.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
        args.add(["--chdir", Folder::INSIDE]);
        args
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    /// One after the other, each with a zero byte after it.
    fn joined(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for arg in &self.0 {
            if arg.as_bytes().contains(&0) {
                let text = arg.to_string_lossy();
                bail!(
                    InvalidArgument,
                    "sandbox: \"{}\" has a zero byte in it",
                    text.escape_debug()
                );
            }
            bytes.extend_from_slice(arg.as_bytes());
            bytes.push(0);
        }
        Ok(bytes)
    }

    fn add<const N: usize>(&mut self, args: [impl AsRef<OsStr>; N]) {
        self.0.extend(args.map(|arg| arg.as_ref().to_owned()));
    }

    fn bind(&mut self, option: &str, source: &Path, target: &Path) {
        self.add([OsStr::new(option), source.as_os_str(), target.as_os_str()]);
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| failed("make a pipe", e))
}

/// A filter as the kernel takes it.
fn bytes_of(filter: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for step in filter {
        bytes.extend(step.code.to_ne_bytes());
        bytes.extend([step.jt, step.jf]);
        bytes.extend(step.k.to_ne_bytes());
    }
    bytes
}

/// A `bwrap` with what runs in it.
#[derive(Debug)]
struct Running {
    bwrap: Child,
    ended: OwnedFd,
    /// The first process of the process namespace: all others end with it.
    first: Pid,
    first_fd: OwnedFd,
    status: BufReader<std::fs::File>,
    meter: Option<Meter>,
    /// Dropped last: then the processes are gone.
    cgroup: Option<Cgroup>,
}

impl Running {
    fn adopt(
        mut bwrap: Child,
        status: OwnedFd,
        block: OwnedFd,
        processes: u32,
        cgroup: Option<Cgroup>,
    ) -> Result<Box<dyn Group>> {
        let mut status = BufReader::new(std::fs::File::from(status));
        let prepared = Self::first_process(&bwrap, &mut status).and_then(|(first, fd, ended)| {
            limits::set_processes(first, processes)?;
            if let Some(cgroup) = &cgroup {
                cgroup.add(first);
            }
            super::stdio::give(&block).map_err(|e| failed("let bubblewrap go on", e))?;
            Ok((first, fd, ended))
        });
        let (first, first_fd, ended) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                // Its first process ends with it, as it was told.
                let _ = bwrap.kill();
                let _ = bwrap.wait();
                return Err(error);
            }
        };
        Ok(Box::new(Self {
            bwrap,
            ended,
            first,
            first_fd,
            status,
            meter: None,
            cgroup,
        }))
    }

    /// Reads the id of the process that bubblewrap has made; there is none if it failed before.
    fn first_process(
        bwrap: &Child,
        status: &mut BufReader<std::fs::File>,
    ) -> Result<(Pid, OwnedFd, OwnedFd)> {
        let pidfd = |pid| {
            rustix::process::pidfd_open(pid, PidfdFlags::empty())
                .map_err(|e| failed("watch a process", e))
        };
        let ended = pidfd(Pid::from_child(bwrap))?;
        let mut line = String::new();
        let _ = status.read_line(&mut line);
        let message: Message = serde_json::from_str(&line).unwrap_or_default();
        match message.child_pid.and_then(Pid::from_raw) {
            Some(first) => Ok((first, pidfd(first)?, ended)),
            None => bail!(BackendUnavailable, "sandbox: bubblewrap did not start"),
        }
    }

    /// The group's own `/proc`, as soon as it is there.
    fn meter(&mut self) -> Option<&Meter> {
        if self.meter.is_none() {
            let root = format!("/proc/{}/root/proc", self.first.as_raw_nonzero());
            self.meter = Meter::of_namespace(Path::new(&root));
        }
        self.meter.as_ref()
    }
}

/// A line of what bubblewrap reports.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Message {
    child_pid: Option<i32>,
    exit_code: Option<i32>,
}

impl Group for Running {
    fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    fn kill(&mut self) {
        // Bubblewrap then ends by itself, after everything else is gone.
        let _ = rustix::process::pidfd_send_signal(&self.first_fd, Signal::KILL);
    }

    fn reap(&mut self) -> Result<Status> {
        self.bwrap
            .wait()
            .map_err(|e| failed("wait for bubblewrap", e))?;
        // It may end before what it started has.
        self.kill();
        super::stdio::wait_for_end(&self.first_fd);
        let mut line = String::new();
        let _ = self.status.read_line(&mut line);
        let message: Message = serde_json::from_str(&line).unwrap_or_default();
        Ok(match message.exit_code {
            None => Status::NotStarted,
            Some(code @ 129..=192) => Status::Signal(code - 128),
            Some(code) => Status::Exited(code),
        })
    }

    fn is_over(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::is_over)
    }

    fn usage(&mut self, exact_above: u64) -> Usage {
        match self.meter() {
            Some(meter) => meter.read(exact_above),
            None => Usage::default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.bwrap.wait();
        super::stdio::wait_for_end(&self.first_fd);
    }
}
