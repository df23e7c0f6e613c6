//! Memory and cores on macOS. Checked by the compiler for both processors; not run in CI.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use libc::{
    HOST_VM_INFO64, HOST_VM_INFO64_COUNT, KERN_SUCCESS, c_int, host_info64_t, mach_port_t,
    vm_statistics64,
};

unsafe extern "C" {
    // The libc crate has both but deprecates them for another crate.
    safe fn mach_host_self() -> mach_port_t;
    // The port of this process, set before `main` and never written again.
    static mach_task_self_: mach_port_t;
    fn mach_port_deallocate(task: mach_port_t, name: mach_port_t) -> c_int;
}

/// Free pages and those not used for a while, which hold most of the file cache.
pub(crate) fn available_memory() -> Option<u64> {
    let mut found = MaybeUninit::<vm_statistics64>::zeroed();
    let mut count = HOST_VM_INFO64_COUNT;
    let host = mach_host_self();
    // SAFETY: `found` has room for `count` words, which is what the call fills at most.
    let status = unsafe {
        libc::host_statistics64(
            host,
            HOST_VM_INFO64,
            found.as_mut_ptr() as host_info64_t,
            &mut count,
        )
    };
    // SAFETY: gives back the right to the port that `mach_host_self` has just added.
    unsafe { mach_port_deallocate(mach_task_self_, host) };
    if status != KERN_SUCCESS {
        return None;
    }
    // SAFETY: plain integers, zero where the call left them out.
    let found = unsafe { found.assume_init() };
    // SAFETY: no pointers are involved.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let pages = u64::from(found.free_count) + u64::from(found.inactive_count);
    pages.checked_mul(page)
}

/// Cores, of both kinds where there are two.
pub(crate) fn cores() -> Option<usize> {
    let name: &CStr = c"hw.physicalcpu";
    let mut value: c_int = 0;
    let mut size = size_of::<c_int>();
    // SAFETY: the name ends with a zero, and `value` has the `size` bytes that may be written.
    let status = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            (&raw mut value).cast(),
            &mut size,
            std::ptr::null_mut(),
            0,
        )
    };
    let cores = usize::try_from(value).ok()?;
    (status == 0 && size == size_of::<c_int>() && cores > 0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_memory_and_cores() {
        assert!(available_memory().unwrap() > 1 << 20);
        assert!(cores().unwrap() >= 1);
    }
}
