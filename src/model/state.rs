//! The state of one sequence: what the model remembers of the tokens it was fed.

use std::any::Any;
use std::fmt;

/// One sequence's keys and values, whatever a model keeps them in.
///
/// A state belongs to the model that made it. It is a plain value: moving it to another thread,
/// dropping it or forking it concerns no other state.
pub trait State: Send + fmt::Debug {
    /// Tokens fed so far, which is the position of the next one.
    fn len(&self) -> usize;

    /// Whether no token was fed.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `tokens`; more than there are changes nothing. What is fed next
    /// continues from there.
    fn truncate(&mut self, tokens: usize);

    /// A second state with the same tokens. Memory is shared until one of the two is fed, and
    /// then copied by the page.
    fn fork(&self) -> Box<dyn State>;

    /// Bytes of memory, those shared with forks counted in full.
    fn bytes(&self) -> usize;

    /// For the model to find its own type again.
    fn as_any(&self) -> &dyn Any;

    /// For the model to find its own type again.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}
