//! Random weights as a function of the tensor's name and the place in it, so that every file format
//! and every engine gets the same model.

use half::f16;

/// Standard deviation of the weights, GPT-2's own.
const STD: f32 = 0.02;

/// Makes tensors; holds the table from random bits to numbers.
pub struct Random {
    table: Vec<f16>,
}

impl Random {
    pub fn new() -> Self {
        // The sum of two uniform bytes is bell-shaped enough.
        let unit = STD / (2.0f32 * (256.0 * 256.0 - 1.0) / 12.0).sqrt();
        let number = |bits: u32| {
            let centred = (bits & 255) + (bits >> 8);
            f16::from_f32((centred as f32 - 255.0) * unit)
        };
        Self {
            table: (0..1 << 16).map(number).collect(),
        }
    }

    /// The tensor of this canonical name, whole.
    pub fn tensor(&self, name: &str, elements: usize) -> Vec<f16> {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut out = Vec::with_capacity(elements);
        let mut state = seed;
        while out.len() < elements {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z ^= z >> 27;
            for part in 0..4.min(elements - out.len()) {
                out.push(self.table[(z >> (16 * part)) as usize & 0xffff]);
            }
        }
        // Layer norms scale by about one.
        if name.ends_with("layernorm.weight") {
            for x in &mut out {
                *x += f16::ONE;
            }
        }
        out
    }
}
