//! Products of one panel of packed weights with a few tokens: what each tier brings to the
//! quantized linear layers.
//!
//! ```text
//! panel: 16 rows; activations: x = 256 hi + lo, both signed bytes
//! int8:  sum[row] = Σ_k  (w[row][k] + offset) * x[k]                  u = w + 128
//! int4:  sum[row] = Σ_g  m[row][g] * Σ_{k in g} (u[row][k] - 8) * x[k]  u = w + 8, g of 32 inputs
//! ```
//!
//! All sums are sums of integers, so their value does not depend on how a tier forms them. They
//! come as `f64`, which holds them exactly: below `65536 * 255 * 32639 < 2^40`.
//!
//! Activations of 8 bits are a case of this, with `hi = 0`. A tier that multiplies bytes has
//! kernels for them besides, with half the work, which scale the sums of each 256 inputs.

use super::tokens::Bytes;
use super::{GROUP, Line, PANEL_ROWS};
use crate::kernels::simd::Scalar;

/// Four activations of one token in the form that a tier multiplies: see [`Form`].
pub type Quad = [i32; 2];

/// Sums of the rows of a panel for one token.
pub type Sums = [f64; PANEL_ROWS];

/// Scaled sums of the rows of a panel for one token.
pub type Scaled = [f32; PANEL_ROWS];

/// What the sums of a group of 8-bit activations begin with, and what they are scaled by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// Takes off what the kernel adds to each weight.
    pub sum: i32,
    /// What an activation of 1 stands for.
    pub scale: f32,
}

/// How four consecutive activations lie, and what a group's correction holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    /// Four 16-bit integers. No corrections.
    Words,
    /// Four high bytes, then four low bytes. Correction of a group: `-8 Σ hi`, `-8 Σ lo`.
    Halves,
    /// Bytes as in `Halves`. Correction: the sums over inputs 0 and 1 of each four as a 16-bit
    /// integer, those over inputs 2 and 3 in the upper half.
    HalvesByPairs,
    /// Four signed bytes, of activations of 8 bits. Correction of a group: `-8 Σ`.
    Bytes,
}

impl Form {
    /// Integers of 32 bits that four activations take: those of a [`Quad`], or one.
    pub const fn ints(self) -> usize {
        match self {
            Self::Words | Self::Halves | Self::HalvesByPairs => 2,
            Self::Bytes => 1,
        }
    }
}

/// The exact products of a tier. The value of a token type that implements this proves that its
/// instructions are there.
///
/// `x` holds a tile of tokens: for each four inputs one [`Quad`] a token. `out` has one entry a
/// token of the tile. Slices must be as long as the layout says; implementations check that.
pub trait PanelDot: Copy {
    /// Numbers of tokens that [`int8`](Self::int8) takes at once, the largest first, the last 1.
    const INT8_TILES: &'static [usize];
    /// The form that [`int8`](Self::int8) reads.
    const INT8_FORM: Form;
    /// What [`int8`](Self::int8) adds to each weight: 128 where it takes `u` as it is stored, 0
    /// where it multiplies the signed weight.
    const INT8_OFFSET: f64;
    /// The same for [`int4`](Self::int4).
    const INT4_TILES: &'static [usize];
    /// The form that [`int4`](Self::int4) reads.
    const INT4_FORM: Form;

    /// `Σ (w + INT8_OFFSET) x` for a panel of 8-bit weights.
    fn int8(self, panel: &[Line], x: &[Quad], out: &mut [Sums]);

    /// `Σ m Σ (u - 8) x` for a panel of 4-bit weights. `multipliers` has one entry a block,
    /// `corrections` one a group and token.
    fn int4(
        self,
        panel: &[Line],
        multipliers: &[[u8; PANEL_ROWS]],
        x: &[Quad],
        corrections: &[Quad],
        out: &mut [Sums],
    );

    /// Numbers of tokens that [`int8_by_bytes`](Self::int8_by_bytes) takes at once, as above;
    /// none where the kernels for 16 bits are as fast. They take 8 bits as well.
    const INT8_BYTE_TILES: &'static [usize] = &[];
    /// The same for [`int4_by_bytes`](Self::int4_by_bytes).
    const INT4_BYTE_TILES: &'static [usize] = &[];

