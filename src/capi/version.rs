//! Versions, and what this machine and this build have.

use std::ffi::c_char;

use super::boundary::guard_value;
use crate::backend::InstructionSet;

/// The major version of the ABI, which is part of the soname. A program runs with every library of
/// the same major version that is not older than its header.
pub const CODEGEEX_ABI_MAJOR: u32 = 0;
/// The minor version of the ABI. Every addition raises it.
pub const CODEGEEX_ABI_MINOR: u32 = 1;

/// The ABI version of the loaded library: `CODEGEEX_ABI_MAJOR * 65536 + CODEGEEX_ABI_MINOR` of its
/// header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_abi_version() -> u32 {
    CODEGEEX_ABI_MAJOR << 16 | CODEGEEX_ABI_MINOR
}

/// The version of the loaded library, such as `0.1.0`; a static string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of an instruction set that the kernels can use on this machine; a static string. Index
/// 0 is `scalar`; the last one is the fastest and the default. NULL for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tier_name(index: usize) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let found = InstructionSet::available();
        Ok(found
            .get(index)
            .map_or(std::ptr::null(), |set| tier_name(*set)))
    })
}

/// Number of names that `codegeex_cpu_tier_name` returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tiers() -> usize {
    guard_value!(0, |_call| { Ok(InstructionSet::available().len()) })
}

/// The name of the fastest instruction set that the kernels can use on this machine; a static
/// string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tier() -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let best = InstructionSet::available().pop();
        Ok(best.map_or(std::ptr::null(), tier_name))
    })
}

/// Whether the library was built with a feature, by name: 1 or 0. Currently only `capi` exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_has_feature(name: *const c_char, name_len: usize) -> i32 {
    guard_value!(0, |call| {
        let name = call.text(name, name_len, "name")?;
        Ok(i32::from(FEATURES.contains(&name)))
    })
}

/// Frees cached data when the library is unloaded or the process ends.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the section is an array of such functions, which the system's loader calls.
#[unsafe(link_section = ".fini_array")]
static AT_UNLOAD: extern "C" fn() = {
    extern "C" fn forget() {
        let _ = std::panic::catch_unwind(|| {
            super::tokenizer::forget();
            super::handles::forget();
        });
    }
    forget
};

const FEATURES: &[&str] = &["capi"];

/// NUL-terminated names; the library's own names are not.
static TIER_NAMES: [[u8; 32]; InstructionSet::ALL.len()] = {
    let mut names = [[0; 32]; InstructionSet::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = zero_terminated(InstructionSet::ALL[i].name());
        i += 1;
    }
    names
};

/// A text in a static place; too long a one does not compile.
pub(super) const fn zero_terminated<const N: usize>(text: &str) -> [u8; N] {
    assert!(text.len() < N);
    let mut bytes = [0; N];
    let mut i = 0;
    while i < text.len() {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}

/// The name of a tier as a C string.
pub(super) fn tier_name(set: InstructionSet) -> *const c_char {
    let at = InstructionSet::ALL.iter().position(|s| *s == set);
    at.map_or(std::ptr::null(), |at| TIER_NAMES[at].as_ptr().cast())
}
