//! Positions as numbers: the frequencies of rotary embedding, and sinusoidal embeddings.

use super::ModelConfig;
use crate::backend::Angles;
use crate::error::Result;
use crate::family::{Position, Rotary, RotaryScaling};
use crate::memory;
use crate::num;

/// The frequency of each pair of rotated values; none without rotary position embedding.
pub(super) fn frequencies(config: &ModelConfig) -> Result<Vec<f32>> {
    let Position::Rotary(rotary) = &config.position else {
        return Ok(Vec::new());
    };
    let mut frequencies = memory::try_vec(rotary.dims / 2)?;
    for pair in 0..rotary.dims / 2 {
        let plain = num::pow(rotary.base, -((2 * pair) as f64) / rotary.dims as f64);
        // Rounded where training rounds.
        frequencies.push(scaled(f64::from(plain as f32), rotary) as f32);
    }
    Ok(frequencies)
}

fn scaled(frequency: f64, rotary: &Rotary) -> f64 {
    match rotary.scaling {
        RotaryScaling::None => frequency,
        RotaryScaling::Linear { factor } => frequency / factor,
        RotaryScaling::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_context,
        } => {
            let turns = original_context as f64 * frequency / std::f64::consts::TAU;
            if turns > high {
                frequency
            } else if turns < low {
                frequency / factor
            } else {
                let share = (turns - low) / (high - low);
                (1.0 - share) * frequency / factor + share * frequency
            }
        }
    }
}

/// The angles of rows at these positions: for every frequency its product with the position.
pub(super) fn angles(
    positions: impl ExactSizeIterator<Item = usize>,
    frequencies: &[f32],
) -> Result<Angles> {
    let len = positions.len() * frequencies.len();
    let (mut cos, mut sin) = (memory::try_vec(len)?, memory::try_vec(len)?);
    for position in positions {
        for &frequency in frequencies {
            // The angle is rounded to single precision, as it is in training.
            let (s, c) = num::sin_cos(f64::from(position as f32 * frequency));
            cos.push(c as f32);
            sin.push(s as f32);
        }
    }
    Ok(Angles {
        cos,
        sin,
        pairs: frequencies.len(),
    })
}

/// Sinusoidal embeddings: sines of all frequencies, then cosines. The wavelengths are a geometric
/// series from 2 pi to 20,000 pi.
pub(super) fn sinusoids(
    positions: impl ExactSizeIterator<Item = usize>,
    offset: usize,
    width: usize,
) -> Result<Vec<f32>> {
    let half = width / 2;
    let mut values = memory::try_filled(0.0, positions.len() * width)?;
    let step = -num::ln(10_000.0) / (half - 1) as f64;
    for (row, position) in values.chunks_exact_mut(width).zip(positions) {
        let position = position as f32 + offset as f32;
        for pair in 0..half {
            let frequency = f64::from(num::exp((pair as f64 * step) as f32)) as f32;
            let (sin, cos) = num::sin_cos(f64::from(position * frequency));
            (row[pair], row[half + pair]) = (sin as f32, cos as f32);
        }
    }
    Ok(values)
}
