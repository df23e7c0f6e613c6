//! Which system calls a program may not make. A deny list: a program may do what any program does,
//! and not what makes the kernel's surface larger (namespaces, mounts, tracing, BPF, keys, modules,
//! io_uring) or holds memory that no process shows in its own (see `usage`).
//!
//! Sockets hold up to some hundred kilobytes each, of the internet many megabytes, and more where they
//! wait to be accepted or to be received by another process. So a program has none but pairs of local ones,
//! of the size that the machine gives them, each of which is an open file of a process; those are
//! counted.
//!
//! What is denied fails with EPERM, but `clone3`, which hides its flags behind a pointer, with
//! ENOSYS: C libraries then use `clone`. Calls of another architecture end the process.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use crate::error::{Error, ErrorKind, Result};

/// Denied whatever their arguments.
const DENIED: &[libc::c_long] = &[
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Parts of the kernel that few programs need and many holes were in.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_seccomp,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Memory that belongs to no process.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    // Sockets but for pairs, larger ones, and open files that are on their way to another process.
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_setsockopt,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // Pages and objects that are kept for a pipe, a watch, a ring or a rule.
    libc::SYS_vmsplice,
    libc::SYS_inotify_init1,
    libc::SYS_io_setup,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// Denied on x86-64, which alone has them.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_inotify_init,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[libc::c_long] = &[];

/// The filter, compiled for this architecture.
pub(super) fn program() -> Result<BpfProgram> {
    build().map_err(|e| {
        Error::new(
            ErrorKind::BackendUnavailable,
            format!("sandbox: no system call filter for this architecture: {e}"),
        )
        .with_source(e)
    })
}

fn build() -> std::result::Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in DENIED.iter().chain(DENIED_HERE) {
        rules.insert(*call, Vec::new());
    }
    let masked =
        |argument, length, mask: u64, value: u64| one(argument, length, MaskedEq(mask), value);
    let new_namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let flags = new_namespaces.map(|flag| u64::from(flag.cast_unsigned()));
    let rule = flags.map(|flag| masked(0, Qword, flag, flag));
    let mut rule = rule.into_iter().collect::<Result2<Vec<_>>>()?;
    // A thread with open files of its own, which its process does not show.
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let files = u64::from(libc::CLONE_FILES.cast_unsigned());
    rule.push(masked(0, Qword, thread | files, thread)?);
    rules.insert(libc::SYS_clone, rule);
    // Shared memory without a file outlives what a process has mapped of it.
    let nameless = u64::from((libc::MAP_SHARED | libc::MAP_ANONYMOUS).cast_unsigned());
    rules.insert(libc::SYS_mmap, vec![masked(3, Dword, nameless, nameless)?]);
    // Typing into the terminal that the caller sits at.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let rule = typing.map(|request| one(1, Dword, Eq, u64::from(request as u32)));
    rules.insert(libc::SYS_ioctl, rule.into_iter().collect::<Result2<_>>()?);
    let local = u64::from(libc::AF_UNIX.cast_unsigned());
    let raw = u64::from(libc::SOCK_RAW.cast_unsigned());
    rules.insert(
        libc::SYS_socketpair,
        vec![
            one(0, Dword, SeccompCmpOp::Ne, local)?,
            masked(1, Dword, 0xf, raw)?,
        ],
    );
    // Larger pipes, and locks, of which one open file can have any number.
    let of_files = [
        libc::F_SETPIPE_SZ,
        libc::F_SETLK,
        libc::F_SETLKW,
        libc::F_OFD_SETLK,
        libc::F_OFD_SETLKW,
        libc::F_NOTIFY,
    ];
    let rule = of_files.map(|command| one(1, Dword, Eq, u64::from(command.cast_unsigned())));
    rules.insert(libc::SYS_fcntl, rule.into_iter().collect::<Result2<_>>()?);
    // Open files of a thread alone, which its process does not show.
    let unshare = u64::from(libc::CLOSE_RANGE_UNSHARE);
    rules.insert(
        libc::SYS_close_range,
        vec![masked(2, Dword, unshare, unshare)?],
    );
    // Filters of its own.
    let filter = u64::from(libc::PR_SET_SECCOMP.cast_unsigned());
    rules.insert(libc::SYS_prctl, vec![one(0, Dword, Eq, filter)?]);
    let arch = std::env::consts::ARCH.try_into()?;
    let deny = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, deny, arch)?;
    let mut program = unknown_calls();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

type Result2<T> = std::result::Result<T, seccompiler::BackendError>;

fn one(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result2<SeccompRule> {
    SeccompRule::new(vec![SeccompCondition::new(
        argument, length, operator, value,
    )?])
}

/// What comes before the filter: `clone3` and, on x86-64, the calls of the x32 interface, whose
/// numbers the filter would not know, are not there.
fn unknown_calls() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let missing = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    vec![
        step(LOAD, 0, 0, 0),
        step(JUMP_EQUAL, 1, 0, libc::SYS_clone3 as u32),
        step(JUMP_AT_LEAST, 0, 1, X32),
        step(RETURN, 0, 0, missing),
    ]
}
