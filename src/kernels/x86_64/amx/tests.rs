//! The product on emulated tiles, everywhere; on real ones, and those against the emulated ones,
//! where the machine has them.

use bytemuck::Zeroable;

use super::emulated::{Emulated, Fault};
use super::product::MAX_BLOCKS;
use super::product::Product;
use super::tiles::{Config, Hardware, ROW_BYTES, ROWS, TILE_BYTES, TILES, Tiles};
use super::{TileUnit, peak, product};
use crate::kernels::packed::unit::{ActivationBlock, MAX_INPUT, Sums, pack};

/// Random bits, the same every time.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    fn input(&mut self) -> i16 {
        (self.next() as i16).min(MAX_INPUT)
    }
}

/// Inputs and stored weights of one product.
struct Case {
    tokens: usize,
    blocks: usize,
    /// `[tokens, blocks * 64]`
    x: Vec<i16>,
    /// Of each panel, packed.
    panels: Vec<Vec<u8>>,
}

impl Case {
    fn new(
        tokens: usize,
        panels: usize,
        blocks: usize,
        mut x: impl FnMut() -> i16,
        mut u: impl FnMut() -> u8,
    ) -> Self {
        Self {
            tokens,
            blocks,
            x: (0..tokens * blocks * ROW_BYTES).map(|_| x()).collect(),
            panels: (0..panels)
                .map(|_| (0..blocks * TILE_BYTES).map(|_| u()).collect())
                .collect(),
        }
    }

    fn random(tokens: usize, panels: usize, blocks: usize) -> Self {
        let mut inputs = Noise::new((tokens * 31 + blocks) as u64);
        let mut weights = Noise::new((panels * 31 + blocks) as u64);
        let (x, u) = (|| inputs.input(), || weights.next() as u8);
        Self::new(tokens, panels, blocks, x, u)
    }

    /// The sum of `x * u` as the layout of the file has it, one weight at a time.
    fn expected(&self, token: usize, panel: usize, row: usize) -> i64 {
        let cols = self.blocks * ROW_BYTES;
        let x = &self.x[token * cols..(token + 1) * cols];
        let weight = |i: usize| {
            let (block, line, j) = (i / 64, i % 64 / 4, i % 4);
            self.panels[panel][block * 1024 + line * 64 + row * 4 + j]
        };
        (0..cols)
            .map(|i| i64::from(x[i]) * i64::from(weight(i)))
            .sum()
    }

    fn packed(&self) -> Vec<ActivationBlock> {
        // What was there before must not show.
        let mut blocks = vec![ActivationBlock::zeroed(); self.tokens.div_ceil(16) * self.blocks];
        bytemuck::cast_slice_mut::<_, u8>(&mut blocks).fill(0xa5);
        pack(&self.x, self.blocks, &mut blocks);
        blocks
    }

    fn check(&self, run: impl FnOnce(&[&[u8]], usize, &[ActivationBlock], &mut [Sums])) {
        let panels: Vec<&[u8]> = self.panels.iter().map(|p| &p[..]).collect();
        let packed = self.packed();
        let mut sums = vec![Sums::zeroed(); self.tokens.div_ceil(16) * panels.len()];
        bytemuck::cast_slice_mut::<_, u8>(&mut sums).fill(0xa5);
        run(&panels, self.blocks, &packed, &mut sums);
        for token in 0..self.tokens.next_multiple_of(16) {
            for panel in 0..panels.len() {
                let sums = &sums[token / 16 * panels.len() + panel];
                for row in 0..ROWS {
                    let [hi, lo] = [&sums.hi, &sums.lo].map(|s| i64::from(s[token % 16][row]));
                    let expected = if token < self.tokens {
                        self.expected(token, panel, row)
                    } else {
                        0
                    };
                    let at = (self.tokens, panels.len(), self.blocks, token, panel, row);
                    assert_eq!(256 * hi + lo, expected, "{at:?}");
                }
            }
        }
    }

    fn check_emulated(&self) {
        self.check(|panels, blocks, activations, sums| {
            let product = Product::new(panels, blocks, activations, sums);
            product.run(&mut Emulated::configured());
        });
    }

    fn check_real(&self, amx: TileUnit) {
        self.check(|panels, blocks, x, sums| product(amx, panels, blocks, x, sums));
    }
}

