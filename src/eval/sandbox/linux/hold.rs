//! A user namespace and a mount namespace in it that hold one file system in memory, of limited
//! size: what a private folder is, and what a program's own namespaces are made from.
//!
//! No process stays behind for it: descriptors keep it, so it is gone with the last of them, also
//! when this process is killed, and nothing in it has to be deleted one by one.
//!
//! Ids: inside, 0 is who owns the file system and runs programs. That is the calling user, but for
//! root, where it is an id that owns nothing on the machine and root itself is 1: so mounts can be
//! made of what root alone can reach, while the program runs as another user.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::net::SendFlags;
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::failed;
use super::fork::{self, Forked, fork};
use crate::error::{Error, ErrorKind, Result};

/// Where the file system is mounted in the mount namespace. It covers what is there, which no
/// command needs to be shown.
pub(super) const MOUNTED: &CStr = c"/sys";

/// A folder in it to make a program's root folder on.
pub(super) const ROOT: &CStr = c"/sys/root";

/// The id of nobody on Linux; owns no files.
const NOBODY: u32 = 65534;

/// Namespaces with a file system: `tmp`, `tmp/w`, `shm` (written to by programs), `etc` and `root`.
#[derive(Debug)]
pub(super) struct Held {
    user: OwnedFd,
    mounts: OwnedFd,
    /// The top of the file system.
    pub(super) top: OwnedFd,
    drops_groups: bool,
}

/// How ids outside become ids inside.
struct Ids {
    uids: String,
    gids: String,
    is_root: bool,
}

impl Ids {
    fn of_this_process() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        // In a container, root may own a handful of ids only; then it is its own nobody.
        let is_root = uid == 0 && maps("/proc/self/uid_map") && maps("/proc/self/gid_map");
        if is_root {
            let ids = format!("0 {NOBODY} 1\n1 0 1\n");
            Self {
                uids: ids.clone(),
                gids: ids,
                is_root,
            }
        } else {
            Self {
                uids: format!("0 {uid} 1\n"),
                gids: format!("0 {gid} 1\n"),
                is_root,
            }
        }
    }
}

/// Who programs run as, outside, if that is not the calling user.
pub(super) fn programs_id() -> Option<u32> {
    Ids::of_this_process().is_root.then_some(NOBODY)
}

/// Whether a map of ids has nobody.
fn maps(path: &str) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|n| n.parse::<u64>());
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                (first..first.saturating_add(count)).contains(&u64::from(NOBODY))
            }
            _ => false,
        }
    })
}

impl Held {
    /// Makes both namespaces and the file system, for `disk` bytes.
    pub(super) fn new(disk: u64) -> Result<Self> {
        let ids = Ids::of_this_process();
        let pages = disk.div_ceil(4096).max(16);
        let size = pages.saturating_mul(4096);
        // An empty file costs the kernel about 1 KiB that does not count as its content.
        let inodes = pages.clamp(1024, 1 << 17);
        let options = format!("size={size},nr_inodes={inodes},mode=0755,uid=0,gid=0");
        let options = std::ffi::CString::new(options)
            .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;

        let (mine, theirs) = UnixStream::pair().map_err(|e| failed("make a pair of sockets", e))?;
        let blocked = fork::block_signals();
        // SAFETY: `child` makes system calls on what was prepared above and allocates nothing.
        let forked = unsafe {
            fork(|| {
                let step = child(&theirs, ids.is_root, &options);
                let _ = tell(&theirs, step);
                let _ = wait_for(&theirs);
            })
        }
        .map_err(|e| failed("fork", e))?;
        drop(blocked);
        drop(theirs);
        let held = Self::adopt(&forked, &mine, &ids);
        forked.kill_and_wait();
        held
    }

    fn adopt(forked: &Forked, socket: &UnixStream, ids: &Ids) -> Result<Self> {
        hear(socket)?;
        let proc = format!("/proc/{}", forked.pid());
        let write = |name: &str, text: &str| {
            let path = format!("{proc}/{name}");
            std::fs::write(&path, text).map_err(|e| failed(&format!("write {name}"), e))
        };
        if !ids.is_root {
            write("setgroups", "deny")?;
        }
        write("uid_map", &ids.uids)?;
        write("gid_map", &ids.gids)?;
        tell(socket, Ok(())).map_err(|e| failed("go on", e))?;
        hear(socket)?;
        let open = |name: &str, flags: OFlags| {
            rustix::fs::open(
                format!("{proc}/{name}"),
                flags | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|e| failed(&format!("open {name} of a new namespace"), e))
        };
        let mounted = format!("root{}", MOUNTED.to_string_lossy());
        Ok(Self {
            user: open("ns/user", OFlags::RDONLY)?,
            mounts: open("ns/mnt", OFlags::RDONLY)?,
            top: open(&mounted, OFlags::PATH | OFlags::DIRECTORY)?,
            drops_groups: ids.is_root,
        })
    }

