//! Instruction sets: the only list of CPU features in the crate, one token a tier, and the choice
//! between them.
//!
//! A token can only be had from its `detect`, so holding one proves that its instructions exist
//! here. [`Isa::dispatch`] is the one shell in which generic code over [`Simd`] is compiled for
//! each tier. Which tier a model uses is settled where a backend is made, not here: nothing in
//! this module is remembered.

use std::fmt;
use std::str::FromStr;

#[cfg(target_arch = "aarch64")]
use super::aarch64::neon::{Neon, NeonDot};
use super::packed::unit::MatrixUnit;
use super::simd::{Scalar, Simd};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{
    avx2::{Avx2, AvxVnni},
    avx512::{Amx, Avx512, Avx512Vnni},
};
use crate::error::{Error, ErrorKind, Result};

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

/// Everything that lists the tiers, from one line a tier. `if path` names one more condition
/// that is no feature of the processor: a permission that the system has to give.
macro_rules! tiers {
    ($($arch:literal $detected:ident {$(
        #[doc = $doc:literal]
        $Token:ident $name:literal [$($feature:tt),+] $(if $permitted:path)?;
    )+})+) => {
        /// A set of instructions that the CPU kernels are compiled for.
        ///
        /// All give the same results to the bit; they differ in speed. Every set has a name on
        /// every machine; [`available`](Self::available) says which can be used on this one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum InstructionSet {
            /// What every processor of the target has, left to the compiler.
            Scalar,
            $($(#[doc = $doc] $Token,)+)+
        }

        impl InstructionSet {
            /// Every set, those of one architecture in a row, the slowest first.
            pub const ALL: &[InstructionSet] = &[Self::Scalar, $($(Self::$Token,)+)+];

            /// Its name, as options and the environment spell it: `avx2`.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Scalar => "scalar",
                    $($(Self::$Token => $name,)+)+
                }
            }
        }

        #[derive(Clone, Copy)]
        enum Tier {
            Scalar,
            $($(#[cfg(target_arch = $arch)] $Token($Token),)+)+
        }

        impl Isa {
            /// Every tier that this machine has, the slowest first.
            pub fn available() -> Vec<Isa> {
                [
                    Some(Self::SCALAR),
                    $($(
                        #[cfg(target_arch = $arch)]
                        $Token::detect().map(|token| Isa(Tier::$Token(token))),
                    )+)+
                ]
                .into_iter()
                .flatten()
                .collect()
            }

            /// Which set of instructions it is.
            pub fn set(self) -> InstructionSet {
                match self.0 {
                    Tier::Scalar => InstructionSet::Scalar,
                    $($(
                        #[cfg(target_arch = $arch)]
                        Tier::$Token(_) => InstructionSet::$Token,
                    )+)+
                }
            }

            /// Runs a kernel on this tier.
            #[inline]
            pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
                match self.0 {
                    Tier::Scalar => kernel.run(Scalar),
                    $($(
                        #[cfg(target_arch = $arch)]
                        Tier::$Token(token) => token.run(kernel),
                    )+)+
                }
            }
        }

        $($(
            #[cfg(target_arch = $arch)]
            impl $Token {
                /// The token, when this machine has all of the tier's instructions.
                pub fn detect() -> Option<Self> {
                    let present = true
                        $(&& std::arch::$detected!($feature))+
                        $(&& $permitted())?;
                    // SAFETY: every feature of the tier was just found on this machine.
                    present.then(|| unsafe { Self::new() })
                }

                fn run<K: Kernel>(self, kernel: K) -> K::Output {
                    $(#[target_feature(enable = $feature)])+
                    fn shell<K: Kernel>(token: $Token, kernel: K) -> K::Output {
                        kernel.run(token)
                    }
                    // SAFETY: the token proves that the features are there.
                    unsafe { shell(self, kernel) }
                }
            }
        )+)+
    };
}

tiers! {
    "x86_64" is_x86_feature_detected {
        /// AVX2 with FMA and F16C.
        Avx2 "avx2" ["avx", "avx2", "fma", "f16c"];
        /// AVX2 with dot products of small integers (AVX-VNNI).
        AvxVnni "avxvnni" ["avx", "avx2", "fma", "f16c", "avxvnni"];
        /// AVX-512 F, BW, VL and DQ, beyond AVX2.
        Avx512 "avx512"
            ["avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq"];
        /// AVX-512 with dot products of small integers.
        Avx512Vnni "avx512vnni" [
            "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq",
            "avx512vnni"
        ];
        /// AVX-512 with dot products of small integers, and AMX, which multiplies tiles of them.
        Amx "amx" [
            "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq",
            "avx512vnni"
        ] if super::x86_64::amx::permitted;
    }
    "aarch64" is_aarch64_feature_detected {
        /// NEON, which every processor of 64-bit Arm has.
        Neon "neon" ["neon"];
        /// NEON with dot products of small integers.
        NeonDot "neondot" ["neon", "dotprod"];
    }
}

impl InstructionSet {
    /// The sets that this machine has, the slowest first; never empty.
    pub fn available() -> Vec<InstructionSet> {
        Isa::available().into_iter().map(Isa::set).collect()
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for InstructionSet {
    type Err = Error;

    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) with the names that this machine has.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|set| set.name() == name);
        found.copied().ok_or_else(|| {
            let message = format!("no instruction set is called {name:?}; {}", this_machine());
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

fn this_machine() -> String {
    let names: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    format!("this machine has {}", names.join(", "))
}

/// An instruction-set tier that this machine has.
#[derive(Clone, Copy)]
pub struct Isa(Tier);

impl Isa {
    /// The portable tier, which every machine has.
    pub const SCALAR: Isa = Isa(Tier::Scalar);

    /// The fastest tier that this machine has.
    pub fn best() -> Isa {
        Self::available().pop().unwrap_or(Self::SCALAR)
    }

    /// The tier of a set.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when this machine does not have it, with
    /// the names of those that it has.
    pub fn of(set: InstructionSet) -> Result<Isa> {
        let found = Self::available().into_iter().find(|isa| isa.set() == set);
        found.ok_or_else(|| {
            let message = format!("instruction set {set} is not available; {}", this_machine());
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }

    /// The matrix unit of the tier, if it has one.
    pub fn matrix_unit(self) -> Option<MatrixUnit> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Tier::Amx(_) => super::x86_64::amx::TileUnit::detect().map(MatrixUnit::Tiles),
            _ => None,
        }
    }

    /// The name of its set.
    pub fn name(self) -> &'static str {
        self.set().name()
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
