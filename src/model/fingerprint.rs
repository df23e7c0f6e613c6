//! What tells one model from another in a file that belongs to it.
//!
//! The fingerprint covers the configuration, the name, type and shape of every tensor, and of the
//! numbers all of a small tensor and sixteen spans of a large one. So it takes some 21 MB of the 26 GB
//! of a 13B checkpoint, and another checkpoint of the same shape has another one: training
//! changes every tensor throughout. An edit of a few numbers by hand may escape it. The spans
//! are counted in rows and columns, not in bytes of a file: the same numbers have the same
//! fingerprint in one file, in shards, and after a conversion that changes no type.

use std::fmt;
use std::sync::OnceLock;

use super::ModelConfig;
use super::checkpoint::Checkpoint;
use crate::checksum::Xxh64;
use crate::error::Result;
use crate::weights::{Tensor, WeightSource};

/// Tensors up to this size are covered in full.
const SMALL: usize = 64 << 10;
/// Spans of larger ones, evenly spread from the first element to the last, and their length in
/// bytes: a page of the file each.
const SPANS: usize = 16;
const SPAN: usize = 4 << 10;

/// Tells a model and its weights from others. It is the same wherever the same weights are
/// loaded with the same configuration, whatever they are computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// As it is stored.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// From how it is stored.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The fingerprint of a model, taken when it is asked for.
#[derive(Debug)]
pub(super) struct LazyFingerprint {
    config: ModelConfig,
    parts: Vec<Part>,
    found: OnceLock<Fingerprint>,
}

/// A tensor's part in it.
#[derive(Debug)]
enum Part {
    /// Where it lies, which the model keeps in memory anyway.
    Lies(Tensor),
    /// What was found while there was a copy of it.
    Hashed(u64),
}

impl LazyFingerprint {
    /// Remembers where the tensors of a checkpoint lie. Touches none of those that are used there.
    pub fn new(checkpoint: &Checkpoint) -> Result<Self> {
        let part = |name: &str| {
            let tensor = checkpoint.tensor(name)?;
            Ok(match checkpoint.copied_bytes(name) {
                0 => Part::Lies(tensor),
                _ => Part::Hashed(hash(&tensor)),
            })
        };
        Ok(Self {
            config: checkpoint.config().clone(),
            parts: (checkpoint.tensors().iter())
                .map(|info| part(&info.name))
                .collect::<Result<_>>()?,
            found: OnceLock::new(),
        })
    }

    pub fn get(&self) -> Fingerprint {
        *self.found.get_or_init(|| {
            let mut all = Xxh64::new(0);
            all.update(self.config.to_json().as_bytes());
            for part in &self.parts {
                let hash = match part {
                    Part::Lies(tensor) => hash(tensor),
                    Part::Hashed(hash) => *hash,
                };
                all.update(&hash.to_le_bytes());
            }
            Fingerprint(all.finish())
        })
    }
}

fn hash(tensor: &Tensor) -> u64 {
    let mut hash = Xxh64::new(0);
    let info = &tensor.info;
    hash.update(format!("{} {} {:?}", info.name, info.dtype, info.shape).as_bytes());
    let size = info.dtype.size();
    let (rows, cols) = tensor.matrix_shape();
    let elements = rows * cols;
    if elements * size <= SMALL {
        (0..rows).for_each(|row| span(tensor, row, 0, cols, &mut hash));
        return hash.finish();
    }
    let length = SPAN / size;
    for i in 0..SPANS {
        // Two steps, so that no product overflows.
        let (whole, rest) = (
            (elements - length) / (SPANS - 1),
            (elements - length) % (SPANS - 1),
        );
        let start = whole * i + rest * i / (SPANS - 1);
        let (row, col) = (start / cols, start % cols);
        // What goes past the end of a row is left out, but for the very last span.
        let (row, col) = match i + 1 == SPANS {
            true => (rows - 1, cols.saturating_sub(length)),
            false => (row, col),
        };
        span(tensor, row, col, length.min(cols - col), &mut hash);
    }
    hash.finish()
}

/// Some elements of a row, whichever blocks they lie in.
fn span(tensor: &Tensor, row: usize, col: usize, length: usize, hash: &mut Xxh64) {
    let size = tensor.info.dtype.size();
    for block in &tensor.blocks {
        let (from, to) = (
            col.max(block.col),
            (col + length).min(block.col + block.cols),
        );
        if (block.row..block.row + block.rows).contains(&row) && from < to {
            let bytes = block.row_bytes(row - block.row, size);
            let range = (from - block.col) * size..(to - block.col) * size;
            hash.update(bytes.get(range).unwrap_or_default());
        }
    }
}
