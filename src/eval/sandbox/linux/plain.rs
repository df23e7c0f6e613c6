//! Programs without isolation, for who has said so: limits of the kernel and of the watch hold, and
//! everything in the program's process group ends with it. What leaves the group stays.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::cgroup::Cgroup;
use super::stdio::Stdio3;
use super::usage::{Members, Meter, Usage};
use super::watch::{Group, Launch, Status};
use super::{failed, fork, limits};
use crate::error::{Error, Result, bail};
use crate::eval::sandbox::{Command, Folder};

/// Makes `command` ready to be started.
pub(super) fn prepare(command: &Command, stdio: Stdio3, cgroup: Option<Cgroup>) -> Result<Launch> {
    for mount in &command.mounts {
        if mount.source != mount.target {
            bail!(
                InvalidArgument,
                "{}: without a sandbox, nothing can be shown at another place ({})",
                mount.source.display(),
                mount.target.display()
            );
        }
    }
    let folder = command.folder.0.path();
    let mut program = std::process::Command::new(&command.program);
    program.args(&command.args).current_dir(folder).env_clear();
    for (name, value) in &command.env {
        // The folder is not where it would be in a sandbox.
        let moved = value == Folder::INSIDE || (name == "TMPDIR" && value == "/tmp");
        program.env(name, if moved { folder.as_os_str() } else { value });
    }
    program.stdin(Stdio::from(stdio.stdin));
    program.stdout(Stdio::from(stdio.stdout));
    program.stderr(Stdio::from(stdio.stderr));
    let set = limits::of(&command.limits);
    let parent = rustix::process::getpid();
    let entry = cgroup.as_ref().and_then(Cgroup::entry);
    let prepare = move || {
        rustix::process::setsid()?;
        if let Some(entry) = &entry {
            // Where it is not allowed, the other limits hold.
            let _ = rustix::io::write(entry, b"0");
        }
        limits::set(&set)?;
        fork::die_with(parent)?;
        fork::default_signals();
        fork::pass_only(&[])?;
        Ok(())
    };
    // SAFETY: `prepare` makes system calls on numbers, allocates nothing and takes no lock.
    unsafe { program.pre_exec(prepare) };
    Ok(Box::new(move || {
        let child = program.spawn();
        let child = child.map_err(|e| Error::io(program.get_program().as_ref(), "start it", e))?;
        drop(program);
        Running::adopt(child, cgroup)
    }))
}

/// A process group, named after its first process.
#[derive(Debug)]
struct Running {
    child: Child,
    pid: Pid,
    ended: OwnedFd,
    meter: Meter,
    is_reaped: bool,
    /// Dropped last: then the processes are gone.
    cgroup: Option<Cgroup>,
}

impl Running {
    fn adopt(mut child: Child, cgroup: Option<Cgroup>) -> Result<Box<dyn Group>> {
        let pid = Pid::from_child(&child);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .and_then(|ended| Ok((ended, rustix::fs::open("/proc", flags, Mode::empty())?)));
        match opened {
            Ok((ended, proc)) => Ok(Box::new(Self {
                child,
                pid,
                ended,
                meter: Meter::new(proc, Members::Group(pid.as_raw_nonzero().get())),
                is_reaped: false,
                cgroup,
            })),
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed("watch a process", e))
            }
        }
    }
}

impl Group for Running {
    fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    fn kill(&mut self) {
        // Its first process has not been waited for, so no other group has that number.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }

    fn reap(&mut self) -> Result<Status> {
        self.kill_when_ended();
        let status = self
            .child
            .wait()
            .map_err(|e| failed("wait for a program", e))?;
        self.is_reaped = true;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => Status::Exited(code),
            (None, Some(number)) => Status::Signal(number),
            (None, None) => Status::Signal(0),
        })
    }

    fn is_over(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::is_over)
    }

    fn usage(&mut self, exact_above: u64) -> Usage {
        self.meter.read(exact_above)
    }
}

impl Running {
    /// What the first process left behind ends once it has itself.
    fn kill_when_ended(&mut self) {
        super::stdio::wait_for_end(&self.ended);
        self.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill();
            let _ = self.child.wait();
        }
    }
}
