//! Progress of what takes over a second, where stderr is a terminal.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the display moves, whatever the work does meanwhile.
const TICK: Duration = Duration::from_millis(120);

/// A bar or a counter that appears after a second and goes when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    /// Waits for a second to pass or for the end of the work. Without a terminal there is none.
    reveal: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Work of which only its beginning and its end are known.
    pub fn of(what: &'static str) -> Self {
        let progress = Self::start(None, "{spinner} {msg}, {elapsed}");
        progress.bar.set_message(what);
        progress
    }

    /// Bytes out of a total.
    pub fn of_bytes(total: u64) -> Self {
        Self::start(
            Some(total),
            "{spinner} {bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        )
    }

    /// Tokens out of a total.
    pub fn of_tokens(total: u64) -> Self {
        Self::start(
            Some(total),
            "{spinner} {bar:40} {pos} of {len} tokens, {per_sec}, {eta} left",
        )
    }

    /// Samples out of a total, and the text of [`say`](Self::say).
    #[cfg(feature = "eval")]
    pub fn of_samples(total: u64) -> Self {
        Self::start(
            Some(total),
            "{spinner} {bar:30} {pos} of {len} samples, {msg}",
        )
    }

    /// Sets the text beside the bar.
    #[cfg(feature = "eval")]
    pub fn say(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Lines of a stream.
    pub fn of_lines() -> Self {
        Self::start(None, "{spinner} {pos} lines answered, {elapsed}")
    }

    fn start(total: Option<u64>, template: &str) -> Self {
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(style);
        let reveal = io::stderr().is_terminal().then(|| {
            let (sender, end) = mpsc::channel();
            let shown = bar.clone();
            (sender, thread::spawn(move || reveal(&shown, &end)))
        });
        Self { bar, reveal }
    }

    /// Sets what is done, and how much there is in all.
    pub fn update(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// One more is done.
    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// Writes to stdout, which may be the same terminal.
    pub fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.reveal.is_some() && io::stdout().is_terminal() {
            true => self.bar.suspend(write),
            false => write(),
        }
    }
}

fn reveal(bar: &ProgressBar, end: &Receiver<()>) {
    if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.reveal.take() {
            drop(sender);
            // A thread that panicked shows no bar; the work is what counts.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}