    /// `Σ_g scale[g] Σ_{k in g} w x` for a panel of 8-bit weights and activations of 8 bits: groups
    /// of 256 inputs in their order, a product and a sum for each, both rounded.
    fn int8_by_bytes(self, panel: &[Line], x: Bytes<'_>, out: &mut [Scaled]) {
        no_kernel(panel, x, out);
    }

    /// The same for a panel of 4-bit weights.
    fn int4_by_bytes(
        self,
        panel: &[Line],
        multipliers: &[[u8; PANEL_ROWS]],
        x: Bytes<'_>,
        out: &mut [Scaled],
    ) {
        let _ = multipliers;
        no_kernel(panel, x, out);
    }

    /// Multiplies 8-bit weights by 16-bit activations in registers, as fast as the instructions
    /// go, and returns the number of operations, two for each product.
    #[inline(always)]
    fn peak(self, rounds: u64) -> u64 {
        let panel = [[3; 64]; 16];
        let mut out = [[0.0; PANEL_ROWS]];
        for _ in 0..rounds {
            self.int8(std::hint::black_box(&panel), &[[1; 2]; 16], &mut out);
        }
        std::hint::black_box(out);
        2 * rounds * 16 * 64
    }
}

fn no_kernel(panel: &[Line], x: Bytes<'_>, out: &mut [Scaled]) {
    let (lines, tokens) = (panel.len(), out.len());
    unreachable!("{lines} lines, {tokens} tokens of {x:?}: the tier has no tiles for bytes");
}

/// The four activations of a quad in the form of words.
#[inline(always)]
fn words(quad: Quad) -> [i32; 4] {
    let [a, b] = quad;
    [(a as i16).into(), a >> 16, (b as i16).into(), b >> 16]
}

/// `Σ u x` in plain loops.
#[inline(always)]
fn int8_portable(panel: &[Line], x: &[Quad], out: &mut [Sums]) {
    let tokens = out.len();
    for (t, out) in out.iter_mut().enumerate() {
        let mut sums = [0i64; PANEL_ROWS];
        // Within 32 lines a sum stays below 2^31: 4 * 32 * 255 * 32639.
        for (lines, x) in panel.chunks(32).zip(x.chunks(32 * tokens)) {
            let mut part = [0i32; PANEL_ROWS];
            for (line, x) in lines.iter().zip(x.chunks_exact(tokens)) {
                let x = words(x[t]);
                for (part, u) in part.iter_mut().zip(line.as_chunks::<4>().0) {
                    for k in 0..4 {
                        *part += i32::from(u[k]) * x[k];
                    }
                }
            }
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum += i64::from(part);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum as f64;
        }
    }
}

