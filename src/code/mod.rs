//! What can be said of source text without parsing it: what is code, string or comment, which
//! brackets are open, and where a line, a block or a function ends; and what editors do with
//! completions before they show them.
//!
//! Text to text, and pure: no model and no tokenizer. [`Syntax`] says how each language is
//! written, [`Scanner`] reads text in pieces by it, and [`CodeStop`] ends text where a [`StopRule`]
//! says, while it streams; [`EvalCut`] has the rules of HumanEval-X. The rest are functions
//! over a completion and the text around the cursor, best called in this order: [`reindent`],
//! [`cut_at_scope`], [`without_overlap`], [`distinct`], [`rank`]. None of it is a parser: every
//! language is approximated, by the same few means, and [`Syntax`] says where that shows.
#![forbid(unsafe_code)]

mod distinct;
mod humaneval;
mod indent;
mod overlap;
mod rank;
mod reader;
mod scan;
mod scope;
mod stop;
mod syntax;
mod table;

pub use distinct::distinct;
pub use humaneval::EvalCut;
pub use indent::{Indentation, reindent};
pub use overlap::without_overlap;
pub use rank::{Likelihood, Ranked, rank};
pub use scan::{Kind, Open, Scanner, Token, scan};
pub use scope::cut_at_scope;
pub use stop::{CodeStop, StopRule, cut};
pub use syntax::{BlockComment, Blocks, Functions, Opener, Quote, Raw, Syntax, When};
