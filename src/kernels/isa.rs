//! Instruction sets: the only list of CPU features in the crate, one token a tier, and the choice
//! between them.
//!
//! A token can only be had from its `detect`, so holding one proves that its instructions exist
//! here. [`Isa::dispatch`] is the one shell in which generic code over [`Simd`] is compiled for
//! each tier.

use std::fmt;

use super::simd::{Scalar, Simd};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{avx2::Avx2, avx512::Avx512};

/// An algorithm written once over [`Simd`], with its arguments as fields.
///
/// `run` must be `#[inline(always)]`, and so must be what it calls with the token: code that is
/// not inlined into the shell is compiled without the tier's instructions.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// Runs the algorithm on the tier of the token.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

macro_rules! x86_tiers {
    ($($Token:ident, $name:literal, $features:literal, [$($feature:tt),+];)+) => {
        #[cfg(target_arch = "x86_64")]
        mod x86_tiers {
            use super::*;
            $(impl $Token {
                /// The token, when this machine has all of the tier's instructions.
                pub fn detect() -> Option<Self> {
                    let present = true $(&& is_x86_feature_detected!($feature))+;
                    // SAFETY: every feature of the tier was just found on this machine.
                    present.then(|| unsafe { Self::new() })
                }

                pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
                    #[target_feature(enable = $features)]
                    fn shell<K: Kernel>(token: $Token, kernel: K) -> K::Output {
                        kernel.run(token)
                    }
                    // SAFETY: the token proves that the features are there.
                    unsafe { shell(self, kernel) }
                }
            })+
        }
    };
}

x86_tiers! {
    Avx2, "avx2", "avx,avx2,fma,f16c", ["avx", "avx2", "fma", "f16c"];
    Avx512, "avx512", "avx,avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq",
        ["avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq"];
}

/// An instruction-set tier that this machine has.
#[derive(Clone, Copy)]
pub struct Isa(Tier);

#[derive(Clone, Copy)]
enum Tier {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Isa {
    /// The portable tier, which every machine has.
    pub const SCALAR: Isa = Isa(Tier::Scalar);

    /// Every tier that this machine has, the slowest first.
    pub fn available() -> Vec<Isa> {
        let mut tiers = vec![Self::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            tiers.extend(Avx2::detect().map(|t| Isa(Tier::Avx2(t))));
            tiers.extend(Avx512::detect().map(|t| Isa(Tier::Avx512(t))));
        }
        tiers
    }

    /// The fastest tier that this machine has.
    pub fn best() -> Isa {
        Self::available().pop().unwrap_or(Self::SCALAR)
    }

    /// Its name: `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Tier::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(_) => "avx512",
        }
    }

    /// Runs a kernel on this tier.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Tier::Scalar => kernel.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2(token) => token.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512(token) => token.run(kernel),
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
