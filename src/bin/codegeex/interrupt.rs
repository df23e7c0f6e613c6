//! Ctrl-C and termination signals.

use std::io::Write;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use codegeex::cancel::CancelToken;

use crate::failure;

/// Ends the process at an interrupt: at once, or, during [`orderly`](Self::orderly) work, by
/// cancelling that. A second interrupt ends it in any case.
#[derive(Clone, Default)]
pub struct Interrupt {
    cancel: CancelToken,
    orderly: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes the signals over for this process.
    pub fn catch() -> Self {
        let interrupt = Self::default();
        let signal = interrupt.clone();
        let set = ctrlc::set_handler(move || {
            let again = signal.cancel.is_cancelled();
            signal.cancel.cancel();
            if again || !signal.orderly.load(Ordering::SeqCst) {
                process::exit(i32::from(failure::INTERRUPTED));
            }
        });
        if let Err(error) = set {
            // Without a handler the system's own ends the process, which is mostly as good.
            let _ = writeln!(
                std::io::stderr(),
                "warning: cannot catch interrupts: {error}"
            );
        }
        interrupt
    }

    /// Does work that looks at the token it gets, and that has something to put in order.
    pub fn orderly<T>(&self, work: impl FnOnce(&CancelToken) -> T) -> T {
        self.orderly.store(true, Ordering::SeqCst);
        let result = work(&self.cancel);
        self.orderly.store(false, Ordering::SeqCst);
        result
    }

    /// Whether there was one.
    pub fn happened(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
