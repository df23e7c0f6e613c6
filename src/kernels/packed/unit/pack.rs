//! Activations and sums in the form of tiles.

use std::ops::Range;

use bytemuck::Zeroable;

use crate::kernels::packed::ActivationFormat;

/// Tokens of a tile of activations, rows of one of weights.
const ROWS: usize = 16;
/// Inputs of a tile.
const ROW_BYTES: usize = 64;
const TILE_BYTES: usize = ROWS * ROW_BYTES;

/// The greatest input: 127 * 256 + 127. Above it the upper digit is no signed byte.
pub const MAX_INPUT: i16 = 32639;

/// 64 inputs of 16 tokens, as two A tiles: `x = 256 * hi + lo`, both digits signed bytes. Of
/// inputs that are bytes, 32 tokens: see [`pack_bytes`].
///
/// Byte `t * 64 + i` is of token `t` and input `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct ActivationBlock {
    /// Upper digits.
    pub hi: [u8; TILE_BYTES],
    /// Lower digits, from -128 to 127.
    pub lo: [u8; TILE_BYTES],
}

/// Tokens of an [`ActivationBlock`].
pub const fn tokens(format: ActivationFormat) -> usize {
    match format {
        ActivationFormat::Int16 => ROWS,
        ActivationFormat::Int8 => 2 * ROWS,
    }
}

/// Packs `x`, `[tokens, blocks * 64]`, into `out`, `[tokens / 16 rounded up, blocks]`. Rows after
/// the last token become zero.
///
/// Blocks of 16 tokens are independent: threads can each pack some.
///
/// # Panics
/// When the lengths disagree, or an input is above [`MAX_INPUT`].
pub fn pack(x: &[i16], blocks: usize, out: &mut [ActivationBlock]) {
    let cols = blocks * ROW_BYTES;
    assert!(
        cols > 0 && x.len().is_multiple_of(cols),
        "x is not [tokens, cols]"
    );
    let token_blocks = (x.len() / cols).div_ceil(ROWS);
    assert_eq!(out.len(), token_blocks * blocks, "out is not [16s, blocks]");
    for (x, out) in x.chunks(ROWS * cols).zip(out.chunks_exact_mut(blocks)) {
        if x.len() < ROWS * cols {
            out.fill(Zeroable::zeroed());
        }
        for (token, x) in x.chunks_exact(cols).enumerate() {
            let greatest = x.iter().fold(i16::MIN, |a, &b| a.max(b));
            assert!(greatest <= MAX_INPUT, "{greatest} is above {MAX_INPUT}");
            for (x, block) in x.as_chunks::<ROW_BYTES>().0.iter().zip(&mut *out) {
                let (hi, _) = block.hi.as_chunks_mut::<ROW_BYTES>();
                let (lo, _) = block.lo.as_chunks_mut::<ROW_BYTES>();
                split(x, &mut hi[token], &mut lo[token]);
            }
        }
    }
}

/// Packs some inputs of at most 32 tokens, `x` being `[tokens, width]` and its values bytes, into
/// `out`, `[blocks]`: the first sixteen tokens as upper digits, the others as lower ones, which
/// makes sums of twice as many tokens of half as many bytes. Rows after the last token become
/// zero.
pub fn pack_bytes(x: &[i16], width: usize, inputs: Range<usize>, out: &mut [ActivationBlock]) {
    let tokens = x.chunks_exact(width);
    assert!(tokens.len() <= 2 * ROWS && inputs.len() == out.len() * ROW_BYTES);
    if tokens.len() < 2 * ROWS {
        out.fill(Zeroable::zeroed());
    }
    for (token, x) in tokens.enumerate() {
        let x = x[inputs.clone()].as_chunks::<ROW_BYTES>().0;
        for (x, block) in x.iter().zip(&mut *out) {
            let digits = if token < ROWS {
                &mut block.hi
            } else {
                &mut block.lo
            };
            digits.as_chunks_mut::<ROW_BYTES>().0[token % ROWS] = x.map(|x| x as u8);
        }
    }
}

fn split(x: &[i16; ROW_BYTES], hi: &mut [u8; ROW_BYTES], lo: &mut [u8; ROW_BYTES]) {
    for i in 0..ROW_BYTES {
        // Does not wrap up to MAX_INPUT. The low byte as it is, read as signed, is what is left.
        hi[i] = (x[i].wrapping_add(128) >> 8) as u8;
        lo[i] = x[i] as u8;
    }
}

/// The sums of the tokens of an [`ActivationBlock`] and the 16 rows of a panel, `[token][row]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Sums {
    /// Of the upper digits with the weights as they are stored.
    pub hi: [[i32; ROWS]; ROWS],
    /// Of the lower digits.
    pub lo: [[i32; ROWS]; ROWS],
}
