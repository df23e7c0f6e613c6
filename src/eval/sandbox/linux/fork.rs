//! Processes forked from this one that run a function of ours and never return, and the system
//! calls for them that no crate has in a form that allocates nothing.

use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use super::stdio::Stdio3;

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
    if let Some(pid) = clone(0)? {
        return Ok(Forked(pid));
    }
    // Also if it panics against its promise: nothing of the host goes on running twice.
    let _exit = Exit;
    run();
    exit(0)
}

/// Forks; `None` in the child, whose only thread is the calling one.
fn clone(flags: libc::c_int) -> rustix::io::Result<Option<Pid>> {
    // Not `fork(3)`: that runs the handlers that libraries of the host have registered.
    // SAFETY: without CLONE_VM the call is fork(2); both processes go on from here, each on its own
    // copy of the stack. What the child may do is up to the callers here, all of which say so.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    checked(pid)?;
    Ok(i32::try_from(pid).ok().and_then(Pid::from_raw))
}

/// Forks a sibling of the calling process, which has one thread, into new namespaces of all
/// kinds but for users; `None` in the sibling.
pub(super) fn into_namespaces() -> rustix::io::Result<Option<Pid>> {
    clone(
        libc::CLONE_PARENT
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP,
    )
}

/// Forks the calling process, which has one thread; `None` in the child.
pub(super) fn fork_here() -> rustix::io::Result<Option<Pid>> {
    clone(0)
}

/// Ends the process without running handlers or destructors.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// What a system call returned.
pub(super) fn checked(result: libc::c_long) -> rustix::io::Result<()> {
    if result >= 0 {
        return Ok(());
    }
    // Reads the calling thread's errno, and nothing else.
    let error = std::io::Error::last_os_error();
    Err(error
        .raw_os_error()
        .map_or(Errno::IO, Errno::from_raw_os_error))
}

/// Ends the process.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        exit(0)
    }
}

impl Forked {
    pub(super) fn pid(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Ends it and waits until it is gone.
    pub(super) fn kill_and_wait(self) {
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
        self.wait();
    }

    /// Waits until it is gone.
    pub(super) fn wait(self) {
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
    checked(marked)?;
    for fd in fds {
        // SAFETY: the caller owns these descriptors.
        let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    }
    Ok(())
}

/// Closes descriptors from the first to the last.
pub(super) fn close_range(first: u32, last: u32) -> rustix::io::Result<()> {
    // SAFETY: the caller, a process of its own, owns all of its descriptors, and uses none of these
    // any more.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
}

/// Signals blocked in the calling thread until this is dropped, so that none of the host's
/// handlers runs in a process forked meanwhile.
pub(super) struct Blocked(libc::sigset_t);

/// Blocks all signals.
pub(super) fn block_signals() -> Blocked {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: both sets are written by these calls, which do not fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        Blocked(before.assume_init())
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is what the thread had before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

/// Gives every signal its default effect, and blocks none. For a process about to execute.
pub(super) fn default_signals() {
    // SAFETY: a set that is written before it is read; SIG_DFL is no function of ours.
    unsafe {
        for number in 1..=64 {
            libc::signal(number, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Makes these the standard streams; they have numbers above.
pub(super) fn standard_streams(stdio: &Stdio3) -> rustix::io::Result<()> {
    for (fd, number) in [(&stdio.stdin, 0), (&stdio.stdout, 1), (&stdio.stderr, 2)] {
        // SAFETY: replaces a descriptor of a process about to execute, which owns all of them.
        checked(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into())?;
    }
    Ok(())
}

/// Turns on the loopback device of the calling process's network namespace.
pub(super) fn loopback() -> rustix::io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: a plain structure of numbers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is what this call reads, and lives through it.
    let result = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    checked(result.into())
}

/// Names the machine as the calling process's namespace sees it.
pub(super) fn host_name(name: &CStr) -> rustix::io::Result<()> {
    // SAFETY: the pointer and the length are those of one string.
    checked(unsafe { libc::sethostname(name.as_ptr(), name.count_bytes()) }.into())
}

/// Takes a capability from what can ever be had again.
pub(super) fn drop_from_bounding_set(number: libc::c_ulong) -> rustix::io::Result<()> {
    // SAFETY: takes numbers alone.
    checked(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }.into())
}

/// Becomes another program; returns only if that fails. Both lists end with a null pointer.
pub(super) fn execute(program: &CStr, argv: &[*const c_char], env: &[*const c_char]) -> Errno {
    debug_assert!(argv.last().is_some_and(|p| p.is_null()));
    debug_assert!(env.last().is_some_and(|p| p.is_null()));
    // SAFETY: the strings are what the host prepared, and both lists end with a null pointer.
    let result = unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    checked(result.into()).err().unwrap_or(Errno::IO)
}
