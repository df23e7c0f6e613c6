//! A progress bar for what takes over a second, where stderr is a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What takes less shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is counted.
#[derive(Clone, Copy)]
pub enum Unit {
    Bytes,
    Tokens,
}

/// Appears after a second and goes when it is dropped.
pub struct Progress {
    started: Instant,
    unit: Unit,
    bar: Option<ProgressBar>,
    terminal: bool,
}

impl Progress {
    pub fn new(unit: Unit) -> Self {
        Self {
            started: Instant::now(),
            unit,
            bar: None,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub fn update(&mut self, done: u64, total: u64) {
        if !self.terminal || (self.bar.is_none() && self.started.elapsed() < PATIENCE) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let counts = match self.unit {
                Unit::Bytes => "{bytes} of {total_bytes}, {bytes_per_sec}",
                Unit::Tokens => "{pos} of {len} tokens, {per_sec}",
            };
            let template = format!("{{bar:40}} {counts}, {{eta}} left");
            let style = ProgressStyle::with_template(&template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total)
                .with_style(style)
                .with_elapsed(self.started.elapsed())
        });
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
