//! What can be said of source text without parsing it.
#![forbid(unsafe_code)]

mod distinct;
mod rank;

pub use distinct::distinct;
pub use rank::{Likelihood, Ranked, rank};
