//! Inline suggestions for editors: a session that is given the text at every keystroke and computes
//! only what is new in it.
//!
//! [`EditSession`] joins what the other modules do: it keeps the KV cache, cuts long texts at
//! an anchor that moves seldom, heals tokens at the cursor, keeps a suggestion alive while what is
//! typed agrees with it, and polishes completions by what [`code`](crate::code) offers. This
//! module computes nothing itself, and it knows no editor.
#![forbid(unsafe_code)]

mod polish;
mod session;
mod suggestion;
mod window;

pub use polish::Polish;
pub use session::{Clip, EditOptions, EditSession, Reuse, Update};
pub use suggestion::{Accept, Suggestion};
