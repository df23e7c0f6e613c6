//! What the hardware can do, measured by loops that do nothing else: the limits that the speed of
//! the kernels is held against.

use super::isa::Kernel;
use super::packed::ActivationFormat;
use super::packed::panel::PanelDot;
use super::simd::{ACC, Simd};

/// Reads all values. The sum is returned so that the reading happens.
pub struct ReadAll<'a>(pub &'a [f32]);

impl Kernel for ReadAll<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        const STREAMS: usize = 4;
        let mut lanes = [s.splat(0.0); STREAMS];
        let (chunks, _) = self.0.as_chunks::<ACC>();
        for four in chunks.as_chunks::<STREAMS>().0 {
            s.prefetch(four.as_ptr().wrapping_add(STREAMS));
            for i in 0..STREAMS {
                lanes[i] = s.add(lanes[i], s.load(&four[i]));
            }
        }
        let mut sum = 0.0;
        for lanes in lanes {
            sum += s.sum(lanes);
        }
        sum
    }
}

/// Multiplies and adds in registers; returns the number of operations, two for each product.
pub struct FloatRate {
    /// How often.
    pub rounds: u64,
}

impl Kernel for FloatRate {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        const CHAINS: usize = 6;
        let factor = s.splat(std::hint::black_box(0.999));
        let term = s.splat(std::hint::black_box(0.001));
        let mut lanes = [term; CHAINS];
        for _ in 0..self.rounds {
            for lane in &mut lanes {
                *lane = s.mul_add(*lane, factor, term);
            }
        }
        let mut sum = 0.0;
        for lanes in lanes {
            sum += s.sum(lanes);
        }
        std::hint::black_box(sum);
        2 * self.rounds * (CHAINS * ACC) as u64
    }
}

/// Multiplies 8-bit weights by activations in registers, as fast as the tier's instructions
/// allow; returns the number of operations, two for each product.
pub struct IntegerRate {
    /// How often.
    pub rounds: u64,
    /// How activations are rounded.
    pub format: ActivationFormat,
}

impl Kernel for IntegerRate {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        let operations = PanelDot::peak(s, self.rounds);
        // Tiers with kernels for bytes multiply one by a half of 16 bits.
        let by_bytes = self.format == ActivationFormat::Int8 && !S::INT8_BYTE_TILES.is_empty();
        if by_bytes { 2 * operations } else { operations }
    }
}