/// `Σ m Σ (u - 8) x` in plain loops.
#[inline(always)]
fn int4_portable(panel: &[Line], multipliers: &[[u8; PANEL_ROWS]], x: &[Quad], out: &mut [Sums]) {
    const HALF: usize = GROUP / 4;
    let tokens = out.len();
    for (t, out) in out.iter_mut().enumerate() {
        let mut sums = [0i64; PANEL_ROWS];
        let blocks = panel.as_chunks::<HALF>().0.iter();
        for ((lines, multipliers), x) in blocks
            .zip(multipliers)
            .zip(x.chunks_exact(2 * HALF * tokens))
        {
            let mut groups = [[0i32; PANEL_ROWS]; 2];
            for (q, line) in lines.iter().enumerate() {
                let first = words(x[q * tokens + t]);
                let second = words(x[(q + HALF) * tokens + t]);
                for (row, u) in line.as_chunks::<4>().0.iter().enumerate() {
                    for k in 0..4 {
                        groups[0][row] += (i32::from(u[k] & 15) - 8) * first[k];
                        groups[1][row] += (i32::from(u[k] >> 4) - 8) * second[k];
                    }
                }
            }
            for row in 0..PANEL_ROWS {
                let m = i32::from(multipliers[row]);
                sums[row] += i64::from(groups[0][row] * (m & 15) + groups[1][row] * (m >> 4));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum as f64;
        }
    }
}

impl PanelDot for Scalar {
    const INT8_TILES: &'static [usize] = &[8, 4, 2, 1];
    const INT8_FORM: Form = Form::Words;
    const INT8_OFFSET: f64 = 128.0;
    const INT4_TILES: &'static [usize] = &[4, 2, 1];
    const INT4_FORM: Form = Form::Words;

    #[inline(always)]
    fn int8(self, panel: &[Line], x: &[Quad], out: &mut [Sums]) {
        int8_portable(panel, x, out);
    }

    #[inline(always)]
    fn int4(
        self,
        panel: &[Line],
        multipliers: &[[u8; PANEL_ROWS]],
        x: &[Quad],
        _: &[Quad],
        out: &mut [Sums],
    ) {
        int4_portable(panel, multipliers, x, out);
    }
}

/// Implements the two methods of [`PanelDot`] by functions that are generic over the number of
/// tokens, for the numbers listed.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_tiles {
    (int8: $int8:ident [$($t8:literal),+], int4: $int4:ident [$($t4:literal),+]) => {
        const INT8_TILES: &'static [usize] = &[$($t8),+];
        const INT4_TILES: &'static [usize] = &[$($t4),+];

        #[inline(always)]
        fn int8(self, panel: &[Line], x: &[Quad], out: &mut [Sums]) {
            match out.len() {
                $($t8 => $int8::<$t8>(
                    self,
                    panel,
                    &x.as_chunks::<$t8>().0[..panel.len()],
                    out.try_into().expect("the length that was matched"),
                ),)+
                n => unreachable!("a tile of {n} tokens"),
            }
        }

        #[inline(always)]
        fn int4(
            self,
            panel: &[Line],
            multipliers: &[[u8; PANEL_ROWS]],
            x: &[Quad],
            corrections: &[Quad],
            out: &mut [Sums],
        ) {
            let blocks = multipliers.len();
            assert_eq!(panel.len(), blocks * INT4_LINES);
            match out.len() {
                $($t4 => $int4::<$t4>(
                    self,
                    panel.as_chunks::<INT4_LINES>().0,
                    multipliers,
                    &x.as_chunks::<$t4>().0.as_chunks::<INT8_LINES>().0[..blocks],
                    &corrections.as_chunks::<$t4>().0.as_chunks::<2>().0[..blocks],
                    out.try_into().expect("the length that was matched"),
                ),)+
                n => unreachable!("a tile of {n} tokens"),
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::kernels) use by_tiles;

/// The same for the methods for activations of 8 bits.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_byte_tiles {
    (int8: $int8:ident [$($t8:literal),+], int4: $int4:ident [$($t4:literal),+]) => {
        const INT8_BYTE_TILES: &'static [usize] = &[$($t8),+];
        const INT4_BYTE_TILES: &'static [usize] = &[$($t4),+];

        #[inline(always)]
        fn int8_by_bytes(self, panel: &[Line], x: Bytes<'_>, out: &mut [Scaled]) {
            match out.len() {
                $($t8 => $int8::<$t8>(
                    self,
                    panel,
                    &x.fours.as_chunks().0[..panel.len()],
                    &x.starts.as_chunks().0,
                    out.try_into().expect("the length that was matched"),
                ),)+
                n => unreachable!("a tile of {n} tokens"),
            }
        }

        #[inline(always)]
        fn int4_by_bytes(
            self,
            panel: &[Line],
            multipliers: &[[u8; PANEL_ROWS]],
            x: Bytes<'_>,
            out: &mut [Scaled],
        ) {
            let blocks = multipliers.len();
            assert_eq!(panel.len(), blocks * INT4_LINES);
            match out.len() {
                $($t4 => $int4::<$t4>(
                    self,
                    panel.as_chunks().0,
                    multipliers,
                    &x.fours.as_chunks().0.as_chunks().0[..blocks],
                    &x.corrections.as_chunks().0.as_chunks().0[..blocks],
                    x.starts.as_chunks().0,
                    out.try_into().expect("the length that was matched"),
                ),)+
                n => unreachable!("a tile of {n} tokens"),
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(in crate::kernels) use by_byte_tiles;
