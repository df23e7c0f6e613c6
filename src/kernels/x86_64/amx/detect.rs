//! Whether tiles can be used here: what the processor has, and what the system grants.
//!
//! Tiles are the one extension that is not there just because the processor has it: Linux keeps
//! them off until the process asks (`Documentation/arch/x86/xstate.rst` in its sources), and the
//! first tile instruction of a process that did not is an illegal instruction.

use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// All there is to check, once.
pub fn granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| processor_has_tiles() && system_grants_tiles())
}

fn processor_has_tiles() -> bool {
    let vectors = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni");
    if !vectors || __cpuid_count(0, 0).eax < 0x1d {
        return false;
    }
    // AMX-TILE and AMX-INT8. The standard library does not detect them on stable.
    let tiles = __cpuid_count(7, 0).edx;
    if tiles & (1 << 24) == 0 || tiles & (1 << 25) == 0 {
        return false;
    }
    // Palette 1: eight tiles of sixteen rows of 64 bytes.
    let (palettes, palette) = (__cpuid_count(0x1d, 0).eax, __cpuid_count(0x1d, 1));
    palettes >= 1
        && palette.eax >> 16 == 1024
        && palette.ebx == 8 << 16 | 64
        && palette.ecx & 0xffff == 16
        && system_saves_tiles()
}

/// Whether the system saves tiles when it switches threads: bits 17 (configuration) and 18 (data)
/// of XCR0. Only called once AVX-512 was found, for which the system must have enabled `xgetbv`.
fn system_saves_tiles() -> bool {
    let xcr0: u32;
    // SAFETY: `xgetbv` of register 0 reads; that it is enabled, see above.
    unsafe {
        std::arch::asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") xcr0,
            out("edx") _,
            options(nomem, nostack, preserves_flags)
        );
    }
    xcr0 >> 17 & 3 == 3
}

/// Asks Linux for the tiles, for this process and what it starts, and reads the answer back: a
/// system that only imitates Linux may accept what it ignores.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn system_grants_tiles() -> bool {
    const ARCH_GET_XCOMP_PERM: usize = 0x1022;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let mut permitted = 0u64;
    // SAFETY: the first call takes a number; the second writes a u64 to its argument.
    unsafe {
        arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
            && arch_prctl(
                ARCH_GET_XCOMP_PERM,
                (&raw mut permitted).expose_provenance(),
            ) == 0
            && permitted >> XFEATURE_XTILEDATA & 1 == 1
    }
}

/// Other systems: nothing is known of how they grant tiles.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn system_grants_tiles() -> bool {
    false
}

/// # Safety
/// As the operation demands.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
unsafe fn arch_prctl(operation: usize, argument: usize) -> isize {
    const SYS_ARCH_PRCTL: isize = 158;
    let result: isize;
    // SAFETY: the convention of Linux for system calls on x86-64; they change rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") SYS_ARCH_PRCTL => result,
            in("rdi") operation,
            in("rsi") argument,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
    result
}
