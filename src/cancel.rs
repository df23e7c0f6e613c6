//! How running work is asked to stop, and how much of the machine it may take: a flag that any
//! thread may set, deadlines, and [`Control`], which joins them with a cap on threads.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{Result, bail};
use crate::setters::setters;

/// A shared flag, set once and never cleared. Clones share it; setting it twice does no harm.
///
/// Work that takes a token looks at it between tasks, between tokens and between blocks of a
/// file, and leaves what it was working on as it was before the call.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Flag>);

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    deadline: Option<Instant>,
    /// Set when all of these are, if there are any.
    followed: Vec<CancelToken>,
    condition: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag")
            .field("set", &self.set)
            .field("deadline", &self.deadline)
            .field("followed", &self.followed)
            .finish_non_exhaustive()
    }
}

impl CancelToken {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag of its own that is also set when this one is, and from `deadline` on. Setting it
    /// leaves this one alone.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self(Arc::new(Flag {
            deadline,
            followed: vec![self.clone()],
            ..Flag::default()
        }))
    }

    /// A flag that is set when every one of `tokens` is; never by that alone where there are none.
    pub fn all_of(tokens: impl IntoIterator<Item = Self>) -> Self {
        Self(Arc::new(Flag {
            followed: tokens.into_iter().collect(),
            ..Flag::default()
        }))
    }

    /// A flag that is also set once `condition` says so: to follow a flag of another library.
    ///
    /// It is called at every look until it is true, from any thread and up to a million times a
    /// second, so it has to be quick and must not block.
    ///
    /// ```
    /// use codegeex::cancel::CancelToken;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// // Stops at the third look, wherever that is.
    /// let looks = AtomicU32::new(0);
    /// let token = CancelToken::when(move || looks.fetch_add(1, Ordering::Relaxed) == 2);
    /// let seen: Vec<bool> = (0..4).map(|_| token.is_cancelled()).collect();
    /// assert_eq!(seen, [false, false, true, true]);
    /// ```
    pub fn when(condition: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Flag {
            condition: Some(Box::new(condition)),
            ..Flag::default()
        }))
    }

    /// Asks the work to stop. May be called from any thread and from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to stop. Takes no lock; it looks at the clock where there is a
    /// deadline, and at what it follows.
    pub fn is_cancelled(&self) -> bool {
        let flag = &*self.0;
        if flag.set.load(Ordering::Relaxed) {
            return true;
        }
        let followed = &flag.followed;
        let now = flag.deadline.is_some_and(|at| Instant::now() >= at)
            || (!followed.is_empty() && followed.iter().all(Self::is_cancelled))
            || flag.condition.as_ref().is_some_and(|is_met| is_met());
        if now {
            // What was set stays set, and the next look is short.
            self.cancel();
        }
        now
    }

    /// An error of kind [`Cancelled`](crate::ErrorKind::Cancelled) once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!(Cancelled, "the caller cancelled this call");
        }
        Ok(())
    }
}

/// Limits of a call of a model, and its progress callback: cancellation and the number of threads. The default is no limit and no callback.
///
/// ```
/// use codegeex::cancel::{CancelToken, Control};
///
/// let cancel = CancelToken::new();
/// let mut steps = 0;
/// let mut count = || steps += 1;
/// let control = Control::from(&cancel).threads(2).on_progress(&mut count);
/// control.progress();
/// drop(control);
/// assert_eq!(steps, 1);
/// ```
#[derive(Default)]
#[non_exhaustive]
pub struct Control<'a> {
    /// Ends the call early.
    pub cancel: CancelToken,
    /// The maximum number of threads that compute for the call, the calling one included; all of
    /// the model's by default.
    pub threads: Option<usize>,
    on_progress: Option<RefCell<&'a mut dyn FnMut()>>,
}

impl<'a> Control<'a> {
    /// No limit and no callback.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set cancel: CancelToken;
        option threads: usize;
    }

    /// Sets a callback that the model calls on the calling thread from time to time while it
    /// computes. It must be quick.
    #[must_use]
    pub fn on_progress(mut self, on_progress: &'a mut dyn FnMut()) -> Self {
        self.on_progress = Some(RefCell::new(on_progress));
        self
    }

    /// Calls the progress callback, if there is one. For models: [`Transformer`] calls it before
    /// each layer and before each matrix product.
    ///
    /// [`Transformer`]: crate::model::Transformer
    pub fn progress(&self) {
        if let Some(on_progress) = &self.on_progress
            // A callback that gets here again is not called inside of itself.
            && let Ok(mut on_progress) = on_progress.try_borrow_mut()
        {
            on_progress();
        }
    }
}

impl fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("cancel", &self.cancel)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl From<&CancelToken> for Control<'_> {
    fn from(cancel: &CancelToken) -> Self {
        Self::new().cancel(cancel.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn clones_share_and_twice_is_once() {
        let token = CancelToken::new();
        let clone = token.clone();
        assert!(token.check().is_ok());
        clone.cancel();
        clone.cancel();
        assert!(token.is_cancelled() && token.check().is_err());
    }

    #[test]
    fn a_deadline_sets_the_new_flag_alone() {
        let token = CancelToken::new();
        let past = token.until(Some(Instant::now()));
        let future = token.until(Some(Instant::now() + Duration::from_secs(3600)));
        assert!(past.is_cancelled());
        assert!(!future.is_cancelled() && !token.is_cancelled());
        token.cancel();
        assert!(future.is_cancelled());
    }

    #[test]
    fn a_group_is_set_when_all_are() {
        let tokens = [CancelToken::new(), CancelToken::new()];
        let group = CancelToken::all_of(tokens.clone());
        tokens[0].cancel();
        assert!(!group.is_cancelled());
        tokens[1].cancel();
        assert!(group.is_cancelled());
        assert!(!CancelToken::all_of([]).is_cancelled());
    }
}