fn for_each_case(mut check: impl FnMut(Case)) {
    for blocks in [1, 2, 17] {
        for tokens in [1, 15, 16, 17, 40] {
            for panels in [1, 2, 3, 5] {
                check(Case::random(tokens, panels, blocks));
            }
        }
    }
    // More than one group of panels, and of tokens.
    check(Case::random(16, 19, 2));
    check(Case::random(16 * 17 + 1, 3, 1));
    // The greatest sums: 65,536 inputs with an upper digit of -128, a lower one, both 127.
    for x in [i16::MIN, -128, MAX_INPUT] {
        check(Case::new(1, 1, MAX_BLOCKS, || x, || 255));
    }
    for x in [-MAX_INPUT, MAX_INPUT, i16::MIN, 0, -1, 127, 128, -128, -129] {
        for u in [0, 1, 127, 128, 255] {
            check(Case::new(17, 3, 2, || x, || u));
        }
    }
}

#[test]
fn the_emulated_product_is_that_of_plain_loops() {
    for_each_case(|case| case.check_emulated());
}

#[test]
fn the_real_product_is_that_of_plain_loops() {
    let Some(amx) = TileUnit::detect() else {
        return;
    };
    for_each_case(|case| case.check_real(amx));
}

#[test]
fn threads_have_tiles_of_their_own() {
    let Some(amx) = TileUnit::detect() else {
        return;
    };
    // More threads than processors, some over while others go on. What each has in its tiles
    // stays there while others run.
    std::thread::scope(|scope| {
        for i in 0..8 {
            scope.spawn(move || {
                for round in 0..=i {
                    Case::random(17, 3, 9 + round).check_real(amx);
                    let sums: [i32; 256] = std::array::from_fn(|at| (at * 8 + i) as i32);
                    let sums: [[i32; ROWS]; ROWS] = bytemuck::cast(sums);
                    let mut found = [[0; ROWS]; ROWS];
                    let mut tiles = Hardware::configure(amx);
                    tiles.load_sums::<3>(&sums);
                    for _ in 0..20 {
                        std::thread::yield_now();
                    }
                    tiles.store_sums::<3>(&mut found);
                    drop(tiles);
                    assert_eq!(found, sums);
                }
            });
        }
    });
}

/// Real tiles are released at the end of a call, and nothing is left of them in the thread.
#[test]
fn a_call_leaves_no_tiles_behind() {
    let Some(amx) = TileUnit::detect() else {
        return;
    };
    Case::random(1, 1, 1).check_real(amx);
    let mut config = Config([0xa5; 64]);
    // SAFETY: the token proves the instruction, which writes 64 bytes.
    unsafe {
        std::arch::asm!("sttilecfg [{c}]", c = in(reg) &raw mut config, options(nostack));
    }
    assert_eq!(config.0, [0; 64]);
}

#[test]
fn peak_counts_something() {
    let Some(amx) = TileUnit::detect() else {
        return;
    };
    assert!(peak(amx, std::time::Duration::from_millis(5)) > 0.0);
}

#[test]
fn the_configuration_is_that_of_the_manual() {
    let mut expected = [0; 64];
    expected[0] = 1;
    for t in 0..8 {
        expected[16 + 2 * t] = 64;
        expected[48 + t] = 16;
    }
    assert_eq!(Config::FULL.0, expected);
    assert_eq!(align_of::<Config>(), 64);
    let odd = Config::new([(3, 12); TILES]).0;
    assert_eq!(
        (odd[16], odd[17], odd[48], odd[55], odd[56]),
        (12, 0, 3, 3, 0)
    );
}

#[test]
fn packed_digits_are_where_the_tiles_want_them() {
    let case = Case::random(17, 0, 3);
    let packed = case.packed();
    for token in 0..32 {
        for i in 0..3 * 64 {
            let block = &packed[token / 16 * 3 + i / 64];
            let at = token % 16 * 64 + i % 64;
            let [hi, lo] = [block.hi[at], block.lo[at]].map(|b| i32::from(b as i8));
            let expected = if token < 17 {
                case.x[token * 3 * 64 + i]
            } else {
                0
            };
            assert_eq!(256 * hi + lo, i32::from(expected));
        }
    }
    // Every value there is.
    let all: Vec<i16> = (i16::MIN..=MAX_INPUT).collect();
    let len = all.len() / 64 * 64;
    for x in [&all[..len], &all[all.len() - len..]] {
        let mut out = vec![ActivationBlock::zeroed(); len / 64];
        pack(x, len / 64, &mut out);
        for (i, x) in x.iter().enumerate() {
            let (block, at) = (&out[i / 64], i % 64);
            let [hi, lo] = [block.hi[at], block.lo[at]].map(|b| i32::from(b as i8));
            assert_eq!(256 * hi + lo, i32::from(*x));
        }
    }
}

