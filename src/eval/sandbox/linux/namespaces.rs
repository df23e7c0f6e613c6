//! Programs in namespaces that this process makes, without another program.
//!
//! Two processes are forked for a run. The first enters the namespaces of the private folder and
//! forks the second, as its sibling, into namespaces of its own; then it is done. The second is the
//! first process there (see [`inside`](super::inside)): all others end with it, and it with us.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use seccompiler::BpfProgram;

use super::cgroup::Cgroup;
use super::fork::{self, fork};
use super::inside::{self, Image, Report};
use super::root::Root;
use super::stdio::Stdio3;
use super::usage::{Members, Meter, Usage};
use super::view::Entry;
use super::watch::{Group, Launch, Status};
use super::{failed, limits, overlay};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::eval::sandbox::Command;

/// What all runs share.
#[derive(Debug)]
pub(super) struct Namespaces {
    pub(super) view: Vec<Entry>,
    pub(super) filter: BpfProgram,
}

impl Namespaces {
    /// Makes `command` ready to be started.
    pub(super) fn prepare(
        &self,
        command: &Command,
        stdio: Stdio3,
        cgroup: Option<Cgroup>,
    ) -> Result<Launch> {
        let overlays = overlay::prepare(&command.mounts)?;
        let image = Image {
            root: Root::prepare(&self.view, &command.mounts, &overlays)?,
            programs: programs(command)?,
            args: arguments(command)?,
            env: environment(command)?,
            limits: limits::of(&command.limits),
            processes: command.limits.processes,
            filter: self.filter.clone(),
            stdio: stdio.above_standard()?,
        };
        let entry = command.folder.0.held()?.entry()?;
        Ok(Box::new(move || {
            let (report, report_theirs) = pipe()?;
            let (go, go_theirs) = super::stdio::go_ahead()?;
            let (executed, executed_theirs) = pipe()?;
            rustix::fs::fcntl_setfl(&executed, OFlags::NONBLOCK)
                .map_err(|e| failed("make a pipe", e))?;
            let keep = [&go_theirs, &report_theirs, &executed_theirs].map(|fd| fd.as_fd());
            let argv = inside::pointers(&image.args);
            let env = inside::pointers(&image.env);
            let start = || -> Result<(), (inside::Step, Errno)> {
                entry.enter().map_err(inside::at(inside::Step::Enter))?;
                overlay::mount(&overlays).map_err(inside::at(inside::Step::Overlay))?;
                let first = fork::into_namespaces().map_err(inside::at(inside::Step::Fork))?;
                match first {
                    Some(pid) => {
                        Report::Started(pid).send(report_theirs.as_fd());
                        Ok(())
                    }
                    None => inside::run(&image, &argv, &env, keep),
                }
            };
            let blocked = fork::block_signals();
            // SAFETY: `start` makes system calls on what was prepared above, allocates nothing,
            // takes no lock and drops nothing; it does not panic.
            let forked = unsafe {
                fork(|| {
                    if let Err((step, errno)) = start() {
                        Report::Failed(step, errno).send(report_theirs.as_fd());
                    }
                })
            };
            drop(blocked);
            let forked = forked.map_err(|e| failed("fork", e))?;
            drop((report_theirs, go_theirs, executed_theirs));
            forked.wait();
            Running::adopt(report, go, executed, cgroup)
        }))
    }
}

/// Where the program may be, in the order of `PATH`.
fn programs(command: &Command) -> Result<Vec<CString>> {
    let name = Path::new(&command.program);
    if name.as_os_str().is_empty() {
        bail!(
            InvalidArgument,
            "sandbox: a command needs the name of a program"
        );
    }
    if name.components().count() > 1 || name.is_absolute() {
        return Ok(vec![c_string(name.as_os_str().as_bytes())?]);
    }
    let path = command.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, path)| path.clone()).unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| c_string(folder.join(name).as_os_str().as_bytes()))
        .collect()
}

fn arguments(command: &Command) -> Result<Vec<CString>> {
    std::iter::once(&command.program)
        .chain(&command.args)
        .map(|arg| c_string(arg.as_bytes()))
        .collect()
}

