//! What can be said of source text without parsing it: what is code, string or comment, which
//! brackets are open, and where a line, a block or a function ends.
//!
//! Text to text, and pure: no model and no tokenizer. [`Syntax`] says how each language is
//! written, [`Scanner`] reads text in pieces by it, and [`CodeStop`] ends an answer where a
//! [`StopRule`] says. None of it is a parser: every language is approximated, by the same few
//! means, and [`Syntax`] says where that shows.
#![forbid(unsafe_code)]

mod scan;
mod stop;
mod syntax;
mod table;

pub use scan::{Kind, Open, Scanner, Token, scan};
pub use stop::{CodeStop, StopRule, cut};
pub use syntax::{BlockComment, Blocks, Functions, Opener, Quote, Raw, Syntax, When};
