//! The first process of the namespaces that a program runs in: makes them what they should be,
//! gives up what it may do, starts the program, and tells how it ended.
//!
//! Everything here runs in a process forked from a host with any number of threads: it makes
//! system calls on what was prepared before, allocates nothing, takes no lock and does not panic.

use std::ffi::{CStr, CString, c_char};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use seccompiler::BpfProgram;

use super::root::Root;
use super::stdio::Stdio3;
use super::{fork, limits};

/// A program, prepared.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) root: Root,
    /// Where it may be.
    pub(super) programs: Vec<CString>,
    pub(super) args: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) limits: limits::Set,
    pub(super) processes: u32,
    pub(super) filter: BpfProgram,
    pub(super) stdio: Stdio3,
}

/// A list of strings as `execve` takes it, valid while `strings` is.
pub(super) fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let strings = strings.iter().map(|s| s.as_ptr());
    strings.chain([std::ptr::null()]).collect()
}

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Enter,
    Overlay,
    Fork,
    Root,
    Network,
    Ids,
    Limits,
    Rights,
    Filter,
    Streams,
    Execute,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Enter,
        Self::Overlay,
        Self::Fork,
        Self::Root,
        Self::Network,
        Self::Ids,
        Self::Limits,
        Self::Rights,
        Self::Filter,
        Self::Streams,
        Self::Execute,
    ];

    /// For errors: "cannot ...".
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Enter => "enter the namespaces of a private folder",
            Self::Overlay => "mount a folder to be copied on writing",
            Self::Fork => "make namespaces for a program",
            Self::Root => "make the root folder of a program; is every mount there?",
            Self::Network => "set up the loopback device",
            Self::Ids => "change to the ids of a program",
            Self::Limits => "set limits",
            Self::Rights => "give up capabilities",
            Self::Filter => "set the filter of system calls",
            Self::Streams => "set the standard streams",
            Self::Execute => "execute the program",
        }
    }
}

/// Says at which step an error came.
pub(super) fn at(step: Step) -> impl Fn(Errno) -> (Step, Errno) {
    move |errno| (step, errno)
}

/// What is told outside, in one write of a few bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Report {
    Started(Pid),
    Failed(Step, Errno),
    Exited(i32),
    Signal(i32),
}

impl Report {
    pub(super) fn send(self, to: BorrowedFd) {
        let (kind, step, number) = match self {
            Self::Started(pid) => (0, 0, pid.as_raw_nonzero().get()),
            Self::Failed(step, errno) => (1, step as u8, errno.raw_os_error()),
            Self::Exited(code) => (2, 0, code),
            Self::Signal(number) => (3, 0, number),
        };
        let [a, b, c, d] = number.to_le_bytes();
        let _ = rustix::io::write(to, &[kind, step, a, b, c, d]);
    }

    /// The next one; `None` at the end.
    pub(super) fn receive(from: BorrowedFd) -> Option<Self> {
        let mut bytes = [0; 6];
        let count = loop {
            match rustix::io::read(from, &mut bytes) {
                Err(Errno::INTR) => {}
                other => break other.ok()?,
            }
        };
        let [kind, step, a, b, c, d] = bytes;
        let number = i32::from_le_bytes([a, b, c, d]);
        match (count, kind) {
            (6, 0) => Pid::from_raw(number).map(Self::Started),
            (6, 1) => {
                let step = Step::ALL.get(usize::from(step))?;
                Some(Self::Failed(*step, Errno::from_raw_os_error(number)))
            }
            (6, 2) => Some(Self::Exited(number)),
            (6, 3) => Some(Self::Signal(number)),
            _ => None,
        }
    }
}

