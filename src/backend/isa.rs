//! Which instruction set a CPU backend uses: the option, else the environment, else the fastest
//! that the machine has. Read anew for every backend, so that two in one process may differ.

use std::ffi::OsStr;

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::Isa;

pub use crate::kernels::isa::InstructionSet;

/// The environment variable that names an instruction set where the options do not.
pub const ISA_VARIABLE: &str = "CODEGEEX_ISA";

/// The tier for an option and the value of [`ISA_VARIABLE`]; an empty value is as none.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for a name that does not exist or a set that
/// this machine does not have.
pub(super) fn choose(option: Option<InstructionSet>, variable: Option<&OsStr>) -> Result<Isa> {
    if let Some(set) = option {
        return Isa::of(set);
    }
    let Some(value) = variable.filter(|v| !v.is_empty()) else {
        return Ok(Isa::best());
    };
    let chosen = value.to_string_lossy().parse().and_then(Isa::of);
    chosen.map_err(|e| Error::new(ErrorKind::InvalidArgument, format!("{ISA_VARIABLE}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of the other architecture.
    #[cfg(not(target_arch = "aarch64"))]
    const ELSEWHERE: InstructionSet = InstructionSet::Neon;
    #[cfg(target_arch = "aarch64")]
    const ELSEWHERE: InstructionSet = InstructionSet::Avx2;

    fn variable(value: &str) -> Option<&OsStr> {
        Some(OsStr::new(value))
    }

    #[test]
    fn the_option_goes_before_the_variable_and_both_before_the_fastest() {
        let scalar = Some(InstructionSet::Scalar);
        for set in InstructionSet::available() {
            assert_eq!(choose(Some(set), variable("frob")).unwrap().set(), set);
            assert_eq!(choose(Some(set), variable("scalar")).unwrap().set(), set);
            let name = variable(set.name());
            assert_eq!(choose(None, name).unwrap().set(), set);
            assert_eq!(choose(scalar, name).unwrap().set(), InstructionSet::Scalar);
        }
        let best = InstructionSet::available().pop().unwrap();
        assert_eq!(choose(None, None).unwrap().set(), best);
        assert_eq!(choose(None, variable("")).unwrap().set(), best);
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_that_lists_those_that_are() {
        let elsewhere = ELSEWHERE.name();
        for (option, value, wrong) in [
            (
                None,
                "frob",
                "CODEGEEX_ISA: no instruction set is called \"frob\"",
            ),
            (None, "AVX2 ", "no instruction set is called \"AVX2 \""),
            (None, elsewhere, "CODEGEEX_ISA: instruction set "),
            (Some(ELSEWHERE), "scalar", elsewhere),
        ] {
            let error = choose(option, variable(value)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let message = error.to_string();
            assert!(message.contains(wrong), "{message}");
            let (_, has) = message.split_once("this machine has ").unwrap();
            let names: Vec<&str> = InstructionSet::available()
                .iter()
                .map(|s| s.name())
                .collect();
            assert_eq!(has, names.join(", "));
        }
    }

    #[test]
    fn every_set_is_found_by_its_name() {
        for &set in InstructionSet::ALL {
            assert_eq!(set.to_string().parse::<InstructionSet>().unwrap(), set);
        }
    }
}
