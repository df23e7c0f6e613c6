//! Versions, and what this machine and this build have.

use std::ffi::c_char;

use super::boundary::guard_value;
use crate::backend::InstructionSet;

/// The major number of the ABI, which is in the soname: programs of one number run with every
/// library of the same number that is not older.
pub const CODEGEEX_ABI_MAJOR: u32 = 0;
/// Counts the additions to the ABI.
pub const CODEGEEX_ABI_MINOR: u32 = 1;

/// The ABI of the library that runs: `CODEGEEX_ABI_MAJOR * 65536 + CODEGEEX_ABI_MINOR` of its own
/// header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_abi_version() -> u32 {
    CODEGEEX_ABI_MAJOR << 16 | CODEGEEX_ABI_MINOR
}

/// The version of the library that runs, such as `0.1.0`; a static string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of an instruction set that this machine has and the kernels can use, as a static
/// string: index 0 is `scalar`, the last is the fastest, which a model uses unless told otherwise.
/// NULL for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tier_name(index: usize) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let found = InstructionSet::available();
        Ok(found
            .get(index)
            .map_or(std::ptr::null(), |set| tier_name(*set)))
    })
}

/// How many names `codegeex_cpu_tier_name` has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tiers() -> usize {
    guard_value!(0, |_call| { Ok(InstructionSet::available().len()) })
}

/// The name of the fastest instruction set that this machine has and the kernels can use; a static
/// string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cpu_tier() -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let best = InstructionSet::available().pop();
        Ok(best.map_or(std::ptr::null(), tier_name))
    })
}

/// Whether the library was built with a feature, by name: 1 or 0. There are none yet but `capi`
/// itself; `cuda` is asked for the same way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_has_feature(name: *const c_char, name_len: usize) -> i32 {
    guard_value!(0, |call| {
        let name = call.text(name, name_len, "name")?;
        Ok(i32::from(FEATURES.contains(&name)))
    })
}

/// When the library is unloaded, or the process ends, forgets what is remembered.
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

/// The names with a zero behind each, which the library's own do not have.
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