/// Runs as the first process of new namespaces until the program has ended. `keep` are: what to
/// wait on before anything is done, where to report, and what is closed when the program is
/// executed.
pub(super) fn run(
    image: &Image,
    argv: &[*const c_char],
    env: &[*const c_char],
    keep: [BorrowedFd; 3],
) -> Result<(), (Step, Errno)> {
    // Ended with the thread outside that waits for it; it may be gone by now, then so is `go`.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(Step::Fork))?;
    let [go, report, _] = keep;
    close_but(&keep, &image.stdio).map_err(at(Step::Streams))?;
    let mut byte = [0];
    if rustix::io::read(go, &mut byte) != Ok(1) {
        return Err((Step::Fork, Errno::SRCH));
    }
    rustix::process::setsid().map_err(at(Step::Fork))?;
    image.root.enter().map_err(at(Step::Root))?;
    lend_proc(go).map_err(at(Step::Root))?;
    fork::loopback().map_err(at(Step::Network))?;
    fork::host_name(c"sandbox").map_err(at(Step::Network))?;
    lower_ids().map_err(at(Step::Ids))?;
    // The first process counts as well.
    let processes = u64::from(image.processes).saturating_add(1);
    limits::set(&image.limits).map_err(at(Step::Limits))?;
    limits::set_own_processes(processes).map_err(at(Step::Limits))?;
    give_up_rights().map_err(at(Step::Rights))?;
    let program = fork::fork_here().map_err(at(Step::Fork))?;
    let Some(program) = program else {
        let (step, errno) = execute(image, argv, env);
        Report::Failed(step, errno).send(report);
        fork::exit(127);
    };
    close_all_but(report);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Report::Exited(code).send(report),
                    (_, Some(number)) => Report::Signal(number).send(report),
                    _ => continue,
                }
                // Everything else here ends with this process.
                fork::exit(0);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err((Step::Fork, errno)),
        }
    }
}

/// Gives the host the `/proc` of the program's processes, to look at what they use: a host that is
/// not root has no other way to it.
fn lend_proc(to: BorrowedFd) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open(c"/proc", flags, Mode::empty())?;
    let fds = [proc.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::NOBUFS);
    }
    let bytes = [IoSlice::new(b"p")];
    rustix::net::sendmsg(to, &bytes, &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Takes what [`lend_proc`] gave, once it has.
pub(super) fn take_proc(from: BorrowedFd) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(from, &mut bytes, &mut control, flags).ok()?;
    let mut fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    fds.next()?.next()
}

/// Closes what came from the host, but these.
fn close_but(keep: &[BorrowedFd; 3], stdio: &Stdio3) -> rustix::io::Result<()> {
    let mut kept = [
        keep[0].as_raw_fd(),
        keep[1].as_raw_fd(),
        keep[2].as_raw_fd(),
        stdio.stdin.as_raw_fd(),
        stdio.stdout.as_raw_fd(),
        stdio.stderr.as_raw_fd(),
    ];
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept {
        let fd = fd.cast_unsigned();
        if fd > from {
            fork::close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    fork::close_range(from, u32::MAX)
}

fn close_all_but(fd: BorrowedFd) {
    let fd = fd.as_raw_fd().cast_unsigned();
    if fd > 0 {
        let _ = fork::close_range(0, fd - 1);
    }
    let _ = fork::close_range(fd + 1, u32::MAX);
}

/// Enters one more user namespace, where the only ids are those of the program, so that it has no
/// rights over the namespaces that were made for it.
fn lower_ids() -> rustix::io::Result<()> {
    // For a moment, files in /proc have to belong to this process. No other one is here yet.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    // SAFETY: no descriptor table is unshared, and this process has one thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }?;
    put(c"/proc/self/setgroups", b"deny")?;
    put(c"/proc/self/uid_map", b"1000 0 1\n")?;
    put(c"/proc/self/gid_map", b"1000 0 1\n")?;
    // From here on no process inside can look into this one, which has the host's memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn put(path: &CStr, bytes: &[u8]) -> rustix::io::Result<()> {
    let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::io::write(&fd, bytes)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// Gives up all capabilities for good.
fn give_up_rights() -> rustix::io::Result<()> {
    for number in 0..64 {
        match fork::drop_from_bounding_set(number) {
            // No more of them.
            Err(Errno::INVAL) => break,
            done => done?,
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )?;
    rustix::thread::set_no_new_privs(true)
}

/// Becomes the program; returns only if that fails.
fn execute(image: &Image, argv: &[*const c_char], env: &[*const c_char]) -> (Step, Errno) {
    let prepared = || -> rustix::io::Result<()> {
        rustix::process::setsid()?;
        fork::standard_streams(&image.stdio)?;
        fork::pass_only(&[])?;
        fork::default_signals();
        Ok(())
    };
    if let Err(errno) = prepared() {
        return (Step::Streams, errno);
    }
    if seccompiler::apply_filter(&image.filter).is_err() {
        return (Step::Filter, Errno::INVAL);
    }
    let mut result = Errno::NOENT;
    for program in &image.programs {
        let errno = fork::execute(program, argv, env);
        match errno {
            Errno::NOENT | Errno::NOTDIR => {}
            // Perhaps a later folder has one that may be executed.
            Errno::ACCESS => result = errno,
            _ => return (Step::Execute, errno),
        }
    }
    (Step::Execute, result)
}
