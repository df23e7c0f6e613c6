//! Positions as numbers: the frequencies of rotary embedding, and sinusoidal embeddings.

use super::ModelConfig;
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

/// Sinusoidal embeddings: sines of all frequencies, then cosines. The wavelengths are a geometric
/// series from 2 pi to 20,000 pi.
pub(super) fn sinusoids(positions: &[u32], offset: usize, width: usize) -> Result<Vec<f32>> {
    let half = width / 2;
    let mut values = memory::try_filled(0.0, positions.len() * width)?;
    let step = -num::ln(10_000.0) / (half - 1) as f64;
    for (row, &position) in values.chunks_exact_mut(width).zip(positions) {
        let position = position as f32 + offset as f32;
        for pair in 0..half {
            let frequency = f64::from(num::exp((pair as f64 * step) as f32)) as f32;
            let (sin, cos) = num::sin_cos(f64::from(position * frequency));
            (row[pair], row[half + pair]) = (sin as f32, cos as f32);
        }
    }
    Ok(values)
}