#[test]
#[should_panic(expected = "32640 is above 32639")]
fn inputs_without_two_digits_are_refused() {
    pack(&[MAX_INPUT + 1; 64], 1, &mut [ActivationBlock::zeroed()]);
}

#[test]
fn lengths_are_checked() {
    let run = |panels: &[&[u8]], blocks, activations: usize, sums: usize| {
        std::panic::catch_unwind(|| {
            let activations = vec![ActivationBlock::zeroed(); activations];
            let mut sums = vec![Sums::zeroed(); sums];
            Product::new(panels, blocks, &activations, &mut sums).run(&mut Emulated::configured());
        })
    };
    let panel = [0; 2 * TILE_BYTES];
    assert!(run(&[&panel], 2, 4, 2).is_ok());
    assert!(run(&[&panel], 2, 0, 0).is_ok());
    assert!(run(&[], 2, 2, 0).is_ok());
    assert!(run(&[&panel], 0, 0, 0).is_err());
    assert!(run(&[&panel], 1, 4, 2).is_err());
    assert!(run(&[&panel], 2, 3, 1).is_err());
    assert!(run(&[&panel], 2, 4, 3).is_err());
    assert!(run(&[&panel, &panel[1..]], 2, 4, 4).is_err());
    assert!(run(&[], MAX_BLOCKS + 1, 0, 0).is_err());
}

#[test]
fn emulated_configurations_are_validated() {
    let fails = |change: fn(&mut [u8; 64])| {
        let mut tiles = Emulated::configured();
        tiles.load::<0>(&[7; TILE_BYTES]);
        let mut config = Config::FULL.0;
        change(&mut config);
        let result = tiles.ldtilecfg(&config);
        // A fault changes nothing, anything else zeroes the tiles.
        let mut sums = [[1; ROWS]; ROWS];
        let stored = tiles.tilestored(0, bytemuck::cast_slice_mut(&mut sums), ROW_BYTES);
        match result {
            Ok(()) if stored.is_ok() => assert_eq!(sums[0][0], 0),
            Ok(()) => {}
            Err(fault) => {
                assert_eq!(fault, Fault::GeneralProtection);
                assert_eq!(sums[15][15], 0x0707_0707);
            }
        }
        result.is_err()
    };
    assert!(!fails(|_| {}));
    assert!(!fails(|c| c[0] = 0));
    assert!(!fails(|c| (c[16], c[48]) = (0, 0)));
    assert!(!fails(|c| (c[16], c[48]) = (3, 1)));
    assert!(fails(|c| c[0] = 2));
    assert!(fails(|c| c[2] = 1));
    assert!(fails(|c| c[15] = 1));
    assert!(fails(|c| c[16] = 65));
    assert!(fails(|c| c[17] = 1));
    assert!(fails(|c| c[48] = 17));
    assert!(fails(|c| c[48] = 0));
    assert!(fails(|c| c[16] = 0));
    assert!(fails(|c| c[32] = 1));
    assert!(fails(|c| c[47] = 1));
    assert!(fails(|c| c[56] = 1));
    assert!(fails(|c| c[63] = 1));
}

#[test]
fn emulated_tiles_fault_where_real_ones_do() {
    let bad = Err(Fault::InvalidOpcode);
    let mut released = Emulated::released();
    assert_eq!(released.tilezero(0), bad);
    assert_eq!(released.tileloadd(0, &[0; TILE_BYTES], 64), bad);
    assert_eq!(released.tilestored(0, &mut [0; TILE_BYTES], 64), bad);
    assert_eq!(released.tdpbsud(0, 1, 2), bad);
    let dot = |c: (u8, u16), a: (u8, u16), b: (u8, u16)| {
        let mut shapes = [(0, 0); TILES];
        shapes[..3].copy_from_slice(&[c, a, b]);
        let mut tiles = Emulated::released();
        tiles.ldtilecfg(&Config::new(shapes).0).unwrap();
        assert_eq!(tiles.tilezero(3), bad);
        tiles.tdpbsud(0, 1, 2)
    };
    assert_eq!(dot((3, 20), (3, 8), (2, 20)), Ok(()));
    assert_eq!(dot((3, 20), (4, 8), (2, 20)), bad);
    assert_eq!(dot((3, 20), (3, 8), (2, 24)), bad);
    assert_eq!(dot((3, 20), (3, 8), (3, 20)), bad);
    assert_eq!(dot((3, 20), (3, 9), (2, 20)), bad);
    assert_eq!(dot((3, 21), (3, 8), (2, 21)), bad);
    assert_eq!(dot((0, 0), (3, 8), (2, 20)), bad);
    for (c, a, b) in [(0, 0, 1), (0, 1, 0), (1, 0, 0)] {
        assert_eq!(Emulated::configured().tdpbsud(c, a, b), bad);
    }
}

