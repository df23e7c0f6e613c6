//! The machine's own limits, measured with the backend's threads and instructions, so that speeds
//! can be stated as fractions of them.

use std::time::{Duration, Instant};

use super::{ActivationFormat, Cpu};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::probe::{FloatRate, IntegerRate, ReadAll};

/// Bytes that are read for the bandwidth: far beyond any cache.
const BYTES: usize = 512 << 20;
/// Bytes that a thread reads at a time.
const CHUNK: usize = 1 << 20;
/// How long each measurement runs at least.
const TIME: Duration = Duration::from_millis(600);
/// Rounds of the loops in registers between two looks at the clock.
const ROUNDS: u64 = 200_000;

impl Cpu {
    /// Bytes a second that this backend's threads read from memory: the median of some passes
    /// over 512 MiB, which are allocated and freed again.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    #[doc(hidden)]
    pub fn measure_bandwidth(&self) -> Result<f64> {
        let mut values: Vec<f32> = Vec::new();
        let len = BYTES / size_of::<f32>();
        values.try_reserve_exact(len).map_err(|e| {
            let message = format!("cannot allocate {BYTES} bytes to measure the bandwidth: {e}");
            Error::new(ErrorKind::OutOfMemory, message)
        })?;
        values.resize(len, 1.0);
        let chunk = CHUNK / size_of::<f32>();
        let mut rates = Vec::new();
        let start = Instant::now();
        while start.elapsed() < TIME || rates.len() < 5 {
            let pass = Instant::now();
            self.pool.run(len / chunk, &|i| {
                let part = &values[i * chunk..(i + 1) * chunk];
                std::hint::black_box(self.isa.dispatch(ReadAll(part)));
            });
            rates.push(BYTES as f64 / pass.elapsed().as_secs_f64());
        }
        Ok(median(&mut rates))
    }

    /// Operations a second, two for each product of an 8-bit weight with an activation, that this
    /// backend's threads do on registers. For instructions that multiply bytes and activations of
    /// 16 bits this is half their rate: such a product takes two.
    #[doc(hidden)]
    pub fn measure_integer_rate(&self) -> f64 {
        if let Some(unit) = self.isa.matrix_unit() {
            let total = std::sync::Mutex::new(0.0);
            self.pool.run(self.pool.threads(), &|_| {
                let rate = unit.peak(TIME);
                *total
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) += rate;
            });
            let bytes = total.into_inner().unwrap_or_default();
            return match self.activations {
                ActivationFormat::Int16 => bytes / 2.0,
                ActivationFormat::Int8 => bytes,
            };
        }
        let (rounds, format) = (ROUNDS, self.activations);
        self.rate(&|| self.isa.dispatch(IntegerRate { rounds, format }))
    }

    /// Operations a second, two for each product in single precision, on registers.
    #[doc(hidden)]
    pub fn measure_float_rate(&self) -> f64 {
        self.rate(&|| self.isa.dispatch(FloatRate { rounds: ROUNDS }))
    }

    fn rate(&self, work: &(dyn Fn() -> u64 + Sync)) -> f64 {
        let mut rates = Vec::new();
        let start = Instant::now();
        while start.elapsed() < TIME || rates.len() < 5 {
            let done = std::sync::atomic::AtomicU64::new(0);
            let pass = Instant::now();
            self.pool.run(self.pool.threads(), &|_| {
                done.fetch_add(work(), std::sync::atomic::Ordering::Relaxed);
            });
            rates.push(done.into_inner() as f64 / pass.elapsed().as_secs_f64());
        }
        median(&mut rates)
    }
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
