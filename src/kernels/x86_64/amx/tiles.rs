//! The tile registers: what the product needs of them, their configuration, and the instructions.
//!
//! The product is written over [`Tiles`], so that its loops are tested on every machine with the
//! software tiles of `emulated.rs`; [`Hardware`] is the instructions themselves.

use std::arch::asm;
use std::marker::PhantomData;

use super::TileUnit;

/// Rows of a tile.
pub const ROWS: usize = 16;
/// Bytes of a row of a tile.
pub const ROW_BYTES: usize = 64;
/// Bytes of a tile.
pub const TILE_BYTES: usize = ROWS * ROW_BYTES;
/// Tile registers.
pub const TILES: usize = 8;
/// Signed 8-bit multiplications and additions of one [`Tiles::dot`] of full tiles.
pub const DOT_OPERATIONS: u64 = 2 * (ROWS * ROWS * ROW_BYTES) as u64;

/// The eight tile registers, configured. The const parameters are their numbers.
pub trait Tiles {
    /// All zeros.
    fn zero<const T: usize>(&mut self);
    /// Sixteen lines of 64 bytes.
    fn load<const T: usize>(&mut self, lines: &[u8; TILE_BYTES]);
    /// Sixteen lines of sixteen sums.
    fn load_sums<const T: usize>(&mut self, sums: &[[i32; ROWS]; ROWS]);
    /// The reverse of [`Self::load_sums`].
    fn store_sums<const T: usize>(&mut self, sums: &mut [[i32; ROWS]; ROWS]);
    /// `C[m][n] += sum over k, j of A[m][4k + j] * B[k][4n + j]`, the bytes of A signed, those
    /// of B unsigned, the sums wrapping.
    fn dot<const C: usize, const A: usize, const B: usize>(&mut self);
}

/// What `ldtilecfg` reads: the rows of each tile and the bytes of each row.
///
/// ```text
/// byte 0       palette: 1, eight tiles of at most 16 rows of 64 bytes
/// byte 1       row at which an interrupted load starts again: 0
/// bytes 2-15   zero
/// bytes 16-47  bytes a row of tile 0..16, u16; zero from tile 8 on
/// bytes 48-63  rows of tile 0..16, u8; zero from tile 8 on
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Config(pub(super) [u8; 64]);

impl Config {
    /// Sixteen rows of 64 bytes in every tile.
    pub const FULL: Config = Self::new([(ROWS as u8, ROW_BYTES as u16); TILES]);

    /// Palette 1 with these rows and bytes a row.
    pub(super) const fn new(shapes: [(u8, u16); TILES]) -> Self {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut t = 0;
        while t < TILES {
            let (rows, row_bytes) = shapes[t];
            [bytes[16 + 2 * t], bytes[17 + 2 * t]] = row_bytes.to_le_bytes();
            bytes[48 + t] = rows;
            t += 1;
        }
        Self(bytes)
    }
}

/// The tile registers of this thread, configured for as long as this lives.
///
/// Dropping it releases them: the thread is left as it was found, and the system no longer saves
/// 8 KiB of tiles when it switches threads. It stays on its thread, and there must be no second
/// one on the same thread, whose end would take the configuration from the first; so it is made
/// in this module alone, at the start of a call that runs nothing of others.
pub(super) struct Hardware(PhantomData<*mut ()>);

impl Hardware {
    /// Every tile of the full size, all zeros.
    #[inline]
    pub fn configure(amx: TileUnit) -> Self {
        // SAFETY: the configuration is valid, and with full tiles all operands fit each other.
        unsafe { Self::with(amx, &Config::FULL) }
    }

    /// # Safety
    /// The configuration must be valid, and every `dot` must be of tiles that fit each other:
    /// the processor answers anything else with a signal that ends the process.
    #[inline]
    pub(super) unsafe fn with(_: TileUnit, config: &Config) -> Self {
        // SAFETY: the token proves the instruction and the system's permission; it reads the 64
        // bytes of the configuration. Without `nomem`, so that they are written before.
        unsafe {
            asm!(
                "ldtilecfg [{config}]",
                config = in(reg) config,
                options(nostack, preserves_flags, readonly)
            );
        }
        Self(PhantomData)
    }
}

impl Drop for Hardware {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` was made with a token, which proves the instruction.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
    }
}

/// The instructions. Tiles keep their values from one `asm!` to the next: nothing else in a
/// program uses these registers, since no type of Rust or C lives in them and no function may
/// expect them to be preserved. None of the blocks is `pure`, so their order stays.
impl Tiles for Hardware {
    #[inline(always)]
    fn zero<const T: usize>(&mut self) {
        // SAFETY: `self` proves the instruction and a valid tile.
        unsafe {
            asm!("tilezero tmm{t}", t = const T, options(nomem, nostack, preserves_flags));
        }
    }

    #[inline(always)]
    fn load<const T: usize>(&mut self, lines: &[u8; TILE_BYTES]) {
        // SAFETY: `self` proves the instruction and a valid tile; at most sixteen rows of 64
        // bytes, one after the other, are read, which is what `lines` is.
        unsafe { load::<T>(lines.as_ptr()) }
    }

    #[inline(always)]
    fn load_sums<const T: usize>(&mut self, sums: &[[i32; ROWS]; ROWS]) {
        // SAFETY: as in `load`; sixteen i32 are 64 bytes.
        unsafe { load::<T>(sums.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store_sums<const T: usize>(&mut self, sums: &mut [[i32; ROWS]; ROWS]) {
        // SAFETY: `self` proves the instruction and a valid tile; at most sixteen rows of 64
        // bytes are written, which is what `sums` is, and every pattern of bits is an i32.
        unsafe {
            asm!(
                "tilestored [{base} + {stride}*1], tmm{t}",
                base = in(reg) sums.as_mut_ptr(),
                stride = in(reg) ROW_BYTES,
                t = const T,
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        const { assert!(C != A && C != B && A != B, "operands must be three tiles") };
        // SAFETY: `self` proves the instruction and three valid tiles that fit each other.
        unsafe {
            asm!(
                "tdpbsud tmm{c}, tmm{a}, tmm{b}",
                c = const C,
                a = const A,
                b = const B,
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}

/// # Safety
/// Tiles are configured, and there are [`TILE_BYTES`] readable bytes.
#[inline(always)]
unsafe fn load<const T: usize>(lines: *const u8) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "tileloadd tmm{t}, [{base} + {stride}*1]",
            t = const T,
            base = in(reg) lines,
            stride = in(reg) ROW_BYTES,
            options(nostack, preserves_flags, readonly)
        );
    }
}