    /// What a new process needs to move in.
    pub(super) fn entry(&self) -> Result<Entry> {
        let dup = |fd: &OwnedFd| {
            fd.try_clone()
                .map_err(|e| failed("duplicate a descriptor", e))
        };
        Ok(Entry {
            user: dup(&self.user)?,
            mounts: dup(&self.mounts)?,
            drops_groups: self.drops_groups,
        })
    }
}

/// The way into the namespaces of a [`Held`].
#[derive(Debug)]
pub(super) struct Entry {
    user: OwnedFd,
    mounts: OwnedFd,
    drops_groups: bool,
}

impl Entry {
    /// Moves the calling process in, as the owner of the file system with all capabilities there
    /// and none outside. For a process with one thread; allocates nothing.
    pub(super) fn enter(&self) -> rustix::io::Result<()> {
        use rustix::thread::move_into_link_name_space as move_into;
        move_into(self.user.as_fd(), Some(LinkNameSpaceType::User))?;
        move_into(self.mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        become_owner(self.drops_groups)
    }
}

/// Takes the ids 0 of the user namespace.
fn become_owner(drops_groups: bool) -> rustix::io::Result<()> {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    if drops_groups {
        set_thread_groups(&[])?;
    }
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

type Step = (u8, Errno);

/// What fails at each step, for errors.
const STEPS: [&str; 6] = [
    "make a user namespace",
    "take an id in a user namespace",
    "make a mount namespace",
    "detach a mount namespace",
    "mount a file system in memory",
    "make folders in it",
];

fn child(socket: &UnixStream, is_root: bool, options: &CStr) -> Result<(), Step> {
    let at = |step: u8| move |errno: Errno| (step, errno);
    // Files in /proc have to belong to the caller for it to write the maps.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // SAFETY: no descriptor table is unshared, and this process has one thread.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }.map_err(at(1))?;
    tell(socket, Ok(())).map_err(at(1))?;
    wait_for(socket).map_err(at(1))?;
    become_owner(is_root).map_err(at(2))?;
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.map_err(at(3))?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", slave).map_err(at(4))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(c"tmpfs", MOUNTED, c"tmpfs", flags, options).map_err(at(5))?;
    rustix::process::umask(Mode::empty());
    rustix::process::chdir(MOUNTED).map_err(at(6))?;
    for (name, mode) in [
        (c"tmp", 0o777),
        (c"tmp/w", 0o777),
        (c"shm", 0o777),
        (c"etc", 0o755),
        (c"root", 0o755),
    ] {
        rustix::fs::mkdir(name, Mode::from_raw_mode(mode)).map_err(at(6))?;
    }
    Ok(())
}

/// Says how far it is, or what failed at which step.
fn tell(socket: &UnixStream, done: Result<(), Step>) -> rustix::io::Result<()> {
    let (step, errno) = done.map_or_else(|(step, errno)| (step, errno.raw_os_error()), |()| (0, 0));
    let [a, b, c, d] = errno.to_le_bytes();
    let message = [step, a, b, c, d];
    rustix::net::send(socket, &message, SendFlags::NOSIGNAL).map(drop)
}

/// Waits for a message without looking at it.
fn wait_for(socket: &UnixStream) -> rustix::io::Result<[u8; 5]> {
    let mut message = [0; 5];
    match rustix::io::read(socket, &mut message)? {
        5 => Ok(message),
        _ => Err(Errno::PIPE),
    }
}

fn hear(socket: &UnixStream) -> Result<()> {
    let [step, a, b, c, d] = wait_for(socket).map_err(|e| failed("hear of a new process", e))?;
    if step == 0 {
        return Ok(());
    }
    let what = STEPS.get(usize::from(step) - 1).unwrap_or(&STEPS[0]);
    let errno = i32::from_le_bytes([a, b, c, d]);
    Err(failed(what, std::io::Error::from_raw_os_error(errno)))
}