/// The environment, each name once.
fn environment(command: &Command) -> Result<Vec<CString>> {
    let names = command.env.iter().enumerate();
    let last = names.filter(|(i, (name, _))| command.env[i + 1..].iter().all(|(n, _)| n != name));
    last.map(|(_, (name, value))| {
        if name.is_empty() || name.as_bytes().contains(&b'=') {
            bail!(
                InvalidArgument,
                "sandbox: \"{}\" cannot be the name of a variable",
                name.to_string_lossy().escape_debug()
            );
        }
        c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())
    })
    .collect()
}

pub(super) fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|e| {
        let text = String::from_utf8_lossy(bytes);
        Error::new(
            ErrorKind::InvalidArgument,
            format!("sandbox: \"{}\" has a zero byte in it", text.escape_debug()),
        )
        .with_source(e)
    })
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| failed("make a pipe", e))?;
    Ok((
        super::stdio::above_standard(read)?,
        super::stdio::above_standard(write)?,
    ))
}

/// The first process of a process namespace, our child.
#[derive(Debug)]
struct Running {
    first: Pid,
    ended: OwnedFd,
    report: OwnedFd,
    go: OwnedFd,
    /// At its end once the program has been executed. Until then, its memory is a copy of ours.
    executed: Option<OwnedFd>,
    meter: Option<Meter>,
    is_reaped: bool,
    /// Dropped last: then the processes are gone.
    cgroup: Option<Cgroup>,
}

impl Running {
    fn adopt(
        report: OwnedFd,
        go: OwnedFd,
        executed: OwnedFd,
        cgroup: Option<Cgroup>,
    ) -> Result<Box<dyn Group>> {
        let first = match Report::receive(report.as_fd()) {
            Some(Report::Started(pid)) => pid,
            Some(Report::Failed(step, errno)) => return Err(failed(step.what(), errno)),
            _ => bail!(BackendUnavailable, "sandbox: a new process ended early"),
        };
        let ended = match rustix::process::pidfd_open(first, PidfdFlags::empty()) {
            Ok(ended) => ended,
            Err(e) => {
                let _ = rustix::process::kill_process(first, Signal::KILL);
                wait(first);
                return Err(failed("watch a process", e));
            }
        };
        let running = Self {
            first,
            ended,
            report,
            go,
            executed: Some(executed),
            meter: None,
            is_reaped: false,
            cgroup,
        };
        if let Some(cgroup) = &running.cgroup {
            cgroup.add(first);
        }
        // Where this fails the process has ended, which is seen soon.
        let _ = super::stdio::give(&running.go);
        Ok(Box::new(running))
    }
}

fn wait(pid: Pid) {
    while let Err(Errno::INTR) = rustix::process::waitpid(Some(pid), WaitOptions::empty()) {}
}

impl Group for Running {
    fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    fn kill(&mut self) {
        let _ = rustix::process::pidfd_send_signal(&self.ended, Signal::KILL);
    }

    fn reap(&mut self) -> Result<Status> {
        wait(self.first);
        self.is_reaped = true;
        match Report::receive(self.report.as_fd()) {
            Some(Report::Exited(code)) => Ok(Status::Exited(code)),
            Some(Report::Signal(number)) => Ok(Status::Signal(number)),
            Some(Report::Failed(step, errno)) => {
                let error = failed(step.what(), errno);
                Err(match step {
                    inside::Step::Execute if errno == Errno::NOENT => {
                        Error::new(ErrorKind::NotFound, error.context().to_owned())
                    }
                    _ => error,
                })
            }
            // Ended from outside before it could tell.
            Some(Report::Started(_)) | None => Ok(Status::Signal(libc::SIGKILL)),
        }
    }

    fn is_over(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::is_over)
    }

    fn usage(&mut self, exact_above: u64) -> Usage {
        if let Some(executed) = &self.executed {
            match rustix::io::read(executed, &mut [0]) {
                Ok(0) => self.executed = None,
                _ => return Usage::default(),
            }
        }
        if self.meter.is_none() {
            let proc = inside::take_proc(self.go.as_fd());
            self.meter = proc.map(|proc| Meter::new(proc, Members::Namespace));
        }
        match &self.meter {
            Some(meter) => meter.read(exact_above),
            None => Usage::default(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill();
            wait(self.first);
        }
    }
}