/// Sums by hand: which operand is signed, which line of B meets which byte of A.
#[test]
fn an_emulated_dot_by_hand() {
    let mut a = [0; TILE_BYTES];
    let mut b = [0; TILE_BYTES];
    // Row 1 of A: -1 for input 0, 3 for input 5.
    (a[ROW_BYTES], a[ROW_BYTES + 5]) = (0xff, 3);
    // Row 2 of the panel: 255 for input 0, 100 for input 5.
    (b[2 * 4], b[ROW_BYTES + 2 * 4 + 1]) = (255, 100);
    let mut tiles = Emulated::configured();
    let mut sums = [[0; ROWS]; ROWS];
    sums[1][2] = 1000;
    tiles.load_sums::<0>(&sums);
    tiles.load::<1>(&a);
    tiles.load::<2>(&b);
    tiles.dot::<0, 1, 2>();
    tiles.store_sums::<0>(&mut sums);
    let mut expected = [[0; ROWS]; ROWS];
    expected[1][2] = 1000 - 255 + 300;
    assert_eq!(sums, expected);
}

/// Every instruction on real and emulated tiles of random shapes, on random bytes: what differs
/// would be a wrong encoding, or emulated tiles that are not what they claim to be.
#[test]
fn real_tiles_are_as_emulated() {
    let Some(amx) = TileUnit::detect() else {
        return;
    };
    let mut noise = Noise::new(1);
    for _ in 0..300 {
        let mut upto = |n: u64| noise.next() % n + 1;
        let (m, n, k) = (upto(16) as u8, upto(16) as u16, upto(16) as u16);
        let mut shapes = [(0, 0); TILES];
        shapes[1] = (m, 4 * n);
        shapes[5] = (m, 4 * k);
        shapes[6] = (k as u8, 4 * n);
        let config = Config::new(shapes);
        let [a, b, c] = [(); 3].map(|()| noise.bytes::<TILE_BYTES>());
        let mut emulated = Emulated::released();
        emulated.ldtilecfg(&config.0).unwrap();
        let expected = exercise(&mut emulated, &a, &b, &c);
        // SAFETY: the emulated tiles found no fault in the configuration and in what `exercise`
        // does with it.
        let mut real = unsafe { Hardware::with(amx, &config) };
        let found = exercise(&mut real, &a, &b, &c);
        // Not `assert_eq`, which would print thousands of numbers.
        assert!(found == expected, "{shapes:?}");
    }
}

/// What is in memory after each of some instructions on tiles 1 (sums), 5 (A) and 6 (B).
fn exercise<T: Tiles>(
    tiles: &mut T,
    a: &[u8; TILE_BYTES],
    b: &[u8; TILE_BYTES],
    c: &[u8; TILE_BYTES],
) -> [[[i32; ROWS]; ROWS]; 6] {
    let mut out = [[[-7; ROWS]; ROWS]; 6];
    tiles.store_sums::<1>(&mut out[0]);
    tiles.load_sums::<1>(bytemuck::cast_ref(c));
    tiles.store_sums::<1>(&mut out[1]);
    tiles.load::<5>(a);
    tiles.load::<6>(b);
    tiles.dot::<1, 5, 6>();
    tiles.store_sums::<1>(&mut out[2]);
    tiles.dot::<1, 5, 6>();
    tiles.store_sums::<1>(&mut out[3]);
    tiles.store_sums::<5>(&mut out[4]);
    tiles.zero::<1>();
    tiles.store_sums::<1>(&mut out[5]);
    out
}
