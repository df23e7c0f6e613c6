//! The state of one sequence: the KV cache.

use std::any::Any;
use std::fmt;

/// The KV cache of one sequence, whatever a model keeps it in.
///
/// A state belongs to the model that made it. It is a plain value: moving it to another thread,
/// dropping it or forking it affects no other state.
///
/// The model finds its own type again by upcasting to [`Any`]:
/// `(state as &mut dyn Any).downcast_mut()`.
pub trait State: Any + Send + fmt::Debug {
    /// Tokens processed so far, which is the position of the next one.
    fn len(&self) -> usize;

    /// Whether no token was processed.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `tokens`; more than it has changes nothing. The next tokens
    /// continue from there.
    fn truncate(&mut self, tokens: usize);

    /// A second state with the same tokens. Memory is shared, and copied by the page
    /// when one of the two grows.
    fn fork(&self) -> Box<dyn State>;

    /// Bytes of memory, those shared with forks counted in full.
    fn bytes(&self) -> usize;
}
