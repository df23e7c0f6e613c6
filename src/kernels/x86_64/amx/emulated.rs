//! Tile registers in software, to the letter of the manual (Intel SDM volume 1, chapter 18, and
//! the pages of the instructions in volume 2), for tests: what the processor answers with a
//! fault is an error here.

use super::tiles::{Config, ROW_BYTES, ROWS, TILE_BYTES, TILES, Tiles};

/// The exception that the processor would raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// #GP(0): `ldtilecfg` of something that is no configuration.
    GeneralProtection,
    /// #UD: a tile that is not configured, or operands that do not fit each other.
    InvalidOpcode,
}

type Bytes = [[u8; ROW_BYTES]; ROWS];

#[derive(Clone, Copy, Default)]
struct Shape {
    rows: usize,
    row_bytes: usize,
}

/// The tile state of one processor.
pub struct Emulated {
    /// `None` in the initial state, in which every tile instruction but two faults.
    shapes: Option<[Shape; TILES]>,
    data: [Bytes; TILES],
}

impl Emulated {
    /// Not configured.
    pub fn released() -> Self {
        Self {
            shapes: None,
            data: [[[0; ROW_BYTES]; ROWS]; TILES],
        }
    }

    /// Configured as the product does it.
    pub fn configured() -> Self {
        let mut tiles = Self::released();
        tiles.ldtilecfg(&Config::FULL.0).unwrap();
        tiles
    }

    /// A fault leaves everything as it was.
    pub fn ldtilecfg(&mut self, config: &[u8; 64]) -> Result<(), Fault> {
        if config[0] == 0 {
            self.tilerelease();
            return Ok(());
        }
        let mut shapes = [Shape::default(); TILES];
        let mut bad = config[0] > 1 || config[2..16].iter().any(|&b| b != 0);
        for (t, shape) in shapes.iter_mut().enumerate() {
            shape.row_bytes = u16::from_le_bytes([config[16 + 2 * t], config[17 + 2 * t]]).into();
            shape.rows = config[48 + t].into();
            bad |= shape.row_bytes > ROW_BYTES || shape.rows > ROWS;
            bad |= (shape.rows == 0) != (shape.row_bytes == 0);
        }
        bad |= config[16 + 2 * TILES..48].iter().any(|&b| b != 0);
        bad |= config[48 + TILES..].iter().any(|&b| b != 0);
        if bad {
            return Err(Fault::GeneralProtection);
        }
        // A start row only matters to a load or store that was interrupted, which is not here.
        assert_eq!(config[1], 0, "start rows are not emulated");
        self.tilerelease();
        self.shapes = Some(shapes);
        Ok(())
    }

    pub fn tilerelease(&mut self) {
        *self = Self::released();
    }

    fn shape(&self, t: usize) -> Result<Shape, Fault> {
        let shape = self.shapes.ok_or(Fault::InvalidOpcode)?[t];
        if shape.rows == 0 {
            return Err(Fault::InvalidOpcode);
        }
        Ok(shape)
    }

    pub fn tilezero(&mut self, t: usize) -> Result<(), Fault> {
        self.shape(t)?;
        self.data[t] = [[0; ROW_BYTES]; ROWS];
        Ok(())
    }

    /// The rows and bytes that are configured; the rest of the register becomes zero.
    pub fn tileloadd(&mut self, t: usize, memory: &[u8], stride: usize) -> Result<(), Fault> {
        let shape = self.shape(t)?;
        let mut data = [[0; ROW_BYTES]; ROWS];
        for (row, to) in data[..shape.rows].iter_mut().enumerate() {
            let from = &memory[row * stride..][..shape.row_bytes];
            to[..shape.row_bytes].copy_from_slice(from);
        }
        self.data[t] = data;
        Ok(())
    }

    /// The rows and bytes that are configured; nothing else in memory is touched.
    pub fn tilestored(&self, t: usize, memory: &mut [u8], stride: usize) -> Result<(), Fault> {
        let shape = self.shape(t)?;
        for (row, from) in self.data[t][..shape.rows].iter().enumerate() {
            memory[row * stride..][..shape.row_bytes].copy_from_slice(&from[..shape.row_bytes]);
        }
        Ok(())
    }

    /// The bytes of `a` signed, those of `b` unsigned.
    pub fn tdpbsud(&mut self, c: usize, a: usize, b: usize) -> Result<(), Fault> {
        let (sc, sa, sb) = (self.shape(c)?, self.shape(a)?, self.shape(b)?);
        let same = c == a || c == b || a == b;
        let whole = [sc, sa, sb].iter().all(|s| s.row_bytes % 4 == 0);
        let fit = sc.rows == sa.rows && sc.row_bytes == sb.row_bytes && sa.row_bytes / 4 == sb.rows;
        if same || !whole || !fit {
            return Err(Fault::InvalidOpcode);
        }
        let mut out = [[0; ROW_BYTES]; ROWS];
        for (m, out) in out[..sc.rows].iter_mut().enumerate() {
            for n in 0..sc.row_bytes / 4 {
                let at = 4 * n..4 * n + 4;
                let mut sum = i32::from_le_bytes(self.data[c][m][at.clone()].try_into().unwrap());
                for k in 0..sa.row_bytes / 4 {
                    for j in 0..4 {
                        let x = i32::from(self.data[a][m][4 * k + j] as i8);
                        let y = i32::from(self.data[b][k][4 * n + j]);
                        sum = sum.wrapping_add(x * y);
                    }
                }
                out[at].copy_from_slice(&sum.to_le_bytes());
            }
        }
        self.data[c] = out;
        Ok(())
    }
}

impl Tiles for Emulated {
    fn zero<const T: usize>(&mut self) {
        self.tilezero(T).unwrap();
    }

    fn load<const T: usize>(&mut self, lines: &[u8; TILE_BYTES]) {
        self.tileloadd(T, lines, ROW_BYTES).unwrap();
    }

    fn load_sums<const T: usize>(&mut self, sums: &[[i32; ROWS]; ROWS]) {
        let lines = bytemuck::cast_slice(sums);
        self.tileloadd(T, lines, ROW_BYTES).unwrap();
    }

    fn store_sums<const T: usize>(&mut self, sums: &mut [[i32; ROWS]; ROWS]) {
        let lines = bytemuck::cast_slice_mut(sums);
        self.tilestored(T, lines, ROW_BYTES).unwrap();
    }

    fn dot<const C: usize, const A: usize, const B: usize>(&mut self) {
        self.tdpbsud(C, A, B).unwrap();
    }
}
