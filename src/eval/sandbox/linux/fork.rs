//! A process forked from this one that runs a function of ours and never returns.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, Signal, WaitOptions};

/// A child process that has not been waited for.
#[derive(Debug)]
pub(super) struct Forked(Pid);

/// Forks; the child runs `run` and exits.
///
/// # Safety
///
/// The host may have any number of threads, and the child has one: `run` must not take a lock,
/// allocate, free or panic, and must not drop anything that does.
pub(super) unsafe fn fork(run: impl FnOnce()) -> rustix::io::Result<Forked> {
    // Not `fork(3)`: that runs the handlers of whoever registered some in the host.
    // SAFETY: the call with these arguments is fork(2); both processes go on from here, each on
    // its own copy of the stack. What the child may do is the caller's promise.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        // Also if it panics against its promise: nothing of the host goes on running twice.
        let exit = Exit;
        run();
        drop(exit);
    }
    match i32::try_from(pid).ok().and_then(Pid::from_raw) {
        Some(pid) if pid.as_raw_nonzero().get() > 0 => Ok(Forked(pid)),
        _ => Err(rustix::io::Errno::AGAIN),
    }
}

/// Ends the process.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        // SAFETY: ends the process without running handlers or destructors.
        unsafe { libc::_exit(0) }
    }
}

impl Forked {
    pub(super) fn pid(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Ends it and waits until it is gone.
    pub(super) fn kill_and_wait(self) {
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
        while let Err(rustix::io::Errno::INTR) =
            rustix::process::waitpid(Some(self.0), WaitOptions::empty())
        {}
    }
}

/// Ends this process when the thread that forked it ends. Allocates nothing.
pub(super) fn die_with(parent: Pid) -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may be too late for that.
    match rustix::process::getppid() {
        Some(pid) if pid == parent => Ok(()),
        _ => Err(Errno::SRCH),
    }
}

/// Lets a program that this process executes have standard streams and `fds`, and nothing else.
/// Allocates nothing.
pub(super) fn pass_only(fds: &[RawFd]) -> rustix::io::Result<()> {
    // SAFETY: marks descriptors to be closed by a later exec; nothing is closed now.
    let marked = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if marked != 0 {
        // What libc keeps as errno is this process's own by now.
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS));
    }
    for fd in fds {
        // SAFETY: the caller owns these descriptors.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    }
    Ok(())
}
